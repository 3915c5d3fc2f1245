package otp_test

import (
	"math"
	"slices"
	"testing"

	"tokensmith/model/otp"
)

// now is a time in the middle of time step 1000, with a period of 30 seconds.
const now = 1000*30 + 15

func TestVerify(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		p      otp.Params
		st     otp.State
		window int
		step   int64 // whose password is given
		want   otp.Outcome
	}{
		{"a counter of 0", hotp6, otp.State{}, 1, 0, otp.Match},
		{"the expected counter", hotp6, otp.State{Next: 100}, 1, 100, otp.Match},
		{"one past a window of 1", hotp6, otp.State{Next: 100}, 1, 101, otp.NoMatch},
		{"the last counter of the window", hotp6, otp.State{Next: 100}, 10, 109, otp.Match},
		{"one past the window", hotp6, otp.State{Next: 100}, 10, 110, otp.NoMatch},
		{"the last used counter", hotp6, otp.State{Next: 100}, 10, 99, otp.Replayed},
		{"the oldest counter looked back to", hotp6, otp.State{Next: 100}, 10, 90, otp.Replayed},
		{"one before the oldest", hotp6, otp.State{Next: 100}, 10, 89, otp.NoMatch},
		{"a used counter, less than a window of them", hotp6, otp.State{Next: 3}, 10, 0, otp.Replayed},
		{"a window of no counters", hotp6, otp.State{Next: 100}, 0, 100, otp.NoMatch},
		{"a negative window of counters", hotp6, otp.State{Next: 100}, -1, 100, otp.NoMatch},
		{"HOTP does not look at the drift", hotp6, otp.State{Next: 100, Drift: 7}, 1, 100, otp.Match},
		{"the last counter of all", hotp6, otp.State{Next: otp.LastStep}, 10, otp.LastStep, otp.Match},
		{"beyond the last counter of all", hotp6, otp.State{Next: math.MaxInt64}, 10, math.MaxInt64, otp.NoMatch},
		{"the last counter of all, again", hotp6, otp.State{Next: math.MaxInt64}, 10, otp.LastStep, otp.Replayed},
		{"the end of the widest window", hotp6, otp.State{Next: 5}, math.MaxInt, 5 + otp.MaxWindow - 1, otp.Match},
		{"past the widest window", hotp6, otp.State{Next: 5}, math.MaxInt, 5 + otp.MaxWindow, otp.NoMatch},

		{"the step of now", totp30, otp.State{}, 0, 1000, otp.Match},
		{"one step ahead of a window of 0", totp30, otp.State{}, 0, 1001, otp.NoMatch},
		{"one step behind a window of 0", totp30, otp.State{}, 0, 999, otp.NoMatch},
		{"a negative window of steps", totp30, otp.State{}, -1, 1000, otp.NoMatch},
		{"the last step of the window", totp30, otp.State{}, 2, 1002, otp.Match},
		{"one past the last step", totp30, otp.State{}, 2, 1003, otp.NoMatch},
		{"the first step of the window", totp30, otp.State{}, 2, 998, otp.Match},
		{"one before the first step", totp30, otp.State{}, 2, 997, otp.NoMatch},
		{"the last accepted step", totp30, otp.State{Next: 1001}, 2, 1000, otp.Replayed},
		{"the step after it", totp30, otp.State{Next: 1001}, 2, 1001, otp.Match},
		{"a step passed over", totp30, otp.State{Next: 1001}, 2, 999, otp.Replayed},
		{"a used step that left the window", totp30, otp.State{Next: 1001}, 2, 997, otp.NoMatch},
		{"a clock ahead", totp30, otp.State{Drift: 40}, 2, 1042, otp.Match},
		{"a clock further ahead than learned", totp30, otp.State{Drift: 40}, 2, 1043, otp.NoMatch},
		{"a clock ahead, the server's own step", totp30, otp.State{Drift: 40}, 2, 1000, otp.NoMatch},
		{"a clock behind", totp30, otp.State{Drift: -40}, 2, 958, otp.Match},
		{"a clock further behind than learned", totp30, otp.State{Drift: -40}, 2, 957, otp.NoMatch},
		{"a clock before 1970", totp30, otp.State{Drift: -1001}, 2, 1, otp.Match},
		{"the end of the widest window of steps", totp30, otp.State{}, math.MaxInt, 1000 + otp.MaxWindow, otp.Match},
		{"past the widest window of steps", totp30, otp.State{}, math.MaxInt, 1001 + otp.MaxWindow, otp.NoMatch},
		{"a drift past all steps", totp30, otp.State{Drift: math.MaxInt64}, 2, otp.LastStep, otp.Match},
		{"a drift before all steps", totp30, otp.State{Drift: math.MinInt64}, 2, 0, otp.NoMatch},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			code := otp.Generate(key20, uint64(test.step), test.p)
			step, got := otp.Verify(key20, test.p, test.st, now, test.window, code)
			if got != test.want {
				t.Fatalf("the password of step %d gives outcome %d, want %d", test.step, got, test.want)
			}
			if got != otp.NoMatch && step != test.step {
				t.Errorf("matched step %d, want %d", step, test.step)
			}
			if in := inWindow(test.p, test.st, now, test.window, test.step); got == otp.Match && !in {
				t.Errorf("matched a step that Among leaves out")
			}
		})
	}
}

