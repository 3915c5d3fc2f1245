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

	"github.com/go-json-experiment/json"
	"golang.org/x/time/rate"

	"tokensmith/model"
	"tokensmith/store"
)

const (
	sessionBytes    = 32
	sessionIdle     = 30 * time.Minute
	sessionUsedMost = 60_000 // milliseconds between two writes of a session's last use

	// Wrong sign-ins of an address beyond signInBurst have to wait, one each signInEvery.
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

// signedIn tells the console who is signed in.
type signedIn struct {
	LoginName string   `json:"loginName"`
	Methods   []string `json:"methods"` // that he may use
}

// cookieName is __Host- where the browser speaks TLS, with this server or a proxy before it: then no other host, and no
// page without TLS, can set it. Over plain HTTP, which only loopback has, browsers take no such name.
func (s *Server) cookieName(r *http.Request) (name string, secure bool) {
	if r.TLS != nil || strings.HasPrefix(s.cfg.PublicURL, "https:") {
		return "__Host-tokensmith", true
	}
	return "tokensmith", false
}

func (s *Server) setCookie(w http.ResponseWriter, r *http.Request, value string) {
	name, secure := s.cookieName(r)
	c := &http.Cookie{Name: name, Value: value, Path: "/", HttpOnly: true, Secure: secure, SameSite: http.SameSiteStrictMode}
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

// sessionOf gives the hash of the session that a request shows; nil when it shows none.
func (s *Server) sessionOf(r *http.Request) []byte {
	name, _ := s.cookieName(r)
	c, err := r.Cookie(name)
	if err != nil || c.Value == "" {
		return nil
	}
	sum := sha256.Sum256([]byte(c.Value))
	return sum[:]
}

// authenticatePerson finds the administrator whose session a request shows. He acts like an agent with his permissions.
func (s *Server) authenticatePerson(ctx context.Context, c *call, hash []byte) error {
	refused := model.Errorf(model.NotAuthentic, "you are not signed in, or your session has ended")
	if hash == nil {
		return refused
	}
	var session model.Session
	var user model.User
	var domain model.Domain
	err := s.cfg.Store.View(ctx, func(tx *store.ReadTx) (err error) {
		if session, err = tx.SessionByHash(hash); err == nil {
			err = tx.Load(&user, session.UserID)
		}
		if err == nil {
			err = tx.Load(&domain, user.DomainID)
		}
		return err
	})
	switch {
	case unknown(err):
		return refused
	case err != nil:
		return err
	case !session.Good(&user, c.now, model.Time(sessionIdle.Milliseconds())):
		return refused
	}
	c.agent = &model.Agent{ID: user.ID, Name: user.LoginName + "@" + domain.Name, Permissions: user.Permissions, Status: model.Active}
	if c.now-session.LastUsed >= sessionUsedMost {
		return s.cfg.Store.Update(ctx, func(tx *store.Tx) error { return tx.SessionUsed(hash, c.now) })
	}
	return nil
}

// signIn begins a session.
func (s *Server) signIn(w http.ResponseWriter, r *http.Request, c *call) {
	c.method = &method{path: "console/signIn"}
	c.agent = &model.Agent{Name: "console"}
	defer c.ended()
	body, err := s.readBody(w, r, c)
	if err != nil {
		c.fail(w, err, false)
		return
	}
	var args SignInArgs
	if err := json.Unmarshal(body, &args); err != nil {
		c.fail(w, readArgs(body, &args), true)
		return
	}
	user, err := s.signingIn(r.Context(), c, &args)
	if err != nil {
		if wireError(err).Kind == model.WrongCredential {
			s.limits.wrongSignIn(c.remote, c.now)
		}
		c.fail(w, err, wireError(err).Kind != model.TooMany)
		return
	}
	key := make([]byte, sessionBytes)
	if _, err := io.ReadFull(s.cfg.Rand, key); err != nil {
		c.fail(w, err, true)
		return
	}
	value := base64.RawURLEncoding.EncodeToString(key)
	hash := sha256.Sum256([]byte(value))
	err = s.cfg.Store.Update(r.Context(), func(tx *store.Tx) error {
		return errors.Join(tx.DropSessions(c.now-model.SessionMost), tx.Insert(&model.Session{Hash: hash[:], UserID: user.ID,
			PasswordChanged: user.LastChangePassword, DateCreated: c.now, LastUsed: c.now}))
	})
	if err != nil {
		c.fail(w, err, true)
		return
	}
	s.setCookie(w, r, value)
	s.answerPage(w, c, nil)
}

// signingIn checks password and OTP, in one transaction and with one answer, and gives the administrator.
func (s *Server) signingIn(ctx context.Context, c *call, args *SignInArgs) (*model.User, error) {
	if err := s.limits.signingIn(c.remote, c.now); err != nil {
		return nil, err
	}
	if len(args.Password) > passwordMost || len(args.NewPassword) > passwordMost {
		return nil, model.AttrErrorf(model.Invalid, "password", "is longer than %d bytes", passwordMost)
	}
	v := &verification{c: c, static: true, text: string(args.OTP), password: model.Secret(args.Password), fresh: string(args.NewPassword)}
	login := string(args.LoginName)
	if domain, rest, ok := strings.Cut(login, `\`); ok {
		v.user = []store.Cond{{Path: []store.Step{{From: "domain_id", Table: "domains", To: "id"}}, Column: "name_folded", Op: store.Eq, Value: model.Fold(domain)}}
		login = rest
	}
	v.user = append(v.user, store.Cond{Column: "login_name_folded", Op: store.Eq, Value: model.Fold(strings.ReplaceAll(login, "\x00", ""))})
	if err := v.hash(ctx); err != nil {
		return nil, err
	}
	var id string
	_, err := c.run(ctx, &Plan{update: func(tx *store.Tx) (any, error) {
		return v.decide(tx, func(login *model.Login) (any, error) {
			id = login.ID
			return v.person(tx, login)
		})
	}})
	if err != nil {
		return nil, err
	}
	var user model.User
	err = s.cfg.Store.View(ctx, func(tx *store.ReadTx) error { return tx.Load(&user, id) })
	if err == nil && user.Permissions == "" {
		err = model.Errorf(model.NotPermitted, "not permitted: the account is not an administrator's")
	}
	return &user, err
}

// person checks an administrator's password and, where he has an active token, its OTP. With a wrong password an OTP is
// looked at for the time it takes, and stays unused.
func (v *verification) person(tx *store.Tx, login *model.Login) (any, error) {
	tokens, err := v.candidates(tx, login)
	if err != nil {
		return nil, err
	}
	if len(tokens) == 0 {
		return v.staticPassword(tx, login)
	}
	right := v.matched && string(login.Password) == string(v.seen)
	if right && login.MustChangePassword && v.fresh == "" {
		return v.c.refuse(tx, login, model.PINExpired)
	}
	v.dry = !right
	found, err := v.otp(tx, login)
	if _, refused := found.(outcome); refused || err != nil || v.fresh == "" {
		return found, err
	}
	return found, tx.SetPassword(login.ID, v.c.s.keys.Seal(passwordPlace(login.ID), []byte(v.fresh)), false, v.c.now)
}

// signOut ends the session.
func (s *Server) signOut(w http.ResponseWriter, r *http.Request, c *call) {
	c.method = &method{path: "console/signOut"}
	if hash := s.sessionOf(r); hash != nil {
		if err := s.cfg.Store.Update(r.Context(), func(tx *store.Tx) error { return tx.DropSession(hash) }); err != nil {
			c.fail(w, err, true)
			return
		}
	}
	s.setCookie(w, r, "")
	s.answerPage(w, c, nil)
}

// answerPage answers what is no method's with an envelope.
func (s *Server) answerPage(w http.ResponseWriter, c *call, result any) {
	body, err := success(result)
	if err != nil {
		c.fail(w, err, true)
		return
	}
	writeEnvelope(w, http.StatusOK, body)
}

// signer gives an address's limiter of wrong sign-ins; l.mu is held.
func (l *limits) signer(remote string) *rate.Limiter {
	return l.signers.get(network(remote), func() *rate.Limiter { return rate.NewLimiter(rate.Every(signInEvery), signInBurst) })
}

// signingIn refuses an address with too many wrong sign-ins.
func (l *limits) signingIn(remote string, now model.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if tokens := l.signer(remote).TokensAt(now.Std()); tokens < 1 {
		return tryAgain(time.Duration((1 - tokens) * float64(signInEvery)))
	}
	return nil
}

// wrongSignIn counts a wrong sign-in.
func (l *limits) wrongSignIn(remote string, now model.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.signer(remote).AllowN(now.Std(), 1)
}
