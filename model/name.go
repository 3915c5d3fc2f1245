package model

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

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
	// Name is of a person or thing that people call by it: white space around it is dropped; what is not seen is refused, but where
	// writing needs it: joiners in Persian, Indic and other names (RFC 8264), variants of characters, emojis.
	Name
	// CodeName is a Name that programs compare, such as a serial: white space around it is refused. A file's reader, where
	// spreadsheets add it, drops it before.
	CodeName
	// SerialName is a CodeName that a spreadsheet leaves as it is: none that it has rounded, and none in a form that is undone in files.
	SerialName
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
	if n == SerialName {
		if reason := spreadsheetReason(s); reason != "" {
			return "", reason
		}
	}
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
	case CodeName, SerialName:
		if strings.TrimSpace(s) != s {
			return "", "must not have white space at an end"
		}
		s = oneSpace(s)
	}
	s = norm.NFC.String(s)
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
		}
	}
	if n != AnyText {
		if r, found := misplaced(s); found {
			return "", "must not have characters that are not seen, such as " + codePoint(r)
		}
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
// base32, or twenty-four of base64, in a row. Blanks and dashes, which people put between groups, do not end one, nor do the colons
// and points between the bytes of hex.
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
			base32, base64, letters = 0, 0, false
			if c != ':' && c != '.' {
				hex = 0
			}
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

// Hidden says of a text of a file that no message may show it: it could be a seed, or the better part of one, and is not words.
func Hidden(s string) bool {
	return (MayBeSeed(s) || len(s) >= 12 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz234567") == "") && !words(s)
}

// words tells words of an alphabet from letters that were drawn: they stand in camel case, which no encoding of a seed has, or a third of
// them are vowels, which of sixteen that were drawn is so once in fourteen; and no digit stands between them, as in most seeds.
func words(s string) bool {
	letters, vowels, digits, run, longest := 0, 0, 0, 0, 0
	pieces, piece, shortest := 1, 0, len(s)
	lower := false
	for _, r := range s {
		low := unicode.ToLower(r)
		switch {
		case unicode.IsDigit(r):
			digits++
			continue
		case digits > 0 && unicode.IsLetter(r):
			return false // a digit between letters
		case !unicode.IsLetter(r):
			run = 0
			continue
		}
		letters++
		if lower && r != low {
			pieces, shortest, piece = pieces+1, min(shortest, piece), 0
		}
		piece++
		lower = r == low
		if strings.ContainsRune("aeiou", low) {
			vowels++
		}
		if run++; strings.ContainsRune("aeiouy", low) {
			run = 0
		}
		longest = max(longest, run)
	}
	shortest = min(shortest, piece)
	if digits > 2 || letters == 0 {
		return false
	}
	return pieces > 1 && shortest > 1 && letters >= 4*pieces || 3*vowels >= letters && longest <= 5
}
