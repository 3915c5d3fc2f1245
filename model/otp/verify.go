package otp

// State is what the server remembers of one token. The zero State belongs to a token that was never used and whose counter is 0.
type State struct {
	// Next is the first step that may still be accepted: for HOTP the counter C, for TOTP the step after the last accepted one.
	// Accepting a password only moves it up, so that a password is valid once.
	Next int64

	// Drift is how many steps a TOTP token's clock is ahead of the server's (negative: behind), as learned from the last accepted
	// password (RFC 6238, section 6). For HOTP it is 0.
	Drift int64

	// Spent lists the used steps of a TOTP token, completely from Known on. Which steps before Known were used is not known.
	// Spent matters after a Rewind: these steps stay used. For HOTP both are empty.
	Spent Steps
	Known int64
}

// MaxSpent is how many used steps are kept.
const MaxSpent = 16

// Used returns whether a step's password was used or passed over.
func (st State) Used(step int64) bool {
	return step < st.Next || st.Spent.Has(step)
}

// WithUsed returns the state with one more used step. If there are too many, the lowest is forgotten, and Known moves up
// accordingly.
func (st State) WithUsed(step int64) State {
	if step < st.Known {
		return st
	}
	st.Spent = st.Spent.With(step)
	for st.Spent.Len() > MaxSpent {
		st.Known, st.Spent = st.Spent.At(0)+1, st.Spent[stepBytes:]
	}
	return st
}

// Outcome is the result of checking one password. Its zero value accepts nothing.
type Outcome uint8

// The outcomes.
const (
	NoMatch  Outcome = iota // the password of no step in the window
	Match                   // the password of a step in the window that was never used
	Replayed                // the password of a step that was used or passed over
)

// Verify searches a password in a window. For HOTP these are the counters from Next to Next+window-1 (the look-ahead of RFC 4226,
// section 7.4). For TOTP these are window steps before and after the step that is expected at now, in seconds since 1970, with
// the learned drift (RFC 6238, section 5.2). A negative window is empty, and one above MaxWindow is treated as MaxWindow.
//
// The search goes outward from the expected step and stops at the first step that matches. It returns that step with Match or
// Replayed. It does not change the state; the caller must store the result of Accept. For HOTP the last window used counters are
// compared too, to detect a replay. The last accepted password is Replayed even if, by chance, it is also the password of a later
// step. A password that is not exactly Digits ASCII digits, parameters that fail Check, and an empty key give NoMatch.
func Verify(key []byte, p Params, st State, now int64, window int, otp string) (match int64, outcome Outcome) {
	return new(Search).Verify(key, p, st, now, window, otp)
}

// Search limits the cost of searching a password, and counts it. The zero Search searches the whole window.
type Search struct {
	Limit int64 // limit for the compared steps, beginning with the expected one and ending with used ones of HOTP; 0 means no limit
	Made  int64 // number of HMACs that were computed
}

// Verify is the function Verify with the limit.
func (s *Search) Verify(key []byte, p Params, st State, now int64, window int, otp string) (match int64, outcome Outcome) {
	code, ok := parse(otp, p.Digits)
	if !ok {
		return 0, NoMatch
	}
	return s.look(key, p, st, now, window, code)
}

// Miss does the computations of Verify for a password that matches no step.
func (s *Search) Miss(key []byte, p Params, st State, now int64, window int) {
	s.look(key, p, st, now, window, noCode)
}

func (s *Search) look(key []byte, p Params, st State, now int64, window int, code int32) (match int64, outcome Outcome) {
	g, ok := newGenerator(key, p)
	if !ok {
		return 0, NoMatch
	}
	defer func() { s.Made += g.made }()
	reach, used := p.window(st, now, window), p.used(st, window)
	more := func() bool { return s.Limit == 0 || g.made < s.Limit }
	for step := range reach.outward() {
		if !more() {
			return 0, NoMatch
		}
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
		if !more() {
			break
		}
		if g.is(step, code) {
			return step, Replayed
		}
	}
	return 0, NoMatch
}

// Accept returns the state after the password of step match was accepted at now, in seconds since 1970. That step and all before
// it are used, and the drift of a TOTP token is learned. If match is already used, as after Replayed, the state does not change.
func Accept(p Params, st State, now, match int64) State {
	if st.Used(match) || match > LastStep || p.Check() != nil {
		return st
	}
	st.Next = match + 1
	if p.Algorithm == TOTP {
		st.Drift = add(match, -p.Step(now))
		st = st.WithUsed(match)
	}
	return st
}

// AcceptPair is Accept for two consecutive passwords, which are both used. match is the step of the later one.
func AcceptPair(p Params, st State, now, match int64) State {
	after := Accept(p, st, now, match)
	if p.Algorithm == TOTP && after.Next != st.Next {
		after = after.WithUsed(match - 1)
	}
	return after
}

// Resync synchronizes a token whose counter or clock has left the window of Verify, with two consecutive passwords (RFC 4226,
// section 7.4). Both must be in the window as defined by Verify, neither may have been used, and second must be the password
// after first. It returns the state after second was accepted, and true; or the unchanged state, and false.
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

// Reset returns the state without the learned drift. Next does not change, so that no used password becomes valid again. Setting
// the counter of a HOTP token is a separate decision, and so is Rewind for a Next that is in the future.
func Reset(st State) State {
	st.Drift = 0
	return st
}

// Rewind returns the state with a TOTP Next that is in the future moved back to now, in seconds since 1970, and whether it moved.
// Without this, a password that was used while a clock was ahead would keep the owner out until that time has come. No past step
// becomes valid again, and neither does a future step that was used and is in Spent. If more steps were used than Spent keeps,
// Next moves back only to Known, because which steps before it were used is not known.
func Rewind(p Params, st State, now int64) (State, bool) {
	next := max(p.Step(now), st.Known, 0)
	if p.Algorithm != TOTP || p.Check() != nil || st.Next-1 <= p.Step(now) || next >= st.Next {
		return st, false
	}
	st.Next = next
	return st, true
}
