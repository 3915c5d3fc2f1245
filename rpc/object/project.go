package object

import (
	"cmp"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

const (
	maxCollections = 20 // limit for the collections of one reply, because each is a query

	blockRows  = 1000     // for how many rows a collection is read at once
	maxHeld    = 32 << 20 // limit for the rows that wait for their collections, in bytes
	lightBytes = 4 << 20  // size in bytes up to which no AcquireHeavy is needed
	nestedMore = 48 << 20 // limit for the JSON of collections that waits for its rows, in bytes
)

// Projection converts found rows to JSON. It reads to-one relations in the same query, and each collection in one further query
// for each blockRows rows.
type Projection struct {
	call    *dispatch.Call // the call that the reply is for
	Columns []store.Column
	Root    Node
	colls   *int // the number of collections, including those inside collections
}

// Node is one object of the reply.
type Node struct {
	Present int // column that is nil if the object does not exist; -1 if it always exists
	fields  []Field
	bare    bool // the reply contains only the value or values of its single field
}

// Field is one member of an object in the reply.
type Field struct {
	name   []byte // quoted
	Kind   Kind
	Column int
	derive func(row store.Row) (any, error) // nil for the value of the column
	Always string                           // JSON that does not depend on the row; "" if the value does
	one    *Node
	many   *many
}

// many is a collection in the reply.
type many struct {
	key      int // column of the containing row that the elements refer to
	step     store.Step
	order    string
	proj     *Projection // its last column refers to the containing row
	elements bool
}

// NewProjection returns a Projection without columns and fields, to which they are added.
func NewProjection(c *dispatch.Call) *Projection {
	return &Projection{call: c, colls: new(int), Root: Node{Present: -1}}
}

// Project compiles a Return. place is its name in error messages.
func (o *Type) Project(c *dispatch.Call, ret wire.Return, place string) (*Projection, error) {
	p := NewProjection(c)
	n, err := p.node(o, ret, nil, place)
	if err != nil {
		return nil, err
	}
	if len(p.Columns) == 0 {
		p.AddColumn(nil, "id") // even if no attribute may be seen, the existence of the object may be
	}
	if len(p.Columns) > wire.MaxColumns {
		return nil, model.AttrErrorf(model.Invalid, place, "requests more than %d values per row", wire.MaxColumns)
	}
	p.Root = *n
	return p, nil
}

// AddColumn adds a column to the query and returns its index in each row.
func (p *Projection) AddColumn(path []store.Step, name string) int {
	p.Columns = append(p.Columns, store.Column{Path: path, Name: name})
	return len(p.Columns) - 1
}

// AddField adds a field with a simple value to the root. A field with column -1 is always null.
func (p *Projection) AddField(name string, f Field) {
	if !p.has(name) {
		f.name, _ = jsontext.AppendQuote(nil, name)
		p.Root.fields = append(p.Root.fields, f)
	}
}

// has returns whether the root has a field of that name.
func (p *Projection) has(name string) bool {
	quoted, _ := jsontext.AppendQuote(nil, name)
	return slices.ContainsFunc(p.Root.fields, func(f Field) bool { return string(f.name) == string(quoted) })
}

func (p *Projection) node(o *Type, ret wire.Return, path []store.Step, place string) (*Node, error) {
	n := &Node{Present: -1}
	if len(path) > 0 {
		n.Present = p.AddColumn(path, "id")
	}
	seen := map[string]bool{}
	add := func(f Field, name string) {
		if !seen[name] {
			seen[name] = true
			f.name, _ = jsontext.AppendQuote(nil, name)
			n.fields = append(n.fields, f)
		}
	}
	for _, r := range ret {
		if len(p.Columns) > wire.MaxColumns {
			return nil, model.AttrErrorf(model.Invalid, place, "requests more than %d values per row", wire.MaxColumns)
		}
		// What is named again is checked, and neither read nor counted again.
		again, columns, colls := seen[r.Name], len(p.Columns), *p.colls
		if again {
			*p.colls = 0
		}
		if err := p.item(o, r, path, place, add); err != nil {
			return nil, err
		}
		if again {
			p.Columns, *p.colls = p.Columns[:columns], colls
		}
		seen[r.Name] = true // "*" as well
	}
	return n, nil
}

// item compiles one item of a Return, and adds its fields.
func (p *Projection) item(o *Type, r wire.ReturnItem, path []store.Step, place string, add func(Field, string)) error {
	if r.Name == "*" && r.Nested == nil {
		for i := range o.Attrs {
			if a := &o.Attrs[i]; a.Simple() {
				add(p.Value(Join(path, a.Path), a), a.Name)
			}
		}
		return nil
	}
	if a := o.ByName[r.Name]; a != nil && a.Kind == Ref && a.Column != "-" {
		target := Types[a.Object]
		one, err := p.node(target, r.Nested.Or(wire.ReturnNames("id")), Join(path, []store.Step{{From: a.Column, Table: target.Table, To: "id"}}), place)
		if err == nil {
			add(Field{one: one}, r.Name)
		}
		return err
	}
	if c := o.Collection(r.Name, false); c != nil {
		m, err := p.many(c, r, path, place)
		if err == nil {
			add(Field{many: m}, r.Name)
		}
		return err
	}
	if always := o.Nothing(r.Name); always != "" {
		if r.Elements && always == "[]" {
			always = `{"elements":[]}`
		}
		add(Field{Always: always}, r.Name)
		return nil
	}
	if steps, c, rest := o.Through(r.Name); c != nil && r.Nested == nil {
		m, err := p.values(c, rest, Join(path, steps), place)
		if err == nil {
			add(Field{many: m}, r.Name)
		}
		return err
	}
	steps, a, err := o.Resolve(place, r.Name, false)
	if err != nil {
		return err
	}
	if r.Nested != nil {
		return model.AttrErrorf(model.Invalid, place, "%q has no attributes of its own", r.Name)
	}
	add(p.Value(Join(path, steps), a), r.Name)
	return nil
}

// Value returns the field for an attribute; path leads to the row with its column. A secret attribute is null (column -1), unless
// the caller may see secrets, which the audit log then records.
func (p *Projection) Value(path []store.Step, a *Attr) Field {
	if a.Reveals && !p.call.RevealSecrets() {
		return Field{Kind: a.Kind, Column: -1}
	}
	if a.Leads != nil {
		id := p.AddColumn(path, "id")
		p.Columns = append(p.Columns, store.Column{Path: path, Leads: a.Leads})
		return Field{Kind: a.Kind, derive: func(row store.Row) (any, error) {
			if row[id] == nil {
				return nil, nil // path leads to no row
			}
			leads := row[id+1]
			return leads == true || leads == int64(1), nil
		}}
	}
	if a.Derive == nil {
		f := Field{Kind: a.Kind, Column: p.AddColumn(path, a.Column)}
		if a.ZeroIsNone {
			f.derive = func(row store.Row) (any, error) {
				if v := row[f.Column]; v != int64(0) {
					return v, nil
				}
				return nil, nil
			}
		}
		return f
	}
	columns := make([]int, len(a.From))
	for i, name := range a.From {
		columns[i] = p.AddColumn(path, name)
	}
	return Field{Kind: a.Kind, derive: func(row store.Row) (any, error) {
		from := make(store.Row, len(columns))
		for i, c := range columns {
			if from[i] = row[c]; from[i] == nil && a.From[i] == "id" {
				return nil, nil // path leads to no row
			}
		}
		return a.Derive(p.call, from)
	}}
}

// Join concatenates paths without sharing memory.
func Join(a, b []store.Step) []store.Step { return append(append([]store.Step(nil), a...), b...) }

func (p *Projection) many(c *Collection, r wire.ReturnItem, path []store.Step, place string) (*many, error) {
	if *p.colls++; *p.colls > maxCollections {
		return nil, model.AttrErrorf(model.Invalid, place, "requests more than %d collections", maxCollections)
	}
	m := &many{key: p.AddColumn(path, c.Steps[0].From), step: c.Steps[0], order: cmp.Or(c.Order, "id"), proj: &Projection{call: p.call, colls: p.colls}, elements: r.Elements}
	n, err := m.proj.node(Types[c.Object], r.Nested.Or(wire.ReturnNames("id")), c.Steps[1:], place)
	if err != nil {
		return nil, err
	}
	m.proj.Root = *n
	m.proj.Root.Present = -1
	m.proj.AddColumn(nil, m.step.To)
	return m, nil
}

// AddCollection adds a collection to the root: the ids of its elements or, if rest is set, the values of that attribute of
// theirs. path leads to the object with the collection.
func (p *Projection) AddCollection(name string, path []store.Step, c *Collection, rest, place string) error {
	if p.has(name) {
		return nil
	}
	read := func() (*many, error) { return p.many(c, wire.ReturnItem{Name: c.Name}, path, place) }
	if rest != "" {
		read = func() (*many, error) { return p.values(c, rest, path, place) }
	}
	m, err := read()
	if err == nil {
		p.AddField(name, Field{many: m})
	}
	return err
}

// values is many for a dotted name that continues after a collection: the values of the rest of the name in the elements.
func (p *Projection) values(c *Collection, rest string, path []store.Step, place string) (*many, error) {
	m, err := p.many(c, wire.ReturnItem{Name: c.Name, Nested: wire.ReturnNames(rest)}, path, place)
	if err != nil {
		return nil, err
	}
	root := &m.proj.Root
	if len(root.fields) != 1 || root.fields[0].one != nil || root.fields[0].many != nil && !root.fields[0].many.proj.Root.bare {
		return nil, model.AttrErrorf(model.UnknownAttr, place, "%s has no attribute %q", Types[c.Object].Noun, rest)
	}
	root.bare = true
	return m, nil
}

// Rows runs a query and returns each row as a JSON object.
func (p *Projection) Rows(tx store.ReadTx, q store.Query) ([][]byte, error) {
	out, _, err := p.Fetch(tx, q)
	return out, err
}

// Fetch is Rows, and also returns the rows themselves.
func (p *Projection) Fetch(tx store.ReadTx, q store.Query) (objects [][]byte, found []store.Row, err error) {
	err = p.each(tx, q, func(object []byte, row store.Row) error {
		objects, found = append(objects, slices.Clone(object)), append(found, slices.Clone(row))
		return nil
	})
	return objects, found, err
}

// each runs a query and passes each row, as a JSON object and as found, to emit. emit must not keep them.
func (p *Projection) each(tx store.ReadTx, q store.Query, emit func(object []byte, row store.Row) error) error {
	return p.eachOf(tx, q, &nesting{call: p.call, rows: map[*many]int64{}}, emit)
}

func (p *Projection) eachOf(tx store.ReadTx, q store.Query, in *nesting, emit func(object []byte, row store.Row) error) error {
	q.Columns = slices.Concat(p.Columns, q.Columns)
	var object []byte
	one := func(row store.Row, parts parts) (err error) {
		if object, err = p.Root.write(object[:0], row, parts); err != nil {
			return err
		}
		return emit(object, row)
	}
	if p.Root.flat() {
		return tx.Each(&q, func(row store.Row) error { return one(row, nil) })
	}
	held := in.held
	var found []store.Row
	err := tx.Each(&q, func(row store.Row) error {
		found = append(found, slices.Clone(row))
		return in.hold(row)
	})
	for err == nil && len(found) > 0 {
		block := found[:min(blockRows, len(found))]
		found = found[len(block):]
		bytes, of := in.bytes, parts{}
		if err = p.Root.collect(tx, block, in, of); err != nil {
			break
		}
		in.bytes = bytes
		for i, row := range block {
			if err = one(row, of); err != nil {
				break
			}
			block[i] = nil
		}
	}
	in.held = held
	return err
}

// parts are the elements of collections, separated by commas, by collection and containing row.
type parts map[*many]map[string][]byte

// nesting limits the memory for a reply with collections.
type nesting struct {
	call  *dispatch.Call
	rows  map[*many]int64 // rows read, by collection
	held  int64           // size of the held rows in bytes
	bytes int64           // size of parts in bytes
}

// hold counts a row that is kept in memory.
func (in *nesting) hold(row store.Row) error {
	in.held += 24
	for _, v := range row {
		in.held += 16
		if s, ok := v.(string); ok {
			in.held += int64(len(s))
		}
	}
	if in.held > maxHeld {
		return model.AttrErrorf(model.Invalid, "return", "gives more than %d MiB of rows with collections: request fewer at once", maxHeld>>20)
	}
	return nil
}

// add counts an element of a collection.
func (in *nesting) add(m *many, object []byte) error {
	if in.rows[m]++; in.rows[m] > maxNested {
		return model.AttrErrorf(model.Invalid, "return", "a nested collection has more than %d rows in all: request fewer at once", maxNested)
	}
	if in.bytes += int64(len(object)) + 1; in.bytes > nestedMore {
		return model.AttrErrorf(model.Invalid, "return", "nested collections of %d rows have more than %d MiB: request fewer at once", blockRows, nestedMore>>20)
	}
	if in.bytes > lightBytes {
		return in.call.AcquireHeavy()
	}
	return nil
}

// flat returns whether a node has no collections, which need statements of their own.
func (n *Node) flat() bool {
	return !slices.ContainsFunc(n.fields, func(f Field) bool { return f.many != nil || f.one != nil && !f.one.flat() })
}

// collect reads the collections of rows.
func (n *Node) collect(tx store.ReadTx, found []store.Row, in *nesting, into parts) error {
	for _, f := range n.fields {
		if f.one != nil {
			if err := f.one.collect(tx, found, in, into); err != nil {
				return err
			}
		}
		if f.many == nil {
			continue
		}
		var keys []any
		seen := map[string]bool{}
		for _, row := range found {
			if k := row[f.many.key]; k != nil && !seen[AsText(k)] {
				seen[AsText(k)] = true
				keys = append(keys, k)
			}
		}
		where := []store.Cond{{Column: f.many.step.To, Op: store.In, Value: keys}}
		if only := f.many.step.Only; only != nil {
			where = append(where, *only)
		}
		of := map[string][]byte{}
		err := f.many.proj.eachOf(tx, store.Query{Table: f.many.step.Table, Where: where,
			Sort: []store.Sort{{Column: store.Column{Name: f.many.order}}}, Limit: maxNested + 1 - in.rows[f.many]}, in, func(object []byte, row store.Row) error {
			k := AsText(row[len(f.many.proj.Columns)-1])
			b := of[k]
			if len(b) > 0 && len(object) > 0 { // a bare object may be empty
				b = append(b, ',')
			}
			of[k] = append(b, object...)
			return in.add(f.many, object)
		})
		if err != nil {
			return err
		}
		into[f.many] = of
	}
	return nil
}
