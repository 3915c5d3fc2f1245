package storetest

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"tokensmith/model"
	"tokensmith/store"
)

var nameCases = []contractCase{
	{"name/whom a name means", calledUsers},
	{"name/whom the names of a file mean", usersNamed},
	{"name/names of before a rule", calledAsBefore},
	{"name/principal names that two have", sharedPrincipals},
}

// called returns a user of a domain with a login name and a principal name, which may be "".
func called(d *model.Domain, login, principal string) *model.User {
	u := newUser(d)
	u.LoginName, u.LoginNameFolded = login, model.Fold(login)
	u.UserPrincipalName, u.UserPrincipalNameFolded = principal, model.Fold(principal)
	return u
}

func calledUsers(t *testing.T, d *Database) {
	s := d.Open(t)
	north, south := newDomain(), newDomain()
	north.Name, north.NameFolded, north.NetbiosNameFolded, north.DNSNameFolded = "clients", "clients", "north", "north.example"
	south.Name, south.NameFolded, south.IsDefault = "south", "south", true
	jdoe, other := called(north, "jdoe", "John.Doe@north.example"), called(south, "jdoe", "jdoe@south.example")
	mail, twice, again := called(south, "kim@x.example", ""), called(north, "one", "twice@x.example"), called(south, "two", "Twice@x.example")
	short, person := called(north, "s", "short"), called(north, "both@x.example", "both@x.example")
	login, holder := called(north, "taken@x.example", ""), called(south, "holder", "Taken@x.example")
	all := []*model.User{jdoe, other, mail, twice, again, short, person, login, holder}
	insert(t, s, north, south)
	for _, u := range all {
		insert(t, s, u)
	}
	names := map[*model.User]string{jdoe: "jdoe", other: "other", mail: "mail", twice: "twice", again: "again", short: "short", person: "person", login: "login", holder: "holder"}
	byID := map[string]string{}
	for u, name := range names {
		byID[u.ID] = name
	}
	scope := store.DomainScope([]any{south.ID})
	cases := []struct{ name, called, logins, inSouth string }{ // of Logins no more than two are read
		{"jdoe", "jdoe other", "jdoe other", "other"},
		{"clients\\jdoe", "jdoe", "jdoe", ""},
		{"north/jdoe", "jdoe", "jdoe", ""},
		{"north.example\\jdoe", "jdoe", "jdoe", ""},
		{"north\\john.doe@north.example", "jdoe", "jdoe", ""},
		{"south\\john.doe@north.example", "", "", ""},
		{"john.doe@north.example", "jdoe", "jdoe", ""},
		{"south\\jdoe", "other", "other", "other"},
		{"jdoe@south.example", "other", "other", "other"},
		{"kim@x.example", "mail", "mail", "mail"},
		{"south\\kim@x.example", "mail", "mail", "mail"},
		{"both@x.example", "person", "person", ""},
		{"twice@x.example", "", "", ""},
		{"north\\twice@x.example", "", "", ""},
		{"taken@x.example", "login", "login", ""}, // and another's principal name, in the default domain
		{"north\\taken@x.example", "login", "login", ""},
		{"south\\taken@x.example", "holder", "holder", "holder"},
		{"short", "", "", ""}, // not without an @, and without a domain
		{"north\\short", "short", "short", ""},
		{"nowhere\\jdoe", "", "", ""},
		{"\\jdoe", "", "", ""},
		{"north\\", "", "", ""},
		{"north\\south\\jdoe", "", "", ""},
		{"jdoe@clients", "", "", ""},
		{"@", "", "", ""},
	}
	list := func(ids []string) string {
		var found []string
		for _, id := range ids {
			found = append(found, byID[id])
		}
		slices.Sort(found)
		return strings.Join(found, " ")
	}
	var asked []string
	for _, c := range cases {
		asked = append(asked, c.name)
	}
	update(t, s, func(tx store.Tx) error {
		for _, u := range all {
			if err := tx.Insert(&model.UserState{UserID: u.ID}); err != nil {
				return err
			}
		}
		together, err := tx.UsersCalled(asked)
		if err != nil {
			return err
		}
		for _, c := range cases {
			var ids, defaults []string
			for _, u := range together[c.name] {
				ids = append(ids, u.ID)
				if u.InDefaultDomain {
					defaults = append(defaults, u.ID)
				}
			}
			if got := list(ids); got != c.called {
				t.Errorf("%s means %q, not %q", c.name, got, c.called)
			}
			if got := list(defaults); got != c.inSouth {
				t.Errorf("%s means %q in the default domain, not %q", c.name, got, c.inSouth)
			}
			cond := []store.Cond{{Column: "login_name_folded", Op: store.Calls, Value: c.name}}
			for _, asked := range []struct {
				scope store.Scope
				want  string
			}{{nil, c.logins}, {scope, c.inSouth}} {
				tx.SetScope(asked.scope)
				logins, err := tx.Logins(cond)
				if err != nil {
					return err
				}
				ids = nil
				for _, l := range logins {
					ids = append(ids, l.ID)
				}
				if got := list(ids); got != asked.want {
					t.Errorf("%s logs in %q, not %q", c.name, got, asked.want)
				}
				// The same through a path to the user.
				n, err := tx.Count(&store.Query{Table: "user_states", Where: []store.Cond{{Path: []store.Step{store.ToUser}, Column: "login_name_folded", Op: store.Calls, Value: c.name}}})
				if err != nil || int(n) != len(ids) {
					return fmt.Errorf("%s leads from %d rows, not %d: %w", c.name, n, len(ids), err)
				}
			}
			tx.SetScope(nil)
		}
		narrowed, ok := store.InDefaultDomain([]store.Cond{{Column: "login_name_folded", Op: store.Calls, Value: "jdoe"}})
		logins, err := tx.Logins(narrowed)
		if err != nil || !ok || len(logins) != 1 || logins[0].ID != other.ID {
			t.Errorf("in the default domain: %v, %v", logins, err)
		}
		tx.SetScope(scope)
		domains, err := tx.DomainsCalled([]string{"north", "clients", "south", "", "nowhere"})
		if got := slices.Sorted(maps.Keys(domains)); err != nil || fmt.Sprint(got) != "[south]" {
			t.Errorf("domains %v, %v", got, err)
		}
		tx.SetScope(nil)
		domains, err = tx.DomainsCalled([]string{"north", "clients", "north.example", "south", "", "nowhere"})
		if got := slices.Sorted(maps.Keys(domains)); err != nil || fmt.Sprint(got) != "[clients north north.example south]" || domains["north"].ID != north.ID {
			t.Errorf("domains %v, %v", got, err)
		}
		return err
	})
}

