package model

import (
	"encoding/binary"

	"tokensmith/model/otp"
)

// ResyncWithin is how long a first OTP outside the auto window is remembered, in milliseconds.
const ResyncWithin = 10 * 60 * 1000

// Credential is one assignment with all that a check of an OTP needs.
type Credential struct {
	AssignmentID string `db:"assignment_id"`
	TokenID      string `db:"token_id"`
	Status       string `db:"status"` // the assignment's
	TokenStatus  string `db:"token_status"`
	Starts       Time   `db:"starts"`
	Expires      Time   `db:"expires"`
	UsageLimit   int64  `db:"usage_limit"`
	UsageCount   int64  `db:"usage_count"`
	MustChange   bool   `db:"must_change_pin"`
	PIN          []byte `db:"pin"`  // sealed
	Seed         []byte `db:"seed"` // sealed
	Algorithm    string `db:"algorithm"`
	Digits       int64  `db:"digits"`
	Period       int64  `db:"period"`
	Crypto       string `db:"crypto"`
	AutoWindow   int64  `db:"auto_window"`
	CheckWindow  int64  `db:"check_window"`
	ManualWindow int64  `db:"manual_window"`
	NarrowWindow int64  `db:"narrow_window"`
	Counter      int64  `db:"counter"`
	Drift        int64  `db:"drift"`
	ResyncStep   int64  `db:"resync_step"`
	ResyncUntil  Time   `db:"resync_until"`
	SyncedAt     Time   `db:"synced_at"`
	Asked        []byte `db:"asked"` // see TokenState

	Spent     int64   `db:"spent"`
	SeedGroup *string `db:"seed_group"`

	// Pressed is set where much is guessed: the window is the narrow one, whatever the token's past. Its owner then needs two
	// OTPs, and each guess is worth less.
	Pressed bool
}

// OTP gives the algorithm's parameters.
func (c *Credential) OTP() otp.Params {
	return otp.Params{Algorithm: otp.Algorithm(c.Algorithm), Digits: int(c.Digits), Period: c.Period, Hash: otp.Hash(c.Crypto)}
}

// How far a token strays while it is not used. A clock's crystal is right within 20 parts of a million at 25 °C, 19 more at
// 0 and 50 °C (0.03 for each square degree), and ages by 3 in its first year, as data sheets of tuning-fork crystals of
// 32,768 Hz say; how a server follows it says RFC 6238 section 6. The button of an event-based token is pressed for nothing now and then.
const (
	strayParts = 50      // of a million
	strayPress = 7 * day // for one press
)

// Window gives the steps of the window in which an OTP is accepted at once, as otp.Verify takes it: the product's auto window
// for a token whose counter or drift was not learned yet, its narrow window, widened by how far the token may have strayed
// since, for others. It never exceeds the auto window.
func (c *Credential) Window(now Time) int64 {
	silent := max(0, now-c.SyncedAt)
	if c.Pressed {
		silent = 0
	}
	switch {
	case c.SyncedAt == 0 && !c.Pressed:
		return c.AutoWindow
	case c.Algorithm == string(otp.HOTP):
		return min(c.AutoWindow, 2*c.NarrowWindow+1+int64(silent/strayPress))
	}
	return min(c.AutoWindow, c.NarrowWindow+int64(silent)/1_000_000*strayParts/(max(1, c.Period)*1000))
}

// Chance gives the chance that a guess at now is accepted: that of each code in the window, and of the one that completes a
// resynchronisation.
func (c *Credential) Chance(now Time) Chance {
	codes := OTPCodes(c.Algorithm, c.Window(now))
	if c.pending(now) {
		codes++
	}
	return Chance(codes) * CodeChance(c.Digits)
}

// pending says whether a first OTP waits for the one behind it.
func (c *Credential) pending(now Time) bool {
	return c.ResyncUntil != 0 && now <= c.ResyncUntil && c.ResyncStep >= c.Counter && c.ResyncStep < otp.LastStep && !c.state().Used(c.ResyncStep+1)
}

func (c *Credential) state() otp.State {
	return otp.State{Next: c.Counter, Drift: c.Drift, Spent: c.Spent}
}

