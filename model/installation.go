package model

import (
	"regexp"
	"strings"
)

// Actions of an installation code: what redeeming it does.
const (
	CreateAccountAndDevice = "CREATE_ACCOUNT_AND_DEVICE"
	CreateDevice           = "CREATE_DEVICE"
	UseExistingDevice      = "USE_EXISTING_DEVICE"
)

// States of an installation code. They are computed from the stored columns.
const (
	CodeIsActive    = "active"
	CodeIsGrace     = "grace" // used up, but still usable for a while
	CodeIsExhausted = "exhausted"
	CodeIsExpired   = "expired"
	CodeIsDisabled  = "disabled"
)

// InstallationCode is a code with which new devices can be installed.
type InstallationCode struct {
	ID              string  `db:"id"`
	Description     string  `db:"description"`
	Code            []byte  `db:"code"`       // sealed, as typed
	CodeIndex       []byte  `db:"code_index"` // HMAC of its normal form
	Expires         Time    `db:"expires"`    // 0 means never; the code is valid until the end of that second
	UsageLimit      int64   `db:"usage_limit"`
	UsageLimitDelay int64   `db:"usage_limit_delay"` // how many seconds it stays usable after the limit is reached
	LimitReached    Time    `db:"limit_reached"`     // when that delay began; 0 if the limit is not reached
	Action          string  `db:"action"`
	UsernamePrefix  string  `db:"username_prefix"`
	DomainID        *string `db:"domain_id"`
	UserID          *string `db:"user_id"`
	DeviceID        *string `db:"device_id"`
	LicenseID       *string `db:"license_id"`
	TimesUsed       int64   `db:"times_used"`
	LastUsed        Time    `db:"last_used"`
	Enabled         bool    `db:"enabled"`
	Generation      int64   `db:"generation"` // how many texts the code has had
	DateCreated     Time    `db:"date_created"`
	LastUpdated     Time    `db:"last_updated"`
}

// InstallationUse is one redemption of an installation code. It keeps the ids of the device and the user even after they were
// deleted.
type InstallationUse struct {
	ID         string  `db:"id"`
	CodeID     string  `db:"code_id"`
	Generation int64   `db:"generation"`
	Time       Time    `db:"time"`
	DeviceID   string  `db:"device_id"`
	UserID     *string `db:"user_id"`
	NewUser    bool    `db:"new_user"` // this use created the account
	TokenID    string  `db:"token_id"` // the last client token that this use returned
	NonceHash  []byte  `db:"nonce_hash"`
	HardwareID string  `db:"hardware_id"`
}

// ErrUnknownCode is the error for a text that is not an installation code.
var ErrUnknownCode = Errorf(CodeUnknown, "the installation code is not known")

// ReplayWithin is how long a redemption may be repeated, in milliseconds.
const ReplayWithin = 15 * 60_000

var codeText = regexp.MustCompile(`^[A-Za-z0-9_-]{6,64}$`)

// minCode is the shortest normal form of a code, in characters.
const minCode = 6

// CheckCode returns an error, naming place, for a text that is not a valid installation code.
func CheckCode(place, text string) error {
	if !codeText.MatchString(text) || len(NormalCode(text)) < minCode {
		return AttrErrorf(Invalid, place, "must be 6 to 64 of A-Z a-z 0-9 - _, and at least six other than hyphens")
	}
	return nil
}

// NormalCode returns the form in which installation codes are compared. In it, characters that people mistake for each other are
// the same, and characters that people add when they type or paste are removed.
func NormalCode(text string) string {
	return normalCode.Replace(strings.ToUpper(PastedOTP(text)))
}

var normalCode = strings.NewReplacer("O", "0", "I", "1", "L", "1")

// State returns the state of the code at a time.
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

// GraceEnds returns when a code whose limit is reached is no longer usable.
func (c *InstallationCode) GraceEnds() Time { return c.LimitReached + Time(c.UsageLimitDelay*1000) }

// Ends returns when the code stops being usable, as far as that is known at a time; 0 means never.
func (c *InstallationCode) Ends(now Time) Time {
	ends := c.Expires
	if c.State(now) == CodeIsGrace && (ends == 0 || c.GraceEnds() < ends) {
		ends = c.GraceEnds()
	}
	return ends
}

// Refusal returns why the code cannot be used; nil if it can.
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

// LimitChanged updates LimitReached after the usage limit was edited. If the limit is now above the number of uses, or there is
// none, the code is open again. Otherwise the delay begins now, unless it has begun before.
func (c *InstallationCode) LimitChanged(now Time) {
	switch {
	case c.UsageLimit == 0 || c.TimesUsed < c.UsageLimit:
		c.LimitReached = 0
	case c.LimitReached == 0:
		c.LimitReached = now
	}
}

// ApplyAction returns an error if attributes do not match the code's action. given returns whether an attribute was set by this call.
// Attributes that only another action needs are cleared.
func (c *InstallationCode) ApplyAction(place string, given func(name string) bool) error {
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
			return AttrErrorf(Invalid, place+"."+a.name, "is not allowed with %s", c.Action)
		case !needs[a.name] && !takes[a.name]:
			a.clear()
		}
	}
	return nil
}
