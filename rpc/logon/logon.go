// Package logon contains who logs on where and how: applications, realms, and logon procedures with their steps, and what a front end
// asks of them. Package login follows them.
package logon

import (
	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/object"
	"tokensmith/store"
)

// Receivers of the methods.
type (
	Realm          struct{ object.CRUD }
	LogonProcedure struct{ object.CRUD }
	LogonStep      struct{ object.CRUD }
	Application    struct{ object.CRUD }
)

// Receivers returns the receivers of this package's methods.
func Receivers(s *dispatch.Server) map[string]any {
	crud := func(o *object.Type) object.CRUD { return object.CRUD{Server: s, Type: o} }
	return map[string]any{"Realm": &Realm{crud(RealmType)}, "LogonProcedure": &LogonProcedure{crud(ProcedureType)},
		"LogonStep": &LogonStep{crud(StepType)}, "Application": &Application{crud(ApplicationType)}, "Asked": &Asked{s}}
}

// RealmType declares the object realm.
var RealmType = object.Declare(&object.Type{
	Name: "realm", NotFound: model.RealmNoun, Row: func() any { return new(model.Realm) },
	Keys: [][]string{{"name"}}, ShownWhenAmbiguous: []string{"id", "name"},
	UsedBy: []object.Use{{Rows: store.RealmApplications, Noun: "applications"}}, Check: check, BeforeDelete: beforeDelete,
	Attrs: []object.Attr{
		{Name: "name", Kind: object.Text, Rule: model.Name, When: object.Always, Required: true, Fold: true, Indexed: true, About: "unique, compared without case"},
		{Name: "description", Kind: object.Text, Rule: model.AnyText, When: object.Always, Max: 1024},
	},
	Collections: []object.Collection{
		{Name: "domains", Alias: "domain", When: object.Always, Object: "domain", Order: "domainId", Steps: store.RealmDomains, About: "whose users it has; none = no users"},
		{Name: "applications", Alias: "application", Object: "application", Steps: []store.Step{store.RealmApplications}},
	},
})

// ProcedureType declares the object logonProcedure.
var ProcedureType = object.Declare(&object.Type{
	Name: "logonProcedure", NotFound: model.LogonProcedureNoun, Row: func() any { return new(model.LogonProcedure) },
	Keys: [][]string{{"name"}}, ShownWhenAmbiguous: []string{"id", "name"},
	UsedBy: []object.Use{{Rows: store.ProcedureApplications[0], Noun: "applications"}}, Check: check, BeforeDelete: beforeDelete,
	Attrs: []object.Attr{
		{Name: "name", Kind: object.Text, Rule: model.Name, When: object.Always, Required: true, Fold: true, Indexed: true, About: "unique, compared without case"},
		{Name: "description", Kind: object.Text, Rule: model.AnyText, When: object.Always, Max: 1024},
		{Name: "type", Kind: object.Text, Rule: model.Name, When: object.Always, About: "has no effect"},
	},
	Collections: []object.Collection{
		{Name: "steps", Alias: "step", Object: "logonStep", Order: "position", Steps: []store.Step{store.ProcedureSteps}, About: "in their order"},
		{Name: "applications", Alias: "application", Object: "application", Order: "applicationId", Steps: store.ProcedureApplications},
	},
})

// AuthenticatorType declares the object authenticator. It has no methods: there are those that this server has.
var AuthenticatorType = object.Declare(&object.Type{
	Name: "authenticator", NotFound: model.AuthenticatorNoun, Row: func() any { return new(model.Authenticator) },
	Keys: [][]string{{"code"}},
	Attrs: []object.Attr{
		{Name: "code", Kind: object.Text, Rule: model.Name, Indexed: true, About: "OTP, OTPoD (a passcode that was sent) or SPASS (a static password)"},
		{Name: "name", Kind: object.Text, Rule: model.Name},
	},
})

// StepType declares the object logonStep.
var StepType = object.Declare(&object.Type{
	Name: "logonStep", NotFound: model.LogonStepNoun, Row: func() any { return new(model.LogonStep) },
	ShownWhenAmbiguous: []string{"id", "name", "logonProcedure.name"}, Keys: [][]string{{"logonProcedure", "name"}},
	Check: checkStep, BeforeDelete: beforeDelete,
	Attrs: []object.Attr{
		{Name: "name", Kind: object.Text, Rule: model.Name, When: object.Always},
		{Name: "description", Kind: object.Text, Rule: model.AnyText, When: object.Always, Max: 1024},
		{Name: "logonProcedure", Kind: object.Ref, When: object.OnCreate, Required: true, Object: "logonProcedure", Indexed: true},
		{Name: "position", Kind: object.Integer, When: object.Always, Min: 1, Max: maxSteps, About: "steps are taken in this order; the last if not given"},
		{Name: "challengResponse", Kind: object.Boolean, When: object.Always, Aliases: []string{"challengeResponse"}, About: "only a response to a challenge passes it, which this server does not have"},
		{Name: "checkStaticPass", Kind: object.Boolean, When: object.Always, Initial: true, About: "false = SPASS does not pass it"},
	},
	Collections: []object.Collection{
		{Name: "authenticators", Alias: "authenticator", Written: "authenticator", When: object.Always, Object: "authenticator", Order: "authenticatorId", Steps: store.StepAuthenticators,
			About: "any of which passes it: OTP, OTPoD, SPASS; at least one"},
	},
})

// notHeld refuses a caller that is held to applications. What it would change decides what that means.
func notHeld(c *dispatch.Call) error {
	if c.Agent.Applications != "" {
		return model.Errorf(model.NotPermitted, "not permitted: the caller is held to applications, and this decides who logs on to them and how")
	}
	return nil
}

func check(c *dispatch.Call, _ store.Tx, _ *object.Decoded, _, _ any) error { return notHeld(c) }

func beforeDelete(c *dispatch.Call, _ store.Tx, _ any) error { return notHeld(c) }

// maxSteps is the highest position of a step.
const maxSteps = 100

// checkStep puts a new step that has no position behind the others, and returns an error for a step without authenticators.
func checkStep(c *dispatch.Call, tx store.Tx, d *object.Decoded, old, row any) error {
	if err := notHeld(c); err != nil {
		return err
	}
	step := row.(*model.LogonStep)
	if given := d.Members("authenticators"); given == nil && old == nil || given != nil && given.Len() == 0 {
		return model.AttrErrorf(model.Missing, d.Place+".authenticators", "is required: at least one")
	}
	if step.Position > 0 {
		return nil
	}
	rows, err := tx.Find(&store.Query{Table: store.ProcedureSteps.Table, Columns: []store.Column{{Name: "position"}}, Limit: 1,
		Where: []store.Cond{{Column: store.ProcedureSteps.To, Op: store.Eq, Value: step.LogonProcedureID}}, Sort: []store.Sort{{Column: store.Column{Name: "position"}, Desc: true}}})
	if err != nil {
		return err
	}
	step.Position = 1
	if len(rows) > 0 {
		step.Position = rows[0][0].(int64) + 1
	}
	if step.Position > maxSteps {
		return model.AttrErrorf(model.Invalid, d.Place+".position", "must be a number from 1 to %d: there is a step at the last", maxSteps)
	}
	return nil
}
