package otp

import (
	"iter"
	"math"
)

// span is a range of steps to search, from first to last, beginning at expected. All are from 0 to LastStep. The empty span is
// none.
type span struct{ first, expected, last int64 }

var none = span{first: 0, expected: 0, last: -1}

// newSpan limits a range to the valid steps. An expected step outside the range moves to the nearest step inside.
func newSpan(first, expected, last int64) span {
	first, last = max(first, 0), min(last, LastStep)
	if first > last {
		return none
	}
	return span{first, min(max(expected, first), last), last}
}

// window returns the steps of a window of n: for HOTP the counters from Next to Next+n-1; for TOTP the n steps before and after
// the step that is expected at now with the learned drift, including used ones.
func (p Params) window(st State, now int64, n int) span {
	n = min(n, MaxWindow)
	if n < 0 {
		return none
	}
	if p.Algorithm == HOTP {
		return newSpan(st.Next, st.Next, add(st.Next, int64(n)-1))
	}
	expected := add(p.Step(now), st.Drift)
	return newSpan(add(expected, -int64(n)), expected, add(expected, int64(n)))
}

// used returns the steps that a rejected HOTP password is compared with to distinguish a replay from a wrong password: the n
// counters before Next, latest first. For TOTP the window already contains the used steps.
func (p Params) used(st State, n int) span {
	n = min(n, MaxWindow)
	if p.Algorithm != HOTP || n < 1 {
		return none
	}
	return newSpan(add(st.Next, -int64(n)), add(st.Next, -1), add(st.Next, -1))
}

// outward yields the steps in the order of their distance from the expected one. Of two with the same distance, the later is first.
func (s span) outward() iter.Seq[int64] {
	return func(yield func(int64) bool) {
		up, down := s.expected, s.expected-1
		for up <= s.last || down >= s.first {
			if up <= s.last {
				if !yield(up) {
					return
				}
				up++
			}
			if down >= s.first {
				if !yield(down) {
					return
				}
				down--
			}
		}
	}
}

// Compared returns how many steps Verify compares a password with at most, in a window of n.
func (p Params) Compared(n int) int64 {
	n = max(0, min(n, MaxWindow))
	if p.Algorithm == HOTP {
		return 2 * int64(n) // and as many used ones
	}
	return 2*int64(n) + 1
}

func (s span) holds(step int64) bool { return s.first <= step && step <= s.last }

// Among returns whether a step is one of the first n steps of a search that goes outward from the expected step. For HOTP these are
// the counters from Next to Next+n-1; for TOTP the expected step, the one before it, the one after it, and so on. With it, a caller
// that searched a wide window learns whether the match is in a narrower one.
func Among(p Params, st State, now, n, step int64) bool {
	if p.Check() != nil || n < 1 || step < 0 || step > LastStep {
		return false
	}
	if p.Algorithm == HOTP {
		return step >= st.Next && step-st.Next < n
	}
	expected := add(p.Step(now), st.Drift)
	if expected < -n || expected-n > LastStep {
		return false
	}
	away := step - expected
	if away > 0 {
		return away <= (n-1)/2
	}
	return -away <= n/2
}

// add returns a+b, limited to the range of int64 instead of wrapping around.
func add(a, b int64) int64 {
	switch {
	case b > 0 && a > math.MaxInt64-b:
		return math.MaxInt64
	case b < 0 && a < math.MinInt64-b:
		return math.MinInt64
	}
	return a + b
}
