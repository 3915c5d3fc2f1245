package model

import (
	"tokensmith/model/otp"
)

// MinSeedBytes is the shortest seed taken, MaxSeedBytes the longest.
const (
	MinSeedBytes = 10
	MaxSeedBytes = 256
)

// MaxSeedTokens is how many tokens may have one seed. What one of them uses all of them know, which each login waits for.
const MaxSeedTokens = 1000

// Token is an OTP token: a device or app that makes one-time passwords of its seed.
type Token struct {
	ID           string `db:"id"`
	ProductID    string `db:"product_id"`
	RepositoryID string `db:"repository_id"`
	Serial       string `db:"serial"`
	Identifier   string `db:"identifier"`
	Status       string `db:"status"`
	Description  string `db:"description"`
	Seed         []byte `db:"seed"` // sealed
	Confined     bool   `db:"confined"`
	Downloads    int64  `db:"downloads"`
	LastDownload Time   `db:"last_download"`
	DateCreated  Time   `db:"date_created"`
	LastUpdated  Time   `db:"last_updated"`

	// SeedIndex is a keyed hash by which the tokens of a seed are found, SeedGroup what those have in common that make the
	// same OTPs; nil = no other one has its seed.
	SeedIndex []byte  `db:"seed_index"`
	SeedGroup *string `db:"seed_group"`

	// FormerIndex is what SeedIndex was in versions that told seeds apart which HMAC does not; nil = the same. It is set where a
	// token is made, for a mark may still have it.
	FormerIndex []byte
}

// TokenState is what changes with every accepted OTP, kept apart because it changes often.
type TokenState struct {
	TokenID string `db:"token_id"`
	// Counter is the first moving factor that may still be accepted: HOTP's next counter, or one after TOTP's last
	// used time step (0 when none was used).
	Counter  int64 `db:"counter"`
	Drift    int64 `db:"drift"` // time steps by which the token's clock is ahead of ours
	LastUsed Time  `db:"last_used"`
	// ResyncStep is the moving factor of a first OTP seen outside the window, ResyncUntil when it is forgotten.
	ResyncStep  int64  `db:"resync_step"`
	ResyncUntil Time   `db:"resync_until"`
	SyncedAt    Time   `db:"synced_at"` // when counter and drift were learned from an OTP; 0 = not since the token was made or reset
	Asked       []byte `db:"asked"`     // the steps whose OTPs were answered OutOfSync, 8 bytes each: these never log in alone

	// Of an event-based token, Previous is less than Counter where an OTP of its seed was used, by whichever token, or the counter was
	// set by hand, and else the same: then nothing was used, and the counter is where the token was made. Of a time-based one it is
	// the step from which on Used has all steps that were used (otp.State's Known and Spent), 8 bytes each. Used is nil also in a
	// row of before it was kept.
	Previous int64  `db:"previous"`
	Used     []byte `db:"used"`
}

// OTP returns the state the OTP engine works on.
func (s *TokenState) OTP(p otp.Params) otp.State {
	return otpState(p, s.Counter, s.Drift, s.Previous, s.Used)
}

func otpState(p otp.Params, counter, drift, previous int64, used []byte) otp.State {
	st := otp.State{Next: counter, Drift: drift}
	if p.Algorithm == otp.TOTP {
		st.Known, st.Spent = previous, spent(string(p.Algorithm), counter, previous, used)
	}
	return st
}

// synced returns what is stored of a state after an OTP, or a pair of them, was accepted where the counter was before. Steps that
// answered OutOfSync and are passed now count as used, lest a mark that is taken back makes them good.
func synced(p otp.Params, before int64, next otp.State, asked []byte) (previous int64, used, left []byte) {
	if p.Algorithm == otp.TOTP {
		for i := range otp.Steps(asked).Len() {
			if step := otp.Steps(asked).At(i); step < next.Next {
				next = next.Spend(step)
			}
		}
		before = next.Known
	}
	return before, stepBytes(next.Spent), stepBytes(otp.Steps(asked).Keep(func(step int64) bool { return step >= next.Next }))
}

