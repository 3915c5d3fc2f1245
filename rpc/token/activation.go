package token

import (
	"cmp"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"sync/atomic"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/message"
	"tokensmith/rpc/object"
	"tokensmith/rpc/people"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// SendArgs are the parameters of methods that send something to an assignment's user.
type SendArgs struct {
	object.Selection
	Channel wire.Text `json:"channel"`
}

// CheckedChannel returns the channel, SMTP or SMS.
func (a *SendArgs) CheckedChannel() (string, error) {
	return string(a.Channel), CheckChannel("channel", string(a.Channel))
}

// CheckChannel returns an error, naming place, for a text that is not a channel.
func CheckChannel(place, channel string) error {
	if channel == model.SMTP || channel == model.SMS {
		return nil
	}
	return model.AttrErrorf(model.Invalid, place, "must be SMTP or SMS")
}

// assignment returns the conditions for an assignment, selected by itself, or by its user and token.
func assignment(a *object.Selection) (one object.Lookup, err error) {
	user, err := a.Selector("user", people.UserType, false)
	if err != nil {
		return one, err
	}
	token, err := a.Selector("token", TokenType, false)
	if err != nil {
		return one, err
	}
	if user == nil && token == nil {
		return a.Lookup(AssignmentType)
	}
	var conds []store.Cond
	for _, side := range []struct {
		conds []store.Cond
		step  store.Step
	}{{user, store.ToUser}, {token, store.ToToken}} {
		for _, c := range side.conds {
			c.Path = object.Join([]store.Step{side.step}, c.Path)
			conds = append(conds, c)
		}
	}
	return object.BySelector(conds), nil
}

// addressee is an assignment with its user and its token.
type addressee struct {
	assignment model.Assignment
	user       model.User
	token      *model.Token
	product    *model.Product
}

func addresseeOf(c *dispatch.Call, tx store.Tx, one object.Lookup) (*addressee, error) {
	id, err := AssignmentType.FindSelected(c, tx, one)
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
	to.token, to.product, _, err = LoadToken(tx, to.assignment.TokenID)
	c.SetObject(AssignmentType.Noun, id)
	return &to, err
}

func (t *addressee) values() map[string]string {
	return map[string]string{"serial": t.token.Serial, "product": t.product.Name}
}

// Until returns a time as text for messages. For 0, which means never, it returns "it is used".
func Until(t model.Time) string {
	if t == 0 {
		return "it is used"
	}
	return t.Std().Format("2006-01-02 15:04 UTC")
}

// codeLetters has no letters that are easily misread: no I, L, O and U (Crockford's base32).
const codeLetters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// NewCode returns a random code of n letters, with 5 bits each.
func NewCode(s *dispatch.Server, n int64) (string, error) {
	b, err := s.Random(int(n))
	if err != nil {
		return "", err
	}
	for i := range b {
		b[i] = codeLetters[b[i]%32]
	}
	return string(b), nil
}

// NewDigits returns a random code of n digits, at most 32.
func NewDigits(s *dispatch.Server, n int) (string, error) {
	b, err := s.Random(32) // at least 149 bits more than the digits have, so that the bias of the remainder is negligible
	if err != nil {
		return "", err
	}
	most := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)
	return fmt.Sprintf("%0*d", n, new(big.Int).Mod(new(big.Int).SetBytes(b), most)), nil
}

// assignmentID is the reply of methods that change an assignment.
type assignmentID struct {
	ID string `json:"id"`
}

// sending sets a plan that sends something to an assignment's user.
func (m *TokenAssignment) sending(r *http.Request, args *SendArgs, plan *dispatch.Plan, do func(c *dispatch.Call, tx store.Tx, to *addressee, channel string) error) error {
	c := dispatch.CallFrom(r.Context())
	one, err := assignment(&args.Selection)
	if err != nil {
		return err
	}
	channel, err := args.CheckedChannel()
	if err != nil {
		return err
	}
	plan.Update = func(tx store.Tx) (any, error) {
		to, err := addresseeOf(c, tx, one)
		if err != nil {
			return nil, err
		}
		return assignmentID{to.assignment.ID}, do(c, tx, to, channel)
	}
	return nil
}

// SendActivationCode makes a new activation code, which replaces an older one, and sends it to the user.
func (m *TokenAssignment) SendActivationCode(r *http.Request, args *SendArgs, plan *dispatch.Plan) error {
	return m.sending(r, args, plan, func(c *dispatch.Call, tx store.Tx, to *addressee, channel string) error {
		a := &to.assignment
		if a.Status != model.Inactive {
			return model.Errorf(model.Invalid, "the token assignment is not INACTIVE: there is nothing to activate")
		}
		code, err := NewCode(m.Server, to.product.ActivationCodeLength)
		if err != nil {
			return err
		}
		sum := sha1.Sum([]byte(code))
		a.Activation, a.ActivationTries, a.ActivationUntil = m.Server.Keys.Seal(store.ActivationPlace(a.ID), sum[:]), 0, 0
		if h := to.product.ActivationCodeHours; h > 0 {
			a.ActivationUntil = c.Now + model.Time(h*3600_000)
		}
		if err := tx.Save(a); err != nil {
			return err
		}
		values := to.values()
		values["code"], values["expires"] = code, Until(a.ActivationUntil)
		return message.Send(c, tx, &to.user, channel, model.ActivationCodeMessage, values, a.ActivationUntil)
	})
}

