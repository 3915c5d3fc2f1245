package seedfile

import (
	"regexp"
	"strings"

	"tokensmith/model"
)

// What a spreadsheet does to a value that looks like a number or a formula, and what people do against it.

// sheetReason says why a value is refused that a spreadsheet has spoilt; "" when it has not.
func sheetReason(what, value string) (reason string) {
	if fault := model.SheetFault(value); fault != "" {
		return "a spreadsheet " + fault + " the " + what + ": write it as text"
	}
	return ""
}

// SheetReason is why a value of a column is refused that a spreadsheet has spoilt; "" when it has not.
func SheetReason(column, value string) (reason string) { return sheetReason("value of "+column, value) }

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