// usersNamed checks that of several users with one name the one in the default domain is taken, and that e-mail addresses count
// only if no other name matches.
func usersNamed(t *testing.T, d *Database) {
	s := d.Open(t)
	north, south := newDomain(), newDomain()
	north.Name, north.NameFolded = "north", "north"
	south.Name, south.NameFolded, south.IsDefault = "south", "south", true
	first, second := called(north, "jdoe", ""), called(south, "jdoe", "")
	principal, login, mail := called(north, "p", "X@Upn"), called(north, "kim@x.example", ""), called(south, "m", "")
	for u, address := range map[*model.User]string{first: "y@mail", second: "kim@x.example", mail: "z@mail"} {
		u.Email, u.EmailFolded = address, address
	}
	insert(t, s, north, south, first, second, principal, login, mail)
	view(t, s, func(tx store.ReadTx) error {
		for _, c := range []struct {
			scope store.Scope
			want  map[string][]string
		}{
			{nil, map[string][]string{"jdoe": {second.ID}, "north\\jdoe": {first.ID}, "x@upn": {principal.ID}, "kim@x.example": {login.ID}, "y@mail": {first.ID}, "z@mail": {mail.ID}}},
			{store.DomainScope([]any{north.ID}), map[string][]string{"jdoe": {first.ID}, "north\\jdoe": {first.ID}, "x@upn": {principal.ID}, "kim@x.example": {login.ID}, "y@mail": {first.ID}}},
			{store.DomainScope([]any{south.ID}), map[string][]string{"jdoe": {second.ID}, "kim@x.example": {second.ID}, "z@mail": {mail.ID}}},
		} {
			tx.SetScope(c.scope)
			found, err := tx.UsersNamed([]string{"none", "jdoe", "north\\jdoe", "x@upn", "kim@x.example", "y@mail", "z@mail"})
			if err != nil {
				return err
			}
			if !reflect.DeepEqual(found, c.want) {
				t.Errorf("in scope %v: found %v", c.scope, found)
			}
		}
		return nil
	})
}

