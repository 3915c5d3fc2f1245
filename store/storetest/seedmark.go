package storetest

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	"tokensmith/model"
	"tokensmith/model/otp"
	"tokensmith/store"
	"tokensmith/store/keyring"
)

var seedMarkCases = []contractCase{
	{"seed/what was used counts for all its tokens", seedGroups},
	{"seed/a mark stays of it, and goes with a token of it", seedMarks},
	{"seed/one that stands higher knows what was used", seedHigher},
	{"seed/what it answered and used is known to all its tokens", seedUse},
	{"seed/one key to HMAC is one seed", seedKeys},
	{"link/ends when its token is assigned", linkEnds},
}

// seeded returns a token with a seed.
func seeded(s store.Store, p *model.Product, r *model.Repository, seed string) *model.Token {
	tok := newToken(p, r)
	tok.Seed = s.Keys().Seal(keyring.Place{Table: "tokens", Column: "seed", Row: tok.ID}, []byte(seed))
	store.IndexSeed(s.Keys(), tok, []byte(seed), p.Crypto)
	return tok
}

// issue inserts tokens and returns the counters of their states.
func issue(t testing.TB, s store.Store, tokens ...*model.Token) (counters []int64) {
	t.Helper()
	update(t, s, func(tx store.Tx) error {
		var rows []model.Token
		var states []model.TokenState
		for _, tok := range tokens {
			rows, states = append(rows, *tok), append(states, model.TokenState{TokenID: tok.ID})
		}
		if _, err := tx.InsertMany(rows, false); err != nil {
			return err
		}
		after, err := tx.TakeMarks(rows, states)
		if err != nil {
			return err
		}
		counters = nil
		for i := range after {
			if states[i].Counter != 0 {
				t.Error("the states that were given are changed")
			}
			counters = append(counters, after[i].Counter)
		}
		_, err = tx.InsertMany(after, false)
		return err
	})
	return counters
}

// stored loads tokens and returns their counters.
func stored(t testing.TB, s store.Store, tokens ...*model.Token) (counters []int64) {
	t.Helper()
	view(t, s, func(tx store.ReadTx) error {
		counters = nil
		for _, tok := range tokens {
			var st model.TokenState
			if err := tx.Load(tok, tok.ID); err != nil {
				return err
			}
			if err := tx.Load(&st, tok.ID); err != nil {
				return err
			}
			counters = append(counters, st.Counter)
		}
		return nil
	})
	return counters
}

func seedGroups(t *testing.T, d *Database) {
	s := d.Open(t)
	w := newWorld(t, s)
	same, other := newProduct(), newProduct()
	other.Algorithm = "HOTP"
	insert(t, s, same, other)
	one, two := seeded(s, w.product, w.repository, "a seed"), seeded(s, same, w.repository, "a seed")
	three, apart := seeded(s, w.product, w.repository, "another seed"), seeded(s, other, w.repository, "a seed")
	issue(t, s, one)
	issue(t, s, two, three, apart)
	stored(t, s, one, two, three, apart)
	if one.SeedGroup == nil || two.SeedGroup == nil || *one.SeedGroup != *two.SeedGroup || three.SeedGroup != nil || apart.SeedGroup != nil {
		t.Errorf("groups %v, %v, %v, %v", one.SeedGroup, two.SeedGroup, three.SeedGroup, apart.SeedGroup)
	}
	update(t, s, func(tx store.Tx) error { return tx.RaiseMarks(two.SeedGroup, model.SeedUse{Counter: 7, Previous: 6}) })
	update(t, s, func(tx store.Tx) error { return tx.RaiseMarks(two.SeedGroup, model.SeedUse{Counter: 5, Previous: 4}) })
	update(t, s, func(tx store.Tx) error { return tx.RaiseMarks(nil, model.SeedUse{Counter: 9}) })
	if got := stored(t, s, one, two, three, apart); !slices.Equal(got, []int64{7, 7, 0, 0}) {
		t.Errorf("counters %v", got)
	}
	update(t, s, func(tx store.Tx) error {
		return tx.SaveChecked(&model.Credential{TokenID: one.ID, Counter: 9, SeedGroup: one.SeedGroup}, true, 1)
	})
	if got := stored(t, s, one, two, three, apart); !slices.Equal(got, []int64{9, 9, 0, 0}) {
		t.Errorf("counters %v", got)
	}
	// An event-based token with a higher counter, of which nothing was used, keeps its counter, and its state then says that
	// something was used.
	higher := seeded(s, other, w.repository, "a seed")
	issue(t, s, higher)
	stored(t, s, apart, higher)
	update(t, s, func(tx store.Tx) error {
		return tx.Save(&model.TokenState{TokenID: higher.ID, Counter: 50, Previous: 50})
	})
	update(t, s, func(tx store.Tx) error {
		return tx.SaveChecked(&model.Credential{TokenID: apart.ID, Algorithm: "HOTP", Counter: 8, SeedGroup: apart.SeedGroup}, true, 1)
	})
	view(t, s, func(tx store.ReadTx) error {
		var st model.TokenState
		err := tx.Load(&st, higher.ID)
		if use := st.Use("HOTP"); use.Counter != 50 || st.Previous != 49 {
			t.Errorf("one that stands at 50 says that all before %d was used, and has %+v", use.Counter, st)
		}
		return err
	})
	update(t, s, func(tx store.Tx) error {
		return errors.Join(tx.Delete(higher), tx.Save(&model.TokenState{TokenID: apart.ID}))
	})
	if got := issue(t, s, seeded(s, same, w.repository, "a seed"), seeded(s, other, w.repository, "a seed")); !slices.Equal(got, []int64{9, 0}) {
		t.Errorf("new counters %v", got)
	}
}

