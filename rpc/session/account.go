package session

import (
	"net/http"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/people"
	"tokensmith/store"
)

// Account is what an administrator sees of his own account, whatever his permissions are.
type Account struct {
	LoginName string       `json:"loginName"`
	Tokens    []OwnToken   `json:"tokens"`
	Sessions  []OwnSession `json:"sessions"` // the latest first
}

// OwnToken is a token that is assigned to the administrator.
type OwnToken struct {
	Serial     string `json:"serial"`
	Product    string `json:"product"`
	Status     string `json:"status"`     // of the token
	Assignment string `json:"assignment"` // the status of its assignment
}

// OwnSession is a session of the administrator that is still good.
type OwnSession struct {
	Since    string `json:"since"`
	LastUsed string `json:"lastUsed"`
	Current  bool   `json:"current"` // the one that asks
}

// ShowAccount answers with the account of who is signed in.
func (m *Sessions) ShowAccount(w http.ResponseWriter, r *http.Request, c *dispatch.Call) {
	c.Method = &dispatch.Method{Path: "console/account"}
	hash := m.SessionOf(r)
	if err := m.AuthenticatePerson(r.Context(), c, hash); err != nil {
		c.Fail(w, err, true)
		return
	}
	var a Account
	err := m.Server.Config.Store.View(r.Context(), func(tx store.ReadTx) (err error) {
		a, err = accountOf(tx, c, hash)
		return err
	})
	if err != nil {
		c.Fail(w, err, true)
		return
	}
	c.AnswerPage(w, a)
}

func accountOf(tx store.ReadTx, c *dispatch.Call, hash []byte) (Account, error) {
	a := Account{LoginName: c.Agent.Name, Tokens: []OwnToken{}, Sessions: []OwnSession{}}
	var user model.User
	if err := tx.Load(&user, c.Agent.ID); err != nil {
		return a, err
	}
	sessions, err := tx.SessionsOf(user.ID)
	if err != nil {
		return a, err
	}
	for _, s := range sessions {
		if s.Good(&user, c.Now, model.Time(Idle.Milliseconds())) {
			a.Sessions = append(a.Sessions, OwnSession{s.DateCreated.String(), s.LastUsed.String(), string(s.Hash) == string(hash)})
		}
	}
	assigned, err := tx.AssignmentsOfUser(user.ID)
	if err != nil {
		return a, err
	}
	for i := range assigned {
		var t model.Token
		var p model.Product
		if err := tx.Load(&t, assigned[i].TokenID); err != nil {
			return a, err
		}
		if err := tx.Load(&p, t.ProductID); err != nil {
			return a, err
		}
		a.Tokens = append(a.Tokens, OwnToken{t.Serial, p.Name, t.Status, assigned[i].Status})
	}
	return a, nil
}

// SignOutEverywhere ends all sessions of who is signed in, the one that asks among them.
func (m *Sessions) SignOutEverywhere(w http.ResponseWriter, r *http.Request, c *dispatch.Call) {
	c.Method = &dispatch.Method{Path: "console/signOutEverywhere"}
	err := m.AuthenticatePerson(r.Context(), c, m.SessionOf(r))
	if err == nil {
		c.SetObject(people.UserType.Noun, c.Agent.ID)
		err = m.Server.Config.Store.Update(r.Context(), func(tx store.Tx) error {
			if err := tx.DropSessionsOf(c.Agent.ID); err != nil {
				return err
			}
			return c.Audit(tx, nil)
		})
	}
	if err != nil {
		c.Fail(w, err, true)
		return
	}
	m.SetCookie(w, r, "")
	c.AnswerPage(w, nil)
}
