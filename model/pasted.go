package model

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// Pasted returns a token or code as it was meant by whoever typed or pasted it: white space, line ends and what is not seen are
// left out, and full-width characters are the usual ones. It is for what has none of these itself.
func Pasted(text string) string {
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

// PastedOTP returns a single OTP as it was meant: Pasted, without the dashes between its groups.
func PastedOTP(text string) string {
	return strings.Map(func(r rune) rune {
		if isDash(r) {
			return -1
		}
		return r
	}, Pasted(text))
}

// isDash says whether a character is one of those that stand for a hyphen.
func isDash(r rune) bool { return unicode.Is(unicode.Pd, r) || r == 0x2212 || r == 0x00ad }

// splitOTP takes the OTP of so many digits off the end of a text. Dashes between its digits, as apps show them in groups, are
// left out; what stands in front stays as it is, for a PIN may have a dash of its own. A text that ends otherwise has none.
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
