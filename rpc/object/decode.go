package object

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// Decoded holds the attributes that a client sent for an object. Values are decoded and checked. Related objects are not looked
// up yet.
type Decoded struct {
	obj      *Type
	Place    string // "attrs"
	Values   []Value
	refs     []relation
	members  []members
	Secrets  map[string]model.Secret
	Creating bool // the object is new
	Extra    any  // the result of the type's Prepare function
}

// Value is the value of an attribute.
type Value struct {
	attr    *Attr
	v       any
	Initial bool // not sent: the initial value of a new object
}

type relation struct {
	attr  *Attr
	conds []store.Cond // nil if there is no related object
	id    *string      // set by Into
}

// members are the elements that a client sent for a collection.
type members struct {
	coll *Collection
	*Elements
}

// Decode decodes the attributes sent on create or set. It returns an error, with the name, for an attribute that is unknown, not
// allowed, or missing. except lists attributes that the method handles itself; they are ignored.
func (o *Type) Decode(place string, m wire.Members, on When, except ...string) (*Decoded, error) {
	d := &Decoded{obj: o, Place: place, Secrets: map[string]model.Secret{}, Creating: on == OnCreate}
	selectors := map[*Attr]wire.Members{}
	given := map[*Attr]bool{}
	for _, mem := range m {
		if slices.Contains(except, mem.Name) {
			continue
		}
		here := place + "." + mem.Name
		head, rest, dotted := strings.Cut(mem.Name, ".")
		a := o.ByName[head]
		if a == nil || dotted && a.Kind != Ref {
			if coll := o.given(head); coll != nil {
				if dotted || coll.When&on == 0 {
					return nil, model.AttrErrorf(model.Invalid, here, "is a collection and cannot be given here")
				}
				if slices.ContainsFunc(d.members, func(m members) bool { return m.coll == coll }) {
					return nil, model.AttrErrorf(model.Invalid, here, "is given twice")
				}
				named, err := coll.named(here, mem.Value)
				if err != nil {
					return nil, err
				}
				d.members = append(d.members, members{coll, named})
				continue
			}
			if o.Nothing(head) != "" {
				return nil, model.AttrErrorf(model.Invalid, here, "is not kept by this server")
			}
			return nil, model.AttrErrorf(model.UnknownAttr, here, "%s has no such attribute", o.Noun)
		}
		if a.When&on == 0 {
			why := "is read-only"
			if a.When == OnCreate {
				why = "can be given when the " + o.Noun + " is made, not later"
			}
			return nil, model.AttrErrorf(model.Invalid, here, "%s", why)
		}
		if given[a] && !dotted && a.Kind != Ref {
			return nil, model.AttrErrorf(model.Invalid, here, "is given twice")
		}
		given[a] = true
		if a.Kind == Ref {
			if dotted {
				selectors[a] = append(selectors[a], wire.Member{Name: rest, Value: mem.Value})
			} else if mem.Value.Kind() == 'n' {
				d.refs = append(d.refs, relation{attr: a})
			} else {
				nested, err := wire.MembersOf(here, mem.Value)
				if err != nil {
					return nil, err
				}
				selectors[a] = append(selectors[a], nested...)
			}
			continue
		}
		if err := d.read(a, here, mem.Value); err != nil {
			return nil, err
		}
	}
	for i := range o.Attrs {
		a := &o.Attrs[i]
		if m, ok := selectors[a]; ok {
			if slices.ContainsFunc(d.refs, func(r relation) bool { return r.attr == a }) {
				return nil, model.AttrErrorf(model.Invalid, place+"."+a.Name, "is both null and named")
			}
			conds, err := Types[a.Object].selector(place+"."+a.Name, m)
			if err != nil {
				return nil, err
			}
			d.refs = append(d.refs, relation{attr: a, conds: conds})
		}
		if on == OnCreate && !given[a] {
			if a.Required && !slices.Contains(except, a.Name) {
				return nil, model.AttrErrorf(model.Missing, place+"."+a.Name, "is required")
			}
			if a.Initial != nil {
				d.Values = append(d.Values, Value{a, a.Initial, true})
			}
		}
	}
	return d, nil
}