func seedMarks(t *testing.T, d *Database) {
	s := d.Open(t)
	w := newWorld(t, s)
	w.product.Period = 30
	update(t, s, func(tx store.Tx) error { return tx.Save(w.product) })
	remove := func(tok *model.Token, counter int64) {
		t.Helper()
		update(t, s, func(tx store.Tx) error {
			if err := tx.Load(tok, tok.ID); err != nil {
				return err
			}
			if err := tx.Save(&model.TokenState{TokenID: tok.ID, Counter: counter}); err != nil {
				return err
			}
			if err := tx.LeaveMark(tok, newID(), 1); err != nil {
				return err
			}
			return tx.Delete(tok)
		})
	}
	marks := func() (n int64) {
		view(t, s, func(tx store.ReadTx) (err error) {
			n, err = tx.Count(&store.Query{Table: "seed_marks"})
			return err
		})
		return n
	}
	one, two := seeded(s, w.product, w.repository, "a seed"), seeded(s, w.product, w.repository, "a seed")
	issue(t, s, one, two)
	remove(one, 5)
	if n := marks(); n != 0 {
		t.Errorf("%d marks beside a token", n)
	}
	remove(two, 5)
	unused := seeded(s, w.product, w.repository, "an unused seed")
	issue(t, s, unused)
	remove(unused, 0)
	if n := marks(); n != 1 {
		t.Errorf("%d marks", n)
	}
	again := seeded(s, w.product, w.repository, "a seed")
	if got := issue(t, s, again); !slices.Equal(got, []int64{5}) || marks() != 0 {
		t.Errorf("counters %v, %d marks", got, marks())
	}
}

// seedHigher: a database from an older version may have a token with a higher counter whose state says that nothing was used. Its
// state is corrected when a token is deleted that knows better.
func seedHigher(t *testing.T, d *Database) {
	s := d.Open(t)
	w := newWorld(t, s)
	w.product.Algorithm = "HOTP"
	update(t, s, func(tx store.Tx) error { return tx.Save(w.product) })
	used, higher := seeded(s, w.product, w.repository, "a seed"), seeded(s, w.product, w.repository, "a seed")
	issue(t, s, used, higher)
	stored(t, s, used, higher)
	update(t, s, func(tx store.Tx) error {
		return errors.Join(tx.Save(&model.TokenState{TokenID: used.ID, Counter: 8, Previous: 7}),
			tx.Save(&model.TokenState{TokenID: higher.ID, Counter: 50, Previous: 50}))
	})
	for _, tok := range []*model.Token{used, higher} {
		update(t, s, func(tx store.Tx) error { return errors.Join(tx.LeaveMark(tok, newID(), 1), tx.Delete(tok)) })
	}
	if got := issue(t, s, seeded(s, w.product, w.repository, "a seed")); !slices.Equal(got, []int64{50}) {
		t.Errorf("counters %v", got)
	}
}

