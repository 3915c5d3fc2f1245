package dispatch

import (
	"slices"

	"tokensmith/model"
	"tokensmith/store"
)

// The record names who did something: agents by their names, administrators as RecordName says, and others by what they are. So
// nobody has a name by which the record would take him for another.

// RecordName returns what the record calls an administrator, which is how he may sign in.
func RecordName(u *model.User, domain string) string { return domain + `\` + u.LoginName }

// recordedBefore returns what rows of the record from before call him.
func recordedBefore(u *model.User, domain string) string { return u.LoginName + "@" + domain }

// AgentName refuses an agent a name that the record has for others.
func AgentName(tx store.ReadTx, name string) error {
	folded := model.Fold(name)
	taken := slices.Contains(model.RecordedAs, folded)
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
		return model.AttrErrorf(model.Exists, "attrs.name", "is what the record calls somebody else, who is no agent")
	}
	return nil
}

// recorded says whether a folded name is what the record calls, or called, one of the administrators.
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

// AdministratorName refuses an administrator a login name that is, with his domain, an agent's name.
func AdministratorName(tx store.ReadTx, u *model.User, domain, attr string) error {
	for _, name := range []string{RecordName(u, domain), recordedBefore(u, domain)} {
		taken, err := tx.Exists(store.AgentsByName, name)
		if err == nil && taken {
			err = model.AttrErrorf(model.Exists, attr, "is, with the domain, the name of an agent: the record could not tell them apart")
		}
		if err != nil {
			return err
		}
	}
	return nil
}
