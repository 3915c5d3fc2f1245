package seedfile

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"tokensmith/model"
	"tokensmith/model/otp"
)

// The algorithms of a key.
const (
	HOTP = "HOTP" // RFC 4226, event-based
	TOTP = "TOTP" // RFC 6238, time-based
)

// The hashes of a key, named as products name them.
const (
	SHA1   = "HmacSHA1"
	SHA256 = "HmacSHA256"
	SHA512 = "HmacSHA512"
)

// Key is one OTP key of a token file. A zero field means that the file does not say. Key URIs have no Serial but a User, and
// a PSKC file may have a KeyID only; one of the three is always there. Nothing keeps a file from having a serial twice.
type Key struct {
	Line         int          // 1-based line on which the key starts
	Serial       string       // serial number of the device
	KeyID        string       // PSKC: Id of the key
	Manufacturer string       // name or code of the device's maker
	Model        string       // name or number of the device's model
	Issuer       string       // who issued the key
	User         string       // the user it belongs to: a UPN, a login name, an account label
	Description  string       // free text
	Secret       model.Secret // the key's bytes; never empty
	Algorithm    string       // HOTP, TOTP or ""
	Hash         string       // SHA1, SHA256, SHA512 or ""
	Digits       int          // 6, 8 or 0
	Period       int64        // seconds of a time step, or 0
	Counter      int64        // HOTP: the next counter
	Drift        int64        // TOTP: the device's clock, in steps ahead
	Notes        []string     // what the file says of this key and was not used, one sentence each
}

// The limits of a key. Seeds shorter than a product wants are the caller's to refuse.
const (
	maxSecret = 512
	maxText   = 1024
	maxPeriod = 1 << 31
)

// DriftMost is how many steps a device's clock may be ahead or behind in a file. A clock that strays further in use still fits the four
// bytes that PSKC has for it.
const DriftMost = 2_000_000_000

// note records something the file says of the key that was not used.
func (k *Key) note(format string, args ...any) {
	k.Notes = append(k.Notes, fmt.Sprintf(format, args...))
}

// check says why the key cannot be used, or nothing.
func (k *Key) check() string {
	if reason := k.clean(); reason != "" {
		return reason
	}
	switch {
	case k.Serial == "" && k.KeyID == "" && k.User == "":
		return "the serial is missing"
	case len(k.Secret) == 0:
		return "the seed is missing"
	case len(k.Secret) > maxSecret:
		return fmt.Sprintf("the seed is longer than %d bytes", maxSecret)
	case k.Digits != 0 && k.Digits != 6 && k.Digits != 8:
		return fmt.Sprintf("%d digits are not supported, only 6 or 8", k.Digits)
	case k.Period < 0 || k.Period > maxPeriod:
		return "the period is out of range"
	case k.Drift < -DriftMost || k.Drift > DriftMost:
		return fmt.Sprintf("the drift is not a number of steps from -%d to %d", DriftMost, DriftMost)
	case k.Counter < 0 || k.Counter > otp.LastStep:
		return fmt.Sprintf("the counter is not a number from 0 to %d", otp.LastStep)
	}
	return ""
}

// clean gives the key's texts the form in which they are kept, the same for every file and way in, or says why one has none.
func (k *Key) clean() string {
	for _, t := range []struct {
		what  string
		text  *string
		rule  model.Naming
		limit int
	}{
		{"serial", &k.Serial, model.SerialName, model.MaxSerial},
		{"key id", &k.KeyID, model.CodeName, maxText},
		{"manufacturer", &k.Manufacturer, model.CodeName, maxText},
		{"model", &k.Model, model.CodeName, maxText},
		{"issuer", &k.Issuer, model.Name, maxText},
		{"user", &k.User, model.Name, maxText},
		{"description", &k.Description, model.AnyText, model.MaxDescription},
	} {
		trimmed := model.Trim(*t.text)
		clean, reason := t.rule.Clean(trimmed)
		if reason == "" && model.Characters(clean) > t.limit {
			reason = fmt.Sprintf("is longer than %d characters", t.limit)
		}
		if reason != "" {
			if t.text == &k.Serial {
				k.Serial = "" // it is in no message then
			}
			return "the " + t.what + " " + reason
		}
		*t.text = clean
	}
	return ""
}

// printable tells whether s is UTF-8 without control characters.
func printable(s string) bool {
	ascii := true
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] >= 0x7f {
			ascii = false
			break
		}
	}
	return ascii || utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}

// hashName reads the name of a hash in the spellings files use: HmacSHA1, sha256, HMAC-SHA-512.
func hashName(s string) (string, bool) {
	switch strings.TrimPrefix(flatName(s), "hmac") {
	case "sha1", "sha":
		return SHA1, true
	case "sha256":
		return SHA256, true
	case "sha512":
		return SHA512, true
	}
	return "", false
}

var flatten = strings.NewReplacer("-", "", "_", "")

// flatName is a name in lower case without dashes, underscores, white space of any kind and what is not seen, for names that files
// spell in many ways.
func flatName(s string) string { return flatten.Replace(strings.ToLower(model.Pasted(s))) }

// digitCount reads a number of digits, 6 or 8.
func digitCount(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && (n == 6 || n == 8)
}

// positive reads a number of seconds, at least 1.
func positive(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n > 0 && n <= maxPeriod
}

// counterValue reads a counter. One that is too large is refused with its key.
func counterValue(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n >= 0
}

// signed reads a number of time steps, ahead or behind. One that is out of range is refused with its key.
func signed(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// shown quotes a value of a file in a message. Long values are not shown: one in the wrong column may be a seed.
func shown(s string) string {
	if len(s) > 15 || !printable(s) || model.Hidden(s) {
		return fmt.Sprintf("(a value of %d bytes)", len(s))
	}
	return strconv.Quote(s)
}

// name quotes the name of an element, attribute or column.
func name(s string) string {
	if len(s) > 40 || !printable(s) || model.Hidden(s) {
		return fmt.Sprintf("(a name of %d characters)", model.Characters(s))
	}
	return s
}
