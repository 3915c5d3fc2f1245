// Package people has domains and users: their declarations, passwords and what a profile demands of them, permissions, and the import of users.
package people

import (
	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/object"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// Domain has the methods of domains.
type Domain struct{ object.CRUD }

// Receivers are those of the methods of this room.
func Receivers(s *dispatch.Server) map[string]any {
	return map[string]any{"Domain": &Domain{object.CRUD{Server: s, Type: DomainType}}, "User": &User{object.CRUD{Server: s, Type: UserType}}}
}

// DomainType declares domains.
var DomainType = object.Declare(&object.Type{
	Name: "domain", NotFound: model.DomainNoun, Row: func() any { return new(model.Domain) },
	Keys: [][]string{{"name"}}, ShownWhenAmbiguous: []string{"id", "name"},
	UsedBy: []object.Use{{Rows: store.DomainUsers, Noun: "users"}, {Rows: store.DomainCodes, Noun: "installation codes"}},
	Check:  checkDomain, AfterWrite: wroteDomain,
	Attrs: []object.Attr{
		{Name: "name", Kind: object.Text, Rule: model.Name, Refuses: model.NoDomainEnds, When: object.Always, Required: true, Fold: true, Indexed: true, About: "unique, compared without case"},
		{Name: "netbiosName", Kind: object.Text, Rule: model.Name, Refuses: model.NoDomainEnds, When: object.Always, Max: 15, Fold: true, Indexed: true,
			About: "as in `NORTH\\jdoe`; no other domain's name, netbiosName or dnsName, compared without case"},
		{Name: "dnsName", Kind: object.Text, Rule: model.Name, Refuses: model.NoDomainEnds, When: object.Always, Fold: true, Indexed: true,
			About: "as in `north.example\\jdoe`; no other domain's name, netbiosName or dnsName"},
		{Name: "isDefault", Kind: object.Boolean, When: object.Always, About: "its user is meant where several have a name; one domain at most, which this takes it from"},
		{Name: "description", Kind: object.Text, Rule: model.AnyText, When: object.Always, Max: 1024},
		{Name: "lockoutThreshold", Kind: object.Integer, When: object.Always, Initial: int64(10), Max: 1000, About: "failed credentials that lock a user; 0 = never"},
		{Name: "lockoutMinutes", Kind: object.Integer, When: object.Always, Initial: int64(15), Max: 525600, About: "how long the first lock lasts; further ones grow to a day; 0 = until unlocked"},
		{Name: "maxFailures", Kind: object.Integer, When: object.Always, Initial: int64(100), Max: 1000, About: "failed credentials in a row that lock a user until an administrator unlocks; 0 = never"},
		{Name: "passcodeChannels", Kind: object.List, When: object.Always, Initial: model.List(model.SMTP + "," + model.SMS), Values: []string{model.SMTP, model.SMS},
			About: "by which one-time passcodes may be sent, the first that reaches the user is taken; empty = none are"},
	},
})

// checkDomain refuses names that are another domain's; and to change the rules of guessing, or by what passcodes are sent, where a user
// of the domain may do what the caller may not: they could lock him out, or open a way to his account. Which domain is the default
// decides whom a name means, an administrator's too, wherever he is.
func checkDomain(c *dispatch.Call, tx store.Tx, d *object.Decoded, old, row any) error {
	now := row.(*model.Domain)
	was, _ := old.(*model.Domain)
	if was == nil {
		was = &model.Domain{ID: now.ID, LockoutThreshold: now.LockoutThreshold, LockoutMinutes: now.LockoutMinutes, MaxFailures: now.MaxFailures,
			PasscodeChannels: now.PasscodeChannels}
	}
	if err := domainNamesFree(tx, d, now, was); err != nil || c.Full() {
		return err
	}
	everywhere := was.IsDefault != now.IsDefault
	if !everywhere && was.LockoutThreshold == now.LockoutThreshold && was.LockoutMinutes == now.LockoutMinutes && was.MaxFailures == now.MaxFailures &&
		was.PasscodeChannels == now.PasscodeChannels {
		return nil
	}
	all, err := tx.Administrators()
	if err != nil {
		return err
	}
	var users []string
	for i := range all {
		if everywhere || all[i].DomainID == now.ID {
			users = append(users, all[i].ID)
		}
	}
	if err := c.MayChange(tx, users, nil); wire.ClientError(err).Kind == model.NotPermitted {
		if everywhere {
			return model.AttrErrorf(model.NotPermitted, d.Place+".isDefault", "not permitted: an administrator may do what the caller may not")
		}
		return model.Errorf(model.NotPermitted, "not permitted: a user of the domain may do what the caller may not")
	} else if err != nil {
		return err
	}
	return nil
}

// wroteDomain takes the default from the domain that had it.
func wroteDomain(c *dispatch.Call, tx store.Tx, _ *object.Decoded, old, row any) error {
	now := row.(*model.Domain)
	if was, _ := old.(*model.Domain); !now.IsDefault || was != nil && was.IsDefault {
		return nil
	}
	all, err := tx.Domains()
	if err != nil {
		return err
	}
	for i := range all {
		d := &all[i]
		if !d.IsDefault || d.ID == now.ID {
			continue
		}
		d.IsDefault = false
		if err := tx.Save(d); err != nil {
			return err
		}
		if err := c.AlsoTouched(tx, model.DomainNoun.String(), d.ID); err != nil {
			return err
		}
	}
	return nil
}
