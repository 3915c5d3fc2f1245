// Package object derives the common methods of an object from one declaration: decoding attributes, finding, projecting,
// searching, creating, changing and deleting. The declaration is the only list of attributes. The documentation is derived from
// it too.
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

// Type is the declaration of an object. It is the only list of the object's attributes: decoding, match, sort, return and the
// documentation are derived from it. A Type without a table declares the attributes of a single method, such as token/import.
type Type struct {
	Name               string     // name on the wire: "tokenAssignment"
	NotFound           model.Noun // the noun of its not-found error; only with a table
	Noun               string     // name for readers: "token assignment"; the name of NotFound, if that is set
	Table              string     // table of its rows
	Row                func() any // returns a new row, a pointer to a domain type
	Attrs              []Attr
	Collections        []Collection
	Keys               [][]string // attributes that together identify an object, besides id
	Of                 []string   // without a table: the methods with these attributes
	Rows               string     // the method that returns its rows, if it has no methods of its own
	Order              string     // default sort order of a search; "" for id
	ShownWhenAmbiguous []string   // attributes that distinguish the objects when a selector matches several
	UsedBy             []Use      // references that prevent its deletion
	Limited            Limited    // what agents that are limited to domains may do with such objects
	Prepare            func(ctx context.Context, c *dispatch.Call, d *Decoded) error
	Check              func(c *dispatch.Call, tx store.Tx, d *Decoded, old, row any) error // called before the write; old is nil on create
	BeforeDelete       func(c *dispatch.Call, tx store.Tx, row any) error                  // called before a deletion
	AfterWrite         func(c *dispatch.Call, tx store.Tx, d *Decoded, old, row any) error // called in the transaction, after the write
	SharedNames        func(tx store.ReadTx) ([]NameFault, error)                          // returns names of before that Check would now refuse as another's

	// Names from the documentation of the original API for which this server stores nothing. They are returned as empty, so that
	// a client's list of names does not fail. They cannot be set, searched or sorted by, and are not part of "*".
	EmptyCollections []string // returned as []
	EmptyTexts       []string // texts and objects, returned as null

	ByName map[string]*Attr
	fields map[string][]int // column → field index in the row type, for reflect.Value.FieldByIndex
}

// Limited says what an agent that is limited to domains may do with objects of a type. store.DomainScope says which of them it
// sees.
type Limited uint8

const (
	NoAccess Limited = iota
	Reads            // it may get and search them, because all domains share them
	Changes          // it may call all their methods, for objects of its domains
)

// OpenToLimited returns whether an agent that is limited to domains may call a method of such objects. verb is the last part of
// the method's path.
func (o *Type) OpenToLimited(verb string) bool {
	return o.Limited == Changes || o.Limited == Reads && (verb == "get" || verb == "search")
}

// Kind is the type of an attribute on the wire.
type Kind uint8

const (
	Text    Kind = iota // a string; a number is accepted as its literal text
	Integer             // a 64-bit integer, which may be written as a string
	Boolean
	Date   // ISO 8601
	Enum   // one of Values
	List   // an array of strings, or one comma-separated string
	Secret // a string that is never returned
	Ref    // another object, given by a selector
)

// When says when a client may set an attribute.
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
	Initial    any                               // value for a new object if none is sent; nil for the type's zero value
	Values     []string                          // allowed values of an enum, or of the items of a list if these are limited
	Min, Max   int64                             // integer: range (0,0 means no upper limit); text: limit in characters, secret: in bytes (0 means 255)
	Rule       model.Naming                      // rule for a text
	Refuses    func(text string) (reason string) // for a text: further reasons to refuse it; may be nil
	Raw        bool                              // text: the content of a file, whose bytes may be sent as characters, including NUL
	Ends       bool                              // date: it is an end, so a date without a time means the end of that day
	Column     string                            // column in the spelling of names: "dateCreated"; "" for the attribute's name; "-" if there is none
	Path       []store.Step                      // path to the row with the column, if it is not the object's own row
	Fold       bool                              // compared without case, with the folded column
	compared   string                            // the column that conditions compare and results are sorted by; set by Declare
	Indexed    bool                              // an index serves a search by it alone
	Object     string                            // ref: the name of the other object
	Same       string                            // ref: column, in the spelling of names, in which the other object must have the value of the object itself
	Aliases    []string                          // older names for old clients
	From       []string                          // columns of the object's own row, in the same spelling, from which Derive makes the value; then there is no Column
	Derive     func(c *dispatch.Call, from store.Row) (any, error)
	Leads      []store.Step // boolean: whether these steps lead from the object to any row; then there is no Column
	Reveals    bool         // returned only to callers whose permission has the method's exact name or is "*"; this is recorded in the audit log
	ZeroIsNone bool         // integer: 0 means no value, and can be set only by null
	About      string
}

