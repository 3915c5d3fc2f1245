package wire

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
)

// Return lists which attributes of an object a client wants in the reply, in order.
type Return []ReturnItem

// ReturnItem is one name of a Return, with the wanted attributes of the object it names.
type ReturnItem struct {
	Name     string
	Nested   Return // nil for the name alone
	Elements bool   // {"elements":[...]} around the array
}

// UnmarshalJSONFrom decodes a name, an array of names and nested forms, or one nested form.
func (r *Return) UnmarshalJSONFrom(dec *jsontext.Decoder) (err error) {
	*r, err = returnOf(placeOf(dec), dec, 0)
	return err
}

func returnOf(place string, dec *jsontext.Decoder, depth int) (Return, error) {
	if depth > MaxDepth {
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
		name, err := TextOf(place, v)
		return Return{{Name: name}}, err
	case '{':
		var members Members
		if err := members.object(dec, place); err != nil {
			return nil, err
		}
		var ret Return
		for _, m := range members {
			inner, err := returnOf(place+"."+m.Name, jsontext.NewDecoder(bytes.NewReader(m.Value)), depth+1)
			if err != nil {
				return nil, err
			}
			item := ReturnItem{Name: m.Name, Nested: inner}
			if len(inner) == 1 && inner[0].Name == "elements" && inner[0].Nested != nil {
				item.Nested, item.Elements = inner[0].Nested, true
			}
			if item.Nested == nil {
				item.Nested = Return{} // what the bare name gives
			}
			ret = append(ret, item)
		}
		return ret, nil
	case '[':
		dec.ReadToken()
		ret := make(Return, 0, 4)
		for k := dec.PeekKind(); k == '"' || k == '{' || k == 'n' || k == '['; k = dec.PeekKind() {
			deeper := depth
			if k == '[' { // a nested list stands for its elements
				deeper++
			}
			inner, err := returnOf(place, dec, deeper)
			if err != nil {
				return nil, err
			}
			if ret = append(ret, inner...); len(ret) > MaxColumns {
				return nil, model.AttrErrorf(model.Invalid, place, "requests more than %d values per row", MaxColumns)
			}
		}
		if dec.PeekKind() == ']' {
			_, err := dec.ReadToken()
			return ret, err
		}
	}
	return nil, model.AttrErrorf(model.Invalid, place, "must be a list of names, or of {name: [names]}")
}

// ReturnNames returns a Return of plain names.
func ReturnNames(names ...string) Return {
	var r Return
	for _, n := range names {
		r = append(r, ReturnItem{Name: n})
	}
	return r
}

// Or returns r or, if r is empty, other.
func (r Return) Or(other Return) Return {
	if len(r) == 0 {
		return other
	}
	return r
}
