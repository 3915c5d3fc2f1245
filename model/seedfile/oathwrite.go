package seedfile

import (
	"bytes"
	"encoding/csv"
	"encoding/hex"
	"strconv"
)

// OATHTable is keys written as an OATH CSV file with named columns, in memory only: it is not encrypted. Read with
// encoding HEX it gives the same keys, but for notes, lines, and carriage returns before line ends.
type OATHTable struct {
	text  bytes.Buffer
	csv   *csv.Writer
	row   [len(oathWritten)]string
	lines int   // written
	start []int // line of each row
	from  []int // line of each key in the file it was read from
}

// oathWritten are the columns in their order. A row never begins with #, which would be a comment.
var oathWritten = [...]string{"seed", "serial", "keyid", "type", "digits", "period", "counter", "drift", "hash", "user", "issuer",
	"manufacturer", "model", "description"}

// Reset empties the table and writes the header.
func (t *OATHTable) Reset() {
	t.text.Reset()
	if t.csv == nil {
		t.csv = csv.NewWriter(&t.text)
	}
	t.start, t.from = t.start[:0], t.from[:0]
	t.write(oathWritten[:])
	t.lines = 1
}

// Add writes a key.
func (t *OATHTable) Add(k Key) {
	number := func(n int64) string {
		if n == 0 {
			return ""
		}
		return strconv.FormatInt(n, 10)
	}
	t.row = [...]string{hex.EncodeToString(k.Secret), k.Serial, k.KeyID, k.Algorithm, number(int64(k.Digits)), number(k.Period), number(k.Counter),
		number(k.Drift), k.Hash, k.User, k.Issuer, k.Manufacturer, k.Model, k.Description}
	t.start, t.from = append(t.start, t.lines+1), append(t.from, k.Line)
	before := t.text.Len()
	t.write(t.row[:])
	t.lines += bytes.Count(t.text.Bytes()[before:], []byte("\n"))
}

func (t *OATHTable) write(row []string) {
	_ = t.csv.Write(row) // into memory
	t.csv.Flush()
}

// Rows is the number of keys in the table.
func (t *OATHTable) Rows() int { return len(t.from) }

// Len is the number of bytes of the text.
func (t *OATHTable) Len() int { return t.text.Len() }

// Text gives the file.
func (t *OATHTable) Text() string { return t.text.String() }

// Origin gives the line from which the key on a line of the table was read; 0 when there is none.
func (t *OATHTable) Origin(line int) int {
	for i, start := range t.start {
		if start == line {
			return t.from[i]
		}
	}
	return 0
}
