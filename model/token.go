package model

import (
	"tokensmith/model/otp"
)

// MinSeedBytes and MaxSeedBytes are the lengths of the shortest and the longest accepted seed.
const (
	MinSeedBytes = 10
	MaxSeedBytes = 256
)

// MaxSeedTokens is the largest number of tokens with the same seed. A login that uses an OTP of one must update all, while other
// logins wait.
const MaxSeedTokens = 1000

// Token is an OTP token: a device or app that makes one-time passwords from its seed.
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

	// SeedIndex is a keyed hash that finds the tokens with the same seed. SeedGroup is the id of the group of tokens that make
	// the same OTPs; nil if no other token does.
	SeedIndex []byte  `db:"seed_index"`
	SeedGroup *string `db:"seed_group"`

	// FormerIndex is the SeedIndex that older versions made, which distinguished seeds that are the same to HMAC; nil if it is
	// the same. It is set only when a token is made, because a seed mark may still have it.
	FormerIndex []byte
}

// TokenState is the part of a token that changes with every accepted OTP. It has its own table because it changes often.
type TokenState struct {
	TokenID string `db:"token_id"`
	// Counter is the first counter or time step that may still be accepted. For HOTP it is the next counter. For TOTP it is one
	// more than the last used time step, or 0 if none was used.
	Counter  int64 `db:"counter"`
	Drift    int64 `db:"drift"` // how many time steps the token's clock is ahead of the server's
	LastUsed Time  `db:"last_used"`
	// ResyncStep is the counter or time step of a first OTP outside the window. ResyncUntil is when it is forgotten.
	ResyncStep  int64  `db:"resync_step"`
	ResyncUntil Time   `db:"resync_until"`
	SyncedAt    Time   `db:"synced_at"` // when an OTP last set counter and drift; 0 if none did since the token was made or reset
	Asked       []byte `db:"asked"`     // the steps whose OTPs were answered with OutOfSync, 8 bytes each; such an OTP never logs in alone

	// For an event-based token, Previous is less than Counter if an OTP of its seed was used by any token, or if the counter was
	// set by hand. Otherwise Previous equals Counter. Then nothing was used, and Counter is where the token was made.
	//
	// For a time-based token, Used lists the used steps, 8 bytes each, completely from the step Previous on (Spent and Known in
	// otp.State). Rows from versions that did not store Used have nil.
	Previous int64  `db:"previous"`
	Used     []byte `db:"used"`
}

// OTP returns the state for package otp.
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

// synced returns what is stored of a state after an OTP or a pair of OTPs was accepted; before is the counter before that. Steps
// that were answered with OutOfSync and are below the counter now also count as used. Otherwise they would become valid again if
// the counter is moved back (otp.Rewind).
func synced(p otp.Params, before int64, next otp.State, asked []byte) (previous int64, used, left []byte) {
	if p.Algorithm == otp.TOTP {
		for i := range otp.Steps(asked).Len() {
			if step := otp.Steps(asked).At(i); step < next.Next {
				next = next.WithUsed(step)
			}
		}
		before = next.Known
	}
	return before, stepBytes(next.Spent), stepBytes(otp.Steps(asked).Keep(func(step int64) bool { return step >= next.Next }))
}

// resync is otp.Resync, but refuses a pair whose second OTP was answered with OutOfSync before. Such an OTP is valid only as the
// first of two.
func resync(seed []byte, p otp.Params, st otp.State, asked []byte, now Time, window int64, first, second string) (otp.State, bool) {
	next, ok := otp.Resync(seed, p, st, now.Std().Unix(), int(window), first, second)
	return next, ok && !otp.Steps(asked).Has(next.Next-1)
}

// Resync synchronizes the state with two consecutive OTPs, and returns whether it succeeded. It ends a pending resynchronization.
func (s *TokenState) Resync(seed []byte, p *Product, now Time, first, second string) bool {
	next, ok := resync(seed, p.OTP(), s.OTP(p.OTP()), s.Asked, now, p.ManualWindow, first, second)
	if ok {
		s.Previous, s.Used, s.Asked = synced(p.OTP(), s.Counter, next, s.Asked)
		s.Counter, s.Drift, s.SyncedAt, s.ResyncStep, s.ResyncUntil = next.Next, next.Drift, now, 0, 0
	}
	return ok
}

// Use returns what was used of the seed, according to the state. A counter at which a token was only made does not count as used.
func (s *TokenState) Use(algorithm string) SeedUse {
	counter := s.Counter
	if algorithm != string(otp.TOTP) && counter == s.Previous && s.LastUsed == 0 {
		counter = 0
	}
	return use(algorithm, counter, s.Previous, s.Asked, s.Used)
}

// Inherit makes a new token's state continue from what was used of its seed before. A higher counter in the state stays, and
// everything below it counts as used, as in RaiseMarks of package store.
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

// PassOver makes a new time-based token's state accept nothing from before a moment. period is in seconds.
func (s *TokenState) PassOver(period int64, before Time) {
	next := before.Std().Unix()/period + 1
	if s.Drift > 0 || s.Drift < -otp.MaxWindow { // its clock is ahead, or counts from another epoch
		next += s.Drift
	}
	s.Inherit(use(string(otp.TOTP), next, next, s.Asked, s.Used).With(s.Use(string(otp.TOTP))))
}

// Reset clears the drift and a pending resynchronization. It changes the counter only if counter is not nil, which only an
// administrator may decide. The counter of a time-based token never moves back, except if it is in the future (otp.Rewind);
// rewound says whether it did.
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

// CheckTokenStatus returns an error if a token may not go from one status to another. DECEASED is final.
func CheckTokenStatus(from, to string) error {
	if from == Deceased && to != Deceased {
		return AttrErrorf(Invalid, "attrs.status", "a deceased token stays deceased")
	}
	return nil
}
