package rpc

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"tokensmith/model"
	"tokensmith/store"
)

// Searches that people make by what identifies things are served from an index: SQLite's plan has no scan of a large
// table.
func TestSearchesUseIndexes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "test.db")
	st, err := store.Open(t.Context(), file, filepath.Join(dir, "key"))
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	db, err := sql.Open("sqlite3", file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	cases := []struct {
		obj   *object
		match string
	}{
		{tokenObject, `[["description","=","x"]]`}, // has no index: the test must see that
		{tokenObject, `[["serial","=","1"]]`},
		{tokenObject, `[["serial",">>","1"]]`},
		{tokenObject, `[["serial","in",["1","2"]]]`},
		{tokenObject, `[["id","=","1"]]`},
		{tokenObject, `[["user.id","=","1"]]`},
		{tokenObject, `[["user.loginName","=","x"]]`},
		{tokenObject, `[["user.email","=","x"]]`},
		{tokenObject, `[["user.loginName","=","x"],["user.domain.name","=","d"]]`},
		{tokenObject, `[["product.id","=","1"]]`},
		{tokenObject, `[["product.manufacturerCode","=","DN"],["product.productCode","=","ST"]]`},
		{tokenObject, `[["status","=","ACTIVE"]]`},
		{tokenObject, `[["repository.id","=","1"]]`},
		{tokenObject, `[["repository.name","=","default"]]`},
		{userObject, `[["loginName","=","x"]]`},
		{userObject, `[["loginName",">>","x"]]`},
		{userObject, `[["email","=","x"]]`},
		{userObject, `[["domain.name","=","x"],["loginName","=","y"]]`},
		{userObject, `[["tokens.serial","=","x"]]`},
		{assignmentObject, `[["token.id","=","x"]]`},
		{assignmentObject, `[["token.serial","=","x"]]`},
		{assignmentObject, `[["user.id","=","x"]]`},
		{assignmentObject, `[["user.loginName","=","x"]]`},
		{deviceObject, `[["name","=","x"]]`},
		{deviceObject, `[["name",">>","x"]]`},
		{deviceObject, `[["user.id","=","x"]]`},
		{deviceObject, `[["user.loginName","=","x"]]`},
		{deviceObject, `[["license.id","=","x"]]`},
		{deviceObject, `[["license.name","=","x"]]`},
		{deviceObject, `[["groups.id","=","x"]]`},
		{deviceObject, `[["groups.name","=","x"]]`},
		{installationObject, `[["device.id","=","x"]]`},
		{installationObject, `[["user.loginName","=","x"]]`},
		{installationObject, `[["domain.name","=","x"]]`},
		{installationObject, `[["groups.id","=","x"]]`},
		{installationUseObject, `[["device.id","=","x"]]`},
		{groupObject, `[["name","=","x"]]`},
		{groupObject, `[["devices.name","=","x"]]`},
		{licenseObject, `[["name","=","x"]]`},
		{userObject, `[["devices.name","=","x"]]`},
		{auditObject, `[["time",">=","2026-01-01"]]`},
		{auditObject, `[["id","=","x"]]`},
	}
	for i, c := range cases {
		var m Match
		err := json.Unmarshal([]byte(c.match), &m)
		if err != nil {
			t.Fatal(err)
		}
		conds, err := c.obj.conds("match", m)
		if err != nil {
			t.Fatal(err)
		}
		sort, err := c.obj.ordering(nil, "")
		if err != nil {
			t.Fatal(err)
		}
		p, err := c.obj.project(&call{caller: caller{agent: &model.Agent{}}, method: &method{}}, names("*"), "return")
		if err != nil {
			t.Fatal(err)
		}
		q := store.Query{Table: c.obj.table, Columns: p.columns, Where: conds, Sort: sort, Limit: 20}
		text, args, err := q.Select()
		if err != nil {
			t.Fatal(err)
		}
		rows, err := db.Query("EXPLAIN QUERY PLAN "+text, args...)
		if err != nil {
			t.Fatal(c.match, err)
		}
		var plan []string
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				t.Fatal(err)
			}
			plan = append(plan, detail)
		}
		rows.Close()
		if i == 0 {
			if !strings.HasPrefix(plan[0], "SCAN t0") {
				t.Errorf("a search without an index is not seen: %v", plan)
			}
			continue
		}
		for _, step := range plan {
			for _, large := range []string{"t0", "tokens", "users", "token_assignments", "token_states", "user_states", "devices", "group_members", "client_tokens"} {
				if step == "SCAN "+large || strings.HasPrefix(step, "SCAN "+large+" ") {
					t.Errorf("%s %s: %s\n%s\n%s", c.obj.name, c.match, step, text, strings.Join(plan, "\n"))
				}
			}
		}
	}
}
