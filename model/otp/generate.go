package otp

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"hash"
)

// Generate returns the password of one step: Digits decimal digits, with leading zeros (RFC 4226, section 5.3). It returns "" if
// p fails Check or the key is empty.
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

// ShortKey is the length of the longest key for which the choice of the hash makes no difference to Key.
const ShortKey = sha256.BlockSize

// Key returns the key that HMAC derives from a key with this hash function. A key longer than the hash's block is hashed, and a
// shorter one is padded with zeros to the block (RFC 2104, section 2). Therefore zeros at the end make no difference, and are
// removed. Keys with the same result make the same passwords.
func (h Hash) Key(key []byte) []byte {
	if len(key) > ShortKey {
		if hash := h.constructor()(); len(key) > hash.BlockSize() {
			hash.Write(key)
			key = hash.Sum(nil)
		}
	}
	return bytes.TrimRight(key, "\x00")
}

// generator computes the codes of many steps with one key. Because a window needs many codes, it sets up the HMAC once and
// allocates no memory for each code.
type generator struct {
	mac     hash.Hash
	modulus uint32
	moving  [8]byte
	sum     []byte
	made    int64 // codes so far
}

// newGenerator returns false if p fails Check or the key is empty.
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

// code returns HOTP(K, C) of RFC 4226, section 5.3, as a number: the HMAC of the eight big-endian bytes of C, dynamically
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

// noCode is a code that no step has.
const noCode int32 = -1

// is returns, in constant time, whether the code of step is the given one.
func (g *generator) is(step int64, code int32) bool {
	return subtle.ConstantTimeEq(int32(g.code(uint64(step))), code) == 1
}

// parse parses a password as a person typed it: exactly that many ASCII digits, and nothing else.
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
