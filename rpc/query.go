package rpc

import (
	"errors"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
	"tokensmith/store"
)

const (
	searchMost = 10_000  // rows one search gives
	nestedMost = 100_000 // rows one nested collection gives, over all rows of the search
	sortMost   = 20      // names in a sort
	valuesMost = 30_000  // values of all conditions together
)

// resolve follows a dotted name from an object to an attribute. Collections lead on only where many is allowed.
func (o *object) resolve(place, name string, many bool) ([]store.Step, *attr, error) {
	unknown := func() error {
		return model.AttrErrorf(model.UnknownAttr, place, "%s has no attribute %q", o.noun, name)
	}
	var path []store.Step
	at, rest := o, name
	for range depthMost {
		head, tail, dotted := strings.Cut(rest, ".")
		a := at.byName[head]
		switch {
		case a != nil && a.kind == ref && a.column != "-" && dotted:
			next := objects[a.object]
			path = append(path, store.Step{From: a.column, Table: next.table, To: "id"})
			at, rest = next, tail
		case a != nil && a.kind != ref && a.kind != secret && a.readable() && !dotted:
			return append(path, a.path...), a, nil
		case many && dotted && at.coll(head, true) != nil:
			c := at.coll(head, true)
			path = append(path, c.steps...)
			at, rest = objects[c.object], tail
		default:
			return nil, nil, unknown()
		}
	}
	return nil, nil, unknown()
}

// operators that a client may use on an attribute's kind.
var operators = map[string]store.Op{"=": store.Eq, "!=": store.Ne, ">": store.Gt, "<": store.Lt, ">=": store.Ge, "<=": store.Le,
	">>": store.StartsOn, "<<": store.EndsOn, "~=": store.Like, "like": store.Like, "in": store.In}

// conds turns conditions into the store's.
func (o *object) conds(place string, m Match) ([]store.Cond, error) {
	var out []store.Cond
	count := 0
	for _, c := range m {
		path, a, err := o.resolve(place, c.name, true)
		if err != nil {
			return nil, err
		}
		here := place + "." + c.name
		if a.derive != nil {
			return nil, model.AttrErrorf(model.Invalid, here, "cannot be searched by")
		}
		op, ok := operators[c.op]
		isText := a.kind == text || a.kind == enum || a.kind == list
		ordered := a.kind == integer || a.kind == date
		switch op {
		case store.Eq, store.Ne, store.In:
		case store.Gt, store.Lt, store.Ge, store.Le:
			ok = ok && ordered
		default:
			ok = ok && isText
		}
		if !ok {
			return nil, model.AttrErrorf(model.Invalid, here, "operator %q does not fit this attribute", c.op)
		}
		cond := store.Cond{Path: path, Column: a.column, Op: op}
		if a.fold {
			cond.Column = store.Folded(cond.Column)
		}
		if op == store.In {
			var items []jsontext.Value
			if err := json.Unmarshal(c.value, &items); err != nil || len(items) > searchMost {
				return nil, model.AttrErrorf(model.Invalid, here, "in needs an array of at most %d values", searchMost)
			}
			if count += len(items); count > valuesMost {
				return nil, model.AttrErrorf(model.Invalid, place, "has more than %d values", valuesMost)
			}
			values := make([]any, len(items))
			for i, item := range items {
				if values[i], err = a.matched(here, item); err != nil {
					return nil, err
				}
			}
			cond.Value = values
		} else if cond.Value, err = a.matched(here, c.value); err != nil {
			return nil, err
		}
		if op == store.Eq || op == store.Ne || op == store.In {
			cond.Value = a.asKept(cond.Value)
		}
		if s, isString := cond.Value.(string); op == store.Like && isString && c.op == "~=" && !strings.Contains(s, "%") {
			cond.Value = "%" + s + "%"
		}
		if cond.TooLong() {
			return nil, model.AttrErrorf(model.Invalid, here, "is a pattern of more than %d bytes", store.PatternMost)
		}
		out = append(out, cond)
	}
	return out, nil
}

// matched reads the value a condition compares an attribute with.
func (a *attr) matched(place string, v jsontext.Value) (any, error) {
	switch a.kind {
	case integer:
		return intOf(place, v)
	case boolean:
		return boolOf(place, v)
	case date:
		t, err := dateOf(place, v)
		return int64(t), err
	}
	s, err := textOf(place, v)
	if a.fold {
		s = model.Fold(s)
	}
	return s, err
}

// asKept gives the text, or texts, that a condition compares with in the form in which the attribute is kept, so that whoever names an
// object may write it as whoever made it.
func (a *attr) asKept(value any) any {
	switch v := value.(type) {
	case []any:
		for i := range v {
			v[i] = a.asKept(v[i])
		}
	case string:
		if a.rule == model.AsWritten {
			break
		}
		if clean, reason := a.rule.Clean(model.Trim(v)); reason == "" {
			return clean
		}
	}
	return value
}

// selector turns the members that name one object into conditions.
func (o *object) selector(place string, m Members) ([]store.Cond, error) {
	match, err := o.equalities(place, "", m, 0)
	if err != nil {
		return nil, err
	}
	if len(match) == 0 {
		return nil, model.AttrErrorf(model.Missing, place, "names no %s", o.noun)
	}
	return o.conds(place, match)
}

