// Package people contains domains, users, groups of users, units and identity sources: their declarations, passwords and the rules
// for them, permissions, and the import of users.
package people

import (
	"slices"
	"strings"

	"tokensmith/model"
	"tokensmith/rpc/caller"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/object"
	"tokensmith/store"
)

// Domain is the receiver of the methods for domains.
type Domain struct{ object.CRUD }

// Receivers returns the receivers of this package's methods.
func Receivers(s *dispatch.Server) map[string]any {
	return map[string]any{"Domain": &Domain{object.CRUD{Server: s, Type: DomainType}}, "User": &User{object.CRUD{Server: s, Type: UserType}},
		"Group": &Group{object.CRUD{Server: s, Type: GroupType}}, "Unit": &Unit{object.CRUD{Server: s, Type: UnitType}},
		"IdentitySource": &IdentitySource{object.CRUD{Server: s, Type: IdentitySourceType}}}
}

// DomainType declares the object domain.
var DomainType = object.Declare(&object.Type{
	Name: "domain", NotFound: model.DomainNoun, Limited: object.Reads, Row: func() any { return new(model.Domain) },
	Keys: [][]string{{"name"}}, ShownWhenAmbiguous: []string{"id", "name"},
	UsedBy: []object.Use{{Rows: store.DomainUsers, Noun: "users"}, {Rows: store.DomainCodes, Noun: "installation codes"}, {Rows: store.DomainGroups, Noun: "groups"}, {Rows: store.DomainUnits, Noun: "units"}},
	Check:  checkDomain, AfterWrite: afterWriteDomain,
	Attrs: []object.Attr{
		{Name: "name", Kind: object.Text, Rule: model.Name, Refuses: model.NoDomainEnds, When: object.Always, Required: true, Fold: true, Indexed: true, About: "unique, compared without case"},
		{Name: "netbiosName", Kind: object.Text, Rule: model.Name, Refuses: model.NoDomainEnds, When: object.Always, Max: 15, Fold: true, Indexed: true,
			About: "as in `NORTH\\jdoe`; no other domain's name, netbiosName or dnsName, compared without case"},
		{Name: "dnsName", Kind: object.Text, Rule: model.Name, Refuses: model.NoDomainEnds, When: object.Always, Fold: true, Indexed: true,
			About: "as in `north.example\\jdoe`; no other domain's name, netbiosName or dnsName"},
		{Name: "isDefault", Kind: object.Boolean, When: object.Always,
			About: "a bare name that several domains have means its user; one domain at most: setting it takes it from the other"},
		{Name: "identitySource", Kind: object.Ref, When: object.Always, Object: "identitySource", Indexed: true, About: "\"internal\" if not given"},
		{Name: "repository", Kind: object.Ref, When: object.Always, Object: "repository", Indexed: true,
			About: "where token/create puts the tokens of its users that name none; none = \"default\""},
		{Name: "description", Kind: object.Text, Rule: model.AnyText, When: object.Always, Max: 1024},
		{Name: "lockoutThreshold", Kind: object.Integer, When: object.Always, Initial: int64(10), Max: 1000,
			About: "failed credentials that lock a user; 0 = never"},
		{Name: "lockoutMinutes", Kind: object.Integer, When: object.Always, Initial: int64(15), Max: 525600,
			About: "how long the first lock lasts; further ones grow to a day; 0 = until unlocked"},
		{Name: "maxFailures", Kind: object.Integer, When: object.Always, Initial: int64(100), Max: 1000,
			About: "failed credentials in a row that lock a user until an administrator unlocks; 0 = never"},
		{Name: "passcodeChannels", Kind: object.List, When: object.Always, Initial: model.List(model.SMTP + "," + model.SMS), Values: []string{model.SMTP, model.SMS},
			About: "channels for one-time passcodes; the first that reaches the user is used; empty = none are sent; emergency codes are sent by these alone"},
		{Name: "emergencyCodeNeedsPin", Kind: object.Boolean, When: object.Always, Initial: true,
			About: "who has a PIN enters it before an emergency code"},
		{Name: "emergencyCodeLength", Kind: object.Integer, When: object.Always, Initial: int64(8), Min: model.MinTempPass, Max: model.MaxTempPass,
			About: "digits of an emergency code that the server makes"},
		{Name: "emergencyCodeHours", Kind: object.Integer, When: object.Always, Initial: int64(24), Max: 87_600,
			About: "how long an emergency code is good if nobody says otherwise; 0 = emergencyCodeHoursMost"},
		{Name: "emergencyCodeHoursMost", Kind: object.Integer, When: object.Always, Initial: int64(168), Max: 87_600,
			About: "how long an emergency code is good at most, from when it is made; 0 = no limit"},
		{Name: "emergencyCodesMost", Kind: object.Integer, When: object.Always, Initial: int64(10), Max: model.MaxUserTempPasses,
			About: "open emergency codes of a user at most; 0 = no limit but that of all codes of a user, spent ones included: 500"},
	},
	EmptyCollections: []string{"policies", "radiusAttributes", "failThruServers"},
	EmptyTexts:       []string{"radiusProfile", "messageTemplate"},
})

