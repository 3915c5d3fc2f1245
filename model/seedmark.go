package model

import (
	"math"

	"tokensmith/model/otp"
)

// SeedUse is what was used of a seed, and what it answered: all tokens that make the same OTPs go by one, and so does the mark
// that the last of them leaves.
type SeedUse struct {
	Counter  int64  // the first moving factor that may still be accepted; 0 = none was used
	Previous int64  // as a TokenState's, and below Counter where something was used
	Asked    []byte // as a TokenState's
	Used     []byte // as a TokenState's
	Events   bool   // the seed is an event-based one's
}

// use puts together what a state or a mark says. Of a time-based seed the last step always counts as used.
func use(algorithm string, counter, previous int64, asked, used []byte) SeedUse {
	u := SeedUse{Counter: counter, Previous: counter - 1, Asked: asked, Events: algorithm == string(otp.HOTP)}
	if algorithm != string(otp.TOTP) || counter == 0 {
		u.Previous = max(0, u.Previous)
		return u
	}
	st := otp.State{Known: min(previous, counter-1), Spent: spent(algorithm, counter, previous, used)}
	if previous >= counter {
		st = st.Spend(counter - 1)
	}
	u.Previous, u.Used = st.Known, stepBytes(st.Spent)
	return u
}

// spent returns the steps that a state or a mark says were used. One that was last written before they were kept says that the
// last step was, and maybe the one before it, as the first of a pair.
func spent(algorithm string, counter, previous int64, used []byte) otp.Steps {
	if algorithm != string(otp.TOTP) || used != nil || counter <= previous {
		return otp.Steps(used)
	}
	return otp.StepsOf(max(counter-2, previous), counter-1)
}

// stepBytes returns a list of steps as it is stored; nil = none.
func stepBytes(s otp.Steps) []byte {
	if s == "" {
		return nil
	}
	return []byte(s)
}

// With returns what both say.
func (u SeedUse) With(v SeedUse) SeedUse {
	asked := otp.Steps(u.Asked)
	for i := range otp.Steps(v.Asked).Len() {
		asked = asked.With(otp.Steps(v.Asked).At(i))
	}
	if u.Counter < v.Counter {
		u, v = v, u
	}
	st := otp.State{Known: u.Previous, Spent: otp.Steps(u.Used)}
	if v.Counter > 0 {
		st.Known = max(st.Known, min(v.Previous, u.Counter-1))
		for i := range otp.Steps(v.Used).Len() {
			st = st.Spend(otp.Steps(v.Used).At(i))
		}
	}
	return SeedUse{u.Counter, st.Known, stepBytes(asked), stepBytes(st.Spent), u.Events || v.Events}
}

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
	Previous  int64  `db:"previous"`
	Asked     []byte `db:"asked"` // these three are as a TokenState's
	Used      []byte `db:"used"`
	Until     Time   `db:"until"` // when no window reaches back to it any more; 0 = never
}

// Use returns what the mark says.
func (m *SeedMark) Use() SeedUse { return use(m.Algorithm, m.Counter, m.Previous, m.Asked, m.Used) }

// Mark returns what is to be remembered of a token that is deleted; false when nothing was used of it, and nothing asked for.
func (s *TokenState) Mark(p *Product) (SeedMark, bool) {
	u := s.Use(p.Algorithm)
	m := SeedMark{Algorithm: p.Algorithm, Period: p.Period, Crypto: p.Crypto, Counter: u.Counter, Previous: u.Previous, Asked: u.Asked, Used: u.Used}
	last := m.Counter
	for _, list := range [][]byte{u.Asked, u.Used} {
		if steps := otp.Steps(list); steps.Len() > 0 {
			last = max(last, steps.At(steps.Len()-1)+1)
		}
	}
	m.Until = markUntil(p.OTP(), last, s.Drift)
	return m, u.Counter > 0 || len(u.Asked)+len(u.Used) > 0
}

// markUntil returns the time at which the widest window there is has left all steps before next behind, for the clock that was
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
