package model_test

import (
	"strings"
	"testing"

	"tokensmith/model"
)

func TestCheckTempPass(t *testing.T) {
	t.Parallel()
	for text, ok := range map[string]bool{"123456": true, "12345": false, "Abc-!~": true, strings.Repeat("x", 32): true, strings.Repeat("x", 33): false,
		"123 456": false, "123,456": false, "12345\u00e4": false, "12345\x7f": false, "": false} {
		if err := model.CheckTempPass("attrs.password", model.Secret(text)); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestTempPassUsable(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		code model.TempPass
		user string
		want model.Kind
		open bool
	}{
		"new":                 {model.TempPass{UsageLimit: 1}, model.Active, 0, true},
		"without any end":     {model.TempPass{UsedTimes: 1 << 40}, model.Active, 0, true},
		"used up":             {model.TempPass{UsageLimit: 2, UsedTimes: 2}, model.Active, model.UsageLimit, false},
		"the last use":        {model.TempPass{UsageLimit: 2, UsedTimes: 1}, model.Active, 0, true},
		"too early":           {model.TempPass{Starts: 101}, model.Active, model.NotValidNow, true},
		"from now on":         {model.TempPass{Starts: 100}, model.Active, 0, true},
		"just over":           {model.TempPass{Expires: 100}, model.Active, model.NotValidNow, false},
		"nearly over":         {model.TempPass{Expires: 101}, model.Active, 0, true},
		"of a disabled user":  {model.TempPass{}, model.DisabledBy, model.Disabled, true},
		"of an inactive user": {model.TempPass{Expires: 1}, model.Inactive, model.Disabled, false},
	} {
		if got, open := c.code.Usable(c.user, 100), c.code.Open(100); got != c.want || open != c.open {
			t.Errorf("%s: kind %d, open %v", what, got, open)
		}
	}
}

func TestTempPassEnds(t *testing.T) {
	t.Parallel()
	const now = model.Time(1_000_000)
	for _, c := range []struct {
		hours, most, want int64 // want in hours; 0 means never
	}{{24, 168, 24}, {24, 0, 24}, {0, 168, 168}, {0, 0, 0}, {200, 168, 168}} {
		d := &model.Domain{EmergencyCodeHours: c.hours, EmergencyCodeHoursMost: c.most}
		want := now + hour*model.Time(c.want)
		if c.want == 0 {
			want = 0
		}
		code := model.TempPass{DateCreated: now, Expires: d.TempPassEnds(now)}
		if code.Expires != want || d.TempPassFits("attrs.expires", &code) != nil {
			t.Errorf("%+v: %d, not %d", c, code.Expires, want)
		}
		for _, expires := range []model.Time{0, now + 168*hour + 1} {
			code.Expires = expires
			if fits := d.TempPassFits("attrs.expires", &code) == nil; fits != (c.most == 0) {
				t.Errorf("%+v: an end at %d fits: %v", c, expires, fits)
			}
		}
	}
}
