package login

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/logon"
	"tokensmith/rpc/object"
	"tokensmith/rpc/people"
	"tokensmith/rpc/token"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// Some fronts of users ask for one text at a time, as RADIUS does: an OTP, a PIN and an OTP, a password, or both with a comma
// between. They do not know which steps a logon has, nor what a text is; here that is found out. Each text is checked by the same
// decision as auth/logon, and counts as one failure at most.
//
// Whether the first text was right shows only at the end if more is asked for anyway: the user who got it wrong, and one who does
// not exist, are asked for the same, and then refused.

// Turn is a text that a user typed, and where the logon stood before.
type Turn struct {
	Name     string       // of the user, in any of the forms of model.UserName
	Text     model.Secret // what was typed
	RemoteIP string       // the user's address; "" if it is not known
	Steps    []model.Step // of the application; none if it has no procedure
	Realm    store.Scope  // the users of the application; nil if it has all
	Before   *Dialog      // nil for the first text
	Return   wire.Names   // what the front wants to know about a user who has logged on, as for auth/logon
}

// Dialog is where a logon stands between two texts. A front must keep it where nobody reads or changes it, must give it back once
// at most, and must forget it after model.RadiusDialogTime.
type Dialog struct {
	UserID       string   `json:"user,omitzero"`   // "" for a user who does not exist
	Passed       int      `json:"passed,omitzero"` // steps that were passed
	Ask          Question `json:"ask,omitzero"`
	Void         bool     `json:"void,omitzero"`       // an earlier text was wrong, and every answer is
	Knows        bool     `json:"knows,omitzero"`      // a PIN, password or OTP, or what stands for one, was right
	AssignmentID string   `json:"assignment,omitzero"` // the one whose PIN was right
	PIN          []byte   `json:"pin,omitempty"`       // the hash of a new PIN (model.HashPIN), which must be typed again
}

// Question is what a user is asked for.
type Question uint8

// The questions.
const (
	AskStep        Question = iota // what passes the next step
	AskNextOTP                     // the next OTP of a token that is out of sync
	AskNewPIN                      // a new PIN, because the old one must be changed
	AskNewPINAgain                 // the same once more
	AskChannel                     // how a passcode is to be sent
	AskPasscode                    // the passcode that was sent
)

// Outcome is how a turn ended. At most one of Next and Accepted is set.
type Outcome struct {
	Refused  *model.Error // the refusal, for the record; with Next, the user is not told
	Next     *Dialog      // more is asked for
	Accepted bool         // the user has logged on
	Returned any          // then the JSON of what Turn.Return names; nil if it names nothing
	Codes    []string     // with Next: the codes of what passes the step
}

// Decided returns whether an error of the run of a turn is a refusal that was decided on, so that its transaction was committed. Other
// errors say that nothing was decided.
func Decided(err error) bool {
	switch wire.ClientError(err).Kind {
	case model.WrongCredential, model.Locked, model.Disabled, model.NotValidNow, model.OutOfSync, model.Replayed, model.PINExpired, model.UsageLimit,
		model.TooMany:
		return true
	}
	return false
}

// turn is the state of one Turn.
type turn struct {
	*verification
	Turn
	before      Dialog
	step        model.Step // the step to pass
	codes       []string   // of what passes it
	further     bool       // there is a step behind it
	mayPassword bool       // the text may be a password
	mayCode     bool       // it may be an OTP or a passcode
	mayBoth     bool       // it may be a password, a comma and an OTP, which are then head and tail
	tail        string
	sending     string // a passcode, if one may have to be sent
	outcome     Outcome
}