// resync is otp.Resync but for a pair whose second OTP has answered OutOfSync before, which is good as the first of two alone.
func resync(seed []byte, p otp.Params, st otp.State, asked []byte, now Time, window int64, first, second string) (otp.State, bool) {
	next, ok := otp.Resync(seed, p, st, now.Std().Unix(), int(window), first, second)
	return next, ok && !otp.Steps(asked).Has(next.Next-1)
}

// Resync synchronises the state by two consecutive OTPs, and says whether they do; a pending resynchronisation is then forgotten.
func (s *TokenState) Resync(seed []byte, p *Product, now Time, first, second string) bool {
	next, ok := resync(seed, p.OTP(), s.OTP(p.OTP()), s.Asked, now, p.ManualWindow, first, second)
	if ok {
		s.Previous, s.Used, s.Asked = synced(p.OTP(), s.Counter, next, s.Asked)
		s.Counter, s.Drift, s.SyncedAt, s.ResyncStep, s.ResyncUntil = next.Next, next.Drift, now, 0, 0
	}
	return ok
}

// Use returns what was used of the seed, as the state has it. A counter at which a token was made was not.
func (s *TokenState) Use(algorithm string) SeedUse {
	counter := s.Counter
	if algorithm != string(otp.TOTP) && counter == s.Previous && s.LastUsed == 0 {
		counter = 0
	}
	return use(algorithm, counter, s.Previous, s.Asked, s.Used)
}

// Inherit has a new token's state go on from what was used of its seed before. A counter that is higher already stays, and counts
// as used up to there, as store.Tx's RaiseMarks has it.
func (s *TokenState) Inherit(u SeedUse) {
	u = u.With(SeedUse{Asked: s.Asked, Used: s.Used})
	s.Asked, s.Used = u.Asked, u.Used
	switch {
	case u.Counter == 0:
	case u.Counter >= s.Counter:
		s.Previous, s.Counter = u.Previous, u.Counter
	case u.Events:
		s.Previous = min(s.Previous, s.Counter-1)
	default:
		s.Previous = max(s.Previous, u.Previous)
	}
}

// PassOver has a new time-based token's state, of steps of so many seconds, accept nothing of before a moment.
func (s *TokenState) PassOver(period int64, before Time) {
	next := before.Std().Unix()/period + 1
	if s.Drift > 0 || s.Drift < -otp.MaxWindow { // its clock is ahead, or counts from another beginning
		next += s.Drift
	}
	s.Inherit(use(string(otp.TOTP), next, next, s.Asked, s.Used).With(s.Use(string(otp.TOTP))))
}

// Reset clears drift and a pending resync. The counter moves only when given: an administrator's decision. A time-based
// token's mark never moves back, but for one that lies in the future, which is taken back (otp.Rewind): rewound says that it was.
func (s *TokenState) Reset(p otp.Params, counter *int64, now Time) (rewound bool, err error) {
	o := s.OTP(p)
	switch {
	case counter == nil:
		o, rewound = otp.Rewind(p, o, now.Std().Unix())
		s.Counter = o.Next
	case p.Algorithm == otp.HOTP:
		s.Previous, s.Counter = max(0, *counter-1), *counter
	case *counter < s.Counter:
		return false, AttrErrorf(Invalid, "attrs.counter", "a time-based token's used steps stay used: give nothing or at least %d", s.Counter)
	default:
		s.Counter = *counter
	}
	s.Used = stepBytes(o.Spent)
	s.Drift, s.ResyncStep, s.ResyncUntil, s.SyncedAt = 0, 0, 0, 0
	return rewound, nil
}

// CheckTokenStatus says whether a token may go from one status to another: DECEASED is final.
func CheckTokenStatus(from, to string) error {
	if from == Deceased && to != Deceased {
		return AttrErrorf(Invalid, "attrs.status", "a deceased token stays deceased")
	}
	return nil
}
