package dispatch

import (
	"strings"

	"tokensmith/model"
	"tokensmith/store"
)

// A name that a person types, or a file brings, is looked for among login names, principal names and e-mail addresses of every domain
// (store's UsersCalled and UsersNamed). Rows of the record from before call an administrator ada@local.
// So nobody makes a user who is called what an administrator is called who may do what he may not: he would be taken for him, or
// nobody would know who is meant. That goes for all of a user's names, and for every way to one: what a user is given, the number
// behind an installation code's prefix, and the domain's name behind the login names of its users.

// Names are those that mean administrators.
type Names struct {
	domains       map[string]string // folded names, by id
	means         map[string]administrator
	defaultDomain string // its id; "" = there is none
}

// administrator is one by one of his names.
type administrator struct {
	id      string
	byLogin bool // the name is his login name, and nothing longer
}

// NamesOf returns the names of the administrators whose permissions are such.
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

// inDomain is a user's login name with his domain, folded.
func (n *Names) inDomain(u *model.User) string {
	return u.LoginNameFolded + "@" + n.domains[u.DomainID]
}

// Login says whether a user's login name, with or without his domain, is a name of an administrator who is not he.
func (n *Names) Login(u *model.User) bool {
	return n.other(u.LoginNameFolded, u.ID) || n.other(n.inDomain(u), u.ID)
}

// Email says whether his e-mail address is.
func (n *Names) Email(u *model.User) bool { return n.other(u.EmailFolded, u.ID) }

func (n *Names) other(name, id string) bool {
	who, taken := n.means[name]
	return taken && who.id != id
}

// MayName refuses the names that a user is given where they mean an administrator who may do what the caller may not.
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
		// One name in two domains is two users, which is told to nobody who sees one of them alone. But in the default domain a login name
		// would mean the new one alone.
		two := n.attr == "email" || n.attr == "loginName" && u.DomainID != names.defaultDomain
		if two && names.means[n.name].byLogin && c.Scope != nil {
			continue
		}
		return model.AttrErrorf(model.NotPermitted, "attrs."+n.attr, "not permitted: it means a user who may do what the caller may not")
	}
	return nil
}

// MayRename refuses another name of a domain where one of its users, or an agent that is limited to it, may do what the caller may
// not: who is meant by a name of before would be for the caller to choose. Nor does a user get the name of such an administrator by it.
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

// namesOfStronger returns the names of the administrators who may do what the caller may not.
func (g *Guard) namesOfStronger() (names *Names, err error) {
	if g.names == nil {
		g.names, err = NamesOf(g.Tx, g.c.weakerThan)
	}
	return g.names, err
}

// weakerThan says whether permissions allow what the caller may not do, or may not do as freely.
func (c *Call) weakerThan(permissions model.List) bool {
	return c.HeldTo() != "" || !model.Covers(c.Agent.Permissions.Items(), permissions.Items(), c.Server.Reveals)
}
