package caller

import (
	"slices"
	"strings"

	"tokensmith/model"
	"tokensmith/store"
)

// The server looks for a name that a person types, or that a file contains, among the login names, principal names and e-mail
// addresses of all domains (UsersCalled and UsersNamed in package store). Some methods also look among canonical names. So no
// caller may give a user a name that already means an administrator who may do something that the caller may not. Otherwise the
// new user could be taken for the administrator, or the name would be ambiguous. This rule covers all names of a user and all
// ways to get one: an attribute of the user, the number after the prefix of an installation code, and the name of a domain, which
// follows the login names of its users (old rows of the audit record call an administrator ada@local).

// Names holds all names that mean administrators.
type Names struct {
	logins  map[string][]*model.User // administrators by login name
	others  map[string][]*model.User // by principal name, canonical name and e-mail address
	domains map[string]*model.Domain // by id; only the domains that were needed
}

// NamesOf returns the names of the administrators for whose permissions such returns true.
func NamesOf(tx store.ReadTx, such func(permissions model.List) bool) (*Names, error) {
	all, err := tx.Administrators()
	if err != nil {
		return nil, err
	}
	n := &Names{map[string][]*model.User{}, map[string][]*model.User{}, map[string]*model.Domain{}}
	for i := range all {
		a := &all[i]
		if !such(a.Permissions) {
			continue
		}
		n.logins[a.LoginNameFolded] = append(n.logins[a.LoginNameFolded], a)
		for _, name := range []string{a.UserPrincipalNameFolded, model.Fold(a.CanonicalName), a.EmailFolded} {
			if name != "" {
				n.others[name] = append(n.others[name], a)
			}
		}
	}
	return n, nil
}

// domain returns the domain of a user. It reads only the domains that matter, because there may be many.
func (n *Names) domain(tx store.ReadTx, u *model.User) (*model.Domain, error) {
	d, known := n.domains[u.DomainID]
	if !known {
		d = &model.Domain{}
		if err := tx.Load(d, u.DomainID); err != nil {
			return nil, err
		}
		n.domains[u.DomainID] = d
	}
	return d, nil
}

// inDomain returns the folded name of a user in the form login@domain.
func (n *Names) inDomain(tx store.ReadTx, u *model.User) (string, error) {
	d, err := n.domain(tx, u)
	if err != nil {
		return "", err
	}
	return u.LoginNameFolded + "@" + d.NameFolded, nil
}

// calledInDomain returns the administrators whose name in the form login@domain is the given name.
func (n *Names) calledInDomain(tx store.ReadTx, name string) (found []*model.User, err error) {
	for i := range name {
		if name[i] != '@' {
			continue
		}
		for _, a := range n.logins[name[:i]] {
			called, err := n.inDomain(tx, a)
			if err != nil {
				return nil, err
			}
			if called == name {
				found = append(found, a)
			}
		}
	}
	return found, nil
}

// taken returns whether a name means an administrator other than the user with the given id, and whether it does so only as a
// login name without a domain.
func (n *Names) taken(tx store.ReadTx, name, id string) (taken, byLogin bool, err error) {
	another := func(a *model.User) bool { return a.ID != id }
	if slices.ContainsFunc(n.others[name], another) {
		return true, false, nil
	}
	called, err := n.calledInDomain(tx, name)
	if err != nil || slices.ContainsFunc(called, another) {
		return err == nil, false, err
	}
	taken = slices.ContainsFunc(n.logins[name], another)
	return taken, taken, nil
}

// LoginTaken returns whether the login name of a user, with or without the domain, also means an administrator who is another user.
func (n *Names) LoginTaken(tx store.ReadTx, u *model.User) (bool, error) {
	taken, _, err := n.taken(tx, u.LoginNameFolded, u.ID)
	if taken || err != nil {
		return taken, err
	}
	name, err := n.inDomain(tx, u)
	if err == nil {
		taken, _, err = n.taken(tx, name, u.ID)
	}
	return taken, err
}

