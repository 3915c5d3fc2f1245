package login

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"tokensmith/model"
	"tokensmith/rpc/conn"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/people"
	"tokensmith/rpc/session"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// After SignInBurst failed sign-ins, an address may make only one further attempt each SignInEvery.
const (
	SignInBurst = 5
	SignInEvery = 10 * time.Second
)

// SignInArgs are the credentials of a person who signs in.
type SignInArgs struct {
	LoginName   wire.Text `json:"loginName"` // in any of the forms of model.UserName
	Password    wire.Text `json:"password"`
	OTP         wire.Text `json:"otp"` // for accounts that have an active token
	NewPassword wire.Text `json:"newPassword"`
}

// SignIn begins a session.
func (m *Auth) SignIn(w http.ResponseWriter, r *http.Request, c *dispatch.Call) {
	c.Method = &dispatch.Method{Path: "console/signIn", Device: true} // the caller is not authenticated yet
	c.Agent = &model.Agent{Name: "console"}
	defer c.RunAtEnd()
	body, err := m.Server.ReadBody(w, r, c)
	if err != nil {
		c.Fail(w, err, false)
		return
	}
	var args SignInArgs
	if err := wire.ReadArgs(body, &args); err != nil {
		c.Fail(w, err, true)
		return
	}
	value, err := m.Server.RandomText(session.Bytes)
	if err != nil {
		c.Fail(w, err, true)
		return
	}
	hash := sha256.Sum256([]byte(value))
	if err := m.signingIn(r.Context(), c, &args, hash[:], m.SessionOf(r)); err != nil {
		c.Fail(w, err, true)
		return
	}
	m.SetCookie(w, r, value)
	c.AnswerPage(w, nil)
}

// signingIn checks the password and the OTP together, and begins a session that replaces the one that the browser had, all in one
// transaction.
func (m *Auth) signingIn(ctx context.Context, c *dispatch.Call, args *SignInArgs, session, before []byte) error {
	v := &verification{auth: m, c: c, static: true, text: model.CleanPasted(string(args.OTP)), password: model.Secret(args.Password), newHash: string(args.NewPassword),
		console: &consoleSignIn{address: conn.Network(c.Remote)}}
	// A right credential that may not be used, such as a used OTP, counts as an attempt too. A PIN or password that must be
	// changed does not.
	tried := c.TakeAttempt(ctx, m.signIns, model.WrongCredential, model.Locked, model.Disabled, model.OutOfSync, model.Replayed,
		model.NotValidNow, model.UsageLimit, model.Unavailable, model.TooMany)
	if tried != nil && wire.ClientError(tried).Kind != model.TooMany {
		return tried
	}
	v.user = store.AdministratorCalled(strings.ReplaceAll(string(args.LoginName), "\x00", ""))
	if tried != nil {
		// Other people may have used up the attempts of an address that the administrator shares with them. The reply does not
		// reveal whose address it is.
		done, err := m.turns.take(ctx, v.console.address)
		if err != nil {
			return err
		}
		defer done()
		shared, known, err := v.known(ctx)
		if err != nil || !shared {
			return cmp.Or(err, tried)
		}
		v.console.ignored = !known
	}
	if len(args.Password) > people.MaxPassword || len(args.NewPassword) > people.MaxPassword {
		return model.AttrErrorf(model.Invalid, "password", "is longer than %d bytes", people.MaxPassword)
	}
	if args.NewPassword != "" {
		if err := people.CheckPassword(m.Server, "newPassword", model.Secret(args.NewPassword)); err != nil {
			return err
		}
	}
	ctx = context.WithoutCancel(ctx) // the attempt must be counted even if the client disconnects
	v.newPasswordAttr = "newPassword"
	v.comesFrom(c.Remote)
	if err := v.hash(ctx, nil); err != nil {
		return err
	}
	_, err := c.Run(ctx, &dispatch.Plan{Update: func(tx store.Tx) (any, error) {
		v.attempt = attempt{}
		return v.signIn(tx, session, before)
	}})
	switch {
	case v.mustChange && err != nil:
		// A PIN that must be changed is not meant here; it is changed in another way.
		return model.AttrErrorf(model.PINExpired, "newPassword", "the password must be changed: give a new one")
	case v.held && err != nil && wire.ClientError(err).Kind == model.Locked, err != nil && wire.ClientError(err).Kind == model.WrongCredential:
		// Only the audit log distinguishes a locked administrator from a user who is not an administrator.
		return model.Errorf(model.WrongCredential, "wrong credential; after many wrong ones, signing in is blocked for a "+
			"while, except from where you signed in lately")
	}
	return err
}

