package rpc

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
	"tokensmith/store"
)

// lightRows is how many rows a reply with collections may have that needs no place of those that take memory.
const lightRows = 100

// SearchArgs are the parameters of search.
type SearchArgs struct {
	Match  Match  `json:"match"`
	Return Return `json:"return"`
	Sort   Names  `json:"sort"`
	Order  Text   `json:"order"`
	Max    Int    `json:"max"`
	Offset Int    `json:"offset"`
	Cursor *Text  `json:"cursor"`
	Count  *bool  `json:"count"`
}

// Search finds objects.
func (m crud) Search(r *http.Request, args *SearchArgs, plan *Plan) error {
	search, err := m.searching(r, args, plan)
	plan.view = func(tx store.ReadTx) (any, error) { return search(tx) }
	return err
}

// searching prepares a search; what it gives takes further conditions.
func (m crud) searching(r *http.Request, args *SearchArgs, plan *Plan) (func(tx store.ReadTx, also ...store.Cond) (any, error), error) {
	conds, err := m.obj.conds("match", args.Match)
	if err != nil {
		return nil, err
	}
	p, err := m.obj.project(callOf(r.Context()), args.Return.or(names("*")), "return")
	if err != nil {
		return nil, err
	}
	q := store.Query{Table: m.obj.table, Where: conds, Limit: searchMost, Offset: args.Offset.n}
	if args.Max.given {
		q.Limit = args.Max.n
	}
	if q.Limit < 0 || q.Limit > searchMost {
		return nil, model.AttrErrorf(model.Invalid, "max", "must be a number from 0 to %d", searchMost)
	}
	if q.Offset < 0 {
		return nil, model.AttrErrorf(model.Invalid, "offset", "must be a number from 0")
	}
	if q.Sort, err = m.obj.ordering(args.Sort, string(args.Order)); err != nil {
		return nil, err
	}
	if args.Cursor != nil && q.Offset != 0 {
		return nil, model.AttrErrorf(model.Invalid, "offset", "does not go with a cursor")
	}
	plan.long, plan.heavy = true, !p.root.flat() && q.Limit > lightRows
	order := strings.Join(args.Sort, ",") + " " + string(args.Order)
	if args.Cursor != nil {
		if q.After, err = readCursor(string(*args.Cursor), order, q.Sort); err != nil {
			return nil, err
		}
	}
	return func(tx store.ReadTx, also ...store.Cond) (any, error) {
		limited := q
		limited.Where = append(slices.Clone(q.Where), also...)
		return m.page(tx, p, limited, args, order)
	}, nil
}

// page runs a search: the number of all matches, the rows, and where the next page begins.
func (m crud) page(tx store.ReadTx, p *projection, q store.Query, args *SearchArgs, order string) (any, error) {
	out := p.call.reply()
	out.add("{")
	if args.Count == nil || *args.Count {
		total, err := tx.Count(&q)
		if err != nil {
			return nil, err
		}
		out.add(`"total":`, strconv.FormatInt(total, 10), ",")
	}
	limit := q.Limit
	if args.Cursor != nil {
		// One row more tells whether there is a next page; its keys come along.
		q.Limit++
		for _, s := range q.Sort {
			q.Columns = append(q.Columns, s.Column)
		}
	}
	out.add(`"rows":[`)
	n := int64(0)
	var last store.Row
	err := p.each(tx, q, func(object []byte, row store.Row) error {
		if n++; n > limit {
			return nil
		}
		if n > 1 {
			out.add(",")
		}
		if n == limit && args.Cursor != nil {
			last = slices.Clone(row[len(p.columns):])
		}
		return out.write(object)
	})
	if err != nil {
		return nil, err
	}
	out.add("]")
	if n > limit && limit > 0 {
		next, err := writeCursor(order, q.Sort, last)
		if err != nil {
			return nil, err
		}
		quoted, _ := jsontext.AppendQuote(nil, next)
		out.add(`,"next":`, string(quoted))
	}
	out.add("}")
	return out.end()
}

// cursor is where a search goes on: behind the row with these keys, in that order.
type cursor struct {
	Order string `json:"o"`
	Keys  []any  `json:"k"`
}

func writeCursor(order string, sort []store.Sort, keys store.Row) (string, error) {
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

func readCursor(text, order string, sort []store.Sort) ([]any, error) {
	if text == "" {
		return nil, nil
	}
	bad := model.AttrErrorf(model.Invalid, "cursor", "is not one this search gave")
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
			keys[i], err = intOf("cursor", k)
		case bool:
			keys[i], err = boolOf("cursor", k)
		default:
			keys[i], err = textOf("cursor", k)
		}
		if err != nil {
			return nil, bad
		}
	}
	return keys, nil
}