// Check checks an OTP against the token's seed and state, and says what becomes of the state. accepted means that the
// OTP is right and now used. Otherwise the kind is WrongCredential, Replayed, or OutOfSync for a first OTP that lies
// between the window and the check window and is remembered; changed says whether the state must be written. An OTP that was
// answered OutOfSync, which tells that it is right, is accepted no more but as the first of two.
func (c *Credential) Check(seed []byte, now Time, code string) (accepted, changed bool, k Kind) {
	p, st, unix := c.OTP(), c.state(), now.Std().Unix()
	if c.pending(now) && Secret(otp.Generate(seed, uint64(c.ResyncStep+1), p)).Equal([]byte(code)) {
		c.Synced(otp.Accept(p, st, unix, c.ResyncStep+1), now) // also where it lies behind the window's end
		return true, true, 0
	}
	widest := int(max(c.AutoWindow, c.CheckWindow))
	match, outcome := otp.Verify(seed, p, st, unix, widest, code)
	switch {
	case outcome == otp.Replayed:
		return false, false, Replayed
	case outcome != otp.Match:
		return false, false, WrongCredential
	case otp.InWindow(p, st, unix, int(c.Window(now)), match) && !asked(c.Asked, match):
		c.Synced(otp.Accept(p, st, unix, match), now)
		return true, true, 0
	}
	// Nobody can be asked for it who may have been asked for so many, and answers nothing.
	left := keepAsked(c.Asked, func(step int64) bool { return step != match && step >= c.Counter })
	if len(left) >= askedMost*8 {
		return false, false, WrongCredential
	}
	c.Asked = binary.BigEndian.AppendUint64(left, uint64(match))
	c.ResyncStep, c.ResyncUntil = match, now+ResyncWithin
	return false, true, OutOfSync
}

// Synced puts the state after an accepted OTP, or a pair of them, in place.
func (c *Credential) Synced(next otp.State, now Time) {
	c.Counter, c.Drift, c.ResyncStep, c.ResyncUntil, c.SyncedAt = next.Next, next.Drift, 0, 0, now
	c.Asked = keepAsked(c.Asked, func(step int64) bool { return step >= next.Next })
}

// askedMost bounds the steps of one token that were answered OutOfSync and are not used or passed. A person's are passed with
// the next OTP; who guesses finds one in thousands of tries.
const askedMost = 8

func asked(steps []byte, step int64) bool {
	for ; len(steps) >= 8; steps = steps[8:] {
		if int64(binary.BigEndian.Uint64(steps)) == step {
			return true
		}
	}
	return false
}

// keepAsked gives the steps that fit; nil when none does.
func keepAsked(steps []byte, fits func(step int64) bool) (left []byte) {
	for ; len(steps) >= 8; steps = steps[8:] {
		if fits(int64(binary.BigEndian.Uint64(steps))) {
			left = append(left, steps[:8]...)
		}
	}
	return left
}

// Usable says why an accepted credential does not log in, or 0.
func (c *Credential) Usable(userStatus string, now Time) Kind {
	switch {
	case c.TokenStatus != Active, userStatus != Active:
		return Disabled
	case c.Status == LockedBy:
		return Locked
	case c.Status != Active:
		return Disabled
	case c.Starts != 0 && now < c.Starts, c.Expires != 0 && now >= c.Expires:
		return NotValidNow
	case c.UsageLimit > 0 && c.UsageCount >= c.UsageLimit:
		return UsageLimit
	}
	return 0
}

// Split takes a credential apart: the PIN in front, the OTP behind it, whose digits may stand in groups with dashes between.
func (c *Credential) Split(text string) (pin Secret, code string, ok bool) {
	head, code, ok := splitOTP(text, int(c.Digits))
	if !ok {
		return nil, "", false
	}
	return Secret(head), code, true
}

// PINChange is a credential read as [PIN][OTP][new PIN][new PIN].
type PINChange struct {
	PIN  Secret
	Code string
	New  Secret
}

// SplitChange gives every way in which a credential can be read as a change of the PIN: its end is one text twice,
// which is a PIN, with an OTP and the old PIN in front of it.
func (c *Credential) SplitChange(text string) []PINChange {
	var all []PINChange
	for n := 4; n <= 32 && len(text)-2*n-int(c.Digits) >= 0; n++ {
		fresh := text[len(text)-n:]
		if text[len(text)-2*n:len(text)-n] != fresh || CheckPIN("", Secret(fresh)) != nil {
			continue
		}
		if pin, code, ok := splitOTP(text[:len(text)-2*n], int(c.Digits)); ok && pin != fresh {
			all = append(all, PINChange{Secret(pin), code, Secret(fresh)})
		}
	}
	return all
}
