package storetest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tokensmith/model"
	"tokensmith/store"
	"tokensmith/store/keyring"
)

var openCases = []contractCase{
	{"open/again keeps everything", openAgain},
	{"open/many race on a new database", openRace},
	{"open/a newer schema is refused", newerSchema},
}

func openAgain(t *testing.T, d *Database) {
	s := d.Open(t)
	w := newWorld(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s = d.Open(t)
		view(t, s, func(tx store.ReadTx) error {
			number, err := tx.Meta("schema")
			if string(number) == "" {
				t.Error("the schema has no number")
			}
			if err != nil {
				return err
			}
			return tx.Load(new(model.Token), w.token.ID)
		})
	}
}

func openRace(t *testing.T, d *Database) {
	const racers = 4
	type opened struct {
		s   store.Store
		err error
	}
	results := make(chan opened, racers)
	gate := make(chan struct{})
	for range racers {
		go func() {
			<-gate
			s, err := d.connect(d.KeyFile)
			results <- opened{s, err}
		}()
	}
	close(gate)
	place := keyring.Place{Table: "t", Column: "c", Row: "r"}
	var sealed []byte
	for range racers {
		r := awaits(t, results, "Open")
		if r.err != nil {
			t.Error("Open: ", r.err)
			continue
		}
		defer r.s.Close()
		insert(t, r.s, newRepository())
		if sealed == nil {
			sealed = r.s.Keys().Seal(place, []byte("x"))
		}
		if _, err := r.s.Keys().Unseal(place, sealed); err != nil {
			t.Error("they have different keys: ", err)
		}
	}
}

func newerSchema(t *testing.T, d *Database) {
	s := d.Open(t)
	update(t, s, func(tx store.Tx) error { return tx.PutMeta("schema", []byte("9999")) })
	_, err := d.connect(d.KeyFile)
	if err == nil || !strings.Contains(err.Error(), "newer") || !strings.Contains(err.Error(), "9999") {
		t.Errorf("Open: %v", err)
	}
}

var keyCases = []contractCase{
	{"key/file is its owner's and made once", keyFileMade},
	{"key/wrong file is refused", keyWrong},
	{"key/missing file of a sealed database is refused", keyMissing},
	{"key/rotation", keyRotation},
}

func refusedOpen(t *testing.T, d *Database, keyFile, why string) {
	t.Helper()
	s, err := d.connect(keyFile)
	if err == nil {
		s.Close()
		t.Fatal("Open took it")
	}
	if !strings.Contains(err.Error(), why) || !strings.Contains(err.Error(), keyFile) {
		t.Errorf("Open: %q does not say %q and the file", err, why)
	}
}

func keyFileMade(t *testing.T, d *Database) {
	d.Open(t)
	made, err := os.ReadFile(d.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(d.KeyFile); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	names, err := filepath.Glob(filepath.Join(filepath.Dir(d.KeyFile), "*"))
	if err != nil || len(names) != 1 {
		t.Errorf("beside the key file: %q, %v", names, err)
	}
	d.Open(t)
	if again, err := os.ReadFile(d.KeyFile); string(again) != string(made) || err != nil {
		t.Errorf("the key file was written again (%v)", err)
	}
	for mode, ok := range map[os.FileMode]bool{0o640: true, 0o400: true, 0o644: false, 0o602: false, 0o601: false} {
		if err := os.Chmod(d.KeyFile, mode); err != nil {
			t.Fatal(err)
		}
		if ok {
			d.Open(t)
		} else {
			refusedOpen(t, d, d.KeyFile, "chmod 600")
		}
	}
}

func keyWrong(t *testing.T, d *Database) {
	d.Open(t)
	other := newKeyFile(t)
	if _, err := keyring.Create(other); err != nil {
		t.Fatal(err)
	}
	refusedOpen(t, d, other, "does not match")
	d.Open(t) // the right one still fits
}

func keyMissing(t *testing.T, d *Database) {
	d.Open(t)
	missing := newKeyFile(t)
	refusedOpen(t, d, missing, "is sealed")
	if _, err := os.Stat(missing); !os.IsNotExist(err) {
		t.Error("a key file was made for a sealed database: ", err)
	}
}

// keyRotation: a key that was added at the end seals, and the keys before it still open. A database whose own key is missing from
// the key file is refused.
func keyRotation(t *testing.T, d *Database) {
	place := keyring.Place{Table: "t", Column: "c", Row: "r"}
	old := d.Open(t).Keys().Seal(place, []byte("old"))
	first, err := os.ReadFile(d.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	another := newKeyFile(t)
	if _, err := keyring.Create(another); err != nil {
		t.Fatal(err)
	}
	second, err := os.ReadFile(another)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(d.KeyFile, slices.Concat([]byte("# two\n"), first, second), 0o600); err != nil {
		t.Fatal(err)
	}
	keys := d.Open(t).Keys()
	if got, err := keys.Unseal(place, old); string(got) != "old" || err != nil {
		t.Errorf("sealed before: %q, %v", got, err)
	}
	ring, err := keyring.Load(another)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ring.Unseal(place, keys.Seal(place, []byte("new"))); string(got) != "new" || err != nil {
		t.Errorf("the last key does not seal: %q, %v", got, err)
	}
	refusedOpen(t, d, another, "does not match")
}
