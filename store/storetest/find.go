package storetest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"tokensmith/model"
	"tokensmith/store"
)

var findCases = []contractCase{
	{"find/limit and offset", limits},
	{"find/count", counts},
	{"find/order and going on after a row", goingOn},
	{"find/conditions through paths", throughPaths},
	{"find/paths that lead to nothing", pathsToNothing},
	{"find/each row by itself", eachRow},
	{"find/too much", tooMuch},
}

func limits(t *testing.T, d *Database) {
	s := d.Open(t)
	for i := range 5 {
		insert(t, s, repository(fmt.Sprint("r", i)))
	}
	for _, c := range []struct {
		limit, offset int64
		want          []string
	}{{0, 0, nil}, {0, 2, nil}, {1, 0, []string{"r0"}}, {2, 2, []string{"r2", "r3"}}, {10, 4, []string{"r4"}}, {10, 5, nil}, {10, 50, nil},
		{1 << 62, 3, []string{"r3", "r4"}}} {
		var got []string
		view(t, s, func(tx store.ReadTx) error {
			rows, err := tx.Find(&store.Query{Table: "repositories", Columns: []store.Column{{Name: "name"}}, Limit: c.limit, Offset: c.offset,
				Sort: []store.Sort{{Column: store.Column{Name: "name"}}}})
			for _, r := range rows {
				got = append(got, r[0].(string))
			}
			return err
		})
		if !slices.Equal(got, c.want) {
			t.Errorf("limit %d, offset %d: %q, not %q", c.limit, c.offset, got, c.want)
		}
	}
}

func counts(t *testing.T, d *Database) {
	s := d.Open(t)
	w := newWorld(t, s)
	for i := range 7 {
		tok := newToken(w.product, w.repository)
		tok.Confined = i%2 == 0
		insert(t, s, tok)
	}
	product := []store.Step{{From: "product_id", Table: "products", To: "id"}}
	view(t, s, func(tx store.ReadTx) error {
		for want, where := range map[int64][]store.Cond{
			8: nil,
			4: {{Column: "confined", Op: store.Eq, Value: true}},
			0: {{Column: "confined", Op: store.Eq, Value: true}, {Path: product, Column: "name", Op: store.Eq, Value: "no"}},
		} {
			n, err := tx.Count(&store.Query{Table: "tokens", Where: where, Limit: 2, Offset: 1, Sort: []store.Sort{{Column: store.Column{Path: product, Name: "name", Zero: ""}}}})
			if err != nil {
				return err
			}
			if n != want {
				t.Errorf("%d, not %d, fit %v", n, want, where)
			}
		}
		return nil
	})
	view(t, s, func(tx store.ReadTx) error {
		yes, err := tx.Exists(store.ProductTokens, w.token.ProductID)
		no, err2 := tx.Exists(store.ProductTokens, "none")
		if !yes || no || err != nil || err2 != nil {
			t.Error("Exists: ", yes, no, err, err2)
		}
		return nil
	})
}

// goingOn reads a table in pages, sorted in every combination of directions by a text, a joined text and a joined number that are
// NULL in some rows, a boolean, and the id. Each page continues after the last row of the page before.
func goingOn(t *testing.T, d *Database) {
	s := d.Open(t)
	w := newWorld(t, s)
	root := newRepository()
	root.Name = "Root"
	insert(t, s, root)
	// key is what a row is sorted by: the status, the name of the parent repository, the counter of the state, confined, and the
	// id.
	type key struct {
		status, parent string
		counter        int64
		confined       bool
		id             string
	}
	var keys []key
	update(t, s, func(tx store.Tx) error {
		if err := tx.Delete(w.token); err != nil {
			return err
		}
		kids := []*model.Repository{newRepository(), newRepository()}
		kids[0].ParentID = &root.ID
		if err := insertAll(tx, kids[0], kids[1]); err != nil {
			return err
		}
		for i := range 24 {
			tok := newToken(w.product, kids[i%2])
			tok.Status = []string{"b", "B", "ä"}[i%3]
			tok.Confined = i%4 < 2
			k := key{status: tok.Status, confined: tok.Confined, id: tok.ID}
			if i%2 == 0 {
				k.parent = root.Name
			}
			if err := tx.Insert(tok); err != nil {
				return err
			}
			if i%5 > 1 {
				k.counter = int64(i%5) - 3 // -1, 0, 1
				if err := tx.Insert(&model.TokenState{TokenID: tok.ID, Counter: k.counter}); err != nil {
					return err
				}
			}
			keys = append(keys, k)
		}
		return nil
	})
	toBool := func(b bool) int {
		if b {
			return 1
		}
		return 0
	}
	parent := []store.Step{{From: "repository_id", Table: "repositories", To: "id"}, {From: "parent_id", Table: "repositories", To: "id"}}
	state := []store.Step{{From: "id", Table: "token_states", To: "token_id"}}
	columns := []store.Column{{Name: "status", Zero: ""}, {Path: parent, Name: "name", Zero: ""}, {Path: state, Name: "counter", Zero: int64(0)},
		{Name: "confined", Zero: false}, {Name: "id"}}
	for mask := range 1 << len(columns) {
		q := &store.Query{Table: "tokens", Columns: columns, Limit: 5}
		for i, c := range columns {
			q.Sort = append(q.Sort, store.Sort{Column: c, Desc: mask>>i&1 == 1})
		}
		if mask%2 == 1 { // with a condition, too
			q.Where = []store.Cond{{Column: "status", Op: store.Ne, Value: "none"}}
		}
		sign := func(i, c int) int {
			if mask>>i&1 == 1 {
				return -c
			}
			return c
		}
		slices.SortFunc(keys, func(a, b key) int {
			return cmp.Or(sign(0, cmp.Compare(a.status, b.status)), sign(1, cmp.Compare(a.parent, b.parent)), sign(2, cmp.Compare(a.counter, b.counter)),
				sign(3, cmp.Compare(toBool(a.confined), toBool(b.confined))), sign(4, cmp.Compare(a.id, b.id)))
		})
		var got, want []string
		for _, k := range keys {
			want = append(want, k.id)
		}
		view(t, s, func(tx store.ReadTx) error {
			for range len(keys) {
				rows, err := tx.Find(q)
				if err != nil || len(rows) == 0 {
					return err
				}
				for _, r := range rows {
					got = append(got, r[4].(string))
				}
				q.After = rows[len(rows)-1]
				for i, v := range q.After {
					if v == nil {
						q.After[i] = columns[i].Zero
					}
				}
			}
			return nil
		})
		if !slices.Equal(got, want) {
			t.Fatalf("directions %05b: %v\nnot %v", mask, got, want)
		}
	}
}

