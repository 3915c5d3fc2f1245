package object

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// lightRows is how many rows a reply with collections may have without Plan.Heavy.
const lightRows = 100

// SearchArgs are the parameters of search.
type SearchArgs struct {
	Match wire.Match `json:"match"`
	Paging
}

// Paging selects what a search returns of the found objects, and in which order.
type Paging struct {
	Return wire.Return `json:"return"`
	Sort   wire.Names  `json:"sort"`
	Order  wire.Text   `json:"order"`
	Max    wire.Int    `json:"max"`
	Offset wire.Int    `json:"offset"`
	Cursor *wire.Text  `json:"cursor"`
	Count  *bool       `json:"count"`
}

// Search finds objects.
func (m CRUD) Search(r *http.Request, args *SearchArgs, plan *dispatch.Plan) error {
	search, err := m.PrepareSearch(r, args, plan)
	plan.View = func(tx store.ReadTx) (any, error) { return search(tx) }
	return err
}

// PrepareSearch prepares a search. The function that it returns runs the search, with further conditions.
func (m CRUD) PrepareSearch(r *http.Request, args *SearchArgs, plan *dispatch.Plan) (func(tx store.ReadTx, also ...store.Cond) (any, error), error) {
	conds, err := m.Type.Conds("match", args.Match)
	if err != nil {
		return nil, err
	}
	p, err := m.Type.Project(dispatch.CallFrom(r.Context()), args.Return.Or(wire.ReturnNames("*")), "return")
	if err != nil {
		return nil, err
	}
	q := store.Query{Table: m.Type.Table, Where: conds, Limit: MaxSearch, Offset: args.Offset.Value}
	if args.Max.Given {
		q.Limit = args.Max.Value
	}
	if q.Limit < 0 || q.Limit > MaxSearch {
		return nil, model.AttrErrorf(model.Invalid, "max", "must be a number from 0 to %d", MaxSearch)
	}
	if q.Offset < 0 {
		return nil, model.AttrErrorf(model.Invalid, "offset", "must be a number from 0")
	}
	if q.Sort, err = m.Type.Ordering(args.Sort, string(args.Order)); err != nil {
		return nil, err
	}
	if args.Cursor != nil && q.Offset != 0 {
		return nil, model.AttrErrorf(model.Invalid, "offset", "is not allowed with a cursor")
	}
	plan.Long, plan.Heavy = true, !p.Root.flat() && q.Limit > lightRows
	order := strings.Join(args.Sort, ",") + " " + string(args.Order)
	if args.Cursor != nil {
		if q.After, err = ReadCursor(string(*args.Cursor), order, q.Sort); err != nil {
			return nil, err
		}
	}
	return func(tx store.ReadTx, also ...store.Cond) (any, error) {
		limited := q
		limited.Where = append(slices.Clone(q.Where), also...)
		return m.PageOf(tx, p, limited, args, order)
	}, nil
}

// PageOf runs a search. It returns the number of all matches, the rows of one page, and the cursor of the next page.
func (m CRUD) PageOf(tx store.ReadTx, p *Projection, q store.Query, args *SearchArgs, order string) (any, error) {
	out := p.call.Reply()
	out.Add("{")
	if args.Count == nil || *args.Count {
		total, err := tx.Count(&q)
		if err != nil {
			return nil, err
		}
		out.Add(`"total":`, strconv.FormatInt(total, 10), ",")
	}
	limit := q.Limit
	if args.Cursor != nil {
		// Read one row more, to know whether there is a next page, and also the sort keys.
		q.Limit++
		for _, s := range q.Sort {
			q.Columns = append(q.Columns, s.Column)
		}
	}
	out.Add(`"rows":[`)
	n := int64(0)
	var last store.Row
	err := p.each(tx, q, func(object []byte, row store.Row) error {
		if n++; n > limit {
			return nil
		}
		if n > 1 {
			out.Add(",")
		}
		if n == limit && args.Cursor != nil {
			last = slices.Clone(row[len(p.Columns):])
		}
		return out.Write(object)
	})
	if err != nil {
		return nil, err
	}
	out.Add("]")
	if n > limit && limit > 0 {
		next, err := WriteCursor(order, q.Sort, last)
		if err != nil {
			return nil, err
		}
		quoted, _ := jsontext.AppendQuote(nil, next)
		out.Add(`,"next":`, string(quoted))
	}
	out.Add("}")
	return out.End()
}

// cursor is where a search continues: after the row with these keys, in that order.
type cursor struct {
	Order string `json:"o"`
	Keys  []any  `json:"k"`
}

// WriteCursor returns the text of a cursor after a row with these keys.
func WriteCursor(order string, sort []store.Sort, keys store.Row) (string, error) {
	c := cursor{Order: order}
	for i, k := range keys {
		if k == nil {
			k = sort[i].Zero
		}
		if b, ok := k.([]byte); ok {
			k = string(b)
		}
		c.Keys = append(c.Keys, k)
	}
	b, err := json.Marshal(c)
	return base64.RawURLEncoding.EncodeToString(b), err
}

// ReadCursor returns the keys in a cursor of the same search.
func ReadCursor(text, order string, sort []store.Sort) ([]any, error) {
	if text == "" {
		return nil, nil
	}
	bad := model.AttrErrorf(model.Invalid, "cursor", "is not a cursor of this search")
	b, err := base64.RawURLEncoding.DecodeString(text)
	var c struct {
		Order string           `json:"o"`
		Keys  []jsontext.Value `json:"k"`
	}
	if err != nil || json.Unmarshal(b, &c) != nil || c.Order != order || len(c.Keys) != len(sort) {
		return nil, bad
	}
	keys := make([]any, len(sort))
	for i, k := range c.Keys {
		switch sort[i].Zero.(type) {
		case int64:
			keys[i], err = wire.IntOf("cursor", k)
		case bool:
			keys[i], err = wire.BoolOf("cursor", k)
		default:
			keys[i], err = wire.TextOf("cursor", k)
		}
		if err != nil {
			return nil, bad
		}
	}
	return keys, nil
}