// checkDomain returns an error for a name that another domain has. If a user of the domain may do something that the caller may
// not, it also returns an error for a change of the limits for guessing, of the channels for passcodes, and of a name of the
// domain. With such a change, the caller could lock that user out, open a way into the account, or make the user's name mean
// another user. The default domain decides whom a bare name means, so a change of it is checked against the administrators of all
// domains.
func checkDomain(c *dispatch.Call, tx store.Tx, d *object.Decoded, old, row any) error {
	now := row.(*model.Domain)
	was, _ := old.(*model.Domain)
	if was == nil {
		was = &model.Domain{}
	}
	if err := domainNamesFree(tx, d, now, was); err != nil {
		return err
	}
	if err := fromInternal(tx, now); err != nil {
		return err
	}
	if was.IsDefault != now.IsDefault {
		if err := c.MayReachEverybody(tx); err != nil {
			return err
		}
	}
	if old == nil || was.SameRules(now) {
		return nil
	}
	return c.MayChangeDomain(tx, now.ID)
}

func afterWriteDomain(c *dispatch.Call, tx store.Tx, _ *object.Decoded, old, row any) error {
	now := row.(*model.Domain)
	was, _ := old.(*model.Domain)
	if err := followName(c, tx, was, now); err != nil {
		return err
	}
	if err := noAgentsName(tx, was, now); err != nil {
		return err
	}
	return takeDefault(c, tx, was, now)
}

// followName keeps a new name of a domain from changing anybody's rights. The domains of an agent are stored as names. If a
// domain is renamed, these names change too. A name that is still in a list, from a deleted domain, is not given to another
// domain.
func followName(c *dispatch.Call, tx store.Tx, was, now *model.Domain) error {
	if was != nil && was.Name == now.Name {
		return nil
	}
	agents, err := tx.LimitedAgents()
	if err != nil {
		return err
	}
	if was == nil || was.NameFolded != now.NameFolded {
		if slices.ContainsFunc(agents, func(a model.Agent) bool { return a.LimitedTo(now.NameFolded) }) {
			return model.AttrErrorf(model.InUse, "attrs.name", "is still in use by agents that were limited to a domain of "+
				"this name: change their domains first")
		}
	}
	if was == nil {
		return nil
	}
	if err := c.MayRename(tx, was, now, agents); err != nil {
		return err
	}
	for i := range agents {
		a := &agents[i]
		if !a.LimitedTo(was.NameFolded) {
			continue
		}
		if strings.Contains(now.Name, ",") {
			return model.AttrErrorf(model.Invalid, "attrs.name", "must not contain a comma: agents are limited to this "+
				"domain, and commas separate the domains in their lists")
		}
		a.DomainRenamed(was.NameFolded, now.Name)
		if err := tx.Save(a); err != nil {
			return err
		}
	}
	return nil
}

// noAgentsName returns an error if, by a new name of the domain, a name of one of its administrators is the name of an agent.
func noAgentsName(tx store.ReadTx, was, now *model.Domain) error {
	if was == nil || was.NameFolded == now.NameFolded && was.NetbiosNameFolded == now.NetbiosNameFolded && was.DNSNameFolded == now.DNSNameFolded {
		return nil
	}
	all, err := tx.Administrators()
	if err != nil {
		return err
	}
	for i := range all {
		if all[i].DomainID != now.ID {
			continue
		}
		if err := caller.CheckAdministratorName(tx, &all[i], now, "attrs.name"); err != nil {
			return err
		}
	}
	return nil
}

// takeDefault makes the former default domain an ordinary one.
func takeDefault(c *dispatch.Call, tx store.Tx, was, now *model.Domain) error {
	if !now.IsDefault || was != nil && was.IsDefault {
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
