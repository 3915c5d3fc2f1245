package rpc

import (
	"context"
	"net/http"
	"reflect"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
	"tokensmith/store"
)

// crud gives an object its common five methods.
type crud struct {
	s   *core
	obj *object
}

// CreateArgs are the parameters of create.
type CreateArgs struct {
	Attrs  Members `json:"attrs"`
	Return Return  `json:"return"`
}

// Selection says which object a method means: by match, by id, or by the object's own member (a selector).
type Selection struct {
	ID    *Text                     `json:"id"`
	Match Match                     `json:"match"`
	Rest  map[string]jsontext.Value `json:",embed"`
}

// GetArgs are the parameters of get.
type GetArgs struct {
	Selection
	Return Return `json:"return"`
}

// SetArgs are the parameters of set.
type SetArgs struct {
	Selection
	Attrs Members `json:"attrs"`
}

// DeleteArgs are the parameters of delete.
type DeleteArgs struct{ Selection }

// sought gives the conditions of a selection; none at all is refused.
func (s *Selection) sought(o *object) (one sought, err error) {
	if one.conds, err = o.conds("match", s.Match); err != nil {
		return one, err
	}
	if s.ID != nil {
		one.conds = append(one.conds, store.ByID(string(*s.ID)))
	}
	if raw, ok := s.Rest[o.name]; ok {
		m, err := membersOf(o.name, raw)
		if err != nil {
			return one, err
		}
		if one.named, err = o.selector(o.name, m); err != nil {
			return one, err
		}
		one.conds = append(one.conds, one.named...)
	}
	if len(one.conds) == 0 {
		return one, model.Errorf(model.Missing, "id, match or %s: one of them is required", o.name)
	}
	return one, nil
}

// selector gives the conditions of a member that names an object; nil when it was not sent and is optional.
func (s *Selection) selector(name string, o *object, required bool) ([]store.Cond, error) {
	raw, ok := s.Rest[name]
	if !ok || raw.Kind() == 'n' {
		if required {
			return nil, model.AttrErrorf(model.Missing, name, "is required")
		}
		return nil, nil
	}
	m, err := membersOf(name, raw)
	if err != nil {
		return nil, err
	}
	return o.selector(name, m)
}

// Create makes an object.
func (m crud) Create(r *http.Request, args *CreateArgs, plan *Plan) error {
	return m.create(r, args, plan, func(*decoded) error { return nil },
		func(_ *call, _ store.Tx, _ *decoded, _ string, made jsontext.Value) (any, error) { return made, nil })
}

