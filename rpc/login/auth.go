// Package login checks logins: auth/* with an OTP, PIN, passcode or password, with the budget for guesses, windows and locks. It also
// signs administrators in to the console. It does not reveal who has an account.
package login

import (
	"cmp"
	"context"
	"net/http"
	"net/netip"
	"sync/atomic"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/prometheus/client_golang/prometheus"

	"tokensmith/model"
	"tokensmith/model/otp"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/guessing"
	"tokensmith/rpc/limit"
	"tokensmith/rpc/logon"
	"tokensmith/rpc/object"
	"tokensmith/rpc/people"
	"tokensmith/rpc/session"
	"tokensmith/rpc/token"
	"tokensmith/rpc/wire"
	"tokensmith/store"
	"tokensmith/store/keyring"
)

// Auth is the receiver of the methods for logins. They do not reveal who has an account: an unknown user, token or assignment, a
// wrong PIN and a wrong OTP get the same reply, after about the same time.
type Auth struct {
	session.Sessions // of the console

	Guessing  *guessing.Guessing // whether guesses stand out over all users
	addresses *keyring.Signer    // its hashes choose the slots in which failures of addresses are counted
	signIns   *limit.Attempts    // attempts to sign in to the console
	turns     turns              // for addresses that have no such attempts left
	compared  prometheus.Counter
	byCode    prometheus.Counter

	lastLogin atomic.Value // the user (a checked) who last had a credential checked or requested a passcode
	lastAdmin atomic.Value // id of the administrator who last signed in to the console

	lastActivated atomic.Value // id of the assignment whose activation code was last tried
}

// New returns the receiver of the methods for logins.
func New(s *dispatch.Server) *Auth {
	m := &Auth{Sessions: session.Sessions{Server: s}, Guessing: guessing.New(s), addresses: s.Keys.Signer("address"), signIns: limit.NewAttempts(SignInBurst, SignInEvery)}
	m.compared = prometheus.NewCounter(prometheus.CounterOpts{Name: "tokensmith_otps_compared_total", Help: "OTPs that credentials were compared with."})
	m.byCode = prometheus.NewCounter(prometheus.CounterOpts{Name: "tokensmith_emergency_codes_used_total", Help: "Logins by an emergency code."})
	s.Metrics.Add(m.compared)
	s.Metrics.Add(m.byCode)
	return m
}

// Receivers returns the receivers of this package's methods.
func Receivers(m *Auth) map[string]any { return map[string]any{"Auth": m, "Guessing": m.Guessing} }

// checked is a user whose credential was checked. The check of an unknown user does the same work.
type checked struct {
	id    string
	codes bool // the user has emergency codes
}

// VerifyArgs are the parameters of auth/verify and auth/logon.
type VerifyArgs struct {
	object.Selection
	Credential  jsontext.Value `json:"credential"`
	Return      wire.Names     `json:"return"`
	RemoteIP    wire.Text      `json:"remoteIp"`
	Application wire.Named     `json:"application"`
}

// verification is the state of checking one credential.
type verification struct {
	auth            *Auth
	c               *dispatch.Call
	user            []store.Cond
	token           []store.Cond // nil for any token of the user
	text            string       // [PIN][OTP]
	sent            bool         // text can only be a passcode that was sent
	notSent         bool         // text can be no passcode that was sent, because the step of the logon takes none
	static          bool         // check a static password instead
	password        model.Secret
	newHash         string // argon2id hash of the new password; "" if it does not change
	length          int    // length of the new password, in characters
	newPasswordAttr string // name of the attribute with the new password
	checkedHash     []byte // the sealed password that was compared; matched is the result
	matched         bool
	setOnlyWithOTP  bool // the password was set as one for use with an OTP
	syncing         bool // synchronize with two OTPs, first and second
	first           string
	second          string
	console         *consoleSignIn // set for a sign-in to the console
	attempt

	// For a logon in turns (see Turn).
	quiet        bool         // a domain that is not defined is refused like an unknown user
	void         bool         // nothing is counted, because the text before was
	alsoPassword bool         // the text may be a password as well, so a guess costs as much as both
	head         model.Secret // a second text to compare with the password; nil if there is none
	headMatched  bool         // the result
	keepsLock    bool         // no emergency code ends a lock, because the logon has more steps than the one that it passes
	pinAlone     bool         // the text may be a PIN alone, after which a passcode is sent
	pinKnown     string       // the assignment whose PIN was right in the turn before; "" if none was

	address string // network of the user, for counting failures; "" if unknown
	slot    int64  // slot in which the failures of the address are counted

	byUser  *object.Projection // what to return if no token was used
	byToken *object.Projection // what to return if a token was used
}

