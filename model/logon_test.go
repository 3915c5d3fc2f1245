package model

import (
	"slices"
	"testing"
)

func TestNextStep(t *testing.T) {
	t.Parallel()
	all := []string{OTPCode, OnDemandCode, StaticCode}
	two := []Step{{Name: "password", Codes: []string{StaticCode}, StaticPassword: true}, {Name: "token", Codes: []string{OTPCode, OnDemandCode}, StaticPassword: true}}
	for name, c := range map[string]struct {
		steps  []Step
		passed int
		step   string
		codes  []string
		ok     bool
	}{
		"no steps":                         {nil, 0, "step 1", all, true},
		"no steps, all passed":             {nil, 1, "", nil, false},
		"before the first":                 {two, -1, "", nil, false},
		"the first of two":                 {two, 0, "password", []string{StaticCode}, true},
		"the second of two":                {two, 1, "token", []string{OTPCode, OnDemandCode}, true},
		"both passed":                      {two, 2, "", nil, false},
		"long after":                       {two, 99, "", nil, false},
		"no static password":               {[]Step{{Name: "a", Codes: all}}, 0, "a", []string{OTPCode, OnDemandCode}, true},
		"a static password alone, refused": {[]Step{{Name: "a", Codes: []string{StaticCode}}}, 0, "a", nil, true},
		"a response to a challenge":        {[]Step{{Name: "a", Codes: all, Challenge: true, StaticPassword: true}}, 0, "a", nil, true},
		"a step without authenticators":    {[]Step{{Name: "a", StaticPassword: true}}, 0, "a", nil, true},
	} {
		step, codes, ok := NextStep(c.steps, c.passed)
		if step.Name != c.step || !slices.Equal(codes, c.codes) || ok != c.ok {
			t.Errorf("%s: %q, %q, %v", name, step.Name, codes, ok)
		}
	}
	if two[1].Codes[1] != OnDemandCode || len(two[0].Codes) != 1 {
		t.Error("the steps were changed")
	}
}
