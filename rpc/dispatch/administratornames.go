package dispatch

import (
	"strings"

	"tokensmith/model"
	"tokensmith/store"
)

// A name that a person types, or that a file contains, is looked up among the login names, principal names and e-mail addresses
// of all domains (UsersCalled and UsersNamed in package store). Old rows of the audit log name an administrator in the form
// ada@local.
//
// Therefore no caller may give a user a name that means an administrator who may do more than the caller. Otherwise people would
// take the user for that administrator, or could not tell the two apart. This applies to all names of a user, and to every way to
// get one: attributes of the user, the number after an installation code's prefix, and the domain's name, which is part of its
// users' names.

// Names holds all names that mean administrators.
type Names struct {
	domains       map[string]string // folded names of domains, by id
	means         map[string]administrator
	defaultDomain string // id of the default domain; "" if there is none
}

// administrator is the administrator that a name means.
type administrator struct {
	id      string
	byLogin bool // the name is the login name alone
}

// NamesOf returns the names of the administrators for whose permissions such returns true.
func NamesOf(tx store.ReadTx, such func(permissions model.List) bool) (*Names, error) {
	all, err := tx.Administrators()
	if err != nil {
		return nil, err
	}
	domains, err := tx.Domains()
	if err != nil {
		return nil, err
	}
	n := &Names{domains: map[string]string{}, means: map[string]administrator{}}
	for _, d := range domains {
		n.domains[d.ID] = d.NameFolded
		if d.IsDefault {
			n.defaultDomain = d.ID
		}
	}
	for i := range all {
		if a := &all[i]; such(a.Permissions) {
			n.means[a.LoginNameFolded] = administrator{a.ID, true}
		}
	}
	for i := range all {
		a := &all[i]
		if !such(a.Permissions) {
			continue
		}
		for _, name := range []string{n.inDomain(a), a.EmailFolded, a.UserPrincipalNameFolded} {
			if name != "" && name != a.LoginNameFolded {
				n.means[name] = administrator{id: a.ID}
			}
		}
	}
	return n, nil
}

// inDomain returns a user's login name with the domain, folded.
func (n *Names) inDomain(u *model.User) string {
	return u.LoginNameFolded + "@" + n.domains[u.DomainID]
}

// Login returns whether a user's login name, with or without the domain, means an administrator other than this user.
func (n *Names) Login(u *model.User) bool {
	return n.other(u.LoginNameFolded, u.ID) || n.other(n.inDomain(u), u.ID)
}

// Email returns whether a user's e-mail address means an administrator other than this user.
func (n *Names) Email(u *model.User) bool { return n.other(u.EmailFolded, u.ID) }

func (n *Names) other(name, id string) bool {
	who, taken := n.means[name]
	return taken && who.id != id
}

// MayName returns an error if a name that a user is given means an administrator who may do something that the caller may not.
func (c *Call) MayName(tx store.Tx, u, was *model.User) error {
	g, ok := tx.(*Guard)
	if !ok {
		return nil
	}
	login := was == nil || was.LoginNameFolded != u.LoginNameFolded || was.Permissions == "" && u.Permissions != ""
	principal := u.UserPrincipalName != "" && (was == nil || was.UserPrincipalNameFolded != u.UserPrincipalNameFolded)
	email := u.EmailFolded != "" && (was == nil || was.EmailFolded != u.EmailFolded)
	if !login && !principal && !email {
		return nil
	}
	names, err := g.namesOfStronger()
	if err != nil {
		return err
	}
	for _, n := range []struct {
		attr, name string
		given      bool
	}{
		{"loginName", u.LoginNameFolded, login},
		{"loginName", names.inDomain(u), login},
		{"userPrincipalName", u.UserPrincipalNameFolded, principal},
		{"email", u.EmailFolded, email},
	} {
		if !n.given || !names.other(n.name, u.ID) {
			continue
		}
		// The same name in two domains means two users. A caller who sees only one of them must not learn of the other. But in
		// the default domain, a login name would then mean only the new user.
		two := n.attr == "email" || n.attr == "loginName" && u.DomainID != names.defaultDomain
		if two && names.means[n.name].byLogin && c.Scope != nil {
			continue
		}
		return model.AttrErrorf(model.NotPermitted, "attrs."+n.attr, "not permitted: it means a user who may do what the caller may not")
	}
	return nil
}

// MayRename returns an error for a new domain name if a user of the domain, or an agent that is limited to it, may do something
// that the caller may not. Otherwise the caller could choose whom an old name means. It also returns an error if a user's name
// would then mean such an administrator.
func (c *Call) MayRename(tx store.Tx, was, now *model.Domain, limited []model.Agent) error {
	if c.Full() {
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
	for name := range names.means {
		if login, ok := strings.CutSuffix(name, "@"+now.NameFolded); ok && login != "" {
			logins = append(logins, login)
		}
	}
	called, err := tx.UsersByLogin(now.ID, logins)
	if err != nil {
		return err
	}
	if len(called) > 0 {
		return model.AttrErrorf(model.NotPermitted, "attrs.name", "not permitted: with it a user of the domain is called what one is who may do what the caller may not")
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

// weakerThan returns whether permissions allow something that the caller may not do, or only with restrictions (HeldTo).
func (c *Call) weakerThan(permissions model.List) bool {
	return c.HeldTo() != "" || !model.Covers(c.Agent.Permissions.Items(), permissions.Items(), c.Server.Reveals)
}