// consoleSignIn is the state of a sign-in to the console: the address it comes from, and the counts for it.
type consoleSignIn struct {
	address string         // address or network that the sign-in comes from
	signIns *model.SignIns // counts for this address, or for all unknown addresses together
	fresh   bool           // signIns is not stored yet

	lockedElsewhere bool // the user is locked because of failures elsewhere, and stays locked there after a success here
	ignored         bool // refused without a check, because the address has no attempts left
}

// turns makes sign-ins from the same address run one after the other.
type turns struct {
	mu      sync.Mutex
	address conn.RecentMap[chan struct{}]
}

// take waits for the turn of a sign-in from an address. The turn ends with done.
func (t *turns) take(ctx context.Context, address string) (done func(), err error) {
	t.mu.Lock()
	turn := t.address.Get(address, func() chan struct{} { return make(chan struct{}, 1) })
	t.mu.Unlock()
	select {
	case turn <- struct{}{}:
		return func() { <-turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// read loads the counts of an administrator's sign-ins from the current address.
func (d *consoleSignIn) read(tx store.ReadTx, userID string, now model.Time) (all []model.SignIns, err error) {
	all, err = tx.SignIns(userID)
	d.signIns, d.fresh = &model.SignIns{UserID: userID}, true
	for i := range all {
		if s := &all[i]; s.Address == d.address && s.Knows(now) || s.Address == "" && d.fresh {
			d.signIns, d.fresh = s, false
		}
	}
	return all, err
}

// save saves these counts.
func (d *consoleSignIn) save(tx store.Tx, c *dispatch.Call) error {
	if d.fresh {
		d.signIns.ID = c.NewID()
		return tx.Insert(d.signIns)
	}
	return tx.Save(d.signIns)
}

// known returns whether somebody signed in from the address lately (shared), and whether that includes the administrator whose
// name was given, with fewer failures at this address than an address may have (known). If nobody signed in from there, no name
// is looked up. If somebody did, the reply to every name depends only on known. So it does not reveal the failures of that
// administrator.
func (v *verification) known(ctx context.Context) (shared, known bool, err error) {
	err = v.c.Server.Config.Store.View(ctx, func(tx store.ReadTx) error {
		shared, known = false, false
		from, err := tx.SignInsFrom(v.console.address)
		from = slices.DeleteFunc(from, func(s model.SignIns) bool { return !s.Knows(v.c.Now) })
		if err != nil || len(from) == 0 {
			return err
		}
		shared = true
		login, err := v.login(tx)
		known = login != nil && slices.ContainsFunc(from, func(s model.SignIns) bool {
			return s.UserID == login.ID && !s.Locked(v.c.Now) && s.FailCount < SignInBurst
		})
		return err
	})
	return shared, known, err
}

// signIn lets the administrator sign in, or refuses. A user who is not an administrator is refused like an unknown one.
func (v *verification) signIn(tx store.Tx, session, before []byte) (any, error) {
	login, err := v.login(tx)
	if err != nil {
		return nil, err
	}
	if login == nil || v.console.ignored {
		v.c.Object, v.c.Unrecorded = "", v.console.ignored // an address without attempts must not fill the audit log
		return v.refuseBlind(tx, model.WrongCredential)
	}
	v.c.SetObject(people.UserType.Noun, login.ID)
	all, err := v.console.read(tx, login.ID, v.c.Now)
	if err != nil {
		return nil, err
	}
	locked := login.Status == model.LockedBy && !login.LockEnded(v.c.Now)
	// Failures at other addresses lock the user only there, because a stranger may have made them.
	v.console.lockedElsewhere = locked && login.LockedByFailures()
	if locked && !v.console.lockedElsewhere || v.console.signIns.Locked(v.c.Now) || !v.console.signIns.Knows(v.c.Now) && login.Overspent(v.c.Now) {
		v.held = true
		return v.refuseBlind(tx, model.Locked)
	}
	switch {
	case locked:
		login.Status = model.Active // for this sign-in only
	case login.Status == model.LockedBy:
		login.Status, login.LockedUntil = model.Active, 0
		if err := tx.SetUserStatus(login.ID, login.Status); err != nil {
			return nil, err
		}
	}
	found, err := v.person(tx, login)
	if _, refused := found.(dispatch.CommittedRefusal); refused || err != nil {
		return found, err
	}
	if err := v.rememberAddress(tx, login, all); err != nil {
		return nil, err
	}
	return nil, v.begin(tx, login, session, before)
}

// refuseBlind refuses a credential without a check. It makes the same reads and writes as a check, with the tokens of the
// administrator who signed in last.
func (v *verification) refuseBlind(tx store.Tx, k model.Kind) (any, error) {
	id, _ := v.auth.lastAdmin.Load().(string)
	if err := v.pretendAt(tx, checked{id: id}); err != nil {
		return nil, err
	}
	return dispatch.CommittedRefusal{Err: answer(k)}, tx.RecordUnknownName(v.c.Now)
}

// refuse records a refusal. At the console it locks only the console; otherwise it counts for the user.
func (v *verification) refuse(tx store.Tx, login *model.Login, k model.Kind, chance model.Chance) (any, error) {
	if v.console == nil {
		return refuse(v.c, tx, login, k, chance)
	}
	if failed(k) {
		// It is a guess nevertheless, so it counts in the user's budget.
		login.ChargeGuess(v.c.Now, chance)
		if err := tx.SaveLogin(&login.UserState); err != nil {
			return nil, err
		}
		v.console.signIns.CountFailure(v.c.Now, login.LockoutThreshold, login.LockoutMinutes)
	}
	return dispatch.CommittedRefusal{Err: answer(k)}, v.console.save(tx, v.c)
}

// rememberAddress saves the address that the administrator signed in from, and deletes the addresses without a recent sign-in.
func (v *verification) rememberAddress(tx store.Tx, login *model.Login, all []model.SignIns) error {
	v.auth.lastAdmin.Store(login.ID)
	if at := v.console.signIns; at.Address == "" {
		if at.FailCount = 0; !v.console.fresh {
			if err := v.console.save(tx, v.c); err != nil {
				return err
			}
		}
		v.console.signIns, v.console.fresh = &model.SignIns{UserID: login.ID, Address: v.console.address}, true
	}
	v.console.signIns.CountSuccess(v.c.Now)
	slices.SortFunc(all, func(a, b model.SignIns) int { return cmp.Compare(b.LastSuccess, a.LastSuccess) })
	others := 0
	for i := range all {
		s := &all[i]
		if s.Address == "" || s.ID == v.console.signIns.ID {
			continue
		}
		if others++; others < model.MaxSignInKnown && s.Knows(v.c.Now) && s.Address != v.console.address {
			continue
		}
		if err := tx.Delete(s); err != nil {
			return err
		}
	}
	return v.console.save(tx, v.c)
}

// person checks an administrator's password and, if the administrator has an active token, its OTP. If the password is wrong, the
// OTP is checked only to take the same time, and stays unused.
func (v *verification) person(tx store.Tx, login *model.Login) (any, error) {
	tokens, err := v.candidates(tx, login)
	if err != nil {
		return nil, err
	}
	if len(tokens) == 0 {
		v.pretend()
		return v.staticPassword(tx, login)
	}
	right := v.matched && string(login.Password) == string(v.checkedHash)
	v.dry = !right
	found, err := v.otp(tx, login)
	if _, refused := found.(dispatch.CommittedRefusal); refused || err != nil {
		return found, err
	}
	switch {
	case !right:
		return nil, errors.New("a sign-in was accepted without its password")
	case v.newHash != "":
		return found, v.setPassword(tx, login)
	case login.MustChangePassword:
		v.mustChange = true
		return v.refuse(tx, login, model.PINExpired, 0)
	}
	return found, nil
}

// begin begins a session.
func (v *verification) begin(tx store.Tx, login *model.Login, hash, before []byte) error {
	var user model.User
	var domain model.Domain
	err := tx.Load(&user, login.ID)
	if err == nil {
		err = tx.Load(&domain, user.DomainID)
	}
	if err == nil && before != nil {
		err = tx.DropSession(before)
	}
	if err == nil {
		err = tx.DropSessions(v.c.Now - model.MaxSession)
	}
	if err != nil {
		return err
	}
	v.c.Person = session.PersonOf(&user, &domain)
	return tx.Insert(&model.Session{Hash: hash, UserID: user.ID, PasswordChanged: user.LastChangePassword, DateCreated: v.c.Now, LastUsed: v.c.Now})
}
