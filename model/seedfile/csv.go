package seedfile

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxRecord is the largest record of a CSV file.
const maxRecord = 256 << 10

// csvReader returns the rows of a CSV file. It removes spaces after commas and before quoted fields. It skips rows in which every
// field is empty, and comments, which are lines that begin with #. A comment that looks like a row is reported as a bad row.
type csvReader struct {
	src  *source
	csv  *csv.Reader
	tape tape
	base int // lines before the first line that csv gets
	last int // number of the last line that was read
	seen int // lines that were searched for comments

	comments bool // lines that begin with # are comments, even if they look like rows
	passed   int  // number of comments that look like rows
	bad      []*badRow
	held     []string // a row that was read after bad ones
	heldErr  error
}

// endOfFile is the character with which old programs end a file.
const endOfFile = "\x1a"

// badRow is the error for a row that is not valid CSV. Reading can continue after it.
type badRow struct {
	line   int
	reason string
}

func (b *badRow) Error() string { return fmt.Sprintf("line %d: %s", b.line, b.reason) }

// openCSV opens a file. The separator is given by a first line sep=; or is guessed.
func openCSV(src *source, comment rune) *csvReader {
	comma, length := sepLine(src.peek(32))
	if length == 0 {
		return newCSVReader(src, commaOf(src.peek(detectBytes)), comment)
	}
	src.pos += length
	c := newCSVReader(src, comma, comment)
	c.base = 1
	return c
}

func newCSVReader(src *source, comma, comment rune) *csvReader {
	c := &csvReader{src: src, tape: tape{src: &formulas{src: src, comma: byte(comma), front: true}}}
	c.csv = csv.NewReader(&c.tape)
	c.csv.Comma, c.csv.Comment = comma, comment
	c.csv.FieldsPerRecord = -1
	c.csv.ReuseRecord = true
	c.csv.TrimLeadingSpace = comma != '\t'
	return c
}

// next returns a row and its line. The slice is valid until the next call; its strings stay valid. After a *badRow error, reading
// may continue. io.EOF is the end. Any other error refuses the file.
func (c *csvReader) next() ([]string, int, error) {
	for {
		fields, err := c.held, c.heldErr
		if c.held, c.heldErr = nil, nil; fields == nil && err == nil {
			c.src.renew(maxRecord)
			fields, err = c.csv.Read()
			c.skipped(c.tape.take(c.csv.InputOffset()))
		}
		if len(c.bad) > 0 {
			bad := c.bad[0]
			c.bad, c.held, c.heldErr = c.bad[1:], fields, err
			return nil, bad.line, bad
		}
		if err != nil {
			return nil, c.last, c.fault(err)
		}
		c.last, _ = c.csv.FieldPos(0)
		c.last += c.base
		for _, f := range fields {
			if strings.Trim(f, endOfFile) != "" && strings.TrimSpace(f) != "" {
				return fields, c.last, nil
			}
		}
	}
}

// skipped examines the text up to the end of a row: blank lines and comments before it, and then the row.
func (c *csvReader) skipped(text []byte) {
	if c.csv.Comment == 0 {
		return
	}
	front := true
	for len(text) > 0 {
		line, rest, _ := bytes.Cut(text, []byte("\n"))
		c.seen++
		switch line = bytes.TrimRight(line, "\r"); {
		case !front || len(line) == 0:
		case line[0] != '#':
			front = false
		case !c.readsLikeRow(line[1:]):
		case c.comments:
			c.passed++
		default:
			c.bad = append(c.bad, &badRow{c.base + c.seen, "the line begins with # like a comment, but looks like a row: put its first field in " +
				"quotes, remove the line, or ignore such lines with attrs.ignore or --ignore \"#\""})
		}
		text = rest
	}
}

// readsLikeRow returns whether a comment is really a row, because a field after the first is a seed. Its serial number begins
// with #, or somebody removed the row in this way.
func (c *csvReader) readsLikeRow(comment []byte) bool {
	fields := strings.Split(string(comment), string(c.csv.Comma))
	for _, field := range fields[1:] {
		if isSeed(field) {
			return true
		}
	}
	return false
}

// isSeed returns whether a field looks like a seed of 10 bytes or more.
func isSeed(field string) bool {
	field = strings.ReplaceAll(strings.Trim(strings.TrimSpace(field), `"`), ":", "")
	if strings.ContainsAny(field, " \t") {
		return false
	}
	for _, e := range []Encoding{Hex, Base32} {
		if seed, ok := e.decode(field); ok && len(seed) >= 10 {
			return true
		}
	}
	return false
}

