package rpc

import (
	"context"
	"encoding/base64"
	"io"
	"net/http"

	"tokensmith/model"
	"tokensmith/store"
)

// User has the methods of users.
type User struct{ crud }

var userObject = declare(&object{
	name: "user", missing: model.UserNoun, row: func() any { return new(model.User) },
	keys: [][]string{{"domain", "loginName"}}, naming: []string{"id", "loginName", "domain.name"},
	usedBy:  []use{{store.UserAssignments, "tokens"}, {store.UserDevices, "devices"}, {store.UserCodes, "installation codes"}},
	prepare: prepareUser, check: checkUser, wrote: wroteUser,
	removes: func(_ *call, tx store.Tx, row any) error { return keepAdministrator(tx, row.(*model.User), nil) },
	attrs: []attr{
		{name: "loginName", kind: text, rule: model.Name, when: always, required: true, fold: true, indexed: true, aliases: []string{"loginNam"}, about: "unique in its domain, compared without case"},
		{name: "domain", kind: ref, when: onCreate, required: true, object: "domain"},
		{name: "firstName", kind: text, rule: model.Name, when: always},
		{name: "lastName", kind: text, rule: model.Name, when: always},
		{name: "password", kind: secret, when: always, about: "at least 8 characters, at most 255 bytes, and none of the most common passwords; empty = none"},
		{name: "email", kind: text, rule: model.Name, when: always, fold: true, indexed: true, about: "compared without case"},
		{name: "mobile", kind: text, rule: model.Name, when: always},
		{name: "telephone", kind: text, rule: model.Name, when: always},
		{name: "twitter", kind: text, rule: model.Name, when: always},
		{name: "canonicalName", kind: text, rule: model.Name, when: always},
		{name: "userPrincipalName", kind: text, rule: model.Name, when: always},
		{name: "personalEmail", kind: text, rule: model.Name, when: always},
		{name: "personalTelephone", kind: text, rule: model.Name, when: always},
		{name: "personalTwitter", kind: text, rule: model.Name, when: always},
		{name: "personalMobile", kind: text, rule: model.Name, when: always},
		{name: "userLocale", kind: text, rule: model.Name, when: always},
		{name: "status", kind: enum, when: always, initial: model.Active, values: []string{model.Inactive, model.Active, model.LockedBy, model.DisabledBy}},
		{name: "description", kind: text, rule: model.AnyText, when: always, max: 1024},
		{name: "failCount", kind: integer, path: store.UserState, about: "failed credentials in a row"},
		{name: "lastLogin", kind: date, path: store.UserState},
		{name: "mustChangePassword", kind: boolean, when: always},
		{name: "passwordNeverExpires", kind: boolean, when: always},
		{name: "lastChangePassword", kind: date},
		{name: "permissions", kind: list, when: always, about: "method patterns, each of which must fit a method; non-empty = an administrator"},
	},
	colls: []collection{
		{name: "tokens", alias: "token", object: "token", steps: []store.Step{store.UserAssignments, store.ToToken}},
		{name: "tokenAssignments", alias: "tokenAssignment", object: "tokenAssignment", steps: []store.Step{store.UserAssignments}},
		{name: "devices", alias: "device", object: "device", steps: []store.Step{store.UserDevices}},
	},
})

// prepareUser hashes a new password, which is slow on purpose, before any transaction.
func prepareUser(ctx context.Context, c *call, d *decoded) error {
	if pw := d.secrets["password"]; len(pw) > 0 {
		if err := c.s.checkPassword(d.place+".password", pw); err != nil {
			return err
		}
		return c.s.slowlyAside(ctx, func() { d.extra = model.HashPassword(pw) })
	}
	return nil
}

