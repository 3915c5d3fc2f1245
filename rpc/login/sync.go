package login

import (
	"errors"
	"net/http"
	"strings"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/logon"
	"tokensmith/rpc/object"
	"tokensmith/rpc/people"
	"tokensmith/rpc/token"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// SyncToken is token/syncToken for a login: the user is required, and a failure counts as a refused credential.
func (m *Auth) SyncToken(r *http.Request, args *AuthSyncArgs, plan *dispatch.Plan) error {
	v := &verification{auth: m, c: dispatch.CallFrom(r.Context()), syncing: true}
	var err error
	if v.user, err = args.Selector("user", people.UserType, true); err != nil {
		return err
	}
	if v.token, err = args.Selector("token", token.TokenType, true); err != nil {
		return err
	}
	if v.first, v.second, err = args.otps(); err != nil {
		return err
	}
	if err = v.remoteIP(args.RemoteIP); err != nil {
		return err
	}
	plan.Update = func(tx store.Tx) (any, error) {
		reply, err := v.decide(tx, func(login *model.Login) (any, error) { return v.sync(tx, login) })
		if o, ok := reply.(dispatch.CommittedRefusal); ok && o.Err.Kind == model.OutOfSync {
			reply = dispatch.CommittedRefusal{Err: notSynced()}
		}
		return reply, err
	}
	return logon.PlanWithRealm(v.c, args.Application, plan, nil)
}

// sync synchronizes the user's token with two OTPs.
func (v *verification) sync(tx store.Tx, login *model.Login) (any, error) {
	creds, err := v.candidates(tx, login)
	if err != nil {
		return nil, err
	}
	if len(creds) == 0 {
		v.pretend()
		return refuse(v.c, tx, login, model.OutOfSync, 0)
	}
	c := &creds[0]
	ok, err := v.resync(c)
	if err != nil {
		return nil, err
	}
	if !ok || v.dry {
		return refuse(v.c, tx, login, model.OutOfSync, c.PairChance())
	}
	if err := tx.SaveChecked(c, true, v.c.Now); err != nil {
		return nil, err
	}
	if k := c.Usable(login.Status, v.c.Now); k != 0 {
		return refuse(v.c, tx, login, k, 0) // the OTPs are used up nevertheless
	}
	return nil, nil
}

// resync updates the token's state if the two OTPs synchronize it, and returns whether they do.
func (v *verification) resync(c *model.Credential) (bool, error) {
	seed, err := v.c.Server.Keys.Unseal(store.SeedPlace(c.TokenID), c.Seed)
	if err != nil {
		return false, err
	}
	return c.Resync(seed, v.c.Now, v.first, v.second), nil
}

// otps splits "otp1,otp2".
func (a *SyncArgs) otps() (first, second string, err error) {
	if a.Credential == nil {
		return "", "", model.AttrErrorf(model.Missing, "credential", "is required")
	}
	first, second, ok := strings.Cut(string(*a.Credential), ",")
	if !ok {
		return "", "", model.AttrErrorf(model.Invalid, "credential", "must be two OTPs with a comma between")
	}
	return model.PastedOTP(first), model.PastedOTP(second), nil
}

// SyncArgs are the parameters of token/syncToken.
type SyncArgs struct {
	object.Selection
	Credential *wire.Text `json:"credential"`
}

// AuthSyncArgs are the parameters of auth/syncToken.
type AuthSyncArgs struct {
	SyncArgs
	RemoteIP    wire.Text  `json:"remoteIp"`
	Application wire.Named `json:"application"`
}

// SyncSelected is token/syncToken: it synchronizes a token with two consecutive OTPs. If they do not match, it refuses, and its
// transaction commits.
func (m *Auth) SyncSelected(r *http.Request, args *SyncArgs, plan *dispatch.Plan) error {
	user, err := args.Selector("user", people.UserType, false)
	if err != nil {
		return err
	}
	first, second, err := args.otps()
	if err != nil {
		return err
	}
	tokens := object.CRUD{Server: m.Server, Type: token.TokenType}
	return tokens.UpdateSelected(r, &args.Selection, plan, func(c *dispatch.Call, tx store.Tx, id string) (any, error) {
		var login *model.Login
		if user != nil {
			a, err := token.Assigned(c, tx, id, user)
			if err != nil {
				return nil, err
			}
			l, err := tx.Login(a.UserID)
			if err != nil {
				return nil, err
			}
			login = &l
		}
		t, p, st, err := token.LoadToken(tx, id)
		if err != nil {
			return nil, err
		}
		c.SetObject(token.TokenType.Noun, t.ID)
		if t.Status != model.Active {
			return nil, model.Errorf(model.TokenUnusable, "token %s is %s", t.Serial, strings.ToLower(t.Status))
		}
		seed, err := token.OpenSeed(c, tx, t.ID, t.Seed)
		if err != nil {
			return nil, err
		}
		ok := st.Resync(seed, p, c.Now, first, second)
		if !ok && login != nil {
			if _, err := refuse(c, tx, login, model.OutOfSync, model.PairChance(p.Algorithm, p.Digits, p.ManualWindow)); err != nil {
				return nil, err
			}
		}
		if !ok {
			return dispatch.CommittedRefusal{Err: notSynced()}, nil
		}
		return nil, errors.Join(tx.Save(st), tx.RaiseMarks(t.SeedGroup, st.Use(p.Algorithm)))
	})
}
