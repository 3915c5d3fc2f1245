package store_test

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"tokensmith/model"
	"tokensmith/store"
	"tokensmith/store/keyring"
	"tokensmith/store/storetest"
)

// TestRotationRehashes: an index of keyed hashes is made again with the new key, from the normal form of the sealed values. Until
// then, a look-up under every key finds them. The test is not parallel, because it registers an index of its own.
func TestRotationRehashes(t *testing.T) {
	defer store.IndexTokens("a test", bytes.ToUpper)()
	for _, fresh := range []func(*testing.T) *storetest.Database{storetest.NewSQLite, storetest.NewPostgres} {
		d := fresh(t)
		s := d.Open(t)
		const many = 1100 // more than a page
		seal := func(id string) model.ClientToken {
			return model.ClientToken{ID: id, DeviceID: "d", Hash: s.Keys().MAC("a test", []byte("CODE"+strings.ToUpper(id))),
				Sealed: s.Keys().Seal(keyring.Place{Table: "client_tokens", Column: "sealed", Row: id}, []byte("code"+id))}
		}
		var rows []model.ClientToken
		for i := range many {
			rows = append(rows, seal("t"+string(rune('a'+i%26))+strings.Repeat("x", i/26)))
		}
		update(t, s, func(tx store.Tx) error {
			if err := tx.Insert(&model.Device{ID: "d", Name: "d", NameFolded: "d"}); err != nil {
				return err
			}
			_, err := tx.InsertMany(rows, false)
			return err
		})
		before := s.Keys().MAC("a test", []byte("CODETA"))
		r, err := s.Rotate(t.Context(), time.Now())
		if err != nil || r.Values != many+1 || r.Hashes != many {
			t.Fatalf("%+v, %v", r, err)
		}
		after := s.Keys().MAC("a test", []byte("CODETA"))
		if all := s.Keys().MACs("a test", []byte("CODETA")); len(all) != 2 || !bytes.Equal(all[0], after) || !bytes.Equal(all[1], before) || bytes.Equal(before, after) {
			t.Errorf("%x under every key, %x before, %x after", all, before, after)
		}
		view(t, s, func(tx store.ReadTx) error {
			for _, row := range rows {
				var now model.ClientToken
				if err := tx.Load(&now, row.ID); err != nil {
					return err
				}
				if !bytes.Equal(now.Hash, s.Keys().MAC("a test", []byte("CODE"+strings.ToUpper(row.ID)))) {
					t.Fatalf("the hash of %s is not made anew", row.ID)
				}
			}
			return nil
		})
	}
}

// TestRotationInterrupted: an interrupted rotation continues with the key it began with. While anything is sealed with an old
// key, that key is not retired.
func TestRotationInterrupted(t *testing.T) {
	t.Parallel()
	storetest.Databases(t, func(t *testing.T, d *storetest.Database) {
		s := d.Open(t)
		place := keyring.Place{Table: "deliveries", Column: "body", Row: "x"}
		update(t, s, func(tx store.Tx) error {
			return tx.Insert(&model.Delivery{ID: "x", Status: model.Queued, Body: s.Keys().Seal(place, []byte("body"))})
		})
		// As after a crash: the key exists, and nothing is sealed again yet.
		if err := s.Keys().AddKey(); err != nil {
			t.Fatal(err)
		}
		two, err := os.ReadFile(d.KeyFile)
		if err != nil || bytes.Count(two, []byte("tokensmith-key-1")) != 2 {
			t.Fatalf("%q, %v", two, err)
		}
		if n, err := s.RetireKeys(t.Context(), time.Now().Add(61*time.Minute), false); err == nil || n != 0 || !strings.Contains(err.Error(), "rotate first") {
			t.Errorf("%d retired, %v", n, err)
		}
		if r, err := s.Rotate(t.Context(), time.Now()); err != nil || r.Values != 2 {
			t.Fatalf("%+v, %v", r, err)
		}
		if now, err := os.ReadFile(d.KeyFile); err != nil || !bytes.Equal(now, two) {
			t.Errorf("a further key was added: %v", err)
		}
		if n, err := s.RetireKeys(t.Context(), time.Now().Add(61*time.Minute), false); err != nil || n != 1 {
			t.Errorf("%d retired, %v", n, err)
		}
		view(t, s, func(tx store.ReadTx) error {
			var d model.Delivery
			err := tx.Load(&d, "x")
			if body, err := s.Keys().Unseal(place, d.Body); err != nil || string(body) != "body" {
				t.Errorf("%q, %v", body, err)
			}
			return err
		})
	})
}
