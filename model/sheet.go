package model

import (
	"regexp"
	"strings"
)

// What a spreadsheet does to a value that looks like a number or a formula, and what people do against it.

// Cell returns the value of a cell as its writer meant it: without the white space around it, ="0001234" as 0001234, and without the
// apostrophe that keeps a spreadsheet from reading it as a formula. Other apostrophes are the value's own: people are called 't Hart.
// In a column of serials an apostrophe before a digit is a spreadsheet's, too, and two around one are quotes.
func Cell(text string, serial bool) string {
	text = Trim(text)
	if inner, ok := TextFormula(text); ok {
		return Trim(inner)
	}
	if n := len(text); serial && n > 2 && text[0] == '\'' && text[n-1] == '\'' && '0' <= text[1] && text[1] <= '9' {
		return Trim(text[1 : n-1])
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

// SheetFault says what a spreadsheet, or a program that read one, has done to a value so that another stands in its place: "has
// rounded" a number to powers of ten, "has put .0 behind" it, "has failed to compute" it. It is "" for all others, also for those that
// only look like it, such as the serials 12E5678 and 1E11.
func SheetFault(text string) (fault string) {
	switch {
	case strings.HasPrefix(text, "#") && failed.MatchString(text):
		return "has failed to compute"
	case strings.HasSuffix(text, ".0") && decimal.MatchString(text):
		return "has put .0 behind"
	case strings.ContainsAny(text, "+.,") && rounded.MatchString(text):
		return "has rounded"
	}
	return ""
}

var (
	// As spreadsheets write it, 1.23457E+11 or in thousands 123.5E+09, also small 1.2E-05, and as programs do that read them, 1.0E7.
	rounded = regexp.MustCompile(`^[+-]?(?:[0-9]{1,3}(?:[.,][0-9]+)?[eE]\+[0-9]{1,3}|[0-9][.,][0-9]+[eE]-?[0-9]{1,3})$`)
	decimal = regexp.MustCompile(`^[0-9]{5,}\.0$`)
	// An error, such as #REF!, #NAME? and #N/A in any language, and a cell that was too narrow.
	failed = regexp.MustCompile(`^#(?:[\p{Lu}0-9/_.]+[!?]|N/A|NV|N/D|##+)$`)
)

// spreadsheetReason says why a text is no serial: a file would bring another one back.
func spreadsheetReason(s string) string {
	trimmed := Trim(s)
	switch fault := SheetFault(trimmed); {
	case fault != "":
		return "is a value that a spreadsheet " + fault
	case Cell(trimmed, true) != trimmed:
		return "has the quotes or the apostrophe by which people keep a spreadsheet from reading it: leave them out"
	}
	return ""
}
