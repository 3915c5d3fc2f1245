// Package login decides logins: auth/* by OTP, PIN, passcode or password, with the budget of guesses, windows and locks; and the sessions of the
// console. It tells nobody who has an account.
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
	"tokensmith/rpc/limit"
	"tokensmith/rpc/object"
	"tokensmith/rpc/people"
	"tokensmith/rpc/token"
	"tokensmith/rpc/wire"
	"tokensmith/store"
	"tokensmith/store/keyring"
)

// Auth has the methods by which logins are guarded. They tell nobody who has an account: an unknown user, token or
// assignment, a wrong PIN and a wrong OTP get one answer, in about the same time.
type Auth struct {
	Server    *dispatch.Server
	spraying  spraying
	addresses *keyring.Signer // chooses the slots in which failures of addresses are counted
	signIns   *limit.Attempts // at the console
	turns     turns           // there, of an address whose tries are used up
	compared  prometheus.Counter

	lastLogin atomic.Value // id of the user whose credential was checked last, or who asked for a passcode last: a string
	lastAdmin atomic.Value // id of the administrator who signed in to the console last
}

// New makes the receiver of the methods of logins.
func New(s *dispatch.Server) *Auth {
	m := &Auth{Server: s, addresses: s.Keys.Signer("address"), signIns: limit.NewAttempts(SignInBurst, SignInEvery)}
	m.compared = prometheus.NewCounter(prometheus.CounterOpts{Name: "tokensmith_otps_compared_total", Help: "OTPs that credentials were compared with."})
	s.Metrics.Add(&m.spraying)
	s.Metrics.Add(m.compared)
	return m
}

// Receivers are those of the methods of this room.
func Receivers(m *Auth) map[string]any { return map[string]any{"Auth": m} }

// VerifyArgs are the parameters of auth/verify and auth/logon.
type VerifyArgs struct {
	object.Selection
	Credential  jsontext.Value `json:"credential"`
	Return      wire.Names     `json:"return"`
	RemoteIP    wire.Text      `json:"remoteIp"`
	Application wire.Named     `json:"application"` // read, and of no effect: this server is one
}

// verification is one credential being checked.
type verification struct {
	auth            *Auth
	c               *dispatch.Call
	user            []store.Cond
	token           []store.Cond // nil = whichever of the user's
	text            string       // [PIN][OTP]
	sent            bool         // only a passcode that was sent is looked for in text
	static          bool         // a static password instead
	password        model.Secret
	newHash         string // argon2id of a new password; "" = unchanged
	length          int    // of the new password, in characters
	newPasswordAttr string // the new password's attribute
	checkedHash     []byte // the sealed password that matched was decided on
	matched         bool
	setBesideOTP    bool // the password was set as one beside an OTP
	syncing         bool // two OTPs that synchronise: first, second
	first           string
	second          string
	console         *consoleSignIn // of a sign-in to the console; nil elsewhere
	attempt

	address string // where the user is, as failures are counted; "" = not known
	slot    int64  // in which they are

	byUser  *object.Projection // of what was asked for, where no token was used
	byToken *object.Projection // where one was
}

// attempt is what one run of a check finds. Each begins with none, for a transaction may run again.
type attempt struct {
	dry        bool               // only spend the time: nothing is accepted or written
	mustChange bool               // right, but the password must be changed
	clear      bool               // the user has no failures and no lock, as stored
	held       bool               // not looked at: the console takes none for a while
	from       model.Address      // what is known of where the user is
	all        []model.Credential // of the user's assignments, whatever their state

	tokenID string       // of the token that is named, where it is one of the user's
	code    model.Secret // the user's passcode that may be tried; nil = none
}

// answers to a credential, one message each.
var answers = map[model.Kind]string{
	model.WrongCredential: "wrong credential",
	model.Locked:          "the user is locked",
	model.Disabled:        "the user or the token is disabled or inactive",
	model.NotValidNow:     "the token assignment is outside its validity period",
	model.OutOfSync:       "the token is out of sync: enter its next OTP",
	model.Replayed:        "the credential was already used",
	model.PINExpired:      "the PIN or password must be changed",
	model.UsageLimit:      "the usage limit is reached",
	model.TooMany:         "too many refused credentials of this user; try again in a minute",
}

// wrong is what whoever is unknown is told: what a wrong credential is told.
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

// Verify checks an OTP, with the PIN in front of it where the assignment has one, or a static password.
func (m *Auth) Verify(r *http.Request, args *VerifyArgs, plan *dispatch.Plan) error {
	v, err := m.prepare(r.Context(), args)
	if err != nil {
		return err
	}
	plan.Update = func(tx store.Tx) (any, error) {
		return v.decide(tx, func(login *model.Login) (any, error) {
			if v.static {
				return v.staticPassword(tx, login)
			}
			return v.otp(tx, login)
		})
	}
	return nil
}

