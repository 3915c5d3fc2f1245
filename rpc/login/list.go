package login

import (
	"cmp"
	"net/http"
	"slices"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/logon"
	"tokensmith/rpc/object"
	"tokensmith/rpc/people"
	"tokensmith/rpc/token"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// ListTokens returns a user's tokens.
func (m *Auth) ListTokens(r *http.Request, args *logon.AuthArgs, plan *dispatch.Plan) error {
	return m.listThrough(r, args, plan, token.TokenType, "user.id")
}

// ListTokenAssignments returns a user's token assignments.
func (m *Auth) ListTokenAssignments(r *http.Request, args *logon.AuthArgs, plan *dispatch.Plan) error {
	return m.listThrough(r, args, plan, token.AssignmentType, "user.id")
}

// ListDomains returns the domains that users can log in to.
func (m *Auth) ListDomains(r *http.Request, args *logon.AuthArgs, plan *dispatch.Plan) error {
	return m.listThrough(r, args, plan, people.DomainType, "")
}

// listThrough is list for the users of an application.
func (m *Auth) listThrough(r *http.Request, args *logon.AuthArgs, plan *dispatch.Plan, o *object.Type, of string) error {
	if err := m.list(r, args, plan, o, of); err != nil {
		return err
	}
	return logon.PlanWithRealm(dispatch.CallFrom(r.Context()), args.Application, plan, nil)
}

// ListApplications returns the applications that users can log in to through the caller: its own or, if it has none, all.
func (m *Auth) ListApplications(r *http.Request, args *logon.AuthArgs, plan *dispatch.Plan) error {
	args.Return = args.Return.Or(wire.ReturnNames("id", "name"))
	var mine []store.Cond
	if own := dispatch.CallFrom(r.Context()).Agent.Applications.Items(); len(own) > 0 {
		ids := make([]any, len(own))
		for i, id := range own {
			ids[i] = id
		}
		mine = []store.Cond{store.ByIDs(ids)}
	}
	return m.list(r, args, plan, logon.ApplicationType, "", mine...)
}

// list returns the objects that belong to a user, or all that match if of is empty. An unknown user is refused as a wrong
// credential, as in all methods of this package.
func (m *Auth) list(r *http.Request, args *logon.AuthArgs, plan *dispatch.Plan, o *object.Type, of string, only ...store.Cond) error {
	v := &verification{auth: m, c: dispatch.CallFrom(r.Context())}
	if err := o.OwnOnly(args.Return); err != nil {
		return err
	}
	p, err := o.Project(v.c, args.Return.Or(wire.ReturnNames("*")), "return")
	if err != nil {
		return err
	}
	q := store.Query{Table: o.Table, Where: only, Sort: []store.Sort{{Column: store.IDColumn}}, Limit: object.MaxSearch}
	if v.user, err = args.Selector("user", people.UserType, of != ""); err != nil {
		return err
	}
	if of != "" {
		if q.Where, err = ofToken(args, o); err != nil {
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

// ofToken returns the conditions that the member token sets on tokens or on their assignments; none if it was not sent.
// Conditions about who has the token are refused, because they would reveal other users of a shared token.
func ofToken(a *logon.AuthArgs, o *object.Type) ([]store.Cond, error) {
	conds, err := a.Selector("token", token.TokenType, false)
	for i := range conds {
		if slices.ContainsFunc(conds[i].Path, func(s store.Step) bool { return s.Table == token.AssignmentType.Table }) {
			return nil, model.AttrErrorf(model.Invalid, "token", "cannot be selected by its users here")
		}
		if o != token.TokenType {
			conds[i].Path = object.Join([]store.Step{store.ToToken}, conds[i].Path)
		}
	}
	return conds, err
}
