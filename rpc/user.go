package rpc

import (
	"tokensmith/model"
	"tokensmith/store"
)

// User has the methods of users.
type User struct{ crud }

var userState = []store.Step{{From: "id", Table: "user_states", To: "user_id"}}

var userObject = declare(&object{
	name: "user", table: "users", row: func() any { return new(model.User) },
	keys: [][]string{{"domain", "loginName"}}, naming: []string{"id", "loginName", "domain.name"},
	usedBy:  []use{{"token_assignments", "user_id", "tokens"}},
	prepare: prepareUser, check: checkUser, wrote: wroteUser,
	attrs: []attr{
		{name: "loginName", kind: text, when: always, required: true, fold: true, indexed: true, aliases: []string{"loginNam"}, about: "unique in its domain, compared without case"},
		{name: "domain", kind: ref, when: onCreate, required: true, object: "domain"},
		{name: "firstName", kind: text, when: always},
		{name: "lastName", kind: text, when: always},
		{name: "password", kind: secret, when: always},
		{name: "email", kind: text, when: always, fold: true, indexed: true, about: "compared without case"},
		{name: "mobile", kind: text, when: always},
		{name: "telephone", kind: text, when: always},
		{name: "twitter", kind: text, when: always},
		{name: "canonicalName", kind: text, when: always},
		{name: "userPrincipalName", kind: text, when: always},
		{name: "personalEmail", kind: text, when: always},
		{name: "personalTelephone", kind: text, when: always},
		{name: "personalTwitter", kind: text, when: always},
		{name: "personalMobile", kind: text, when: always},
		{name: "userLocale", kind: text, when: always},
		{name: "status", kind: enum, when: always, initial: model.Active, values: []string{model.Inactive, model.Active, model.LockedBy, model.DisabledBy}},
		{name: "description", kind: text, when: always, max: 1024},
		{name: "failCount", kind: integer, path: userState, about: "refused credentials in a row"},
		{name: "lastLogin", kind: date, path: userState},
		{name: "mustChangePassword", kind: boolean, when: always},
		{name: "passwordNeverExpires", kind: boolean, when: always},
		{name: "lastChangePassword", kind: date},
		{name: "permissions", kind: list, when: always, about: "method patterns; non-empty = an administrator"},
	},
	colls: []collection{
		{name: "tokens", alias: "token", object: "token", steps: []store.Step{
			{From: "id", Table: "token_assignments", To: "user_id"}, {From: "token_id", Table: "tokens", To: "id"}}},
		{name: "tokenAssignments", alias: "tokenAssignment", object: "tokenAssignment", steps: []store.Step{
			{From: "id", Table: "token_assignments", To: "user_id"}}},
	},
})

// prepareUser hashes a new password, which is slow on purpose, before any transaction.
func prepareUser(c *call, d *decoded) error {
	if pw := d.secrets["password"]; len(pw) > 0 {
		c.s.hashing <- struct{}{}
		d.extra = model.HashPassword(pw)
		<-c.s.hashing
	}
	return nil
}

func checkUser(c *call, _ *store.Tx, d *decoded, _, row any) error {
	u := row.(*model.User)
	if pw, given := d.secrets["password"]; given {
		u.Password, u.LastChangePassword = nil, c.now
		if len(pw) > 0 {
			u.Password = c.s.keys.Seal(store.Place{Table: "users", Column: "password", Row: u.ID}, []byte(d.extra.(string)))
		}
	}
	return c.mayGrant(d, u.Permissions)
}

// mayGrant refuses permissions that the caller does not have himself.
func (c *call) mayGrant(d *decoded, permissions model.List) error {
	if !d.has("permissions") {
		return nil
	}
	// Permissions that are given are good in every domain.
	if c.scope != nil && permissions != "" || !model.Covers(c.agent.Permissions.Items(), permissions.Items(), reveals) {
		return model.AttrErrorf(model.NotPermitted, d.place+".permissions", "nobody grants what he lacks")
	}
	return nil
}

func wroteUser(_ *call, tx *store.Tx, _ *decoded, old, row any) error {
	if old != nil {
		return nil
	}
	return tx.Insert(&model.UserState{UserID: row.(*model.User).ID})
}
