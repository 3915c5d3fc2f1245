package rpc

import (
	"tokensmith/model"
	"tokensmith/store"
)

// TokenAssignment has the methods of token assignments.
type TokenAssignment struct{ crud }

var assignmentObject = declare(&object{
	name: "tokenAssignment", noun: "token assignment", table: "token_assignments", row: func() any { return new(model.Assignment) },
	keys: [][]string{{"token", "user"}}, naming: []string{"id", "token.serial", "user.loginName"},
	prepare: prepareAssignment, check: checkAssignment,
	attrs: []attr{
		{name: "token", kind: ref, when: onCreate, required: true, object: "token", indexed: true},
		{name: "user", kind: ref, when: onCreate, required: true, object: "user", indexed: true},
		{name: "isOwner", kind: boolean, when: always, about: "the first user of a token is its owner"},
		{name: "usageLimit", kind: integer, when: always, about: "0 = none"},
		{name: "usageCount", kind: integer},
		{name: "status", kind: enum, when: always, values: []string{model.Active, model.Inactive, model.LockedBy, model.DisabledBy},
			about: "ACTIVE if not given, INACTIVE where the product wants an activation code"},
		{name: "starts", kind: date, when: always},
		{name: "expires", kind: date, when: always},
		{name: "priority", kind: integer, when: always, max: 1 << 31, about: "lower ones are tried first"},
		{name: "pin", kind: secret, when: always, about: "4 to 32 printable ASCII characters without space and comma; empty = none"},
		{name: "lastChangePin", kind: date},
		{name: "mustChangePin", kind: boolean, when: always},
		{name: "pinNeverExpires", kind: boolean, when: always},
		{name: "dateCreated", kind: date},
		{name: "lastUpdated", kind: date},
	},
})

func prepareAssignment(_ *call, d *decoded) error {
	if pin := d.secrets["pin"]; len(pin) > 0 {
		return model.CheckPIN(d.place+".pin", pin)
	}
	return nil
}

func checkAssignment(c *call, tx *store.Tx, d *decoded, old, row any) error {
	a := row.(*model.Assignment)
	if pin, given := d.secrets["pin"]; given {
		c.setPIN(a, pin)
	}
	if a.Starts != 0 && a.Expires != 0 && a.Expires <= a.Starts {
		return model.AttrErrorf(model.Invalid, d.place+".expires", "must lie behind starts")
	}
	if old == nil {
		return c.newAssignment(tx, a, d.has("isOwner"))
	}
	if a.IsOwner && !old.(*model.Assignment).IsOwner {
		if err := c.mayShare(tx, a.TokenID); err != nil {
			return err
		}
		return tx.DisownToken(a.TokenID, c.now)
	}
	return nil
}

// setPIN seals a PIN for an assignment; an empty one takes it off.
func (c *call) setPIN(a *model.Assignment, pin model.Secret) {
	a.PIN, a.LastChangePIN = nil, c.now
	if len(pin) > 0 {
		a.PIN = c.s.keys.Seal(store.Place{Table: "token_assignments", Column: "pin", Row: a.ID}, model.HashPIN(pin))
	}
}

// newAssignment completes an assignment about to be made: who owns the token, whether it is active, whether the user
// may have one more.
func (c *call) newAssignment(tx *store.Tx, a *model.Assignment, ownerGiven bool) error {
	var t model.Token
	if err := tx.Load(&t, a.TokenID); err != nil {
		return err
	}
	var p model.Product
	if err := tx.Load(&p, t.ProductID); err != nil {
		return err
	}
	existing, err := tx.AssignmentsOfTokens([]string{t.ID})
	if err != nil {
		return err
	}
	if err := c.admit(tx, a, &t, &p, existing[t.ID], 0); err != nil {
		return err
	}
	if !ownerGiven {
		a.IsOwner = !owned(existing[t.ID])
	} else if a.IsOwner {
		return tx.DisownToken(t.ID, c.now)
	}
	return nil
}

// admit refuses an assignment that may not be made, and gives it its status; pending counts assignments of the same user
// and product that are not written yet.
func (c *call) admit(tx *store.Tx, a *model.Assignment, t *model.Token, p *model.Product, existing []model.Assignment, pending int64) error {
	if t.Status == model.Deceased {
		return model.Errorf(model.TokenUnusable, "token %s is deceased", t.Serial)
	}
	for _, e := range existing {
		if e.UserID == a.UserID {
			return &model.Error{Kind: model.Exists, Msg: "token assignment already exists: the token is this user's already"}
		}
	}
	if p.MaxTokensPerUser > 0 {
		n, err := tx.AssignedOfProduct(a.UserID, p.ID)
		if err != nil {
			return err
		}
		if n+pending >= p.MaxTokensPerUser {
			return model.AttrErrorf(model.Invalid, "attrs.user", "a user may have at most %d tokens of product %s", p.MaxTokensPerUser, p.Codes())
		}
	}
	if a.Status == "" {
		a.Status = model.Active
		if p.Activation == model.ActivateCode {
			a.Status = model.Inactive
		}
	}
	return nil
}

func owned(assignments []model.Assignment) bool {
	for _, a := range assignments {
		if a.IsOwner {
			return true
		}
	}
	return false
}
