package caller

import (
	"slices"
	"strings"

	"tokensmith/model"
	"tokensmith/store"
)

// The audit record names the caller of each change: an agent by its name, an administrator by RecordName, and others by one of
// model.RecordedAs. No agent and no administrator may have a name that the record would use for another caller.

// RecordName returns the name of an administrator in the audit record. The administrator can also sign in with it.
func RecordName(u *model.User, domain string) string { return domain + `\` + u.LoginName }

// recordedBefore returns the name of an administrator in rows of the audit record that older versions wrote.
func recordedBefore(u *model.User, domain string) string { return u.LoginName + "@" + domain }

// CheckAgentName returns an error if the audit record uses the name of an agent for another caller.
func CheckAgentName(tx store.ReadTx, name string) error {
	folded := model.Fold(name)
	taken := slices.Contains(model.RecordedAs, folded) || strings.HasPrefix(folded, model.RecordedRadius)
	if !taken && !model.IsBareName(folded) {
		all, err := NamesOf(tx, func(model.List) bool { return true })
		if err != nil {
			return err
		}
		called, err := all.recorded(tx, folded)
		if err != nil {
			return err
		}
		taken = called
	}
	if taken {
		return model.AttrErrorf(model.Exists, "attrs.name", "is the name of another caller in the audit record")
	}
	return nil
}

// recorded returns whether the audit record uses, or used, a folded name for one of the administrators.
func (n *Names) recorded(tx store.ReadTx, name string) (bool, error) {
	before, err := n.calledInDomain(tx, name)
	if err != nil || len(before) > 0 {
		return err == nil, err
	}
	called := model.ParseUserName(name)
	for _, a := range n.logins[called.Name] {
		d, err := n.domain(tx, a)
		if err != nil {
			return false, err
		}
		if model.Fold(RecordName(a, d.Name)) == name {
			return true, nil
		}
	}
	return false, nil
}

// CheckAdministratorName returns an error if the login name of an administrator, together with the domain, is the name of an agent.
func CheckAdministratorName(tx store.ReadTx, u *model.User, domain, attr string) error {
	for _, name := range []string{RecordName(u, domain), recordedBefore(u, domain)} {
		taken, err := tx.Exists(store.AgentsByName, name)
		if err == nil && taken {
			err = model.AttrErrorf(model.Exists, attr, "is, together with the domain, the name of an agent: the audit "+
				"record could not tell them apart")
		}
		if err != nil {
			return err
		}
	}
	return nil
}
