package otp

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"hash"
)

// Generate returns the password of one step: Digits decimal digits, leading zeros kept (RFC 4226 section 5.3). It
// is empty when p fails Check or the key has no bytes.
func Generate(key []byte, moving uint64, p Params) string {
	g, ok := newGenerator(key, p)
	if !ok {
		return ""
	}
	var digits [maxDigits]byte
	code := g.code(moving)
	for i := p.Digits - 1; i >= 0; i-- {
		digits[i] = byte('0' + code%10)
		code /= 10
	}
	return string(digits[:p.Digits])
}

const maxDigits = 8

// ShortKey is the longest key that is the same to every hash.
const ShortKey = sha256.BlockSize

// Key returns what HMAC makes of a key under the hash: one longer than the hash's block is hashed, and zeros are added up to
// the block (RFC 2104 section 2), so that those at the end are left out. Keys of which it is the same make the same passwords.
func (h Hash) Key(key []byte) []byte {
	if len(key) > ShortKey {
		if hash := h.constructor()(); len(key) > hash.BlockSize() {
			hash.Write(key)
			key = hash.Sum(nil)
		}
	}
	return bytes.TrimRight(key, "\x00")
}

// generator computes the codes of many steps under one key. It keys the HMAC once and allocates nothing per code,
// since a window asks for many.
type generator struct {
	mac     hash.Hash
	modulus uint32
	moving  [8]byte
	sum     []byte
	made    int64 // codes so far
}

// newGenerator refuses what no token has: parameters that fail Check, and an empty key.
func newGenerator(key []byte, p Params) (*generator, bool) {
	if p.Check() != nil || len(key) == 0 {
		return nil, false
	}
	mac := hmac.New(p.Hash.constructor(), key)
	g := &generator{mac: mac, modulus: 1_000_000, sum: make([]byte, 0, mac.Size())}
	if p.Digits == maxDigits {
		g.modulus = 100_000_000
	}
	return g, true
}

// code is HOTP(K, C) of RFC 4226 section 5.3 as a number: the HMAC of the eight big-endian bytes of C, dynamically
// truncated to 31 bits, modulo 10^Digits.
func (g *generator) code(moving uint64) uint32 {
	g.made++
	binary.BigEndian.PutUint64(g.moving[:], moving)
	g.mac.Reset()
	g.mac.Write(g.moving[:])
	g.sum = g.mac.Sum(g.sum[:0])
	offset := g.sum[len(g.sum)-1] & 0x0f
	return (binary.BigEndian.Uint32(g.sum[offset:]) & 0x7fff_ffff) % g.modulus
}

// noCode is the code of no step.
const noCode int32 = -1

// is reports whether step's code is the given one, comparing in constant time.
func (g *generator) is(step int64, code int32) bool {
	return subtle.ConstantTimeEq(int32(g.code(uint64(step))), code) == 1
}

// parse reads a password as a person typed it: exactly digits ASCII digits, nothing around them.
func parse(otp string, digits int) (code int32, ok bool) {
	if len(otp) != digits {
		return 0, false
	}
	for i := range len(otp) {
		if otp[i] < '0' || otp[i] > '9' {
			return 0, false
		}
		code = code*10 + int32(otp[i]-'0')
	}
	return code, true
}
