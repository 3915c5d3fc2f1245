// Package object makes the common methods of an object out of one declaration: reading attributes, finding, projecting, searching, creating,
// changing and deleting. The declaration is the only list of attributes; the documents are made from it as well.
package object

import (
	"context"
	"reflect"
	"slices"
	"strings"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/store"
)

// Type is the declaration of an object: the only list of its attributes: decoding, match, sort, return and the documents are all
// made from it. One without a table declares the attributes of a method's own, such as token/import.
type Type struct {
	Name               string     // on the wire: "tokenAssignment"
	NotFound           model.Noun // what a not-found of it is of; of one with a table
	Noun               string     // for people: "token assignment"; Missing's name, where there is one
	Table              string     // in the store: that of its rows
	Row                func() any // a new row: a pointer to a type of the domain
	Attrs              []Attr
	Collections        []Collection
	Keys               [][]string // attributes that together name an object, besides id
	Of                 []string   // without a table: the methods that take its attributes
	Rows               string     // the method that answers its rows, where it has none of its own
	Order              string     // the default sort of a search; "" = id
	ShownWhenAmbiguous []string   // what tells objects apart when a selector fits several
	UsedBy             []Use      // what refuses its deletion
	Limited            Limited    // what an agent that is limited to domains may do with such objects
	Prepare            func(ctx context.Context, c *dispatch.Call, d *Decoded) error
	Check              func(c *dispatch.Call, tx store.Tx, d *Decoded, old, row any) error // before the write; old is nil on create
	BeforeDelete       func(c *dispatch.Call, tx store.Tx, row any) error                  // before a deletion
	AfterWrite         func(c *dispatch.Call, tx store.Tx, d *Decoded, old, row any) error // in the transaction, behind the write

	// Documented names of which this server keeps nothing: they read as empty, so that a client's list of names does not fail, and cannot
	// be given, searched by or sorted by. They are none of "*".
	EmptyCollections []string // read as []
	EmptyTexts       []string // texts and objects, read as null

	ByName map[string]*Attr
	fields map[string][]int // column → field of the row type, as reflect's FieldByIndex takes it
}

// Limited says what an agent that is limited to domains may do with objects of a type. Which of them it sees, store.DomainScope says.
type Limited uint8

const (
	NoAccess Limited = iota
	Reads            // it gets and searches them, since all domains share them
	Changes          // it may call all their methods, for those of its domains
)

// OpenToLimited says whether an agent that is limited to domains may call a method of such objects, by the last part of its path.
func (o *Type) OpenToLimited(verb string) bool {
	return o.Limited == Changes || o.Limited == Reads && (verb == "get" || verb == "search")
}

// Kind is an attribute's type on the wire.
type Kind uint8

const (
	Text    Kind = iota // a string; a number is taken as its literal text
	Integer             // a 64-bit integer; also as a string
	Boolean
	Date   // ISO 8601
	Enum   // one of values
	List   // an array of strings; also as one comma-separated string
	Secret // a string that is never given back
	Ref    // another object: a selector
)

// When a client may give an attribute.
type When uint8

const (
	OnCreate When = 1 << iota
	OnSet
	Always        = OnCreate | OnSet
	ReadOnly When = 0
)

// Attr is one attribute of an object.
type Attr struct {
	Name       string
	Kind       Kind
	When       When
	Required   bool
	Initial    any                               // value of a new object when none is given; nil = the type's zero
	Values     []string                          // of an enum; of the items of a list, where these are limited
	Min, Max   int64                             // integer: range (0,0 = from 0 up); text: most characters, secret: most bytes (0 = 255)
	Rule       model.Naming                      // of a text
	Refuses    func(text string) (reason string) // of a text: what its rule does not; nil = nothing
	Raw        bool                              // text: a file's, whose bytes may be characters, NUL among them
	Ends       bool                              // date: an end, so that a day alone is its last moment
	Column     string                            // which keeps it, in the spelling of names: "dateCreated"; "" = its own; "-" = it is not kept as such
	Path       []store.Step                      // where the column stands, when not in the object's own row
	Fold       bool                              // compared without case, through the column's folded twin
	Indexed    bool                              // a search by it alone reads only what it finds
	Object     string                            // ref: which
	Aliases    []string                          // names kept for old clients
	From       []string                          // columns, in the same spelling, of the object's own row of which derive makes the value; it has no column then
	Derive     func(c *dispatch.Call, from store.Row) (any, error)
	Reveals    bool // shown, and then recorded, only to who may call the method by its exact name or a lone "*"
	ZeroIsNone bool // integer: 0 is no value, and can be given as null alone
	About      string
}

