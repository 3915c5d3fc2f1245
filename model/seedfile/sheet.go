package seedfile

import (
	"regexp"
	"strings"

	"tokensmith/model"
)

// What a spreadsheet does to a value that looks like a number or a formula, and what people do against it.

// Cell returns the value of a cell as its writer meant it: without the white space around it, ="0001234" as 0001234, and without the
// apostrophe that keeps a spreadsheet from reading it as a formula. Other apostrophes are the value's own: people are called 't Hart.
func Cell(text string) string { return cell(text, false) }

// cell is Cell; in a column of serials an apostrophe before a digit is a spreadsheet's, too.
func cell(text string, serial bool) string {
	text = model.Trim(text)
	if inner, ok := textFormula(text); ok {
		return model.Trim(inner)
	}
	if len(text) > 1 && text[0] == '\'' && (strings.IndexByte("=+-@", text[1]) >= 0 || serial && '0' <= text[1] && text[1] <= '9') {
		return model.Trim(text[1:])
	}
	return text
}

// textFormula reads ="0001234".
func textFormula(text string) (inner string, ok bool) {
	inner, ok = strings.CutPrefix(text, `="`)
	if ok {
		inner, ok = strings.CutSuffix(inner, `"`)
	}
	return strings.ReplaceAll(inner, `""`, `"`), ok && strings.Count(inner, `"`)%2 == 0
}

// Rounded says whether a spreadsheet has rounded a number and written it in powers of ten: 1E+11, 1.23457E+11. A serial such
// as 12E5678 is none.
func Rounded(text string) bool { return rounded.MatchString(text) }

var rounded = regexp.MustCompile(`^[+-]?[0-9](?:[.,][0-9]+)?[eE]\+[0-9]{1,3}$`)

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