func throughPaths(t *testing.T, d *Database) {
	s := d.Open(t)
	w := newWorld(t, s)
	other := newUser(w.domain)
	shared := newToken(w.product, w.repository)
	owns := newAssignment(w.token, w.user)
	owns.IsOwner = true
	insert(t, s, other, shared, owns, newAssignment(w.token, other), newAssignment(shared, w.user), newAssignment(shared, other))
	own := store.Step{From: "id", Table: "token_assignments", To: "user_id", Only: &store.Cond{Column: "is_owner", Op: store.Eq, Value: true}}
	has := store.Step{From: "id", Table: "token_assignments", To: "user_id"}
	toToken := store.Step{From: "token_id", Table: "tokens", To: "id"}
	toProduct := store.Step{From: "product_id", Table: "products", To: "id"}
	both, first := []any{w.user.ID, other.ID}, []any{w.user.ID}
	for _, c := range []struct {
		name string
		cond store.Cond
		want []any
	}{
		{"any token's serial", store.Cond{Path: []store.Step{has, toToken}, Column: "serial", Op: store.Eq, Value: w.token.Serial}, both},
		{"own token's serial", store.Cond{Path: []store.Step{own, toToken}, Column: "serial", Op: store.Eq, Value: w.token.Serial}, first},
		{"own token's serial, another's", store.Cond{Path: []store.Step{own, toToken}, Column: "serial", Op: store.Eq, Value: shared.Serial}, nil},
		{"own token's serial in", store.Cond{Path: []store.Step{own, toToken}, Column: "serial", Op: store.In, Value: []any{shared.Serial, w.token.Serial}}, first},
		{"own token's id", store.Cond{Path: []store.Step{own, toToken}, Column: "id", Op: store.Eq, Value: w.token.ID}, first},
		{"three steps", store.Cond{Path: []store.Step{own, toToken, toProduct}, Column: "product_code", Op: store.StartsOn, Value: w.product.ProductCode}, first},
		{"three steps to an id", store.Cond{Path: []store.Step{has, toToken, toProduct}, Column: "id", Op: store.Eq, Value: w.product.ID}, both},
		{"a narrowed step to an id", store.Cond{Path: []store.Step{has, {From: "token_id", Table: "tokens", To: "id",
			Only: &store.Cond{Column: "serial", Op: store.Eq, Value: "none"}}}, Column: "id", Op: store.Eq, Value: w.token.ID}, nil},
		{"any of several rows", store.Cond{Path: []store.Step{has, toToken}, Column: "serial", Op: store.Ne, Value: w.token.Serial}, both},
		{"some token", store.Cond{Path: []store.Step{has, toToken}, Op: store.Some}, both},
		{"no token", store.Cond{Path: []store.Step{has, toToken}, Op: store.None}, nil},
		{"some own token", store.Cond{Path: []store.Step{own, toToken}, Op: store.Some}, first},
		{"no own token", store.Cond{Path: []store.Step{own, toToken}, Op: store.None}, []any{other.ID}},
		{"no device", store.Cond{Path: []store.Step{{From: "id", Table: "devices", To: "user_id"}}, Op: store.None}, both},
		{"some domain", store.Cond{Path: []store.Step{store.ToDomain}, Op: store.Some}, both},
	} {
		if got := values(t, s, "users", "id", c.cond); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, not %v", c.name, got, c.want)
		}
		// The parameters must be in the order of the SQL, whatever other conditions there are.
		around := values(t, s, "users", "id", store.Cond{Column: "domain_id", Op: store.Eq, Value: w.domain.ID}, c.cond, store.Cond{Column: "status", Op: store.Eq, Value: model.Active})
		if !slices.Equal(around, c.want) {
			t.Errorf("%s among others: %v, not %v", c.name, around, c.want)
		}
	}
}

