package emergency

import (
	"net/http"
	"net/mail"
	"slices"
	"strconv"
	"strings"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/message"
	"tokensmith/rpc/people"
	"tokensmith/rpc/token"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// SendArgs are the parameters of tempPass/send.
type SendArgs struct {
	IDs      []wire.Text  `json:"ids"`
	Message  wire.Members `json:"message"`
	Messasge wire.Members `json:"messasge"` // as the documentation of the original API spells it
}

// letter says how emergency codes are sent.
type letter struct {
	place   string // the member that says it
	channel string
	to      string // "" for the user's own address
}

// emailType is what the documentation of the original API calls the channel SMTP.
const emailType = "EMAIL"

const maxTo = 320 // characters of an address: a local part of 64, @, a domain of 255 (RFC 5321, section 4.5.3.1)

// letter decodes {"to":...,"type":...}.
func (a *SendArgs) letter(s *dispatch.Server) (l letter, err error) {
	l.place = "message"
	members := a.Message
	if members == nil {
		members = a.Messasge
	} else if a.Messasge != nil {
		return l, model.AttrErrorf(model.Invalid, "messasge", "is message, which is given as well")
	}
	for _, m := range members {
		here := l.place + "." + m.Name
		switch m.Name {
		case "to":
			l.to, err = wire.TextOf(here, m.Value)
		case "type":
			l.channel, err = wire.TextOf(here, m.Value)
		default:
			err = model.AttrErrorf(model.UnknownAttr, here, "is not a member of a message")
		}
		if err != nil {
			return l, err
		}
	}
	switch l.channel {
	case "":
		return l, model.AttrErrorf(model.Missing, l.place+".type", "is required: EMAIL or SMS")
	case emailType:
		l.channel = model.SMTP
	case model.SMTP, model.SMS:
	default:
		return l, model.AttrErrorf(model.Invalid, l.place+".type", "must be EMAIL or SMS")
	}
	if p := people.ProfileOf(s); l.channel == model.SMTP && !p.Mail {
		return l, model.AttrErrorf(model.Invalid, l.place+".type", "the profile %s does not allow emergency codes by e-mail", p.Name)
	}
	if s.Config.Senders[l.channel] == nil {
		return l, model.AttrErrorf(model.Invalid, l.place+".type", "%s is not set up on this server", l.channel)
	}
	if l.to, err = model.Name.Check(l.place+".to", l.to); err == nil && !l.isAddress() {
		err = model.AttrErrorf(model.Invalid, l.place+".to", "is not an address for %s", l.channel)
	}
	return l, err
}

// isAddress returns whether to is empty or can be an address of the channel.
func (l *letter) isAddress() bool {
	switch {
	case l.to == "":
		return true
	case model.Characters(l.to) > maxTo:
		return false
	case l.channel == model.SMS:
		return !strings.Contains(l.to, "@")
	}
	a, err := mail.ParseAddress(l.to)
	return err == nil && a.Address == l.to
}

// own returns the address of a user that the letter goes to, as it stands with the user, and false if it goes to somebody else. What
// is compared without case is another address when it is sent to: one with a long s, say, lies in another domain.
func (l *letter) own(u *model.User) (to string, ok bool) {
	known := []string{u.Email, u.PersonalEmail}
	compared := model.Fold
	if l.channel == model.SMS {
		known, compared = []string{u.Mobile, u.PersonalMobile}, func(number string) string { return number }
	}
	if l.to == "" || slices.Contains(known, l.to) {
		return l.to, true
	}
	at := slices.IndexFunc(known, func(address string) bool { return compared(address) == compared(l.to) })
	if at < 0 {
		return l.to, false
	}
	return known[at], true
}

// Send sends emergency codes of one user in one message: to the user or, if the caller may see codes, to any address.
func (m *TempPass) Send(r *http.Request, args *SendArgs, plan *dispatch.Plan) error {
	c := dispatch.CallFrom(r.Context())
	var ids []any
	for _, id := range args.IDs {
		if !slices.Contains(ids, any(string(id))) {
			ids = append(ids, string(id))
		}
		if len(ids) > model.MaxMadeTempPasses {
			return model.AttrErrorf(model.Invalid, "ids", "names more than %d codes", model.MaxMadeTempPasses)
		}
	}
	if len(ids) == 0 {
		return model.AttrErrorf(model.Missing, "ids", "is required")
	}
	l, err := args.letter(m.Server)
	if err != nil {
		return err
	}
	plan.Update = func(tx store.Tx) (any, error) {
		codes, err := m.codes(tx, ids)
		if err != nil {
			return nil, err
		}
		o, err := ownerOf(c, tx, codes[0].UserID)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(o.domain.PasscodeChannels.Items(), l.channel) {
			return nil, model.AttrErrorf(model.Invalid, l.place+".type", "the user's domain sends nothing by %s: its passcodeChannels do not name it", l.channel)
		}
		l := l // the function may run again
		var own bool
		l.to, own = l.own(&o.user)
		elsewhere := !own
		if elsewhere && !c.RevealSecrets() {
			return nil, model.AttrErrorf(model.NotPermitted, l.place+".to", "not permitted: is not an address of the user")
		}
		if err := m.send(c, tx, &o.user, codes, l); err != nil {
			return nil, err
		}
		for i := range codes {
			codes[i].SentTimes++
			if err := tx.Save(&codes[i]); err != nil {
				return nil, err
			}
			switch {
			case elsewhere:
				c.Shown = append(c.Shown, m.Type.Noun+" "+codes[i].ID+" sent to another address")
			case i == 0:
				c.SetObject(m.Type.Noun, codes[i].ID)
			default:
				if err := c.AlsoTouched(tx, m.Type.Noun, codes[i].ID); err != nil {
					return nil, err
				}
			}
		}
		return nil, nil
	}
	return nil
}

// codes returns the codes with these ids. They must be open ones of one user.
func (m *TempPass) codes(tx store.Tx, ids []any) ([]model.TempPass, error) {
	found, err := tx.Find(&store.Query{Table: m.Type.Table, Columns: []store.Column{store.IDColumn}, Where: []store.Cond{store.ByIDs(ids)}, Limit: int64(len(ids))})
	if err != nil {
		return nil, err
	}
	if len(found) < len(ids) {
		return nil, model.NotFoundError(m.Type.NotFound)
	}
	codes := make([]model.TempPass, len(ids))
	for i, id := range ids {
		if err := tx.Load(&codes[i], id.(string)); err != nil {
			return nil, err
		}
		if codes[i].UserID != codes[0].UserID {
			return nil, model.AttrErrorf(model.Invalid, "ids", "are codes of several users")
		}
	}
	return codes, nil
}

// send queues one message with all codes.
func (m *TempPass) send(c *dispatch.Call, tx store.Tx, u *model.User, codes []model.TempPass, l letter) error {
	var texts []string
	first, last := model.Time(0), codes[0].Expires // when the first and the last code ends; 0 means never
	for i := range codes {
		code := &codes[i]
		if !code.Open(c.Now) {
			return model.AttrErrorf(model.BadLink, "ids."+strconv.Itoa(i), "the emergency code has ended")
		}
		text, err := m.Server.Keys.Unseal(store.TempPassPlace(code.ID), code.Password)
		if err != nil {
			return err
		}
		texts = append(texts, string(text))
		if code.Expires != 0 && (first == 0 || code.Expires < first) {
			first = code.Expires
		}
		if code.Expires == 0 || last == 0 {
			last = 0
		} else {
			last = max(last, code.Expires)
		}
	}
	to := *u
	if l.to != "" && l.channel == model.SMS {
		to.Mobile = l.to
	} else if l.to != "" {
		to.Email = l.to
	}
	if to.Address(l.channel) == "" {
		return model.AttrErrorf(model.Invalid, l.place+".to", "the user has no address for %s", l.channel)
	}
	values := map[string]string{"code": strings.Join(texts, ", "), "expires": token.Until(first)}
	return message.Send(c, tx, &to, l.channel, model.EmergencyCodeMessage, values, last)
}
