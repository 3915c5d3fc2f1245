package rpc

import (
	"context"
	"reflect"
	"slices"
	"strings"

	"tokensmith/model"
	"tokensmith/store"
)

// An object's declaration is the only list of its attributes: decoding, match, sort, return and the documents are all
// made from it. One without a table declares the attributes of a method's own, such as token/import.
type object struct {
	name    string     // on the wire: "tokenAssignment"
	missing model.Noun // what a not-found of it is of; of one with a table
	noun    string     // for people: "token assignment"; missing's name, where there is one
	table   string     // in the store: that of its rows
	row     func() any // a new row: a pointer to a type of the domain
	attrs   []attr
	colls   []collection
	keys    [][]string // attributes that together name an object, besides id
	of      []string   // without a table: the methods that take its attributes
	rows    string     // the method that answers its rows, where it has none of its own
	order   string     // what a search is sorted by that says nothing; "" = id
	naming  []string   // what tells objects apart when a selector fits several
	usedBy  []use      // what refuses its deletion
	prepare func(ctx context.Context, c *call, d *decoded) error
	check   func(c *call, tx store.Tx, d *decoded, old, row any) error // before the write; old is nil on create
	removes func(c *call, tx store.Tx, row any) error                  // before a deletion
	wrote   func(c *call, tx store.Tx, d *decoded, old, row any) error // in the transaction, behind the write

	byName map[string]*attr
	fields map[string][]int // column → field of the row type, as reflect's FieldByIndex takes it
}

// kind is an attribute's type on the wire.
type kind uint8

const (
	text    kind = iota // a string; a number is taken as its literal text
	integer             // a 64-bit integer; also as a string
	boolean
	date   // ISO 8601
	enum   // one of values
	list   // an array of strings; also as one comma-separated string
	secret // a string that is never given back
	ref    // another object: a selector
)

// When a client may give an attribute.
type when uint8

const (
	onCreate when = 1 << iota
	onSet
	always        = onCreate | onSet
	readOnly when = 0
)

// attr is one attribute of an object.
type attr struct {
	name     string
	kind     kind
	when     when
	required bool
	initial  any          // value of a new object when none is given; nil = the type's zero
	values   []string     // of an enum; of the items of a list, where these are limited
	min, max int64        // integer: range (0,0 = from 0 up); text: most characters, secret: most bytes (0 = 255)
	rule     model.Naming // of a text
	raw      bool         // text: a file's, whose bytes may be characters, NUL among them
	ends     bool         // date: an end, so that a day alone is its last moment
	column   string       // which keeps it, in the spelling of names: "dateCreated"; "" = its own; "-" = it is not kept as such
	path     []store.Step // where the column stands, when not in the object's own row
	fold     bool         // compared without case, through the column's folded twin
	indexed  bool         // a search by it alone reads only what it finds
	object   string       // ref: which
	aliases  []string     // names kept for old clients
	from     []string     // columns, in the same spelling, of the object's own row of which derive makes the value; it has no column then
	derive   func(c *call, from store.Row) (any, error)
	reveals  bool // shown, and then recorded, only to who may call the method by its exact name or a lone "*"
	none     bool // integer: 0 is no value, and can be given as null alone
	about    string
}

// collection is a to-many relation. One that a client may give has a relation table of nothing else.
type collection struct {
	name   string
	when   when
	alias  string // its singular, which match also takes
	object string
	steps  []store.Step // to the elements; at most one relation table in between
	order  string       // column of the first table by which they are sorted; "" = id
	about  string
}

// use is a relation that refuses an object's deletion.
type use struct {
	rows store.Step // that refer to it
	noun string     // for people
}

var (
	objects   = map[string]*object{} // by name
	arguments = map[string]*object{} // declarations of a method's own attributes, by its path
	rowsOf    = map[string]*object{} // declarations of what a method answers, by its path
)

func declare(o *object) *object {
	if o.row != nil {
		o.table = store.TableOf(o.row())
	}
	switch {
	case o.missing != model.Noun{}:
		o.noun = o.missing.String()
	case o.table != "":
		panic("rpc: " + o.name + " does not say what is not found when it is not")
	case o.noun == "":
		o.noun = o.name
	}
	if o.naming == nil {
		o.naming = []string{"id"}
	}
	if o.table != "" {
		o.attrs = append([]attr{{name: "id", kind: text, indexed: true, about: "opaque, made by the server"}}, o.attrs...)
	}
	o.fields = map[string][]int{}
	if o.row != nil {
		for _, f := range store.Fields(reflect.TypeOf(o.row()).Elem()) {
			o.fields[f.Column] = f.Index
		}
	}
	for i := range o.colls {
		o.colls[i].order = snake(o.colls[i].order)
	}
	o.byName = map[string]*attr{}
	for i := range o.attrs {
		a := &o.attrs[i]
		if a.derive != nil {
			a.column = "-"
		}
		a.from = slices.Clone(a.from)
		for i, name := range a.from {
			a.from[i] = snake(name)
		}
		if a.column != "-" && a.column != "" {
			a.column = snake(a.column)
		} else if a.column == "" {
			a.column = snake(a.name)
			if a.kind == ref {
				a.column += "_id"
			}
		}
		if a.max == 0 && (a.kind == text || a.kind == secret) {
			a.max = 255
		}
		if _, ok := o.fields[a.column]; !ok && a.path == nil && a.column != "-" {
			panic("rpc: " + o.name + "." + a.name + " has no column " + a.column)
		}
		for _, name := range append([]string{a.name}, a.aliases...) {
			o.byName[name] = a
		}
	}
	if o.table != "" {
		objects[o.name] = o
	}
	for _, path := range o.of {
		arguments[path] = o
	}
	if o.rows != "" {
		rowsOf[o.rows] = o
	}
	return o
}

// snake turns a wire name into a column's: "loginName" → "login_name", "lastChangePIN" is spelt by hand.
func snake(name string) string {
	var b strings.Builder
	for _, c := range name {
		if 'A' <= c && c <= 'Z' {
			b.WriteByte('_')
			c += 'a' - 'A'
		}
		b.WriteRune(c)
	}
	return b.String()
}

// coll finds a collection by its name; match also takes its singular.
func (o *object) coll(name string, singular bool) *collection {
	for i := range o.colls {
		if c := &o.colls[i]; c.name == name || singular && c.alias == name && name != "" {
			return c
		}
	}
	return nil
}

// simple says whether an attribute is one of "*": a value of the object itself that may be read.
func (a *attr) simple() bool { return a.kind != ref && a.kind != secret && a.readable() }

// readable says whether an attribute has a value that is kept or derived.
func (a *attr) readable() bool { return a.column != "-" || a.derive != nil }

// field gives the row's field of a column.
func (o *object) field(row any, column string) reflect.Value {
	index, ok := o.fields[column]
	if !ok {
		return reflect.Value{}
	}
	return reflect.ValueOf(row).Elem().FieldByIndex(index)
}

// idOf gives a row's id.
func (o *object) idOf(row any) string { return o.field(row, "id").String() }

// stamp sets a time of the row, if it has one of that name.
func (o *object) stamp(row any, name string, t model.Time) {
	if f := o.field(row, snake(name)); f.IsValid() {
		f.SetInt(int64(t))
	}
}
