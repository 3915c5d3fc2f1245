package otp

// State is what the server remembers of one token. The zero State is that of a token never used, with the counter
// at 0.
type State struct {
	// Next is the first step that may still be accepted: the counter C of HOTP, the step after the last accepted
	// one of TOTP. Acceptance only moves it up; it is the mark that makes a password valid once.
	Next int64

	// Drift is the number of steps a TOTP token's clock is ahead (+) of or behind (-) the server's, as learned
	// from its last accepted password (RFC 6238 section 6). HOTP leaves it 0.
	Drift int64

	// Spent are the steps of a TOTP token that were used, as far as they are kept, from Known on: what was used before that is
	// not known. They matter where a mark is taken back (Rewind), and stay used then. HOTP leaves both empty.
	Spent Steps
	Known int64
}

// MaxSpent is how many of the steps that were used are kept.
const MaxSpent = 16

// Used reports whether a step's password was used or passed over.
func (st State) Used(step int64) bool {
	return step < st.Next || st.Spent.Has(step)
}

// Spend returns the state with a step among those that were used. Of too many the lowest is forgotten, and Known says so.
func (st State) Spend(step int64) State {
	if step < st.Known {
		return st
	}
	st.Spent = st.Spent.With(step)
	for st.Spent.Len() > MaxSpent {
		st.Known, st.Spent = st.Spent.At(0)+1, st.Spent[stepBytes:]
	}
	return st
}

// Outcome is the answer to one password. Its zero value accepts nothing.
type Outcome uint8

// The outcomes.
const (
	NoMatch  Outcome = iota // the password of no step in the window
	Match                   // the password of a step in the window that was never used
	Replayed                // the password of a step that was used or passed over
)

// Verify looks for a password in a window of that many steps: for HOTP the counters Next...Next+window-1 (the
// look-ahead of RFC 4226 section 7.4), for TOTP window steps either side of the one expected at now, in seconds
// since 1970, with the learned drift (RFC 6238 section 5.2). A negative window holds nothing; one above MaxWindow
// is MaxWindow.
//
// It searches outward from the expected step and stops at the first that fits, whose number it returns with Match
// or Replayed. The state is not changed: the caller stores Accept's. For HOTP the last window used counters are
// compared too, to name a replay. The last accepted password is Replayed even where chance makes it the password of
// a later step as well. A password that is not exactly Digits ASCII digits, parameters that fail Check and an empty
// key are NoMatch.
func Verify(key []byte, p Params, st State, now int64, window int, otp string) (match int64, outcome Outcome) {
	code, ok := parse(otp, p.Digits)
	if !ok {
		return 0, NoMatch
	}
	g, ok := newGenerator(key, p)
	if !ok {
		return 0, NoMatch
	}
	reach, used := p.window(st, now, window), p.used(st, window)
	for step := range reach.outward() {
		if !g.is(step, code) {
			continue
		}
		if st.Used(step) {
			return step, Replayed
		}
		if last := st.Next - 1; (used.holds(last) || reach.holds(last)) && g.is(last, code) {
			return last, Replayed
		}
		return step, Match
	}
	for step := range used.outward() {
		if g.is(step, code) {
			return step, Replayed
		}
	}
	return 0, NoMatch
}

// Accept returns the state after the password of step match was accepted at now, in seconds since 1970: that step
// and all before it are used, and a TOTP token's drift is learned from it. A match that is already used, as Replayed
// gives, changes nothing.
func Accept(p Params, st State, now, match int64) State {
	if st.Used(match) || match > LastStep || p.Check() != nil {
		return st
	}
	st.Next = match + 1
	if p.Algorithm == TOTP {
		st.Drift = add(match, -p.Step(now))
		st = st.Spend(match)
	}
	return st
}

// AcceptPair is Accept for two consecutive passwords, of which the later one has step match: both are used.
func AcceptPair(p Params, st State, now, match int64) State {
	after := Accept(p, st, now, match)
	if p.Algorithm == TOTP && after.Next != st.Next {
		after = after.Spend(match - 1)
	}
	return after
}

// Resync brings a token back whose counter or clock has left the window of Verify, from two consecutive passwords
// (RFC 4226 section 7.4). Both must lie in the window, as Verify defines it, both must never have been used, and
// second must be the one right after first. It returns the state after second was accepted and true, or the state
// as it was and false.
func Resync(key []byte, p Params, st State, now int64, window int, first, second string) (State, bool) {
	code1, ok1 := parse(first, p.Digits)
	code2, ok2 := parse(second, p.Digits)
	if !ok1 || !ok2 {
		return st, false
	}
	g, ok := newGenerator(key, p)
	if !ok {
		return st, false
	}
	reach := p.window(st, now, window)
	for step := range reach.outward() {
		if !st.Used(step) && !st.Used(step+1) && step < reach.last && g.is(step, code1) && g.is(step+1, code2) {
			return AcceptPair(p, st, now, step+1), true
		}
	}
	return st, false
}

// Reset returns the state without its learned drift. Next stays, so that no password used before becomes valid
// again; moving a HOTP counter is a separate decision, made by setting Next, and so is taking back a mark that lies in the
// future, by Rewind.
func Reset(st State) State {
	st.Drift = 0
	return st
}

// Rewind returns the state with a TOTP mark that lies in the future taken back to now, in seconds since 1970, and whether it
// was: a password used while a clock was ahead would else refuse its owner until that time has come. No step of the past
// becomes valid again, nor does one that was used of the future, which Spent keeps. Where more was used than that keeps, the
// mark goes back no further than to Known: what was used before is not known, and nothing of it is accepted.
func Rewind(p Params, st State, now int64) (State, bool) {
	next := max(p.Step(now), st.Known, 0)
	if p.Algorithm != TOTP || p.Check() != nil || st.Next-1 <= p.Step(now) || next >= st.Next {
		return st, false
	}
	st.Next = next
	return st, true
}
