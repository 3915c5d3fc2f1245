package object

import (
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
	"tokensmith/store"
)

// write appends the object as JSON.
func (n *Node) write(b []byte, row store.Row, parts parts) (_ []byte, err error) {
	if n.Present >= 0 && row[n.Present] == nil {
		return append(b, "null"...), nil
	}
	if n.bare {
		return n.fields[0].write(b, row, parts, true)
	}
	b = append(b, '{')
	for i, f := range n.fields {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(b, f.name...), ':')
		if b, err = f.write(b, row, parts, false); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

// write appends the value. In a bare object, other values may follow, so a collection is written without brackets.
func (f *Field) write(b []byte, row store.Row, parts parts, bare bool) ([]byte, error) {
	switch {
	case f.Always == "[]" && bare:
		return b, nil
	case f.Always != "":
		return append(b, f.Always...), nil
	case f.one != nil:
		return f.one.write(b, row, parts)
	case f.many != nil:
		lead, end := "[", "]"
		switch {
		case bare:
			lead, end = "", ""
		case f.many.elements:
			lead, end = `{"elements":[`, "]}"
		}
		b = append(b, lead...)
		if k := row[f.many.key]; k != nil {
			b = append(b, parts[f.many][AsText(k)]...)
		}
		return append(b, end...), nil
	case f.derive != nil:
		v, err := f.derive(row)
		if err != nil {
			return nil, err
		}
		return f.Kind.write(b, v), nil
	case f.Column < 0:
		return append(b, "null"...), nil
	}
	return f.Kind.write(b, row[f.Column]), nil
}

// JoinValues appends values, separated by commas.
func JoinValues(b []byte, values [][]byte) []byte {
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, v...)
	}
	return b
}

// write appends a value. An empty value is written as null.
func (k Kind) write(b []byte, v any) []byte {
	switch x := v.(type) {
	case nil:
		return append(b, "null"...)
	case bool:
		return strconv.AppendBool(b, x)
	case int64:
		if k != Date {
			return strconv.AppendInt(b, x, 10)
		}
		if x == 0 {
			return append(b, "null"...)
		}
		b, _ = jsontext.AppendQuote(b, model.Time(x).String())
		return b
	}
	s := AsText(v)
	switch {
	case k == List:
		b = append(b, '[')
		for i, item := range model.List(s).Items() {
			if i > 0 {
				b = append(b, ',')
			}
			b, _ = jsontext.AppendQuote(b, item)
		}
		return append(b, ']')
	case s == "":
		return append(b, "null"...)
	}
	b, _ = jsontext.AppendQuote(b, s)
	return b
}

// AsText returns the value of a text column.
func AsText(v any) string {
	switch s := v.(type) {
	case string:
		return s
	case []byte:
		return string(s)
	}
	panic(fmt.Sprintf("object: a text column gave %T", v))
}
