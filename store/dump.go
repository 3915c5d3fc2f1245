package store

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// dumpHead is the first line of a dump. A dump is a whole database as JSON lines. It has the same bytes whichever database it is
// made from: a head with the schema number, the rows of every table in the order of their primary keys, and an end with the
// number of rows and the SHA-256 of all lines before it. Sealed values stay sealed, so loading needs the same key file. Bytes are
// written as {"base64":"..."}.
type dumpHead struct {
	Dump   string `json:"dump"` // always dumpName
	Schema int    `json:"schema"`
}

type dumpRow struct {
	Table string                     `json:"table"`
	Row   map[string]json.RawMessage `json:"row"`
}

type dumpEnd struct {
	End    *int64 `json:"end"`
	SHA256 string `json:"sha256"`
}

const dumpName = "tokensmith"

// dumper writes lines and hashes them.
type dumper struct {
	w    *bufio.Writer
	sum  hash.Hash
	rows int64
	line []byte
}

func (s *sqlStore) Dump(ctx context.Context, w io.Writer) (int64, error) {
	d := &dumper{sum: sha256.New()}
	d.w = bufio.NewWriterSize(io.MultiWriter(w, d.sum), 1<<20)
	err := s.view(ctx, true, func(tx *sqlReadTx) error {
		have, err := tx.schema()
		if err != nil {
			return err
		}
		if s.dialect.untimed != "" {
			if _, err := tx.q.ExecContext(ctx, s.dialect.untimed); err != nil {
				return tx.did(err)
			}
		}
		tx.final = true // what is written cannot be taken back
		if err := d.value(dumpHead{dumpName, have}); err != nil {
			return err
		}
		for _, t := range kept {
			if t.derived {
				continue
			}
			if err := d.table(tx, t); err != nil {
				return fmt.Errorf("table %s: %w", t.name, err)
			}
		}
		return d.w.Flush()
	})
	if err != nil {
		return 0, err
	}
	if err := d.value(dumpEnd{&d.rows, hex.EncodeToString(d.sum.Sum(nil))}); err != nil {
		return 0, err
	}
	return d.rows, d.w.Flush()
}

func (d *dumper) value(v any) error {
	text, err := json.Marshal(v)
	if err == nil {
		_, err = d.w.Write(append(text, '\n'))
	}
	return err
}

func (d *dumper) table(tx *sqlReadTx, t *table) error {
	rows, err := tx.q.QueryxContext(tx.ctx, "SELECT "+strings.Join(t.columns, ", ")+" FROM "+t.name+" ORDER BY "+t.order)
	if err != nil {
		return tx.did(err)
	}
	defer rows.Close()
	values, places := make([]any, len(t.columns)), make([]any, len(t.columns))
	for i := range values {
		places[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(places...); err != nil {
			return err
		}
		if err := d.row(t, values); err != nil {
			return err
		}
	}
	return tx.did(rows.Err())
}

func (d *dumper) row(t *table, values []any) error {
	b := append(d.line[:0], `{"table":"`...)
	b = append(append(b, t.name...), `","row":{`...)
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), t.columns[i]...), `":`...)
		switch v := v.(type) {
		case nil:
			b = append(b, "null"...)
		case int64:
			b = strconv.AppendInt(b, v, 10)
		case bool:
			b = strconv.AppendBool(b, v)
		case []byte:
			b = append(b, `{"base64":"`...)
			b = append(base64.StdEncoding.AppendEncode(b, v), `"}`...)
		case string:
			if !utf8.ValidString(v) {
				return fmt.Errorf("column %s of %v is not UTF-8", t.columns[i], values[0])
			}
			text, err := json.Marshal(v)
			if err != nil {
				return err
			}
			b = append(b, text...)
		default:
			return fmt.Errorf("column %s of %v has a value of type %T", t.columns[i], values[0], v)
		}
	}
	d.line = append(b, '}', '}', '\n')
	d.rows++
	_, err := d.w.Write(d.line)
	return err
}

// dumpLine is the longest line of a dump that is read, in bytes. It has room for a stored reply to the largest call, in base64.
const dumpLine = 1 << 30

// readDump reads a dump and calls row for each of its rows. A truncated or changed dump is detected only at its end. Therefore
// read it once without using the rows.
func readDump(r io.Reader, schema int, row func(t *table, values []any) error) (rows int64, err error) {
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 1<<20), dumpLine)
	sum := sha256.New()
	byName := map[string]*table{}
	for _, t := range kept {
		byName[t.name] = t
	}
	for n := 1; in.Scan(); n++ {
		line := in.Bytes()
		switch {
		case n == 1:
			err = checkHead(line, schema)
		case bytes.HasPrefix(line, []byte(`{"end":`)):
			var end dumpEnd
			if err := json.Unmarshal(line, &end); err != nil || end.End == nil {
				return rows, fmt.Errorf("line %d cannot be read", n)
			}
			if *end.End != rows || end.SHA256 != hex.EncodeToString(sum.Sum(nil)) {
				return rows, fmt.Errorf("line %d: the dump was changed: its sum differs", n)
			}
			if in.Scan() {
				return rows, fmt.Errorf("line %d: more follows the dump's end", n+1)
			}
			return rows, in.Err()
		default:
			var one dumpRow
			if err = json.Unmarshal(line, &one); err == nil {
				t := byName[one.Table]
				if t == nil {
					return rows, fmt.Errorf("line %d: there is no table %q", n, one.Table)
				}
				var values []any
				if values, err = one.values(t); err == nil && row != nil {
					err = row(t, values)
				}
				rows++
			}
		}
		if err != nil {
			return rows, fmt.Errorf("line %d: %w", n, err)
		}
		sum.Write(line)
		sum.Write([]byte{'\n'})
	}
	if err := in.Err(); err != nil {
		return rows, err
	}
	return rows, fmt.Errorf("the dump ends without its last line: it was cut short")
}

func checkHead(line []byte, schema int) error {
	var head dumpHead
	if err := json.Unmarshal(line, &head); err != nil || head.Dump != dumpName {
		return fmt.Errorf("the file is not a dump of tokensmith")
	}
	if head.Schema != schema {
		return fmt.Errorf("the dump has schema %d and this tokensmith %d: load it with the version that made it, then migrate", head.Schema, schema)
	}
	return nil
}

// values returns a row's values in the order of the table's columns.
func (r *dumpRow) values(t *table) ([]any, error) {
	if len(r.Row) != len(t.columns) {
		return nil, fmt.Errorf("table %s has %d columns, the row %d", t.name, len(t.columns), len(r.Row))
	}
	values := make([]any, len(t.columns))
	for i, column := range t.columns {
		raw, ok := r.Row[column]
		if !ok {
			return nil, fmt.Errorf("the row has no %s.%s", t.name, column)
		}
		var err error
		switch raw[0] {
		case 'n':
		case 't', 'f':
			values[i] = raw[0] == 't'
		case '"':
			var text string
			err = json.Unmarshal(raw, &text)
			values[i] = text
		case '{':
			var coded struct{ Base64 []byte }
			err = json.Unmarshal(raw, &coded)
			values[i] = coded.Base64
			if coded.Base64 == nil {
				values[i] = []byte{}
			}
		default:
			values[i], err = strconv.ParseInt(string(raw), 10, 64)
		}
		if err != nil {
			return nil, fmt.Errorf("%s.%s: %w", t.name, column, err)
		}
	}
	return values, nil
}
