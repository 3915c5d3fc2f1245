package rpc

import (
	"cmp"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
	"tokensmith/store"
)

const (
	collectionsMost = 20 // of one reply, each of which is a query

	blockRows  = 1000     // rows whose collections are read at once
	heldMost   = 32 << 20 // bytes of rows that wait for their collections
	lightBytes = 4 << 20  // of the same, for which no place is needed of those that take memory
	nestedMore = 48 << 20 // bytes of the JSON of collections that waits for its rows
)

// projection turns found rows into JSON. It reads every to-one relation in the same query and every collection in
// one further query for each blockRows rows.
type projection struct {
	call    *call // who asks, and when
	columns []store.Column
	root    node
	colls   *int // how many collections there are, with those of collections
}

// node is one object of the reply.
type node struct {
	present int // column that is nil when there is no such object; -1 = there always is
	fields  []field
}

type field struct {
	name   []byte // quoted
	kind   kind
	column int
	derive func(row store.Row) (any, error) // nil = the column's value
	one    *node
	many   *many
}

// many is a collection of the reply.
type many struct {
	key      int // column of the owning row that the elements refer to
	step     store.Step
	order    string
	proj     *projection // its last column is the one that refers back
	elements bool
}

// project compiles a Return; place names it in refusals.
func (o *object) project(c *call, ret Return, place string) (*projection, error) {
	p := &projection{call: c, colls: new(int)}
	n, err := p.node(o, ret, nil, place)
	if err != nil {
		return nil, err
	}
	if len(p.columns) == 0 {
		p.column(nil, "id") // of an object of which nothing may be seen, it is still seen that it is there
	}
	if len(p.columns) > columnsMost {
		return nil, model.AttrErrorf(model.Invalid, place, "asks for more than %d values a row", columnsMost)
	}
	p.root = *n
	return p, nil
}

func (p *projection) column(path []store.Step, name string) int {
	p.columns = append(p.columns, store.Column{Path: path, Name: name})
	return len(p.columns) - 1
}

// field adds a field of a simple value to the root; column -1 is always null.
func (p *projection) field(name string, f field) {
	quoted, _ := jsontext.AppendQuote(nil, name)
	for _, known := range p.root.fields {
		if string(known.name) == string(quoted) {
			return
		}
	}
	f.name = quoted
	p.root.fields = append(p.root.fields, f)
}

func (p *projection) node(o *object, ret Return, path []store.Step, place string) (*node, error) {
	n := &node{present: -1}
	if len(path) > 0 {
		n.present = p.column(path, "id")
	}
	seen := map[string]bool{}
	add := func(f field, name string) {
		if !seen[name] {
			seen[name] = true
			f.name, _ = jsontext.AppendQuote(nil, name)
			n.fields = append(n.fields, f)
		}
	}
	for _, r := range ret {
		if len(p.columns) > columnsMost {
			return nil, model.AttrErrorf(model.Invalid, place, "asks for more than %d values a row", columnsMost)
		}
		if r.name == "*" && r.nested == nil {
			for i := range o.attrs {
				if a := &o.attrs[i]; a.simple() {
					add(p.value(join(path, a.path), a), a.name)
				}
			}
			continue
		}
		if a := o.byName[r.name]; a != nil && a.kind == ref && a.column != "-" {
			target := objects[a.object]
			one, err := p.node(target, r.nested.or(names("id")), join(path, []store.Step{{From: a.column, Table: target.table, To: "id"}}), place)
			if err != nil {
				return nil, err
			}
			add(field{one: one}, r.name)
			continue
		}
		if c := o.coll(r.name, false); c != nil {
			m, err := p.many(c, r, path, place)
			if err != nil {
				return nil, err
			}
			add(field{many: m}, r.name)
			continue
		}
		steps, a, err := o.resolve(place, r.name, false)
		if err != nil {
			return nil, err
		}
		if r.nested != nil {
			return nil, model.AttrErrorf(model.Invalid, place, "%q has no attributes of its own", r.name)
		}
		add(p.value(join(path, steps), a), r.name)
	}
	return n, nil
}

// value gives the field of an attribute whose column stands where path leads.
func (p *projection) value(path []store.Step, a *attr) field {
	if a.reveals && !p.call.showing() {
		return field{kind: a.kind, column: -1}
	}
	if a.derive == nil {
		f := field{kind: a.kind, column: p.column(path, a.column)}
		if a.none {
			f.derive = func(row store.Row) (any, error) {
				if v := row[f.column]; v != int64(0) {
					return v, nil
				}
				return nil, nil
			}
		}
		return f
	}
	columns := make([]int, len(a.from))
	for i, name := range a.from {
		columns[i] = p.column(path, name)
	}
	return field{kind: a.kind, derive: func(row store.Row) (any, error) {
		from := make(store.Row, len(columns))
		for i, c := range columns {
			if from[i] = row[c]; from[i] == nil && a.from[i] == "id" {
				return nil, nil // path leads nowhere
			}
		}
		return a.derive(p.call, from)
	}}
}

