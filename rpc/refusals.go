package rpc

import (
	"fmt"
	"slices"

	"tokensmith/model"
	"tokensmith/model/seedfile"
)

// refusalsMost bounds the refused rows a reply lists; the rest is counted.
const refusalsMost = 1000

// refusals collects the bad rows of a file; it becomes the result of the refusal.
type refusals struct {
	Rows []refusal `json:"rows"`
	More int       `json:"more,omitzero"`
}

type refusal struct {
	Line   int    `json:"line"`
	Serial string `json:"serial,omitzero"`
	Reason string `json:"reason"`
}

func (r *refusals) add(line int, serial, format string, args ...any) {
	if len(r.Rows) >= refusalsMost {
		r.More++
		return
	}
	r.Rows = append(r.Rows, refusal{line, shownSerial(serial), fmt.Sprintf(format, args...)})
}

// take adds the rows that a reader could not use.
func (r *refusals) take(bad seedfile.Bad) {
	for _, row := range bad.Rows {
		r.add(row.Line, row.Serial, "%s", row.Reason)
	}
	r.More += bad.More
}

// refuse gives the error of a file with bad rows; nil when there are none. Nothing of such a file is stored.
func (r *refusals) refuse(k model.Kind) error {
	n := len(r.Rows) + r.More
	if n == 0 {
		return nil
	}
	slices.SortStableFunc(r.Rows, func(a, b refusal) int { return a.Line - b.Line })
	noun := "rows are"
	if n == 1 {
		noun = "row is"
	}
	e := model.Errorf(k, "%d %s refused, nothing is changed; the first is line %d: %s", n, noun, r.Rows[0].Line, r.Rows[0].Reason)
	e.Detail = r
	return e
}
