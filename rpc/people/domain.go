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
	Check:  checkDomain,
	Attrs: []object.Attr{
		{Name: "name", Kind: object.Text, Rule: model.Name, When: object.Always, Required: true, Fold: true, Indexed: true, About: "unique, compared without case"},
		{Name: "description", Kind: object.Text, Rule: model.AnyText, When: object.Always, Max: 1024},
		{Name: "lockoutThreshold", Kind: object.Integer, When: object.Always, Initial: int64(10), Max: 1000, About: "failed credentials that lock a user; 0 = never"},
		{Name: "lockoutMinutes", Kind: object.Integer, When: object.Always, Initial: int64(15), Max: 525600, About: "how long the first lock lasts; further ones grow to a day; 0 = until unlocked"},
		{Name: "maxFailures", Kind: object.Integer, When: object.Always, Initial: int64(100), Max: 1000, About: "failed credentials in a row that lock a user until an administrator unlocks; 0 = never"},
		{Name: "passcodeChannels", Kind: object.List, When: object.Always, Initial: model.List(model.SMTP + "," + model.SMS), Values: []string{model.SMTP, model.SMS},
			About: "by which one-time passcodes may be sent, the first that reaches the user is taken; empty = none are"},
	},
	EmptyCollections: []string{"policies", "radiusAttributes", "failThruServers"},
	EmptyTexts:       []string{"radiusProfile", "messageTemplate"},
})

// checkDomain refuses to change the rules of guessing, or by what passcodes are sent, where a user of the domain may do what the caller
// may not: they could lock him out, or open a way to his account.
func checkDomain(c *dispatch.Call, tx store.Tx, _ *object.Decoded, old, row any) error {
	if old == nil || c.Full() {
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
	if err := c.MayChange(tx, users, nil); wire.ClientError(err).Kind == model.NotPermitted {
		return model.Errorf(model.NotPermitted, "not permitted: a user of the domain may do what the caller may not")
	} else if err != nil {
		return err
	}
	return nil
}
