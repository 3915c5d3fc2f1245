package admin

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/object"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// Attribute is the receiver of the methods for attributes. They are not stored: they are those of the declarations, so that a
// client may ask what the server knows.
type Attribute struct{}

// property is one property of an attribute: a text or a boolean.
type property struct {
	name  string
	text  string
	truth bool
	bool  bool // it is a boolean
}

// described is an attribute as its properties, in their order.
type described []property

// get returns a property; nil if there is none of that name.
func (d described) get(name string) *property {
	for i := range d {
		if d[i].name == name {
			return &d[i]
		}
	}
	return nil
}

// kinds are the types of the mirrored API, by kind of attribute. A list is a text with several values.
var kinds = map[object.Kind]string{object.Text: "STRING", object.Integer: "INTEGER", object.Boolean: "BOOLEAN", object.Date: "DATE", object.Enum: "ENUM",
	object.List: "STRING", object.Secret: "PASSWORD", object.Ref: "OBJECT"}

// describe returns the attributes of an object.
func describe(o *object.Type) (all []described) {
	add := func(name, kind string, when object.When, required, searchable, multiple bool, initial any, about string) {
		value := ""
		if initial != nil {
			value = fmt.Sprint(initial)
		}
		yes := func(name string, truth bool) property { return property{name: name, truth: truth, bool: true} }
		all = append(all, described{{name: "objectName", text: o.Name}, {name: "name", text: name}, {name: "type", text: kind},
			yes("readOnly", when == object.ReadOnly), yes("required", required), yes("searchable", searchable), yes("multiple", multiple),
			yes("immutable", when == object.OnCreate), {name: "defaultValue", text: value}, {name: "comment", text: about},
			yes("intrinsic", true), yes("external", false), yes("system", true)})
	}
	for i := range o.Attrs {
		a := &o.Attrs[i]
		add(a.Name, kinds[a.Kind], a.When, a.Required, a.Searchable(), a.Kind == object.List, a.Initial, a.About)
	}
	for _, c := range o.Collections {
		add(c.Name, "COLLECTION", c.When, false, true, true, nil, c.About)
	}
	return all
}

// AttributeArgs are the parameters of attribute/get.
type AttributeArgs struct {
	Match  wire.Match  `json:"match"`
	Return wire.Return `json:"return"`
}

// AttributeSearchArgs are the parameters of attribute/search.
type AttributeSearchArgs struct {
	AttributeArgs
	Sort   wire.Names `json:"sort"`
	Order  wire.Text  `json:"order"`
	Max    wire.Int   `json:"max"`
	Offset wire.Int   `json:"offset"`
}

// matching returns the attributes that match. The object must be named.
func (a *AttributeArgs) matching() ([]described, error) {
	var all []described
	named := false
	for _, c := range a.Match {
		if c.Name == "objectName" && c.Op == "=" {
			text, err := wire.TextOf("match.objectName", c.Value)
			if err != nil {
				return nil, err
			}
			o := object.Types[text]
			if o == nil {
				return nil, model.AttrErrorf(model.Invalid, "match.objectName", "there is no object %q", text)
			}
			all, named = describe(o), true
		}
	}
	if !named {
		return nil, model.AttrErrorf(model.Missing, "match.objectName", "is required")
	}
	for _, c := range a.Match {
		if c.Name == "identitySource.id" {
			continue // the attributes of the users of all sources are the same
		}
		test, err := tester(c)
		if err != nil {
			return nil, err
		}
		all = slices.DeleteFunc(all, func(d described) bool { return !test(d.get(c.Name)) })
	}
	return all, nil
}

// tester returns the function that tests a property by a condition.
func tester(c wire.Condition) (func(*property) bool, error) {
	here := "match." + c.Name
	example := describe(object.Types["domain"])[0].get(c.Name)
	if example == nil {
		return nil, model.AttrErrorf(model.UnknownAttr, "match", "attribute has no attribute %q", c.Name)
	}
	var items []jsontext.Value
	if c.Op == "in" {
		if err := json.Unmarshal(c.Value, &items); err != nil || len(items) > object.MaxSearch {
			return nil, model.AttrErrorf(model.Invalid, here, "in needs an array of at most %d values", object.MaxSearch)
		}
	} else {
		items = []jsontext.Value{c.Value}
	}
	values := map[property]bool{}
	for _, item := range items {
		v := property{name: c.Name, bool: example.bool}
		var err error
		if v.bool {
			v.truth, err = wire.BoolOf(here, item)
		} else {
			v.text, err = wire.TextOf(here, item)
		}
		if err != nil {
			return nil, err
		}
		values[v] = true
	}
	switch c.Op {
	case "=", "in":
		return func(p *property) bool { return values[*p] }, nil
	case "!=":
		return func(p *property) bool { return !values[*p] }, nil
	}
	return nil, model.AttrErrorf(model.Invalid, here, "operator %q does not fit this attribute: it takes =, != and in", c.Op)
}