// join appends paths without sharing memory.
func join(a, b []store.Step) []store.Step { return append(append([]store.Step(nil), a...), b...) }

func (p *projection) many(c *collection, r returned, path []store.Step, place string) (*many, error) {
	if *p.colls++; *p.colls > collectionsMost {
		return nil, model.AttrErrorf(model.Invalid, place, "asks for more than %d collections", collectionsMost)
	}
	m := &many{key: p.column(path, c.steps[0].From), step: c.steps[0], order: cmp.Or(c.order, "id"), proj: &projection{call: p.call, colls: p.colls}, elements: r.elements}
	n, err := m.proj.node(objects[c.object], r.nested.or(names("id")), c.steps[1:], place)
	if err != nil {
		return nil, err
	}
	m.proj.root = *n
	m.proj.root.present = -1
	m.proj.column(nil, m.step.To)
	return m, nil
}

// rows runs a query and gives each row as a JSON object.
func (p *projection) rows(tx store.ReadTx, q store.Query) ([][]byte, error) {
	out, _, err := p.fetch(tx, q)
	return out, err
}

// fetch is rows with what was found.
func (p *projection) fetch(tx store.ReadTx, q store.Query) (objects [][]byte, found []store.Row, err error) {
	err = p.each(tx, q, func(object []byte, row store.Row) error {
		objects, found = append(objects, slices.Clone(object)), append(found, slices.Clone(row))
		return nil
	})
	return objects, found, err
}

// each runs a query and gives each row, as a JSON object and as it was found, to emit, which must not keep them.
func (p *projection) each(tx store.ReadTx, q store.Query, emit func(object []byte, row store.Row) error) error {
	return p.eachOf(tx, q, &nesting{call: p.call, rows: map[*many]int64{}}, emit)
}

func (p *projection) eachOf(tx store.ReadTx, q store.Query, in *nesting, emit func(object []byte, row store.Row) error) error {
	q.Columns = slices.Concat(p.columns, q.Columns)
	var object []byte
	one := func(row store.Row, parts parts) (err error) {
		if object, err = p.root.write(object[:0], row, parts); err != nil {
			return err
		}
		return emit(object, row)
	}
	if p.root.flat() {
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
		if err = p.root.collect(tx, block, in, of); err != nil {
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

// parts are the elements of collections, by the collection and the row they belong to, separated by commas.
type parts map[*many]map[string][]byte

// nesting bounds what a reply with collections takes while it is made.
type nesting struct {
	call  *call
	rows  map[*many]int64 // read of each collection
	held  int64           // bytes of rows
	bytes int64           // of parts
}

// hold counts a row that is kept.
func (in *nesting) hold(row store.Row) error {
	in.held += 24
	for _, v := range row {
		in.held += 16
		if s, ok := v.(string); ok {
			in.held += int64(len(s))
		}
	}
	if in.held > heldMost {
		return model.AttrErrorf(model.Invalid, "return", "gives more than %d MiB of rows with collections: ask for fewer at once", heldMost>>20)
	}
	return nil
}

// add counts an element of a collection.
func (in *nesting) add(m *many, object []byte) error {
	if in.rows[m]++; in.rows[m] > nestedMost {
		return model.AttrErrorf(model.Invalid, "return", "a nested collection has more than %d rows in all: ask for fewer at once", nestedMost)
	}
	if in.bytes += int64(len(object)) + 1; in.bytes > nestedMore {
		return model.AttrErrorf(model.Invalid, "return", "nested collections of %d rows have more than %d MiB: ask for fewer at once", blockRows, nestedMore>>20)
	}
	if in.bytes > lightBytes {
		return in.call.heavier()
	}
	return nil
}

// flat says whether a node has no collections, which would be read by statements of their own.
func (n *node) flat() bool {
	return !slices.ContainsFunc(n.fields, func(f field) bool { return f.many != nil || f.one != nil && !f.one.flat() })
}

// collect reads the collections of rows.
func (n *node) collect(tx store.ReadTx, found []store.Row, in *nesting, into parts) error {
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
			if k := row[f.many.key]; k != nil && !seen[asText(k)] {
				seen[asText(k)] = true
				keys = append(keys, k)
			}
		}
		where := []store.Cond{{Column: f.many.step.To, Op: store.In, Value: keys}}
		if only := f.many.step.Only; only != nil {
			where = append(where, *only)
		}
		of := map[string][]byte{}
		err := f.many.proj.eachOf(tx, store.Query{Table: f.many.step.Table, Where: where,
			Sort: []store.Sort{{Column: store.Column{Name: f.many.order}}}, Limit: nestedMost + 1 - in.rows[f.many]}, in, func(object []byte, row store.Row) error {
			k := asText(row[len(f.many.proj.columns)-1])
			b := of[k]
			if len(b) > 0 {
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
