// Package login decides logins: auth/* by OTP, PIN, passcode or password, with the budget of guesses, windows and locks; and the sessions of the
// console. It tells nobody who has an account.
package login

import (
	"cmp"
	"context"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"

	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
	"tokensmith/model/otp"
	"tokensmith/rpc/dispatch"
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
	addresses *keyring.Signer    // chooses the slots in which failures of addresses are counted
	signIns   *dispatch.Attempts // at the console

	lastLogin atomic.Value // id of the user whose credential was checked last: a string
	lastAdmin atomic.Value // id of the administrator who signed in to the console last
}

// New makes the receiver of the methods of logins.
func New(s *dispatch.Server) *Auth {
	m := &Auth{Server: s, addresses: s.Keys.Signer("address"), signIns: dispatch.NewAttempts(SignInBurst, SignInEvery)}
	s.Metrics.Add(&m.spraying)
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

// The methods of credentials.
const (
	otpMethod      = "OTP"
	onDemandMethod = "OTPoD" // a passcode that was sent
	staticMethod   = "SPASS"
)

// credential reads {"otp":...}, {"method":"OTPoD","otp":...}, {"method":"SPASS","password":...,"newPassword":...}, or a bare OTP.
func (v *verification) credential(raw jsontext.Value) (err error) {
	switch raw.Kind() {
	case '"', '0':
		v.text, err = wire.TextOf("credential", raw)
		v.text = model.Pasted(v.text)
		return err
	case '{':
	default:
		return model.AttrErrorf(model.Missing, "credential", "is required: {\"otp\":...} or {\"method\":\"SPASS\",\"password\":...}")
	}
	m, err := wire.MembersOf("credential", raw)
	if err != nil {
		return err
	}
	fields := map[string]string{}
	for _, f := range m {
		switch f.Name {
		case "method", "otp", "password", "newPassword":
			if fields[f.Name], err = wire.TextOf("credential."+f.Name, f.Value); err != nil {
				return err
			}
		case "cc": // of a challenge; there are none yet
			if string(f.Value) != `""` && f.Value.Kind() != 'n' {
				return model.AttrErrorf(model.UnknownAttr, "credential.cc", "there are no challenges on this server")
			}
		default:
			return model.AttrErrorf(model.UnknownAttr, "credential."+f.Name, "a credential has no such member")
		}
	}
	switch method := fields["method"]; {
	case method == staticMethod:
		if fields["password"] == "" {
			return model.AttrErrorf(model.Missing, "credential.password", "is required")
		}
		v.static, v.password = true, model.Secret(fields["password"])
		if len(v.password) > people.MaxPassword || len(fields["newPassword"]) > people.MaxPassword {
			return model.AttrErrorf(model.Invalid, "credential", "a password is longer than %d bytes", people.MaxPassword)
		}
		if v.newHash, v.newPasswordAttr = fields["newPassword"], "credential.newPassword"; v.newHash != "" {
			return people.CheckPassword(v.c.Server, v.newPasswordAttr, model.Secret(v.newHash))
		}
	case method != "" && method != otpMethod && method != onDemandMethod:
		return model.AttrErrorf(model.Invalid, "credential.method", "must be OTP, OTPoD or SPASS")
	case model.Pasted(fields["otp"]) == "":
		return model.AttrErrorf(model.Missing, "credential.otp", "is required")
	case fields["password"] != "" || fields["newPassword"] != "":
		return model.AttrErrorf(model.Invalid, "credential.password", "goes with method SPASS")
	default:
		v.text, v.sent = model.Pasted(fields["otp"]), method == onDemandMethod
	}
	return nil
}

// project compiles what a caller wants to know of who logged in: the user's attributes, and token.* and
// tokenAssignment.* of the token used, which are null where none was.
func project(ret wire.Names, byToken bool) (*object.Projection, error) {
	p := &object.Projection{Root: object.Node{Present: -1}}
	for _, name := range ret {
		head, rest, dotted := strings.Cut(name, ".")
		obj, path, attrName := people.UserType, []store.Step{store.ToUser}, name
		if dotted && head == "tokenAssignment" {
			obj, path, attrName = token.AssignmentType, nil, rest
		} else if dotted && head == "token" {
			obj, path, attrName = token.TokenType, []store.Step{store.ToToken}, rest
		}
		if always := obj.Nothing(attrName); always != "" {
			p.AddField(name, object.Field{Always: always})
			continue
		}
		known := func(attrName, label string) error {
			steps, a, err := obj.Resolve("return", attrName, false)
			if err != nil {
				return err
			}
			if !byToken && obj != people.UserType {
				p.AddField(label, object.Field{Kind: a.Kind, Column: -1})
				return nil
			}
			if byToken {
				steps = object.Join(path, steps)
			}
			p.AddField(label, object.Field{Kind: a.Kind, Column: p.AddColumn(steps, a.Column)})
			return nil
		}
		if attrName != "*" {
			if err := known(attrName, name); err != nil {
				return nil, err
			}
			continue
		}
		for i := range obj.Attrs {
			if a := &obj.Attrs[i]; a.Simple() {
				if err := known(a.Name, strings.TrimSuffix(name, "*")+a.Name); err != nil {
					return nil, err
				}
			}
		}
	}
	return p, nil
}

// login finds the user; nil when the selector fits none, or several.
func (v *verification) login(tx store.ReadTx) (*model.Login, error) {
	found, err := tx.Logins(v.user)
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
	v.dry = true
	creds, err := v.candidates(tx, &model.Login{ID: id})
	if err != nil {
		return err
	}
	if len(creds) == 0 {
		v.pretend()
	}
	for i := range creds {
		if v.syncing {
			if _, err := v.resync(&creds[i]); err != nil {
				return err
			}
			break
		}
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
	otp.Verify(make([]byte, token.GeneratedSeedBytes), otp.Params{Algorithm: otp.TOTP, Digits: 6, Period: 30, Hash: otp.HmacSHA1},
		otp.State{}, v.c.Now.Std().Unix(), 10, "000000")
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
	if err := tx.SaveLogin(&login.UserState); err != nil {
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
