package login

import (
	"errors"
	"net/http"
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
	Return wire.Return `json:"return"`
}

// SyncLoginArgs are the parameters of auth/syncToken.
type SyncLoginArgs struct {
	SyncArgs
	RemoteIP wire.Text `json:"remoteIp"`
}

// SyncToken is token/syncToken for a login: the user is required, and a failed one counts as a refused credential.
func (m *Auth) SyncToken(r *http.Request, args *SyncLoginArgs, plan *dispatch.Plan) error {
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
	if of != "" {
		if v.user, err = args.Selector("user", people.UserType, true); err != nil {
			return err
		}
	}
	plan.View = func(tx store.ReadTx) (any, error) {
		if of != "" {
			login, err := v.login(tx)
			if err != nil {
				return nil, err
			}
			if login == nil {
				return nil, answer(model.WrongCredential)
			}
			path, a, err := o.Resolve("match", of, true)
			if err != nil {
				return nil, err
			}
			q.Where = []store.Cond{{Path: path, Column: a.Column, Op: store.Eq, Value: login.ID}}
		}
		return object.CRUD{Server: m.Server, Type: o}.PageOf(tx, p, q, &object.SearchArgs{}, "")
	}
	return nil
}

// own refuses collections: they would lead to other users of a shared token.
func own(r wire.Return, o *object.Type) error {
	for _, item := range r {
		if o.Collection(item.Name, false) != nil {
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

// named is a row of a list of things that are no stored objects.
type named struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

type namedRows struct {
	Total int     `json:"total"`
	Rows  []named `json:"rows"`
}

func fixed(plan *dispatch.Plan, rows ...named) error {
	return constant(plan, namedRows{len(rows), rows})
}

// constant leaves a reply that is always the same.
func constant(plan *dispatch.Plan, result any) error {
	plan.View, plan.Reads = func(store.ReadTx) (any, error) { return result, nil }, dispatch.NoStatement
	return nil
}

// ListApplications lists the applications one may log in to: this server is one.
func (m *Auth) ListApplications(_ *http.Request, _ *AuthArgs, plan *dispatch.Plan) error {
	return fixed(plan, named{"tokensmith", "tokensmith"})
}

// ListAuthenticators lists the kinds of credential that auth/verify takes.
func (m *Auth) ListAuthenticators(_ *http.Request, _ *AuthArgs, plan *dispatch.Plan) error {
	return fixed(plan, named{"OTP", "one-time password, with the PIN in front where there is one"}, named{"SPASS", "static password"})
}

// logonStep is one step of a logon and the kinds of credential of which one passes it.
type logonStep struct {
	Step           int      `json:"step"`
	Authenticators []string `json:"authenticators"`
}

type logonSteps struct {
	Total int         `json:"total"`
	Rows  []logonStep `json:"rows"`
}

// GetLogonSteps says how a user logs on: one step, by either kind of credential. It is the same for everybody, so that
// it does not tell who has an account.
func (m *Auth) GetLogonSteps(_ *http.Request, args *AuthArgs, plan *dispatch.Plan) error {
	if _, err := args.Selector("user", people.UserType, true); err != nil {
		return err
	}
	return constant(plan, logonSteps{1, []logonStep{{1, []string{"OTP", "SPASS"}}}})
}

// Logout ends a logon. There are no sessions, so there is nothing to end.
func (m *Auth) Logout(_ *http.Request, _ *AuthArgs, plan *dispatch.Plan) error {
	return constant(plan, nil)
}

// ResetLogon gives up a logon in steps. There are no sessions, so there is nothing to give up.
func (m *Auth) ResetLogon(_ *http.Request, _ *AuthArgs, plan *dispatch.Plan) error {
	return constant(plan, nil)
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

// ActivateTokenAssignment is Activate for a login: it does not tell whether the assignment exists.
func (m *Auth) ActivateTokenAssignment(r *http.Request, args *token.ActivateArgs, plan *dispatch.Plan) error {
	return token.Activate(m.Server, r, args, plan, &m.lastActivated)
}