// write returns the wanted properties as a JSON object.
func (d described) write(ret wire.Return) ([]byte, error) {
	b := []byte{'{'}
	add := func(p *property) {
		if len(b) > 1 {
			b = append(b, ',')
		}
		b, _ = jsontext.AppendQuote(b, p.name)
		b = append(b, ':')
		switch {
		case p.bool:
			b = strconv.AppendBool(b, p.truth)
		case p.text == "":
			b = append(b, "null"...)
		default:
			b, _ = jsontext.AppendQuote(b, p.text)
		}
	}
	seen := map[string]bool{}
	for _, item := range ret {
		p := d.get(item.Name)
		switch {
		case item.Name == "*" && item.Nested == nil:
			for i := range d {
				if !seen[d[i].name] {
					seen[d[i].name] = true
					add(&d[i])
				}
			}
		case p == nil:
			return nil, model.AttrErrorf(model.UnknownAttr, "return", "attribute has no attribute %q", item.Name)
		case item.Nested != nil:
			return nil, model.AttrErrorf(model.Invalid, "return", "%q has no attributes of its own", item.Name)
		case !seen[p.name]:
			seen[p.name] = true
			add(p)
		}
	}
	return append(b, '}'), nil
}

// Get returns one attribute of an object.
func (m *Attribute) Get(_ *http.Request, args *AttributeArgs, plan *dispatch.Plan) error {
	found, err := args.matching()
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return model.NotFoundError(model.AttributeNoun)
	}
	if len(found) > 1 {
		return model.Errorf(model.Ambiguous, "the selector fits more than one attribute")
	}
	one, err := found[0].write(args.Return.Or(wire.ReturnNames("*")))
	if err != nil {
		return err
	}
	plan.Reads = dispatch.NoStatement
	plan.View = func(store.ReadTx) (any, error) { return jsontext.Value(one), nil }
	return nil
}

// Search returns the attributes of an object that match.
func (m *Attribute) Search(_ *http.Request, args *AttributeSearchArgs, plan *dispatch.Plan) error {
	found, err := args.matching()
	if err != nil {
		return err
	}
	total := len(found)
	if args.Order != "" && args.Order != "asc" && args.Order != "desc" {
		return model.AttrErrorf(model.Invalid, "order", "must be asc or desc")
	}
	for _, name := range slices.Backward(args.Sort) { // the first name decides first, and the sort is stable
		name, minus := strings.CutPrefix(name, "-")
		if describe(object.Types["domain"])[0].get(name) == nil {
			return model.AttrErrorf(model.UnknownAttr, "sort", "attribute has no attribute %q", name)
		}
		slices.SortStableFunc(found, func(x, y described) int {
			a, b := x.get(name), y.get(name)
			if minus || args.Order == "desc" {
				a, b = b, a
			}
			if a.bool && a.truth != b.truth {
				return map[bool]int{false: -1, true: 1}[a.truth]
			}
			return strings.Compare(a.text, b.text)
		})
	}
	if args.Max.Given && (args.Max.Value < 0 || args.Max.Value > object.MaxSearch) {
		return model.AttrErrorf(model.Invalid, "max", "must be a number from 0 to %d", object.MaxSearch)
	}
	if args.Offset.Value < 0 {
		return model.AttrErrorf(model.Invalid, "offset", "must be a number from 0")
	}
	found = found[min(args.Offset.Value, int64(len(found))):]
	if args.Max.Given {
		found = found[:min(args.Max.Value, int64(len(found)))]
	}
	var rows [][]byte
	for _, d := range found {
		row, err := d.write(args.Return.Or(wire.ReturnNames("*")))
		if err != nil {
			return err
		}
		rows = append(rows, row)
	}
	reply := append(object.JoinValues([]byte(`{"total":`+strconv.Itoa(total)+`,"rows":[`), rows), "]}"...)
	plan.Reads = dispatch.NoStatement
	plan.View = func(store.ReadTx) (any, error) { return jsontext.Value(reply), nil }
	return nil
}
