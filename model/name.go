package model

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/secure/precis"
	"golang.org/x/text/unicode/norm"
)

// Naming is the rule for a name, serial or text that a person or a file gives. There is one for each kind of text, and every way
// in keeps to it: what one accepts can be exported and imported again unchanged.
type Naming uint8

// The rules. All but the first refuse what is not UTF-8, control characters and U+FFFD, which stands for what could not be read,
// and give NFC.
const (
	// AsWritten is no rule: a text for programs, which has one of its own.
	AsWritten Naming = iota
	// AnyText is free text: white space around it is dropped, line ends are \n, and tabs and lines are kept.
	AnyText
	// Name is of a person or thing that people call by it: white space around it is dropped; what is not seen is refused, but for
	// the joiners that Persian, Indic and other names need, where they join (RFC 8264, RFC 5892 appendix A).
	Name
	// CodeName is a Name that programs compare, such as a serial: white space around it is refused. A file's reader, where
	// spreadsheets add it, drops it before.
	CodeName
)

// The limits of a serial and of a text, in characters.
const (
	MaxSerial      = 64
	MaxIdentifier  = 255
	MaxDescription = 1024
	MaxCode        = 32 // of a product's codes
)

// Clean returns a text in the form in which it is kept, or says why it cannot be.
func (n Naming) Clean(s string) (clean, reason string) {
	if n == AsWritten || plainName(s) {
		return s, ""
	}
	if !utf8.ValidString(s) {
		return "", "is not UTF-8"
	}
	switch n {
	case AnyText:
		s = strings.TrimSpace(lineEnds.Replace(s))
	case Name:
		s = oneSpace(strings.TrimSpace(s))
	case CodeName:
		if strings.TrimSpace(s) != s {
			return "", "must not have white space at an end"
		}
		s = oneSpace(s)
	}
	s = norm.NFC.String(s)
	joiner := false
	for _, r := range s {
		switch {
		case r == '\n' || r == '\t':
			if n != AnyText {
				return "", "must not have control characters, such as " + codePoint(r)
			}
		case unicode.IsControl(r):
			return "", "must not have control characters, such as " + codePoint(r)
		case r == utf8.RuneError:
			return "", "has U+FFFD in place of a character that could not be read: what is its charset?"
		case isNonCharacter(r):
			return "", "must not have " + codePoint(r) + ", which is no character"
		case n == AnyText:
		case r == 0x200c || r == 0x200d:
			joiner = true
		case Unseen(r):
			return "", "must not have characters that are not seen, such as " + codePoint(r)
		}
	}
	if joiner && !joins(s) {
		return "", "must not have characters that are not seen, such as a joiner that joins nothing"
	}
	return s, ""
}

// Check is Clean for an attribute at a place.
func (n Naming) Check(place, s string) (string, error) {
	clean, reason := n.Clean(s)
	if reason != "" {
		return "", AttrErrorf(Invalid, place, "%s", reason)
	}
	return clean, nil
}

// joins says whether the joiners of a text stand where scripts have them, by the rules of RFC 5892 appendix A, which the
// freeform class applies.
func joins(s string) bool {
	_, err := freeform.String(s)
	return err == nil
}

var freeform = precis.NewFreeform()

// oneSpace makes every kind of blank inside a name the usual one, as RFC 8265 section 4.2.1 has it: they look the same.
func oneSpace(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Zs, r) {
			return ' '
		}
		return r
	}, s)
}

// Trim drops the white space that people and spreadsheets leave around a text, no-break spaces as well.
func Trim(s string) string { return strings.TrimSpace(s) }

// Unseen says of a character that it has no look of its own: of no width, or a change of the direction of writing.
func Unseen(r rune) bool {
	return unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Variation_Selector, r) || r == 0x034f || r == 0x115f || r == 0x1160 ||
		r == 0x3164 || r == 0xffa0 || r == 0x2800
}

// plainName says of a text that every rule keeps it as it is: printable ASCII without a space at an end.
func plainName(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' && (s[i] != ' ' || i == 0 || i == len(s)-1) || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// isNonCharacter says whether Unicode, and with it XML, has no character of that number.
func isNonCharacter(r rune) bool { return r&0xfffe == 0xfffe || 0xfdd0 <= r && r <= 0xfdef }

func codePoint(r rune) string { return fmt.Sprintf("U+%04X", r) }

var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// Characters counts the characters of a text, which is what its limit is in.
func Characters(s string) int { return utf8.RuneCountInString(s) }

// MayBeSeed says of a text in the wrong place that it could be a seed, so that no message shows it: twenty hex digits, sixteen of
// base32, or twenty-four of base64, in a row. Blanks and dashes, which people put between groups, do not end one.
func MayBeSeed(s string) bool {
	hex, base32, base64, letters := 0, 0, 0, false
	for i := range len(s) {
		c := s[i]
		upper := c &^ 0x20
		letter := 'A' <= upper && upper <= 'Z'
		digit := '0' <= c && c <= '9'
		switch {
		case c == ' ' || c == '-':
			continue
		case !letter && !digit && c != '+' && c != '/' && c != '_':
			hex, base32, base64, letters = 0, 0, 0, false
			continue
		}
		base64++
		letters = letters || letter
		if digit || letter && upper <= 'F' {
			hex++
		} else {
			hex = 0
		}
		if letter || '2' <= c && c <= '7' {
			base32++
		} else {
			base32 = 0
		}
		if hex >= 20 || base32 >= 16 && letters || base64 >= 24 {
			return true
		}
	}
	return false
}
