package rpc

import (
	"cmp"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
	"tokensmith/store"
)

const columnsMost = 500 // of one query; SQLite has 2,000, PostgreSQL 1,664

// projection turns found rows into JSON. It reads every to-one relation in the same query and every collection in
// one further query, however many rows there are.
type projection struct {
	call    *call // who asks, and when
	columns []store.Column
	root    node
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
	p := &projection{call: c}
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
	m := &many{key: p.column(path, c.steps[0].From), step: c.steps[0], order: cmp.Or(c.order, "id"), proj: &projection{call: p.call}, elements: r.elements}
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

func (p *projection) fetch(tx store.ReadTx, q store.Query) ([][]byte, []store.Row, error) {
	q.Columns = slices.Concat(p.columns, q.Columns)
	found, err := tx.Find(&q)
	if err != nil {
		return nil, nil, err
	}
	parts := map[*many]map[string][][]byte{}
	if err := p.root.collect(tx, found, parts); err != nil {
		return nil, nil, err
	}
	out := make([][]byte, len(found))
	for i, row := range found {
		if out[i], err = p.root.write(make([]byte, 0, 128), row, parts); err != nil {
			return nil, nil, err
		}
	}
	return out, found, nil
}

// flat says whether a node has no collections, which would be read by statements of their own.
func (n *node) flat() bool {
	return !slices.ContainsFunc(n.fields, func(f field) bool { return f.many != nil || f.one != nil && !f.one.flat() })
}

// collect reads the collections of all rows at once.
func (n *node) collect(tx store.ReadTx, found []store.Row, parts map[*many]map[string][][]byte) error {
	for _, f := range n.fields {
		if f.one != nil {
			if err := f.one.collect(tx, found, parts); err != nil {
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
		elements, rows, err := f.many.proj.fetch(tx, store.Query{Table: f.many.step.Table, Where: where,
			Sort: []store.Sort{{Column: store.Column{Name: f.many.order}}}, Limit: nestedMost + 1})
		if err != nil {
			return err
		}
		if len(rows) > nestedMost {
			return model.AttrErrorf(model.Invalid, "return", "a nested collection has more than %d rows in all: ask for fewer at once", nestedMost)
		}
		of := map[string][][]byte{}
		for i, row := range rows {
			k := asText(row[len(f.many.proj.columns)-1])
			of[k] = append(of[k], elements[i])
		}
		parts[f.many] = of
	}
	return nil
}