// read decodes one value according to the type of its attribute.
func (d *Decoded) read(a *Attr, place string, v jsontext.Value) error {
	var out any
	var err error
	if v.Kind() == 'n' && (a.Required || a.Initial != nil) {
		return model.AttrErrorf(model.Invalid, place, "cannot be empty")
	}
	switch a.Kind {
	case Text:
		var s string
		if a.Raw {
			s, err = wire.RawTextOf(place, v)
		} else if s, err = wire.TextOf(place, v); err == nil {
			if s, err = a.Rule.Check(place, s); err == nil && a.Refuses != nil {
				if reason := a.Refuses(s); reason != "" {
					err = model.AttrErrorf(model.Invalid, place, "%s", reason)
				}
			}
		}
		switch {
		case err != nil:
		case !a.Raw && int64(model.Characters(s)) > a.Max:
			err = model.AttrErrorf(model.Invalid, place, "is longer than %d characters", a.Max)
		case a.Raw && int64(len(s)) > a.Max:
			err = model.AttrErrorf(model.Invalid, place, "is longer than %d bytes", a.Max)
		case a.Required && s == "":
			err = model.AttrErrorf(model.Invalid, place, "cannot be empty")
		}
		out = s
	case Secret:
		var s string
		if s, err = wire.TextOf(place, v); err == nil {
			if int64(len(s)) > a.Max {
				err = model.AttrErrorf(model.Invalid, place, "is longer than %d bytes", a.Max)
			}
			d.Secrets[a.Name] = model.Secret(s)
		}
		return err
	case Integer:
		var n int64
		if v.Kind() != 'n' {
			n, err = wire.IntOf(place, v)
		}
		if high := a.Max; err == nil && v.Kind() != 'n' && (n < a.Min || high != 0 && n > high) {
			err = model.AttrErrorf(model.Invalid, place, "must be a number from %d", a.Min)
			if high != 0 {
				err = model.AttrErrorf(model.Invalid, place, "must be a number from %d to %d", a.Min, high)
			}
		}
		out = n
	case Boolean:
		var b bool
		if v.Kind() != 'n' {
			b, err = wire.BoolOf(place, v)
		}
		out = b
	case Date:
		out, err = wire.MomentOf(place, v, a.Ends)
	case List:
		var l model.List
		if l, err = wire.ListOf(place, v); err == nil && a.Required && l == "" {
			err = model.AttrErrorf(model.Invalid, place, "cannot be empty")
		}
		for _, item := range l.Items() {
			if a.Values != nil && !slices.Contains(a.Values, item) {
				err = model.AttrErrorf(model.Invalid, place, "takes %s", strings.Join(a.Values, ", "))
			}
		}
		out = l
	case Enum:
		var s string
		if s, err = wire.TextOf(place, v); err == nil && !slices.Contains(a.Values, s) {
			err = model.AttrErrorf(model.Invalid, place, "must be one of %s", strings.Join(a.Values, ", "))
		}
		out = s
	}
	if err == nil {
		d.Values = append(d.Values, Value{a, out, false})
	}
	return err
}

// changed returns the names of the sent attributes, in the order of the declaration, with the values of those that are one of a few.
// It is what the audit log says of a change, so it never contains a text that a client wrote.
func (d *Decoded) changed() string {
	var all []string
	for i := range d.obj.Attrs {
		a := &d.obj.Attrs[i]
		if v, ok := d.sent(a); ok {
			all = append(all, a.Name+v)
		}
	}
	for _, m := range d.members {
		all = append(all, m.coll.Name)
	}
	return strings.Join(all, ", ")
}

// sent returns whether an attribute was sent, and its value as "=VALUE" if it is one of a few.
func (d *Decoded) sent(a *Attr) (value string, ok bool) {
	if _, secret := d.Secrets[a.Name]; secret {
		return "", true
	}
	for _, v := range d.Values {
		if v.attr == a && !v.Initial {
			if a.Kind == Enum || a.Kind == Boolean {
				value = fmt.Sprint("=", v.v)
			}
			return value, true
		}
	}
	for _, r := range d.refs {
		if r.attr == a {
			return "", true
		}
	}
	return "", false
}

// Has returns whether an attribute was sent.
func (d *Decoded) Has(name string) bool {
	return slices.ContainsFunc(d.Values, func(v Value) bool { return v.attr.Name == name && !v.Initial }) ||
		slices.ContainsFunc(d.refs, func(r relation) bool { return r.attr.Name == name }) ||
		slices.ContainsFunc(d.members, func(m members) bool { return m.coll.Name == name })
}

// Given returns the value of an attribute, which may be an initial one; ok is false if there is none.
func Given[T any](d *Decoded, name string) (v T, ok bool) {
	for _, x := range d.Values {
		if x.attr.Name == name {
			v, ok = x.v.(T)
			return v, ok
		}
	}
	return v, false
}

