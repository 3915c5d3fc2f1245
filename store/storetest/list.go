package storetest

import (
	"fmt"
	"slices"
	"testing"

	"tokensmith/model"
	"tokensmith/store"
)

var listCases = []contractCase{
	{"list/empty", emptyLists},
	{"list/longer than a statement takes", longLists},
	{"list/insert many", insertMany},
	{"list/assignments by token", assignmentsByToken},
	{"list/permissions of users and of tokens' users", permissionsOf},
	{"list/too large for a statement is refused", tooLarge},
}

func emptyLists(t *testing.T, d *Database) {
	s := d.Open(t)
	w := newWorld(t, s)
	update(t, s, func(tx store.Tx) error {
		for _, list := range [][]string{nil, {}} {
			domains, err := tx.DomainsByName(list)
			if err != nil || domains == nil || len(domains) != 0 {
				return fmt.Errorf("DomainsByName: %v, %w", domains, err)
			}
			users, err := tx.UsersByLogin(w.domain.ID, list)
			if err != nil || users == nil || len(users) != 0 {
				return fmt.Errorf("UsersByLogin: %v, %w", users, err)
			}
			tokens, err := tx.TokensBySerial(w.product.ID, list)
			if err != nil || tokens == nil || len(tokens) != 0 {
				return fmt.Errorf("TokensBySerial: %v, %w", tokens, err)
			}
			held, err := tx.AssignmentsOfTokens(list)
			if err != nil || held == nil || len(held) != 0 {
				return fmt.Errorf("AssignmentsOfTokens: %v, %w", held, err)
			}
		}
		for _, rows := range [][]model.Token{nil, {}} {
			for _, skip := range []bool{false, true} {
				if n, err := tx.InsertMany(rows, skip); n != 0 || err != nil {
					return fmt.Errorf("InsertMany: %d, %w", n, err)
				}
			}
		}
		none := []store.Cond{{Column: "id", Op: store.In, Value: []any{}}}
		for _, where := range [][]store.Cond{none, append(none, store.Cond{Column: "name", Op: store.Ne, Value: ""}),
			{{Path: []store.Step{{From: "parent_id", Table: "repositories", To: "id"}}, Column: "name", Op: store.In, Value: []any{}}}} {
			q := &store.Query{Table: "repositories", Columns: []store.Column{{Name: "id"}}, Where: where, Limit: 10}
			rows, err := tx.Find(q)
			n, err2 := tx.Count(q)
			if len(rows) != 0 || n != 0 || err != nil || err2 != nil {
				return fmt.Errorf("in none: %v, %d, %w, %w", rows, n, err, err2)
			}
		}
		return nil
	})
}

// longLists: more values than one statement looks up (500), and a search for many values.
func longLists(t *testing.T, d *Database) {
	s := d.Open(t)
	w := newWorld(t, s)
	const many = 1234
	var rows []model.Token
	var serials, ids []string
	in := []any{}
	for range many {
		tok := newToken(w.product, w.repository)
		rows, serials, ids, in = append(rows, *tok), append(serials, tok.Serial), append(ids, tok.ID), append(in, tok.ID)
	}
	for i := range 10_000 - many {
		in = append(in, fmt.Sprint("none ", i))
	}
	other := newProduct()
	elsewhere := newToken(other, w.repository)
	elsewhere.Serial = serials[0]
	update(t, s, func(tx store.Tx) error {
		if n, err := tx.InsertMany(rows, false); n != many || err != nil {
			return fmt.Errorf("InsertMany: %d, %w", n, err)
		}
		var assignments []model.Assignment
		for _, r := range rows {
			assignments = append(assignments, *newAssignment(&r, w.user))
		}
		_, err := tx.InsertMany(assignments, false)
		return err
	})
	insert(t, s, other, elsewhere)
	view(t, s, func(tx store.ReadTx) error {
		found, err := tx.TokensBySerial(w.product.ID, append(serials, "none"))
		if err != nil {
			return err
		}
		held, err := tx.AssignmentsOfTokens(append(ids, "none"))
		if err != nil {
			return err
		}
		for i, r := range rows {
			if found[serials[i]].ID != r.ID || len(held[r.ID]) != 1 {
				t.Fatalf("token %d: found %q, held %v", i, found[serials[i]].ID, held[r.ID])
			}
		}
		if len(found) != many || len(held) != many {
			t.Errorf("found %d, held %d", len(found), len(held))
		}
		n, err := tx.AssignedOfProduct(w.user.ID, w.product.ID)
		if n != many || err != nil {
			t.Errorf("AssignedOfProduct: %d, %v", n, err)
		}
		if counts, err := tx.AssignedTo([]string{w.user.ID, "none"}); len(counts) != 1 || counts[w.user.ID] != many || err != nil {
			t.Errorf("AssignedTo: %v, %v", counts, err)
		}
		q := &store.Query{Table: "tokens", Columns: []store.Column{{Name: "id"}}, Where: []store.Cond{{Column: "id", Op: store.In, Value: in}}, Limit: 9999}
		found2, err := tx.Find(q)
		if len(found2) != many {
			t.Errorf("in %d values: %d found", len(in), len(found2))
		}
		return err
	})
}

