package token

import (
	"errors"
	"net/http"
	"strconv"

	"tokensmith/model"
	"tokensmith/model/otp"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/object"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// ResetArgs are the parameters of token/reset.
type ResetArgs struct {
	object.Selection
	Attrs wire.Members `json:"attrs"`
}

var resetAttrs = object.Declare(&object.Type{Name: "token/reset", Noun: "reset", Of: []string{"token/reset"}, Attrs: []object.Attr{
	{Name: "counter", Kind: object.Integer, When: object.Always, Max: otp.LastStep, Column: "-", About: "the next counter of an event-based token"}}})

// Reset clears a token's drift, failures and pending resynchronization. The counter changes only if it is given.
func (m *Token) Reset(r *http.Request, args *ResetArgs, plan *dispatch.Plan) error {
	d, err := resetAttrs.Decode("attrs", args.Attrs, object.OnSet)
	if err != nil {
		return err
	}
	var counter *int64
	if n, ok := object.Given[int64](d, "counter"); ok {
		counter = &n
	}
	return m.UpdateSelected(r, &args.Selection, plan, func(c *dispatch.Call, tx store.Tx, id string) (any, error) {
		t, p, st, err := LoadToken(tx, id)
		if err != nil {
			return nil, err
		}
		before := st.Counter
		rewound, err := st.Reset(p.OTP(), counter, c.Now)
		if err != nil {
			return nil, err
		}
		c.SetObject(m.Type.Noun, t.ID)
		switch {
		case counter != nil:
			c.Object += " counter " + strconv.FormatInt(*counter, 10)
		case rewound:
			c.Object += " mark in the future cleared: " + strconv.FormatInt(before, 10) + " to " + strconv.FormatInt(st.Counter, 10)
		}
		err = tx.Save(st)
		if rewound {
			err = errors.Join(err, tx.RewindMarks(t.SeedGroup, st.Use(p.Algorithm)))
		}
		return nil, errors.Join(err, tx.ClearFailures(t.ID), tx.Touch(t.ID, c.Now))
	})
}

// LoadToken returns a token with its product and state.
func LoadToken(tx store.Tx, id string) (*model.Token, *model.Product, *model.TokenState, error) {
	var t model.Token
	var p model.Product
	var st model.TokenState
	err := tx.Load(&t, id)
	if err == nil {
		err = tx.Load(&p, t.ProductID)
	}
	if err == nil {
		err = tx.Load(&st, id)
	}
	return &t, &p, &st, err
}

// TokenArgs are the parameters of methods that take only a token.
type TokenArgs struct{ object.Selection }

// Confine forbids further downloads of a token. Logins with it are not affected.
func (m *Token) Confine(r *http.Request, args *TokenArgs, plan *dispatch.Plan) error {
	return m.confine(r, args, plan, true)
}

// Release allows downloads of a token again.
func (m *Token) Release(r *http.Request, args *TokenArgs, plan *dispatch.Plan) error {
	return m.confine(r, args, plan, false)
}

func (m *Token) confine(r *http.Request, args *TokenArgs, plan *dispatch.Plan, confined bool) error {
	return m.UpdateSelected(r, &args.Selection, plan, func(c *dispatch.Call, tx store.Tx, id string) (any, error) {
		var t model.Token
		if err := tx.Load(&t, id); err != nil {
			return nil, err
		}
		t.Confined, t.LastUpdated = confined, c.Now
		if err := tx.DropLink(t.ID); err != nil {
			return nil, err
		}
		c.SetObject(m.Type.Noun, t.ID)
		return nil, tx.Save(&t)
	})
}

// OpenSeed returns the seed of a token, after it has checked that the caller may show or use it.
func OpenSeed(c *dispatch.Call, tx store.ReadTx, tokenID string, sealed []byte) (model.Secret, error) {
	if err := c.CheckSeedAccess(tx, tokenID); err != nil {
		return nil, err
	}
	return c.Server.Keys.Unseal(store.SeedPlace(tokenID), sealed)
}
