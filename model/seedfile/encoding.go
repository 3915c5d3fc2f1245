package seedfile

import (
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode"

	"tokensmith/model"
)

// Encoding is the encoding of the seeds in a file.
type Encoding string

// The encodings of seeds.
const (
	Hex    Encoding = "HEX"
	Base32 Encoding = "BASE32" // RFC 4648, upper or lower case, padded or not
	Base64 Encoding = "BASE64" // RFC 4648, standard or URL alphabet, padded or not
)

func (e Encoding) known() bool { return e == Hex || e == Base32 || e == Base64 }

// encodingName parses the name of an encoding in any spelling, such as base-32.
func encodingName(s string) (Encoding, bool) {
	e := Encoding(strings.ToUpper(flatName(s)))
	return e, e.known()
}

// decode decodes a seed. White space, invisible characters, dashes between groups of base32, and colons between hex bytes are
// ignored. It returns no details of an error, which could reveal the seed.
func (e Encoding) decode(text string) (model.Secret, bool) {
	var out []byte
	var err error
	switch e {
	case Hex:
		out, err = hex.DecodeString(strings.ReplaceAll(model.CleanPasted(text), ":", ""))
	case Base32:
		text = strings.TrimRight(model.PastedOTP(text), "=")
		if n := len(text) % 8; n == 1 || n == 3 || n == 6 {
			return nil, false // no number of bytes gives this length
		}
		out, err = base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ToUpper(text))
	case Base64:
		text = strings.TrimRight(model.CleanPasted(text), "=")
		alphabet := base64.RawStdEncoding
		if strings.ContainsAny(text, "-_") {
			alphabet = base64.RawURLEncoding
		}
		out, err = alphabet.DecodeString(text)
	default:
		return nil, false
	}
	return out, err == nil && len(out) > 0
}

// DecodeSeed decodes a seed, or another key, or returns why it cannot. The reason reveals nothing about the seed.
func DecodeSeed(text string, e Encoding) (seed model.Secret, reason string) {
	seed, ok := e.decode(text)
	if !ok {
		return nil, e.fault(text)
	}
	return seed, ""
}

// mismatch returns why a seed cannot be decoded, or that it is not encoded like the others in its file.
func (e Encoding) mismatch(text string) string {
	if reason := e.fault(text); e != "" || reason != unlike {
		return "the seed " + reason
	}
	return "the seed is neither hex nor base32, or the file mixes both: add a column encode"
}

const unlike = "is neither hex nor base32"

// fault returns what is wrong with a seed that cannot be decoded: for example an odd number of hex digits, because spreadsheets
// drop leading zeros, or a character that no encoding has.
func (e Encoding) fault(text string) string {
	text = strings.ReplaceAll(model.CleanPasted(text), ":", "")
	if e != Base32 && e != Base64 && len(text)%2 == 1 && len(text) >= 20 && strings.Trim(text, "0123456789abcdefABCDEF") == "" {
		return "has an odd number of hex digits: one is missing, perhaps a leading zero"
	}
	for _, r := range text {
		if r > unicode.MaxASCII {
			return fmt.Sprintf("contains U+%04X, which cannot be part of a seed", r)
		}
	}
	if e == "" {
		return unlike
	}
	return "is not valid " + string(e)
}

// otherThanBase64 returns the encoding that a seed in a base64 field almost certainly has instead: hex or base32, if it has 20
// characters or more and all of them are in that alphabet. For a random seed in base64 the probability of this is 10^-11, and
// less for 16 bytes.
func otherThanBase64(text string) Encoding {
	text = model.CleanPasted(text)
	if len(text) < 20 {
		return ""
	}
	if _, ok := Hex.decode(text); ok {
		return Hex
	}
	if _, ok := Base32.decode(text); ok && (text == strings.ToUpper(text) || text == strings.ToLower(text)) {
		return Base32
	}
	return ""
}
