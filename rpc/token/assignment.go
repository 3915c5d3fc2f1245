package token

import (
	"context"
	"maps"
	"net/http"
	"slices"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/object"
	"tokensmith/rpc/people"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// TokenAssignment is the receiver of the methods for token assignments.
type TokenAssignment struct{ object.CRUD }

// AssignmentType declares the object tokenAssignment.
var AssignmentType = object.Declare(&object.Type{
	Name: "tokenAssignment", NotFound: model.AssignmentNoun, Limited: object.Changes, Row: func() any { return new(model.Assignment) },
	Keys: [][]string{{"token", "user"}}, ShownWhenAmbiguous: []string{"id", "token.serial", "user.loginName"},
	Prepare: prepareAssignment, Check: checkAssignment, AfterWrite: assigned, BeforeDelete: unassign,
	Attrs: []object.Attr{
		{Name: "token", Kind: object.Ref, When: object.OnCreate, Required: true, Object: "token", Indexed: true},
		{Name: "user", Kind: object.Ref, When: object.OnCreate, Required: true, Object: "user", Indexed: true},
		{Name: "isOwner", Kind: object.Boolean, When: object.Always, About: "the first user of a token is its owner"},
		{Name: "usageLimit", Kind: object.Integer, When: object.Always, About: "0 = none"},
		{Name: "usageCount", Kind: object.Integer},
		{Name: "status", Kind: object.Enum, When: object.Always, Values: []string{model.Active, model.Inactive, model.LockedBy, model.DisabledBy},
			About: "ACTIVE if not given, INACTIVE where the product wants an activation code"},
		{Name: "starts", Kind: object.Date, When: object.Always, About: "a date alone means the beginning of that day"},
		{Name: "expires", Kind: object.Date, Ends: true, When: object.Always, About: "a date alone means the end of that day"},
		{Name: "priority", Kind: object.Integer, When: object.Always, Max: 1 << 31, About: "lower ones are tried first"},
		{Name: "pin", Kind: object.Secret, When: object.Always,
			About: "4 to 32 printable ASCII characters without space and comma; empty = none"},
		{Name: "lastChangePin", Kind: object.Date},
		{Name: "mustChangePin", Kind: object.Boolean, When: object.Always, About: "if there is no PIN, nobody can log in until one is set"},
		{Name: "pinNeverExpires", Kind: object.Boolean, When: object.Always},
		{Name: "dateCreated", Kind: object.Date},
		{Name: "lastUpdated", Kind: object.Date},
	},
	EmptyCollections: []string{"challengeCodes"},
	EmptyTexts:       []string{"activationCode"},
})

func prepareAssignment(_ context.Context, c *dispatch.Call, d *object.Decoded) error {
	if pin := d.Secrets["pin"]; len(pin) > 0 {
		return people.CheckPIN(c.Server, d.Place+".pin", pin)
	}
	return nil
}

func checkAssignment(c *dispatch.Call, tx store.Tx, d *object.Decoded, old, row any) error {
	a := row.(*model.Assignment)
	if pin, given := d.Secrets["pin"]; given {
		SetPIN(c, a, pin)
	}
	if a.Starts != 0 && a.Expires != 0 && a.Expires <= a.Starts {
		return model.AttrErrorf(model.Invalid, d.Place+".expires", "must be after starts")
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
		return newAssignment(c, tx, a, &t, existing[t.ID], d.Has("isOwner"))
	}
	if a.IsOwner && !old.(*model.Assignment).IsOwner {
		if err := mayShare(c, tx, a.TokenID); err != nil {
			return err
		}
		return tx.DisownToken(a.TokenID, c.Now)
	}
	return nil
}

// SetPIN seals a PIN for an assignment. An empty PIN removes it.
func SetPIN(c *dispatch.Call, a *model.Assignment, pin model.Secret) {
	a.PIN, a.LastChangePIN = nil, c.Now
	if len(pin) > 0 {
		a.PIN = c.Server.Keys.Seal(store.PINPlace(a.ID), model.HashPIN(pin))
	}
}

// newAssignment completes a new assignment of a token that already has the existing ones: whether it is the owner's, whether it
// is active, and whether the user may have one more token.
func newAssignment(c *dispatch.Call, tx store.Tx, a *model.Assignment, t *model.Token, existing []model.Assignment, ownerGiven bool) error {
	var p model.Product
	if err := tx.Load(&p, t.ProductID); err != nil {
		return err
	}
	if err := Admit(c, tx, a, t, &p, existing, 0); err != nil {
		return err
	}
	if err := MayHave(tx, []model.Assignment{*a}, false); err != nil {
		return err
	}
	if !ownerGiven {
		a.IsOwner = !Owned(existing)
	} else if a.IsOwner {
		return tx.DisownToken(t.ID, c.Now)
	}
	return nil
}

// Admit returns an error for an assignment that is not allowed, and sets its status. pending is the number of assignments of the
// same user and product that are not inserted yet.
func Admit(c *dispatch.Call, tx store.ReadTx, a *model.Assignment, t *model.Token, p *model.Product, existing []model.Assignment, pending int64) error {
	if t.Status == model.Deceased {
		return model.Errorf(model.TokenUnusable, "token %s is deceased", t.Serial)
	}
	for _, e := range existing {
		if e.UserID == a.UserID {
			return &model.Error{Kind: model.Exists, Msg: "token assignment already exists: the token is already assigned to this user"}
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

// MayHave returns an error if new assignments give a user too many tokens. written is true if the new assignments are already
// stored.
func MayHave(tx store.ReadTx, made []model.Assignment, written bool) error {
	fresh := map[string]int64{}
	for i := range made {
		fresh[made[i].UserID]++
	}
	counts, err := tx.AssignedTo(slices.Sorted(maps.Keys(fresh)))
	if err != nil {
		return err
	}
	for id, n := range fresh {
		if written {
			n = 0
		}
		if n += counts[id]; n > model.MaxUserTokens {
			return model.AttrErrorf(model.Invalid, "attrs.user", "a user may have at most %d tokens, and one would have %d", model.MaxUserTokens, n)
		}
	}
	return nil
}

// Owned returns whether one of the assignments is an owner's.
func Owned(assignments []model.Assignment) bool {
	for _, a := range assignments {
		if a.IsOwner {
			return true
		}
	}
	return false
}

// SortArgs are the parameters of tokenAssignment/sort.
type SortArgs struct {
	IDs []wire.Text `json:"ids"`
}

// Sort sets the order in which a user's tokens are tried. The ids are the user's assignments in that order. Assignments that are
// left out come last.
func (m *TokenAssignment) Sort(r *http.Request, args *SortArgs, plan *dispatch.Plan) error {
	c := dispatch.CallFrom(r.Context())
	if len(args.IDs) == 0 || len(args.IDs) > object.MaxSearch {
		return model.AttrErrorf(model.Missing, "ids", "is required: a user's assignments in the wished order")
	}
	plan.Update = func(tx store.Tx) (any, error) {
		priority := map[string]int64{}
		var user string
		for i, id := range args.IDs {
			found, err := m.Type.Find(c, tx, []store.Cond{store.ByID(string(id))})
			if err != nil {
				return nil, err
			}
			var a model.Assignment
			if err := tx.Load(&a, found); err != nil {
				return nil, err
			}
			if user != "" && user != a.UserID {
				return nil, model.AttrErrorf(model.Invalid, "ids", "belong to more than one user")
			}
			if _, twice := priority[a.ID]; twice {
				return nil, model.AttrErrorf(model.Invalid, "ids", "contain an assignment twice")
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
			all[i].Priority, all[i].LastUpdated = p, c.Now
			if err := tx.Save(&all[i]); err != nil {
				return nil, err
			}
		}
		c.SetObject(people.UserType.Noun, user)
		return nil, nil
	}
	return nil
}

// assigned names the token and the user of a new assignment in the record, so that the history of each tells of it.
func assigned(c *dispatch.Call, tx store.Tx, _ *object.Decoded, old, row any) error {
	if old != nil {
		return nil
	}
	return touched(c, tx, row.(*model.Assignment))
}

func touched(c *dispatch.Call, tx store.Tx, a *model.Assignment) error {
	if err := c.AlsoTouched(tx, TokenType.Noun, a.TokenID); err != nil {
		return err
	}
	return c.AlsoTouched(tx, people.UserType.Noun, a.UserID)
}

// unassign deletes an unused provisioning link of the token, which the user may have.
func unassign(c *dispatch.Call, tx store.Tx, row any) error {
	a := row.(*model.Assignment)
	if err := touched(c, tx, a); err != nil {
		return err
	}
	return tx.DropLink(a.TokenID)
}

// mayShare returns an error if a caller that is limited to domains would change something for users of other domains.
func mayShare(c *dispatch.Call, tx store.Tx, tokenID string) error {
	if c.Scope == nil {
		return nil
	}
	_, err := TokenType.Find(c, tx, []store.Cond{store.ByID(tokenID)})
	return err
}