// attempt holds what one run of a check finds. Each run begins with an empty attempt, because a transaction may run again.
type attempt struct {
	dry        bool               // only take the same time: accept and write nothing
	mustChange bool               // the credential is right, but the password must be changed
	clear      bool               // the stored state has no failures and no lock
	held       bool               // refused without a check, because the console accepts no credential for a while
	from       model.Address      // what is known about the user's address
	all        []model.Credential // all assignments of the user, whatever their status
	allOf      string             // the user whose they are; "" if they were not read

	partial bool   // another step follows, so an accepted credential does not log in yet
	userID  string // the user whose text is checked; "" if there is none
	knew    bool   // a PIN alone, a password, or an OTP or what stands for one, with its PIN, was right
	pinOf   string // the assignment whose PIN was right
	asked   string // the assignment whose OTP was remembered as the first of two
	expired string // the assignment whose PIN must be changed

	tokenID string       // id of the named token, if it is the user's
	code    model.Secret // the user's valid passcode; nil if there is none

	codes  []emergencyCode // the user's emergency codes
	byCode bool            // one of them was accepted
}

// answers holds the message for each kind of refusal.
var answers = map[model.Kind]string{
	model.WrongCredential: "wrong credential",
	model.Locked:          "the user is locked",
	model.Disabled:        "the user or the token is disabled or inactive",
	model.NotValidNow:     "the token assignment or emergency code is outside its validity period",
	model.OutOfSync:       "the token is out of sync: enter its next OTP",
	model.Replayed:        "the credential was already used",
	model.PINExpired:      "the PIN or password must be changed",
	model.UsageLimit:      "the usage limit is reached",
	model.TooMany:         "too many refused credentials of this user; try again in a minute",
}

// wrong returns the refusal for an unknown user, which is that for a wrong credential.
func (v *verification) wrong() *model.Error {
	if v.syncing {
		return notSynced()
	}
	return answer(model.WrongCredential)
}

func notSynced() *model.Error {
	return model.Errorf(model.OutOfSync, "the token is not synchronised: these are not two consecutive, unused OTPs within its window")
}

func answer(k model.Kind) *model.Error { return &model.Error{Kind: k, Msg: answers[k]} }

// Verify checks an OTP, preceded by the PIN if the assignment has one, or a static password.
func (m *Auth) Verify(r *http.Request, args *VerifyArgs, plan *dispatch.Plan) error {
	return m.verify(r, args, plan, nil)
}

// verify is Verify or, with the number of a step, Logon.
func (m *Auth) verify(r *http.Request, args *VerifyArgs, plan *dispatch.Plan, step *wire.Int) error {
	v, err := m.prepare(r.Context(), args)
	if err != nil {
		return err
	}
	enter, err := logon.RealmCheck(v.c, args.Application, func(tx store.ReadTx, application string) error { return v.answers(tx, application, step) })
	if err != nil {
		return err
	}
	if v.static {
		if err := v.hash(r.Context(), enter); err != nil {
			return err
		}
	}
	plan.Shared = !v.static // a new password may be refused by an error, after the end of a lock was written
	v.countsCode()
	plan.Update = func(tx store.Tx) (any, error) {
		return v.decide(tx, func(login *model.Login) (any, error) {
			if v.static {
				return v.staticPassword(tx, login)
			}
			return v.otp(tx, login)
		})
	}
	logon.Begin(plan, enter)
	return nil
}

