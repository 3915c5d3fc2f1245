package people

import (
	"maps"
	"slices"

	"tokensmith/model"
	"tokensmith/rpc/object"
	"tokensmith/store"
)

// No name means two people. A principal name belongs to one user in all domains, and is not the login name of another. A name of
// a domain belongs to one domain. This is checked when names are written, but a database may contain older names.

// holders are the users who have names, by folded login name and folded principal name. For a file they are read all at once.
type holders struct{ logins, principals map[string][]string }

func holdersOf(tx store.ReadTx, logins, principals []string) (*holders, error) {
	h := &holders{map[string][]string{}, map[string][]string{}}
	users, err := tx.UsersHaving(logins, principals)
	for _, u := range users {
		h.add(u.ID, u.LoginName, u.PrincipalName)
	}
	return h, err
}

func (h *holders) add(id, login, principal string) {
	h.logins[login] = append(h.logins[login], id)
	if principal != "" {
		h.principals[principal] = append(h.principals[principal], id)
	}
}

// take gives a user new names, or returns an error if one of them belongs to another user.
func (h *holders) take(place string, u, was *model.User) error {
	if was == nil {
		was = &model.User{}
	}
	of := func(list map[string][]string, name string) bool {
		for _, id := range list[name] {
			if id != u.ID {
				return true
			}
		}
		return false
	}
	principal, login := u.UserPrincipalNameFolded, u.LoginNameFolded
	if principal != "" && principal != was.UserPrincipalNameFolded {
		if of(h.principals, principal) {
			return model.AttrErrorf(model.Exists, place+".userPrincipalName", "already belongs to another user")
		}
		if of(h.logins, principal) {
			return model.AttrErrorf(model.Exists, place+".userPrincipalName", "is another user's loginName")
		}
	}
	if login == was.LoginNameFolded {
	} else if reason := model.NoDomainEnds(login); reason != "" {
		return model.AttrErrorf(model.Invalid, place+".loginName", "%s", reason) // from a username prefix that was stored before this was refused
	} else if of(h.principals, login) {
		return model.AttrErrorf(model.Exists, place+".loginName", "is another user's userPrincipalName")
	}
	for list, name := range map[*map[string][]string]string{&h.logins: was.LoginNameFolded, &h.principals: was.UserPrincipalNameFolded} {
		(*list)[name] = slices.DeleteFunc((*list)[name], func(id string) bool { return id == u.ID })
	}
	h.add(u.ID, login, principal)
	return nil
}

// namesOf returns the names by which other holders of a user's new names must be looked up.
func namesOf(u, was *model.User) (logins, principals []string) {
	if was == nil || was.LoginNameFolded != u.LoginNameFolded {
		principals = append(principals, u.LoginNameFolded)
	}
	if principal := u.UserPrincipalNameFolded; principal != "" && (was == nil || was.UserPrincipalNameFolded != principal) {
		logins, principals = append(logins, principal), append(principals, principal)
	}
	return logins, principals
}

// namesFree returns an error if a new name of a user belongs to another user.
func namesFree(tx store.ReadTx, place string, u, was *model.User) error {
	logins, principals := namesOf(u, was)
	h, err := holdersOf(tx, logins, principals)
	if err != nil {
		return err
	}
	return h.take(place, u, was)
}

// domainNamesFree returns an error if a new name of a domain belongs to another domain.
func domainNamesFree(tx store.ReadTx, d *object.Decoded, now, was *model.Domain) error {
	given := map[string]string{} // attributes by new name
	for _, n := range []struct{ attr, name, was string }{{"dnsName", now.DNSNameFolded, was.DNSNameFolded},
		{"netbiosName", now.NetbiosNameFolded, was.NetbiosNameFolded}, {"name", now.NameFolded, was.NameFolded}} {
		if n.name != "" && n.name != n.was {
			given[n.name] = n.attr
		}
	}
	taken, err := tx.DomainsCalled(slices.Sorted(maps.Keys(given)))
	for _, name := range slices.Sorted(maps.Keys(taken)) {
		attr, other := given[name], taken[name]
		if other.ID != now.ID && (attr != "name" || other.NameFolded != name) { // two equal domain names are refused by the store
			return model.AttrErrorf(model.Exists, d.Place+"."+attr, "is another domain's name")
		}
	}
	return err
}
