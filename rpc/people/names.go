package people

import (
	"maps"
	"slices"

	"tokensmith/model"
	"tokensmith/rpc/object"
	"tokensmith/store"
)

// No name stands for two people: a principal name is one user's over all domains, and no other's login name; what stands before a
// user's name is one domain's. This is checked as names are written; a database may have such names from before.

// holders are the users who have names, by login name and by principal name, folded. A file's are read together.
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

// take gives a user new names, or says of an attribute that its value is another's.
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
			return model.AttrErrorf(model.Exists, place+".userPrincipalName", "is another user's")
		}
		if of(h.logins, principal) {
			return model.AttrErrorf(model.Exists, place+".userPrincipalName", "is another user's loginName")
		}
	}
	if login == was.LoginNameFolded {
	} else if reason := model.NoDomainEnds(login); reason != "" {
		return model.AttrErrorf(model.Invalid, place+".loginName", "%s", reason) // of a prefix from before that was refused
	} else if of(h.principals, login) {
		return model.AttrErrorf(model.Exists, place+".loginName", "is another user's userPrincipalName")
	}
	for list, name := range map[*map[string][]string]string{&h.logins: was.LoginNameFolded, &h.principals: was.UserPrincipalNameFolded} {
		(*list)[name] = slices.DeleteFunc((*list)[name], func(id string) bool { return id == u.ID })
	}
	h.add(u.ID, login, principal)
	return nil
}

// namesOf returns what holders of a user's new names would be looked for by.
func namesOf(u, was *model.User) (logins, principals []string) {
	if was == nil || was.LoginNameFolded != u.LoginNameFolded {
		principals = append(principals, u.LoginNameFolded)
	}
	if principal := u.UserPrincipalNameFolded; principal != "" && (was == nil || was.UserPrincipalNameFolded != principal) {
		logins, principals = append(logins, principal), append(principals, principal)
	}
	return logins, principals
}

// namesFree refuses new names of a user that are another's.
func namesFree(tx store.ReadTx, place string, u, was *model.User) error {
	logins, principals := namesOf(u, was)
	h, err := holdersOf(tx, logins, principals)
	if err != nil {
		return err
	}
	return h.take(place, u, was)
}

// domainNamesFree refuses new names of a domain that are another's.
func domainNamesFree(tx store.ReadTx, d *object.Decoded, now, was *model.Domain) error {
	given := map[string]string{} // attributes, by the new name
	for _, n := range []struct{ attr, name, was string }{{"dnsName", now.DNSNameFolded, was.DNSNameFolded},
		{"netbiosName", now.NetbiosNameFolded, was.NetbiosNameFolded}, {"name", now.NameFolded, was.NameFolded}} {
		if n.name != "" && n.name != n.was {
			given[n.name] = n.attr
		}
	}
	taken, err := tx.DomainsCalled(slices.Sorted(maps.Keys(given)))
	for _, name := range slices.Sorted(maps.Keys(taken)) {
		attr, other := given[name], taken[name]
		if other.ID != now.ID && (attr != "name" || other.NameFolded != name) { // which the store refuses
			return model.AttrErrorf(model.Exists, d.Place+"."+attr, "is another domain's name")
		}
	}
	return err
}
