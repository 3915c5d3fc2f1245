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

// rowReader returns rows as csvReader does.
type rowReader interface {
	next() ([]string, int, error)
}

// next returns the next readable row and the line in which it begins. It lists unreadable rows as bad.
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

// rowDialect contains the differences between formats with rows.
type rowDialect struct {
	rows      func(*source) rowReader
	header    []oathColumn // columns that a header must have; if there are none, a header is optional
	encoding  Encoding     // "" means that it is detected
	algorithm string
}

// readRows reads a file in which each row is a key.
func readRows(src *source, f *File, opts Options, d rowDialect) error {
	prefix := slices.Clone(src.peek(detectBytes))
	rows := d.rows(src)
	layout, encoding := headerlessOATH, opts.Encoding
	var names []string // names in the header
	width := 0         // number of its fields
	if encoding == "" {
		encoding = d.encoding
	}
	for first := true; ; {
		row, line, err := f.next(rows)
		switch {
		case err == io.EOF:
			if r, is := rows.(*csvReader); is && r.passed > 0 && layout[colLine] < 0 {
				f.note(fmt.Sprintf("%d lines that begin with # and look like rows were ignored", r.passed))
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
			f.Bad.add(line, "", fmt.Sprintf("the row has %d fields, the header has %d", n, width))
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
			reason = "the seed is missing: the row has one field; separate fields as the first line does, by commas, semicolons, tabs or |"
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

// following returns the second row of a file; nil if there is none.
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

// numbered adds the number of a column to a reason if the reason does not show the column's name.
func numbered(reason string, row []string, column string) string {
	if name(column) == column {
		return reason
	}
	n := 1 + slices.IndexFunc(row, func(s string) bool { return strings.TrimSpace(s) == column })
	return strings.Replace(reason, "column ", fmt.Sprintf("column %d, ", n), 1)
}

// nameless returns the index of the first non-empty field whose column has no name; -1 if there is none.
func nameless(names, row []string) int {
	for i := range min(len(names), len(row)) {
		if strings.TrimSpace(names[i]) == "" && at(row, i) != "" {
			return i
		}
	}
	return -1
}

// untyped returns the algorithm of rows without a type, in a file without a header: HOTP if other rows have a type.
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

// filled returns the number of fields of a row up to the last that is not empty.
func filled(row []string) int {
	n := len(row)
	for n > 0 && at(row, n-1) == "" {
		n--
	}
	return n
}

// seedEncoding guesses the encoding of seeds from the beginning of a file: the one in which most of them can be decoded, and hex
// if both fit equally well. A seed that is in neither has no influence, so that only that seed is refused. If as many seeds are
// only hex as are only base32, it returns "".
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
		// The last row may be incomplete.
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
