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

// Algorithms of a key.
const (
	HOTP = "HOTP" // RFC 4226, event-based
	TOTP = "TOTP" // RFC 6238, time-based
)

// Hash functions of a key, with the names that products use.
const (
	SHA1   = "HmacSHA1"
	SHA256 = "HmacSHA256"
	SHA512 = "HmacSHA512"
)

// Key is one OTP key of a token file. A zero field means that the file does not contain it. Key URIs have a User and no Serial,
// and in a PSKC file there may be only a KeyID. At least one of the three is always set. A file may contain a serial number
// twice.
type Key struct {
	Line         int          // line on which the key starts, starting at 1
	Serial       string       // serial number of the device
	KeyID        string       // Id of the key in PSKC
	Manufacturer string       // name or code of the device's maker
	Model        string       // name or number of the device's model
	Issuer       string       // issuer of the key
	User         string       // user of the key: a UPN, a login name or an account label
	Description  string       // free text
	Secret       model.Secret // the key's bytes; never empty
	Algorithm    string       // HOTP, TOTP or ""
	Hash         string       // SHA1, SHA256, SHA512 or ""
	Digits       int          // 6, 8 or 0
	Period       int64        // length of a time step in seconds, or 0
	Counter      int64        // HOTP: the next counter
	Drift        int64        // TOTP: how many steps the device's clock is ahead
	Notes        []string     // what the file says about this key and was not used, in one sentence each
}

// Limits for a key. The caller must refuse seeds that are too short for a product.
const (
	maxSecret = 512
	maxText   = 1024
	maxPeriod = 1 << 31
)

// MaxDrift is how many steps the clock of a device may be ahead or behind in a file. A clock that drifts further in use still
// fits the four bytes in PSKC.
const MaxDrift = 2_000_000_000

// note adds a note about something that the file says about the key and that was not used.
func (k *Key) note(format string, args ...any) {
	k.Notes = append(k.Notes, fmt.Sprintf(format, args...))
}

// check returns why the key cannot be used; "" if it can.
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
	case k.Drift < -MaxDrift || k.Drift > MaxDrift:
		return fmt.Sprintf("the drift is not a number of steps from -%d to %d", MaxDrift, MaxDrift)
	case k.Counter < 0 || k.Counter > otp.LastStep:
		return fmt.Sprintf("the counter is not a number from 0 to %d", otp.LastStep)
	}
	return ""
}

// clean converts the key's texts to the form in which they are stored, which is the same for every file format. It returns why a
// text is refused; "" if none is.
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
				k.Serial = "" // so that no message contains it
			}
			return "the " + t.what + " " + reason
		}
		*t.text = clean
	}
	return ""
}

// printable returns whether s is UTF-8 without control characters.
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

// hashName parses the name of a hash function in the spellings of files: HmacSHA1, sha256, HMAC-SHA-512.
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

// flatName returns a name in lower case without dashes, underscores, white space and invisible characters, because files spell
// names in many ways.
func flatName(s string) string { return flatten.Replace(strings.ToLower(model.CleanPasted(s))) }

// digitCount parses a number of digits, 6 or 8.
func digitCount(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && (n == 6 || n == 8)
}

// positive parses a number of seconds, at least 1.
func positive(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n > 0 && n <= maxPeriod
}

// counterValue parses a counter. If it is too large, the key is refused later.
func counterValue(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n >= 0
}

// signed parses a number of time steps, which may be negative. If it is out of range, the key is refused later.
func signed(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// shown returns a value from a file, quoted for a message. Long values are not shown, because in the wrong column they may be
// seeds.
func shown(s string) string {
	if len(s) > 15 || !printable(s) || model.Hidden(s) {
		return fmt.Sprintf("(a value of %d bytes)", len(s))
	}
	return strconv.Quote(s)
}

// name returns the name of an element, attribute or column for a message. A name that may be a seed is not shown.
func name(s string) string {
	if len(s) > 40 || !printable(s) || model.Hidden(s) {
		return fmt.Sprintf("(a name of %d characters)", model.Characters(s))
	}
	return s
}