// Logon is Verify for one-step logons.
func (m *Auth) Logon(r *http.Request, args *VerifyArgs, plan *dispatch.Plan) error {
	return m.Verify(r, args, plan)
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
	if args.RemoteIP != "" {
		ip, err := netip.ParseAddr(string(args.RemoteIP))
		if err != nil || ip.Zone() != "" {
			return nil, model.AttrErrorf(model.Invalid, "remoteIp", "is no IP address")
		}
		v.comesFrom(ip.String())
		v.c.Remote = ip.String() + " by " + v.c.Remote
	}
	if err := v.credential(args.Credential); err != nil {
		return nil, err
	}
	if len(args.Return) > 0 {
		if v.byUser, err = project(args.Return, false); err != nil {
			return nil, err
		}
		if v.byToken, err = project(args.Return, true); err != nil {
			return nil, err
		}
	}
	if v.static {
		err = v.hash(ctx)
	}
	return v, err
}

// login finds the user; nil when the selector fits none, or several of whom not one is in the default domain.
func (v *verification) login(tx store.ReadTx) (*model.Login, error) {
	found, err := tx.Logins(v.user)
	if err == nil && len(found) > 1 {
		if narrowed, ok := store.InDefaultDomain(v.user); ok {
			found, err = tx.Logins(narrowed)
		}
	}
	if err != nil || len(found) != 1 {
		return nil, err
	}
	return &found[0], nil
}

// decide lets a check see the credential of a user who may try one. A refusal is an outcome: it commits, with its
// failure count and its audit row.
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
		if err := object.UndefinedDomain(tx, v.user); err != nil {
			return nil, err
		}
		return v.counted(tx, v.refuseUnknown)
	}
	v.c.SetObject(people.UserType.Noun, login.ID)
	v.auth.lastLogin.Store(login.ID)
	v.clear = login.FailCount == 0 && login.Tries == 0 && login.LockedUntil == 0
	if login.Flooded(v.c.Now) {
		return nil, answer(model.TooMany)
	}
	if login.Status == model.LockedBy {
		if !login.LockEnded(v.c.Now) {
			return refuse(v.c, tx, login, model.Locked, 0)
		}
		login.Status, login.LockedUntil = model.Active, 0
		if err := tx.SetUserStatus(login.ID, login.Status); err != nil {
			return nil, err
		}
	}
	reply, err := v.counted(tx, func(store.Tx) (any, error) { return check(login) })
	if _, refused := reply.(dispatch.CommittedRefusal); refused && err == nil {
		err = object.UndefinedDomain(tx, v.user) // which an unknown user's refusal costs as well
	}
	return reply, err
}

// pretendOn does for an unknown user what is done for a known one, on the one whose credential was checked last, and without a
// trace.
func (v *verification) pretendOn(tx store.Tx) error {
	if v.static {
		return nil // the password was compared before
	}
	id, _ := v.auth.lastLogin.Load().(string)
	return v.pretendAt(tx, id)
}

// pretendAt does what a check on a user's tokens does, and accepts nothing.
func (v *verification) pretendAt(tx store.Tx, userID string) error {
	v.dry = true
	login := &model.Login{ID: userID}
	creds, err := v.candidates(tx, login)
	if err != nil {
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

// refuseUnknown refuses an unknown user, with the reads and the write that a known one costs. The record names no object.
func (v *verification) refuseUnknown(tx store.Tx) (any, error) {
	v.c.Object = ""
	if err := v.pretendOn(tx); err != nil {
		return nil, err
	}
	return dispatch.CommittedRefusal{Err: v.wrong()}, tx.Stranger(v.c.Now)
}

// pretend spends the time that a check of an OTP takes.
func (v *verification) pretend() {
	var s otp.Search
	s.Miss(make([]byte, token.GeneratedSeedBytes), otp.Params{Algorithm: otp.TOTP}.WithDefaults(),
		otp.State{}, v.c.Now.Std().Unix(), 10)
	v.auth.compared.Add(float64(s.Made))
}

// refuse records a refusal of a user's credential. 201 and 205 count towards the lock, as a guess with that chance.
func refuse(c *dispatch.Call, tx store.Tx, login *model.Login, k model.Kind, chance model.Chance) (any, error) {
	if login.Refused(c.Now, failed(k), chance) && login.Status == model.Active {
		if err := tx.SetUserStatus(login.ID, model.LockedBy); err != nil {
			return nil, err
		}
	}
	return dispatch.CommittedRefusal{Err: answer(k)}, tx.SaveLogin(&login.UserState)
}

// accept records a success, and answers what was asked for of it.
func (v *verification) accept(tx store.Tx, login *model.Login, table, id string) (any, error) {
	if v.console == nil || !v.console.lockedElsewhere {
		login.Cleared()
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