func TestVerifyTakesExactlyTheDigits(t *testing.T) {
	t.Parallel()
	st := otp.State{Next: 1} // whose code is 287082, 94287082 in eight digits
	for _, code := range []string{
		"", "28708", "94287082", "0287082", "2870820", " 287082", "287082 ", "287082\n", "+87082", "28708a", "-28708",
		"28708\x00", "２８７０８２", "28\u0660082",
	} {
		if _, outcome := otp.Verify(key20, hotp6, st, 0, 10, code); outcome != otp.NoMatch {
			t.Errorf("%q gives %v", code, outcome)
		}
	}
	if _, outcome := otp.Verify(key20, hotp6, st, 0, 10, "287082"); outcome != otp.Match {
		t.Errorf("the password itself gives %v", outcome)
	}
}

// Some steps have the same password by chance, so the step that a search reports shows where it began.
func TestVerifyStopsAtTheStepNearestToTheExpectedOne(t *testing.T) {
	t.Parallel()
	near, far := twins(t, totp30)
	if _, outcome := otp.Verify(key20, totp30, otp.State{}, near*30, int(far-near), otp.Generate(key20, uint64(far), totp30)); outcome != otp.Match {
		t.Fatalf("outcome %v", outcome)
	}
	for _, expected := range []int64{near, far} {
		step, _ := otp.Verify(key20, totp30, otp.State{}, expected*30, int(far-near), otp.Generate(key20, uint64(far), totp30))
		if step != expected {
			t.Errorf("a search from step %d stops at %d", expected, step)
		}
	}
}

// A password that was just accepted stays refused, even if a later step in the window has the same one.
func TestVerifyRefusesTheLastPasswordUnderALaterStep(t *testing.T) {
	t.Parallel()
	for _, p := range []otp.Params{hotp6, totp30} {
		near, far := twins(t, p)
		code := otp.Generate(key20, uint64(far), p)
		st := otp.Accept(p, otp.State{}, near*30, near)
		if step, outcome := otp.Verify(key20, p, st, far*30, int(far-near)+1, code); outcome != otp.Replayed || step != near {
			t.Errorf("%s: step %d, outcome %v", p.Algorithm, step, outcome)
		}
		st.Next++ // now the last used step is another one, and the password a new one
		if step, outcome := otp.Verify(key20, p, st, far*30, int(far-near)+1, code); outcome != otp.Match || step != far {
			t.Errorf("%s, one step on: step %d, outcome %v", p.Algorithm, step, outcome)
		}
	}
}

