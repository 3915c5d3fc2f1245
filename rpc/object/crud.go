package object

import (
	"context"
	"net/http"
	"reflect"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// CRUD provides the five common methods of an object.
type CRUD struct {
	Server *dispatch.Server
	Type   *Type
}

// CreateArgs are the parameters of create.
type CreateArgs struct {
	Attrs  wire.Members `json:"attrs"`
	Return wire.Return  `json:"return"`
}

// Selection selects one object: by match, by id, or by a selector in the member with the object's own name.
type Selection struct {
	ID    *wire.Text                `json:"id"`
	Match wire.Match                `json:"match"`
	Rest  map[string]jsontext.Value `json:",embed"`
}

// GetArgs are the parameters of get.
type GetArgs struct {
	Selection
	Return wire.Return `json:"return"`
}

// SetArgs are the parameters of set.
type SetArgs struct {
	Selection
	Attrs  wire.Members `json:"attrs"`
	Expect wire.Members `json:"expect"` // values that the caller saw: see expecting
}

// DeleteArgs are the parameters of delete.
type DeleteArgs struct{ Selection }

// Lookup returns the conditions of a selection. An empty selection is an error.
func (s *Selection) Lookup(o *Type) (one Lookup, err error) {
	if one.conds, err = o.Conds("match", s.Match); err != nil {
		return one, err
	}
	if s.ID != nil {
		one.conds = append(one.conds, store.ByID(string(*s.ID)))
	}
	if raw, ok := s.Rest[o.Name]; ok && raw.Kind() != 'n' {
		m, err := wire.MembersOf(o.Name, raw)
		if err != nil {
			return one, err
		}
		if one.Named, err = o.selector(o.Name, m); err != nil {
			return one, err
		}
		one.conds = append(one.conds, one.Named...)
	}
	if len(one.conds) == 0 {
		return one, model.Errorf(model.Missing, "id, match or %s: one of them is required", o.Name)
	}
	return one, nil
}

// Selector returns the conditions of a member that names an object; nil if it was not sent and is optional.
func (s *Selection) Selector(name string, o *Type, required bool) ([]store.Cond, error) {
	raw, ok := s.Rest[name]
	if !ok || raw.Kind() == 'n' {
		if required {
			return nil, model.AttrErrorf(model.Missing, name, "is required")
		}
		return nil, nil
	}
	m, err := wire.MembersOf(name, raw)
	if err != nil {
		return nil, err
	}
	return o.selector(name, m)
}

// Create creates an object.
func (m CRUD) Create(r *http.Request, args *CreateArgs, plan *dispatch.Plan) error {
	return m.CreateWith(r, args, plan, func(*Decoded) error { return nil },
		func(_ *dispatch.Call, _ store.Tx, _ *Decoded, _ string, made jsontext.Value) (any, error) {
			return made, nil
		})
}

// CreateWith creates an object. ready completes the decoded attributes before the transaction. made gets the id and the reply of
// the new object, in the transaction, and returns the reply to send.
func (m CRUD) CreateWith(r *http.Request, args *CreateArgs, plan *dispatch.Plan, ready func(*Decoded) error,
	made func(c *dispatch.Call, tx store.Tx, d *Decoded, id string, reply jsontext.Value) (any, error)) error {
	c := dispatch.CallFrom(r.Context())
	d, err := m.Type.Decode("attrs", args.Attrs, OnCreate)
	if err != nil {
		return err
	}
	if err := ready(d); err != nil {
		return err
	}
	ret, err := m.Type.Project(c, args.Return.Or(wire.ReturnNames("id")), "return")
	if err != nil {
		return err
	}
	create, err := m.PrepareCreate(r.Context(), c, d)
	if err != nil {
		return err
	}
	plan.Update = func(tx store.Tx) (any, error) {
		id, err := create(tx)
		if err != nil {
			return nil, err
		}
		reply, err := m.one(tx, ret, id)
		if err != nil {
			return nil, err
		}
		return made(c, tx, d, id, reply)
	}
	return nil
}

// PrepareCreate prepares to create an object from decoded attributes. The function that it returns creates the object in a
// transaction and returns its id.
func (m CRUD) PrepareCreate(ctx context.Context, c *dispatch.Call, d *Decoded) (func(store.Tx) (string, error), error) {
	if m.Type.Prepare != nil {
		if err := m.Type.Prepare(ctx, c, d); err != nil {
			return nil, err
		}
	}
	return func(tx store.Tx) (string, error) {
		row := m.Type.Row()
		id := c.NewID()
		m.Type.field(row, "id").SetString(id)
		m.Type.stamp(row, "dateCreated", c.Now)
		m.Type.stamp(row, "lastUpdated", c.Now)
		if err := d.Into(c, tx, row); err != nil {
			return "", err
		}
		if err := m.Write(c, tx, d, nil, row); err != nil {
			return "", err
		}
		return id, nil
	}, nil
}

// Write checks and writes a row and what belongs to it. Whoever may not write it learns nothing from the checks.
func (m CRUD) Write(c *dispatch.Call, tx store.Tx, d *Decoded, old, row any) error {
	if err := c.CheckRowAccess(tx, row, old == nil); err != nil {
		return err
	}
	if m.Type.Check != nil {
		if err := m.Type.Check(c, tx, d, old, row); err != nil {
			return err
		}
	}
	var err error
	if old == nil {
		err = tx.Insert(row)
	} else {
		err = tx.Save(row)
	}
	if err != nil {
		return m.Type.ExistsError(err)
	}
	if err := d.relate(c, tx, row); err != nil {
		return err
	}
	c.SetObject(m.Type.Noun, m.Type.idOf(row))
	if m.Type.AfterWrite != nil {
		return m.Type.AfterWrite(c, tx, d, old, row)
	}
	return nil
}

// ExistsError adds to an error of kind Exists which attributes must be unique.
func (o *Type) ExistsError(err error) error {
	if e := wire.ClientError(err); e.Kind == model.Exists && e.Detail == nil && len(o.Keys) > 0 {
		key, last := o.Keys[0], len(o.Keys[0])-1
		msg := o.Noun + " already exists: " + key[last] + " must be unique"
		if last > 0 {
			msg = o.Noun + " already exists: " + strings.Join(key[:last], ", ") + " and " + key[last] + " must be unique together"
		}
		return &model.Error{Kind: model.Exists, Err: err, Detail: model.AttributeDetail{Attribute: "attrs." + key[0]}, Msg: msg}
	}
	return err
}

// one reads an object that was just written.
func (m CRUD) one(tx store.ReadTx, p *Projection, id string) (jsontext.Value, error) {
	if len(p.Columns) == 1 && p.Columns[0].Name == "id" && p.Columns[0].Path == nil && p.Root.flat() {
		return p.Root.write(nil, store.Row{id}, nil)
	}
	rows, err := p.Rows(tx, store.Query{Table: m.Type.Table, Where: []store.Cond{store.ByID(id)}, Limit: 1})
	if err != nil {
		return nil, err
	}
	return jsontext.Value(rows[0]), nil
}

// finds returns whether one of the conditions matches only a few objects and is served by an index.
func (o *Type) finds(conds []store.Cond) bool {
	for _, c := range conds {
		for i := range o.Attrs {
			if a := &o.Attrs[i]; a.Indexed && a.Column == c.Column && (c.Op == store.Eq || c.Op == store.Calls) && len(c.Path) == 0 {
				return true
			}
		}
	}
	return false
}

// Get reads one object.
func (m CRUD) Get(r *http.Request, args *GetArgs, plan *dispatch.Plan) error {
	c := dispatch.CallFrom(r.Context())
	one, err := args.Lookup(m.Type)
	if err != nil {
		return err
	}
	p, err := m.Type.Project(c, args.Return.Or(wire.ReturnNames("*")), "return")
	if err != nil {
		return err
	}
	quick := m.Type.finds(one.conds)
	if p.Root.flat() {
		plan.Reads = dispatch.OneStatement
	}
	plan.View = func(tx store.ReadTx) (any, error) {
		conds, err := resolveNames(tx, one.conds)
		if err != nil {
			return nil, err
		}
		for {
			rows, err := p.Rows(tx, store.Query{Table: m.Type.Table, Where: conds, Limit: 2, Quick: quick})
			switch {
			case err != nil:
				return nil, err
			case len(rows) == 0:
				return nil, m.Type.missed(tx, one)
			case len(rows) == 1:
				return jsontext.Value(rows[0]), nil
			}
			id, err := m.Type.FindSelected(c, tx, one)
			if err != nil {
				return nil, err // the error lists the objects
			}
			conds = []store.Cond{store.ByID(id)} // the one in the default domain, or the only one that still matches, as there is no snapshot
		}
	}
	return nil
}

// Set changes one object.
func (m CRUD) Set(r *http.Request, args *SetArgs, plan *dispatch.Plan) error {
	if len(args.Attrs) == 0 {
		return model.AttrErrorf(model.Missing, "attrs", "is required")
	}
	d, err := m.Type.Decode("attrs", args.Attrs, OnSet)
	if err != nil {
		return err
	}
	c := dispatch.CallFrom(r.Context())
	unchanged, err := m.expecting(c, args.Expect)
	if err != nil {
		return err
	}
	change, err := m.change(r.Context(), c, d)
	if err != nil {
		return err
	}
	return m.UpdateSelected(r, &args.Selection, plan, func(_ *dispatch.Call, tx store.Tx, id string) (any, error) {
		if err := unchanged(tx, id); err != nil {
			return nil, err
		}
		return nil, change(tx, id)
	})
}

// expecting returns a function that returns an error of kind Stale unless an object still has the values that the caller saw. They
// are named as in return, and written as get returns them.
func (m CRUD) expecting(c *dispatch.Call, seen wire.Members) (func(tx store.ReadTx, id string) error, error) {
	if len(seen) == 0 {
		return func(store.ReadTx, string) error { return nil }, nil
	}
	var names wire.Return
	for _, s := range seen {
		if a := m.Type.ByName[s.Name]; a != nil && a.Reveals {
			return nil, model.AttrErrorf(model.Invalid, "expect."+s.Name, "is a secret and cannot be compared")
		}
		names = append(names, wire.ReturnItem{Name: s.Name})
	}
	p, err := m.Type.Project(c, names, "expect")
	if err != nil {
		return nil, err
	}
	return func(tx store.ReadTx, id string) error {
		text, err := m.one(tx, p, id)
		if err != nil {
			return err
		}
		now, err := wire.MembersOf("expect", text)
		if err != nil {
			return err
		}
		for _, s := range seen {
			is, was := now.Get(s.Name).Clone(), s.Value.Clone()
			if is.Canonicalize() != nil || was.Canonicalize() != nil || string(is) != string(was) {
				return model.AttrErrorf(model.Stale, "attrs."+s.Name, "was changed since it was read")
			}
		}
		return nil
	}, nil
}

// change prepares to change an object with decoded attributes.
func (m CRUD) change(ctx context.Context, c *dispatch.Call, d *Decoded) (func(tx store.Tx, id string) error, error) {
	if m.Type.Prepare != nil {
		if err := m.Type.Prepare(ctx, c, d); err != nil {
			return nil, err
		}
	}
	return func(tx store.Tx, id string) error {
		row := m.Type.Row()
		if err := tx.Load(row, id); err != nil {
			return err
		}
		old := reflect.New(reflect.TypeOf(row).Elem())
		old.Elem().Set(reflect.ValueOf(row).Elem())
		if err := d.Into(c, tx, row); err != nil {
			return err
		}
		c.Changed = d.changed()
		m.Type.stamp(row, "lastUpdated", c.Now)
		return m.Write(c, tx, d, old.Interface(), row)
	}, nil
}

// UpdateSelected sets a plan that finds the selected object and calls act with its id.
func (m CRUD) UpdateSelected(r *http.Request, s *Selection, plan *dispatch.Plan, act func(c *dispatch.Call, tx store.Tx, id string) (any, error)) error {
	c := dispatch.CallFrom(r.Context())
	one, err := s.Lookup(m.Type)
	if err != nil {
		return err
	}
	plan.Update = func(tx store.Tx) (any, error) {
		id, err := m.Type.FindSelected(c, tx, one)
		if err != nil {
			return nil, err
		}
		return act(c, tx, id)
	}
	return nil
}

// Delete deletes one object. If the object is in use, it returns an error.
func (m CRUD) Delete(r *http.Request, args *DeleteArgs, plan *dispatch.Plan) error {
	return m.UpdateSelected(r, &args.Selection, plan, func(c *dispatch.Call, tx store.Tx, id string) (any, error) {
		return nil, m.Remove(c, tx, id)
	})
}

// Remove deletes the object with that id, unless it is in use.
func (m CRUD) Remove(c *dispatch.Call, tx store.Tx, id string) error {
	row := m.Type.Row()
	if err := tx.Load(row, id); err != nil {
		return err
	}
	if err := c.CheckRowAccess(tx, row, false); err != nil {
		return err
	}
	for _, u := range m.Type.UsedBy {
		used, err := tx.Exists(u.Rows, id)
		if err != nil {
			return err
		}
		if used {
			return model.Errorf(model.InUse, "%s is still in use by %s", m.Type.Noun, u.Noun)
		}
	}
	if m.Type.BeforeDelete != nil {
		if err := m.Type.BeforeDelete(c, tx, row); err != nil {
			return err
		}
	}
	c.SetObject(m.Type.Noun, id)
	return tx.Delete(row)
}
