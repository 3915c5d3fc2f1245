package rpc

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
	"tokensmith/store"
)

// decoded is what a client gave of an object: values read and checked one by one, relations still to be looked up.
type decoded struct {
	obj      *object
	place    string // "attrs"
	values   []value
	refs     []relation
	members  []elements
	secrets  map[string]model.Secret
	creating bool // a new object, that is
	extra    any  // what the object's prepare step made of it
}

type value struct {
	attr    *attr
	v       any
	initial bool // not given: what a new object starts with
}

type relation struct {
	attr  *attr
	conds []store.Cond // nil = none
	id    *string      // once into has looked it up
}

// elements is what a client gave as a collection: each by the conditions that name it.
type elements struct {
	coll  *collection
	place string
	each  [][]store.Cond
}

// decode reads attributes given on create or set. An unknown one, one that may not be given, and one that is missing
// are refused by name. except names attributes that the method takes care of itself; they are left out.
func (o *object) decode(place string, m Members, on when, except ...string) (*decoded, error) {
	d := &decoded{obj: o, place: place, secrets: map[string]model.Secret{}, creating: on == onCreate}
	selectors := map[*attr]Members{}
	given := map[*attr]bool{}
	for _, mem := range m {
		if slices.Contains(except, mem.name) {
			continue
		}
		here := place + "." + mem.name
		head, rest, dotted := strings.Cut(mem.name, ".")
		a := o.byName[head]
		if a == nil || dotted && a.kind != ref {
			if coll := o.coll(head, false); coll != nil {
				if dotted || coll.when&on == 0 {
					return nil, model.AttrErrorf(model.Invalid, here, "is a collection and cannot be given here")
				}
				each, err := coll.named(here, mem.value)
				if err != nil {
					return nil, err
				}
				d.members = append(d.members, elements{coll, here, each})
				continue
			}
			return nil, model.AttrErrorf(model.UnknownAttr, here, "%s has no such attribute", o.noun)
		}
		if a.when&on == 0 {
			why := "is read-only"
			if a.when == onCreate {
				why = "can be given when the " + o.noun + " is made, not later"
			}
			return nil, model.AttrErrorf(model.Invalid, here, "%s", why)
		}
		if given[a] && !dotted && a.kind != ref {
			return nil, model.AttrErrorf(model.Invalid, here, "is given twice")
		}
		given[a] = true
		if a.kind == ref {
			if dotted {
				selectors[a] = append(selectors[a], member{rest, mem.value})
			} else if mem.value.Kind() == 'n' {
				d.refs = append(d.refs, relation{attr: a})
			} else {
				nested, err := membersOf(here, mem.value)
				if err != nil {
					return nil, err
				}
				selectors[a] = append(selectors[a], nested...)
			}
			continue
		}
		if err := d.read(a, here, mem.value); err != nil {
			return nil, err
		}
	}
	for i := range o.attrs {
		a := &o.attrs[i]
		if m, ok := selectors[a]; ok {
			if slices.ContainsFunc(d.refs, func(r relation) bool { return r.attr == a }) {
				return nil, model.AttrErrorf(model.Invalid, place+"."+a.name, "is null and named at once")
			}
			conds, err := objects[a.object].selector(place+"."+a.name, m)
			if err != nil {
				return nil, err
			}
			d.refs = append(d.refs, relation{attr: a, conds: conds})
		}
		if on == onCreate && !given[a] {
			if a.required && !slices.Contains(except, a.name) {
				return nil, model.AttrErrorf(model.Missing, place+"."+a.name, "is required")
			}
			if a.initial != nil {
				d.values = append(d.values, value{a, a.initial, true})
			}
		}
	}
	return d, nil
}

// read reads one value by its attribute's type.
func (d *decoded) read(a *attr, place string, v jsontext.Value) error {
	var out any
	var err error
	if v.Kind() == 'n' && (a.required || a.initial != nil) {
		return model.AttrErrorf(model.Invalid, place, "cannot be empty")
	}
	switch a.kind {
	case text:
		var s string
		if a.raw {
			s, err = rawTextOf(place, v)
		} else if s, err = textOf(place, v); err == nil {
			s, err = a.rule.Check(place, s)
		}
		switch {
		case err != nil:
		case !a.raw && int64(model.Characters(s)) > a.max:
			err = model.AttrErrorf(model.Invalid, place, "is longer than %d characters", a.max)
		case a.raw && int64(len(s)) > a.max:
			err = model.AttrErrorf(model.Invalid, place, "is longer than %d bytes", a.max)
		case a.required && s == "":
			err = model.AttrErrorf(model.Invalid, place, "cannot be empty")
		}
		out = s
	case secret:
		var s string
		if s, err = textOf(place, v); err == nil {
			if int64(len(s)) > a.max {
				err = model.AttrErrorf(model.Invalid, place, "is longer than %d bytes", a.max)
			}
			d.secrets[a.name] = model.Secret(s)
		}
		return err
	case integer:
		var n int64
		if v.Kind() != 'n' {
			n, err = intOf(place, v)
		}
		if high := a.max; err == nil && v.Kind() != 'n' && (n < a.min || high != 0 && n > high) {
			err = model.AttrErrorf(model.Invalid, place, "must be a number from %d", a.min)
			if high != 0 {
				err = model.AttrErrorf(model.Invalid, place, "must be a number from %d to %d", a.min, high)
			}
		}
		out = n
	case boolean:
		var b bool
		if v.Kind() != 'n' {
			b, err = boolOf(place, v)
		}
		out = b
	case date:
		out, err = momentOf(place, v, a.ends)
	case list:
		var l model.List
		if l, err = listOf(place, v); err == nil && a.required && l == "" {
			err = model.AttrErrorf(model.Invalid, place, "cannot be empty")
		}
		for _, item := range l.Items() {
			if a.values != nil && !slices.Contains(a.values, item) {
				err = model.AttrErrorf(model.Invalid, place, "takes %s", strings.Join(a.values, ", "))
			}
		}
		out = l
	case enum:
		var s string
		if s, err = textOf(place, v); err == nil && !slices.Contains(a.values, s) {
			err = model.AttrErrorf(model.Invalid, place, "must be one of %s", strings.Join(a.values, ", "))
		}
		out = s
	}
	if err == nil {
		d.values = append(d.values, value{a, out, false})
	}
	return err
}

