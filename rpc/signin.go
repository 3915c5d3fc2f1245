package rpc

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"tokensmith/model"
	"tokensmith/store"
)

// Wrong sign-ins of an address beyond signInBurst have to wait, one each signInEvery.
const (
	signInBurst = 5
	signInEvery = 10 * time.Second
)

// SignInArgs are what a person signs in with.
type SignInArgs struct {
	LoginName   Text `json:"loginName"` // or DOMAIN\LOGINNAME
	Password    Text `json:"password"`
	OTP         Text `json:"otp"` // for accounts that have an active token
	NewPassword Text `json:"newPassword"`
}

// signIn begins a session.
func (s *Server) signIn(w http.ResponseWriter, r *http.Request, c *call) {
	c.method = &method{path: "console/signIn", device: true} // nobody known calls
	c.agent = &model.Agent{Name: "console"}
	defer c.ended()
	body, err := s.readBody(w, r, c)
	if err != nil {
		c.fail(w, err, false)
		return
	}
	var args SignInArgs
	if err := readArgs(body, &args); err != nil {
		c.fail(w, err, true)
		return
	}
	key := make([]byte, sessionBytes)
	if _, err := io.ReadFull(s.cfg.Rand, key); err != nil {
		c.fail(w, err, true)
		return
	}
	value := base64.RawURLEncoding.EncodeToString(key)
	hash := sha256.Sum256([]byte(value))
	if err := s.signingIn(r.Context(), c, &args, hash[:], s.sessionOf(r)); err != nil {
		c.fail(w, err, true)
		return
	}
	s.setCookie(w, r, value)
	s.answerPage(w, c, nil)
}

// signingIn checks password and OTP, with one answer, and begins a session in place of one that the browser had, all in one
// transaction.
func (s *Server) signingIn(ctx context.Context, c *call, args *SignInArgs, session, before []byte) error {
	// A right credential that may not be used, such as a used OTP, is a try as well; a PIN or password to be changed is none.
	if err := c.try(ctx, &s.limits.signIns, model.WrongCredential, model.Locked, model.Disabled, model.OutOfSync, model.Replayed,
		model.NotValidNow, model.UsageLimit, model.Unavailable, model.TooMany); err != nil {
		return err
	}
	if len(args.Password) > passwordMost || len(args.NewPassword) > passwordMost {
		return model.AttrErrorf(model.Invalid, "password", "is longer than %d bytes", passwordMost)
	}
	if args.NewPassword != "" {
		if err := s.checkPassword("newPassword", model.Secret(args.NewPassword)); err != nil {
			return err
		}
	}
	ctx = context.WithoutCancel(ctx) // it counts, whoever hangs up
	v := &verification{c: c, static: true, text: string(args.OTP), password: model.Secret(args.Password), fresh: string(args.NewPassword), at: "newPassword"}
	var err error
	if v.user, err = s.loginConds(ctx, strings.ReplaceAll(string(args.LoginName), "\x00", "")); err != nil {
		return err
	}
	if err := v.hash(ctx); err != nil {
		return err
	}
	caller := c.agent
	_, err = c.run(ctx, &Plan{update: func(tx store.Tx) (any, error) {
		c.agent, v.due = caller, false
		return v.decide(tx, func(login *model.Login) (any, error) {
			found, err := v.person(tx, login)
			if _, refused := found.(outcome); refused || err != nil {
				return found, err
			}
			return nil, v.begin(tx, login, session, before)
		})
	}})
	if v.due && err != nil {
		// And not the PIN, which is changed otherwise.
		return model.AttrErrorf(model.PINExpired, "newPassword", "the password must be changed: give a new one")
	}
	return err
}

// loginConds finds who a login name means: DOMAIN\LOGINNAME, a login name, or LOGINNAME@DOMAIN where none is called so.
func (s *Server) loginConds(ctx context.Context, name string) ([]store.Cond, error) {
	called := func(login string) []store.Cond {
		return []store.Cond{{Column: "login_name_folded", Op: store.Eq, Value: model.Fold(login)}}
	}
	of := func(login, domain string) []store.Cond {
		return append(called(login), store.Cond{Path: []store.Step{{From: "domain_id", Table: "domains", To: "id"}}, Column: "name_folded", Op: store.Eq, Value: model.Fold(domain)})
	}
	if domain, login, ok := strings.Cut(name, `\`); ok {
		return of(login, domain), nil
	}
	conds := called(name)
	if at := strings.LastIndexByte(name, '@'); at >= 0 {
		err := s.cfg.Store.View(ctx, func(tx store.ReadTx) error {
			n, err := tx.Count(&store.Query{Table: userObject.table, Where: conds})
			if err == nil && n == 0 {
				conds = of(name[:at], name[at+1:])
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return conds, nil
}

// person checks an administrator's password and, where he has an active token, its OTP. With a wrong password an OTP is
// looked at for the time it takes, and stays unused. Who is no administrator is answered like a wrong password.
func (v *verification) person(tx store.Tx, login *model.Login) (any, error) {
	var user model.User
	if err := tx.Load(&user, login.ID); err != nil {
		return nil, err
	}
	tokens, err := v.candidates(tx, login)
	if err != nil {
		return nil, err
	}
	v.matched = v.matched && user.Permissions != ""
	if len(tokens) == 0 {
		return v.staticPassword(tx, login)
	}
	right := v.matched && string(login.Password) == string(v.seen)
	v.dry = !right
	found, err := v.otp(tx, login)
	if _, refused := found.(outcome); refused || err != nil {
		return found, err
	}
	switch {
	case !right:
		return nil, errors.New("a sign-in was accepted without its password")
	case v.fresh != "":
		return found, v.setPassword(tx, login)
	case login.MustChangePassword:
		v.due = true
		return v.c.refuse(tx, login, model.PINExpired)
	}
	return found, nil
}

// begin begins a session.
func (v *verification) begin(tx store.Tx, login *model.Login, session, before []byte) error {
	var user model.User
	var domain model.Domain
	err := tx.Load(&user, login.ID)
	if err == nil {
		err = tx.Load(&domain, user.DomainID)
	}
	if err == nil && before != nil {
		err = tx.DropSession(before)
	}
	if err == nil {
		err = tx.DropSessions(v.c.now - model.SessionMost)
	}
	if err != nil {
		return err
	}
	v.c.agent = personOf(&user, &domain)
	return tx.Insert(&model.Session{Hash: session, UserID: user.ID, PasswordChanged: user.LastChangePassword, DateCreated: v.c.now, LastUsed: v.c.now})
}
