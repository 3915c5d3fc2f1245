package model

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Naming is the rule for a name, serial number or text from a person or a file. Each kind of text has one rule, which applies
// wherever the text comes from. So a text that is accepted in one way can be exported and imported again without a change.
type Naming uint8

// The rules. All except AsWritten refuse invalid UTF-8, control characters, and U+FFFD, which replaces unreadable characters.
// They convert to NFC.
const (
	// AsWritten means no rule. It is for texts that programs use and that are checked elsewhere.
	AsWritten Naming = iota
	// AnyText is free text. White space around it is removed, line ends become \n, and tabs and line ends inside it are kept.
	AnyText
	// Name is the name of a person or thing. White space around it is removed. Invisible characters are refused, except where a
	// script needs them: joiners in Persian, Indic and other names (RFC 8264), and variants of characters and emojis.
	Name
	// CodeName is a name that programs compare, such as a serial number. It is like Name, but white space around it is refused.
	// Spreadsheets add such white space; file readers remove it before they apply the rule.
	CodeName
	// SerialName is a CodeName that a spreadsheet does not change. It refuses values that a spreadsheet has rounded, and forms that
	// readers of files convert to others.
	SerialName
)

// Limits of the lengths of texts, in characters.
const (
	MaxSerial      = 64
	MaxIdentifier  = 255
	MaxDescription = 1024
	MaxCode        = 32 // manufacturer code and product code
)

// Clean returns a text in the form in which it is stored, or the reason why it is refused.
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
			return "", "must not begin or end with white space"
		}
		s = oneSpace(s)
	}
	s = norm.NFC.String(s)
	for _, r := range s {
		switch {
		case r == '\n' || r == '\t':
			if n != AnyText {
				return "", "must not contain control characters such as " + codePoint(r)
			}
		case unicode.IsControl(r):
			return "", "must not contain control characters such as " + codePoint(r)
		case r == utf8.RuneError:
			return "", "contains U+FFFD, which stands for a character that could not be read: check the charset that it was written in"
		case isNonCharacter(r):
			return "", "must not have " + codePoint(r) + ", which is not a character"
		}
	}
	if n != AnyText {
		if r, found := misplaced(s); found {
			return "", "must not contain invisible characters such as " + codePoint(r)
		}
	}
	return s, ""
}

// Check is Clean for an attribute at a place. It returns the reason as an error.
func (n Naming) Check(place, s string) (string, error) {
	clean, reason := n.Clean(s)
	if reason != "" {
		return "", AttrErrorf(Invalid, place, "%s", reason)
	}
	return clean, nil
}

// oneSpace replaces every kind of space in a name by U+0020 (RFC 8265, section 4.2.1), because they look the same.
func oneSpace(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Zs, r) {
			return ' '
		}
		return r
	}, s)
}

// Trim removes the white space that people and spreadsheets leave around a text, including no-break spaces.
func Trim(s string) string { return strings.TrimSpace(s) }

// plainName returns whether no rule changes a text, because it is printable ASCII without a space at an end.
func plainName(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' && (s[i] != ' ' || i == 0 || i == len(s)-1) || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// isNonCharacter returns whether a code point is a noncharacter in Unicode, which XML does not allow either.
func isNonCharacter(r rune) bool { return r&0xfffe == 0xfffe || 0xfdd0 <= r && r <= 0xfdef }

func codePoint(r rune) string { return fmt.Sprintf("U+%04X", r) }

var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// Characters returns the number of characters in a text. Limits are in characters.
func Characters(s string) int { return utf8.RuneCountInString(s) }

// MayBeSeed returns whether a text, found where no seed belongs, could be a seed and must not be in a message. That is so if it
// contains 20 hex digits, 16 base32 characters or 24 base64 characters in a row. Blanks and dashes, which people put between
// groups, do not interrupt a row. Neither do colons and points between hex bytes.
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

// Hidden returns whether no message may contain a text from a file, because it could be a seed or most of one and does not look
// like words.
func Hidden(s string) bool {
	return (MayBeSeed(s) || len(s) >= 12 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz234567") == "") && !words(s)
}

// words returns whether a text looks like words in Latin letters and not like random letters. Words have no digits between
// letters, unlike most seeds. In addition they are in camel case, which no encoding of a seed has, or a third of their letters
// are vowels, which is so for only one in fourteen random texts of sixteen letters.
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
			return false // a digit before a letter
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
