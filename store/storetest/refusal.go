package storetest

import (
	"context"
	"errors"
	"testing"

	"tokensmith/model"
	"tokensmith/store"
)

var refusalCases = []contractCase{
	{"refusal/unique is Exists", uniqueExists},
	{"refusal/foreign key is InUse", foreignInUse},
	{"refusal/no row is NotFound", noRow},
	{"refusal/a failed statement spoils its transaction", spoiled},
	{"refusal/a cascade takes what belongs", cascade},
}

func refused(s store.Store, fn func(tx store.Tx) error) error {
	return s.Update(context.Background(), fn)
}

func uniqueExists(t *testing.T, d *Database) {
	s := d.Open(t)
	w := newWorld(t, s)
	insert(t, s, &model.Agent{ID: "a", Name: "agent", SecretHash: []byte{1}})
	owner := newAssignment(w.token, w.user)
	owner.IsOwner = true
	other := newUser(w.domain)
	insert(t, s, owner, other)
	same := func(change func(u *model.User)) *model.User {
		u := *w.user
		u.ID, u.LoginNameFolded = newID(), newID()
		change(&u)
		return &u
	}
	second := newAssignment(w.token, other)
	second.IsOwner = true
	serial := newToken(w.product, w.repository)
	serial.Serial = w.token.Serial
	codes := newProduct()
	codes.ProductCode = w.product.ProductCode
	folded := newDomain()
	folded.NameFolded = w.domain.NameFolded
	for name, row := range map[string]any{
		"primary key":                same(func(u *model.User) { u.ID = w.user.ID }),
		"login name in the domain":   same(func(u *model.User) { u.LoginNameFolded = w.user.LoginNameFolded }),
		"a second owner":             second,
		"an assignment of the pair":  newAssignment(w.token, w.user),
		"serial of the product":      serial,
		"product codes":              codes,
		"folded domain name":         folded,
		"repository name":            repository(w.repository.Name),
		"agent name":                 &model.Agent{ID: newID(), Name: "agent", SecretHash: []byte{1}},
		"the state of a token twice": &model.TokenState{TokenID: w.token.ID},
	} {
		t.Run(name, func(t *testing.T) {
			wantKind(t, refused(s, func(tx store.Tx) error { return tx.Insert(row) }), model.Exists)
		})
	}
	t.Run("by a change", func(t *testing.T) {
		other.LoginNameFolded = w.user.LoginNameFolded
		wantKind(t, refused(s, func(tx store.Tx) error { return tx.Save(other) }), model.Exists)
	})
	t.Run("among many", func(t *testing.T) {
		rows := []model.Token{*newToken(w.product, w.repository), *serial}
		wantKind(t, refused(s, func(tx store.Tx) error { _, err := tx.InsertMany(rows, false); return err }), model.Exists)
	})
}

func foreignInUse(t *testing.T, d *Database) {
	s := d.Open(t)
	w := newWorld(t, s)
	child := newRepository()
	child.ParentID = &w.repository.ID
	insert(t, s, newAssignment(w.token, w.user), child)
	for name, row := range map[string]any{"domain of a user": w.domain, "user of an assignment": w.user, "product of a token": w.product,
		"repository of a token": w.repository} {
		t.Run("delete the "+name, func(t *testing.T) {
			wantKind(t, refused(s, func(tx store.Tx) error { return tx.Delete(row) }), model.InUse)
		})
	}
	nowhere := newToken(w.product, w.repository)
	nowhere.RepositoryID = "none"
	orphan := newRepository()
	orphan.ParentID = new(string)
	for name, row := range map[string]any{"token in no repository": nowhere, "repository under none": orphan,
		"assignment of no token": &model.Assignment{ID: newID(), TokenID: "none", UserID: w.user.ID}} {
		t.Run("insert a "+name, func(t *testing.T) {
			wantKind(t, refused(s, func(tx store.Tx) error { return tx.Insert(row) }), model.InUse)
		})
	}
	t.Run("free again", func(t *testing.T) { update(t, s, func(tx store.Tx) error { return tx.Delete(child) }) })
}

func noRow(t *testing.T, d *Database) {
	s := d.Open(t)
	tok := &model.Token{ID: "none"}
	for name, act := range map[string]func(tx store.Tx) error{
		"Load":             func(tx store.Tx) error { return tx.Load(tok, tok.ID) },
		"Save":             func(tx store.Tx) error { return tx.Save(tok) },
		"Delete":           func(tx store.Tx) error { return tx.Delete(tok) },
		"ProductByCodes":   func(tx store.Tx) error { _, err := tx.ProductByCodes("no", "no"); return err },
		"RepositoryByName": func(tx store.Tx) error { _, err := tx.RepositoryByName("no"); return err },
	} {
		t.Run(name, func(t *testing.T) {
			wantKind(t, refused(s, act), model.NotFound)
			// A missing row is not a failure: the transaction continues.
			r := newRepository()
			update(t, s, func(tx store.Tx) error {
				act(tx)
				return tx.Insert(r)
			})
			view(t, s, func(tx store.ReadTx) error { return tx.Load(new(model.Repository), r.ID) })
		})
	}
}

func spoiled(t *testing.T, d *Database) {
	s := d.Open(t)
	w := newWorld(t, s)
	mine := errors.New("made of it by the caller")
	for name, give := range map[string]error{"overlooked": nil, "replaced": mine} {
		t.Run(name, func(t *testing.T) {
			r := newRepository()
			var first, later error
			err := s.Update(context.Background(), func(tx store.Tx) error {
				if err := tx.Insert(r); err != nil {
					return err
				}
				first = tx.Insert(repository(w.repository.Name))
				later = tx.Load(new(model.Repository), w.repository.ID)
				return give
			})
			wantKind(t, first, model.Exists)
			wantKind(t, later, model.Exists)
			if give != nil && err != give {
				t.Errorf("Update gave %v", err)
			} else if give == nil {
				wantKind(t, err, model.Exists)
			}
			view(t, s, func(tx store.ReadTx) error {
				wantKind(t, tx.Load(new(model.Repository), r.ID), model.NotFound)
				return nil
			})
		})
	}
}

func cascade(t *testing.T, d *Database) {
	s := d.Open(t)
	w := newWorld(t, s)
	a := newAssignment(w.token, w.user)
	insert(t, s, a)
	update(t, s, func(tx store.Tx) error { return tx.Delete(w.token) })
	update(t, s, func(tx store.Tx) error { return tx.Delete(w.user) })
	view(t, s, func(tx store.ReadTx) error {
		wantKind(t, tx.Load(new(model.Assignment), a.ID), model.NotFound)
		wantKind(t, tx.Load(new(model.TokenState), w.token.ID), model.NotFound)
		wantKind(t, tx.Load(new(model.UserState), w.user.ID), model.NotFound)
		return nil
	})
}
