// Package otp computes and checks one-time passwords: HOTP (RFC 4226) and TOTP (RFC 6238), with windows, learned
// drift, replay marks and resynchronisation.
//
// Everything here is a pure function of its arguments: the time comes in as a number, the state of a token comes
// in and goes out as a State, and nothing is stored or logged. The unit that moves from one password to the next
// is called a step: the counter of HOTP (RFC 4226 section 5.1), the number of whole periods since 1970 of TOTP
// (RFC 6238 section 4.2). Steps run from 0 to LastStep.
package otp

import (
	"cmp"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"
	"math"
)

// Algorithm says what moves a token from one password to the next.
type Algorithm string

// The algorithms, by their names on the wire.
const (
	HOTP Algorithm = "HOTP" // an event counter, RFC 4226
	TOTP Algorithm = "TOTP" // the time, RFC 6238
)

// Hash names the hash function under the HMAC.
type Hash string

// The hash functions, by their names on the wire. RFC 4226 knows only the first; tokens of either algorithm are
// sold with all three.
const (
	HmacSHA1   Hash = "HmacSHA1"
	HmacSHA256 Hash = "HmacSHA256"
	HmacSHA512 Hash = "HmacSHA512"
)

// constructor returns the hash function's constructor, nil for an unknown name.
func (h Hash) constructor() func() hash.Hash {
	switch h {
	case HmacSHA1:
		return sha1.New
	case HmacSHA256:
		return sha256.New
	case HmacSHA512:
		return sha512.New
	}
	return nil
}

// LastStep is the highest step that is ever generated for a check. The state after accepting it must still fit an
// int64, which is why it is one below the largest.
const LastStep int64 = math.MaxInt64 - 1

// MaxWindow is the widest window, in steps; a wider one is taken as this. It bounds the work one check can cost:
// a product's widest default window is 200.
const MaxWindow = 10_000

// Params are what all tokens of one product share.
type Params struct {
	Algorithm Algorithm
	Digits    int   // 6 or 8
	Period    int64 // seconds a TOTP step lasts, at least 1; not used by HOTP
	Hash      Hash
}

// What a token has of which nobody says otherwise (RFC 4226, RFC 6238).
const (
	DefaultDigits = 6
	DefaultPeriod = 30 // seconds
	DefaultHash   = HmacSHA1
)

// WithDefaults returns the parameters with defaults in the place of what is not said. HOTP has no period.
func (p Params) WithDefaults() Params {
	p.Digits, p.Hash = cmp.Or(p.Digits, DefaultDigits), cmp.Or(p.Hash, DefaultHash)
	if p.Algorithm == HOTP {
		p.Period = 0
	} else {
		p.Period = cmp.Or(p.Period, DefaultPeriod)
	}
	return p
}

// Check says whether the parameters can be used; its error is one sentence for people. The functions of this
// package generate and accept nothing under parameters that fail it.
func (p Params) Check() error {
	switch {
	case p.Algorithm != HOTP && p.Algorithm != TOTP:
		return fmt.Errorf("algorithm must be %s or %s", HOTP, TOTP)
	case p.Digits != 6 && p.Digits != 8:
		return errors.New("digits must be 6 or 8")
	case p.Algorithm == TOTP && p.Period < 1:
		return errors.New("period must be at least one second")
	case p.Hash.constructor() == nil:
		return fmt.Errorf("crypto must be %s, %s or %s", HmacSHA1, HmacSHA256, HmacSHA512)
	}
	return nil
}

// Step returns the TOTP step at a time in seconds since 1970: the T of RFC 6238 section 4.2 with T0 = 0. It is
// negative before 1970, rounding down but not below -math.MaxInt64, and 0 for HOTP or a period below one second.
func (p Params) Step(now int64) int64 {
	if p.Algorithm != TOTP || p.Period < 1 {
		return 0
	}
	step := now / p.Period
	if now%p.Period < 0 {
		step--
	}
	return max(step, -math.MaxInt64)
}