// Into stores the values in a row and looks up related objects.
func (d *Decoded) Into(c *dispatch.Call, tx store.ReadTx, row any) error {
	for _, v := range d.Values {
		if v.attr.Column == "-" {
			continue
		}
		f := d.obj.field(row, v.attr.Column)
		if m, ok := v.v.(model.Moment); ok {
			v.v = m.In(c.Server.Config.TimeZone)
		}
		f.Set(reflect.ValueOf(v.v).Convert(f.Type()))
		if v.attr.Fold {
			d.obj.field(row, v.attr.compared).SetString(model.Fold(v.v.(string)))
		}
	}
	for i := range d.refs {
		r := &d.refs[i]
		same := ""
		if r.attr.Same != "" {
			same = d.obj.field(row, r.attr.Same).String()
		}
		id, err := d.find(c, tx, *r, same)
		if err != nil {
			return err
		}
		r.id = id
		if r.attr.Column == "-" {
			continue
		}
		f := d.obj.field(row, r.attr.Column)
		if f.Kind() == reflect.Pointer {
			f.Set(reflect.ValueOf(id))
			continue
		}
		if id == nil {
			return model.AttrErrorf(model.Invalid, d.Place+"."+r.attr.Name, "cannot be empty")
		}
		f.SetString(*id)
	}
	return nil
}

// find looks up a related object. same is the value that it must have in the column Same of its attribute; "" if any will do.
func (d *Decoded) find(c *dispatch.Call, tx store.ReadTx, r relation, same string) (*string, error) {
	if r.conds == nil {
		return nil, nil
	}
	place := ""
	if d.Place != "" {
		place = d.Place + "." + r.attr.Name
	}
	id, err := Types[r.attr.Object].findSame(c, tx, r.conds, place, r.attr.Same, same)
	return &id, err
}

// findSame returns the id of the object that a selector names. If value is not empty, only an object that has it in the column
// same is meant, and it is an error to name another one.
func (o *Type) findSame(c *dispatch.Call, tx store.ReadTx, conds []store.Cond, place, same, value string) (string, error) {
	if value != "" {
		id, err := o.Find(c, tx, append(slices.Clip(conds), store.Cond{Column: same, Op: store.Eq, Value: value}))
		if !wire.NotFound(err) {
			return id, err
		}
	}
	id, err := o.FindSelected(c, tx, BySelector(conds))
	if value != "" && (err == nil || wire.NoSingleMatch(err) && !wire.NotFound(err)) {
		return "", model.AttrErrorf(model.Invalid, place, "is a %s of another domain", o.Noun)
	}
	if o.NotFound.Code() == 0 && wire.NotFound(err) {
		return "", model.AttrErrorf(model.Invalid, place, "there is no such %s", o.Noun)
	}
	if place != "" {
		err = AtAttribute(err, place)
	}
	return id, err
}

// maxElements limits the elements that a client may send for a collection.
const maxElements = 1000

// named decodes an array of elements of a collection, each a selector or a name.
func (c *Collection) named(place string, v jsontext.Value) (*Elements, error) {
	var items []jsontext.Value
	if v.Kind() != 'n' {
		if err := json.Unmarshal(v, &items); err != nil || len(items) > maxElements {
			return nil, model.AttrErrorf(model.Invalid, place, "must be an array of at most %d names or selectors", maxElements)
		}
	}
	return Types[c.Object].Elements(place, items)
}

// Members returns the elements that a client sent for a collection; nil if none were sent.
func (d *Decoded) Members(name string) *Elements {
	for _, m := range d.members {
		if m.coll.Name == name {
			return m.Elements
		}
	}
	return nil
}

// relate saves the collections that were sent for a row.
func (d *Decoded) relate(c *dispatch.Call, tx store.Tx, row any) error {
	for _, m := range d.members {
		same := ""
		if m.coll.Same != "" {
			same = d.obj.field(row, m.coll.Same).String()
		}
		ids, err := m.Find(c, tx, m.coll.Same, same)
		if err != nil {
			return err
		}
		if err := tx.Relate(m.coll.Steps[0], m.coll.Steps[1], d.obj.idOf(row), ids); err != nil {
			return err
		}
	}
	return nil
}

// AtAttribute adds to a not-found error which attribute named the object.
func AtAttribute(err error, place string) error {
	var missed *model.Error
	if errors.As(err, &missed) && missed.Kind == model.NotFound {
		missed.Detail = model.AttributeDetail{Attribute: place}
	}
	return err
}

// Related returns the id of a related object that the client named; nil if the client named none.
func (d *Decoded) Related(c *dispatch.Call, tx store.ReadTx, name string) (*string, error) {
	for _, r := range d.refs {
		switch {
		case r.attr.Name != name:
		case r.id != nil:
			return r.id, nil
		default:
			return d.find(c, tx, r, "")
		}
	}
	return nil, nil
}
