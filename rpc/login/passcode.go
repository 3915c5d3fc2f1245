package login

import (
	"net/http"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/logon"
	"tokensmith/rpc/message"
	"tokensmith/rpc/object"
	"tokensmith/rpc/people"
	"tokensmith/rpc/token"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

const PasscodeInterval = 30_000 // shortest time between two passcodes to the same user, in milliseconds

// SendOTPArgs are the parameters of auth/sendOTP.
type SendOTPArgs struct {
	token.SendArgs
	Application wire.Named   `json:"application"`
	Options     wire.Members `json:"options"` // only the channel is used
}

// channel returns the only channel that a passcode may be sent by; "" for any.
func (a *SendOTPArgs) channel(s *dispatch.Server) (string, error) {
	place, channel := "channel", string(a.Channel)
	if raw := a.Options.Get("channel"); raw != nil {
		asked, err := wire.TextOf("options.channel", raw)
		if err != nil {
			return "", err
		}
		if asked != "" && channel != "" && asked != channel {
			return "", model.AttrErrorf(model.Invalid, "options.channel", "is another than channel")
		}
		if asked != "" {
			place, channel = "options.channel", asked
		}
	}
	if channel == "" {
		return "", nil
	}
	if err := token.CheckChannel(place, channel); err != nil {
		return "", err
	}
	if p := people.ProfileOf(s); channel == model.SMTP && !p.Mail {
		return "", model.AttrErrorf(model.Invalid, place, "the profile %s does not allow passcodes by e-mail", p.Name)
	}
	return channel, nil
}

// SendOTP sends a one-time passcode by e-mail or SMS. It is valid once, for five minutes. The reply is the same whether or not
// there is such a user with an address and, if one is named, such a token. SendOTP sends no second passcode within half a minute,
// and at most three within an hour. It uses only the channels that the domain allows, and only the requested channel if there is
// one.
func (m *Auth) SendOTP(r *http.Request, args *SendOTPArgs, plan *dispatch.Plan) error {
	v := &verification{auth: m, c: dispatch.CallFrom(r.Context())}
	c := v.c
	var err error
	if v.user, err = args.Selector("user", people.UserType, true); err != nil {
		return err
	}
	if v.token, err = args.Selector("token", token.TokenType, false); err != nil {
		return err
	}
	channel, err := args.channel(m.Server)
	if err != nil {
		return err
	}
	code, err := token.NewDigits(m.Server, model.PasscodeDigits)
	if err != nil {
		return err
	}
	plan.Update = func(tx store.Tx) (any, error) {
		login, err := v.login(tx)
		if err == nil {
			err = object.UndefinedDomain(tx, v.user)
		}
		if err != nil {
			return nil, err
		}
		last, _ := m.lastLogin.Load().(checked) // for an unknown user, read the rows of this one
		id := last.id
		if login != nil {
			c.SetObject(people.UserType.Noun, login.ID)
			id = login.ID
			m.lastLogin.Store(checked{id, login.TempPasses > 0})
		}
		tokenID, err := v.named(tx, id)
		his := !wire.NoSingleMatch(err)
		if his && err != nil {
			return nil, err
		}
		return nil, v.sendPasscode(tx, login, id, tokenID, his, channel, code)
	}
	return logon.PlanWithRealm(c, args.Application, plan, nil)
}

// sendPasscode sends a passcode to a user, for a token of the user if tokenID is not empty, by the channel or, if that is empty, by
// the first that is possible. It sends none to nobody (a nil login), and none if the token is not his; then it does the same work,
// with the rows of the user with that id.
func (v *verification) sendPasscode(tx store.Tx, login *model.Login, id, tokenID string, his bool, channel, code string) error {
	c := v.c
	var u model.User
	var domain model.Domain
	none := func(err error) bool { return login == nil && wire.ClientError(err).Kind == model.NotFound }
	err := tx.Load(&u, id)
	if err == nil || none(err) {
		err = tx.Load(&domain, u.DomainID)
	}
	if err != nil && !none(err) {
		return err
	}
	end := c.Now + model.PasscodeWithin
	values := map[string]string{"code": code, "expires": token.Until(end)}
	for _, way := range domain.PasscodeChannels.Items() {
		if login == nil || !his || !maySend(login, c.Now) || channel != "" && way != channel || way == model.SMTP && !people.ProfileOf(c.Server).Mail {
			continue
		}
		err = message.Send(c, tx, &u, way, model.PasscodeMessage, values, end)
		if err == nil {
			login.SentPasscode(c.Now)
			login.Passcode, login.PasscodeUntil = c.Server.Keys.Seal(store.PasscodePlace(login.ID), []byte(code+tokenID)), end
			return tx.SaveLogin(&login.UserState)
		}
		if wire.ClientError(err).Kind != model.Invalid {
			return err
		}
	}
	// There is no such user, no such token of the user, no address, or no channel.
	if err := message.Pretend(c, tx, model.SMS, model.PasscodeMessage, values, end); err != nil {
		return err
	}
	if login != nil {
		return tx.SaveLogin(&login.UserState) // unchanged, to make the same writes
	}
	return tx.RecordUnknownName(c.Now)
}

// maySend returns whether a user may be sent a passcode now.
func maySend(login *model.Login, now model.Time) bool {
	open := login.Status == model.Active || login.Status == model.LockedBy && login.LockEnded(now)
	return open && !login.Flooded(now) && login.PasscodeUntil <= now+model.PasscodeWithin-PasscodeInterval && login.MaySendPasscode(now)
}

// openPasscode unseals the user's passcode, if it is valid. If it was sent for a token, that token must be the named one, or none
// is named.
func (v *verification) openPasscode(login *model.Login) error {
	if login.Passcode == nil || v.c.Now >= login.PasscodeUntil || v.dry || v.notSent {
		return nil
	}
	text, err := v.c.Server.Keys.Unseal(store.PasscodePlace(login.ID), login.Passcode)
	if err != nil {
		return err
	}
	code, tokenID := text[:model.PasscodeDigits], string(text[model.PasscodeDigits:])
	if v.token == nil || tokenID != "" && tokenID == v.tokenID {
		v.code = model.Secret(code)
	}
	return nil
}

// passcodeChance returns the probability that a guess is the user's passcode.
func (v *verification) passcodeChance() model.Chance {
	if v.code == nil {
		return 0
	}
	return model.CodeChance(model.PasscodeDigits)
}

// passcode returns whether the credential is the user's passcode, and then uses it up. The passcode replaces the OTP but not the
// PIN: a user who has a PIN, on any token, must enter it before the passcode.
func (v *verification) passcode(login *model.Login) (bool, error) {
	if v.code == nil {
		return false, nil
	}
	text := []byte(v.text)
	at := max(0, len(text)-model.PasscodeDigits)
	if at > model.MaxPIN {
		return false, nil
	}
	known, err := v.knowsPIN(text[:at])
	if err != nil || !v.code.Equal(text[at:]) || !known {
		return false, err
	}
	login.Passcode, login.PasscodeUntil = nil, 0
	return true, nil
}

// knowsPIN returns whether a PIN is one of the user's PINs, or is empty and the user has none.
func (v *verification) knowsPIN(pin model.Secret) (bool, error) {
	has, known := false, false
	for i := range v.all {
		if v.all[i].PIN == nil {
			continue
		}
		hash, err := v.c.Server.Keys.Unseal(store.PINPlace(v.all[i].AssignmentID), v.all[i].PIN)
		if err != nil {
			return false, err
		}
		has = true
		if model.PINMatches(hash, pin) {
			known, v.pinOf = true, v.all[i].AssignmentID
		}
		known = known || v.pinKnown == v.all[i].AssignmentID && len(pin) == 0
	}
	return known || !has && len(pin) == 0, nil
}
