package dispatch

import (
	"slices"
	"strings"

	"tokensmith/model"
	"tokensmith/store"
)

// The record names who did something: agents by their names, administrators by login name and domain, and others by what they are. So
// nobody has a name by which the record would take him for another.

// AgentName refuses an agent a name that the record has for others.
func AgentName(tx store.ReadTx, name string) error {
	folded := model.Fold(name)
	taken := slices.Contains(model.RecordedAs, folded)
	if strings.Contains(folded, "@") {
		all, err := NamesOf(tx, func(model.List) bool { return true })
		if err != nil {
			return err
		}
		for i := range folded {
			for _, a := range all.logins[folded[:i]] {
				called, err := all.inDomain(tx, a)
				if err != nil {
					return err
				}
				taken = taken || called == folded
			}
		}
	}
	if taken {
		return model.AttrErrorf(model.Exists, "attrs.name", "is what the record calls somebody else, who is no agent")
	}
	return nil
}

// AdministratorName refuses an administrator a login name that is, with his domain, an agent's name.
func AdministratorName(tx store.ReadTx, u *model.User, domain, attr string) error {
	taken, err := tx.Exists(store.AgentsByName, u.LoginName+"@"+domain)
	if err == nil && taken {
		err = model.AttrErrorf(model.Exists, attr, "is, with the domain, the name of an agent: the record could not tell them apart")
	}
	return err
}
