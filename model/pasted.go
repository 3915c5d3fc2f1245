package model

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// CleanPasted returns a token or code as the person who typed or pasted it meant it: without white space, line ends and invisible
// characters, and with full-width characters converted to normal ones. It is only for texts that do not contain these themselves.
func CleanPasted(text string) string {
	if plainName(text) && strings.IndexByte(text, ' ') < 0 {
		return text
	}
	return width.Fold.String(strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || Unseen(r) {
			return -1
		}
		return r
	}, text))
}

// PastedOTP returns a single OTP as it was meant: like CleanPasted, but also without the dashes between its groups.
func PastedOTP(text string) string {
	return strings.Map(func(r rune) rune {
		if isDash(r) {
			return -1
		}
		return r
	}, CleanPasted(text))
}

// isDash returns whether a character is used as a hyphen.
func isDash(r rune) bool { return unicode.Is(unicode.Pd, r) || r == 0x2212 || r == 0x00ad }

// splitOTP splits the OTP, of that many digits, off the end of a text. Dashes between its digits, from apps that show groups, are
// removed. The rest of the text does not change, because a PIN may contain a dash. ok is false if the text does not end with an
// OTP.
func splitOTP(text string, digits int) (head, code string, ok bool) {
	at := len(text) - digits
	if at < 0 {
		return "", "", false
	}
	head, code = text[:at], text[at:]
	if strings.Trim(code, "0123456789") == "" {
		return head, code, true
	}
	found := make([]byte, digits)
	n := digits
	rest := text
	for n > 0 && rest != "" {
		r, size := utf8.DecodeLastRuneInString(rest)
		switch {
		case '0' <= r && r <= '9':
			n--
			found[n] = byte(r)
		case !isDash(r) || n == digits:
			return "", "", false
		}
		rest = rest[:len(rest)-size]
	}
	if n > 0 {
		return "", "", false
	}
	return rest, string(found), true
}
