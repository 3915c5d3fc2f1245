package rpc

import (
	"tokensmith/model"
	"tokensmith/store"
)

// Domain has the methods of domains.
type Domain struct{ crud }

// peopleReceivers are those of the methods of this room.
func peopleReceivers(s *core) map[string]any {
	return map[string]any{"Domain": &Domain{crud{s, domainObject}}, "User": &User{crud{s, userObject}}}
}

var domainObject = declare(&object{
	name: "domain", missing: model.DomainNoun, row: func() any { return new(model.Domain) },
	keys: [][]string{{"name"}}, naming: []string{"id", "name"},
	usedBy: []use{{store.DomainUsers, "users"}, {store.DomainCodes, "installation codes"}},
	check:  checkDomain,
	attrs: []attr{
		{name: "name", kind: text, rule: model.Name, when: always, required: true, fold: true, indexed: true, about: "unique, compared without case"},
		{name: "description", kind: text, rule: model.AnyText, when: always, max: 1024},
		{name: "lockoutThreshold", kind: integer, when: always, initial: int64(10), max: 1000, about: "failed credentials that lock a user; 0 = never"},
		{name: "lockoutMinutes", kind: integer, when: always, initial: int64(15), max: 525600, about: "how long the first lock lasts; further ones grow to a day; 0 = until unlocked"},
		{name: "maxFailures", kind: integer, when: always, initial: int64(100), max: 1000, about: "failed credentials in a row that lock a user until an administrator unlocks; 0 = never"},
		{name: "passcodeChannels", kind: list, when: always, initial: model.List(model.SMTP + "," + model.SMS), values: []string{model.SMTP, model.SMS},
			about: "by which one-time passcodes may be sent, the first that reaches the user is taken; empty = none are"},
	},
})

// checkDomain refuses to change the rules of guessing, or by what passcodes are sent, where a user of the domain may do what the caller
// may not: they could lock him out, or open a way to his account.
func checkDomain(c *call, tx store.Tx, _ *decoded, old, row any) error {
	if old == nil || c.full() {
		return nil
	}
	was, now := old.(*model.Domain), row.(*model.Domain)
	if was.LockoutThreshold == now.LockoutThreshold && was.LockoutMinutes == now.LockoutMinutes && was.MaxFailures == now.MaxFailures &&
		was.PasscodeChannels == now.PasscodeChannels {
		return nil
	}
	all, err := tx.Administrators()
	if err != nil {
		return err
	}
	var users []string
	for i := range all {
		if all[i].DomainID == now.ID {
			users = append(users, all[i].ID)
		}
	}
	if err := c.mayChange(tx, users, nil); wireError(err).Kind == model.NotPermitted {
		return model.Errorf(model.NotPermitted, "not permitted: a user of the domain may do what the caller may not")
	} else if err != nil {
		return err
	}
	return nil
}
