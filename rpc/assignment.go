package rpc

import (
	"context"
	"net/http"

	"tokensmith/model"
	"tokensmith/store"
)

// TokenAssignment has the methods of token assignments.
type TokenAssignment struct{ crud }

var assignmentObject = declare(&object{
	name: "tokenAssignment", missing: model.AssignmentNoun, row: func() any { return new(model.Assignment) },
	keys: [][]string{{"token", "user"}}, naming: []string{"id", "token.serial", "user.loginName"},
	prepare: prepareAssignment, check: checkAssignment, removes: unassign,
	attrs: []attr{
		{name: "token", kind: ref, when: onCreate, required: true, object: "token", indexed: true},
		{name: "user", kind: ref, when: onCreate, required: true, object: "user", indexed: true},
		{name: "isOwner", kind: boolean, when: always, about: "the first user of a token is its owner"},
		{name: "usageLimit", kind: integer, when: always, about: "0 = none"},
		{name: "usageCount", kind: integer},
		{name: "status", kind: enum, when: always, values: []string{model.Active, model.Inactive, model.LockedBy, model.DisabledBy},
			about: "ACTIVE if not given, INACTIVE where the product wants an activation code"},
		{name: "starts", kind: date, when: always, about: "a day alone is its beginning"},
		{name: "expires", kind: date, ends: true, when: always, about: "a day alone is its end"},
		{name: "priority", kind: integer, when: always, max: 1 << 31, about: "lower ones are tried first"},
		{name: "pin", kind: secret, when: always, about: "4 to 32 printable ASCII characters without space and comma; empty = none"},
		{name: "lastChangePin", kind: date},
		{name: "mustChangePin", kind: boolean, when: always, about: "where there is no PIN, nobody logs in until one is given"},
		{name: "pinNeverExpires", kind: boolean, when: always},
		{name: "dateCreated", kind: date},
		{name: "lastUpdated", kind: date},
	},
})

func prepareAssignment(_ context.Context, c *call, d *decoded) error {
	if pin := d.secrets["pin"]; len(pin) > 0 {
		return c.s.checkPIN(d.place+".pin", pin)
	}
	return nil
}

func checkAssignment(c *call, tx store.Tx, d *decoded, old, row any) error {
	a := row.(*model.Assignment)
	if pin, given := d.secrets["pin"]; given {
		c.setPIN(a, pin)
	}
	if a.Starts != 0 && a.Expires != 0 && a.Expires <= a.Starts {
		return model.AttrErrorf(model.Invalid, d.place+".expires", "must lie behind starts")
	}
	if old == nil {
		var t model.Token
		if err := tx.Load(&t, a.TokenID); err != nil {
			return err
		}
		existing, err := tx.AssignmentsOfTokens([]string{t.ID})
		if err != nil {
			return err
		}
		return c.newAssignment(tx, a, &t, existing[t.ID], d.has("isOwner"))
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
		a.PIN = c.s.keys.Seal(store.PINPlace(a.ID), model.HashPIN(pin))
	}
}

// newAssignment completes an assignment about to be made of a token beside those it has: who owns the token, whether it is
// active, whether the user may have one more.
func (c *call) newAssignment(tx store.Tx, a *model.Assignment, t *model.Token, existing []model.Assignment, ownerGiven bool) error {
	var p model.Product
	if err := tx.Load(&p, t.ProductID); err != nil {
		return err
	}
	if err := c.admit(tx, a, t, &p, existing, 0); err != nil {
		return err
	}
	if !ownerGiven {
		a.IsOwner = !owned(existing)
	} else if a.IsOwner {
		return tx.DisownToken(t.ID, c.now)
	}
	return nil
}

// admit refuses an assignment that may not be made, and gives it its status; pending counts assignments of the same user
// and product that are not written yet.
func (c *call) admit(tx store.ReadTx, a *model.Assignment, t *model.Token, p *model.Product, existing []model.Assignment, pending int64) error {
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

// SortArgs are the parameters of tokenAssignment/sort.
type SortArgs struct {
	IDs []Text `json:"ids"`
}

// Sort sets the order in which a user's tokens are tried: ids are his assignments, the first one first. Those left
// out come behind.
func (m *TokenAssignment) Sort(r *http.Request, args *SortArgs, plan *Plan) error {
	c := callOf(r.Context())
	if len(args.IDs) == 0 || len(args.IDs) > searchMost {
		return model.AttrErrorf(model.Missing, "ids", "is required: a user's assignments in the wished order")
	}
	plan.update = func(tx store.Tx) (any, error) {
		priority := map[string]int64{}
		var user string
		for i, id := range args.IDs {
			found, err := m.obj.find(c, tx, []store.Cond{store.ByID(string(id))})
			if err != nil {
				return nil, err
			}
			var a model.Assignment
			if err := tx.Load(&a, found); err != nil {
				return nil, err
			}
			if user != "" && user != a.UserID {
				return nil, model.AttrErrorf(model.Invalid, "ids", "are assignments of more than one user")
			}
			if _, twice := priority[a.ID]; twice {
				return nil, model.AttrErrorf(model.Invalid, "ids", "name an assignment twice")
			}
			user, priority[a.ID] = a.UserID, int64(i+1)
		}
		all, err := tx.AssignmentsOfUser(user)
		if err != nil {
			return nil, err
		}
		behind := int64(len(args.IDs))
		for i := range all {
			p, ok := priority[all[i].ID]
			if !ok {
				behind++
				p = behind
			}
			all[i].Priority, all[i].LastUpdated = p, c.now
			if err := tx.Save(&all[i]); err != nil {
				return nil, err
			}
		}
		c.touched(userObject.noun, user)
		return nil, nil
	}
	return nil
}

// unassign ends what the user was given along with the token: a provisioning link not used yet.
func unassign(_ *call, tx store.Tx, row any) error {
	return tx.DropLink(row.(*model.Assignment).TokenID)
}

// mayShare refuses what a limited caller would change for users of other domains.
func (c *call) mayShare(tx store.Tx, tokenID string) error {
	if c.scope == nil {
		return nil
	}
	_, err := tokenObject.find(c, tx, []store.Cond{store.ByID(tokenID)})
	return err
}
