package wire

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
)

// Member is a name and value of an object.
type Member struct {
	Name  string
	Value jsontext.Value
}

// Members are an object's members, in the order sent: attrs, or a selector. An array of objects is decoded as the union of their
// members.
type Members []Member

// UnmarshalJSONFrom decodes an object, or an array of objects.
func (m *Members) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	place := placeOf(dec)
	switch dec.PeekKind() {
	case 'n': // as if it were not sent
		_, err := dec.ReadToken()
		return err
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

// maxMembers is how many members attrs or a selector may have.
const maxMembers = 1000

func (m *Members) object(dec *jsontext.Decoder, place string) error {
	dec.ReadToken()
	for dec.PeekKind() == '"' {
		if len(*m) >= maxMembers {
			return model.AttrErrorf(model.Invalid, place, "has more than %d members", maxMembers)
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
		if slices.ContainsFunc(*m, func(o Member) bool { return o.Name == n }) {
			return model.AttrErrorf(model.Invalid, place+"."+n, "is given twice")
		}
		*m = append(*m, Member{n, value.Clone()})
	}
	_, err := dec.ReadToken()
	return err
}

// Get returns the value of a member; nil if it was not sent.
func (m Members) Get(name string) jsontext.Value {
	for _, o := range m {
		if o.Name == name {
			return o.Value
		}
	}
	return nil
}

// placeOf returns the decoder's position as a dotted name, such as "attrs.user".
func placeOf(dec *jsontext.Decoder) string {
	return strings.ReplaceAll(strings.TrimPrefix(string(dec.StackPointer()), "/"), "/", ".")
}

// MembersOf decodes a value as Members. For null it returns none.
func MembersOf(place string, v jsontext.Value) (Members, error) {
	var m Members
	if err := json.Unmarshal(v, &m); err != nil {
		return nil, model.AttrErrorf(model.Invalid, place, "must be an object")
	}
	return m, nil
}

// Text is a string. A number is accepted as its literal text.
type Text string

// UnmarshalJSONFrom decodes a string or a number.
func (t *Text) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	place := placeOf(dec)
	v, err := dec.ReadValue()
	if err != nil {
		return err
	}
	s, err := TextOf(place, v)
	*t = Text(s)
	return err
}

// TextOf decodes a string, or a number as its literal text; null is "".
func TextOf(place string, v jsontext.Value) (string, error) {
	s, err := RawTextOf(place, v)
	if err == nil {
		err = NoNUL(place, s)
	}
	return s, err
}

// NoNUL returns an error if a text contains a NUL character.
func NoNUL(place, s string) error {
	if strings.IndexByte(s, 0) >= 0 {
		return model.AttrErrorf(model.Invalid, place, "contains a NUL character")
	}
	return nil
}

// RawTextOf is TextOf, but allows NUL characters. It is for text whose characters stand for bytes.
func RawTextOf(place string, v jsontext.Value) (string, error) {
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

// IntOf decodes an integer, which may be written as a string.
func IntOf(place string, v jsontext.Value) (int64, error) {
	s, err := TextOf(place, v)
	if err == nil {
		if n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64); err == nil {
			return n, nil
		}
	}
	return 0, model.AttrErrorf(model.Invalid, place, "must be an integer")
}

// BoolOf decodes true or false, which may be written as a string.
func BoolOf(place string, v jsontext.Value) (bool, error) {
	switch s := string(v); s {
	case "true", `"true"`:
		return true, nil
	case "false", `"false"`:
		return false, nil
	}
	return false, model.AttrErrorf(model.Invalid, place, "must be true or false")
}

// DateOf decodes an ISO 8601 date for a comparison. A date without a time is the beginning of that day in UTC. For null and "" it
// returns 0.
func DateOf(place string, v jsontext.Value) (model.Time, error) {
	m, err := MomentOf(place, v, false)
	return m.In(nil), err
}

// MomentOf decodes an ISO 8601 date. A date without a time is the beginning of that day or, if ends is set, its end, in the
// server's time zone. For null and "" it returns the zero Moment.
func MomentOf(place string, v jsontext.Value, ends bool) (model.Moment, error) {
	s, err := TextOf(place, v)
	if s = model.Trim(s); err != nil || s == "" {
		return model.Moment{}, err
	}
	m, ok := model.ParseMoment(s, ends)
	if day := s[:min(len(s), len(time.DateOnly))]; !ok && isoDay.MatchString(day) {
		if _, err := time.Parse(time.DateOnly, day); err != nil {
			return m, model.AttrErrorf(model.Invalid, place, "%s is not a date of the calendar", day)
		}
	}
	if !ok {
		return m, model.AttrErrorf(model.Invalid, place, "must be an ISO 8601 date and time with zone, such as "+
			"2026-01-31T10:00:00Z, or a date alone")
	}
	return m, nil
}

var isoDay = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`)

// ListOf decodes an array of strings, or one comma-separated string.
func ListOf(place string, v jsontext.Value) (model.List, error) {
	var items []string
	if v.Kind() == '[' {
		if err := json.Unmarshal(v, &items); err != nil {
			return "", model.AttrErrorf(model.Invalid, place, "must be an array of strings")
		}
	} else {
		s, err := TextOf(place, v)
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

// Named is a reference to something that is not stored as an object, by {"id":...}, {"name":...} or a text alone.
type Named struct{ ID, Name string }

// UnmarshalJSONFrom decodes a selector, a string or a number.
func (n *Named) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	place := placeOf(dec)
	v, err := dec.ReadValue()
	if err != nil {
		return err
	}
	if k := v.Kind(); k != '{' && k != '[' {
		if n.Name, err = TextOf(place, v); err != nil {
			err = model.AttrErrorf(model.Invalid, place, "must be named by id or name")
		}
		return err
	}
	members, err := MembersOf(place, v)
	if err != nil {
		return err
	}
	for _, m := range members {
		here := place + "." + m.Name
		switch m.Name {
		case "id":
			n.ID, err = TextOf(here, m.Value)
		case "name":
			n.Name, err = TextOf(here, m.Value)
		default:
			return model.AttrErrorf(model.UnknownAttr, here, "is named by id or name")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Int is an integer, which may be written as a string.
type Int struct {
	Value int64
	Given bool
}

// UnmarshalJSONFrom decodes an integer.
func (n *Int) UnmarshalJSONFrom(dec *jsontext.Decoder) (err error) {
	place := placeOf(dec)
	v, err := dec.ReadValue()
	if err == nil && v.Kind() != 'n' {
		n.Given = true
		n.Value, err = IntOf(place, v)
	}
	return err
}
