package model_test

import (
	"fmt"
	"strings"
	"testing"

	"tokensmith/model"
)

// second is one second in milliseconds.
const second = model.Time(1000)

func TestInstallationCodeState(t *testing.T) {
	t.Parallel()
	on := func(change func(*model.InstallationCode)) model.InstallationCode {
		c := model.InstallationCode{Enabled: true}
		change(&c)
		return c
	}
	limited := func(limit, used, delay int64, reached, expires model.Time) model.InstallationCode {
		return model.InstallationCode{Enabled: true, UsageLimit: limit, TimesUsed: used, UsageLimitDelay: delay, LimitReached: reached, Expires: expires}
	}
	const active, grace, exhausted, expired, disabled = model.CodeIsActive, model.CodeIsGrace, model.CodeIsExhausted, model.CodeIsExpired, model.CodeIsDisabled
	for i, c := range []struct {
		code model.InstallationCode
		at   model.Time
		want string
	}{
		{on(func(*model.InstallationCode) {}), 0, active},
		{on(func(*model.InstallationCode) {}), 1 << 60, active},
		// The code is valid until the end of its second, even if its time is within the second.
		{on(func(c *model.InstallationCode) { c.Expires = 10 * second }), 10*second + 999, active},
		{on(func(c *model.InstallationCode) { c.Expires = 10 * second }), 11 * second, expired},
		{on(func(c *model.InstallationCode) { c.Expires = 10*second + 500 }), 10*second + 999, active},
		{on(func(c *model.InstallationCode) { c.Expires = 10*second + 500 }), 11 * second, expired},
		// A hard limit.
		{limited(3, 2, 0, 0, 0), 5, active},
		{limited(3, 3, 0, 5, 0), 5, exhausted},
		{limited(3, 4, 0, 5, 0), 5, exhausted},
		{limited(0, 4, 0, 0, 0), 5, active},
		{limited(0, 4, 60, 0, 0), 5, active},
		// A delay: the code can be used until the end of its last second.
		{limited(3, 2, 60, 0, 0), 5, active},
		{limited(3, 3, 60, 10*second, 0), 10 * second, grace},
		{limited(3, 9, 60, 10*second, 0), 70*second + 999, grace},
		{limited(3, 9, 60, 10*second, 0), 71 * second, exhausted},
		{limited(3, 3, 60, 10*second+700, 0), 70*second + 999, grace},
		{limited(3, 3, 60, 10*second+700, 0), 71 * second, exhausted},
		// The first state that applies: disabled, expired, exhausted.
		{limited(3, 3, 60, 10*second, 20*second), 20*second + 999, grace},
		{limited(3, 3, 60, 10*second, 20*second), 21 * second, expired},
		{limited(3, 3, 0, 10*second, 20*second), 21 * second, expired},
		{on(func(c *model.InstallationCode) { c.Enabled, c.Expires = false, 1 }), 10 * second, disabled},
		{on(func(c *model.InstallationCode) { c.Enabled, c.UsageLimit, c.TimesUsed = false, 1, 1 }), 0, disabled},
	} {
		if got := c.code.State(c.at); got != c.want {
			t.Errorf("%d: %+v at %d is %s, not %s", i, c.code, c.at, got, c.want)
		}
		usable := c.want == active || c.want == grace
		if refused := c.code.Refusal(c.at); (refused == nil) != usable {
			t.Errorf("%d: %s: %v", i, c.want, refused)
		}
	}
}

