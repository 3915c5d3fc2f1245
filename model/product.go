package model

import (
	"fmt"

	"tokensmith/model/otp"
)

// Kinds of product.
const (
	Hardware = "HARDWARE"
	Soft     = "SOFT"
)

// How an assignment is activated.
const (
	ActivateAuto = "AUTO" // at once
	ActivateCode = "CODE" // with an activation code
)

// Product says how the tokens of one type make their OTPs, and how OTPs are checked.
type Product struct {
	ID                   string `db:"id"`
	Name                 string `db:"name"`
	ManufacturerCode     string `db:"manufacturer_code"`
	ProductCode          string `db:"product_code"`
	Algorithm            string `db:"algorithm"` // HOTP or TOTP
	Digits               int64  `db:"digits"`
	Period               int64  `db:"period"` // in seconds, only for TOTP
	Crypto               string `db:"crypto"` // HmacSHA1, HmacSHA256, HmacSHA512
	Kind                 string `db:"kind"`
	AutoWindow           int64  `db:"auto_window"`
	CheckWindow          int64  `db:"check_window"`
	ManualWindow         int64  `db:"manual_window"`
	NarrowWindow         int64  `db:"narrow_window"`       // used instead of AutoWindow for a token in use
	MaxTokensPerUser     int64  `db:"max_tokens_per_user"` // 0 means no limit
	Activation           string `db:"activation"`
	ActivationCodeLength int64  `db:"activation_code_length"`
	ActivationCodeHours  int64  `db:"activation_code_hours"` // 0 means no end
	Functions            string `db:"functions"`
}

// OTP returns the parameters of the product's algorithm.
func (p *Product) OTP() otp.Params {
	return otp.Params{Algorithm: otp.Algorithm(p.Algorithm), Digits: int(p.Digits), Period: p.Period, Hash: otp.Hash(p.Crypto)}
}

// Limits below which a value is weaker than RFC 4226 (R6: 128 bits) and RFC 6238 (section 5.2) recommend. Such values are
// accepted, because there are old tokens, but they are noted.
const (
	StrongSeedBytes = 16
	longPeriod      = 120 // seconds
	wideLookAhead   = 100 // counters
	WeakSeed        = "the seed is shorter than 128 bits"
)

// IsWeakSeed returns whether a seed of that many bytes is noted as WeakSeed.
func IsWeakSeed(bytes int) bool { return bytes < StrongSeedBytes }

// Weak returns notes on what makes the product's OTPs easier to guess than they should be.
func (p *Product) Weak() (notes []string) {
	if p.Period > longPeriod {
		notes = append(notes, fmt.Sprintf("the period is longer than %d seconds: an OTP that somebody else sees stays valid for long", longPeriod))
	}
	if p.Algorithm == string(otp.HOTP) && p.AutoWindow > wideLookAhead {
		notes = append(notes, fmt.Sprintf("autoWindow is larger than %d counters: that many OTPs are valid at the same time", wideLookAhead))
	}
	return notes
}

// Codes returns the usual short name of the product, such as "DN/ST".
func (p *Product) Codes() string { return p.ManufacturerCode + "/" + p.ProductCode }

// SameOTP returns whether two products make the same OTPs from the same seed.
func (p *Product) SameOTP(q *Product) bool {
	return p.Algorithm == q.Algorithm && p.Digits == q.Digits && p.Period == q.Period && p.Crypto == q.Crypto
}

// SameRules returns whether two products mean the same to the users of their tokens. They may differ in a text that is not used. The
// name is used: it stands in messages to these users, and in their authenticator apps.
func (p *Product) SameRules(q *Product) bool {
	same := *p
	same.Functions = q.Functions
	return same == *q
}

// DefaultNarrowWindow is the default of the narrow window.
const DefaultNarrowWindow = 2

// DefaultWindows returns the default auto, check and manual windows. For TOTP they are steps in each direction, and wider for
// hardware, whose clocks drift. For HOTP they are counters ahead.
func DefaultWindows(algorithm, kind string) (auto, check, manual int64) {
	switch {
	case algorithm == string(otp.HOTP):
		return 10, 50, 200
	case kind == Soft:
		return 2, 10, 60
	}
	return 30, 60, 120
}

// Builtin returns the products of a new database, without ids.
func Builtin() []Product {
	product := func(name, maker, code string, alg otp.Algorithm, period int64, kind string) Product {
		p := Product{Name: name, ManufacturerCode: maker, ProductCode: code, Algorithm: string(alg), Digits: 6, Period: period,
			Crypto: string(otp.HmacSHA1), Kind: kind, Activation: ActivateAuto, ActivationCodeLength: 8, ActivationCodeHours: 48}
		p.AutoWindow, p.CheckWindow, p.ManualWindow = DefaultWindows(p.Algorithm, kind)
		p.NarrowWindow = DefaultNarrowWindow
		return p
	}
	return []Product{
		product("MobileID", "DN", "MT", otp.TOTP, 30, Soft),
		product("SafeID time-based", "DN", "ST", otp.TOTP, 60, Hardware),
		product("SafeID event-based", "DN", "SE", otp.HOTP, 0, Hardware),
		product("SafeID time-based 30 s", "DN", "STE", otp.TOTP, 30, Hardware),
		product("Google Authenticator", "GG", "GT", otp.TOTP, 30, Soft),
	}
}
