package seedfile

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"tokensmith/model"
)

// maxBad bounds the list of refused rows; the rest is counted.
const maxBad = 1000

// Bad lists the rows of a file that were refused: the first 1,000 in full, the rest as a number.
type Bad struct {
	Rows []model.RowError
	More int
}

// Count is the number of refused rows.
func (b *Bad) Count() int { return len(b.Rows) + b.More }

func (b *Bad) add(line int, serial, reason string) {
	if len(b.Rows) >= maxBad {
		b.More++
		return
	}
	if model.Characters(serial) > model.MaxSerial || !printable(serial) || mayHoldSeed(serial) {
		serial = ""
	}
	b.Rows = append(b.Rows, model.RowError{Line: line, Serial: serial, Reason: reason})
}

// mayHoldSeed tells whether what should be a serial may be more of the row, or a seed: a file read as another kind.
func mayHoldSeed(serial string) bool {
	return strings.ContainsAny(serial, ",;=|") || model.MayBeSeed(serial)
}

// unreadable refuses a file; line 0 names no line.
func unreadable(line int, format string, args ...any) *model.Error {
	e := model.Errorf(model.FileUnreadable, format, args...)
	if line > 0 {
		e.Msg = fmt.Sprintf("line %d: %s", line, e.Msg)
	}
	return e
}

// readFault turns an error of the underlying reader into ours.
func readFault(line int, err error) error {
	var ours *model.Error
	switch {
	case errors.As(err, &ours):
		return err
	case errors.Is(err, errTooLong):
		return unreadable(line, "a line or element is too long")
	}
	e := unreadable(line, "the file cannot be read")
	e.Err = err
	return e
}

// lineFault is readFault for readers of lines; the end of the file stays io.EOF.
func lineFault(line int, err error) error {
	if err == io.EOF {
		return err
	}
	return readFault(line, err)
}