// has says whether an attribute was given.
func (d *decoded) has(name string) bool {
	return slices.ContainsFunc(d.values, func(v value) bool { return v.attr.name == name && !v.initial }) ||
		slices.ContainsFunc(d.refs, func(r relation) bool { return r.attr.name == name }) ||
		slices.ContainsFunc(d.members, func(m elements) bool { return m.coll.name == name })
}

// given gives the value of an attribute, also an initial one; false when there is none.
func given[T any](d *decoded, name string) (v T, ok bool) {
	for _, x := range d.values {
		if x.attr.name == name {
			v, ok = x.v.(T)
			return v, ok
		}
	}
	return v, false
}

// into puts the values into a row and looks the relations up.
func (d *decoded) into(c *call, tx store.ReadTx, row any) error {
	for _, v := range d.values {
		if v.attr.column == "-" {
			continue
		}
		f := d.obj.field(row, v.attr.column)
		if m, ok := v.v.(model.Moment); ok {
			v.v = m.In(c.s.cfg.TimeZone)
		}
		f.Set(reflect.ValueOf(v.v).Convert(f.Type()))
		if v.attr.fold {
			d.obj.field(row, store.Folded(v.attr.column)).SetString(model.Fold(v.v.(string)))
		}
	}
	for i := range d.refs {
		r := &d.refs[i]
		id, err := d.find(c, tx, *r)
		if err != nil {
			return err
		}
		r.id = id
		if r.attr.column == "-" {
			continue
		}
		f := d.obj.field(row, r.attr.column)
		if f.Kind() == reflect.Pointer {
			f.Set(reflect.ValueOf(id))
			continue
		}
		if id == nil {
			return model.AttrErrorf(model.Invalid, d.place+"."+r.attr.name, "cannot be empty")
		}
		f.SetString(*id)
	}
	return nil
}

func (d *decoded) find(c *call, tx store.ReadTx, r relation) (*string, error) {
	if r.conds == nil {
		return nil, nil
	}
	id, err := objects[r.attr.object].pick(c, tx, bySelector(r.conds))
	if d.place != "" {
		err = placed(err, d.place+"."+r.attr.name)
	}
	return &id, err
}

// elementsMost bounds what a client gives as a collection.
const elementsMost = 1000

// named reads an array of a collection's elements: each by a selector, or by its name alone.
func (c *collection) named(place string, v jsontext.Value) (each [][]store.Cond, err error) {
	var items []jsontext.Value
	if v.Kind() != 'n' {
		if err := json.Unmarshal(v, &items); err != nil || len(items) > elementsMost {
			return nil, model.AttrErrorf(model.Invalid, place, "must be an array of at most %d names or selectors", elementsMost)
		}
	}
	o := objects[c.object]
	for i, item := range items {
		here := fmt.Sprint(place, ".", i)
		m := Members{{o.keys[0][0], item}}
		if item.Kind() == '{' {
			if m, err = membersOf(here, item); err != nil {
				return nil, err
			}
		}
		conds, err := o.selector(here, m)
		if err != nil {
			return nil, err
		}
		each = append(each, conds)
	}
	return each, nil
}

// relate writes the collections that were given of a row.
func (d *decoded) relate(c *call, tx store.Tx, id string) error {
	for _, m := range d.members {
		var ids []string
		for i, conds := range m.each {
			found, err := objects[m.coll.object].find(c, tx, conds)
			if err != nil {
				return placed(err, fmt.Sprint(m.place, ".", i))
			}
			if !slices.Contains(ids, found) {
				ids = append(ids, found)
			}
		}
		if err := tx.Relate(m.coll.steps[0], m.coll.steps[1], id, ids); err != nil {
			return err
		}
	}
	return nil
}

// placed says of an object that was not found which attribute named it.
func placed(err error, place string) error {
	var missed *model.Error
	if errors.As(err, &missed) && missed.Kind == model.NotFound {
		missed.Detail = model.AttributeDetail{Attribute: place}
	}
	return err
}

// related gives the id of a related object that the client named; nil when he named none.
func (d *decoded) related(c *call, tx store.ReadTx, name string) (*string, error) {
	for _, r := range d.refs {
		switch {
		case r.attr.name != name:
		case r.id != nil:
			return r.id, nil
		default:
			return d.find(c, tx, r)
		}
	}
	return nil, nil
}