// create makes an object. ready completes what the client gave of it, before any transaction; made gets the object's id and
// reply, in the transaction, and gives the reply.
func (m crud) create(r *http.Request, args *CreateArgs, plan *Plan, ready func(*decoded) error,
	made func(c *call, tx store.Tx, d *decoded, id string, reply jsontext.Value) (any, error)) error {
	c := callOf(r.Context())
	d, err := m.obj.decode("attrs", args.Attrs, onCreate)
	if err != nil {
		return err
	}
	if err := ready(d); err != nil {
		return err
	}
	ret, err := m.obj.project(c, args.Return.or(names("id")), "return")
	if err != nil {
		return err
	}
	create, err := m.creation(r.Context(), c, d)
	if err != nil {
		return err
	}
	plan.update = func(tx store.Tx) (any, error) {
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

// creation prepares the making of an object from decoded attributes; what it returns gives the new id.
func (m crud) creation(ctx context.Context, c *call, d *decoded) (func(store.Tx) (string, error), error) {
	if m.obj.prepare != nil {
		if err := m.obj.prepare(ctx, c, d); err != nil {
			return nil, err
		}
	}
	return func(tx store.Tx) (string, error) {
		row := m.obj.row()
		id := c.newID()
		m.obj.field(row, "id").SetString(id)
		m.obj.stamp(row, "dateCreated", c.now)
		m.obj.stamp(row, "lastUpdated", c.now)
		if err := d.into(c, tx, row); err != nil {
			return "", err
		}
		if err := m.write(c, tx, d, nil, row); err != nil {
			return "", err
		}
		return id, nil
	}, nil
}

// write checks and writes a row, with what belongs to it.
func (m crud) write(c *call, tx store.Tx, d *decoded, old, row any) error {
	if m.obj.check != nil {
		if err := m.obj.check(c, tx, d, old, row); err != nil {
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
		return m.obj.taken(err)
	}
	if err := d.relate(c, tx, m.obj.idOf(row)); err != nil {
		return err
	}
	c.touched(m.obj.noun, m.obj.idOf(row))
	if m.obj.wrote != nil {
		return m.obj.wrote(c, tx, d, old, row)
	}
	return nil
}

// taken says which attributes must be unique when the store refused a row.
func (o *object) taken(err error) error {
	if e := wireError(err); e.Kind == model.Exists && e.Detail == nil && len(o.keys) > 0 {
		return &model.Error{Kind: model.Exists, Err: err, Detail: model.AttributeDetail{Attribute: "attrs." + o.keys[0][0]},
			Msg: o.noun + " already exists: " + strings.Join(o.keys[0], " and ") + " must be unique" + map[bool]string{true: " together"}[len(o.keys[0]) > 1]}
	}
	return err
}

// one reads an object just written.
func (m crud) one(tx store.Tx, p *projection, id string) (jsontext.Value, error) {
	if len(p.columns) == 1 && p.columns[0].Name == "id" && p.columns[0].Path == nil && p.root.flat() {
		return p.root.write(nil, store.Row{id}, nil)
	}
	rows, err := p.rows(tx, store.Query{Table: m.obj.table, Where: []store.Cond{store.ByID(id)}, Limit: 1})
	if err != nil {
		return nil, err
	}
	return jsontext.Value(rows[0]), nil
}

// finds says whether one of the conditions leads to a few objects at once.
func (o *object) finds(conds []store.Cond) bool {
	for _, c := range conds {
		for i := range o.attrs {
			if a := &o.attrs[i]; a.indexed && a.column == c.Column && c.Op == store.Eq && len(c.Path) == 0 {
				return true
			}
		}
	}
	return false
}

// Get reads one object.
func (m crud) Get(r *http.Request, args *GetArgs, plan *Plan) error {
	c := callOf(r.Context())
	one, err := args.sought(m.obj)
	if err != nil {
		return err
	}
	p, err := m.obj.project(c, args.Return.or(names("*")), "return")
	if err != nil {
		return err
	}
	quick := m.obj.finds(one.conds)
	if p.root.flat() {
		plan.reads = statement
	}
	plan.view = func(tx store.ReadTx) (any, error) {
		for {
			rows, err := p.rows(tx, store.Query{Table: m.obj.table, Where: one.conds, Limit: 2, Quick: quick})
			switch {
			case err != nil:
				return nil, err
			case len(rows) == 0:
				return nil, m.obj.missed(tx, one)
			case len(rows) == 1:
				return jsontext.Value(rows[0]), nil
			}
			if _, err := m.obj.pick(c, tx, one); err != nil {
				return nil, err // which names them
			}
			// Without a snapshot: the others went meanwhile.
		}
	}
	return nil
}

// Set changes one object.
func (m crud) Set(r *http.Request, args *SetArgs, plan *Plan) error {
	if len(args.Attrs) == 0 {
		return model.AttrErrorf(model.Missing, "attrs", "is required")
	}
	d, err := m.obj.decode("attrs", args.Attrs, onSet)
	if err != nil {
		return err
	}
	change, err := m.change(r.Context(), callOf(r.Context()), d)
	if err != nil {
		return err
	}
	return m.upon(r, &args.Selection, plan, func(_ *call, tx store.Tx, id string) (any, error) { return nil, change(tx, id) })
}

// change prepares the changing of an object by decoded attributes.
func (m crud) change(ctx context.Context, c *call, d *decoded) (func(tx store.Tx, id string) error, error) {
	if m.obj.prepare != nil {
		if err := m.obj.prepare(ctx, c, d); err != nil {
			return nil, err
		}
	}
	return func(tx store.Tx, id string) error {
		row := m.obj.row()
		if err := tx.Load(row, id); err != nil {
			return err
		}
		old := reflect.New(reflect.TypeOf(row).Elem())
		old.Elem().Set(reflect.ValueOf(row).Elem())
		if err := d.into(c, tx, row); err != nil {
			return err
		}
		m.obj.stamp(row, "lastUpdated", c.now)
		return m.write(c, tx, d, old.Interface(), row)
	}, nil
}

// upon leaves a plan that finds the selected object and acts on it, known by its id.
func (m crud) upon(r *http.Request, s *Selection, plan *Plan, act func(c *call, tx store.Tx, id string) (any, error)) error {
	c := callOf(r.Context())
	one, err := s.sought(m.obj)
	if err != nil {
		return err
	}
	plan.update = func(tx store.Tx) (any, error) {
		id, err := m.obj.pick(c, tx, one)
		if err != nil {
			return nil, err
		}
		return act(c, tx, id)
	}
	return nil
}

// Delete removes one object; one that is in use is refused.
func (m crud) Delete(r *http.Request, args *DeleteArgs, plan *Plan) error {
	return m.upon(r, &args.Selection, plan, func(c *call, tx store.Tx, id string) (any, error) {
		return nil, m.remove(c, tx, id)
	})
}

func (m crud) remove(c *call, tx store.Tx, id string) error {
	for _, u := range m.obj.usedBy {
		used, err := tx.Exists(u.rows, id)
		if err != nil {
			return err
		}
		if used {
			return model.Errorf(model.InUse, "%s is still in use by %s", m.obj.noun, u.noun)
		}
	}
	row := m.obj.row()
	if err := tx.Load(row, id); err != nil {
		return err
	}
	if m.obj.removes != nil {
		if err := m.obj.removes(c, tx, row); err != nil {
			return err
		}
	}
	c.touched(m.obj.noun, id)
	return tx.Delete(row)
}
