package rpc

import (
	"github.com/go-json-experiment/json"
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
func (r *Return) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	place := placeOf(dec)
	v, err := dec.ReadValue()
	if err == nil {
		*r, err = returnOf(place, v.Clone(), 0)
	}
	return err
}

func returnOf(place string, v jsontext.Value, depth int) (Return, error) {
	bad := func() error {
		return model.AttrErrorf(model.Invalid, place, "must be a list of names, or of {name: [names]}")
	}
	if depth > depthMost {
		return nil, model.AttrErrorf(model.Invalid, place, "is nested too deep")
	}
	switch v.Kind() {
	case 'n':
		return nil, nil
	case '"':
		name, err := textOf(place, v)
		return Return{{name: name}}, err
	case '{':
		members, err := membersOf(place, v)
		if err != nil {
			return nil, err
		}
		var ret Return
		for _, m := range members {
			inner, err := returnOf(place+"."+m.name, m.value, depth+1)
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
		var items []jsontext.Value
		if err := json.Unmarshal(v, &items); err != nil {
			return nil, bad()
		}
		ret := Return{}
		for _, item := range items {
			if item.Kind() == '[' {
				return nil, bad()
			}
			inner, err := returnOf(place, item, depth)
			if err != nil {
				return nil, err
			}
			ret = append(ret, inner...)
		}
		return ret, nil
	}
	return nil, bad()
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
