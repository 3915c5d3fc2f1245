package storetest

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"tokensmith/model"
	"tokensmith/store"
)

// togetherReads: many UpdateShared wait together and read: what one user has, rows, many rows or none, in order; names that exist and
// names that do not; addresses. Each gets what it gets alone.
func togetherReads(t *testing.T, d *Database) {
	s := d.Open(t)
	w := newWorld(t, s)
	const users = 12
	var all []*model.User
	for i := range users {
		u := newUser(w.domain)
		all = append(all, u)
		insert(t, s, u, &model.UserState{UserID: u.ID})
		for n := range i % 4 {
			tok := newToken(w.product, w.repository)
			a := newAssignment(tok, u)
			a.Priority = int64(-n)
			insert(t, s, tok, &model.TokenState{TokenID: tok.ID}, a)
		}
	}
	read := func(tx store.ReadTx, i int) (got string, err error) {
		creds, err := tx.Credentials(all[i%users].ID)
		for _, c := range creds {
			got += fmt.Sprint(c.TokenID, c.PIN == nil, c.SeedGroup == nil, " ")
		}
		if err != nil {
			return got, err
		}
		name := all[i%users].LoginNameFolded
		if i%5 == 0 {
			name += "'none"
		}
		found, err := tx.Logins([]store.Cond{{Column: "login_name_folded", Op: store.Eq, Value: name}})
		if err != nil {
			return got, err
		}
		from, err := tx.Address(int64(i%3), all[i%users].ID, fmt.Sprint(i))
		return fmt.Sprint(got, len(found), from, slices.ContainsFunc(found, func(l model.Login) bool { return l.ID == all[i%users].ID })), err
	}
	Together(t, d, s, 5*users, func(i int) {
		var got, want string
		err := s.UpdateShared(context.Background(), func(tx store.Tx) (err error) {
			got, err = read(tx, i)
			return err
		})
		if err != nil {
			t.Error(err)
			return
		}
		view(t, s, func(tx store.ReadTx) (err error) {
			want, err = read(tx, i)
			return err
		})
		if got != want {
			t.Errorf("%d read %s\nnot %s", i, got, want)
		}
	})
}
