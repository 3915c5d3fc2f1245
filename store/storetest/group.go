package storetest

import (
	"testing"

	"tokensmith/model"
	"tokensmith/store"
)

var userGroupCases = []contractCase{
	{"group/users come and go", groupUsers},
	{"group/whether groups are in it", groupsWithin},
	{"group/what a deletion takes along", deletedGroup},
}

// newUserGroup inserts a group of a domain.
func newUserGroup(t *testing.T, s store.Store, domain, name string) *model.Group {
	g := &model.Group{ID: newID(), DomainID: domain, Name: name, NameFolded: model.Fold(name)}
	insert(t, s, g)
	return g
}

// members returns the users of the groups, as they are stored.
func members(t *testing.T, s store.Store) (all [][2]string) {
	view(t, s, func(tx store.ReadTx) error {
		rows, err := tx.Find(&store.Query{Table: "user_group_members", Columns: []store.Column{{Name: "group_id"}, {Name: "user_id"}}, Limit: 99,
			Sort: []store.Sort{{Column: store.Column{Name: "group_id"}}, {Column: store.Column{Name: "user_id"}}}})
		for _, r := range rows {
			all = append(all, [2]string{r[0].(string), r[1].(string)})
		}
		return err
	})
	return all
}

func groupUsers(t *testing.T, d *Database) {
	s := d.Open(t)
	w := newWorld(t, s)
	var users []string
	for range 3 {
		u := &model.User{ID: newID(), DomainID: w.domain.ID, LoginNameFolded: newID(), Status: model.Active}
		insert(t, s, u)
		users = append(users, u.ID)
	}
	a, b := newUserGroup(t, s, w.domain.ID, "a"), newUserGroup(t, s, w.domain.ID, "b")
	join := func(group string, ids ...string) (added int64) {
		var rows []model.GroupMember
		for _, id := range ids {
			rows = append(rows, model.GroupMember{UserID: id, GroupID: group})
		}
		update(t, s, func(tx store.Tx) (err error) {
			added, err = tx.InsertMany(rows, true)
			return err
		})
		return added
	}
	if n := join(a.ID, users...); n != 3 {
		t.Errorf("%d users came", n)
	}
	if n := join(a.ID, users[0]) + join(b.ID, users[0], users[1]); n != 2 {
		t.Errorf("%d users came, two of whom were not there", n)
	}
	view(t, s, func(tx store.ReadTx) error {
		for most, want := range map[int64][]string{0: users, 1: users[:2], 2: {""}} {
			got, err := tx.InMoreGroups(users, most)
			if err != nil {
				return err
			}
			found := false
			for _, id := range want {
				found = found || id == got
			}
			if !found {
				t.Errorf("in more than %d groups: %q", most, got)
			}
		}
		if got, err := tx.InMoreGroups(nil, 0); got != "" || err != nil {
			t.Errorf("of nobody: %q, %v", got, err)
		}
		return nil
	})
	update(t, s, func(tx store.Tx) error { return tx.LeaveGroup(a.ID, []string{users[0], users[2], "nobody"}) })
	update(t, s, func(tx store.Tx) error { return tx.LeaveGroup(a.ID, nil) })
	if got := members(t, s); len(got) != 3 || got[0] != [2]string{a.ID, users[1]} || got[1] != [2]string{b.ID, users[0]} || got[2] != [2]string{b.ID, users[1]} {
		t.Errorf("left are %v", got)
	}
}

func groupsWithin(t *testing.T, d *Database) {
	s := d.Open(t)
	w := newWorld(t, s)
	outer, inner := newUserGroup(t, s, w.domain.ID, "outer"), newUserGroup(t, s, w.domain.ID, "inner")
	update(t, s, func(tx store.Tx) error {
		return tx.Relate(store.GroupMembers[0], store.GroupMembers[1], outer.ID, []string{inner.ID})
	})
	view(t, s, func(tx store.ReadTx) error {
		for scope, want := range map[string]int{"": 1, w.domain.ID: 1, "another": 0} {
			if tx.SetScope(nil); scope != "" {
				tx.SetScope(store.Scope{"user_groups": {{Column: "domain_id", Op: store.In, Value: []any{scope}}}, "user_group_parents": nil})
			}
			rows, err := tx.Find(&store.Query{Table: "user_groups", Limit: 9, Columns: []store.Column{{Name: "name"}, {Leads: store.GroupMembers}}})
			if err != nil {
				return err
			}
			within := 0
			for _, r := range rows {
				if leads := r[1] == true || r[1] == int64(1); leads {
					within++
				} else if r[0] == "outer" {
					t.Errorf("nothing is in the group: %v", r)
				}
			}
			if within != want {
				t.Errorf("scope %q: %v", scope, rows)
			}
		}
		return nil
	})
}

func deletedGroup(t *testing.T, d *Database) {
	s := d.Open(t)
	w := newWorld(t, s)
	u := &model.User{ID: newID(), DomainID: w.domain.ID, LoginNameFolded: newID(), Status: model.Active}
	insert(t, s, u)
	a, b, c := newUserGroup(t, s, w.domain.ID, "a"), newUserGroup(t, s, w.domain.ID, "b"), newUserGroup(t, s, w.domain.ID, "c")
	insert(t, s, &model.GroupMember{UserID: u.ID, GroupID: a.ID}, &model.GroupMember{UserID: u.ID, GroupID: b.ID})
	update(t, s, func(tx store.Tx) error {
		return tx.Relate(store.GroupParents[0], store.GroupParents[1], b.ID, []string{a.ID, c.ID})
	})
	update(t, s, func(tx store.Tx) error { return tx.Delete(a) })
	if got := members(t, s); len(got) != 1 || got[0] != [2]string{b.ID, u.ID} {
		t.Errorf("left are %v", got)
	}
	update(t, s, func(tx store.Tx) error { return tx.Delete(u) })
	if got := members(t, s); len(got) != 0 {
		t.Errorf("left are %v", got)
	}
	view(t, s, func(tx store.ReadTx) error {
		for _, g := range []*model.Group{b, c} {
			if err := tx.Load(new(model.Group), g.ID); err != nil {
				return err
			}
		}
		within, err := tx.Exists(store.GroupMembers[0], c.ID)
		if !within {
			t.Error("the other parent is gone")
		}
		return err
	})
}
