package seedfile

import (
	"regexp"
	"strings"

	"tokensmith/model"
)

// What spreadsheets do to values that look like numbers or formulas, and what people do to prevent it.

// sheetReason returns why a value is refused that a spreadsheet has damaged; "" for other values.
func sheetReason(what, value string) (reason string) {
	if fault := model.SheetFault(value); fault != "" {
		return "a spreadsheet " + fault + " the " + what + ": write it as text"
	}
	return ""
}

// SheetReason is sheetReason for a value of a column.
func SheetReason(column, value string) (reason string) { return sheetReason("value of "+column, value) }

// booleans are the words for true and false that spreadsheets write in different languages.
var booleans = map[string]string{
	"true": "true", "wahr": "true", "vrai": "true", "verdadero": "true", "vero": "true", "verdadeiro": "true", "waar": "true",
	"false": "false", "falsch": "false", "faux": "false", "falso": "false", "onwaar": "false",
}

// Boolean returns "true" or "false" for a cell in which a spreadsheet wrote one of these, in any case. It returns any other text
// unchanged.
func Boolean(text string) string {
	if b, ok := booleans[strings.ToLower(text)]; ok {
		return b
	}
	return text
}

// sepLine parses a first line sep=; with which a spreadsheet names the separator. It returns the separator and the length of the
// line with its end; 0 if there is no such line.
func sepLine(prefix []byte) (comma rune, length int) {
	found := sepFirst.FindSubmatch(prefix)
	if found == nil {
		return 0, 0
	}
	return rune(found[1][0]), len(found[0])
}

var sepFirst = regexp.MustCompile(`^"?(?i:sep)=([,;\t|])"?[,;\t]*\r?(?:\n|$)`)
