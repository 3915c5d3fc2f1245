package rpc

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
)

// Return is what a client wants back of an object, in the order it asked.
type Return []returned

type returned struct {
	name     string
	nested   Return // nil = the bare name
	elements bool   // {"elements":[...]} around the array
}

// UnmarshalJSONFrom reads a name, an array of names and nested forms, or one nested form.
func (r *Return) UnmarshalJSONFrom(dec *jsontext.Decoder) (err error) {
	*r, err = returnOf(placeOf(dec), dec, 0)
	return err
}

func returnOf(place string, dec *jsontext.Decoder, depth int) (Return, error) {
	if depth > depthMost {
		return nil, model.AttrErrorf(model.Invalid, place, "is nested too deep")
	}
	switch dec.PeekKind() {
	case 'n':
		_, err := dec.ReadToken()
		return nil, err
	case '"':
		v, err := dec.ReadValue()
		if err != nil {
			return nil, err
		}
		name, err := textOf(place, v)
		return Return{{name: name}}, err
	case '{':
		var members Members
		if err := members.object(dec, place); err != nil {
			return nil, err
		}
		var ret Return
		for _, m := range members {
			inner, err := returnOf(place+"."+m.name, jsontext.NewDecoder(bytes.NewReader(m.value)), depth+1)
			if err != nil {
				return nil, err
			}
			item := returned{name: m.name, nested: inner}
			if len(inner) == 1 && inner[0].name == "elements" && inner[0].nested != nil {
				item.nested, item.elements = inner[0].nested, true
			}
			if item.nested == nil {
				item.nested = Return{{name: "id"}}
			}
			ret = append(ret, item)
		}
		return ret, nil
	case '[':
		dec.ReadToken()
		ret := make(Return, 0, 4)
		for dec.PeekKind() == '"' || dec.PeekKind() == '{' || dec.PeekKind() == 'n' {
			inner, err := returnOf(place, dec, depth)
			if err != nil {
				return nil, err
			}
			if ret = append(ret, inner...); len(ret) > columnsMost {
				return nil, model.AttrErrorf(model.Invalid, place, "asks for more than %d values a row", columnsMost)
			}
		}
		if dec.PeekKind() == ']' {
			_, err := dec.ReadToken()
			return ret, err
		}
	}
	return nil, model.AttrErrorf(model.Invalid, place, "must be a list of names, or of {name: [names]}")
}

// names makes a Return of plain names.
func names(names ...string) Return {
	var r Return
	for _, n := range names {
		r = append(r, returned{name: n})
	}
	return r
}

// or gives the default when a client asked for nothing.
func (r Return) or(other Return) Return {
	if len(r) == 0 {
		return other
	}
	return r
}
