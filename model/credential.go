package model

import "tokensmith/model/otp"

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
	Counter      int64  `db:"counter"`
	Drift        int64  `db:"drift"`
	ResyncStep   int64  `db:"resync_step"`
	ResyncUntil  Time   `db:"resync_until"`

	Spent     int64   `db:"spent"`
	SeedGroup *string `db:"seed_group"`
}

// OTP gives the algorithm's parameters.
func (c *Credential) OTP() otp.Params {
	return otp.Params{Algorithm: otp.Algorithm(c.Algorithm), Digits: int(c.Digits), Period: c.Period, Hash: otp.Hash(c.Crypto)}
}

// Check checks an OTP against the token's seed and state, and says what becomes of the state. accepted means that the
// OTP is right and now used. Otherwise the kind is WrongCredential, Replayed, or OutOfSync for a first OTP that lies
// between the auto and the check window and is remembered; changed says whether the state must be written.
func (c *Credential) Check(seed []byte, now Time, code string) (accepted, changed bool, k Kind) {
	p, st, unix := c.OTP(), otp.State{Next: c.Counter, Drift: c.Drift, Spent: c.Spent}, now.Std().Unix()
	pending := c.ResyncUntil != 0 && now <= c.ResyncUntil && c.ResyncStep >= c.Counter && c.ResyncStep < otp.LastStep && !st.Used(c.ResyncStep+1)
	if pending && Secret(otp.Generate(seed, uint64(c.ResyncStep+1), p)).Equal([]byte(code)) {
		c.accept(otp.Accept(p, st, unix, c.ResyncStep+1)) // also where it lies behind the window's end
		return true, true, 0
	}
	match, outcome := otp.Verify(seed, p, st, unix, int(max(c.AutoWindow, c.CheckWindow)), code)
	switch {
	case outcome == otp.Replayed:
		return false, false, Replayed
	case outcome != otp.Match:
		return false, false, WrongCredential
	case !otp.InWindow(p, st, unix, int(c.AutoWindow), match):
		c.ResyncStep, c.ResyncUntil = match, now+ResyncWithin
		return false, true, OutOfSync
	}
	c.accept(otp.Accept(p, st, unix, match))
	return true, true, 0
}

func (c *Credential) accept(next otp.State) {
	c.Counter, c.Drift, c.ResyncStep, c.ResyncUntil = next.Next, next.Drift, 0, 0
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

// Split takes a credential apart: the PIN in front, the OTP behind it.
func (c *Credential) Split(text string) (pin Secret, code string, ok bool) {
	n := len(text) - int(c.Digits)
	if n < 0 {
		return nil, "", false
	}
	return Secret(text[:n]), text[n:], true
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
		rest := text[:len(text)-2*n]
		at := len(rest) - int(c.Digits)
		if pin := rest[:at]; pin != fresh {
			all = append(all, PINChange{Secret(pin), rest[at:], Secret(fresh)})
		}
	}
	return all
}
