package seedfile

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// maxRecord bounds one record of a CSV file.
const maxRecord = 256 << 10

// csvReader hands out the rows of a CSV file. Spaces after commas and before quoted fields are dropped, as are rows in
// which every field is empty.
type csvReader struct {
	src  *source
	csv  *csv.Reader
	last int // last line reached
}

// badRow is a row that is not CSV; reading can go on after it.
type badRow struct {
	line   int
	reason string
}

func (b *badRow) Error() string { return fmt.Sprintf("line %d: %s", b.line, b.reason) }

func newCSVReader(src *source, comma, comment rune) *csvReader {
	c := &csvReader{src: src, csv: csv.NewReader(src)}
	c.csv.Comma, c.csv.Comment = comma, comment
	c.csv.FieldsPerRecord = -1
	c.csv.ReuseRecord = true
	c.csv.TrimLeadingSpace = comma != '\t'
	return c
}

// next returns a row and its line. The slice holds until the next call, its strings for good. A *badRow is an error
// after which reading may go on; io.EOF is the end; any other error refuses the file.
func (c *csvReader) next() ([]string, int, error) {
	for {
		c.src.renew(maxRecord)
		fields, err := c.csv.Read()
		if err != nil {
			return nil, c.last, c.fault(err)
		}
		c.last, _ = c.csv.FieldPos(0)
		for _, f := range fields {
			if strings.TrimSpace(f) != "" {
				return fields, c.last, nil
			}
		}
	}
}

func (c *csvReader) fault(err error) error {
	var parse *csv.ParseError
	switch {
	case err == io.EOF:
		return err
	case errors.As(err, &parse):
		c.last = parse.Line
		reason := "a quote is not closed, or stands inside a field"
		if parse.Line > parse.StartLine {
			reason = fmt.Sprintf("%s, up to line %d", reason, parse.Line)
		}
		return &badRow{parse.StartLine, reason}
	}
	return readFault(c.last+1, err)
}

// commaOf guesses what separates the fields of a file by its first line that says something: a comma, a semicolon or
// a tab, whichever is most frequent outside quotes; a comma if in doubt.
func commaOf(prefix []byte) rune {
	for line := range strings.Lines(string(prefix)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		var commas, semicolons, tabs int
		quoted := false
		for _, r := range line {
			switch {
			case r == '"':
				quoted = !quoted
			case quoted:
			case r == ',':
				commas++
			case r == ';':
				semicolons++
			case r == '\t':
				tabs++
			}
		}
		switch {
		case semicolons > commas && semicolons >= tabs:
			return ';'
		case tabs > commas:
			return '\t'
		}
		return ','
	}
	return ','
}

// columns reads the names of a header's columns, trimmed. A column without a name or with a name given twice is refused.
func columns(header []string, line int) ([]string, error) {
	names := make([]string, len(header))
	for i, column := range header {
		names[i] = strings.TrimSpace(column)
		if names[i] == "" {
			return nil, unreadable(line, "column %d has no name", i+1)
		}
		if slices.Contains(names[:i], names[i]) {
			return nil, unreadable(line, "column %s is given twice", name(names[i]))
		}
	}
	return names, nil
}
