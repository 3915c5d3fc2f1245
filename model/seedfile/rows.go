package seedfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"tokensmith/model"
)

// rowReader hands out rows as csvReader does.
type rowReader interface {
	next() ([]string, int, error)
}

// next returns the next row that can be read, and the line it begins in. Others are listed as bad.
func (f *File) next(rows rowReader) ([]string, int, error) {
	for {
		row, line, err := rows.next()
		var bad *badRow
		if !errors.As(err, &bad) {
			return row, line, err
		}
		if err := f.row(); err != nil {
			return nil, 0, err
		}
		f.Bad.add(bad.line, "", bad.reason)
	}
}

// rowDialect is how one format of rows differs from another.
type rowDialect struct {
	rows      func(*source) rowReader
	header    []oathColumn // columns a header must have; none: a header is optional
	encoding  Encoding     // "" means recognised
	algorithm string
}

// readRows reads a file of rows, each a key.
func readRows(src *source, f *File, opts Options, d rowDialect) error {
	prefix := slices.Clone(src.peek(detectBytes))
	rows := d.rows(src)
	layout, encoding := headerlessOATH, opts.Encoding
	var names []string // of the header
	width := 0         // its fields
	if encoding == "" {
		encoding = d.encoding
	}
	for first := true; ; {
		row, line, err := f.next(rows)
		switch {
		case err == io.EOF:
			if r, is := rows.(*csvReader); is && r.passed > 0 && layout[colLine] < 0 {
				f.note(fmt.Sprintf("%d lines that begin with # and read like rows were passed over", r.passed))
			}
			return nil
		case err != nil:
			return err
		}
		if first {
			first = false
			header, unknown, twice, ok := oathHeader(row)
			if ok {
				layout, width, names = header, len(row), slices.Clone(row)
			}
			if !ok {
				if reason := headerWithout(row, following(prefix, d.rows), &header, encoding); reason != "" {
					return unreadable(line, "%s", reason)
				}
			}
			for _, c := range d.header {
				if !ok || header[c] < 0 {
					return unreadable(line, "the header is missing or lacks a column")
				}
			}
			if twice != "" && ok {
				return unreadable(line, "%s", twice)
			}
			if encoding == "" && layout[colEncode] < 0 {
				encoding = seedEncoding(prefix, d.rows, layout)
			}
			if ok {
				if r, is := rows.(*csvReader); is && layout[colLine] >= 0 {
					r.comments = true
				}
				for _, column := range unknown {
					if reason := f.unknown("column", column, idleColumns); reason != "" {
						return unreadable(line, "%s", numbered(reason, row, column))
					}
				}
				continue
			}
			f.Untyped = untyped(prefix, d.rows)
		}
		if err := f.row(); err != nil {
			return err
		}
		if n := filled(row); width > 0 && n > width {
			f.Bad.add(line, "", fmt.Sprintf("it has %d fields, the header has %d", n, width))
			continue
		}
		if i := nameless(names, row); i >= 0 {
			f.Bad.add(line, "", fmt.Sprintf("column %d has no name in the header", i+1))
			continue
		}
		k, reason := oathRow(row, &layout, encoding, d.algorithm)
		k.Line = line
		if n, ok := positive(at(row, layout[colLine])); ok {
			k.Line = int(n)
		}
		if _, is := rows.(*csvReader); is && k.Serial != "" && len(row) == 1 && strings.ContainsAny(row[0], ",;|") {
			reason = "the seed is missing, for it has one field: commas, semicolons, tabs or | part them, as in the first line"
		}
		if reason != "" {
			f.Bad.add(k.Line, k.Serial, reason)
			continue
		}
		if err := f.key(k); err != nil {
			return err
		}
	}
}

// following returns the second row of a file, nil when there is none.
func following(prefix []byte, open func(*source) rowReader) []string {
	src, err := newSource(bytes.NewReader(prefix))
	if err != nil {
		return nil
	}
	rows := open(src)
	if _, _, err := rows.next(); err != nil {
		return nil
	}
	row, _, err := rows.next()
	if err != nil {
		return nil
	}
	return row
}

// numbered says in a refusal which column it is whose name is not shown.
func numbered(reason string, row []string, column string) string {
	if name(column) == column {
		return reason
	}
	n := 1 + slices.IndexFunc(row, func(s string) bool { return strings.TrimSpace(s) == column })
	return strings.Replace(reason, "column ", fmt.Sprintf("column %d, ", n), 1)
}

// nameless returns the first field of a row whose column has no name, or -1.
func nameless(names, row []string) int {
	for i := range min(len(names), len(row)) {
		if strings.TrimSpace(names[i]) == "" && at(row, i) != "" {
			return i
		}
	}
	return -1
}

// untyped says what the rows without a type are of a file without a header: HOTP where others have one.
func untyped(prefix []byte, open func(*source) rowReader) string {
	src, err := newSource(bytes.NewReader(prefix))
	if err != nil {
		return ""
	}
	for rows := open(src); ; {
		row, _, err := rows.next()
		var bad *badRow
		switch {
		case errors.As(err, &bad):
			continue
		case err != nil:
			return ""
		}
		if kind := at(row, headerlessOATH[colType]); strings.EqualFold(kind, HOTP) || strings.EqualFold(kind, TOTP) {
			return HOTP
		}
	}
}

// filled is the number of fields of a row up to the last that is not empty.
func filled(row []string) int {
	n := len(row)
	for n > 0 && at(row, n-1) == "" {
		n--
	}
	return n
}

// seedEncoding decides over the beginning of a file how its seeds are written: in the way in which most can be read, hex
// if both serve as well. A seed that is neither has no say, so that it alone is refused; "" when as many are hex alone as
// are base32 alone.
func seedEncoding(prefix []byte, open func(*source) rowReader, layout oathLayout) Encoding {
	src, err := newSource(bytes.NewReader(prefix))
	if err != nil {
		return ""
	}
	var hex, base32, any int
	var isHex, isBase32 bool
	rows := open(src)
	for {
		row, _, err := rows.next()
		var bad *badRow
		if errors.As(err, &bad) {
			continue
		}
		if err != nil {
			break
		}
		seed := model.Cell(at(row, layout[colSeed]), false)
		if _, _, _, header := oathHeader(row); header || seed == "" {
			continue
		}
		_, isHex = Hex.decode(seed)
		_, isBase32 = Base32.decode(seed)
		any += one(isHex || isBase32)
		hex += one(isHex && !isBase32)
		base32 += one(isBase32 && !isHex)
	}
	if len(prefix) >= detectBytes && any > 1 {
		// The last row may be cut off.
		any -= one(isHex || isBase32)
		hex -= one(isHex && !isBase32)
		base32 -= one(isBase32 && !isHex)
	}
	switch {
	case any == 0, hex == base32 && hex > 0:
		return ""
	case base32 > hex:
		return Base32
	}
	return Hex
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}
