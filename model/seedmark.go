package model

import (
	"math"

	"tokensmith/model/otp"
)

// SeedUse says what was used of a seed, and which of its OTPs were answered with OutOfSync. All tokens that make the same OTPs
// have it in common, and so does the seed mark that the last of them leaves.
type SeedUse struct {
	Counter  int64  // the first counter or time step that may still be accepted; 0 if none was used
	Previous int64  // as in TokenState; less than Counter if something was used
	Asked    []byte // as a TokenState's
	Used     []byte // as a TokenState's
	Events   bool   // the seed is of event-based tokens
}

// use returns the SeedUse of a token state or a seed mark. For a time-based seed, the last step always counts as used.
func use(algorithm string, counter, previous int64, asked, used []byte) SeedUse {
	u := SeedUse{Counter: counter, Previous: counter - 1, Asked: asked, Events: algorithm == string(otp.HOTP)}
	if algorithm != string(otp.TOTP) || counter == 0 {
		u.Previous = max(0, u.Previous)
		return u
	}
	st := otp.State{Known: min(previous, counter-1), Spent: spent(algorithm, counter, previous, used)}
	if previous >= counter {
		st = st.WithUsed(counter - 1)
	}
	u.Previous, u.Used = st.Known, stepBytes(st.Spent)
	return u
}

// spent returns the steps that were used according to a token state or a seed mark. Older versions did not store them. For their
// rows, the last step counts as used, and so does the one before it, which may have been the first of a pair.
func spent(algorithm string, counter, previous int64, used []byte) otp.Steps {
	if algorithm != string(otp.TOTP) || used != nil || counter <= previous {
		return otp.Steps(used)
	}
	return otp.StepsOf(max(counter-2, previous), counter-1)
}

// stepBytes returns a list of steps as it is stored; nil if it is empty.
func stepBytes(s otp.Steps) []byte {
	if s == "" {
		return nil
	}
	return []byte(s)
}

// With returns the union of two SeedUses.
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
			st = st.WithUsed(otp.Steps(v.Used).At(i))
		}
	}
	return SeedUse{u.Counter, st.Known, stepBytes(asked), stepBytes(st.Spent), u.Events || v.Events}
}

// SeedMark keeps what was used of a seed that has no tokens any more. If a token is made with the seed again, it does not accept
// these OTPs a second time. While a seed has tokens, their states contain this, and there is no mark.
type SeedMark struct {
	ID        string `db:"id"`
	Digest    []byte `db:"digest"`     // sealed; SeedIndex is made from it
	SeedIndex []byte `db:"seed_index"` // as in Token
	Algorithm string `db:"algorithm"`  // OTPs depend on this, period, crypto and the seed; not on the digits, because six digits are the last six of eight
	Period    int64  `db:"period"`
	Crypto    string `db:"crypto"`
	Counter   int64  `db:"counter"` // the first counter or time step that may still be accepted
	Previous  int64  `db:"previous"`
	Asked     []byte `db:"asked"` // this, Previous and Used are as in TokenState
	Used      []byte `db:"used"`
	Until     Time   `db:"until"` // after this time no window contains its steps; 0 means never
}

// Use returns the SeedUse of the mark.
func (m *SeedMark) Use() SeedUse { return use(m.Algorithm, m.Counter, m.Previous, m.Asked, m.Used) }

// Mark returns the seed mark for a token that is being deleted. It returns false if nothing of the token was used, or answered
// with OutOfSync.
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

// markUntil returns the time after which no window contains a step before next. It allows for the widest possible window, and for
// the learned drift as well as for none. For counters there is no such time.
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
