package model

import (
	"regexp"
	"strings"
)

// What spreadsheets do to values that look like numbers or formulas, and what people do to prevent it.

// Cell returns the value of a cell as its author meant it. White space around it is removed. ="0001234" becomes 0001234. An
// apostrophe that keeps a spreadsheet from reading the value as a formula is removed. Other apostrophes belong to the value, as
// in the name 't Hart. In a column of serial numbers, an apostrophe before a digit is removed too, and so are two around a
// number.
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

// TextFormula returns the text in a formula such as ="0001234".
func TextFormula(text string) (inner string, ok bool) {
	inner, ok = strings.CutPrefix(text, `="`)
	if ok {
		inner, ok = strings.CutSuffix(inner, `"`)
	}
	return strings.ReplaceAll(inner, `""`, `"`), ok && strings.Count(inner, `"`)%2 == 0
}

// SheetFault returns how a spreadsheet, or a program that read one, has changed a value: "has rounded" a number to powers of ten,
// "has put .0 behind" it, or "has failed to compute" it. For all other values it returns "", also for those that look similar,
// such as the serial numbers 12E5678 and 1E11.
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
	// The forms of spreadsheets: 1.23457E+11, 123.5E+09 with exponents in thousands, 1.2E-05. The form of programs that read
	// them: 1.0E7.
	rounded = regexp.MustCompile(`^[+-]?(?:[0-9]{1,3}(?:[.,][0-9]+)?[eE]\+[0-9]{1,3}|[0-9][.,][0-9]+[eE]-?[0-9]{1,3})$`)
	decimal = regexp.MustCompile(`^[0-9]{5,}\.0$`)
	// An error in any language, such as #REF!, #NAME? and #N/A, or a cell that was too narrow.
	failed = regexp.MustCompile(`^#(?:[\p{Lu}0-9/_.]+[!?]|N/A|NV|N/D|##+)$`)
)

// spreadsheetReason returns why a text is not accepted as a serial number: after export and import it would be a different one.
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