// equalities flattens {"domain":{"name":"x"}} to domain.name = x.
func (o *object) equalities(place, prefix string, m Members, depth int) (Match, error) {
	var match Match
	for _, mem := range m {
		if mem.value.Kind() != '{' {
			match = append(match, condition{prefix + mem.name, "=", mem.value})
			continue
		}
		inner, err := membersOf(place+"."+prefix+mem.name, mem.value)
		if err != nil {
			return nil, err
		}
		if depth > depthMost {
			return nil, model.AttrErrorf(model.Invalid, place, "is nested too deep")
		}
		more, err := o.equalities(place, prefix+mem.name+".", inner, depth+1)
		if err != nil {
			return nil, err
		}
		match = append(match, more...)
		if err := match.check(place); err != nil {
			return nil, err
		}
	}
	return match, match.check(place)
}

// sought is what the one object must fit that a client means.
type sought struct {
	conds []store.Cond
	named []store.Cond // those of conds that stand in a selector, and not in a match
}

// bySelector is what a selector alone says.
func bySelector(conds []store.Cond) sought { return sought{conds, conds} }

// pick is find for what a client means. Where nothing fits for the reason that a selector names a domain that is none, that
// is said.
func (o *object) pick(c *call, tx store.ReadTx, s sought) (string, error) {
	id, err := o.find(c, tx, s.conds)
	var missed *model.Error
	if errors.As(err, &missed) && missed.Kind == model.NotFound {
		err = o.missed(tx, s)
	}
	return id, err
}

// missed says what was not found of an object that was sought: the domain, or the object itself. Only who has missed it looks
// the domain up. What a caller does not see is none to him, so that he does not learn of a domain beyond his own.
func (o *object) missed(tx store.ReadTx, s sought) error {
	domains := objects["domain"].table
	for _, c := range s.named {
		if !c.NamesDomain() {
			continue
		}
		c.Path = nil
		found, err := tx.Find(&store.Query{Table: domains, Columns: []store.Column{store.IDColumn}, Where: []store.Cond{c}, Limit: 1})
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return &model.Error{Kind: model.NotFound, Noun: model.DomainNoun, Msg: "the domain is not defined"}
		}
	}
	return model.Missed(o.missing)
}

// find gives the id of the one object that fits. None is its not-found error, several are Ambiguous and named.
func (o *object) find(c *call, tx store.ReadTx, conds []store.Cond) (string, error) {
	rows, err := tx.Find(&store.Query{Table: o.table, Columns: []store.Column{store.IDColumn}, Where: conds,
		Sort: []store.Sort{{Column: store.IDColumn}}, Limit: 11})
	if err != nil {
		return "", err
	}
	switch len(rows) {
	case 0:
		return "", model.Missed(o.missing)
	case 1:
		return asText(rows[0][0]), nil
	}
	ids := make([]any, len(rows))
	for i, r := range rows {
		ids[i] = r[0]
	}
	var ret Return
	for _, name := range o.naming {
		ret = append(ret, returned{name: name})
	}
	p, err := o.project(c, ret, "")
	if err != nil {
		return "", err
	}
	named, err := p.rows(tx, store.Query{Table: o.table, Where: []store.Cond{store.ByIDs(ids)},
		Sort: []store.Sort{{Column: store.IDColumn}}, Limit: int64(len(ids))})
	if err != nil {
		return "", err
	}
	array := append(joinValues([]byte(`{"rows":[`), named), "]}"...)
	return "", &model.Error{Kind: model.Ambiguous, Msg: "the selector fits more than one " + o.noun, Detail: jsontext.Value(array)}
}

// ordering is how a search is sorted: the attributes' keys, and the id last, so that the order is total.
func (o *object) ordering(sort []string, order string) ([]store.Sort, error) {
	if order != "" && order != "asc" && order != "desc" {
		return nil, model.AttrErrorf(model.Invalid, "order", "must be asc or desc")
	}
	if len(sort) > sortMost {
		return nil, model.AttrErrorf(model.Invalid, "sort", "has more than %d names", sortMost)
	}
	if len(sort) == 0 && o.order != "" {
		sort = []string{o.order}
	}
	var keys []store.Sort
	for _, name := range sort {
		name, minus := strings.CutPrefix(name, "-")
		path, a, err := o.resolve("sort", name, false)
		if err != nil {
			return nil, err
		}
		if a.derive != nil {
			return nil, model.AttrErrorf(model.Invalid, "sort", "%q cannot be sorted by", name)
		}
		col := store.Column{Path: path, Name: a.column, Zero: a.zero()}
		if a.fold {
			col.Name = store.Folded(col.Name)
		}
		keys = append(keys, store.Sort{Column: col, Desc: minus || order == "desc"})
		if len(path) == 0 && a.name == "id" {
			return keys, nil
		}
	}
	// The id goes the way of the key before it, as an index does.
	desc := order == "desc"
	if len(keys) > 0 {
		desc = keys[len(keys)-1].Desc
	}
	return append(keys, store.Sort{Column: store.IDColumn, Desc: desc}), nil
}

// zero gives what stands for "no value" when sorting.
func (a *attr) zero() any {
	switch a.kind {
	case integer, date:
		return int64(0)
	case boolean:
		return false
	}
	return ""
}
