package wire

import (
	"fmt"
	"slices"

	"tokensmith/model"
	"tokensmith/model/seedfile"
)

// shownSerial returns a serial number if an error may contain it. It returns "" if it is too long, has unreadable characters, or
// may be a seed in the wrong column.
func shownSerial(s string) string {
	if clean, reason := model.CodeName.Clean(s); reason != "" || clean != s || model.Characters(s) > model.MaxSerial || model.MayBeSeed(s) {
		return ""
	}
	return s
}

// maxRefusals is how many refused rows a reply lists. Further ones are counted.
const maxRefusals = 1000

// RowErrors collects the refused rows of a file. It becomes the result of the refusal.
type RowErrors struct {
	Rows []RowError `json:"rows"`
	More int        `json:"more,omitzero"`
}

// RowError is a refused row of a file.
type RowError struct {
	Line   int    `json:"line"`
	Serial string `json:"serial,omitzero"`
	Reason string `json:"reason"`
}

// Add adds the row at a line; lines start at 1.
func (r *RowErrors) Add(line int, serial, format string, args ...any) {
	if len(r.Rows) >= maxRefusals {
		r.More++
		return
	}
	r.Rows = append(r.Rows, RowError{line, shownSerial(serial), fmt.Sprintf(format, args...)})
}

// Take adds the rows that a file reader could not use.
func (r *RowErrors) Take(bad seedfile.Bad) {
	for _, row := range bad.Rows {
		r.Add(row.Line, row.Serial, "%s", row.Reason)
	}
	r.More += bad.More
}

// Err returns the error for a file with refused rows; nil if there are none. Nothing of such a file is stored.
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
