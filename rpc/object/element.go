package object

import (
	"fmt"
	"slices"
	"strings"

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

// maxSearched limits the elements of a list that are named by attributes without an index. Each takes a search through a table.
const maxSearched = 20

// Elements decodes a list of objects. It does not look them up. A list whose look-up would take too many searches is refused.
func (o *Type) Elements(place string, items []jsontext.Value) (*Elements, error) {
	e := &Elements{obj: o, place: place, each: make([][]store.Cond, 0, len(items))}
	key := o.Keys[0]
	searched := 0
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
		if !o.indexed(conds) {
			if searched++; searched > maxSearched {
				return nil, model.AttrErrorf(model.Invalid, here, "only %d of a list may be named by attributes without an index: name a %s by id or %s", maxSearched, o.Noun, strings.Join(key, " and "))
			}
		}
		e.each = append(e.each, conds)
	}
	return e, nil
}

// Find returns the ids of the objects, each once, in the order in which they were named. If value is not empty, only objects that
// have it in the column same are meant, such as those of a domain. An object that is not found is an error that names its place in
// the list.
func (e *Elements) Find(c *dispatch.Call, tx store.ReadTx, same, value string) ([]string, error) {
	var within []store.Cond
	if value != "" {
		within = []store.Cond{{Column: same, Op: store.Eq, Value: value}}
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
			if id, err = e.obj.findSame(c, tx, e.each[i], fmt.Sprint(e.place, ".", i), same, value); err != nil {
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

// Len returns how many objects are named.
func (e *Elements) Len() int { return len(e.each) }

// First returns the id of the first object; "" if the list is empty.
func (e *Elements) First(c *dispatch.Call, tx store.ReadTx) (string, error) {
	if len(e.each) == 0 {
		return "", nil
	}
	return e.obj.findSame(c, tx, e.each[0], fmt.Sprint(e.place, ".0"), "", "")
}

// maxTogether is how many objects are looked up with one query.
const maxTogether = 1000

// together looks up the objects that are named by one text that an index serves, many with one query, and sets their ids in
// found. Those that it does not find, or of which there are several, are left to findSame.
func (e *Elements) together(tx store.ReadTx, within []store.Cond, found []string) error {
	by := map[string]map[string][]int{} // column → text → places in the list
	for i, conds := range e.each {
		if len(e.each) == 1 || len(conds) != 1 || len(conds[0].Path) > 0 || conds[0].Op != store.Eq && conds[0].Op != store.Calls || !e.obj.direct(conds) {
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
