package seedfile

import (
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
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

// encodingName reads the name of an encoding, in any case.
func encodingName(s string) (Encoding, bool) {
	e := Encoding(strings.ToUpper(s))
	return e, e.known()
}

// decode reads a seed. White space inside it is dropped, as are the dashes people put between groups of base32. An
// error says nothing of the seed.
func (e Encoding) decode(text string) (model.Secret, bool) {
	text = dropSpace(text)
	var out []byte
	var err error
	switch e {
	case Hex:
		out, err = hex.DecodeString(text)
	case Base32:
		text = strings.TrimRight(strings.ReplaceAll(text, "-", ""), "=")
		if n := len(text) % 8; n == 1 || n == 3 || n == 6 {
			return nil, false // no number of bytes has this length
		}
		out, err = base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ToUpper(text))
	case Base64:
		text = strings.TrimRight(text, "=")
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

// otherThanBase64 says which encoding a seed in a field of base64 is all but surely written in: one of 20 characters or more that are
// all hex's, or all base32's. A random one in base64 is so once in 10^11, of 16 bytes even less often.
func otherThanBase64(text string) Encoding {
	text = dropSpace(text)
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

// dropSpace removes white space, of which most seeds have none.
func dropSpace(s string) string {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] >= 0x80 {
			return strings.Map(func(r rune) rune {
				if unicode.IsSpace(r) {
					return -1
				}
				return r
			}, s)
		}
	}
	return s
}
