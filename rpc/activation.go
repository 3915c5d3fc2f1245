package rpc

import (
	"crypto/sha1"
	"encoding/base64"
	"io"
	"net/http"
	"slices"
	"strings"

	"tokensmith/model"
	"tokensmith/store"
)

// SendArgs are the parameters of what is sent to an assignment's user.
type SendArgs struct {
	Selection
	Channel Text `json:"channel"`
}

func (a *SendArgs) channel() (string, error) {
	if ch := string(a.Channel); slices.Contains([]string{model.SMTP, model.SMS}, ch) {
		return ch, nil
	}
	return "", model.AttrErrorf(model.Invalid, "channel", "must be SMTP or SMS")
}

// assignment selects an assignment by itself, or by its user and token.
func (a *Selection) assignment() (one sought, err error) {
	user, err := a.selector("user", userObject, false)
	if err != nil {
		return one, err
	}
	token, err := a.selector("token", tokenObject, false)
	if err != nil {
		return one, err
	}
	if user == nil && token == nil {
		return a.sought(assignmentObject)
	}
	var conds []store.Cond
	for _, side := range []struct {
		conds []store.Cond
		step  store.Step
	}{{user, store.ToUser}, {token, store.ToToken}} {
		for _, c := range side.conds {
			c.Path = join([]store.Step{side.step}, c.Path)
			conds = append(conds, c)
		}
	}
	return bySelector(conds), nil
}

// addressee is an assignment with whom and what it is about.
type addressee struct {
	assignment model.Assignment
	user       model.User
	token      *model.Token
	product    *model.Product
}

func (c *call) addressee(tx store.Tx, one sought) (*addressee, error) {
	id, err := assignmentObject.pick(c, tx, one)
	if err != nil {
		return nil, err
	}
	var to addressee
	if err := tx.Load(&to.assignment, id); err != nil {
		return nil, err
	}
	if err := tx.Load(&to.user, to.assignment.UserID); err != nil {
		return nil, err
	}
	to.token, to.product, _, err = loadToken(tx, to.assignment.TokenID)
	c.touched(assignmentObject.noun, id)
	return &to, err
}

func (t *addressee) values() map[string]string {
	return map[string]string{"serial": t.token.Serial, "product": t.product.Name}
}

// until writes a time for people; 0 is never.
func until(t model.Time) string {
	if t == 0 {
		return "it is used"
	}
	return t.Std().Format("2006-01-02 15:04 UTC")
}

// codeLetters leave out what is easily misread: I, L, O, U (Crockford's base32).
const codeLetters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// newCode makes a random code of n letters, 5 bits each.
func (s *core) newCode(n int64) (string, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(s.cfg.Rand, b); err != nil {
		return "", err
	}
	for i := range b {
		b[i] = codeLetters[b[i]%32]
	}
	return string(b), nil
}

// sending leaves a plan that sends something to an assignment's user.
func (m *TokenAssignment) sending(r *http.Request, args *SendArgs, plan *Plan, do func(c *call, tx store.Tx, to *addressee, channel string) error) error {
	c := callOf(r.Context())
	one, err := args.assignment()
	if err != nil {
		return err
	}
	channel, err := args.channel()
	if err != nil {
		return err
	}
	plan.update = func(tx store.Tx) (any, error) {
		to, err := c.addressee(tx, one)
		if err != nil {
			return nil, err
		}
		return nil, do(c, tx, to, channel)
	}
	return nil
}

// SendActivationCode makes a new activation code, which ends an older one, and sends it to the user.
func (m *TokenAssignment) SendActivationCode(r *http.Request, args *SendArgs, plan *Plan) error {
	return m.sending(r, args, plan, func(c *call, tx store.Tx, to *addressee, channel string) error {
		a := &to.assignment
		if a.Status != model.Inactive {
			return model.Errorf(model.Invalid, "the token assignment is not INACTIVE: there is nothing to activate")
		}
		code, err := m.s.newCode(to.product.ActivationCodeLength)
		if err != nil {
			return err
		}
		sum := sha1.Sum([]byte(code))
		a.Activation, a.ActivationTries, a.ActivationUntil = m.s.keys.Seal(store.ActivationPlace(a.ID), sum[:]), 0, 0
		if h := to.product.ActivationCodeHours; h > 0 {
			a.ActivationUntil = c.now + model.Time(h*3600_000)
		}
		if err := tx.Save(a); err != nil {
			return err
		}
		values := to.values()
		values["code"], values["expires"] = code, until(a.ActivationUntil)
		return c.send(tx, &to.user, channel, model.ActivationCodeMessage, values, a.ActivationUntil)
	})
}

// SendDownloadURL makes a provisioning link of the assignment's soft token and sends it to the user.
func (m *TokenAssignment) SendDownloadURL(r *http.Request, args *SendArgs, plan *Plan) error {
	link, err := m.s.newLink()
	if err != nil {
		return err
	}
	return m.sending(r, args, plan, func(c *call, tx store.Tx, to *addressee, channel string) error {
		if err := c.mayShare(tx, to.token.ID); err != nil {
			return err
		}
		made, err := c.putLink(tx, to.token, to.product, link)
		if err != nil {
			return err
		}
		values := to.values()
		values["url"], values["expires"] = made.URL, until(made.expires)
		return c.send(tx, &to.user, channel, model.DownloadURLMessage, values, made.expires)
	})
}

// ActivateArgs are the parameters of an activation: the code, or base64 of its SHA-1.
type ActivateArgs struct {
	Selection
	Code   *Text `json:"code"`
	ACHash *Text `json:"acHash"`
}

func (a *ActivateArgs) sum() ([]byte, error) {
	switch {
	case a.Code != nil:
		sum := sha1.Sum([]byte(strings.ToUpper(model.PastedOTP(string(*a.Code)))))
		return sum[:], nil
	case a.ACHash != nil:
		sum, err := base64.StdEncoding.DecodeString(model.Pasted(string(*a.ACHash)))
		if err != nil || len(sum) != sha1.Size {
			return nil, model.AttrErrorf(model.Invalid, "acHash", "must be base64 of the code's SHA-1")
		}
		return sum, nil
	}
	return nil, model.AttrErrorf(model.Missing, "code", "is required")
}

// Activate makes an assignment active by its activation code.
func (m *TokenAssignment) Activate(r *http.Request, args *ActivateArgs, plan *Plan) error {
	return activate(m.s, r, args, plan, false)
}

func activate(s *core, r *http.Request, args *ActivateArgs, plan *Plan, blind bool) error {
	c := callOf(r.Context())
	one, err := args.assignment()
	if err != nil {
		return err
	}
	if blind {
		one.named = nil // nor is the domain looked up
	}
	sum, err := args.sum()
	if err != nil {
		return err
	}
	wrong := outcome{model.Errorf(model.BadLink, "the activation code is wrong, was used already, or has expired")}
	plan.update = func(tx store.Tx) (any, error) {
		id, err := assignmentObject.pick(c, tx, one)
		if blind && unknown(err) {
			return wrong, nil
		}
		if err != nil {
			return nil, err
		}
		var a model.Assignment
		if err := tx.Load(&a, id); err != nil {
			return nil, err
		}
		c.touched(assignmentObject.noun, id)
		var want []byte
		if a.Activation != nil {
			if want, err = s.keys.Unseal(store.ActivationPlace(id), a.Activation); err != nil {
				return nil, err
			}
		}
		if !a.Activate(want, sum, c.now) {
			return wrong, tx.Save(&a)
		}
		return nil, tx.Save(&a)
	}
	return nil
}