func insertMany(t *testing.T, d *Database) {
	s := d.Open(t)
	w := newWorld(t, s)
	var rows []model.Token
	for range 300 { // about four statements
		rows = append(rows, *newToken(w.product, w.repository))
	}
	rows[150].Serial = w.token.Serial // exists already
	rows[299].Serial = rows[0].Serial // twice in the list
	wantKind(t, refused(s, func(tx store.Tx) error { _, err := tx.InsertMany(rows, false); return err }), model.Exists)
	if got := values(t, s, "tokens", "id"); len(got) != 1 {
		t.Errorf("a refused insert left %d rows", len(got)-1)
	}
	update(t, s, func(tx store.Tx) error {
		n, err := tx.InsertMany(rows, true)
		if n != 298 {
			t.Errorf("%d were new, not 298", n)
		}
		return err
	})
	if got := values(t, s, "tokens", "id"); len(got) != 299 {
		t.Errorf("%d tokens", len(got))
	}
	// skip is for rows that exist already, not for rows that refer to missing ones.
	orphan := newToken(w.product, w.repository)
	orphan.ProductID = "none"
	wantKind(t, refused(s, func(tx store.Tx) error { _, err := tx.InsertMany([]model.Token{*orphan}, true); return err }), model.InUse)
}

func assignmentsByToken(t *testing.T, d *Database) {
	s := d.Open(t)
	w := newWorld(t, s)
	second, bare := newUser(w.domain), newToken(w.product, w.repository)
	first := newAssignment(w.token, w.user)
	later := newAssignment(w.token, second)
	insert(t, s, second, bare, later, first, &model.UserState{UserID: second.ID, FailCount: 3})
	update(t, s, func(tx store.Tx) error {
		held, err := tx.AssignmentsOfTokens([]string{w.token.ID, bare.ID})
		if got := held[w.token.ID]; len(held) != 1 || len(got) != 2 || got[0].ID != first.ID || got[1].ID != later.ID {
			t.Errorf("held %+v, not oldest first", held)
		}
		if err != nil {
			return err
		}
		if err := tx.Touch(w.token.ID, 77); err != nil {
			return err
		}
		return tx.ClearFailures(w.token.ID)
	})
	view(t, s, func(tx store.ReadTx) error {
		var state model.UserState
		var tok model.Token
		if err := tx.Load(&state, second.ID); err != nil {
			return err
		}
		err := tx.Load(&tok, w.token.ID)
		if state.FailCount != 0 || tok.LastUpdated != 77 {
			t.Errorf("%+v, %+v", state, tok)
		}
		if has, err := tx.Exists(store.ProductTokens, w.product.ID); !has || err != nil {
			t.Error("ProductTokens: ", has, err)
		}
		if has, err := tx.Exists(store.ProductTokens, "none"); has || err != nil {
			t.Error("ProductTokens: ", has, err)
		}
		return err
	})
}