func checkUser(c *call, tx store.Tx, d *decoded, old, row any) error {
	u := row.(*model.User)
	if pw, given := d.secrets["password"]; given {
		u.Password, u.LastChangePassword = nil, c.now
		if len(pw) > 0 {
			if err := c.s.passwordSuits(tx, d.place+".password", u.ID, characters(pw)); err != nil {
				return err
			}
			u.Password = c.s.sealPassword(u.ID, d.extra.(string), characters(pw))
		}
	}
	if d.has("permissions") && u.Permissions != "" && c.held() != "" {
		return model.AttrErrorf(model.NotPermitted, d.place+".permissions", "nobody grants what he lacks: the caller is held to %s, an administrator is not", c.held())
	}
	was, _ := old.(*model.User)
	if err := c.mayName(tx, u, was); err != nil {
		return err
	}
	if err := c.mayGrant(d, u.Permissions); err != nil || was == nil {
		return err
	}
	return keepAdministrator(tx, was, u)
}

// wroteUser gives a new user his state. An administrator who changes a user's status decides on his lock as well: one
// he sets has no end, one he takes away takes the failures along. Sessions that he may have no more end for good.
func wroteUser(_ *call, tx store.Tx, d *decoded, old, row any) error {
	u := row.(*model.User)
	if old == nil {
		return tx.Insert(&model.UserState{UserID: u.ID})
	}
	if old.(*model.User).MayHaveSession() && !u.MayHaveSession() {
		if err := tx.DropSessionsOf(u.ID); err != nil {
			return err
		}
	}
	was := old.(*model.User).Status
	locks := d.has("status") && u.Status == model.LockedBy // also one whom failures had locked
	if !locks && (was == u.Status || was != model.LockedBy) {
		return nil
	}
	var st model.UserState
	if err := tx.Load(&st, u.ID); err != nil {
		return err
	}
	st.Forgiven()
	return tx.Save(&st)
}

// Unlock ends a user's lock and forgets his refused credentials.
func (m *User) Unlock(r *http.Request, args *DeleteArgs, plan *Plan) error {
	return m.upon(r, &args.Selection, plan, func(c *call, tx store.Tx, id string) (any, error) {
		login, err := tx.Login(id)
		if err != nil {
			return nil, err
		}
		c.touched(m.obj.noun, id)
		login.Forgiven()
		if login.Status == model.LockedBy {
			if err := tx.SetUserStatus(id, model.Active); err != nil {
				return nil, err
			}
		}
		if err := tx.UnlockSignIns(id); err != nil {
			return nil, err
		}
		return nil, tx.Save(&login.UserState)
	})
}

// ResetPasswordArgs are the parameters of user/resetPassword.
type ResetPasswordArgs struct {
	Selection
	Password Text `json:"password"`
}

// passwordReset is the reply that carries a password made by the server.
type passwordReset struct {
	Password string `json:"password"`
}

const (
	passwordMost      = 255 // bytes
	madePasswordBytes = 12  // 96 random bits, 16 characters
)

// ResetPassword sets a new password, or makes a random one and answers it. The user must change it at the next logon.
func (m *User) ResetPassword(r *http.Request, args *ResetPasswordArgs, plan *Plan) error {
	password := string(args.Password)
	if len(password) > passwordMost {
		return model.AttrErrorf(model.Invalid, "password", "is longer than %d bytes", passwordMost)
	}
	var reply any
	if password == "" {
		b := make([]byte, madePasswordBytes)
		if _, err := io.ReadFull(m.s.cfg.Rand, b); err != nil {
			return err
		}
		password = base64.RawURLEncoding.EncodeToString(b)
		reply = passwordReset{password}
	} else if err := m.s.checkPassword("password", model.Secret(password)); err != nil {
		return err
	}
	var hash string
	if err := m.s.slowlyAside(r.Context(), func() { hash = model.HashPassword(model.Secret(password)) }); err != nil {
		return err
	}
	return m.upon(r, &args.Selection, plan, func(c *call, tx store.Tx, id string) (any, error) {
		if err := m.s.passwordSuits(tx, "password", id, characters(model.Secret(password))); err != nil {
			return nil, err
		}
		c.touched(m.obj.noun, id)
		return reply, tx.SetPassword(id, m.s.sealPassword(id, hash, characters(model.Secret(password))), true, c.now)
	})
}
