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

// Encoding is how a file writes its seeds.
type Encoding string

// The encodings of seeds.
const (
	Hex    Encoding = "HEX"
	Base32 Encoding = "BASE32" // RFC 4648, upper or lower case, padded or not
	Base64 Encoding = "BASE64" // RFC 4648, standard or URL alphabet, padded or not
)

func (e Encoding) known() bool { return e == Hex || e == Base32 || e == Base64 }

// encodingName reads the name of an encoding, in any spelling: base-32.
func encodingName(s string) (Encoding, bool) {
	e := Encoding(strings.ToUpper(flatName(s)))
	return e, e.known()
}

// decode reads a seed as it was pasted: white space, what is not seen, and dashes between groups of base32 or colons between bytes of
// hex are left out. An error says nothing of the seed.
func (e Encoding) decode(text string) (model.Secret, bool) {
	var out []byte
	var err error
	switch e {
	case Hex:
		out, err = hex.DecodeString(strings.ReplaceAll(model.Pasted(text), ":", ""))
	case Base32:
		text = strings.TrimRight(model.PastedOTP(text), "=")
		if n := len(text) % 8; n == 1 || n == 3 || n == 6 {
			return nil, false // no number of bytes has this length
		}
		out, err = base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ToUpper(text))
	case Base64:
		text = strings.TrimRight(model.Pasted(text), "=")
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

// DecodeSeed reads a seed, or another key, in an encoding, or says why it cannot. It says nothing of the seed.
func DecodeSeed(text string, e Encoding) (seed model.Secret, reason string) {
	seed, ok := e.decode(text)
	if !ok {
		return nil, e.fault(text)
	}
	return seed, ""
}

// mismatch says why a seed cannot be read, or that it is not written as the others of its file.
func (e Encoding) mismatch(text string) string {
	if reason := e.fault(text); e != "" || reason != unlike {
		return "the seed " + reason
	}
	return "the seed is neither hex nor base32, or the file mixes both; say encode in a column"
}

const unlike = "is neither hex nor base32"

// fault says what is wrong with a seed that cannot be read: a digit of hex that is missing, as spreadsheets drop the zeros in front, or
// a character that no encoding has.
func (e Encoding) fault(text string) string {
	text = strings.ReplaceAll(model.Pasted(text), ":", "")
	if e != Base32 && e != Base64 && len(text)%2 == 1 && len(text) >= 20 && strings.Trim(text, "0123456789abcdefABCDEF") == "" {
		return "has an odd number of hex digits: one is missing, perhaps a zero in front"
	}
	for _, r := range text {
		if r > unicode.MaxASCII {
			return fmt.Sprintf("has U+%04X, which is in no seed", r)
		}
	}
	if e == "" {
		return unlike
	}
	return "is not valid " + string(e)
}

// otherThanBase64 says which encoding a seed in a field of base64 is all but surely written in: one of 20 characters or more that are
// all hex's, or all base32's. A random one in base64 is so once in 10^11, of 16 bytes even less often.
func otherThanBase64(text string) Encoding {
	text = model.Pasted(text)
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