// twins returns two steps of the RFC's key with the same password, less than the widest window apart.
func twins(t *testing.T, p otp.Params) (near, far int64) {
	t.Helper()
	seen := map[string]int64{}
	for step := range int64(otp.MaxWindow) {
		code := otp.Generate(key20, uint64(step), p)
		if near, ok := seen[code]; ok {
			return near, step
		}
		seen[code] = step
	}
	t.Fatal("no two steps share a password")
	return 0, 0
}

func TestAccept(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name       string
		p          otp.Params
		st         otp.State
		now, match int64
		want       otp.State
	}{
		{"the expected counter", hotp6, otp.State{Next: 100}, now, 100, otp.State{Next: 101}},
		{"a later counter", hotp6, otp.State{Next: 100}, now, 105, otp.State{Next: 106}},
		{"the last counter of all", hotp6, otp.State{Next: 100}, now, otp.LastStep, otp.State{Next: math.MaxInt64}},
		{"more than the last counter of all", hotp6, otp.State{Next: 100}, now, math.MaxInt64, otp.State{Next: 100}},
		{"a used counter", hotp6, otp.State{Next: 100}, now, 99, otp.State{Next: 100}},
		{"the step of now", totp30, otp.State{}, now, 1000, otp.State{Next: 1001, Spent: otp.StepsOf(1000)}},
		{"a clock ahead", totp30, otp.State{}, now, 1002, otp.State{Next: 1003, Drift: 2, Spent: otp.StepsOf(1002)}},
		{"a clock behind", totp30, otp.State{Drift: 1}, now, 998, otp.State{Next: 999, Drift: -2, Spent: otp.StepsOf(998)}},
		{"a clock set right", totp30, otp.State{Next: 7, Drift: -40}, now, 1000, otp.State{Next: 1001, Spent: otp.StepsOf(1000)}},
		{"a used step", totp30, otp.State{Next: 1001, Drift: 3}, now, 1000, otp.State{Next: 1001, Drift: 3}},
		{"before all time", totp30, otp.State{}, math.MinInt64, 0, otp.State{Next: 1, Drift: -(math.MinInt64 / 30) + 1, Spent: otp.StepsOf(0)}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := otp.Accept(test.p, test.st, test.now, test.match); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

// A token whose clock runs fast stays inside a narrow window as long as it is used.
func TestLearnedDriftFollowsTheClock(t *testing.T) {
	t.Parallel()
	var st otp.State
	for day := range int64(200) {
		at := day * 86_400
		shown := totp30.Step(at) + day // a step a day
		step, outcome := otp.Verify(key20, totp30, st, at, 2, otp.Generate(key20, uint64(shown), totp30))
		if outcome != otp.Match {
			t.Fatalf("day %d: outcome %v", day, outcome)
		}
		st = otp.Accept(totp30, st, at, step)
		if st.Drift != day {
			t.Fatalf("day %d: drift %d", day, st.Drift)
		}
	}
}

// TestRewind: Next moves back to now, and nothing that was used becomes valid again, however much was used. If more was used than
// is kept, Next does not move back before what was forgotten.
func TestRewind(t *testing.T) {
	t.Parallel()
	for used := int64(1); used <= 3*otp.MaxSpent; used++ {
		st := otp.Accept(totp30, otp.State{}, now, 990)
		for n := range used { // each step but one, hours ahead
			st = otp.Accept(totp30, st, now+7200, 1200+2*n)
		}
		back, _ := otp.Rewind(totp30, st, now)
		if used < otp.MaxSpent && back.Next != 1000 {
			t.Errorf("%d used: the mark is %d, not 1000", used, back.Next)
		}
		for step := range st.Next {
			was := step == 990 || step >= 1200 && step%2 == 0
			if (was || step < 1000) && !back.Used(step) {
				t.Errorf("%d used: step %d is good again", used, step)
			}
		}
		// Others are used from there on, and what was used ahead is remembered for good.
		for step := back.Next; step < st.Next; step++ {
			if !back.Used(step) {
				back = otp.Accept(totp30, back, step*30, step)
			}
			if back.Spent.Len() > otp.MaxSpent {
				t.Fatalf("%d steps are kept", back.Spent.Len())
			}
			again, _ := otp.Rewind(totp30, back, now)
			for was := int64(1200); was < st.Next; was += 2 {
				if !back.Used(was) || !again.Used(was) {
					t.Fatalf("%d used: step %d is good again after %d", used, was, step)
				}
			}
		}
	}
	if _, rewound := otp.Rewind(totp30, otp.State{Next: 1001}, now); rewound {
		t.Error("a mark of now is taken back")
	}
	if _, rewound := otp.Rewind(hotp6, otp.State{Next: 5000}, now); rewound {
		t.Error("a counter is taken back")
	}
	if back, rewound := otp.Rewind(totp30, otp.State{Next: 1200, Known: 1150}, now); !rewound || back.Next != 1150 {
		t.Errorf("what was used before 1150 is not known, and the mark is %d", back.Next)
	}
}

func TestResetKeepsTheReplayMark(t *testing.T) {
	t.Parallel()
	if got, want := otp.Reset(otp.State{Next: 1001, Drift: 5}), (otp.State{Next: 1001}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// inWindow returns whether a window of n steps, as in Verify, contains a step.
func inWindow(p otp.Params, st otp.State, now int64, n int, step int64) bool {
	codes := int64(min(n, otp.MaxWindow))
	if p.Algorithm == otp.TOTP {
		codes = 2*codes + 1
	}
	return otp.Among(p, st, now, codes, step)
}

func TestAmong(t *testing.T) {
	t.Parallel()
	st := otp.State{Next: 7, Drift: -1}
	for p, want := range map[otp.Params][]int64{totp30: {99, 98, 100, 97, 101, 96}, hotp6: {7, 8, 9, 10, 11, 12}} {
		for n := range want {
			for step := range int64(200) {
				if got := otp.Among(p, st, 100*30, int64(n), step); got != slices.Contains(want[:n], step) {
					t.Errorf("%s: step %d among the first %d: %t", p.Algorithm, step, n, got)
				}
			}
		}
	}
}

// TestSearch: a search with a limit finds what is within the limit. A search that finds nothing costs as much as one for a wrong
// password.
func TestSearch(t *testing.T) {
	t.Parallel()
	const now = 1_111_111_109
	for _, p := range []otp.Params{hotp6, totp30} {
		st := otp.State{Next: 500}
		made := func(most int64, code string) (otp.Outcome, int64) {
			s := otp.Search{Limit: most}
			_, outcome := s.Verify(key20, p, st, now, 10, code)
			return outcome, s.Made
		}
		far := otp.Generate(key20, uint64(st.Next+4), p) // the fifth counter, the ninth step
		if p.Algorithm == otp.TOTP {
			far = otp.Generate(key20, uint64(p.Step(now)+4), p)
		}
		at := map[otp.Algorithm]int64{otp.HOTP: 5, otp.TOTP: 9}[p.Algorithm]
		for most, want := range map[int64]otp.Outcome{0: otp.Match, at: otp.Match, at - 1: otp.NoMatch} {
			if got, n := made(most, far); got != want || most > 0 && n > most+1 {
				t.Errorf("%s within %d: outcome %d, %d HMACs", p.Algorithm, most, got, n)
			}
		}
		for _, most := range []int64{0, 1, 7, 15} {
			want := p.Compared(10)
			if most > 0 {
				want = most
			}
			miss := otp.Search{Limit: most}
			miss.Miss(key20, p, st, now, 10)
			if outcome, n := made(most, "000000"); outcome != otp.NoMatch || n != want || miss.Made != want {
				t.Errorf("%s within %d: outcome %d, %d HMACs, a miss %d, not %d", p.Algorithm, most, outcome, n, miss.Made, want)
			}
		}
	}
}
