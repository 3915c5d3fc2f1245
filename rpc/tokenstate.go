package rpc

import (
	"errors"
	"net/http"
	"strconv"

	"tokensmith/model"
	"tokensmith/model/otp"
	"tokensmith/store"
)

// ResetArgs are the parameters of token/reset.
type ResetArgs struct {
	Selection
	Attrs Members `json:"attrs"`
}

var resetAttrs = declare(&object{name: "token/reset", noun: "reset", of: []string{"token/reset"}, attrs: []attr{
	{name: "counter", kind: integer, when: always, max: otp.LastStep, column: "-", about: "the next counter of an event-based token"}}})

// Reset clears a token's drift, failures and pending resynchronisation; the counter moves only when given.
func (m *Token) Reset(r *http.Request, args *ResetArgs, plan *Plan) error {
	d, err := resetAttrs.decode("attrs", args.Attrs, onSet)
	if err != nil {
		return err
	}
	var counter *int64
	if n, ok := given[int64](d, "counter"); ok {
		counter = &n
	}
	return m.upon(r, &args.Selection, plan, func(c *call, tx store.Tx, id string) (any, error) {
		t, p, st, err := loadToken(tx, id)
		if err != nil {
			return nil, err
		}
		before := st.Counter
		rewound, err := st.Reset(p.OTP(), counter, c.now)
		if err != nil {
			return nil, err
		}
		c.touched(m.obj.noun, t.ID)
		switch {
		case counter != nil:
			c.object += " counter " + strconv.FormatInt(*counter, 10)
		case rewound:
			c.object += " mark in the future cleared: " + strconv.FormatInt(before, 10) + " to " + strconv.FormatInt(st.Counter, 10)
		}
		err = tx.Save(st)
		if rewound {
			err = errors.Join(err, tx.RewindMarks(t.SeedGroup, st.Use(p.Algorithm)))
		}
		return nil, errors.Join(err, tx.ClearFailures(t.ID), tx.Touch(t.ID, c.now))
	})
}

// loadToken reads a token with its product and state.
func loadToken(tx store.Tx, id string) (*model.Token, *model.Product, *model.TokenState, error) {
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

// TokenArgs are the parameters of methods that take a token and nothing else.
type TokenArgs struct{ Selection }

// Confine forbids further downloads of a token. Logging in with it is not touched.
func (m *Token) Confine(r *http.Request, args *TokenArgs, plan *Plan) error {
	return m.confine(r, args, plan, true)
}

// Release allows downloads of a token again.
func (m *Token) Release(r *http.Request, args *TokenArgs, plan *Plan) error {
	return m.confine(r, args, plan, false)
}

func (m *Token) confine(r *http.Request, args *TokenArgs, plan *Plan, confined bool) error {
	return m.upon(r, &args.Selection, plan, func(c *call, tx store.Tx, id string) (any, error) {
		var t model.Token
		if err := tx.Load(&t, id); err != nil {
			return nil, err
		}
		t.Confined, t.LastUpdated = confined, c.now
		if err := tx.DropLink(t.ID); err != nil {
			return nil, err
		}
		c.touched(m.obj.noun, t.ID)
		return nil, tx.Save(&t)
	})
}

// openSeed opens the seed of a token, to show or to use it.
func (c *call) openSeed(tx store.ReadTx, tokenID string, sealed []byte) (model.Secret, error) {
	if err := c.mayOpen(tx, tokenID); err != nil {
		return nil, err
	}
	return c.s.keys.Unseal(store.SeedPlace(tokenID), sealed)
}