func sharedPrincipals(t *testing.T, d *Database) {
	s := d.Open(t)
	dom := newDomain()
	one, two := called(dom, "one", "Twice@x.example"), called(dom, "two", "twice@x.example")
	holder, login := called(dom, "holder", "Taken@x.example"), called(dom, "taken@x.example", "")
	fine, self := called(dom, "fine", "fine@x.example"), called(dom, "self@x.example", "self@x.example")
	insert(t, s, dom, one, two, holder, login, fine, self)
	for _, limit := range []int{1, 2, 100} {
		all := map[string]string{}
		view(t, s, func(tx store.ReadTx) error {
			for last := ""; ; {
				names, next, err := tx.SharedPrincipals(last, limit)
				maps.Copy(all, names)
				if err != nil || next == "" {
					return err
				}
				last = next
			}
		})
		want := map[string]string{one.ID: "Twice@x.example", two.ID: "twice@x.example", holder.ID: "Taken@x.example"}
		if !maps.Equal(all, want) {
			t.Errorf("by %d: %v, not %v", limit, all, want)
		}
	}
}

// calledAsBefore: a user with exactly the given name parts is meant. If there is none, the user whose names are the stored form
// of these parts is meant. This also holds for a bare login name, which is not resolved.
func calledAsBefore(t *testing.T, d *Database) {
	s := d.Open(t)
	corp, old := newDomain(), newDomain()
	corp.Name, corp.NameFolded, old.Name, old.NameFolded = "corp", "corp", "corp ", "corp "
	bob, oldBob, ada, oldAda := called(corp, "bob", "bob@x"), called(corp, "bob ", ""), called(corp, "ada", ""), called(old, "ada", "ada@x ")
	none := called(corp, "none", "")
	insert(t, s, corp, old, bob, oldBob, ada, oldAda, none)
	for _, u := range []*model.User{bob, oldBob, ada, oldAda} {
		insert(t, s, &model.UserState{UserID: u.ID})
	}
	view(t, s, func(tx store.ReadTx) error {
		for name, want := range map[string][]*model.User{"bob": {bob}, "bob ": {oldBob}, " bob": {bob}, `corp\bob `: {oldBob}, `corp\ bob`: {bob}, ` corp\bob`: {bob},
			`corp \bob`: nil, `corp\ada`: {ada}, `corp \ada`: {oldAda}, "\tcorp/ada\n": {ada}, "bob@x ": {bob}, "ada@x ": {oldAda}, "ada@x": nil, `corp\ `: nil} {
			given := model.Fold(name)
			clean, _ := model.Name.Clean(given)
			cond := []store.Cond{{Column: "login_name_folded", Op: store.Calls, Value: store.Named("users", "login_name_folded", given, clean)}}
			found, err := tx.Logins(cond)
			if err != nil {
				return err
			}
			var got, wanted []string
			for _, l := range found {
				got = append(got, l.ID)
			}
			for _, u := range want {
				wanted = append(wanted, u.ID)
			}
			if !slices.Equal(got, wanted) {
				t.Errorf("%q means %v, not %v", name, got, wanted)
			}
		}
		domains, err := tx.DomainsCalled([]string{"corp ", "corp", " corp", "other "})
		if err != nil || len(domains) != 3 || domains["corp "].ID != old.ID || domains["corp"].ID != corp.ID || domains[" corp"].ID != corp.ID {
			t.Error(domains, err)
		}
		return nil
	})
}
