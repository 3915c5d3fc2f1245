package wire

import (
	"fmt"
	"slices"

	"tokensmith/model"
	"tokensmith/model/seedfile"
)

// shownSerial returns a serial that may stand in a refusal: none that is too long, cannot be read, or may be a seed in the wrong place.
func shownSerial(s string) string {
	if clean, reason := model.CodeName.Clean(s); reason != "" || clean != s || model.Characters(s) > model.MaxSerial || model.MayBeSeed(s) {
		return ""
	}
	return s
}

// maxRefusals bounds the refused rows a reply lists; the rest is counted.
const maxRefusals = 1000

// RowErrors collects the bad rows of a file; it becomes the result of the refusal.
type RowErrors struct {
	Rows []RowError `json:"rows"`
	More int        `json:"more,omitzero"`
}

// RowError is a row of a file that is refused.
type RowError struct {
	Line   int    `json:"line"`
	Serial string `json:"serial,omitzero"`
	Reason string `json:"reason"`
}

// Add refuses the row at a line, counted from 1.
func (r *RowErrors) Add(line int, serial, format string, args ...any) {
	if len(r.Rows) >= maxRefusals {
		r.More++
		return
	}
	r.Rows = append(r.Rows, RowError{line, shownSerial(serial), fmt.Sprintf(format, args...)})
}

// Take adds the rows that a reader could not use.
func (r *RowErrors) Take(bad seedfile.Bad) {
	for _, row := range bad.Rows {
		r.Add(row.Line, row.Serial, "%s", row.Reason)
	}
	r.More += bad.More
}

// Err returns the error of a file with bad rows; nil when there are none. Nothing of such a file is stored.
func (r *RowErrors) Err(k model.Kind) error {
	n := len(r.Rows) + r.More
	if n == 0 {
		return nil
	}
	slices.SortStableFunc(r.Rows, func(a, b RowError) int { return a.Line - b.Line })
	noun := "rows are"
	if n == 1 {
		noun = "row is"
	}
	e := model.Errorf(k, "%d %s refused, nothing is changed; the first is line %d: %s", n, noun, r.Rows[0].Line, r.Rows[0].Reason)
	e.Detail = r
	return e
}