func TestInstallationCodeLimitChanged(t *testing.T) {
	t.Parallel()
	for i, c := range []struct {
		limit, used   int64
		reached, want model.Time
	}{
		{5, 3, 10, 0},  // raised: open again
		{0, 3, 10, 0},  // cleared: open again
		{3, 3, 0, 99},  // lowered to the uses, or set where there was none: the delay begins at the edit
		{2, 3, 0, 99},  // below them
		{4, 3, 0, 0},   // lowered, and not reached
		{2, 9, 10, 10}, // lowered further: the delay begins once
		{5, 9, 10, 10}, // raised, and still below the uses: it goes on
	} {
		code := model.InstallationCode{UsageLimit: c.limit, TimesUsed: c.used, LimitReached: c.reached}
		code.LimitChanged(99)
		if code.LimitReached != c.want {
			t.Errorf("%d: the limit is reached at %d, not %d", i, code.LimitReached, c.want)
		}
	}
}

func TestNormalCode(t *testing.T) {
	t.Parallel()
	for _, typed := range []string{"K7QF3-9TMX0", "k7qf3-9tmx0", " K7QF3 9TMX0 ", "K7QF39TMX0", "k7qf39tmxo", "K7-QF-39-TM-X0", "K7QF3\u20119TMXO"} {
		if got := model.NormalCode(typed); got != "K7QF39TMX0" {
			t.Errorf("%q becomes %q", typed, got)
		}
	}
	if got := model.NormalCode("l1IiLoO0"); got != "11111000" {
		t.Error(got)
	}
	for text, ok := range map[string]bool{"abcdef": true, "abc-def": true, "abcde": false, "ab-cd-e": false, "abcdef ": false, "abc_def": true,
		"abcdéf": false, strings.Repeat("x", 64): true, strings.Repeat("x", 65): false, "": false, "a\nbcdefg": false} {
		if err := model.CheckCode("attrs.code", text); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestInstallationCodeFits: which attributes an action requires, accepts and clears.
func TestInstallationCodeFits(t *testing.T) {
	t.Parallel()
	id := "x"
	for i, c := range []struct {
		code  model.InstallationCode
		given string
		want  string
		left  string
	}{
		{model.InstallationCode{Action: model.CreateDevice, UserID: &id, LicenseID: &id}, "action user license groups", "", "user license"},
		{model.InstallationCode{Action: model.CreateDevice}, "action", "attrs.user", ""},
		{model.InstallationCode{Action: model.UseExistingDevice}, "description", "", ""},
		{model.InstallationCode{Action: model.UseExistingDevice}, "device", "attrs.device", ""},
		{model.InstallationCode{Action: model.UseExistingDevice, DeviceID: &id, LicenseID: &id}, "license", "attrs.license", ""},
		{model.InstallationCode{Action: model.UseExistingDevice, DeviceID: &id}, "groups", "attrs.groups", ""},
		{model.InstallationCode{Action: model.UseExistingDevice, DeviceID: &id, UserID: &id, DomainID: &id, LicenseID: &id, UsernamePrefix: "p"}, "action device", "", "device"},
		{model.InstallationCode{Action: model.CreateAccountAndDevice, DomainID: &id, UsernamePrefix: "p", DeviceID: &id}, "action domain usernamePrefix", "", "prefix domain"},
		{model.InstallationCode{Action: model.CreateAccountAndDevice, UsernamePrefix: "p"}, "action", "attrs.domain", ""},
	} {
		err := c.code.ApplyAction("attrs", func(name string) bool { return strings.Contains(" "+c.given+" ", " "+name+" ") })
		if c.want != "" {
			if err == nil || !strings.HasPrefix(err.Error(), c.want+": ") {
				t.Errorf("%d: %v", i, err)
			}
			continue
		}
		left := ""
		for _, a := range []struct {
			name string
			has  bool
		}{{"prefix", c.code.UsernamePrefix != ""}, {"domain", c.code.DomainID != nil}, {"user", c.code.UserID != nil}, {"device", c.code.DeviceID != nil}, {"license", c.code.LicenseID != nil}} {
			if a.has {
				left += " " + a.name
			}
		}
		if err != nil || strings.TrimSpace(left) != c.left {
			t.Errorf("%d: %v, left:%s", i, err, fmt.Sprint(left))
		}
	}
}
