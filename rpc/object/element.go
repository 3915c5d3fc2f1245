package object

import (
	"fmt"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// Elements are objects that a client named in a list, each by a selector or by a name alone.
type Elements struct {
	obj   *Type
	place string
	each  [][]store.Cond
}

// Elements decodes a list of objects. It does not look them up.
func (o *Type) Elements(place string, items []jsontext.Value) (*Elements, error) {
	e := &Elements{obj: o, place: place, each: make([][]store.Cond, 0, len(items))}
	key := o.Keys[0]
	for i, item := range items {
		here := fmt.Sprint(place, ".", i)
		m := wire.Members{{Name: key[len(key)-1], Value: item}}
		if item.Kind() == '{' {
			var err error
			if m, err = wire.MembersOf(here, item); err != nil {
				return nil, err
			}
		}
		conds, err := o.selector(here, m)
		if err != nil {
			return nil, err
		}
		e.each = append(e.each, conds)
	}
	return e, nil
}

// Find returns the ids of the objects, each once, in the order in which they were named. Only objects whose column same has the
// given value are meant, such as those of a domain; with "" for same, all are. An object that is not found is an error that names
// its place in the list.
func (e *Elements) Find(c *dispatch.Call, tx store.ReadTx, same, value string) ([]string, error) {
	within := []store.Cond{}
	if same != "" {
		within = append(within, store.Cond{Column: same, Op: store.Eq, Value: value})
	}
	found := make([]string, len(e.each))
	if err := e.together(tx, within, found); err != nil {
		return nil, err
	}
	seen := make(map[string]bool, len(found))
	ids := make([]string, 0, len(found))
	for i, id := range found {
		if id == "" {
			var err error
			if id, err = e.one(c, tx, i, within); err != nil {
				return nil, err
			}
		}
		if !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// First returns the id of the first object; "" if the list is empty.
func (e *Elements) First(c *dispatch.Call, tx store.ReadTx) (string, error) {
	if len(e.each) == 0 {
		return "", nil
	}
	return e.one(c, tx, 0, nil)
}

// one looks up one object.
func (e *Elements) one(c *dispatch.Call, tx store.ReadTx, i int, within []store.Cond) (string, error) {
	here := fmt.Sprint(e.place, ".", i)
	if len(within) > 0 {
		id, err := e.obj.Find(c, tx, append(slices.Clip(e.each[i]), within...))
		if !wire.NotFound(err) {
			return id, err
		}
	}
	id, err := e.obj.FindSelected(c, tx, BySelector(e.each[i]))
	if len(within) > 0 && (err == nil || wire.NoSingleMatch(err) && !wire.NotFound(err)) {
		return "", model.AttrErrorf(model.Invalid, here, "is a %s of another domain", e.obj.Noun)
	}
	return id, AtAttribute(err, here)
}

// maxTogether is how many objects are looked up with one query.
const maxTogether = 1000

// together looks up the objects that are named by one text that an index serves, many with one query, and sets their ids in
// found. Those that it does not find, or of which there are several, are left to one.
func (e *Elements) together(tx store.ReadTx, within []store.Cond, found []string) error {
	by := map[string]map[string][]int{} // column → text → places in the list
	for i, conds := range e.each {
		if len(e.each) == 1 || len(conds) != 1 || len(conds[0].Path) > 0 || conds[0].Op != store.Eq && conds[0].Op != store.Calls || !e.obj.finds(conds) {
			continue
		}
		text, ok := conds[0].Value.(string)
		if !ok {
			continue
		}
		column := conds[0].Column
		if by[column] == nil {
			by[column] = map[string][]int{}
		}
		by[column][text] = append(by[column][text], i)
	}
	for column, places := range by {
		texts := make([]any, 0, len(places))
		for text := range places {
			texts = append(texts, text)
		}
		for part := range slices.Chunk(texts, maxTogether) {
			ids := map[string]string{}
			err := tx.Each(&store.Query{Table: e.obj.Table, Columns: []store.Column{store.IDColumn, {Name: column}}, Limit: MaxSearch,
				Where: append([]store.Cond{{Column: column, Op: store.In, Value: part}}, within...)}, func(row store.Row) error {
				text, id := AsText(row[1]), AsText(row[0])
				if _, twice := ids[text]; twice {
					id = ""
				}
				ids[text] = id
				return nil
			})
			if err != nil {
				return err
			}
			for text, id := range ids {
				for _, i := range places[text] {
					found[i] = id
				}
			}
		}
	}
	return nil
}
