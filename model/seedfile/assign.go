package seedfile

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"tokensmith/model"
)

// assignColumns are the columns of a batch assignment file. The first five are required.
var assignColumns = []string{"domain", "loginName", "manufacturerCode", "productCode", "serial", "status", "pin"}

const assignRequired = 5

// Assignment is one row of a batch assignment file: a user and the token to assign.
type Assignment struct {
	Line             int // line in the file, starting at 1
	Domain           string
	LoginName        string
	ManufacturerCode string
	ProductCode      string
	Serial           string
	Status           string       // as written; "" if absent
	PIN              model.Secret // nil if absent or empty, which changes nothing
}

// ReadAssignments reads a batch assignment CSV file. Its header has the columns domain, loginName, manufacturerCode, productCode
// and serial, and optionally status and pin, in any order and case. Columns in ignore are skipped. A row that lacks a value,
// contains a value that cannot be a name, or has too many fields is listed in Bad. A column that is unknown, missing or given
// twice refuses the file and is named in the error (FileUnreadable). More than maxRows rows are TooLarge, unless maxRows is 0.
func ReadAssignments(text string, maxRows int, ignore ...string) ([]Assignment, Bad, error) {
	var out []Assignment
	var at [7]int
	bad, err := readTable(text, maxRows, func(header []string, line int) error {
		for i, column := range assignColumns {
			at[i] = slices.Index(header, column)
			if at[i] < 0 && i < assignRequired {
				return unreadable(line, "column %s is missing", column)
			}
		}
		return nil
	}, func(column string) string {
		for _, known := range assignColumns {
			if SameColumn(known, column) {
				return known
			}
		}
		return ""
	}, ignore, "; the columns are "+strings.Join(assignColumns, ", "), func(row []string, line int) (serial, reason string) {
		a := Assignment{Line: line}
		for i, f := range []struct {
			field *string
			rule  model.Naming
		}{{&a.Domain, model.Name}, {&a.LoginName, model.Name}, {&a.ManufacturerCode, model.CodeName}, {&a.ProductCode, model.CodeName},
			{&a.Serial, model.CodeName}, {&a.Status, model.CodeName}} {
			if at[i] < 0 {
				continue
			}
			value := model.Cell(row[at[i]], assignColumns[i] == "serial")
			clean, reason := f.rule.Clean(value)
			switch {
			case reason != "":
				return "", assignColumns[i] + " " + reason
			case clean == "" && i < assignRequired:
				return "", assignColumns[i] + " is missing"
			case model.SheetFault(clean) != "":
				return "", sheetReason(assignColumns[i], clean)
			}
			*f.field = clean
		}
		if at[6] >= 0 {
			pin := strings.TrimRight(row[at[6]], " \t")
			if inner, ok := model.TextFormula(pin); ok && strings.Trim(inner, "0123456789") == "" {
				pin = inner // the formula protects leading zeros
			}
			if reason := sheetReason("pin", pin); reason != "" {
				return "", reason
			}
			if pin != "" {
				a.PIN = model.Secret(pin)
			}
		}
		out = append(out, a)
		return "", ""
	})
	if err != nil {
		return nil, Bad{}, err
	}
	return out, bad, nil
}

// SameColumn returns whether a column of a file is a known one. Case, white space, dashes and underscores are ignored.
func SameColumn(known, column string) bool { return flatName(known) == flatName(column) }

// readTable reads a CSV text with a header. known returns the usual name of a column; "" if it is unknown. An unknown column that
// is not in ignore refuses the file; more is appended to the error. header gets the names of the columns, with "" for ignored
// ones and no name twice, and may refuse the file. row gets every row with as many fields as the header, and returns why the row
// is bad.
func readTable(text string, maxRows int, header func([]string, int) error, known func(string) string, ignore []string, more string,
	row func([]string, int) (serial, reason string)) (Bad, error) {
	var bad Bad
	src, err := newSource(strings.NewReader(text))
	if err != nil {
		return bad, err
	}
	rows := openCSV(src, 0)
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
	if err != nil {
		return bad, err
	}
	for i, column := range names {
		usual := known(column)
		if usual == "" && !ignores(ignore, column) {
			return bad, unreadable(line, "%s%s; to ignore a column, name it in attrs.ignore", numbered("unknown column "+name(column), fields, column), more)
		}
		names[i] = usual
	}
	for i, column := range names {
		if column != "" && slices.Contains(names[:i], column) {
			return bad, unreadable(line, "two columns hold the %s", column)
		}
	}
	if err := header(names, line); err != nil {
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
		case len(fields) < width || filled(fields) > width:
			bad.add(line, "", fmt.Sprintf("the row has %d fields, the header has %d", len(fields), width))
		default:
			if serial, reason := row(fields[:width], line); reason != "" {
				bad.add(line, serial, reason)
			}
		}
	}
}