// Collection is a to-many relation. One that a client may give has a relation table of nothing else.
type Collection struct {
	Name   string
	When   When
	Alias  string // its singular, which match also takes
	Object string
	Steps  []store.Step // to the elements; at most one relation table in between
	Order  string       // column of the first table by which they are sorted; "" = id
	About  string
}

// Use is a relation that refuses an object's deletion.
type Use struct {
	Rows store.Step // that refer to it
	Noun string     // for people
}

var (
	Types     = map[string]*Type{} // by name
	Arguments = map[string]*Type{} // declarations of a method's own attributes, by its path
	RowsOf    = map[string]*Type{} // declarations of what a method answers, by its path
)

// Declare makes a type known by its name. What is wrong with the declaration stops the program at its start.
func Declare(o *Type) *Type {
	if o.Row != nil {
		o.Table = store.TableOf(o.Row())
	}
	switch {
	case o.NotFound != model.Noun{}:
		o.Noun = o.NotFound.String()
	case o.Table != "":
		panic("object: " + o.Name + " does not say what is not found when it is not")
	case o.Noun == "":
		o.Noun = o.Name
	}
	if o.ShownWhenAmbiguous == nil {
		o.ShownWhenAmbiguous = []string{"id"}
	}
	if o.Table != "" {
		o.Attrs = append([]Attr{{Name: "id", Kind: Text, Indexed: true, About: "opaque, made by the server"}}, o.Attrs...)
	}
	o.fields = map[string][]int{}
	if o.Row != nil {
		for _, f := range store.Fields(reflect.TypeOf(o.Row()).Elem()) {
			o.fields[f.Column] = f.Index
		}
	}
	for i := range o.Collections {
		o.Collections[i].Order = snake(o.Collections[i].Order)
	}
	o.ByName = map[string]*Attr{}
	for i := range o.Attrs {
		a := &o.Attrs[i]
		if a.Derive != nil {
			a.Column = "-"
		}
		a.From = slices.Clone(a.From)
		for i, name := range a.From {
			a.From[i] = snake(name)
		}
		if a.Column != "-" && a.Column != "" {
			a.Column = snake(a.Column)
		} else if a.Column == "" {
			a.Column = snake(a.Name)
			if a.Kind == Ref {
				a.Column += "_id"
			}
		}
		if a.Max == 0 && (a.Kind == Text || a.Kind == Secret) {
			a.Max = 255
		}
		if _, ok := o.fields[a.Column]; !ok && a.Path == nil && a.Column != "-" {
			panic("object: " + o.Name + "." + a.Name + " has no column " + a.Column)
		}
		for _, name := range append([]string{a.Name}, a.Aliases...) {
			o.ByName[name] = a
		}
	}
	for _, name := range slices.Concat(o.EmptyCollections, o.EmptyTexts) {
		if o.ByName[name] != nil || o.Collection(name, false) != nil {
			panic("rpc: " + o.Name + "." + name + " is kept, and said to be empty")
		}
	}
	if o.Table != "" {
		Types[o.Name] = o
	}
	for _, path := range o.Of {
		Arguments[path] = o
	}
	if o.Rows != "" {
		RowsOf[o.Rows] = o
	}
	return o
}

// snake turns a wire name into a column's: "loginName" → "login_name", acronyms must be spelt as words ("lastChangePin").
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

// Collection finds a collection by its name; match also takes its singular.
func (o *Type) Collection(name string, singular bool) *Collection {
	for i := range o.Collections {
		if c := &o.Collections[i]; c.Name == name || singular && c.Alias == name && name != "" {
			return c
		}
	}
	return nil
}

// Simple says whether an attribute is one of "*": a value of the object itself that may be read.
func (a *Attr) Simple() bool { return a.Kind != Ref && a.Kind != Secret && a.readable() }

// readable says whether an attribute has a value that is kept or derived.
func (a *Attr) readable() bool { return a.Column != "-" || a.Derive != nil }

// field returns the row's field of a column.
func (o *Type) field(row any, column string) reflect.Value {
	index, ok := o.fields[column]
	if !ok {
		return reflect.Value{}
	}
	return reflect.ValueOf(row).Elem().FieldByIndex(index)
}

// idOf returns a row's id.
func (o *Type) idOf(row any) string { return o.field(row, "id").String() }

// stamp sets a time of the row, if it has one of that name.
func (o *Type) stamp(row any, name string, t model.Time) {
	if f := o.field(row, snake(name)); f.IsValid() {
		f.SetInt(int64(t))
	}
}
