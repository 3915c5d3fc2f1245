package seedfile

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"tokensmith/model"
)

// maxBad is how many refused rows are listed. Further ones are counted.
const maxBad = 1000

// Bad contains the refused rows of a file: the first 1,000 in full, and the number of the others.
type Bad struct {
	Rows []model.RowError
	More int
}

// Count returns the number of refused rows.
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

// mayHoldSeed returns whether the text of a serial number may be a longer part of the row, or a seed, because the file was read
// as the wrong format.
func mayHoldSeed(serial string) bool {
	return strings.ContainsAny(serial, ",;=|") || model.MayBeSeed(serial)
}

// unreadable returns the error that refuses a file. Line 0 means that no line is named.
func unreadable(line int, format string, args ...any) *model.Error {
	e := model.Errorf(model.FileUnreadable, format, args...)
	if line > 0 {
		e.Msg = fmt.Sprintf("line %d: %s", line, e.Msg)
	}
	return e
}

// readFault converts an error of the underlying reader to a *model.Error.
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

// lineFault is readFault for readers of lines. It returns io.EOF unchanged.
func lineFault(line int, err error) error {
	if err == io.EOF {
		return err
	}
	return readFault(line, err)
}
