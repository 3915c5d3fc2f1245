package seedfile

import (
	"regexp"
	"strings"
)

// What a spreadsheet does to a value that looks like a number or a formula, and what people do against it.

// roundedReason is the reason for which a rounded value is refused.
func roundedReason(what string) string {
	return "a spreadsheet has rounded the " + what + ": write it as text"
}

// RoundedReason refuses a rounded value of a column.
func RoundedReason(column string) string { return roundedReason("value of " + column) }

// booleans are how spreadsheets write true and false, in the languages that have words of their own.
var booleans = map[string]string{
	"true": "true", "wahr": "true", "vrai": "true", "verdadero": "true", "vero": "true", "verdadeiro": "true", "waar": "true",
	"false": "false", "falsch": "false", "faux": "false", "falso": "false", "onwaar": "false",
}

// Boolean returns true or false for a cell that a spreadsheet wrote, in any case; any other as it is.
func Boolean(text string) string {
	if b, ok := booleans[strings.ToLower(text)]; ok {
		return b
	}
	return text
}

// sepLine reads the first line by which a spreadsheet says what separates the fields: sep=; with nothing behind it. It gives the
// character and the length of the line with its end, 0 when there is none.
func sepLine(prefix []byte) (comma rune, length int) {
	found := sepFirst.FindSubmatch(prefix)
	if found == nil {
		return 0, 0
	}
	return rune(found[1][0]), len(found[0])
}

var sepFirst = regexp.MustCompile(`^"?(?i:sep)=([,;\t|])"?[,;\t]*\r?(?:\n|$)`)
