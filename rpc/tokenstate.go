package rpc

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"tokensmith/model"
	"tokensmith/model/otp"
	"tokensmith/store"
)

// ResetArgs are the parameters of token/reset.
type ResetArgs struct {
	Selection
	Attrs Members `json:"attrs"`
}

var resetAttrs = declare(&object{name: "reset", attrs: []attr{
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

// SyncArgs are the parameters of token/syncToken.
type SyncArgs struct {
	Selection
	Credential *Text `json:"credential"`
}

// SyncToken synchronises a token by two consecutive OTPs. Two that do not fit are refused, and that commits.
func (m *Token) SyncToken(r *http.Request, args *SyncArgs, plan *Plan) error {
	user, err := args.selector("user", userObject, false)
	if err != nil {
		return err
	}
	first, second, err := args.otps()
	if err != nil {
		return err
	}
	return m.upon(r, &args.Selection, plan, func(c *call, tx store.Tx, id string) (any, error) {
		var login *model.Login
		if user != nil {
			a, err := m.assigned(c, tx, id, user)
			if err != nil {
				return nil, err
			}
			l, err := tx.Login(a.UserID)
			if err != nil {
				return nil, err
			}
			login = &l
		}
		t, p, st, err := loadToken(tx, id)
		if err != nil {
			return nil, err
		}
		c.touched(m.obj.noun, t.ID)
		if t.Status != model.Active {
			return nil, model.Errorf(model.TokenUnusable, "token %s is %s", t.Serial, strings.ToLower(t.Status))
		}
		seed, err := c.openSeed(tx, t.ID, t.Seed)
		if err != nil {
			return nil, err
		}
		ok := st.Resync(seed, p, c.now, first, second)
		if !ok && login != nil {
			if _, err := c.refuse(tx, login, model.OutOfSync, model.PairChance); err != nil {
				return nil, err
			}
		}
		if !ok {
			return outcome{notSynced()}, nil
		}
		return nil, errors.Join(tx.Save(st), tx.RaiseMarks(t.SeedGroup, st.Use(p.Algorithm)))
	})
}
