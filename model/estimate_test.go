package model_test

import (
	"testing"

	"tokensmith/model"
)

func TestEstimate(t *testing.T) {
	t.Parallel()
	domain := func(threshold, minutes, most int64) *model.Domain {
		return &model.Domain{LockoutThreshold: threshold, LockoutMinutes: minutes, MaxFailures: most,
			EmergencyCodeLength: 8, EmergencyCodesMost: 10, EmergencyCodeNeedsPIN: true}
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

// TestEstimateOfEmergencyCodes: open emergency codes take their part of what a guess may hit, and the figures say so: with the
// default settings it is small, and settings that make it large show.
func TestEstimateOfEmergencyCodes(t *testing.T) {
	t.Parallel()
	for _, p := range model.Builtin() {
		for _, c := range []struct {
			what         string
			length, most int64
			needsPIN     bool
			codes        [2]float64 // least and most that come from codes
			withPIN      [2]float64 // the chance with a random PIN of six digits
			typos        int64      // at most
		}{
			{"as shipped", 8, 10, true, [2]float64{1e-5, 5e-4}, [2]float64{1e-9, 1e-7}, 9},
			{"long ones", 32, 10, true, [2]float64{1e-6, 5e-5}, [2]float64{1e-9, 1e-7}, 9},
			{"without a PIN", 8, 10, false, [2]float64{1e-5, 5e-4}, [2]float64{1e-5, 5e-4}, 9},
			{"six digits", 6, 10, true, [2]float64{5e-3, 1e-2}, [2]float64{1e-9, 1e-7}, 2},
			{"any number", 8, 0, true, [2]float64{5e-3, 1e-2}, [2]float64{1e-9, 1e-7}, 4},
		} {
			d := &model.Domain{LockoutThreshold: 10, LockoutMinutes: 15, MaxFailures: 100, EmergencyCodeLength: c.length, EmergencyCodesMost: c.most, EmergencyCodeNeedsPIN: c.needsPIN}
			e := model.EstimateGuessing(d, &p, 1)
			t.Logf("%s, %s: %.2e by codes, %.2e, %.2e with a PIN, %d typos, sprayed %.2f", p.Codes(), c.what, e.EmergencyCode(), e.Chance(1), e.Chance(model.RandomPIN), e.Typos, e.Sprayed())
			if by := e.EmergencyCode(); by < c.codes[0] || by > c.codes[1] || by > e.Chance(1) {
				t.Errorf("%s, %s: %.2e by emergency codes", p.Codes(), c.what, by)
			}
			if all := e.Chance(1); all < 9e-3 || all > 1e-2 {
				t.Errorf("%s, %s: %.2e a user and year", p.Codes(), c.what, all)
			}
			if pin := e.Chance(model.RandomPIN); pin < c.withPIN[0] || pin > c.withPIN[1] {
				t.Errorf("%s, %s: %.2e with a random PIN", p.Codes(), c.what, pin)
			}
			if e.Typos > c.typos || e.Typos < 1 {
				t.Errorf("%s, %s: %d typos a day", p.Codes(), c.what, e.Typos)
			}
		}
	}
}