// Collection is a to-many relation. If a client may set it, it has a relation table that contains nothing else.
type Collection struct {
	Name    string
	When    When
	Alias   string // its singular, which match accepts too
	Written string // a further name by which clients give it; "" for none
	Object  string
	Steps   []store.Step // path to the elements, with at most one relation table in between
	Same    string       // as for a ref: "domainId", if object and elements are of one domain
	Order   string       // column of the first table that the elements are sorted by; "" for id
	About   string
}

// Use is a reference that prevents the deletion of an object.
type Use struct {
	Rows store.Step // the rows that refer to it
	Noun string     // name of these rows for readers
}

var (
	Types     = map[string]*Type{} // by name
	Arguments = map[string]*Type{} // declarations of the attributes of single methods, by path
	RowsOf    = map[string]*Type{} // declarations of the rows that methods return, by path
)

// Declare registers a type by its name. An error in the declaration stops the program at start.
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
		o.Collections[i].Order, o.Collections[i].Same = snake(o.Collections[i].Order), snake(o.Collections[i].Same)
	}
	o.ByName = map[string]*Attr{}
	for i := range o.Attrs {
		a := &o.Attrs[i]
		if a.derived() {
			a.Column = "-"
		}
		a.Same, a.From = snake(a.Same), slices.Clone(a.From)
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
		if a.compared = a.Column; a.Fold {
			a.compared = store.Folded(a.Column)
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
			panic("object: " + o.Name + "." + name + " is kept, and said to be empty")
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

// snake converts a wire name to a column name: "loginName" → "login_name". Acronyms must be written like words
// ("lastChangePin").
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

// Collection returns a collection by its name or, if singular is set, also by its singular.
func (o *Type) Collection(name string, singular bool) *Collection {
	for i := range o.Collections {
		if c := &o.Collections[i]; c.Name == name || singular && c.Alias == name && name != "" {
			return c
		}
	}
	return nil
}

// given returns the collection that a client gives by a name; nil if there is none.
func (o *Type) given(name string) *Collection {
	for i := range o.Collections {
		if c := &o.Collections[i]; c.Name == name || c.Written == name && name != "" {
			return c
		}
	}
	return nil
}

// Simple returns whether an attribute is part of "*": a readable value of the object itself.
func (a *Attr) Simple() bool { return a.Kind != Ref && a.Kind != Secret && a.readable() }

// Searchable returns whether a match may name the attribute or, if it is another object, an attribute of that object.
func (a *Attr) Searchable() bool { return a.Kind != Secret && a.Column != "-" }

// readable returns whether an attribute has a stored or derived value.
func (a *Attr) readable() bool { return a.Column != "-" || a.derived() }

// derived returns whether an attribute has a value that no column holds. It cannot be searched or sorted by.
func (a *Attr) derived() bool { return a.Derive != nil || a.Leads != nil }

// field returns the field of a row for a column.
func (o *Type) field(row any, column string) reflect.Value {
	index, ok := o.fields[column]
	if !ok {
		return reflect.Value{}
	}
	return reflect.ValueOf(row).Elem().FieldByIndex(index)
}

// idOf returns the id of a row.
func (o *Type) idOf(row any) string { return o.field(row, "id").String() }

// stamp sets a time in a row if it has a field of that name.
func (o *Type) stamp(row any, name string, t model.Time) {
	if f := o.field(row, snake(name)); f.IsValid() {
		f.SetInt(int64(t))
	}
}