// permissionsOf: also for more users and tokens than one statement accepts, and independently of the scope.
func permissionsOf(t *testing.T, d *Database) {
	s := d.Open(t)
	w := newWorld(t, s)
	boss, clerk := newUser(w.domain), newUser(w.domain)
	boss.Permissions, clerk.Permissions = "*", "token/search,user/*"
	twin := newUser(w.domain)
	twin.Permissions = clerk.Permissions
	shared := newToken(w.product, w.repository)
	other := newProduct()
	others := newToken(other, w.repository)
	limited := &model.Agent{ID: newID(), Name: "limited", NameFolded: "limited", SecretHash: []byte{1}, Domains: "x,y", Status: model.DisabledBy}
	insert(t, s, boss, clerk, twin, shared, newAssignment(w.token, w.user), newAssignment(shared, w.user), newAssignment(shared, boss),
		other, others, newAssignment(others, clerk), newAssignment(others, twin), newAssignment(others, w.user),
		limited, &model.Agent{ID: newID(), Name: "Limited", NameFolded: "limited", SecretHash: []byte{1}})
	nobody := make([]string, 1200)
	for i := range nobody {
		nobody[i] = fmt.Sprint("nobody", i)
	}
	view(t, s, func(tx store.ReadTx) error {
		tx.SetScope(store.Scope{})
		all, err := tx.Administrators()
		var who []string
		for _, u := range all {
			who = append(who, u.ID)
		}
		if slices.Sort(who); err != nil || !slices.Equal(who, []string{boss.ID, clerk.ID, twin.ID}) {
			t.Errorf("administrators are %q, %v", who, err)
		}
		for want, names := range map[int][]string{0: {"Limited", "none"}, 2: append(slices.Clone(nobody), "limited", "limited")} {
			called, err := tx.AgentsCalled(names)
			if err != nil || len(called) != want {
				t.Errorf("of %d names: %d agents, not %d; %v", len(names), len(called), want, err)
			}
		}
		for _, c := range []struct {
			users, tokens []string
			want          string
		}{
			{nil, nil, "[]"},
			{[]string{w.user.ID}, []string{w.token.ID}, "[]"},
			{[]string{w.user.ID, clerk.ID, twin.ID}, nil, "[token/search,user/*]"},
			{nil, []string{w.token.ID, shared.ID}, "[*]"},
			{append(nobody, clerk.ID), append(nobody, shared.ID), "[* token/search,user/*]"},
			{[]string{boss.ID}, []string{shared.ID}, "[*]"},
		} {
			got, err := tx.PermissionsOf(c.users, c.tokens)
			if err != nil {
				return err
			}
			if fmt.Sprint(got) != c.want {
				t.Errorf("of %.3q and %.3q: %v, not %s", c.users, c.tokens, got, c.want)
			}
		}
		for product, want := range map[string]string{w.product.ID: "[*]", other.ID: "[token/search,user/*]", "none": "[]"} {
			if got, err := tx.PermissionsOfProduct(product); err != nil || fmt.Sprint(got) != want {
				t.Errorf("of product %s: %v, %v", product, got, err)
			}
		}
		agents, err := tx.LimitedAgents()
		if err != nil || len(agents) != 1 || agents[0].ID != limited.ID {
			t.Errorf("limited are %v, %v", agents, err)
		}
		return nil
	})
}

// tooLarge: one database accepts more than the other. The store refuses on both, as a client error, what one of them does not
// accept.
func tooLarge(t *testing.T, d *Database) {
	s := d.Open(t)
	in := make([]any, 10_000)
	for i := range in {
		in[i] = "x"
	}
	in10k := store.Cond{Column: "id", Op: store.In, Value: in}
	is := store.Cond{Column: "id", Op: store.Ne, Value: "x"}
	for name, c := range map[string]struct {
		cond store.Cond
		n    int
		ok   bool
	}{"3 lists": {in10k, 3, true}, "4 lists": {in10k, 4, false}, "7 lists": {in10k, 7, false}, "500 conditions": {is, 500, true}, "501 conditions": {is, 501, false}} {
		q := &store.Query{Table: "tokens", Columns: []store.Column{{Name: "id"}}, Limit: 1}
		for range c.n {
			q.Where = append(q.Where, c.cond)
		}
		view(t, s, func(tx store.ReadTx) error {
			_, err := tx.Find(q)
			_, err2 := tx.Count(q)
			if c.ok {
				if err != nil || err2 != nil {
					t.Errorf("%s: %v, %v", name, err, err2)
				}
				return nil
			}
			wantKind(t, err, model.Invalid)
			wantKind(t, err2, model.Invalid)
			wantKind(t, tx.Load(new(model.Token), "none"), model.NotFound) // the View continues
			return nil
		})
	}
}
