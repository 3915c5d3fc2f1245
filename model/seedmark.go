package model

import (
	"math"

	"tokensmith/model/otp"
)

// SeedMark keeps what was used with a seed of which no token is left, so that one made again with it accepts nothing twice.
// While there are tokens of a seed, their states say it, and there is no mark.
type SeedMark struct {
	ID        string `db:"id"`
	Digest    []byte `db:"digest"`     // sealed; what SeedIndex is made of
	SeedIndex []byte `db:"seed_index"` // as a token's
	Algorithm string `db:"algorithm"`  // this, period and crypto are what OTPs depend on beside the seed: six digits are the last six of eight
	Period    int64  `db:"period"`
	Crypto    string `db:"crypto"`
	Counter   int64  `db:"counter"` // the first moving factor that may still be accepted
	Until     Time   `db:"until"`   // when no window reaches back to it any more; 0 = never
}

// Mark gives what is to be remembered of a token that is deleted; false when nothing was used of it.
func (s *TokenState) Mark(p *Product) (SeedMark, bool) {
	m := SeedMark{Algorithm: p.Algorithm, Period: p.Period, Crypto: p.Crypto, Counter: s.Counter}
	if s.Spent >= m.Counter {
		m.Counter = s.Spent + 1
	}
	m.Until = markUntil(p.OTP(), m.Counter, s.Drift)
	return m, s.Counter != s.Previous || s.LastUsed > 0 || s.Spent > 0
}

// markUntil gives the time at which the widest window there is has left all steps before next behind, for the clock that was
// learned as well as for a right one. A counter is never left behind.
func markUntil(p otp.Params, next, drift int64) Time {
	if p.Algorithm != otp.TOTP {
		return 0
	}
	steps := float64(next) + otp.MaxWindow + float64(max(0, -drift))
	if until := steps * float64(p.Period) * 1000; until < math.MaxInt64/2 {
		return Time(until)
	}
	return 0
}
