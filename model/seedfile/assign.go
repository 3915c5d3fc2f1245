package seedfile

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"tokensmith/model"
)

// assignColumns are the columns of the batch assignment file; the first five are required.
var assignColumns = []string{"domain", "loginName", "manufacturerCode", "productCode", "serial", "status", "pin"}

const assignRequired = 5

// Assignment is one row of a batch assignment file: the token that a user is to have.
type Assignment struct {
	Line             int // 1-based
	Domain           string
	LoginName        string
	ManufacturerCode string
	ProductCode      string
	Serial           string
	Status           string       // as written; "" when absent
	PIN              model.Secret // nil when absent or empty: it changes nothing
}

// ReadAssignments reads the batch assignment CSV: the header names the columns domain, loginName, manufacturerCode,
// productCode and serial, and optionally status and pin, in any order and with case. Rows that lack a value or have too
// many fields are listed in Bad. A column that is unknown, missing or given twice refuses the file by name
// (FileUnreadable); more than maxRows rows, when maxRows is not 0, are TooLarge.
func ReadAssignments(text string, maxRows int) ([]Assignment, Bad, error) {
	var out []Assignment
	var at [7]int
	bad, err := readTable(text, maxRows, func(header []string, line int) error {
		for _, column := range header {
			if !slices.Contains(assignColumns, column) {
				return unreadable(line, "unknown column %s; the columns are %s", name(column), strings.Join(assignColumns, ", "))
			}
		}
		for i, column := range assignColumns {
			at[i] = slices.Index(header, column)
			if at[i] < 0 && i < assignRequired {
				return unreadable(line, "column %s is missing", column)
			}
		}
		return nil
	}, func(row []string, line int) string {
		a := Assignment{Line: line}
		for i, field := range []*string{&a.Domain, &a.LoginName, &a.ManufacturerCode, &a.ProductCode, &a.Serial, &a.Status} {
			if at[i] >= 0 {
				*field = strings.TrimRight(row[at[i]], " \t")
			}
			if *field == "" && i < assignRequired {
				return assignColumns[i] + " is missing"
			}
		}
		if at[6] >= 0 {
			if pin := strings.TrimRight(row[at[6]], " \t"); pin != "" {
				a.PIN = model.Secret(pin)
			}
		}
		out = append(out, a)
		return ""
	})
	if err != nil {
		return nil, Bad{}, err
	}
	return out, bad, nil
}

// readTable reads a CSV text with a header. The header function sees the names of the columns and may refuse the file;
// the row function sees every row that has as many fields as the header and says why it is bad.
func readTable(text string, maxRows int, header func([]string, int) error, row func([]string, int) string) (Bad, error) {
	var bad Bad
	src, err := newSource(strings.NewReader(text))
	if err != nil {
		return bad, err
	}
	rows := newCSVReader(src, commaOf(src.peek(detectBytes)), 0)
	fields, line, err := rows.next()
	var broken *badRow
	switch {
	case err == io.EOF:
		return bad, unreadable(0, "the file is empty")
	case errors.As(err, &broken):
		return bad, unreadable(broken.line, "%s", broken.reason)
	case err != nil:
		return bad, err
	}
	names, err := columns(fields, line)
	if err == nil {
		err = header(names, line)
	}
	if err != nil {
		return bad, err
	}
	width := len(names)
	for n := 1; ; n++ {
		fields, line, err = rows.next()
		if err == io.EOF {
			return bad, nil
		}
		if maxRows > 0 && n > maxRows {
			return bad, model.Errorf(model.TooLarge, "the file has more than %d rows", maxRows)
		}
		switch {
		case errors.As(err, &broken):
			bad.add(broken.line, "", broken.reason)
		case err != nil:
			return bad, err
		case len(fields) != width:
			bad.add(line, "", fmt.Sprintf("it has %d fields, the header has %d", len(fields), width))
		default:
			if reason := row(fields, line); reason != "" {
				bad.add(line, "", reason)
			}
		}
	}
}
