package model

import (
	"regexp"
	"strings"
)

// What a spreadsheet does to a value that looks like a number or a formula, and what people do against it.

// Cell returns the value of a cell as its writer meant it: without the white space around it, ="0001234" as 0001234, and without the
// apostrophe that keeps a spreadsheet from reading it as a formula. Other apostrophes are the value's own: people are called 't Hart.
// In a column of serials an apostrophe before a digit is a spreadsheet's, too.
func Cell(text string, serial bool) string {
	text = Trim(text)
	if inner, ok := TextFormula(text); ok {
		return Trim(inner)
	}
	if len(text) > 1 && text[0] == '\'' && (strings.IndexByte("=+-@", text[1]) >= 0 || serial && '0' <= text[1] && text[1] <= '9') {
		return Trim(text[1:])
	}
	return text
}

// TextFormula reads ="0001234".
func TextFormula(text string) (inner string, ok bool) {
	inner, ok = strings.CutPrefix(text, `="`)
	if ok {
		inner, ok = strings.CutSuffix(inner, `"`)
	}
	return strings.ReplaceAll(inner, `""`, `"`), ok && strings.Count(inner, `"`)%2 == 0
}

// Rounded says whether a spreadsheet has rounded a number and written it in powers of ten: 1E+11, 1.23457E+11. A serial such
// as 12E5678 is none.
func Rounded(text string) bool { return strings.IndexByte(text, '+') > 0 && rounded.MatchString(text) }

var rounded = regexp.MustCompile(`^[+-]?[0-9](?:[.,][0-9]+)?[eE]\+[0-9]{1,3}$`)

// spreadsheetReason says why a text is no serial: a file would bring another one back.
func spreadsheetReason(s string) string {
	trimmed := Trim(s)
	switch {
	case Rounded(trimmed):
		return "is a number that a spreadsheet has rounded"
	case Cell(trimmed, true) != trimmed:
		return "has the quotes or the apostrophe by which people keep a spreadsheet from reading it: leave them out"
	}
	return ""
}
