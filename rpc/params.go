package rpc

import (
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
)

// member is one name and value of an object, in the order sent.
type member struct {
	name  string
	value jsontext.Value
}

// Members is an object's members: attrs, or a selector. An array of objects is their union.
type Members []member

// UnmarshalJSONFrom reads an object, or an array of objects.
func (m *Members) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	place := placeOf(dec)
	switch dec.PeekKind() {
	case '{':
		return m.object(dec, place)
	case '[':
		dec.ReadToken()
		for dec.PeekKind() == '{' {
			if err := m.object(dec, place); err != nil {
				return err
			}
		}
		if dec.PeekKind() == ']' {
			_, err := dec.ReadToken()
			return err
		}
	}
	return model.AttrErrorf(model.Invalid, place, "must be an object of attributes")
}

// membersMost is how many members attrs or a selector may have.
const membersMost = 1000

func (m *Members) object(dec *jsontext.Decoder, place string) error {
	dec.ReadToken()
	for dec.PeekKind() == '"' {
		if len(*m) >= membersMost {
			return model.AttrErrorf(model.Invalid, place, "has more than %d members", membersMost)
		}
		name, err := dec.ReadToken()
		if err != nil {
			return err
		}
		n := name.String()
		value, err := dec.ReadValue()
		if err != nil {
			return err
		}
		if slices.ContainsFunc(*m, func(o member) bool { return o.name == n }) {
			return model.AttrErrorf(model.Invalid, place+"."+n, "is given twice")
		}
		*m = append(*m, member{n, value.Clone()})
	}
	_, err := dec.ReadToken()
	return err
}

// get gives a member's value; nil when it was not sent.
func (m Members) get(name string) jsontext.Value {
	for _, o := range m {
		if o.name == name {
			return o.value
		}
	}
	return nil
}

// placeOf names where a decoder stands: "attrs.user".
func placeOf(dec *jsontext.Decoder) string {
	return strings.ReplaceAll(strings.TrimPrefix(string(dec.StackPointer()), "/"), "/", ".")
}

// membersOf reads a value as members.
func membersOf(place string, v jsontext.Value) (Members, error) {
	var m Members
	if err := json.Unmarshal(v, &m); err != nil {
		return nil, model.AttrErrorf(model.Invalid, place, "must be an object")
	}
	return m, nil
}

// Text is a string; a number is taken as its literal text.
type Text string

// UnmarshalJSONFrom reads a string or a number.
func (t *Text) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	place := placeOf(dec)
	v, err := dec.ReadValue()
	if err != nil {
		return err
	}
	s, err := textOf(place, v)
	*t = Text(s)
	return err
}

// textOf reads a string, or a number as its literal text; null is "".
func textOf(place string, v jsontext.Value) (string, error) {
	s, err := rawTextOf(place, v)
	if err == nil {
		err = noNUL(place, s)
	}
	return s, err
}

func noNUL(place, s string) error {
	if strings.IndexByte(s, 0) >= 0 {
		return model.AttrErrorf(model.Invalid, place, "contains a NUL character")
	}
	return nil
}

// rawTextOf is textOf for what may hold a NUL character: bytes that stand as characters.
func rawTextOf(place string, v jsontext.Value) (string, error) {
	switch v.Kind() {
	case '"':
		b, err := jsontext.AppendUnquote(nil, v)
		if err != nil {
			return "", model.AttrErrorf(model.Invalid, place, "is not a readable string")
		}
		return string(b), nil
	case '0':
		return string(v), nil
	case 'n':
		return "", nil
	}
	return "", model.AttrErrorf(model.Invalid, place, "must be a string")
}

// intOf reads an integer, also as a string.
func intOf(place string, v jsontext.Value) (int64, error) {
	s, err := textOf(place, v)
	if err == nil {
		if n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64); err == nil {
			return n, nil
		}
	}
	return 0, model.AttrErrorf(model.Invalid, place, "must be an integer")
}

// boolOf reads true or false, also as a string.
func boolOf(place string, v jsontext.Value) (bool, error) {
	switch s := string(v); s {
	case "true", `"true"`:
		return true, nil
	case "false", `"false"`:
		return false, nil
	}
	return false, model.AttrErrorf(model.Invalid, place, "must be true or false")
}

// dateOf reads an ISO 8601 date to compare with, a day alone as its beginning in UTC; null and "" are none.
func dateOf(place string, v jsontext.Value) (model.Time, error) {
	m, err := momentOf(place, v, false)
	return m.In(nil), err
}

// momentOf reads an ISO 8601 date; null and "" are none. A day alone is its beginning or, for an end, its end, in the zone
// of the server.
func momentOf(place string, v jsontext.Value, ends bool) (model.Moment, error) {
	s, err := textOf(place, v)
	if s = model.Trim(s); err != nil || s == "" {
		return model.Moment{}, err
	}
	m, ok := model.ParseMoment(s, ends)
	if !ok {
		return m, model.AttrErrorf(model.Invalid, place, "must be an ISO 8601 date with its zone, such as 2026-01-31T10:00:00Z, or a day alone")
	}
	return m, nil
}

// listOf reads an array of strings, or one comma-separated string.
func listOf(place string, v jsontext.Value) (model.List, error) {
	var items []string
	if v.Kind() == '[' {
		if err := json.Unmarshal(v, &items); err != nil {
			return "", model.AttrErrorf(model.Invalid, place, "must be an array of strings")
		}
	} else {
		s, err := textOf(place, v)
		if err != nil {
			return "", err
		}
		items = strings.Split(s, ",")
	}
	var kept []string
	seen := map[string]bool{}
	for _, item := range items {
		item = strings.TrimSpace(item)
		if strings.ContainsAny(item, ",\x00") {
			return "", model.AttrErrorf(model.Invalid, place, "an element contains a comma")
		}
		if item != "" && !seen[item] {
			seen[item] = true
			kept = append(kept, item)
		}
	}
	return model.ListOf(kept), nil
}

// Int is an integer; also as a string.
type Int struct {
	n     int64
	given bool
}

// UnmarshalJSONFrom reads an integer.
func (n *Int) UnmarshalJSONFrom(dec *jsontext.Decoder) (err error) {
	place := placeOf(dec)
	v, err := dec.ReadValue()
	if err == nil && v.Kind() != 'n' {
		n.given = true
		n.n, err = intOf(place, v)
	}
	return err
}