// EmailTaken returns whether the e-mail address of a user also means an administrator who is another user.
func (n *Names) EmailTaken(tx store.ReadTx, u *model.User) (bool, error) {
	taken, _, err := n.taken(tx, u.EmailFolded, u.ID)
	return taken, err
}

// MayName returns an error if a name that a user is given means an administrator who may do something that the caller may not.
func (c *Caller) MayName(tx store.Tx, u, was *model.User) error {
	g, ok := tx.(*Guard)
	if !ok {
		return nil
	}
	login := was == nil || was.LoginNameFolded != u.LoginNameFolded || was.Permissions == "" && u.Permissions != ""
	principal := u.UserPrincipalName != "" && (was == nil || was.UserPrincipalNameFolded != u.UserPrincipalNameFolded)
	canonical := u.CanonicalName != "" && (was == nil || was.CanonicalName != u.CanonicalName)
	email := u.EmailFolded != "" && (was == nil || was.EmailFolded != u.EmailFolded)
	if !login && !principal && !canonical && !email {
		return nil
	}
	names, err := g.namesOfStronger()
	if err != nil {
		return err
	}
	domain, err := names.domain(tx, u)
	if err != nil {
		return err
	}
	inDomain, err := names.inDomain(tx, u)
	if err != nil {
		return err
	}
	for _, n := range []struct {
		attr, name string
		given      bool
		told       bool // refuse the name even if it is only an administrator's login name
	}{
		{"loginName", u.LoginNameFolded, login, domain.IsDefault},
		{"loginName", inDomain, login, domain.IsDefault},
		{"userPrincipalName", u.UserPrincipalNameFolded, principal, true},
		{"canonicalName", model.Fold(u.CanonicalName), canonical, false},
		{"email", u.EmailFolded, email, false},
	} {
		if !n.given {
			continue
		}
		taken, byLogin, err := names.taken(tx, n.name, u.ID)
		switch {
		case err != nil:
			return err
		case !taken:
		case byLogin && !n.told && c.Scope != nil:
			// The same login name in two domains belongs to two users. A caller who sees only one of them is not told that the
			// other exists. In the default domain, however, the login name alone would mean the new user, and a principal name is
			// unique across all domains.
		default:
			return model.AttrErrorf(model.NotPermitted, "attrs."+n.attr, "not permitted: it is also a name of a user who "+
				"may do what the caller may not")
		}
	}
	return nil
}

// MayRename returns an error for a new domain name if a user of the domain, or an agent that is limited to it, may do something
// that the caller may not. Otherwise the caller could choose whom an old name means. It also returns an error if a user's name
// would then mean such an administrator.
func (c *Caller) MayRename(tx store.Tx, was, now *model.Domain, limited []model.Agent) error {
	if c.Unrestricted() {
		return nil
	}
	if err := c.MayChangeDomain(tx, now.ID); err != nil {
		return err
	}
	var all []model.List
	for i := range limited {
		if limited[i].LimitedTo(was.NameFolded) {
			all = append(all, limited[i].Permissions)
		}
	}
	if err := c.covers("an agent that is limited to the domain", all); err != nil {
		return err
	}
	names, err := NamesOf(tx, c.weakerThan)
	if err != nil {
		return err
	}
	var logins []string
	for _, by := range []map[string][]*model.User{names.logins, names.others} {
		for name := range by {
			if login, ok := strings.CutSuffix(name, "@"+now.NameFolded); ok && login != "" {
				logins = append(logins, login)
			}
		}
	}
	called, err := tx.UsersByLogin(now.ID, logins)
	if err != nil {
		return err
	}
	if len(called) > 0 {
		return model.AttrErrorf(model.NotPermitted, "attrs.name", "not permitted: with this name, a user of the domain "+
			"would be called like a user who may do what the caller may not")
	}
	return nil
}

// namesOfStronger returns the names of the administrators who may do something that the caller may not.
func (g *Guard) namesOfStronger() (names *Names, err error) {
	if g.names == nil {
		g.names, err = NamesOf(g.Tx, g.c.weakerThan)
	}
	return g.names, err
}