func (c *csvReader) fault(err error) error {
	var parse *csv.ParseError
	switch {
	case err == io.EOF:
		return err
	case errors.As(err, &parse):
		c.last = c.base + parse.Line
		reason := "a quote is not closed, or is inside a field without quotes"
		if parse.Line > parse.StartLine {
			reason = fmt.Sprintf("%s, up to line %d", reason, c.base+parse.Line)
		}
		return &badRow{c.base + parse.StartLine, reason}
	}
	return readFault(c.last+1, err)
}

// formulas is a reader that removes the = before a quoted field, as in ="0001234", with which people keep a spreadsheet from
// reading a number. It also removes blanks after a quoted field, as in "1001" ,. Without it, such fields are not valid CSV,
// because they have quotes that do not enclose the whole field.
type formulas struct {
	src    io.Reader
	comma  byte
	front  bool // the next byte begins a field
	quoted bool
	equals bool   // an = at the beginning of a field is held back
	closed bool   // the last byte, except for blanks, was a closing quote
	blanks []byte // blanks after it that are held back
	buf    [4096]byte
	out    []byte
	rest   []byte // the part of out that was not returned yet
}

func (f *formulas) Read(p []byte) (int, error) {
	for len(f.rest) == 0 {
		n, err := f.src.Read(f.buf[:])
		switch {
		case n > 0:
			f.out = f.filter(f.out[:0], f.buf[:n])
			f.rest = f.out
		case err != nil && f.equals:
			f.equals = false
			f.rest = []byte{'='}
		case err != nil:
			return 0, err
		}
	}
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

// filter appends the bytes of in that stay.
func (f *formulas) filter(out, in []byte) []byte {
	for _, c := range in {
		if f.equals {
			f.equals = false
			if c != '"' {
				out = append(out, '=')
				f.front = false
			}
		}
		if f.closed && (c == ' ' || c == '\t') && c != f.comma {
			f.blanks = append(f.blanks, c)
			continue
		}
		if f.closed && c != f.comma && c != '\r' && c != '\n' {
			out = append(out, f.blanks...)
		}
		f.closed, f.blanks = false, f.blanks[:0]
		switch {
		case c == '"':
			f.closed = f.quoted
			f.quoted, f.front = !f.quoted, false
		case f.quoted:
		case c == f.comma || c == '\n':
			f.front = true
		case c == '=' && f.front:
			f.equals = true
			continue
		case c != ' ' && c != '\r':
			f.front = false
		}
		out = append(out, c)
	}
	return out
}

// tape is a reader that keeps what was read, because encoding/csv does not tell what it skipped.
type tape struct {
	src  io.Reader
	kept []byte
	from int64 // offset of the first byte of kept
}

func (t *tape) Read(p []byte) (int, error) {
	n, err := t.src.Read(p)
	t.kept = append(t.kept, p[:n]...)
	return n, err
}

// take returns what was read up to an offset and not taken yet. The result is valid until the next Read.
func (t *tape) take(offset int64) []byte {
	n := min(int(offset-t.from), len(t.kept))
	taken := t.kept[:n]
	t.kept, t.from = t.kept[n:], t.from+int64(n)
	return taken
}

// commaOf guesses the separator of a file from its first line that is neither empty nor a comment: comma, semicolon or tab,
// whichever is most frequent outside quotes, or else a vertical bar. In case of doubt it is a comma.
func commaOf(prefix []byte) rune {
	var commas, semicolons, tabs, bars int
	quoted := false
	for line := range strings.Lines(string(prefix)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' && !quoted {
			continue
		}
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
			case r == '|':
				bars++
			}
		}
		switch {
		case quoted: // the field continues in the next line
			continue
		case semicolons > commas && semicolons >= tabs:
			return ';'
		case tabs > commas:
			return '\t'
		case bars > 0 && commas == 0:
			return '|'
		}
		return ','
	}
	return ','
}

// columns returns the names of the columns in a header, trimmed and without the empty ones at the end, which spreadsheets add. A
// column without a name, and a name given twice in any case, are errors.
func columns(header []string, line int) ([]string, error) {
	names := make([]string, filled(header))
	given := map[string]bool{}
	for i := range names {
		names[i] = strings.TrimSpace(header[i])
		lower := strings.ToLower(names[i])
		if names[i] == "" {
			return nil, unreadable(line, "column %d has no name", i+1)
		}
		if given[lower] {
			return nil, unreadable(line, "column %s is given twice", name(names[i]))
		}
		given[lower] = true
	}
	return names, nil
}
