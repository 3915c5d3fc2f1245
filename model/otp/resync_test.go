package otp_test

import (
	"math"
	"testing"

	"tokensmith/model/otp"
)

func TestResync(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name          string
		p             otp.Params
		st            otp.State
		window        int
		first, second int64 // steps whose passwords are given
		want          otp.State
		ok            bool
	}{
		{"far ahead", hotp6, otp.State{Next: 400}, 200, 500, 501, otp.State{Next: 502}, true},
		{"not consecutive", hotp6, otp.State{Next: 400}, 200, 500, 502, otp.State{Next: 400}, false},
		{"in the wrong order", hotp6, otp.State{Next: 400}, 200, 501, 500, otp.State{Next: 400}, false},
		{"one password twice", hotp6, otp.State{Next: 400}, 200, 500, 500, otp.State{Next: 400}, false},
		{"both used", hotp6, otp.State{Next: 502}, 200, 500, 501, otp.State{Next: 502}, false},
		{"the first used", hotp6, otp.State{Next: 501}, 200, 500, 501, otp.State{Next: 501}, false},
		{"the first just not used", hotp6, otp.State{Next: 500}, 200, 500, 501, otp.State{Next: 502}, true},
		{"at the end of the window", hotp6, otp.State{Next: 400}, 200, 598, 599, otp.State{Next: 600}, true},
		{"the second past the window", hotp6, otp.State{Next: 400}, 200, 599, 600, otp.State{Next: 400}, false},
		{"both past the window", hotp6, otp.State{Next: 400}, 200, 600, 601, otp.State{Next: 400}, false},
		{"a window of two", hotp6, otp.State{Next: 400}, 2, 400, 401, otp.State{Next: 402}, true},
		{"a window of one has no pair", hotp6, otp.State{Next: 400}, 1, 400, 401, otp.State{Next: 400}, false},
		{"the last pair of all", hotp6, otp.State{Next: otp.LastStep - 100}, 200, otp.LastStep - 1, otp.LastStep, otp.State{Next: math.MaxInt64}, true},
		{"past the last pair of all", hotp6, otp.State{Next: otp.LastStep}, 200, otp.LastStep, math.MaxInt64, otp.State{Next: otp.LastStep}, false},

		{"a clock ahead", totp30, otp.State{}, 60, 1030, 1031, otp.State{Next: 1032, Drift: 31, Spent: otp.StepsOf(1030, 1031)}, true},
		{"a clock behind", totp30, otp.State{}, 60, 960, 961, otp.State{Next: 962, Drift: -39, Spent: otp.StepsOf(960, 961)}, true},
		{"from a learned drift", totp30, otp.State{Drift: 100}, 60, 1159, 1160, otp.State{Next: 1161, Drift: 160, Spent: otp.StepsOf(1159, 1160)}, true},
		{"the second step past the window", totp30, otp.State{}, 60, 1060, 1061, otp.State{}, false},
		{"the last pair of steps", totp30, otp.State{}, 60, 1059, 1060, otp.State{Next: 1061, Drift: 60, Spent: otp.StepsOf(1059, 1060)}, true},
		{"the first pair of steps", totp30, otp.State{}, 60, 940, 941, otp.State{Next: 942, Drift: -59, Spent: otp.StepsOf(940, 941)}, true},
		{"the first step before the window", totp30, otp.State{}, 60, 939, 940, otp.State{}, false},
		{"the first step used", totp30, otp.State{Next: 1001}, 60, 1000, 1001, otp.State{Next: 1001}, false},
		{"the first step just not used", totp30, otp.State{Next: 1000}, 60, 1000, 1001, otp.State{Next: 1002, Drift: 1, Spent: otp.StepsOf(1000, 1001)}, true},
		{"steps in the wrong order", totp30, otp.State{}, 60, 1001, 1000, otp.State{}, false},
		{"steps with one between", totp30, otp.State{}, 60, 1000, 1002, otp.State{}, false},
		{"a window of the step of now only", totp30, otp.State{}, 0, 1000, 1001, otp.State{}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			first := otp.Generate(key20, uint64(test.first), test.p)
			second := otp.Generate(key20, uint64(test.second), test.p)
			got, ok := otp.Resync(key20, test.p, test.st, now, test.window, first, second)
			if ok != test.ok || got != test.want {
				t.Errorf("got %+v, %v; want %+v, %v", got, ok, test.want, test.ok)
			}
		})
	}
}

// After resynchronising on the passwords of 100 and 101, that of 101 is used and that of 102 is the next.
func TestResyncUsesBothPasswords(t *testing.T) {
	t.Parallel()
	code := func(step uint64) string { return otp.Generate(key20, step, hotp6) }
	st, ok := otp.Resync(key20, hotp6, otp.State{}, 0, 200, code(100), code(101))
	if !ok {
		t.Fatal("not resynchronised")
	}
	for step, want := range map[uint64]otp.Outcome{100: otp.Replayed, 101: otp.Replayed, 102: otp.Match} {
		if _, got := otp.Verify(key20, hotp6, st, 0, 10, code(step)); got != want {
			t.Errorf("the password of %d gives %v, want %v", step, got, want)
		}
	}
	if _, ok := otp.Resync(key20, hotp6, st, 0, 200, code(100), code(101)); ok {
		t.Error("the same pair resynchronised twice")
	}
}

func TestResyncTakesExactlyTheDigits(t *testing.T) {
	t.Parallel()
	first, second := otp.Generate(key20, 5, hotp6), otp.Generate(key20, 6, hotp6)
	for _, pair := range [][2]string{{"", ""}, {first, ""}, {"", second}, {first + " ", second}, {first, " " + second}} {
		if _, ok := otp.Resync(key20, hotp6, otp.State{}, 0, 10, pair[0], pair[1]); ok {
			t.Errorf("%q resynchronised", pair)
		}
	}
}