func seedUse(t *testing.T, d *Database) {
	s := d.Open(t)
	w := newWorld(t, s)
	steps := func(list ...int64) []byte { return []byte(otp.StepsOf(list...)) }
	one, two := seeded(s, w.product, w.repository, "a seed"), seeded(s, w.product, w.repository, "a seed")
	issue(t, s, one, two)
	stored(t, s, one, two)
	knows := func(tok *model.Token, want model.SeedUse) {
		t.Helper()
		view(t, s, func(tx store.ReadTx) error {
			var st model.TokenState
			err := tx.Load(&st, tok.ID)
			if got := (model.SeedUse{Counter: st.Counter, Previous: st.Previous, Asked: st.Asked, Used: st.Used}); !reflect.DeepEqual(got, want) {
				t.Errorf("a token knows %+v, not %+v", got, want)
			}
			return err
		})
	}
	check := func(c model.Credential, used bool) {
		t.Helper()
		c.TokenID, c.SeedGroup, c.Algorithm = one.ID, one.SeedGroup, "TOTP"
		update(t, s, func(tx store.Tx) error { return tx.SaveChecked(&c, used, 1) })
	}
	check(model.Credential{ResyncStep: 30, ResyncUntil: 9, Asked: steps(30)}, false)
	knows(one, model.SeedUse{Asked: steps(30)})
	knows(two, model.SeedUse{Asked: steps(30)})
	check(model.Credential{Counter: 21, Previous: 4, Used: steps(5, 20), Asked: steps(30)}, true)
	both := model.SeedUse{Counter: 21, Previous: 4, Asked: steps(30), Used: steps(5, 20)}
	knows(one, both)
	knows(two, both)
	update(t, s, func(tx store.Tx) error {
		return tx.RewindMarks(one.SeedGroup, model.SeedUse{Counter: 7, Used: both.Used})
	})
	both.Counter = 7
	knows(one, both)
	knows(two, both)
	three := seeded(s, w.product, w.repository, "a seed")
	issue(t, s, three)
	knows(three, both)
	update(t, s, func(tx store.Tx) error {
		for _, tok := range []*model.Token{one, two, three} {
			err := tx.Load(tok, tok.ID)
			if err == nil {
				err = tx.LeaveMark(tok, newID(), 1)
			}
			if err = errors.Join(err, tx.Delete(tok)); err != nil {
				return err
			}
		}
		return nil
	})
	again := seeded(s, w.product, w.repository, "a seed")
	issue(t, s, again)
	knows(again, both)
}

// seedKeys: a seed mark that an older version stored under the hash of the unchanged seed is found by the same seed.
func seedKeys(t *testing.T, d *Database) {
	s := d.Open(t)
	w := newWorld(t, s)
	w.product.Crypto = "HmacSHA1"
	update(t, s, func(tx store.Tx) error { return tx.Save(w.product) })
	short, long := seeded(s, w.product, w.repository, "a seed"), seeded(s, w.product, w.repository, "a seed\x00")
	if !slices.Equal(short.SeedIndex, long.SeedIndex) || short.FormerIndex != nil || slices.Equal(long.FormerIndex, long.SeedIndex) {
		t.Errorf("hashes %x, %x; former ones %x, %x", short.SeedIndex, long.SeedIndex, short.FormerIndex, long.FormerIndex)
	}
	insert(t, s, &model.SeedMark{ID: newID(), Digest: []byte("sealed"), SeedIndex: long.FormerIndex, Algorithm: "TOTP", Crypto: "HmacSHA1", Counter: 5, Previous: 4})
	if got := issue(t, s, long); !slices.Equal(got, []int64{5}) {
		t.Errorf("counters %v", got)
	}
	if got := issue(t, s, short); !slices.Equal(got, []int64{5}) {
		t.Errorf("counters %v", got)
	}
	// The mark is found only now. It is deleted, and the existing tokens know what it said.
	insert(t, s, &model.SeedMark{ID: newID(), Digest: []byte("sealed"), SeedIndex: long.FormerIndex, Algorithm: "TOTP", Crypto: "HmacSHA1", Counter: 9, Previous: 8})
	if got := issue(t, s, seeded(s, w.product, w.repository, "a seed\x00")); !slices.Equal(got, []int64{9}) {
		t.Errorf("counters %v", got)
	}
	if got := stored(t, s, short, long); !slices.Equal(got, []int64{9, 9}) {
		t.Errorf("counters %v of those that were there", got)
	}
}

func linkEnds(t *testing.T, d *Database) {
	s := d.Open(t)
	w := newWorld(t, s)
	one, two, other := newToken(w.product, w.repository), newToken(w.product, w.repository), newToken(w.product, w.repository)
	insert(t, s, one, two, other)
	for _, tok := range []*model.Token{one, two, other} {
		update(t, s, func(tx store.Tx) error {
			return tx.PutLink(&model.DownloadLink{TokenID: tok.ID, Hash: []byte(tok.ID), Expires: 9})
		})
	}
	insert(t, s, newAssignment(one, w.user))
	update(t, s, func(tx store.Tx) error {
		_, err := tx.InsertMany([]model.Assignment{*newAssignment(two, w.user)}, false)
		return err
	})
	view(t, s, func(tx store.ReadTx) error {
		for _, tok := range []*model.Token{one, two} {
			_, err := tx.LinkByHash([]byte(tok.ID))
			wantKind(t, err, model.NotFound)
		}
		_, err := tx.LinkByHash([]byte(other.ID))
		return err
	})
}
