package storetest

import (
	"testing"

	"tokensmith/model"
	"tokensmith/store"
)

var sessionCases = []contractCase{{"session/begins, is used and ends", sessions}, {"session/sign-ins by address", signIns}}

func signIns(t *testing.T, d *Database) {
	s := d.Open(t)
	w := newWorld(t, s)
	other := newUser(w.domain)
	failed := func(user *model.User, address string) *model.SignIns {
		return &model.SignIns{ID: newID(), UserID: user.ID, Address: address, FailCount: 1, Locks: 2, LockedUntil: 1 << 62, LastFailure: 4, LastSuccess: 5}
	}
	insert(t, s, other, failed(w.user, ""), failed(w.user, "192.0.2.1"), failed(other, ""))
	wantKind(t, refused(s, func(tx store.Tx) error { return tx.Insert(failed(w.user, "192.0.2.1")) }), model.Exists)
	update(t, s, func(tx store.Tx) error { return tx.UnlockSignIns(w.user.ID) })
	view(t, s, func(tx store.ReadTx) error {
		of := func(u *model.User, rows int, want model.SignIns) {
			t.Helper()
			found, err := tx.SignIns(u.ID)
			if err != nil || len(found) != rows {
				t.Errorf("%d rows, %v", len(found), err)
			}
			for _, f := range found {
				f.ID, f.UserID, f.Address = "", "", ""
				if f != want {
					t.Errorf("%+v", f)
				}
			}
		}
		for address, rows := range map[string]int{"192.0.2.1": 1, "192.0.2.2": 0, "": 0} {
			if found, err := tx.SignInsFrom(address); err != nil || len(found) != rows || rows == 1 && found[0].UserID != w.user.ID {
				t.Errorf("from %q: %+v, %v", address, found, err)
			}
		}
		of(w.user, 2, model.SignIns{LastFailure: 4, LastSuccess: 5})
		of(other, 1, model.SignIns{FailCount: 1, Locks: 2, LockedUntil: 1 << 62, LastFailure: 4, LastSuccess: 5})
		return nil
	})
	update(t, s, func(tx store.Tx) error { return tx.Delete(other) })
	view(t, s, func(tx store.ReadTx) error {
		if found, err := tx.SignIns(other.ID); len(found) != 0 || err != nil {
			t.Error("of a deleted user: ", found, err)
		}
		return nil
	})
}

func sessions(t *testing.T, d *Database) {
	s := d.Open(t)
	w := newWorld(t, s)
	other := newUser(w.domain)
	rows := []*model.Session{
		{Hash: []byte("one"), UserID: w.user.ID, PasswordChanged: 3, DateCreated: 10, LastUsed: 10},
		{Hash: []byte("two"), UserID: w.user.ID, DateCreated: 20, LastUsed: 20},
		{Hash: []byte("three"), UserID: other.ID, DateCreated: 30, LastUsed: 30},
	}
	insert(t, s, other, rows[0], rows[1], rows[2])
	has := func(hash string, lastUsed model.Time) {
		t.Helper()
		view(t, s, func(tx store.ReadTx) error {
			found, err := tx.SessionByHash([]byte(hash))
			if lastUsed == 0 {
				wantKind(t, err, model.NotFound)
				return nil
			}
			if err == nil && found.LastUsed != lastUsed {
				t.Errorf("%s was last used at %d, not %d", hash, found.LastUsed, lastUsed)
			}
			return err
		})
	}
	update(t, s, func(tx store.Tx) error { return tx.SessionUsed([]byte("one"), 15) })
	has("one", 15)
	has("two", 20)
	update(t, s, func(tx store.Tx) error { return tx.SessionUsed([]byte("one"), 12) }) // the clock was set back
	has("one", 15)
	update(t, s, func(tx store.Tx) error { return tx.DropSessions(20) })
	has("one", 0)
	has("two", 20)
	update(t, s, func(tx store.Tx) error { return tx.DropSession([]byte("two")) })
	has("two", 0)
	has("three", 30)
	insert(t, s, &model.Session{Hash: []byte("four"), UserID: w.user.ID, DateCreated: 40, LastUsed: 40})
	insert(t, s, &model.Session{Hash: []byte("five"), UserID: w.user.ID, DateCreated: 50, LastUsed: 50})
	view(t, s, func(tx store.ReadTx) error {
		all, err := tx.SessionsOf(w.user.ID)
		if err != nil {
			return err
		}
		if len(all) != 2 || string(all[0].Hash) != "five" || string(all[1].Hash) != "four" {
			t.Errorf("the user's sessions are %v", all)
		}
		return nil
	})
	update(t, s, func(tx store.Tx) error { return tx.DropSessionsOf(w.user.ID) })
	has("four", 0)
	has("five", 0)
	has("three", 30)
	update(t, s, func(tx store.Tx) error { return tx.Delete(other) })
	has("three", 0)
}
