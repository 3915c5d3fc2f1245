package login

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strings"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/object"
	"tokensmith/rpc/people"
	"tokensmith/rpc/token"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// AuthArgs are the parameters of the authentication methods that take a user and what to return.
type AuthArgs struct {
	object.Selection
	Application wire.Named  `json:"application"` // read, and of no effect: this server is one
	Return      wire.Return `json:"return"`
}

// SyncToken is token/syncToken for a login: the user is required, and a failed one counts as a refused credential.
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
	plan.Update = func(tx store.Tx) (any, error) {
		reply, err := v.decide(tx, func(login *model.Login) (any, error) { return v.sync(tx, login) })
		if o, ok := reply.(dispatch.CommittedRefusal); ok && o.Err.Kind == model.OutOfSync {
			reply = dispatch.CommittedRefusal{Err: notSynced()}
		}
		return reply, err
	}
	return nil
}

// sync synchronises the user's token by two OTPs.
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
		return refuse(v.c, tx, login, k, 0) // the OTPs are used up all the same
	}
	return nil, nil
}

// resync puts the token's state after the two OTPs in place, where they synchronise it.
func (v *verification) resync(c *model.Credential) (bool, error) {
	seed, err := v.c.Server.Keys.Unseal(store.SeedPlace(c.TokenID), c.Seed)
	if err != nil {
		return false, err
	}
	return c.Resync(seed, v.c.Now, v.first, v.second), nil
}

// ListTokens lists a user's tokens.
func (m *Auth) ListTokens(r *http.Request, args *AuthArgs, plan *dispatch.Plan) error {
	return m.list(r, args, plan, token.TokenType, "user.id")
}

// ListTokenAssignments lists a user's token assignments.
func (m *Auth) ListTokenAssignments(r *http.Request, args *AuthArgs, plan *dispatch.Plan) error {
	return m.list(r, args, plan, token.AssignmentType, "user.id")
}

// ListDomains lists the domains one may log in to.
func (m *Auth) ListDomains(r *http.Request, args *AuthArgs, plan *dispatch.Plan) error {
	return m.list(r, args, plan, people.DomainType, "")
}

// list finds the objects that belong to a user. An unknown user is a wrong credential, as everywhere here.
func (m *Auth) list(r *http.Request, args *AuthArgs, plan *dispatch.Plan, o *object.Type, of string) error {
	v := &verification{auth: m, c: dispatch.CallFrom(r.Context())}
	if err := own(args.Return, o); err != nil {
		return err
	}
	p, err := o.Project(v.c, args.Return.Or(wire.ReturnNames("*")), "return")
	if err != nil {
		return err
	}
	q := store.Query{Table: o.Table, Sort: []store.Sort{{Column: store.IDColumn}}, Limit: object.MaxSearch}
	if v.user, err = args.Selector("user", people.UserType, of != ""); err != nil {
		return err
	}
	if of != "" {
		if q.Where, err = args.ofToken(o); err != nil {
			return err
		}
	}
	plan.View = func(tx store.ReadTx) (any, error) {
		his := q
		if of != "" {
			login, err := v.login(tx)
			if err != nil {
				return nil, err
			}
			if login == nil {
				return nil, cmp.Or(object.UndefinedDomain(tx, v.user), error(answer(model.WrongCredential)))
			}
			path, a, err := o.Resolve("match", of, true)
			if err != nil {
				return nil, err
			}
			his.Where = append(slices.Clone(q.Where), store.Cond{Path: path, Column: a.Column, Op: store.Eq, Value: login.ID})
		} else if err := object.UndefinedDomain(tx, v.user); err != nil {
			return nil, err
		}
		return object.CRUD{Server: m.Server, Type: o}.PageOf(tx, p, his, &object.SearchArgs{}, "")
	}
	return nil
}

// ofToken returns the conditions that a token, where one is described, sets on tokens or on their assignments. Those by who has the token are
// refused: they would tell of others of a shared one.
func (a *AuthArgs) ofToken(o *object.Type) ([]store.Cond, error) {
	conds, err := a.Selector("token", token.TokenType, false)
	for i := range conds {
		if slices.ContainsFunc(conds[i].Path, func(s store.Step) bool { return s.Table == token.AssignmentType.Table }) {
			return nil, model.AttrErrorf(model.Invalid, "token", "is not told by who has it here")
		}
		if o != token.TokenType {
			conds[i].Path = object.Join([]store.Step{store.ToToken}, conds[i].Path)
		}
	}
	return conds, err
}

// own refuses collections: they would lead to other users of a shared token.
func own(r wire.Return, o *object.Type) error {
	for _, item := range r {
		_, through, _ := o.Through(item.Name)
		if through != nil || o.Collection(item.Name, false) != nil {
			return model.AttrErrorf(model.Invalid, "return", "%q is not listed here", item.Name)
		}
		if a := o.ByName[item.Name]; a != nil && a.Kind == object.Ref {
			if err := own(item.Nested, object.Types[a.Object]); err != nil {
				return err
			}
		}
	}
	return nil
}

// otps reads "otp1,otp2".
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
	Application wire.Named `json:"application"` // read, and of no effect: this server is one
}

// SyncSelected is token/syncToken: it synchronises a token by two consecutive OTPs. Two that do not fit are refused, and that commits.
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

// AuthActivateArgs are the parameters of auth/activateTokenAssignment.
type AuthActivateArgs struct {
	token.ActivateArgs
	Application wire.Named `json:"application"` // read, and of no effect: this server is one
}

// ActivateTokenAssignment is Activate for a login: it does not tell whether the assignment exists.
func (m *Auth) ActivateTokenAssignment(r *http.Request, args *AuthActivateArgs, plan *dispatch.Plan) error {
	return token.Activate(m.Server, r, &args.ActivateArgs, plan, true)
}
