package seedfile

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// key reads a Key element into k. It returns a reason if the key is refused, or an error if the file is refused.
func (p *pskcReader) key(k *Key, e *element) (reason string, err error) {
	if reason := p.known(k, e); reason != "" {
		return reason, nil
	}
	k.KeyID = e.attr("Id")
	algorithm := e.attr("Algorithm")
	if k.Algorithm = pskcAlgorithm(algorithm); k.Algorithm == "" {
		if algorithm == "" {
			return "the key names no algorithm", nil
		}
		return fmt.Sprintf("algorithm %s is not supported, only HOTP and TOTP", quoted(algorithm)), nil
	}
	var data *element
	derived := ""
	for _, c := range e.children {
		switch {
		case c.is(nsPSKC, "Issuer"):
			k.Issuer = c.text
		case c.is(nsPSKC, "UserId"):
			if k.User != "" && k.User != c.text {
				k.note("the device's user %s was not kept, because the key names another", quoted(k.User))
			}
			k.User = c.text
		case c.is(nsPSKC, "FriendlyName"):
			k.Description = c.text
		case c.is(nsPSKC, "AlgorithmParameters"):
			reason = p.parameters(k, c)
		case c.is(nsPSKC, "Policy"):
			reason = k.policy(c)
		case c.is(nsPSKC, "KeyProfileId"), c.is(nsPSKC, "KeyReference"):
			derived += fmt.Sprintf(" %s %s", c.local, quoted(c.text))
		case c.is(nsPSKC, "Data"):
			if data != nil {
				reason = "the key has <Data> twice"
			}
			data = c
		}
		if reason != "" {
			return reason, nil
		}
	}
	if data.child(nsPSKC, "Secret") == nil {
		if derived != "" {
			return "the file does not contain the key, but says to derive it from another one:" + derived, nil
		}
		return "the key has no secret", nil
	}
	if derived != "" {
		k.note("%s was not used", strings.TrimSpace(derived))
	}
	return p.data(k, data)
}

// pskcAlgorithm parses the URI of an algorithm in the spellings of RFC 6030, of its drafts, and of pskc2pskc.
func pskcAlgorithm(uri string) string {
	for _, prefix := range []string{nsPSKC + ":", nsPSKC + "#", "http://www.ietf.org/keyprov/pskc#"} {
		if rest, ok := strings.CutPrefix(uri, prefix); ok {
			uri = rest
			break
		}
	}
	switch strings.ToLower(uri) {
	case "hotp":
		return HOTP
	case "totp":
		return TOTP
	}
	return ""
}

// parameters reads AlgorithmParameters.
func (p *pskcReader) parameters(k *Key, e *element) (reason string) {
	for _, c := range e.children {
		switch {
		case c.is(nsPSKC, "Suite"):
			ok := true
			if c.text != "" {
				k.Hash, ok = hashName(c.text)
			}
			if !ok {
				return fmt.Sprintf("suite %s is not supported", shown(c.text))
			}
		case c.is(nsPSKC, "ResponseFormat"):
			if reason := k.responseFormat(c); reason != "" {
				return reason
			}
		}
	}
	return ""
}

func (k *Key) responseFormat(e *element) (reason string) {
	if encoding := e.attr("Encoding"); encoding != "" && encoding != "DECIMAL" {
		return fmt.Sprintf("response encoding %s is not supported, only DECIMAL", quoted(encoding))
	}
	if check := e.attr("CheckDigits"); check != "" && check != "false" && check != "0" {
		return "check digits are not supported"
	}
	if length := e.attr("Length"); length != "" {
		var ok bool
		if k.Digits, ok = digitCount(length); !ok {
			return fmt.Sprintf("%s digits are not supported, only 6 or 8", shown(length))
		}
	}
	return ""
}

