package rpc

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
	"tokensmith/store"
)

const columnsMost = 500 // of one query; SQLite has 2,000, PostgreSQL 1,664

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
	bad := model.AttrErrorf(model.Invalid, place, "must be a list of names, or of {name: [names]}")
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
			return nil, bad
		}
		ret := Return{}
		for _, item := range items {
			if item.Kind() == '[' {
				return nil, bad
			}
			inner, err := returnOf(place, item, depth)
			if err != nil {
				return nil, err
			}
			ret = append(ret, inner...)
		}
		return ret, nil
	}
	return nil, bad
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
func (p *projection) rows(tx *store.ReadTx, q store.Query) ([][]byte, error) {
	out, _, err := p.fetch(tx, q)
	return out, err
}

func (p *projection) fetch(tx *store.ReadTx, q store.Query) ([][]byte, []store.Row, error) {
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

// collect reads the collections of all rows at once.
func (n *node) collect(tx *store.ReadTx, found []store.Row, parts map[*many]map[string][][]byte) error {
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

// write appends the object's JSON.
func (n *node) write(b []byte, row store.Row, parts map[*many]map[string][][]byte) (_ []byte, err error) {
	if n.present >= 0 && row[n.present] == nil {
		return append(b, "null"...), nil
	}
	b = append(b, '{')
	for i, f := range n.fields {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(b, f.name...), ':')
		switch {
		case f.one != nil:
			if b, err = f.one.write(b, row, parts); err != nil {
				return nil, err
			}
		case f.many != nil:
			lead, end := "[", "]"
			if f.many.elements {
				lead, end = `{"elements":[`, "]}"
			}
			b = append(b, lead...)
			if k := row[f.many.key]; k != nil {
				b = joinValues(b, parts[f.many][asText(k)])
			}
			b = append(b, end...)
		case f.derive != nil:
			v, err := f.derive(row)
			if err != nil {
				return nil, err
			}
			b = f.kind.write(b, v)
		case f.column < 0:
			b = append(b, "null"...)
		default:
			b = f.kind.write(b, row[f.column])
		}
	}
	return append(b, '}'), nil
}

func joinValues(b []byte, values [][]byte) []byte {
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, v...)
	}
	return b
}

// write appends a value; what is empty is null.
func (k kind) write(b []byte, v any) []byte {
	switch x := v.(type) {
	case nil:
		return append(b, "null"...)
	case bool:
		return strconv.AppendBool(b, x)
	case int64:
		if k != date {
			return strconv.AppendInt(b, x, 10)
		}
		if x == 0 {
			return append(b, "null"...)
		}
		b, _ = jsontext.AppendQuote(b, model.Time(x).String())
		return b
	}
	s := asText(v)
	switch {
	case k == list:
		b = append(b, '[')
		for i, item := range model.List(s).Items() {
			if i > 0 {
				b = append(b, ',')
			}
			b, _ = jsontext.AppendQuote(b, item)
		}
		return append(b, ']')
	case s == "":
		return append(b, "null"...)
	}
	b, _ = jsontext.AppendQuote(b, s)
	return b
}

// asText gives a text column's value.
func asText(v any) string {
	switch s := v.(type) {
	case string:
		return s
	case []byte:
		return string(s)
	}
	panic(fmt.Sprintf("rpc: a text column gave %T", v))
}
