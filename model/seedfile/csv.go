package seedfile

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxRecord bounds one record of a CSV file.
const maxRecord = 256 << 10

// csvReader hands out the rows of a CSV file. Spaces after commas and before quoted fields are dropped, as are rows in
// which every field is empty, and comments: lines that begin with #. One of these that reads like a row is told as a bad one.
type csvReader struct {
	src  *source
	csv  *csv.Reader
	tape tape
	base int // lines in front of the first that csv sees
	last int // last line reached
	seen int // lines that have been looked at for comments

	comments bool // lines that begin with # are such, whatever stands on them
	passed   int  // of these, those that read like rows
	bad      []*badRow
	held     []string // a row read behind bad ones
	heldErr  error
}

// endOfFile is how old programs end a file.
const endOfFile = "\x1a"

// badRow is a row that is not CSV; reading can go on after it.
type badRow struct {
	line   int
	reason string
}

func (b *badRow) Error() string { return fmt.Sprintf("line %d: %s", b.line, b.reason) }

// openCSV reads a file whose separator is told by its first line, sep=; or guessed.
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

// next returns a row and its line. The slice holds until the next call, its strings for good. A *badRow is an error
// after which reading may go on; io.EOF is the end; any other error refuses the file.
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

// skipped looks at what was read up to the end of a row: blank lines and comments in front of it, and then the row.
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
			c.bad = append(c.bad, &badRow{c.base + c.seen, "the line begins with #, as a comment does, and reads like a row: put quotes around its first " +
				"field, or take the line out, or pass over such lines with attrs.ignore, or --ignore \"#\""})
		}
		text = rest
	}
}

// readsLikeRow tells whether a comment is a row whose serial begins with #, or one that was taken out: it has a seed behind another field.
func (c *csvReader) readsLikeRow(comment []byte) bool {
	fields := strings.Split(string(comment), string(c.csv.Comma))
	for _, field := range fields[1:] {
		if isSeed(field) {
			return true
		}
	}
	return false
}

// isSeed tells whether a field reads like a seed of 10 bytes or more.
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
		reason := "a quote is not closed, or stands inside a field"
		if parse.Line > parse.StartLine {
			reason = fmt.Sprintf("%s, up to line %d", reason, c.base+parse.Line)
		}
		return &badRow{c.base + parse.StartLine, reason}
	}
	return readFault(c.last+1, err)
}

// formulas leaves out the = in front of a quoted field, ="0001234", by which people keep a spreadsheet from reading a number, and the
// blanks behind one, "1001" ,: a field that has a quote elsewhere than around all of it is no CSV otherwise.
type formulas struct {
	src    io.Reader
	comma  byte
	front  bool // at the beginning of a field
	quoted bool
	equals bool   // an = at the beginning of a field is kept back
	closed bool   // a quote was the last but for blanks
	blanks []byte // kept back behind it
	buf    [4096]byte
	out    []byte
	rest   []byte // of out, not handed over yet
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

// filter appends what is left of some bytes.
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

// tape keeps what is read through it until it is taken: encoding/csv does not say what it skipped.
type tape struct {
	src  io.Reader
	kept []byte
	from int64 // offset of kept
}

func (t *tape) Read(p []byte) (int, error) {
	n, err := t.src.Read(p)
	t.kept = append(t.kept, p[:n]...)
	return n, err
}

// take returns what was not taken yet, up to an offset. It holds until the next Read.
func (t *tape) take(offset int64) []byte {
	n := min(int(offset-t.from), len(t.kept))
	taken := t.kept[:n]
	t.kept, t.from = t.kept[n:], t.from+int64(n)
	return taken
}

// commaOf guesses what separates the fields of a file by its first line that says something: a comma, a semicolon or
// a tab, whichever is most frequent outside quotes, else a vertical bar; a comma if in doubt.
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
		case quoted: // the field goes on in the next line
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

// columns reads the names of a header's columns, trimmed and without the empty ones that a spreadsheet leaves at the end. A column
// without a name or with a name given twice, in whatever case, is refused.
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