// Take sets a plan that decides on a turn. ends is called in the transaction with how it ended, and may write; it is called once in
// each run, of which there may be several. The front may use what it read of the application for store.MaxCallerAge.
func (m *Auth) Take(ctx context.Context, t Turn, ends func(tx store.Tx, o *Outcome) error) (*dispatch.Plan, error) {
	n := &turn{verification: &verification{auth: m, c: dispatch.CallFrom(ctx), quiet: true}, Turn: t}
	if t.Before != nil {
		n.before = *t.Before
	}
	name, err := jsontext.AppendQuote(nil, strings.Map(printable, strings.ToValidUTF8(t.Name, "\uFFFD")))
	if err != nil {
		return nil, err
	}
	named := object.Selection{Rest: map[string]jsontext.Value{"user": append(append([]byte(`{"loginName":`), name...), '}')}}
	if n.user, err = named.Selector("user", people.UserType, true); err != nil {
		return nil, err
	}
	if err := n.remoteIP(wire.Text(t.RemoteIP)); err != nil {
		return nil, err
	}
	if len(t.Return) > 0 {
		if n.byUser, err = token.ProjectLogin(n.c, t.Return, false); err != nil {
			return nil, err
		}
		if n.byToken, err = token.ProjectLogin(n.c, t.Return, true); err != nil {
			return nil, err
		}
	}
	if n.read(); len(n.codes) == 0 {
		return nil, model.AttrErrorf(model.Invalid, "step", "nothing passes step %d of the logon", n.before.Passed+1)
	}
	enter := func(tx store.ReadTx) error {
		if t.Realm != nil {
			tx.SetScope(t.Realm)
		}
		return nil
	}
	if slices.Contains(n.codes, onDemandMethod) {
		if n.sending, err = token.NewDigits(m.Server, model.PasscodeDigits); err != nil {
			return nil, err
		}
	}
	if n.mayPassword || n.mayBoth {
		if err := n.hash(ctx, enter); err != nil {
			return nil, err
		}
	}
	n.countsCode()
	plan := &dispatch.Plan{Shared: !n.mayPassword && !n.mayBoth && !n.maySend(), Update: func(tx store.Tx) (any, error) {
		n.outcome = Outcome{}
		reply, err := n.decide(tx, func(login *model.Login) (any, error) { return n.check(tx, login) })
		if err != nil && wire.ClientError(err).Kind == model.TooMany {
			reply, err = n.refuseTooMany(tx, wire.ClientError(err))
		}
		if err != nil {
			return nil, err
		}
		if o, refused := reply.(dispatch.CommittedRefusal); refused {
			n.refused(o.Err)
		} else if n.outcome.Next == nil {
			n.outcome.Accepted, n.outcome.Returned = true, reply
		}
		if err := n.sends(tx); err != nil {
			return nil, err
		}
		return reply, ends(tx, &n.outcome)
	}}
	logon.Begin(plan, enter)
	return plan, nil
}

// printable replaces what no name contains, and PostgreSQL does not take.
func printable(r rune) rune {
	if r < ' ' {
		return '\uFFFD'
	}
	return r
}

// read finds out what the text may be.
func (t *turn) read() {
	var ok bool
	if t.step, t.codes, ok = model.NextStep(t.Steps, t.before.Passed); !ok || t.step.Challenge {
		t.codes = nil
	}
	next, nextCodes, further := model.NextStep(t.Steps, t.before.Passed+1)
	t.further = further
	if len(t.Steps) == 0 {
		t.codes = []string{otpMethod, onDemandMethod} // a password alone passes only a step that names it
	}
	text := string(t.Text)
	t.readText(text, t.codes)
	has := func(code string) bool { return slices.Contains(t.codes, code) }
	switch t.before.Ask {
	case AskStep:
		t.mayCode, t.mayPassword = has(otpMethod) || has(onDemandMethod), has(staticMethod)
	case AskNextOTP, AskPasscode:
		t.mayCode = true
	}
	t.password = t.Text
	both := further && !next.Challenge && (has(staticMethod) && slices.Contains(nextCodes, otpMethod) || has(otpMethod) && slices.Contains(nextCodes, staticMethod))
	if at := strings.LastIndexByte(text, ','); at >= 0 && both && t.before.Ask == AskStep && t.before.Passed == 0 {
		t.mayBoth, t.head, t.tail = true, t.Text[:at], model.CleanPasted(text[at+1:])
	}
	t.static = t.mayPassword && !t.mayCode && !t.mayBoth
	t.alsoPassword = t.mayPassword || t.mayBoth
	t.pinAlone = t.Before == nil && t.passcodeWish()
	t.pinKnown = t.before.AssignmentID
	t.void = t.before.Void
	t.keepsLock = t.Before != nil || further
}

// readText sets a text that may be an OTP or a passcode, as codes say.
func (t *turn) readText(text string, codes []string) {
	t.text, t.notSent = model.CleanPasted(text), !slices.Contains(codes, onDemandMethod)
	t.sent = !t.notSent && !slices.Contains(codes, otpMethod)
}

// pass prepares for a text that passes that many steps: the logon ends with the last step, and goes on after any other.
func (t *turn) pass(steps int) {
	t.outcome.Next = nil
	if _, _, t.partial = model.NextStep(t.Steps, t.before.Passed+steps); t.partial {
		t.outcome.Next = &Dialog{Passed: t.before.Passed + steps}
	}
}

