package otp_test

import (
	"math"
	"testing"

	"tokensmith/model/otp"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*otp.Params)
		want   string // "" is no error
	}{
		{"as is", func(p *otp.Params) {}, ""},
		{"eight digits", func(p *otp.Params) { p.Digits = 8 }, ""},
		{"SHA-256", func(p *otp.Params) { p.Hash = "HmacSHA256" }, ""},
		{"SHA-512", func(p *otp.Params) { p.Hash = "HmacSHA512" }, ""},
		{"a counter needs no period", func(p *otp.Params) { p.Algorithm, p.Period = "HOTP", 0 }, ""},
		{"no algorithm", func(p *otp.Params) { p.Algorithm = "" }, "algorithm must be HOTP or TOTP"},
		{"small letters", func(p *otp.Params) { p.Algorithm = "totp" }, "algorithm must be HOTP or TOTP"},
		{"seven digits", func(p *otp.Params) { p.Digits = 7 }, "digits must be 6 or 8"},
		{"no digits", func(p *otp.Params) { p.Digits = 0 }, "digits must be 6 or 8"},
		{"period 0", func(p *otp.Params) { p.Period = 0 }, "period must be at least one second"},
		{"negative period", func(p *otp.Params) { p.Period = -30 }, "period must be at least one second"},
		{"MD5", func(p *otp.Params) { p.Hash = "HmacMD5" }, "crypto must be HmacSHA1, HmacSHA256 or HmacSHA512"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := totp30
			test.change(&p)
			got := ""
			if err := p.Check(); err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if usable := otp.Generate(key20, 1, p) != ""; usable != (test.want == "") {
				t.Errorf("Generate gives a password: %v", usable)
			}
		})
	}
}

// Parameters that fail Check, and an empty key, accept nothing, even if the same search would otherwise find a match.
func TestNothingIsAcceptedUnderUnusableParameters(t *testing.T) {
	t.Parallel()
	code1, code2 := otp.Generate(key20, 1, totp30), otp.Generate(key20, 2, totp30)
	noPeriod, noHash := totp30, totp30
	noPeriod.Period, noHash.Hash = 0, ""
	for name, in := range map[string]struct {
		key []byte
		p   otp.Params
	}{
		"period 0":      {key20, noPeriod},
		"no hash":       {key20, noHash},
		"no parameters": {key20, otp.Params{}},
		"no key":        {nil, totp30},
	} {
		st := otp.State{Next: 1, Drift: 1}
		if _, outcome := otp.Verify(in.key, in.p, st, 30, 5, code1); outcome != otp.NoMatch {
			t.Errorf("%s: Verify gives %v", name, outcome)
		}
		if got, ok := otp.Resync(in.key, in.p, st, 30, 5, code1, code2); ok || got != st {
			t.Errorf("%s: Resync gives %v, %v", name, got, ok)
		}
		if in.key != nil {
			if got := otp.Accept(in.p, st, 30, 1); got != st {
				t.Errorf("%s: Accept gives %v", name, got)
			}
			if inWindow(in.p, st, 30, 5, 1) {
				t.Errorf("%s: Among", name)
			}
		}
	}
}

func TestStep(t *testing.T) {
	t.Parallel()
	tests := []struct{ now, period, want int64 }{
		{0, 30, 0},
		{29, 30, 0},
		{30, 30, 1},
		{59, 60, 0},
		{-1, 30, -1},
		{-30, 30, -1},
		{-31, 30, -2},
		{math.MaxInt64, 1, math.MaxInt64},
		{math.MinInt64, 1, -math.MaxInt64},
		{math.MinInt64, 2, math.MinInt64 / 2},
		{59, 0, 0},
		{59, -1, 0},
	}
	for _, test := range tests {
		p := totp30
		p.Period = test.period
		if got := p.Step(test.now); got != test.want {
			t.Errorf("Step(%d) with a period of %d is %d, want %d", test.now, test.period, got, test.want)
		}
	}
	if got := hotp6.Step(59); got != 0 {
		t.Errorf("HOTP has step %d", got)
	}
}
