package model_test

import (
	"testing"

	"tokensmith/model"
)

func TestEstimate(t *testing.T) {
	t.Parallel()
	domain := func(threshold, minutes, most int64) *model.Domain {
		return &model.Domain{LockoutThreshold: threshold, LockoutMinutes: minutes, MaxFailures: most}
	}
	for _, p := range model.Builtin() {
		for tokens := range int64(12) {
			e := model.EstimateGuessing(domain(10, 15, 100), &p, tokens+1)
			t.Logf("%s, %d tokens: %+v, %.2e, sprayed %.2f", p.Codes(), tokens+1, e, e.Chance(1), e.Sprayed())
			if e.Chance(1) > 1e-2 || e.Chance(1) < 1e-3 {
				t.Errorf("%s, %d tokens: %.2e a user and year", p.Codes(), tokens+1, e.Chance(1))
			}
			if pin := e.Chance(model.RandomPIN); pin > 1e-7 {
				t.Errorf("%s, %d tokens: %.2e with a random PIN", p.Codes(), tokens+1, pin)
			}
			if n := e.Sprayed(); tokens < 5 && n >= 1 {
				t.Errorf("%s, %d tokens: one address enters %.2f accounts a year", p.Codes(), tokens+1, n)
			}
			if tokens < 5 && e.Typos < 5 {
				t.Errorf("%s, %d tokens: %d typos a day lock nobody", p.Codes(), tokens+1, e.Typos)
			}
		}
		e := model.EstimateGuessing(domain(10, 15, 100), &p, 1)
		p.Digits = 8
		if eight := model.EstimateGuessing(domain(10, 15, 100), &p, 1); eight.Chance(1) > e.Chance(1) || eight.InUse > e.InUse/4 || eight.Sprayed() > e.Sprayed()/4 {
			t.Errorf("%s of eight digits: %.2e", p.Codes(), eight.Chance(1))
		}
	}
	p := model.Builtin()[0]
	for _, c := range []struct {
		what  string
		d     *model.Domain
		least float64
	}{
		{"no lock but after a hundred in a row", domain(0, 15, 100), 0.15},
		{"no lock at all", domain(0, 15, 0), 0.99},
		{"no end of failures in a row", domain(10, 15, 0), 9e-3},
		{"locks until unlocked", domain(10, 0, 100), 9e-3},
	} {
		e := model.EstimateGuessing(c.d, &p, 1)
		t.Logf("%s: %.2e", c.what, e.Chance(1))
		if e.Chance(1) < c.least {
			t.Errorf("%s: %.2e", c.what, e.Chance(1))
		}
	}
}
