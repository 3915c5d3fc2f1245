// Package otp computes and checks one-time passwords: HOTP (RFC 4226) and TOTP (RFC 6238), with windows, learned drift, replay
// detection and resynchronization.
//
// All functions are pure: the time is an argument, the state of a token is passed in and returned as a State, and nothing is
// stored or logged. A step is the number that changes from one password to the next: the counter of HOTP (RFC 4226, section 5.1),
// or the time step of TOTP (RFC 6238, section 4.2), which is the number of whole periods since 1970. Steps are from 0 to
// LastStep.
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

// Algorithm says what changes from one password to the next.
type Algorithm string

// The algorithms, with their names on the wire.
const (
	HOTP Algorithm = "HOTP" // an event counter, RFC 4226
	TOTP Algorithm = "TOTP" // the time, RFC 6238
)

// Hash is the hash function of the HMAC.
type Hash string

// The hash functions, with their names on the wire. RFC 4226 defines only the first, but tokens of both algorithms are sold with
// all three.
const (
	HmacSHA1   Hash = "HmacSHA1"
	HmacSHA256 Hash = "HmacSHA256"
	HmacSHA512 Hash = "HmacSHA512"
)

// constructor returns the constructor of the hash function; nil for an unknown name.
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

// LastStep is the highest step that is generated for a check. It is one less than the largest int64, because the state after
// accepting it must fit an int64.
const LastStep int64 = math.MaxInt64 - 1

// MaxWindow is the widest window, in steps. A wider one is treated as this. It limits the cost of one check. The widest default
// window of a product is 200.
const MaxWindow = 10_000

// Params are the parameters that all tokens of a product have in common.
type Params struct {
	Algorithm Algorithm
	Digits    int   // 6 or 8
	Period    int64 // seconds a TOTP step lasts, at least 1; not used by HOTP
	Hash      Hash
}

// Defaults for parameters that are not given (RFC 4226, RFC 6238).
const (
	DefaultDigits = 6
	DefaultPeriod = 30 // seconds
	DefaultHash   = HmacSHA1
)

// WithDefaults returns the parameters with defaults for those that are not set. HOTP has no period.
func (p Params) WithDefaults() Params {
	p.Digits, p.Hash = cmp.Or(p.Digits, DefaultDigits), cmp.Or(p.Hash, DefaultHash)
	if p.Algorithm == HOTP {
		p.Period = 0
	} else {
		p.Period = cmp.Or(p.Period, DefaultPeriod)
	}
	return p
}

// Check returns an error, one sentence for readers, if the parameters cannot be used. With such parameters, the functions of this
// package generate and accept nothing.
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

// Step returns the TOTP time step at a time in seconds since 1970: T in RFC 6238, section 4.2, with T0 = 0. Before 1970 it is
// negative, rounded down, but not less than -math.MaxInt64. For HOTP, or a period of less than one second, it is 0.
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
