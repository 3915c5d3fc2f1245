package caller

import (
	"slices"
	"strings"

	"tokensmith/model"
	"tokensmith/store"
)

// The audit record names the caller of each change: an agent by its name, an administrator by RecordName, and others by one of
// model.RecordedAs. No two callers may have names that mean the same, as model.Fold compares them. Of an administrator these are the
// name in the record, now and in older rows, and every other name that contains a domain or may be a principal name. A login name
// alone is not among them, because it never stands in the record.

// RecordName returns the name of an administrator in the audit record. The administrator can also sign in with it.
func RecordName(u *model.User, domain string) string { return domain + `\` + u.LoginName }

// recordedBefore returns the name of an administrator in rows of the audit record that older versions wrote.
func recordedBefore(u *model.User, domain string) string { return u.LoginName + "@" + domain }

// CheckAgentName returns an error if the name of an agent means another caller.
func CheckAgentName(tx store.ReadTx, a *model.Agent) error {
	same, err := tx.AgentsCalled([]string{a.NameFolded})
	if err != nil {
		return err
	}
	other := func(b model.Agent) bool { return b.ID != a.ID && b.Name != a.Name } // the store refuses the very same name
	if slices.ContainsFunc(same, other) {
		return model.AttrErrorf(model.Exists, "attrs.name", "is the name of another agent, compared without case")
	}
	taken, err := MeansAnother(tx, a.NameFolded)
	if err == nil && taken {
		err = model.AttrErrorf(model.Exists, "attrs.name", "is the name of another caller in the audit record")
	}
	return err
}

// MeansAnother returns whether the folded name of an agent means a caller that is no agent.
func MeansAnother(tx store.ReadTx, name string) (bool, error) {
	if slices.Contains(model.RecordedAs, name) || strings.HasPrefix(name, model.RecordedRadius) {
		return true, nil
	}
	if model.IsBareName(name) {
		return false, nil
	}
	return meansAdministrator(tx, name)
}

// meansAdministrator returns whether a folded name that is more than a login name means an administrator.
func meansAdministrator(tx store.ReadTx, name string) (bool, error) {
	all, err := NamesOf(tx, func(model.List) bool { return true })
	if err != nil {
		return false, err
	}
	before, err := all.calledInDomain(tx, name)
	if err != nil || len(before) > 0 {
		return err == nil, err
	}
	users, err := tx.UsersCalled([]string{name})
	return slices.ContainsFunc(users[name], func(u store.NamesOf) bool {
		return slices.ContainsFunc(all.logins[u.LoginName], func(a *model.User) bool { return a.ID == u.ID })
	}), err
}

// CheckAdministratorName returns an error if a name of an administrator, who is in the given domain, is the name of an agent.
func CheckAdministratorName(tx store.ReadTx, u *model.User, domain *model.Domain, attr string) error {
	names := []string{recordedBefore(u, domain.Name)}
	own := []string{u.LoginName}
	if principal := u.UserPrincipalName; principal != "" {
		own = append(own, principal)
		if !model.IsBareName(principal) {
			names = append(names, principal)
		}
	}
	for _, d := range []string{domain.Name, domain.NetbiosName, domain.DNSName} {
		for _, name := range own {
			if d != "" {
				names = append(names, d+`\`+name, d+"/"+name)
			}
		}
	}
	for i := range names {
		names[i] = model.Fold(names[i])
	}
	taken, err := tx.AgentsCalled(names)
	if err == nil && len(taken) > 0 {
		err = model.AttrErrorf(model.Exists, attr, "makes a name of an administrator the name of an agent: the audit record "+
			"could not tell them apart")
	}
	return err
}
