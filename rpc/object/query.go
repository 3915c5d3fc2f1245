package object

import (
	"errors"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

const (
	MaxSearch = 10_000  // limit for the rows of one search
	maxNested = 100_000 // limit for the rows of one nested collection, over all rows of the search
	maxSort   = 20      // limit for the names in sort
	maxValues = 30_000  // limit for the values of all conditions together
)

// Resolve follows a dotted name from an object to an attribute. The name may lead through collections only if many is set.
func (o *Type) Resolve(place, name string, many bool) ([]store.Step, *Attr, error) {
	unknown := func() error {
		return model.AttrErrorf(model.UnknownAttr, place, "%s has no attribute %q", o.Noun, name)
	}
	var path []store.Step
	at, rest := o, name
	for range wire.MaxDepth {
		head, tail, dotted := strings.Cut(rest, ".")
		a := at.ByName[head]
		switch {
		case a != nil && a.Kind == Ref && a.Column != "-" && dotted:
			next := Types[a.Object]
			path = append(path, store.Step{From: a.Column, Table: next.Table, To: "id"})
			at, rest = next, tail
		case a != nil && a.Kind != Ref && a.Kind != Secret && a.readable() && !dotted:
			return append(path, a.Path...), a, nil
		case many && dotted && at.Collection(head, true) != nil:
			c := at.Collection(head, true)
			path = append(path, c.Steps...)
			at, rest = Types[c.Object], tail
		default:
			return nil, nil, unknown()
		}
	}
	return nil, nil, unknown()
}

// Through follows a dotted name to the first collection on its way. It returns the path to the collection, and the rest of the
// name; a nil collection if there is none.
func (o *Type) Through(name string) (path []store.Step, c *Collection, rest string) {
	at, rest := o, name
	for range wire.MaxDepth {
		head, tail, dotted := strings.Cut(rest, ".")
		if !dotted {
			return nil, nil, ""
		}
		if c := at.Collection(head, false); c != nil {
			return path, c, tail
		}
		a := at.ByName[head]
		if a == nil || a.Kind != Ref || a.Column == "-" {
			return nil, nil, ""
		}
		next := Types[a.Object]
		path = append(path, store.Step{From: a.Column, Table: next.Table, To: "id"})
		at, rest = next, tail
	}
	return nil, nil, ""
}

// Nothing returns the JSON for a dotted name that leads to something for which this server stores nothing (EmptyCollections,
// EmptyTexts); "" for any other name.
func (o *Type) Nothing(name string) string {
	for range wire.MaxDepth {
		head, tail, dotted := strings.Cut(name, ".")
		switch {
		case slices.Contains(o.EmptyCollections, head):
			return "[]"
		case slices.Contains(o.EmptyTexts, head):
			return "null"
		}
		a := o.ByName[head]
		if a == nil || a.Kind != Ref || a.Column == "-" || !dotted {
			return ""
		}
		o, name = Types[a.Object], tail
	}
	return ""
}

// operators lists the operators that a client may use. Which of them apply depends on the kind of the attribute.
var operators = map[string]store.Op{"=": store.Eq, "!=": store.Ne, ">": store.Gt, "<": store.Lt, ">=": store.Ge, "<=": store.Le,
	">>": store.StartsOn, "<<": store.EndsOn, "~=": store.Like, "like": store.Like, "in": store.In}

// Conds converts the conditions of a match to those of package store.
func (o *Type) Conds(place string, m wire.Match) ([]store.Cond, error) {
	var out []store.Cond
	count := 0
	for _, c := range m {
		path, a, err := o.Resolve(place, c.Name, true)
		if err != nil {
			return nil, err
		}
		here := place + "." + c.Name
		if a.derived() {
			return nil, model.AttrErrorf(model.Invalid, here, "cannot be searched by")
		}
		op, ok := operators[c.Op]
		if related := path[:len(path)-len(a.Path)]; len(related) > 0 && c.Value.Kind() == 'n' && (op == store.Eq || op == store.Ne) {
			// A related object has no null values, so null asks whether there is such an object.
			out = append(out, store.Cond{Path: related, Column: a.Column, Op: map[store.Op]store.Op{store.Eq: store.None, store.Ne: store.Some}[op]})
			continue
		}
		isText := a.Kind == Text || a.Kind == Enum || a.Kind == List
		ordered := a.Kind == Integer || a.Kind == Date
		switch op {
		case store.Eq, store.Ne, store.In:
		case store.Gt, store.Lt, store.Ge, store.Le:
			ok = ok && ordered
		default:
			ok = ok && isText
		}
		if !ok {
			return nil, model.AttrErrorf(model.Invalid, here, "operator %q is not possible for this attribute", c.Op)
		}
		cond := store.Cond{Path: path, Column: a.compared, Op: op}
		if op == store.In {
			var items []jsontext.Value
			if err := json.Unmarshal(c.Value, &items); err != nil || len(items) > MaxSearch {
				return nil, model.AttrErrorf(model.Invalid, here, "in needs an array of at most %d values", MaxSearch)
			}
			if count += len(items); count > maxValues {
				return nil, model.AttrErrorf(model.Invalid, place, "has more than %d values", maxValues)
			}
			values := make([]any, len(items))
			for i, item := range items {
				if values[i], err = a.matched(here, item); err != nil {
					return nil, err
				}
			}
			cond.Value = values
		} else if cond.Value, err = a.matched(here, c.Value); err != nil {
			return nil, err
		}
		if op == store.Eq || op == store.Ne || op == store.In {
			table := o.Table
			if len(path) > 0 {
				table = path[len(path)-1].Table
			}
			cond.Value = a.asKept(table, cond.Column, cond.Value)
		}
		if s, isString := cond.Value.(string); op == store.Like && isString && c.Op == "~=" && !strings.Contains(s, "%") {
			cond.Value = "%" + s + "%"
		}
		if cond.TooLong() {
			return nil, model.AttrErrorf(model.Invalid, here, "is a pattern of more than %d bytes", store.MaxPattern)
		}
		out = append(out, cond)
	}
	return out, nil
}

// matched decodes the value that a condition compares an attribute with.
func (a *Attr) matched(place string, v jsontext.Value) (any, error) {
	switch a.Kind {
	case Integer:
		return wire.IntOf(place, v)
	case Boolean:
		return wire.BoolOf(place, v)
	case Date:
		t, err := wire.DateOf(place, v)
		return int64(t), err
	}
	s, err := wire.TextOf(place, v)
	if a.Fold {
		s = model.Fold(s)
	}
	return s, err
}

// asKept returns the value, one text or several, that a condition compares with. A text matches an object that was stored before
// the rule and has exactly this text. If there is none, it matches in the form in which the attribute is stored. So a client may
// write a name as it was written when the object was created.
func (a *Attr) asKept(table, column string, value any) any {
	switch v := value.(type) {
	case []any:
		for i := range v {
			v[i] = a.asKept(table, column, v[i])
		}
	case string:
		if a.Rule == model.AsWritten {
			break
		}
		if clean, reason := a.Rule.Clean(model.Trim(v)); reason == "" {
			return store.Named(table, column, v, clean)
		}
	}
	return value
}

// selector converts the members that select one object to conditions.
func (o *Type) selector(place string, m wire.Members) ([]store.Cond, error) {
	match, err := o.equalities(place, "", m, 0)
	if err != nil {
		return nil, err
	}
	if len(match) == 0 {
		return nil, model.AttrErrorf(model.Missing, place, "names no %s", o.Noun)
	}
	for i, c := range match {
		if c.Value.Kind() == 'n' {
			match[i].Value = jsontext.Value(`""`) // in a selector, null means the same as ""
		}
	}
	conds, err := o.Conds(place, match)
	for i := range conds {
		// An empty name selects nothing. In particular it does not select the one object without a name.
		if conds[i] = conds[i].ByName(); string(match[i].Value) == `""` && conds[i].Op != store.Calls {
			conds[i] = conds[i].MatchesNothing()
		}
	}
	return conds, err
}

// resolveNames replaces a condition that names a related user by that user's id, if the name means one user, or means several of
// whom one is in the default domain. Only the conditions on this user decide who is meant, and not those on other objects, such
// as the token that is searched.
func resolveNames(tx store.ReadTx, conds []store.Cond) ([]store.Cond, error) {
	for i, c := range conds {
		if c.Op != store.Calls || len(c.Path) == 0 {
			continue // the selected object itself is the user: see FindSelected
		}
		var his []store.Cond
		for _, other := range conds {
			if n := len(c.Path); len(other.Path) >= n && slices.Equal(other.Path[:n], c.Path) {
				other.Path = other.Path[n:]
				his = append(his, other)
			}
		}
		narrowed, _ := store.InDefaultDomain(his)
		var found []store.Row
		for _, where := range [][]store.Cond{his, narrowed} {
			var err error
			found, err = tx.Find(&store.Query{Table: c.Path[len(c.Path)-1].Table, Columns: []store.Column{store.IDColumn}, Where: where, Limit: 2, Quick: true})
			if err != nil {
				return nil, err
			}
			if len(found) < 2 {
				break
			}
		}
		if len(found) == 1 {
			conds = slices.Clone(conds)
			conds[i] = store.Cond{Path: c.Path, Column: "id", Op: store.Eq, Value: found[0][0]}
		}
	}
	return conds, nil
}

// equalities flattens {"domain":{"name":"x"}} to domain.name = x.
func (o *Type) equalities(place, prefix string, m wire.Members, depth int) (wire.Match, error) {
	var match wire.Match
	for _, mem := range m {
		if mem.Value.Kind() != '{' {
			match = append(match, wire.Condition{Name: prefix + mem.Name, Op: "=", Value: mem.Value})
			continue
		}
		inner, err := wire.MembersOf(place+"."+prefix+mem.Name, mem.Value)
		if err != nil {
			return nil, err
		}
		if depth > wire.MaxDepth {
			return nil, model.AttrErrorf(model.Invalid, place, "is nested too deep")
		}
		more, err := o.equalities(place, prefix+mem.Name+".", inner, depth+1)
		if err != nil {
			return nil, err
		}
		match = append(match, more...)
		if err := match.Check(place); err != nil {
			return nil, err
		}
	}
	return match, match.Check(place)
}

// Lookup holds the conditions for the one object that a client selects.
type Lookup struct {
	conds []store.Cond
	Named []store.Cond // the conditions in conds that come from a selector, not from a match
}

// BySelector returns a Lookup with the conditions of a selector alone.
func BySelector(conds []store.Cond) Lookup { return Lookup{conds, conds} }

// FindSelected is Find for a client's selection. If several objects match, the one in the default domain is taken. If none
// matches because the selector names an unknown domain, the error says that.
func (o *Type) FindSelected(c *dispatch.Call, tx store.ReadTx, s Lookup) (string, error) {
	conds, err := resolveNames(tx, s.conds)
	if err != nil {
		return "", err
	}
	id, err := o.Find(c, tx, conds)
	var missed *model.Error
	if !errors.As(err, &missed) {
		return id, err
	}
	switch missed.Kind {
	case model.NotFound:
		err = o.missed(tx, s)
	case model.Ambiguous:
		if narrowed, ok := store.InDefaultDomain(conds); ok {
			if id, narrower := o.Find(c, tx, narrowed); !wire.NoSingleMatch(narrower) {
				return id, narrower
			}
		}
	}
	return id, err
}

// missed returns the error for an object that was not found: about the domain or about the object itself. The domain is looked up
// only in this case. A domain that the caller does not see counts as unknown, so that the caller does not learn that it exists.
func (o *Type) missed(tx store.ReadTx, s Lookup) error {
	if err := UndefinedDomain(tx, s.Named); err != nil {
		return err
	}
	return model.NotFoundError(o.NotFound)
}

// UndefinedDomain returns an error if a condition of a selector names a domain that does not exist or that the caller does not
// see, by itself or before a user's name.
func UndefinedDomain(tx store.ReadTx, conds []store.Cond) error {
	for _, c := range conds {
		defined := true
		if name, ok := c.CalledIn(); ok {
			known, err := tx.DomainsCalled([]string{name})
			if err != nil {
				return err
			}
			defined = len(known) > 0
		} else if c.NamesDomain() {
			c.Path = nil
			found, err := tx.Find(&store.Query{Table: Types["domain"].Table, Columns: []store.Column{store.IDColumn}, Where: []store.Cond{c}, Limit: 1, Quick: true})
			if err != nil {
				return err
			}
			defined = len(found) > 0
		}
		if !defined {
			return &model.Error{Kind: model.NotFound, Noun: model.DomainNoun, Msg: "the domain is not defined"}
		}
	}
	return nil
}

// Find returns the id of the one object that matches. If none matches, it returns the object's not-found error. If several match,
// it returns an error of kind Ambiguous that lists them.
func (o *Type) Find(c *dispatch.Call, tx store.ReadTx, conds []store.Cond) (string, error) {
	conds, err := o.Narrow(c, tx, conds)
	if err != nil {
		return "", err
	}
	rows, err := tx.Find(o.lookup(conds))
	if err != nil {
		return "", err
	}
	switch len(rows) {
	case 0:
		return "", model.NotFoundError(o.NotFound)
	case 1:
		return AsText(rows[0][0]), nil
	}
	ids := make([]any, len(rows))
	for i, r := range rows {
		ids[i] = r[0]
	}
	var ret wire.Return
	for _, name := range o.ShownWhenAmbiguous {
		ret = append(ret, wire.ReturnItem{Name: name})
	}
	p, err := o.Project(c, ret, "")
	if err != nil {
		return "", err
	}
	named, err := p.Rows(tx, store.Query{Table: o.Table, Where: []store.Cond{store.ByIDs(ids)},
		Sort: []store.Sort{{Column: store.IDColumn}}, Limit: int64(len(ids))})
	if err != nil {
		return "", err
	}
	array := append(JoinValues([]byte(`{"rows":[`), named), "]}"...)
	return "", &model.Error{Kind: model.Ambiguous, Msg: "the selector matches more than one " + o.Noun, Detail: jsontext.Value(array)}
}

// Ordering returns the sort order of a search: the given attributes, and the id last, so that the order is total.
func (o *Type) Ordering(sort []string, order string) ([]store.Sort, error) {
	if order != "" && order != "asc" && order != "desc" {
		return nil, model.AttrErrorf(model.Invalid, "order", "must be asc or desc")
	}
	if len(sort) > maxSort {
		return nil, model.AttrErrorf(model.Invalid, "sort", "has more than %d names", maxSort)
	}
	if len(sort) == 0 && o.Order != "" {
		sort = []string{o.Order}
	}
	var keys []store.Sort
	for _, name := range sort {
		name, minus := strings.CutPrefix(name, "-")
		path, a, err := o.Resolve("sort", name, false)
		if err != nil {
			return nil, err
		}
		if a.derived() {
			return nil, model.AttrErrorf(model.Invalid, "sort", "%q cannot be sorted by", name)
		}
		col := store.Column{Path: path, Name: a.compared, Zero: a.zero()}
		keys = append(keys, store.Sort{Column: col, Desc: minus || order == "desc"})
		if len(path) == 0 && a.Name == "id" {
			return keys, nil
		}
	}
	// The id has the direction of the key before it, so that an index can serve the order.
	desc := order == "desc"
	if len(keys) > 0 {
		desc = keys[len(keys)-1].Desc
	}
	return append(keys, store.Sort{Column: store.IDColumn, Desc: desc}), nil
}

// zero returns the value that an empty value is sorted as.
func (a *Attr) zero() any {
	switch a.Kind {
	case Integer, Date:
		return int64(0)
	case Boolean:
		return false
	}
	return ""
}