// data reads the secret and the counter or time values.
func (p *pskcReader) data(k *Key, e *element) (reason string, err error) {
	seen := map[string]bool{}
	for _, c := range e.children {
		if c.space != nsPSKC {
			continue
		}
		if seen[c.local] {
			return fmt.Sprintf("the key has <%s> twice", name(c.local)), nil
		}
		seen[c.local] = true
		value, reason, err := pskcValue{}, "", error(nil)
		switch c.local {
		case "Secret", "Counter", "Time", "TimeInterval", "TimeDrift":
			value, reason, err = p.lock.open(c)
		default:
			continue
		}
		if err != nil || reason != "" {
			return reason, err
		}
		for _, n := range value.notes {
			k.note("%s", n)
		}
		if reason := k.datum(c.local, value); reason != "" {
			return reason, nil
		}
	}
	return "", nil
}

// datum stores one value of the key.
func (k *Key) datum(element string, v pskcValue) (reason string) {
	if element == "Secret" {
		k.Secret = v.secret
		return v.badSecret
	}
	n, reason := v.integer(element == "Counter" || element == "Time")
	if reason == "" && element == "TimeDrift" && v.encrypted && len(v.secret) < 4 && v.secret[0] >= 0x80 {
		reason = "is too short to tell whether the clock is ahead or behind"
	}
	if reason != "" {
		return fmt.Sprintf("the value of <%s> %s", element, reason)
	}
	switch {
	case element == "Counter" && k.Algorithm == HOTP:
		k.Counter = n
	case element == "TimeInterval" && k.Algorithm == TOTP:
		if n < 1 || n > maxPeriod {
			return "the time interval is out of range"
		}
		k.Period = n
	case element == "TimeDrift" && k.Algorithm == TOTP:
		k.Drift = n
	case element == "Time" && n == 0:
		// The epoch of RFC 6238.
	default:
		k.note("<%s> %d was not used", element, n)
	}
	return ""
}

// pskcValue is the decrypted value of a data element.
type pskcValue struct {
	plain     string // the text of PlainValue; "" if the value was encrypted
	secret    []byte // the bytes: decrypted, or decoded from PlainValue
	badSecret string // why PlainValue is not a valid secret
	notes     []string
	encrypted bool
}

// integer decodes an int (4 bytes) or long (8 bytes) data element, or returns what is wrong with it. In RFC 6030 the decrypted
// value has that many bytes in network byte order. Some programs encrypt the decimal digits instead, and many use as few bytes as
// possible. A value that could be both is refused, and so is a shortened negative value. The MAC was verified, so the value is
// what the program wrote.
func (v pskcValue) integer(long bool) (n int64, reason string) {
	if !v.encrypted {
		n, err := strconv.ParseInt(v.plain, 10, 64)
		if err != nil || !long && n != int64(int32(n)) {
			return 0, "is not a number"
		}
		return n, ""
	}
	b := v.secret
	typed, plain := typedNumber(b)
	switch {
	case plain && len(b) != 4 && len(b) != 8:
		n, err := strconv.ParseInt(string(b), 10, 64)
		if err != nil {
			return 0, "is not a number that fits in 8 bytes"
		}
		return n, ""
	case typed && len(b) > 8:
		return 0, "is not a number, in bytes or in digits"
	case typed:
		return 0, "could be a number in bytes or in digits, which have different values"
	case len(b) == 0, len(b) > 8:
		return 0, "is not a number of 1 to 8 bytes"
	case len(b) == 4 && !long:
		return int64(int32(binary.BigEndian.Uint32(b))), ""
	}
	var whole [8]byte
	copy(whole[8-len(b):], b)
	n = int64(binary.BigEndian.Uint64(whole[:]))
	if n < 0 && long {
		return 0, "is not a number of 1 to 8 bytes"
	}
	return n, ""
}

// typedNumber returns whether bytes look like a number that somebody typed: digits, perhaps with a sign, a point, white space
// around them, a zero byte at the end, or 0x before them. plain says that there are only digits.
func typedNumber(b []byte) (typed, plain bool) {
	text := strings.TrimLeft(strings.TrimRight(string(b), " \t\r\n\x00"), " \t\r\n")
	digits := strings.TrimLeft(text, "+-")
	if rest, ok := strings.CutPrefix(strings.ToLower(digits), "0x"); ok {
		return rest != "" && strings.Trim(rest, "0123456789abcdef") == "", false
	}
	typed = strings.ContainsAny(digits, "0123456789") && strings.Trim(digits, "0123456789.,' ") == ""
	return typed, typed && strings.Trim(string(b), "0123456789") == ""
}