// check decides on the text of a user who may try one. If the text passes a step and there is another, the outcome has a Next.
func (t *turn) check(tx store.Tx, login *model.Login) (any, error) {
	t.userID = login.ID
	t.readText(string(t.Text), t.codes)
	t.pass(1)
	var reply any
	var err error
	switch {
	case t.before.Void, t.Before != nil && t.before.UserID != login.ID:
		t.outcome.Next = nil
		return t.refuseVoid(tx, login)
	case t.before.Ask == AskNewPIN:
		return t.newPIN(tx, login)
	case t.before.Ask == AskNewPINAgain:
		reply, err = t.changePIN(tx, login)
	case t.before.Ask == AskChannel, t.channel() != "":
		return t.chosen(tx, login)
	default:
		if asks, err := t.asksForPasscode(tx, login); asks || err != nil {
			return nil, err
		}
		reply, err = t.credentials(tx, login)
	}
	if _, refused := reply.(dispatch.CommittedRefusal); !refused && err == nil && t.outcome.Next != nil {
		t.outcome.Next.UserID = login.ID
		t.outcome.Next.Knows = t.before.Knows || t.knew
		t.outcome.Next.AssignmentID = cmp.Or(t.pinOf, t.before.AssignmentID)
		t.ask(t.outcome.Next)
	}
	return reply, err
}

// credentials checks the text as each of what it may be. It counts as one failure at most.
func (t *turn) credentials(tx store.Tx, login *model.Login) (any, error) {
	unchanged := string(login.Password) == string(t.checkedHash)
	switch {
	case t.mayPassword && t.matched && unchanged:
		t.knew = true
		return t.staticPassword(tx, login)
	case t.mayBoth:
		// The password is right or not; the OTP is checked in the same time, and stays unused if it is not.
		right := t.headMatched && unchanged && !login.MustChangePassword
		t.dry = !right
		t.readText(t.tail, []string{otpMethod})
		if right {
			t.knew = true
			t.pass(2)
		}
		return t.otp(tx, login)
	case t.mayCode:
		return t.otp(tx, login)
	}
	return t.staticPassword(tx, login)
}

// refuseVoid refuses without a check, in the time of one. Nothing is counted: the text before was.
func (t *turn) refuseVoid(tx store.Tx, login *model.Login) (any, error) {
	if !t.static { // as for an unknown user
		if err := t.pretendAt(tx, checked{login.ID, login.TempPasses > 0}); err != nil {
			return nil, err
		}
	}
	return dispatch.CommittedRefusal{Err: answer(model.WrongCredential)}, tx.SaveLogin(&login.UserState)
}

// refuseTooMany refuses without a check a user of whom, or from whose address, too many credentials were refused, in the time of an
// unknown user. It is no error as by HTTP, or what is asked would tell whether there is such a user. The record says why.
func (t *turn) refuseTooMany(tx store.Tx, why *model.Error) (any, error) {
	if err := t.pretendOn(tx); err != nil {
		return nil, err
	}
	return dispatch.CommittedRefusal{Err: why}, tx.RecordUnknownName(t.c.Now)
}

// refused decides what a refused user is asked for, if anything.
func (t *turn) refused(err *model.Error) {
	t.outcome.Next, t.outcome.Refused = nil, err
	passed := t.before.Passed
	if t.mayBoth && t.headMatched && slices.Contains(t.codes, staticMethod) {
		passed++ // the password was right, and its step comes first
	}
	goesOn := t.before.Ask == AskStep || t.before.Ask == AskPasscode
	switch {
	case err.Kind == model.OutOfSync && t.asked != "" && goesOn:
		t.outcome.Next = &Dialog{UserID: t.userID, Passed: passed, Ask: AskNextOTP, Knows: t.before.Knows || t.knew, AssignmentID: t.asked}
		t.outcome.Codes = t.codes
		return
	case err.Kind == model.PINExpired && t.expired != "":
		t.outcome.Next = &Dialog{UserID: t.userID, Passed: passed, Ask: AskNewPIN, Knows: true, AssignmentID: t.expired}
		return
	case t.pinAlone, t.channel() != "":
		t.outcome.Next = &Dialog{UserID: t.userID, Passed: t.before.Passed, Ask: AskPasscode, Void: true, Knows: true}
		if t.Before == nil && len(t.channels()) > 1 {
			t.outcome.Next.Ask = AskChannel
		}
		t.outcome.Codes = t.codes
		return
	case t.Before == nil && t.further:
		t.outcome.Next = &Dialog{UserID: t.userID, Passed: 1, Void: true, Knows: true}
	default:
		return
	}
	t.ask(t.outcome.Next)
}

// ask completes the question for the step that comes next.
func (t *turn) ask(next *Dialog) {
	_, codes, _ := model.NextStep(t.Steps, next.Passed)
	t.outcome.Codes = codes
	if len(codes) == 1 && codes[0] == onDemandMethod {
		next.Ask = AskPasscode
		if len(t.channels()) > 1 {
			next.Ask = AskChannel
		}
	}
}
