package seedfile

import (
	"bytes"
	"encoding/csv"
	"encoding/hex"
	"strconv"
)

// OATHTable contains keys as an OATH CSV file with named columns. It exists only in memory, because it is not encrypted. Reading
// it with the encoding HEX gives the same keys, without notes.
type OATHTable struct {
	text bytes.Buffer
	csv  *csv.Writer
	row  [len(oathWritten)]string
	rows int
}

// oathWritten are the columns in their order. The first is the line number of the key in the file that it was read from, for
// error messages. Because it is a number, no row begins with #, which would be a comment.
var oathWritten = [...]string{lineColumn, "seed", "serial", "keyid", "type", "digits", "period", "counter", "drift", "hash", "user", "issuer",
	"manufacturer", "model", "description"}

// Reset empties the table and writes the header.
func (t *OATHTable) Reset() {
	t.text.Reset()
	if t.csv == nil {
		t.csv = csv.NewWriter(&t.text)
	}
	t.rows = 0
	t.write(oathWritten[:])
}

// Add adds a key.
func (t *OATHTable) Add(k Key) {
	number := func(n int64) string {
		if n == 0 {
			return ""
		}
		return strconv.FormatInt(n, 10)
	}
	t.row = [...]string{strconv.Itoa(k.Line), hex.EncodeToString(k.Secret), k.Serial, k.KeyID, k.Algorithm, number(int64(k.Digits)), number(k.Period), number(k.Counter),
		number(k.Drift), k.Hash, k.User, k.Issuer, k.Manufacturer, k.Model, k.Description}
	t.write(t.row[:])
	t.rows++
}

func (t *OATHTable) write(row []string) {
	_ = t.csv.Write(row) // it writes to memory and cannot fail
	t.csv.Flush()
}

// Rows returns the number of keys in the table.
func (t *OATHTable) Rows() int { return t.rows }

// Len returns the size of the text in bytes.
func (t *OATHTable) Len() int { return t.text.Len() }

// Text returns the text of the file.
func (t *OATHTable) Text() string { return t.text.String() }
