// Package session contains the sessions of the console: the cookie that names one, who is signed in, and signing out. Package login
// begins them.
package session

import (
	"context"
	"crypto/sha256"
	"net/http"
	"strings"
	"time"

	"tokensmith/model"
	"tokensmith/rpc/caller"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

const (
	Bytes          = 32
	Idle           = 30 * time.Minute
	maxSessionUsed = 60_000 // shortest time between two updates of a session's last use, in milliseconds
)

// Sessions are the sessions of a server.
type Sessions struct{ Server *dispatch.Server }

// SignedIn tells the console who is signed in.
type SignedIn struct {
	LoginName string   `json:"loginName"`
	Methods   []string `json:"methods"` // the methods that this administrator may use
	Reveals   []string `json:"reveals"` // those of them that show a secret, which object/* does not permit
	Roles     []Role   `json:"roles"`   // all roles
}

// Role is a role, for who chooses permissions.
type Role struct {
	Permission string   `json:"permission"`
	Label      string   `json:"label"`
	About      string   `json:"about"`
	Patterns   []string `json:"patterns"`
}

// Roles returns all roles.
func Roles() []Role {
	all := make([]Role, len(model.Roles))
	for i, r := range model.Roles {
		all[i] = Role(r)
	}
	return all
}

// ConsolePath is the path of the console. Its cookie is sent only there.
const ConsolePath = "/console/"

// cookie returns the attributes of the session's cookie. If the browser uses TLS, with this server or a proxy before it, the name
// begins with __Host-. Then no other host, and no page without TLS, can set it, and its path must be "/". Over plain HTTP,
// browsers do not accept such a name.
func (m *Sessions) cookie(r *http.Request) (name, path string, secure bool) {
	if r.TLS != nil || strings.HasPrefix(m.Server.Config.PublicURL, "https:") {
		return "__Host-tokensmith", "/", true
	}
	return "tokensmith", ConsolePath, false
}

// SetCookie gives the browser the cookie of a session; an empty value takes it away.
func (m *Sessions) SetCookie(w http.ResponseWriter, r *http.Request, value string) {
	name, path, secure := m.cookie(r)
	c := &http.Cookie{Name: name, Value: value, Path: path, HttpOnly: true, Secure: secure, SameSite: http.SameSiteStrictMode}
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

// SessionOf returns the hash of the session in a request; nil if there is none.
func (m *Sessions) SessionOf(r *http.Request) []byte {
	name, _, _ := m.cookie(r)
	c, err := r.Cookie(name)
	if err != nil || c.Value == "" {
		return nil
	}
	sum := sha256.Sum256([]byte(c.Value))
	return sum[:]
}

// AuthenticatePerson finds the administrator of the session in a request. The administrator is treated like an agent with the
// same permissions.
func (m *Sessions) AuthenticatePerson(ctx context.Context, c *dispatch.Call, hash []byte) error {
	refused := model.Errorf(model.NotAuthentic, "you are not signed in, or your session has ended")
	if hash == nil {
		return refused
	}
	person := func(tx store.ReadTx) (a *model.Agent, session model.Session, err error) {
		var user model.User
		var domain model.Domain
		if session, err = tx.SessionByHash(hash); err == nil {
			err = tx.Load(&user, session.UserID)
		}
		if err == nil {
			err = tx.Load(&domain, user.DomainID)
		}
		if wire.NoSingleMatch(err) || err == nil && !session.Good(&user, c.Now, model.Time(Idle.Milliseconds())) {
			err = refused
		}
		return PersonOf(&user, &domain), session, err
	}
	var who *model.Agent
	var session model.Session
	err := m.Server.Config.Store.View(ctx, func(tx store.ReadTx) (err error) {
		who, session, err = person(tx)
		return err
	})
	if err != nil {
		return err
	}
	c.Agent = who
	c.ProvenBy(c.Now, func(tx store.ReadTx) error {
		now, _, err := person(tx)
		if err == nil {
			err = c.CheckRights(now)
		}
		return err
	})
	if c.Now-session.LastUsed >= maxSessionUsed {
		return m.Server.Config.Store.Update(ctx, func(tx store.Tx) error { return tx.SessionUsed(hash, c.Now) })
	}
	return nil
}

// PersonOf returns an agent with the permissions of an administrator.
func PersonOf(u *model.User, d *model.Domain) *model.Agent {
	return &model.Agent{ID: u.ID, Name: caller.RecordName(u, d.Name), Permissions: u.Permissions, Status: model.Active}
}

// SignOut ends the session.
func (m *Sessions) SignOut(w http.ResponseWriter, r *http.Request, c *dispatch.Call) {
	c.Method = &dispatch.Method{Path: "console/signOut"}
	if hash := m.SessionOf(r); hash != nil {
		known := m.AuthenticatePerson(r.Context(), c, hash) == nil
		err := m.Server.Config.Store.Update(r.Context(), func(tx store.Tx) error {
			if err := tx.DropSession(hash); err != nil || !known {
				return err
			}
			return c.Audit(tx, nil)
		})
		if err != nil {
			c.Fail(w, err, true)
			return
		}
	}
	m.SetCookie(w, r, "")
	c.AnswerPage(w, nil)
}
