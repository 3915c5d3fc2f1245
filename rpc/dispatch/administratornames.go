package dispatch

import (
	"tokensmith/model"
	"tokensmith/store"
)

// A name that a person types, or a file brings, is looked for among login names, principal names and e-mail addresses of every domain.
// So nobody makes a user who is called what an administrator is called who may do what he may not: he would be taken for him, or
// nobody would know who is meant.

// MayName refuses the names that a user is given where they mean such an administrator.
func (c *Call) MayName(tx store.Tx, u, was *model.User) error {
	g, ok := tx.(*Guard)
	if !ok {
		return nil
	}
	for _, n := range []struct {
		attr, name string
		given      bool
	}{
		{"loginName", u.LoginNameFolded, was == nil || was.LoginNameFolded != u.LoginNameFolded || was.Permissions == "" && u.Permissions != ""},
		{"userPrincipalName", model.Fold(u.UserPrincipalName), u.UserPrincipalName != "" && (was == nil || was.UserPrincipalName != u.UserPrincipalName)},
	} {
		if !n.given {
			continue
		}
		means, err := g.namesOfStronger()
		if err != nil {
			return err
		}
		whose, taken := means[n.name]
		// One name in two domains is two users, which is told to nobody who sees one of them alone.
		if !taken || whose.id == u.ID || n.attr == "loginName" && whose.byLogin && c.Scope != nil {
			continue
		}
		return model.AttrErrorf(model.NotPermitted, "attrs."+n.attr, "not permitted: it means a user who may do what the caller may not")
	}
	return nil
}

// stronger is an administrator who may do what the caller may not, by one of his names.
type stronger struct {
	id      string
	byLogin bool // the name is his login name, and nothing longer
}

// namesOfStronger returns what means such an administrator, folded.
func (g *Guard) namesOfStronger() (map[string]stronger, error) {
	if g.names != nil {
		return g.names, nil
	}
	all, err := g.Administrators()
	if err != nil {
		return nil, err
	}
	domains, err := g.Domains()
	if err != nil {
		return nil, err
	}
	of := map[string]string{}
	for _, d := range domains {
		of[d.ID] = d.NameFolded
	}
	g.names = map[string]stronger{}
	for i := range all {
		a := &all[i]
		if !g.c.weakerThan(a.Permissions) {
			continue
		}
		g.names[a.LoginNameFolded] = stronger{a.ID, true}
	}
	for i := range all {
		a := &all[i]
		if !g.c.weakerThan(a.Permissions) {
			continue
		}
		for _, name := range []string{a.LoginNameFolded + "@" + of[a.DomainID], a.EmailFolded, model.Fold(a.UserPrincipalName)} {
			if name != "" && name != a.LoginNameFolded {
				g.names[name] = stronger{id: a.ID}
			}
		}
	}
	return g.names, nil
}

// weakerThan says whether permissions allow what the caller may not do, or may not do as freely.
func (c *Call) weakerThan(permissions model.List) bool {
	return c.HeldTo() != "" || !model.Covers(c.Agent.Permissions.Items(), permissions.Items(), c.Server.Reveals)
}
