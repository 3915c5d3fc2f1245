package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"tokensmith/model"
	"tokensmith/store"
)

var addressCases = []contractCase{
	{"address/failures and successes", addresses},
	{"address/of one user no more than 32", manyAddresses},
	{"address/outcomes are counted", outcomes},
	{"address/tokens held", held},
}

func addresses(t *testing.T, d *Database) {
	s := d.Open(t)
	w := newWorld(t, s)
	const now = 200 * model.AddressKnown
	want := func(slot int64, user, address string, want model.Address) {
		t.Helper()
		view(t, s, func(tx store.ReadTx) error {
			got, err := tx.Address(slot, user, address)
			if got != want {
				t.Errorf("slot %d, user %q at %s: %+v, not %+v", slot, user, address, got, want)
			}
			return err
		})
	}
	want(7, w.user.ID, "192.0.2.1", model.Address{})
	want(7, "", "192.0.2.1", model.Address{})
	update(t, s, func(tx store.Tx) error { return tx.AddressFailed(7, &model.Address{Day: 3, Failures: 4}) })
	update(t, s, func(tx store.Tx) error { return tx.AddressFailed(7, &model.Address{Day: 3, Failures: 5}) })
	update(t, s, func(tx store.Tx) error { return tx.AddressKnown(w.user.ID, "192.0.2.1", now-5) })
	update(t, s, func(tx store.Tx) error { return tx.AddressKnown(w.user.ID, "192.0.2.1", now) })
	want(7, w.user.ID, "192.0.2.1", model.Address{Day: 3, Failures: 5, LastSuccess: now})
	want(7, "", "192.0.2.1", model.Address{Day: 3, Failures: 5})
	want(8, w.user.ID, "192.0.2.2", model.Address{})
	update(t, s, func(tx store.Tx) error { return tx.AddressKnown(w.user.ID, "192.0.2.3", now+model.AddressKnown+1) })
	want(8, w.user.ID, "192.0.2.1", model.Address{}) // the last success was too long ago
	other := newUser(w.domain)
	insert(t, s, other)
	update(t, s, func(tx store.Tx) error { return tx.AddressKnown(other.ID, "192.0.2.3", now) })
	update(t, s, func(tx store.Tx) error { return tx.Delete(other) })
	want(8, other.ID, "192.0.2.3", model.Address{})
}

func manyAddresses(t *testing.T, d *Database) {
	s := d.Open(t)
	w := newWorld(t, s)
	for i := range 40 {
		update(t, s, func(tx store.Tx) error { return tx.AddressKnown(w.user.ID, fmt.Sprint("a", i), model.Time(1000+i)) })
	}
	view(t, s, func(tx store.ReadTx) error {
		for i := range 40 {
			a, err := tx.Address(1, w.user.ID, fmt.Sprint("a", i))
			if err != nil {
				return err
			}
			if known := a.LastSuccess != 0; known != (i >= 8) {
				t.Errorf("address %d is known: %v", i, known)
			}
		}
		return nil
	})
}

func outcomes(t *testing.T, d *Database) {
	s := d.Open(t)
	update(t, s, func(tx store.Tx) error {
		for i := range 20 {
			err := tx.Audit(&model.Audit{Time: model.Time(100 + i), Agent: "a", Method: []string{"m/a", "m/b", "n/a"}[i%3], Object: "o", Outcome: int64(200 + i%4), Remote: "local"})
			if err != nil {
				return err
			}
		}
		return nil
	})
	view(t, s, func(tx store.ReadTx) error {
		for _, c := range []struct {
			since model.Time
			most  int64
			want  int64
		}{{0, 100, 7}, {110, 100, 3}, {0, 3, 3}, {1000, 100, 0}} {
			n, err := tx.CountOutcomes("m/", c.since, []int64{201, 203}, c.most)
			if err != nil {
				return err
			}
			if n != c.want {
				t.Errorf("since %d, up to %d: %d, not %d", c.since, c.most, n, c.want)
			}
		}
		return nil
	})
}

func held(t *testing.T, d *Database) {
	s := d.Open(t)
	w := newWorld(t, s)
	view(t, s, func(tx store.ReadTx) error {
		found, err := tx.TokenHoldings()
		if len(found) != 0 {
			t.Errorf("nobody has a token: %+v", found)
		}
		return err
	})
	other := newUser(w.domain)
	first, second := newToken(w.product, w.repository), newToken(w.product, w.repository)
	spent := newToken(w.product, w.repository)
	spent.Status = model.Deceased
	insert(t, s, other, first, second, spent)
	for _, a := range []*model.Assignment{
		{ID: newID(), TokenID: first.ID, UserID: w.user.ID, Status: model.Active},
		{ID: newID(), TokenID: second.ID, UserID: w.user.ID, Status: model.Active},
		{ID: newID(), TokenID: spent.ID, UserID: w.user.ID, Status: model.Active},
		{ID: newID(), TokenID: first.ID, UserID: other.ID, Status: model.Active},
		{ID: newID(), TokenID: second.ID, UserID: other.ID, Status: model.Inactive},
	} {
		insert(t, s, a)
	}
	first.Seed, second.Seed = make([]byte, 32+16), make([]byte, 32+15)
	update(t, s, func(tx store.Tx) error { return errors.Join(tx.Save(first), tx.Save(second)) })
	view(t, s, func(tx store.ReadTx) error {
		short, err := tx.ShortSeeds(16)
		if short != 3 { // the seed of the world's token, and that of the spent one, are the text "sealed"
			t.Errorf("%d short seeds", short)
		}
		return err
	})
	view(t, s, func(tx store.ReadTx) error {
		found, err := tx.TokenHoldings()
		want := store.TokenHoldings{DomainID: w.domain.ID, ProductID: w.product.ID, Users: 2, MostTokens: 2}
		if len(found) != 1 || found[0] != want {
			t.Errorf("%+v, not %+v", found, want)
		}
		domains, err2 := tx.Domains()
		if len(domains) != 1 || domains[0].ID != w.domain.ID {
			t.Errorf("domains %+v", domains)
		}
		if err == nil {
			err = err2
		}
		return err
	})
	// The user's tokens of other products count too.
	p := newProduct()
	third := newToken(p, w.repository)
	insert(t, s, p, third)
	insert(t, s, &model.Assignment{ID: newID(), TokenID: third.ID, UserID: w.user.ID, Status: model.Active})
	view(t, s, func(tx store.ReadTx) error {
		found, err := tx.TokenHoldings()
		for _, want := range []store.TokenHoldings{{DomainID: w.domain.ID, ProductID: w.product.ID, Users: 2, MostTokens: 3}, {DomainID: w.domain.ID, ProductID: p.ID, Users: 1, MostTokens: 3}} {
			if len(found) != 2 || !slices.Contains(found, want) {
				t.Errorf("%+v lacks %+v", found, want)
			}
		}
		return err
	})
}
