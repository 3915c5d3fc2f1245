package object

import (
	"fmt"
	"slices"
	"sync"

	"tokensmith/rpc/dispatch"
	"tokensmith/store"
)

// largeTypes lists the object types that may have very many objects.
var largeTypes = []string{"user", "token", "tokenAssignment", "device", "installationCode", "group", "unit"}

// leadingTypes lists those of them to an object of which only a few others belong. A group or a unit may have very many users.
var leadingTypes = largeTypes[:5]

// fewColumns returns, by table, the columns of objects in which a value leads to a few rows through an index.
var fewColumns = sync.OnceValue(func() map[string][]string {
	few := map[string][]string{}
	for _, o := range Types {
		columns := []string{store.IDColumn.Name, store.ToUser.From}
		for i := range o.Attrs {
			if a := &o.Attrs[i]; a.Indexed && a.Kind == Text {
				columns = append(columns, a.Column, a.compared)
			}
		}
		few[o.Table] = columns
	}
	return few
})

// leadingTables returns the tables of leadingTypes.
var leadingTables = sync.OnceValue(func() (tables []string) {
	for _, name := range leadingTypes {
		tables = append(tables, Types[name].Table)
	}
	return tables
})

// direct returns whether conditions lead to a few objects through an index, or the table is always small.
func (o *Type) direct(conds []store.Cond) bool {
	return !slices.Contains(largeTypes, o.Name) || o.indexed(conds)
}

// indexed returns whether conditions lead to a few objects through an index.
func (o *Type) indexed(conds []store.Cond) bool {
	return slices.ContainsFunc(conds, func(c store.Cond) bool {
		table := o.Table
		if n := len(c.Path); n > 0 {
			if table = c.Path[n-1].Table; !slices.Contains(leadingTables(), table) {
				return false
			}
		}
		return (c.Op == store.Eq || c.Op == store.In || c.Op == store.Calls) && slices.Contains(fewColumns()[table], c.Column)
	})
}

const maxAmbiguous = 10 // how many objects an error lists if a selector matches several

// Narrow returns conditions with which a change finds at most a few objects without a search through their table (see
// Call.PresearchedIDs in package dispatch).
func (o *Type) Narrow(c *dispatch.Call, tx store.ReadTx, conds []store.Cond) ([]store.Cond, error) {
	if o.direct(conds) {
		return conds, nil
	}
	ids, known, err := c.PresearchedIDs(tx, fmt.Sprint(o.Table, conds), func(tx store.ReadTx) ([]any, error) {
		rows, err := tx.Find(o.lookup(conds))
		ids := make([]any, len(rows))
		for i, r := range rows {
			ids[i] = r[0]
		}
		return ids, err
	})
	if err != nil || !known {
		return conds, err
	}
	return append(slices.Clip(conds), store.ByIDs(ids)), nil
}

// lookup returns a query for the ids of the matching objects. Its limit is one more than an error lists.
func (o *Type) lookup(conds []store.Cond) *store.Query {
	return &store.Query{Table: o.Table, Columns: []store.Column{store.IDColumn}, Where: conds,
		Sort: []store.Sort{{Column: store.IDColumn}}, Limit: maxAmbiguous + 1}
}
