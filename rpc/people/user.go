package people

import (
	"context"
	"net/http"

	"tokensmith/model"
	"tokensmith/rpc/caller"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/object"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// User is the receiver of the methods for users.
type User struct{ object.CRUD }

// UserType declares the object user.
var UserType = object.Declare(&object.Type{
	Name: "user", NotFound: model.UserNoun, Limited: object.Changes, Row: func() any { return new(model.User) },
	Keys: [][]string{{"domain", "loginName"}}, ShownWhenAmbiguous: []string{"id", "loginName", "domain.name"},
	UsedBy:  []object.Use{{Rows: store.UserAssignments, Noun: "tokens"}, {Rows: store.UserDevices, Noun: "devices"}, {Rows: store.UserCodes, Noun: "installation codes"}},
	Prepare: prepareUser, Check: checkUser, AfterWrite: afterWriteUser,
	BeforeDelete: func(_ *dispatch.Call, tx store.Tx, row any) error {
		return keepAdministrator(tx, row.(*model.User), nil)
	},
	Attrs: []object.Attr{
		{Name: "loginName", Kind: object.Text, Rule: model.Name, Refuses: model.NoDomainEnds, When: object.Always, Required: true, Fold: true, Indexed: true, Aliases: []string{"loginNam"},
			About: "unique in its domain, compared without case; contains neither `\\` nor `/`; if it contains `@`, it " +
				"must not be another user's userPrincipalName"},
		{Name: "domain", Kind: object.Ref, When: object.OnCreate, Object: "domain", Indexed: true, About: "required, unless a `unit` is given, whose domain it then has"},
		{Name: "unit", Kind: object.Ref, When: object.Always, Object: "unit", Same: "domainId", Indexed: true, About: "of the user's domain"},
		{Name: "firstName", Kind: object.Text, Rule: model.Name, When: object.Always, Fold: true, Indexed: true, About: "compared without case"},
		{Name: "lastName", Kind: object.Text, Rule: model.Name, When: object.Always, Fold: true, Indexed: true, About: "compared without case"},
		{Name: "password", Kind: object.Secret, When: object.Always,
			About: "at least 8 characters, at most 255 bytes, and none of the most common passwords; empty = none"},
		{Name: "email", Kind: object.Text, Rule: model.Name, When: object.Always, Fold: true, Indexed: true,
			About: "compared without case"},
		{Name: "mobile", Kind: object.Text, Rule: model.Name, When: object.Always},
		{Name: "telephone", Kind: object.Text, Rule: model.Name, When: object.Always},
		{Name: "twitter", Kind: object.Text, Rule: model.Name, When: object.Always},
		{Name: "canonicalName", Kind: object.Text, Rule: model.Name, When: object.Always},
		{Name: "userPrincipalName", Kind: object.Text, Rule: model.Name, When: object.Always, Fold: true, Indexed: true,
			About: "unique across all domains, compared without case; must not be another user's loginName"},
		{Name: "personalEmail", Kind: object.Text, Rule: model.Name, When: object.Always},
		{Name: "personalTelephone", Kind: object.Text, Rule: model.Name, When: object.Always},
		{Name: "personalTwitter", Kind: object.Text, Rule: model.Name, When: object.Always},
		{Name: "personalMobile", Kind: object.Text, Rule: model.Name, When: object.Always},
		{Name: "userLocale", Kind: object.Text, Rule: model.Name, When: object.Always},
		{Name: "status", Kind: object.Enum, When: object.Always, Initial: model.Active, Values: []string{model.Inactive, model.Active, model.LockedBy, model.DisabledBy}},
		{Name: "description", Kind: object.Text, Rule: model.AnyText, When: object.Always, Max: 1024},
		{Name: "failCount", Kind: object.Integer, Path: store.UserState, About: "failed credentials in a row"},
		{Name: "lastLogin", Kind: object.Date, Path: store.UserState},
		{Name: "mustChangePassword", Kind: object.Boolean, When: object.Always},
		{Name: "passwordNeverExpires", Kind: object.Boolean, When: object.Always},
		{Name: "lastChangePassword", Kind: object.Date},
		{Name: "permissions", Kind: object.List, When: object.Always,
			About: "method patterns, each of which must match a method, or roles such as `role:help-desk`; not empty = an administrator"},
	},
	Collections: []object.Collection{
		{Name: "tokens", Alias: "token", Object: "token", Steps: []store.Step{store.UserAssignments, store.ToToken}},
		{Name: "tokenAssignments", Alias: "tokenAssignment", Object: "tokenAssignment", Steps: []store.Step{store.UserAssignments}},
		{Name: "groups", Alias: "group", When: object.Always, Object: "group", Same: "domainId", Order: "groupId", Steps: store.UserGroups,
			About: "of the user's domain; what a group is in does not count"},
		{Name: "devices", Alias: "device", Object: "device", Steps: []store.Step{store.UserDevices}},
		{Name: "tempPasses", Alias: "tempPass", Object: "tempPass", Steps: []store.Step{store.UserTempPasses}, About: "emergency codes"},
	},
	EmptyCollections: []string{"roles", "qnas", "siteStamps", "images", "certificates", "radiusAttributes"},
})

// prepareUser hashes a new password before the transaction, because hashing is slow on purpose.
func prepareUser(ctx context.Context, c *dispatch.Call, d *object.Decoded) error {
	if err := checkNewPassword(c, d); err != nil {
		return err
	}
	if pw := d.Secrets["password"]; len(pw) > 0 {
		return c.Server.RunExpensiveAside(ctx, func() { d.Extra = model.HashPassword(pw) })
	}
	return nil
}

// checkNewPassword returns why a user's new password is refused; nil if it is accepted or there is none.
func checkNewPassword(c *dispatch.Call, d *object.Decoded) error {
	if pw := d.Secrets["password"]; len(pw) > 0 {
		return CheckPassword(c.Server, d.Place+".password", pw)
	}
	return nil
}

func checkUser(c *dispatch.Call, tx store.Tx, d *object.Decoded, old, row any) error {
	was, _ := old.(*model.User)
	if err := inUnit(tx, d, row.(*model.User)); err != nil {
		return err
	}
	if err := checkNamed(c, tx, d, was, row.(*model.User)); err != nil {
		return err
	}
	return namesFree(tx, d.Place, row.(*model.User), was)
}

// inUnit gives a user without a domain that of the unit.
func inUnit(tx store.ReadTx, d *object.Decoded, u *model.User) error {
	if u.DomainID != "" {
		return nil
	}
	if u.UnitID == nil {
		return model.AttrErrorf(model.Missing, d.Place+".domain", "is required, or %s.unit is", d.Place)
	}
	var unit model.Unit
	err := tx.Load(&unit, *u.UnitID)
	u.DomainID = unit.DomainID
	return err
}

// checkNamed is checkUser without the check of the names.
func checkNamed(c *dispatch.Call, tx store.Tx, d *object.Decoded, was, u *model.User) error {
	if pw, given := d.Secrets["password"]; given {
		u.Password, u.LastChangePassword = nil, c.Now
		if len(pw) > 0 {
			if err := PasswordSuits(c.Server, tx, d.Place+".password", u.ID, Characters(pw)); err != nil {
				return err
			}
			u.Password = SealPassword(c.Server, u.ID, d.Extra.(string), Characters(pw))
		}
	}
	if d.Has("permissions") && u.Permissions != "" && c.Restriction() != "" {
		return model.AttrErrorf(model.NotPermitted, d.Place+".permissions", "not permitted: the caller is limited by %s, "+
			"and an administrator would not be", c.Restriction())
	}
	if err := c.MayName(tx, u, was); err != nil {
		return err
	}
	if err := MayGrant(c, d, u.Permissions); err != nil {
		return err
	}
	if u.Permissions != "" && (was == nil || was.Permissions == "" || was.LoginNameFolded != u.LoginNameFolded ||
		was.UserPrincipalNameFolded != u.UserPrincipalNameFolded) {
		var domain model.Domain
		if err := tx.Load(&domain, u.DomainID); err != nil {
			return err
		}
		if err := caller.CheckAdministratorName(tx, u, &domain, d.Place+".loginName"); err != nil {
			return err
		}
	}
	if was == nil {
		return nil
	}
	return keepAdministrator(tx, was, u)
}

// afterWriteUser inserts the state of a new user. An administrator who changes a user's status also decides about the lock: a
// lock by an administrator has no end, and removing a lock also removes the failures. If the user may no longer have sessions,
// they end.
func afterWriteUser(_ *dispatch.Call, tx store.Tx, d *object.Decoded, old, row any) error {
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
	locks := d.Has("status") && u.Status == model.LockedBy // also a user whom failures had locked
	if !locks && (was == u.Status || was != model.LockedBy) {
		return nil
	}
	var st model.UserState
	if err := tx.Load(&st, u.ID); err != nil {
		return err
	}
	st.ForgiveAll()
	return tx.Save(&st)
}

// Unlock ends a user's lock and forgets the refused credentials.
func (m *User) Unlock(r *http.Request, args *object.DeleteArgs, plan *dispatch.Plan) error {
	return m.UpdateSelected(r, &args.Selection, plan, func(c *dispatch.Call, tx store.Tx, id string) (any, error) {
		login, err := tx.Login(id)
		if err != nil {
			return nil, err
		}
		c.SetObject(m.Type.Noun, id)
		login.ForgiveAll()
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
	object.Selection
	Password wire.Text `json:"password"`
}

// passwordReset is the reply with a password that the server made.
type passwordReset struct {
	Password string `json:"password"`
}

const (
	MaxPassword       = 255 // bytes
	madePasswordBytes = 12  // 96 random bits, 16 characters
)

// ResetPassword sets a new password, or makes a random one and returns it. The user must change it at the next login.
func (m *User) ResetPassword(r *http.Request, args *ResetPasswordArgs, plan *dispatch.Plan) error {
	password := string(args.Password)
	if len(password) > MaxPassword {
		return model.AttrErrorf(model.Invalid, "password", "is longer than %d bytes", MaxPassword)
	}
	var reply any
	if password == "" {
		var err error
		if password, err = m.Server.RandomText(madePasswordBytes); err != nil {
			return err
		}
		reply = passwordReset{password}
	} else if err := CheckPassword(m.Server, "password", model.Secret(password)); err != nil {
		return err
	}
	var hash string
	if err := m.Server.RunExpensiveAside(r.Context(), func() { hash = model.HashPassword(model.Secret(password)) }); err != nil {
		return err
	}
	return m.UpdateSelected(r, &args.Selection, plan, func(c *dispatch.Call, tx store.Tx, id string) (any, error) {
		if err := PasswordSuits(m.Server, tx, "password", id, Characters(model.Secret(password))); err != nil {
			return nil, err
		}
		c.SetObject(m.Type.Noun, id)
		return reply, tx.SetPassword(id, SealPassword(m.Server, id, hash, Characters(model.Secret(password))), true, c.Now)
	})
}