// pathsToNothing: a path leads to no row if the row refers to none, or if the scope hides it.
func pathsToNothing(t *testing.T, d *Database) {
	s := d.Open(t)
	top, below := repository("top"), repository("below")
	below.ParentID = &top.ID
	insert(t, s, top, below)
	parent := store.Step{From: "parent_id", Table: "repositories", To: "id"}
	children := store.Step{From: "id", Table: "repositories", To: "parent_id"}
	for _, c := range []struct {
		path       []store.Step
		scope      store.Scope
		none, some []any
	}{
		{[]store.Step{parent}, nil, []any{top.ID}, []any{below.ID}},
		{[]store.Step{children}, nil, []any{below.ID}, []any{top.ID}},
		{[]store.Step{parent, children}, nil, []any{top.ID}, []any{below.ID}},
		{[]store.Step{parent}, store.Scope{"repositories": {{Column: "id", Op: store.Eq, Value: below.ID}}}, []any{below.ID}, nil},
		{[]store.Step{children}, store.Scope{"repositories": {{Column: "id", Op: store.Eq, Value: top.ID}}}, []any{top.ID}, nil},
	} {
		for op, want := range map[store.Op][]any{store.None: c.none, store.Some: c.some} {
			var got []any
			view(t, s, func(tx store.ReadTx) error {
				tx.SetScope(c.scope)
				rows, err := tx.Find(&store.Query{Table: "repositories", Columns: []store.Column{{Name: "id"}}, Limit: 10,
					Where: []store.Cond{{Column: "name", Op: store.In, Value: []any{"top", "below"}}, {Path: c.path, Op: op}}})
				for _, r := range rows {
					got = append(got, r[0])
				}
				return err
			})
			if !slices.Equal(got, want) {
				t.Errorf("%v %s: %v, not %v", c.path, op, got, want)
			}
		}
	}
}

// eachRow: rows are passed one at a time. An error of fn ends Each, but does not spoil the transaction.
func eachRow(t *testing.T, d *Database) {
	s := d.Open(t)
	for i := range 5 {
		insert(t, s, repository(fmt.Sprint("r", i)))
	}
	enough := errors.New("enough")
	view(t, s, func(tx store.ReadTx) error {
		q := &store.Query{Table: "repositories", Columns: []store.Column{{Name: "name"}}, Limit: 4, Sort: []store.Sort{{Column: store.Column{Name: "name"}, Desc: true}}}
		for _, stop := range []int{2, 100} {
			var got []string
			err := tx.Each(q, func(row store.Row) error {
				if got = append(got, row[0].(string)); len(got) == stop {
					return enough
				}
				return nil
			})
			want := []string{"r4", "r3", "r2", "r1"}
			if stop == 2 {
				want = want[:2]
			}
			if !slices.Equal(got, want) || errors.Is(err, enough) != (stop == 2) {
				t.Errorf("until %d: %q, %v", stop, got, err)
			}
		}
		return tx.Failed()
	})
}

// tooMuch: a query that is too large for one of the databases is Invalid on both, and does not spoil the transaction.
func tooMuch(t *testing.T, d *Database) {
	s := d.Open(t)
	insert(t, s, repository("r"))
	where := func(n int, c store.Cond) []store.Cond { return slices.Repeat([]store.Cond{c}, n) }
	long := strings.Repeat("x", 60_000)
	for what, c := range map[string]struct {
		where []store.Cond
		fits  bool
	}{
		"conditions":   {where(501, store.Cond{Column: "name", Op: store.Ne, Value: "a"}), false},
		"values":       {where(1, store.Cond{Column: "name", Op: store.In, Value: slices.Repeat([]any{"a"}, 32_001)}), false},
		"a pattern":    {where(1, store.Cond{Column: "name", Op: store.Like, Value: "%" + long}), false},
		"an end":       {where(1, store.Cond{Column: "name", Op: store.EndsOn, Value: strings.Repeat("_", 25_000)}), false},
		"a long text":  {where(1, store.Cond{Column: "name", Op: store.Ne, Value: long}), true},
		"a long start": {where(1, store.Cond{Column: "name", Op: store.Like, Value: long + "%"}), true},
		"most":         {where(1, store.Cond{Column: "name", Op: store.Like, Value: "%" + strings.Repeat("x", store.MaxPattern-1)}), true},
	} {
		view(t, s, func(tx store.ReadTx) error {
			q := &store.Query{Table: "repositories", Columns: []store.Column{{Name: "name"}}, Where: c.where, Limit: 4}
			_, err := tx.Find(q)
			_, counted := tx.Count(q)
			for _, err := range []error{err, counted} {
				var e *model.Error
				if invalid := errors.As(err, &e) && e.Kind == model.Invalid; invalid == c.fits || c.fits && err != nil {
					t.Errorf("%s: %v", what, err)
				}
			}
			return tx.Failed()
		})
	}
}