// LogonArgs are the parameters of auth/logon.
type LogonArgs struct {
	VerifyArgs
	Step wire.Int `json:"step"`
}

// Logon is Verify for a step of a logon. The default is the first step. The application runs the steps in their order: nothing is
// kept between them.
func (m *Auth) Logon(r *http.Request, args *LogonArgs, plan *dispatch.Plan) error {
	return m.verify(r, &args.VerifyArgs, plan, &args.Step)
}

func (m *Auth) prepare(ctx context.Context, args *VerifyArgs) (*verification, error) {
	v := &verification{auth: m, c: dispatch.CallFrom(ctx)}
	var err error
	if v.user, err = args.Selector("user", people.UserType, true); err != nil {
		return nil, err
	}
	if v.token, err = args.Selector("token", token.TokenType, false); err != nil {
		return nil, err
	}
	if err := v.remoteIP(args.RemoteIP); err != nil {
		return nil, err
	}
	if err := v.credential(args.Credential); err != nil {
		return nil, err
	}
	if len(args.Return) > 0 {
		if v.byUser, err = token.ProjectLogin(v.c, args.Return, false); err != nil {
			return nil, err
		}
		if v.byToken, err = token.ProjectLogin(v.c, args.Return, true); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// remoteIP sets the address of the user as the front end reports it. An empty text means that the address is not known.
func (v *verification) remoteIP(text wire.Text) error {
	if text == "" {
		return nil
	}
	ip, err := netip.ParseAddr(string(text))
	if err != nil || ip.Zone() != "" {
		return model.AttrErrorf(model.Invalid, "remoteIp", "is not an IP address")
	}
	v.comesFrom(ip.String())
	v.c.Remote = ip.String() + " by " + v.c.Remote
	return nil
}

// login returns the user. It returns nil if the selector matches no user, or matches several users of whom not exactly one is in
// the default domain.
func (v *verification) login(tx store.ReadTx) (*model.Login, error) {
	conds, err := people.UserType.Narrow(v.c, tx, v.user)
	if err != nil {
		return nil, err
	}
	found, err := tx.Logins(conds)
	if err == nil && len(found) > 1 {
		if narrowed, ok := store.InDefaultDomain(conds); ok {
			found, err = tx.Logins(narrowed)
		}
	}
	if err != nil || len(found) != 1 {
		return nil, err
	}
	return &found[0], nil
}

// decide calls check if the user may try a credential. A refusal is a result, not an error: its transaction commits, with the
// failure count and the audit row.
func (v *verification) decide(tx store.Tx, check func(*model.Login) (any, error)) (any, error) {
	v.attempt = attempt{}
	login, err := v.login(tx)
	if err != nil {
		return nil, err
	}
	if held, err := v.isHeld(tx, login); held || err != nil {
		return nil, cmp.Or(err, tooManyFrom(v.c.Now))
	}
	if login == nil {
		if err := v.undefinedDomain(tx); err != nil {
			return nil, err
		}
		return v.counted(tx, v.refuseUnknown)
	}
	v.c.SetObject(people.UserType.Noun, login.ID)
	v.auth.lastLogin.Store(checked{login.ID, login.TempPasses > 0})
	v.clear = login.FailCount == 0 && login.Tries == 0 && login.LockedUntil == 0 && login.LockedAt == 0
	if login.Flooded(v.c.Now) {
		return nil, answer(model.TooMany)
	}
	if login.Status == model.LockedBy {
		if !login.LockEnded(v.c.Now) {
			return v.refuseLocked(tx, login)
		}
		login.Status, login.LockedUntil = model.Active, 0
		if err := tx.SetUserStatus(login.ID, login.Status); err != nil {
			return nil, err
		}
	}
	reply, err := v.counted(tx, func(store.Tx) (any, error) { return check(login) })
	if _, refused := reply.(dispatch.CommittedRefusal); refused && err == nil {
		err = v.undefinedDomain(tx) // also done for an unknown user, so that it takes the same time
	}
	return reply, err
}

// undefinedDomain returns an error if the caller names a domain that is not defined, unless that is refused like an unknown user.
func (v *verification) undefinedDomain(tx store.ReadTx) error {
	if v.quiet {
		return nil
	}
	return object.UndefinedDomain(tx, v.user)
}

// pretendOn does for an unknown user the work that a check of a known one takes, without a trace. It uses the tokens of the user
// whose credential was checked last.
func (v *verification) pretendOn(tx store.Tx) error {
	if v.static {
		return nil // the password was compared already
	}
	last, _ := v.auth.lastLogin.Load().(checked)
	return v.pretendAt(tx, last)
}

// pretendAt does the work of a check with a user's tokens and emergency codes, and accepts nothing.
func (v *verification) pretendAt(tx store.Tx, user checked) error {
	v.dry = true
	login := &model.Login{ID: user.id}
	creds, err := v.candidates(tx, login)
	if err != nil {
		return err
	}
	if v.pinAlone {
		if _, err := v.knowsPIN(model.Secret(v.text)); err != nil {
			return err
		}
		v.pinOf = ""
	}
	if user.codes {
		login.TempPasses = 1 // at least
	}
	if err := v.openCodes(tx, login); err != nil {
		return err
	}
	if _, err := v.emergency(login); err != nil {
		return err
	}
	if len(creds) == 0 {
		v.pretend()
		return nil
	}
	if v.syncing {
		_, err := v.resync(&creds[0])
		return err
	}
	v.bound(creds, login)
	for i := range creds {
		if _, err := v.try(tx, &creds[i]); err != nil {
			return err
		}
	}
	return nil
}

// refuseUnknown refuses an unknown user. It makes the same reads and writes as for a known one. The audit row names no object.
func (v *verification) refuseUnknown(tx store.Tx) (any, error) {
	v.c.Object = ""
	if err := v.pretendOn(tx); err != nil {
		return nil, err
	}
	return dispatch.CommittedRefusal{Err: v.wrong()}, tx.RecordUnknownName(v.c.Now)
}

// pretend takes the time of checking an OTP.
func (v *verification) pretend() {
	var s otp.Search
	s.Miss(make([]byte, token.GeneratedSeedBytes), otp.Params{Algorithm: otp.TOTP}.WithDefaults(),
		otp.State{}, v.c.Now.Std().Unix(), 10)
	v.auth.compared.Add(float64(s.Made))
}

// refuse records the refusal of a user's credential. Kinds that are wrong guesses (failed: codes 201 and 205) count towards the
// lock, as a guess with the given probability.
func refuse(c *dispatch.Call, tx store.Tx, login *model.Login, k model.Kind, chance model.Chance) (any, error) {
	if login.RecordRefusal(c.Now, failed(k), chance) && login.Status == model.Active {
		if err := tx.SetUserStatus(login.ID, model.LockedBy); err != nil {
			return nil, err
		}
	}
	return dispatch.CommittedRefusal{Err: answer(k)}, tx.SaveLogin(&login.UserState)
}

// accept records a success, and returns what the caller asked for.
func (v *verification) accept(tx store.Tx, login *model.Login, table, id string) (any, error) {
	if v.partial {
		return nil, tx.SaveLogin(&login.UserState)
	}
	if v.console == nil || !v.console.lockedElsewhere {
		login.ClearFailures()
	}
	login.LastLogin = v.c.Now
	var err error
	if v.clear && table == token.AssignmentType.Table {
		err = tx.SaveLastLogin(login.ID, login.LastLogin)
	} else {
		err = tx.SaveLogin(&login.UserState)
	}
	if err != nil {
		return nil, err
	}
	if err := v.arrived(tx, login.ID); err != nil {
		return nil, err
	}
	p := v.byUser
	if table == token.AssignmentType.Table {
		p = v.byToken
	}
	if p == nil {
		return nil, nil
	}
	rows, err := p.Rows(tx, store.Query{Table: table, Where: []store.Cond{store.ByID(id)}, Limit: 1})
	if err != nil {
		return nil, err
	}
	return jsontext.Value(rows[0]), nil
}