// SendDownloadURL makes a provisioning link for the assignment's soft token and sends it to the user.
func (m *TokenAssignment) SendDownloadURL(r *http.Request, args *SendArgs, plan *dispatch.Plan) error {
	link, err := newLink(m.Server)
	if err != nil {
		return err
	}
	return m.sending(r, args, plan, func(c *dispatch.Call, tx store.Tx, to *addressee, channel string) error {
		if err := mayShare(c, tx, to.token.ID); err != nil {
			return err
		}
		made, err := putLink(c, tx, to.token, to.product, link)
		if err != nil {
			return err
		}
		values := to.values()
		values["url"], values["expires"] = made.URL, Until(made.expires)
		return message.Send(c, tx, &to.user, channel, model.DownloadURLMessage, values, made.expires)
	})
}

// ActivateArgs are the parameters of an activation: the code, or its SHA-1 in base64.
type ActivateArgs struct {
	object.Selection
	Code   *wire.Text `json:"code"`
	ACHash *wire.Text `json:"acHash"`
}

func (a *ActivateArgs) sum() ([]byte, error) {
	switch {
	case a.Code != nil:
		sum := sha1.Sum([]byte(strings.ToUpper(model.PastedOTP(string(*a.Code)))))
		return sum[:], nil
	case a.ACHash != nil:
		sum, err := base64.StdEncoding.DecodeString(model.CleanPasted(string(*a.ACHash)))
		if err != nil || len(sum) != sha1.Size {
			return nil, model.AttrErrorf(model.Invalid, "acHash", "must be base64 of the code's SHA-1")
		}
		return sum, nil
	}
	return nil, model.AttrErrorf(model.Missing, "code", "is required")
}

// Activate activates an assignment with its activation code.
func (m *TokenAssignment) Activate(r *http.Request, args *ActivateArgs, plan *dispatch.Plan) error {
	return Activate(m.Server, r, args, plan, nil)
}

// Activate activates an assignment with its activation code. If last is set, Activate does not reveal whether the assignment
// exists. last holds the id of the assignment that was tried last: if the named one does not exist, Activate loads that one
// instead, so that both cases take the same time.
func Activate(s *dispatch.Server, r *http.Request, args *ActivateArgs, plan *dispatch.Plan, last *atomic.Value) error {
	c := dispatch.CallFrom(r.Context())
	one, err := assignment(&args.Selection)
	if err != nil {
		return err
	}
	if last != nil { // it may reveal that the domain is unknown, but not whether the user exists
		if one.Named, err = args.Selector("user", people.UserType, false); err != nil {
			return err
		}
	}
	sum, err := args.sum()
	if err != nil {
		return err
	}
	wrong := dispatch.CommittedRefusal{Err: model.Errorf(model.BadLink, "the activation code is wrong, was used already, or has expired")}
	plan.Update = func(tx store.Tx) (any, error) {
		id, err := AssignmentType.FindSelected(c, tx, one)
		unknown := last != nil && wire.NoSingleMatch(err) && wire.ClientError(err).Noun != model.DomainNoun
		if err != nil && !unknown {
			return nil, err
		}
		if unknown {
			id, _ = last.Load().(string)
		}
		var a model.Assignment
		if err := tx.Load(&a, id); err != nil && !(unknown && wire.NoSingleMatch(err)) {
			return nil, err
		}
		var want []byte
		if a.Activation != nil {
			if want, err = s.Keys.Unseal(store.ActivationPlace(id), a.Activation); err != nil {
				return nil, err
			}
		}
		if unknown && a.ID == "" {
			return wrong, tx.RecordUnknownName(c.Now)
		}
		if unknown {
			return wrong, tx.Save(&a) // unchanged, to take the same time
		}
		c.SetObject(AssignmentType.Noun, id)
		if last != nil {
			last.Store(id)
		}
		if !a.Activate(want, sum, c.Now) {
			if last != nil { // so that it takes as long as for an assignment that does not exist
				err = object.UndefinedDomain(tx, one.Named)
			}
			return wrong, cmp.Or(err, tx.Save(&a))
		}
		if last != nil {
			return nil, tx.Save(&a)
		}
		return assignmentID{id}, tx.Save(&a)
	}
	return nil
}
