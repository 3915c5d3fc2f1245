package wire

import (
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
)

const (
	MaxDepth   = 8   // limit for dotted names and nested returns
	maxConds   = 100 // limit for the conditions of a match or a selector
	MaxColumns = 500 // limit for the values of a row in a return, because one query reads them; SQLite allows 2,000, PostgreSQL 1,664
)

// Match is a list of conditions as sent by a client.
type Match []Condition

// Condition is one condition of a match as sent.
type Condition struct {
	Name  string
	Op    string
	Value jsontext.Value
}

// UnmarshalJSONFrom decodes [[name, operator, value], ...], a single [name, operator, value], or an object whose members are
// equalities.
func (m *Match) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	return m.read(placeOf(dec), dec)
}

func (m *Match) read(place string, dec *jsontext.Decoder) error {
	switch dec.PeekKind() {
	case 'n':
		_, err := dec.ReadToken()
		return err
	case '{':
		var members Members
		if err := members.object(dec, place); err != nil {
			return err
		}
		for _, mem := range members {
			*m = append(*m, Condition{mem.Name, "=", mem.Value})
		}
		return m.Check(place)
	case '[':
		dec.ReadToken()
		if dec.PeekKind() == '"' {
			return m.triple(place, dec)
		}
		for dec.PeekKind() == '[' || dec.PeekKind() == '{' {
			if err := m.read(place, dec); err != nil {
				return err
			}
		}
		if dec.PeekKind() == ']' {
			_, err := dec.ReadToken()
			return err
		}
	}
	return badMatch(place)
}

// triple decodes the rest of [name, operator, value], after the bracket.
func (m *Match) triple(place string, dec *jsontext.Decoder) error {
	var c Condition
	for _, part := range []*string{&c.Name, &c.Op} {
		if dec.PeekKind() != '"' {
			return badMatch(place)
		}
		token, err := dec.ReadToken()
		if err != nil {
			return err
		}
		*part = token.String()
	}
	if dec.PeekKind() == ']' {
		return badMatch(place)
	}
	value, err := dec.ReadValue()
	if err != nil {
		return err
	}
	c.Value = value.Clone()
	*m = append(*m, c)
	if dec.PeekKind() != ']' {
		return badMatch(place)
	}
	if _, err = dec.ReadToken(); err != nil {
		return err
	}
	return m.Check(place)
}

// Check refuses a match that is too large, before work is done that costs more than decoding it.
func (m *Match) Check(place string) error {
	if len(*m) > maxConds {
		return model.AttrErrorf(model.Invalid, place, "has more than %d conditions", maxConds)
	}
	return nil
}

func badMatch(place string) error {
	return model.AttrErrorf(model.Invalid, place, "must be a list of [name, operator, value]")
}

// Names is one name, or several.
type Names []string

// UnmarshalJSONFrom decodes a string or an array of strings. The array may be the only element of another array.
func (n *Names) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	place := placeOf(dec)
	v, err := dec.ReadValue()
	if err != nil || v.Kind() == 'n' {
		return err
	}
	if inner := []jsontext.Value(nil); v.Kind() == '[' && json.Unmarshal(v, &inner) == nil && len(inner) == 1 && inner[0].Kind() == '[' {
		v = inner[0]
	}
	items, err := ListOf(place, v)
	*n = slices.DeleteFunc(items.Items(), func(s string) bool { return s == "" })
	return err
}

// maxSelectors is how many objects one list may name.
const maxSelectors = 10_000

// Selectors is a list of objects, each named by a selector or by a name alone.
type Selectors []jsontext.Value

// UnmarshalJSONFrom decodes a list. It refuses one that is too long before it has read all of it.
func (s *Selectors) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	place := placeOf(dec)
	wrong := model.AttrErrorf(model.Invalid, place, "must be an array of at most %d names or selectors", maxSelectors)
	if dec.PeekKind() != '[' {
		return wrong
	}
	dec.ReadToken()
	for dec.PeekKind() != ']' {
		v, err := dec.ReadValue()
		if err != nil {
			return err
		}
		if len(*s) >= maxSelectors {
			return wrong
		}
		*s = append(*s, v.Clone())
	}
	_, err := dec.ReadToken()
	return err
}
