package login

import (
	"errors"
	"slices"
	"strings"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/people"
	"tokensmith/rpc/token"
	"tokensmith/store"
)

// A logon in turns can send a passcode: after a PIN or password was right, by a channel that the user chooses if the server has
// several. Who is asked for a passcode does not learn whether one was sent.

// channels returns the channels that this server sends passcodes by. They do not depend on the user.
func (t *turn) channels() (all []string) {
	for _, channel := range []string{model.SMTP, model.SMS} {
		if t.c.Server.Config.Senders[channel] != nil && (channel != model.SMTP || people.ProfileOf(t.c.Server).Mail) {
			all = append(all, channel)
		}
	}
	return all
}

// channelWords are what a user may answer for a channel, beside its number.
var channelWords = map[string][]string{model.SMTP: {"e-mail", "email", "mail", "smtp"}, model.SMS: {"sms", "text"}}

// Channels returns the channels that a user may choose from, in their order.
func (m *Auth) Channels() []string {
	t := turn{verification: &verification{c: &dispatch.Call{Server: m.Server}}}
	return t.channels()
}

// channel returns the channel that the text chooses; "" if it chooses none, or there is none to choose.
func (t *turn) channel() string {
	offered := t.before.Ask == AskChannel || t.before.Ask == AskStep && t.before.Passed > 0 && slices.Contains(t.codes, onDemandMethod)
	if !offered || !t.before.Knows {
		return ""
	}
	text := strings.ToLower(strings.TrimSpace(string(t.Text)))
	for i, channel := range t.channels() {
		if text == string(rune('1'+i)) || slices.Contains(channelWords[channel], text) {
			return channel
		}
	}
	return ""
}

// passcodeWish returns whether a first text that is refused is answered as a PIN alone is, after which a passcode is sent. It depends on
// neither the user nor the text, or the answer would tell whether the text was the PIN.
func (t *turn) passcodeWish() bool {
	return len(t.Steps) > 0 && slices.Contains(t.codes, onDemandMethod)
}

// maySend returns whether a passcode is sent in some turn of the logon, or that is pretended. What is sent needs a transaction of its own,
// and one that finds this out when it has written something already makes all that share it run again.
func (t *turn) maySend() bool {
	return slices.ContainsFunc(t.Steps, func(s model.Step) bool { return slices.Contains(s.Codes, onDemandMethod) })
}

// asksForPasscode returns whether a first text is the user's PIN alone, in a step that a passcode passes.
func (t *turn) asksForPasscode(tx store.Tx, login *model.Login) (bool, error) {
	if !t.pinAlone || login.Status != model.Active {
		return false, nil
	}
	if _, err := t.candidates(tx, login); err != nil {
		return false, err
	}
	has := slices.ContainsFunc(t.all, func(c model.Credential) bool { return c.PIN != nil })
	known, err := t.knowsPIN(model.Secret(t.text))
	if err != nil || !has || !known {
		return false, err
	}
	t.knew = true
	next := &Dialog{UserID: login.ID, Passed: t.before.Passed, Ask: AskPasscode, Knows: true, AssignmentID: t.pinOf}
	if len(t.channels()) > 1 {
		next.Ask = AskChannel
	}
	t.outcome.Next, t.outcome.Codes = next, t.codes
	return true, tx.SaveLogin(&login.UserState)
}

// chosen takes the user's choice of a channel. It does the work of refuseVoid, so that it takes the same time.
func (t *turn) chosen(tx store.Tx, login *model.Login) (any, error) {
	if err := t.pretendAt(tx, checked{login.ID, login.TempPasses > 0}); err != nil {
		return nil, err
	}
	if t.channel() == "" {
		return t.refuse(tx, login, model.WrongCredential, 0)
	}
	next := t.before
	next.Ask = AskPasscode
	t.outcome.Next, t.outcome.Codes = &next, t.codes
	return nil, tx.SaveLogin(&login.UserState)
}

// sends sends a passcode if the user is asked for one now. For a user who must not know, it does the same work.
func (t *turn) sends(tx store.Tx) error {
	next := t.outcome.Next
	if next == nil || next.Ask != AskPasscode {
		return nil
	}
	if t.sending == "" { // the step before takes none
		var err error
		if t.sending, err = token.NewDigits(t.c.Server, model.PasscodeDigits); err != nil {
			return err
		}
	}
	var login *model.Login
	found, err := tx.Login(next.UserID) // also where it is of no use, so that it takes the same time
	switch {
	case !next.Void && next.Knows && err == nil:
		login = &found
	case err != nil && !errors.Is(err, store.ErrNone):
		return err
	}
	return t.sendPasscode(tx, login, next.UserID, "", true, t.channel(), t.sending)
}
