package model

import (
	"regexp"
	"strings"
)

// What redeeming an installation code does.
const (
	CreateAccountAndDevice = "CREATE_ACCOUNT_AND_DEVICE"
	CreateDevice           = "CREATE_DEVICE"
	UseExistingDevice      = "USE_EXISTING_DEVICE"
)

// States of an installation code. They are worked out of what is stored.
const (
	CodeIsActive    = "active"
	CodeIsGrace     = "grace" // used up, and still usable for a while
	CodeIsExhausted = "exhausted"
	CodeIsExpired   = "expired"
	CodeIsDisabled  = "disabled"
)

// InstallationCode lets new devices in.
type InstallationCode struct {
	ID              string  `db:"id"`
	Description     string  `db:"description"`
	Code            []byte  `db:"code"`       // sealed, as it was typed
	CodeIndex       []byte  `db:"code_index"` // HMAC of its normal form
	Expires         Time    `db:"expires"`    // 0 = never; its second still counts
	UsageLimit      int64   `db:"usage_limit"`
	UsageLimitDelay int64   `db:"usage_limit_delay"` // seconds for which it stays usable once the limit is reached
	LimitReached    Time    `db:"limit_reached"`     // when that delay began; 0 = the limit is not reached
	Action          string  `db:"action"`
	UsernamePrefix  string  `db:"username_prefix"`
	DomainID        *string `db:"domain_id"`
	UserID          *string `db:"user_id"`
	DeviceID        *string `db:"device_id"`
	LicenseID       *string `db:"license_id"`
	TimesUsed       int64   `db:"times_used"`
	LastUsed        Time    `db:"last_used"`
	Enabled         bool    `db:"enabled"`
	Generation      int64   `db:"generation"` // counts its texts
	DateCreated     Time    `db:"date_created"`
	LastUpdated     Time    `db:"last_updated"`
}

// InstallationUse is one redemption of an installation code. Device and user are known by id also when they are gone.
type InstallationUse struct {
	ID         string  `db:"id"`
	CodeID     string  `db:"code_id"`
	Generation int64   `db:"generation"`
	Time       Time    `db:"time"`
	DeviceID   string  `db:"device_id"`
	UserID     *string `db:"user_id"`
	NewUser    bool    `db:"new_user"` // the account was made by it
	TokenID    string  `db:"token_id"` // the client token it gave last
	NonceHash  []byte  `db:"nonce_hash"`
	HardwareID string  `db:"hardware_id"`
}

// ErrUnknownCode refuses a text that is no installation code's.
var ErrUnknownCode = Errorf(CodeUnknown, "the installation code is not known")

// ReplayWithin is how long a redemption may be repeated, in milliseconds.
const ReplayWithin = 15 * 60_000

var codeText = regexp.MustCompile(`^[A-Za-z0-9_-]{6,64}$`)

// minCode is how many characters of a code's normal form there are at least.
const minCode = 6

// CheckCode refuses a text at place that is no installation code.
func CheckCode(place, text string) error {
	if !codeText.MatchString(text) || len(NormalCode(text)) < minCode {
		return AttrErrorf(Invalid, place, "must be 6 to 64 of A-Z a-z 0-9 - _, and six at least besides hyphens")
	}
	return nil
}

// NormalCode returns the form in which installation codes are compared: what people mistake for each other is the same, and what
// they add in typing or pasting is left out.
func NormalCode(text string) string {
	return normalCode.Replace(strings.ToUpper(PastedOTP(text)))
}

var normalCode = strings.NewReplacer("O", "0", "I", "1", "L", "1")

// State returns the code's state at a time.
func (c *InstallationCode) State(now Time) string {
	used := c.UsageLimit > 0 && c.TimesUsed >= c.UsageLimit
	switch {
	case !c.Enabled:
		return CodeIsDisabled
	case c.Expires.Past(now):
		return CodeIsExpired
	case used && (c.UsageLimitDelay == 0 || c.GraceEnds().Past(now)):
		return CodeIsExhausted
	case used:
		return CodeIsGrace
	}
	return CodeIsActive
}

// GraceEnds is when a code whose limit is reached ends for good.
func (c *InstallationCode) GraceEnds() Time { return c.LimitReached + Time(c.UsageLimitDelay*1000) }

// Ends is when the code stops being usable, as far as is known at a time; 0 = never.
func (c *InstallationCode) Ends(now Time) Time {
	ends := c.Expires
	if c.State(now) == CodeIsGrace && (ends == 0 || c.GraceEnds() < ends) {
		ends = c.GraceEnds()
	}
	return ends
}

// Refusal says why the code cannot be used; nil when it can.
func (c *InstallationCode) Refusal(now Time) error {
	switch c.State(now) {
	case CodeIsDisabled:
		return Errorf(CodeDisabled, "the installation code is disabled")
	case CodeIsExpired:
		return Errorf(CodeExpired, "the installation code has expired")
	case CodeIsExhausted:
		return Errorf(CodeUsedUp, "the installation code is used up")
	}
	return nil
}

// LimitChanged says when the delay began, after an edit of the usage limit: raising or clearing it above the uses opens the
// code again, lowering it to them or below begins the delay at the edit, unless it began before.
func (c *InstallationCode) LimitChanged(now Time) {
	switch {
	case c.UsageLimit == 0 || c.TimesUsed < c.UsageLimit:
		c.LimitReached = 0
	case c.LimitReached == 0:
		c.LimitReached = now
	}
}

// Fits refuses a code whose attributes do not fit its action; given says of an attribute whether it was given now. What
// another action had needed is forgotten.
func (c *InstallationCode) Fits(place string, given func(name string) bool) error {
	needs := map[string]bool{}
	takes := map[string]bool{"license": true, "groups": true}
	switch c.Action {
	case CreateAccountAndDevice:
		needs["usernamePrefix"], needs["domain"] = true, true
	case CreateDevice:
		needs["user"] = true
	case UseExistingDevice:
		needs["device"] = true
		takes = nil
	}
	for _, a := range []struct {
		name  string
		empty bool
		clear func()
	}{
		{"usernamePrefix", c.UsernamePrefix == "", func() { c.UsernamePrefix = "" }},
		{"domain", c.DomainID == nil, func() { c.DomainID = nil }},
		{"user", c.UserID == nil, func() { c.UserID = nil }},
		{"device", c.DeviceID == nil, func() { c.DeviceID = nil }},
		{"license", c.LicenseID == nil, func() { c.LicenseID = nil }},
		{"groups", !given("groups"), func() {}},
	} {
		switch {
		case needs[a.name] && a.empty && (given(a.name) || given("action")):
			return AttrErrorf(Missing, place+"."+a.name, "is required by %s", c.Action)
		case !needs[a.name] && !takes[a.name] && !a.empty && given(a.name):
			return AttrErrorf(Invalid, place+"."+a.name, "does not go with %s", c.Action)
		case !needs[a.name] && !takes[a.name]:
			a.clear()
		}
	}
	return nil
}
