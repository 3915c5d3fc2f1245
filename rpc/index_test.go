package rpc

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"tokensmith/model"
	"tokensmith/rpc/admin"
	"tokensmith/rpc/caller"
	"tokensmith/rpc/device"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/emergency"
	"tokensmith/rpc/installation"
	"tokensmith/rpc/object"
	"tokensmith/rpc/people"
	"tokensmith/rpc/token"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// The usual searches by an identifying attribute use an index: SQLite's query plan contains no scan of a large table.
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
		obj   *object.Type
		match string
	}{
		{token.TokenType, `[["description","=","x"]]`}, // has no index: proves that the test notices a scan
		{token.TokenType, `[["serial","=","1"]]`},
		{token.TokenType, `[["serial",">>","1"]]`},
		{token.TokenType, `[["serial","in",["1","2"]]]`},
		{token.TokenType, `[["id","=","1"]]`},
		{token.TokenType, `[["user.id","=","1"]]`},
		{token.TokenType, `[["user.loginName","=","x"]]`},
		{token.TokenType, `[["user.email","=","x"]]`},
		{token.TokenType, `[["user.loginName","=","x"],["user.domain.name","=","d"]]`},
		{token.TokenType, `[["product.id","=","1"]]`},
		{token.TokenType, `[["product.manufacturerCode","=","DN"],["product.productCode","=","ST"]]`},
		{token.TokenType, `[["status","=","ACTIVE"]]`},
		{token.TokenType, `[["repository.id","=","1"]]`},
		{token.TokenType, `[["repository.name","=","default"]]`},
		{people.UserType, `[["loginName","=","x"]]`},
		{people.UserType, `[["loginName",">>","x"]]`},
		{people.UserType, `[["firstName",">>","x"]]`},
		{people.UserType, `[["lastName",">>","x"],["firstName",">>","y"]]`},
		{people.UserType, `[["email","=","x"]]`},
		{people.UserType, `[["domain.name","=","x"],["loginName","=","y"]]`},
		{people.UserType, `[["tokens.serial","=","x"]]`},
		{people.UserType, `[["group.id","=","x"]]`},
		{people.UserType, `[["groups.name","=","x"]]`},
		{people.UserType, `[["group.name","=","x"],["domain.name","=","y"]]`},
		{people.UserType, `[["unit.id","=","x"]]`},
		{people.UserType, `[["unit.name","=","x"]]`},
		{people.UnitType, `[["name","=","x"]]`},
		{people.UnitType, `[["domain.id","=","x"],["parent.id","=","y"]]`},
		{people.UnitType, `[["parent.id","=","x"]]`},
		{people.UnitType, `[["children.id","=","x"]]`},
		{people.GroupType, `[["name","=","x"]]`},
		{people.GroupType, `[["domain.id","=","x"]]`},
		{people.GroupType, `[["users.id","=","x"]]`},
		{people.GroupType, `[["parents.id","=","x"]]`},
		{people.GroupType, `[["members.id","=","x"]]`},
		{token.AssignmentType, `[["token.id","=","x"]]`},
		{token.AssignmentType, `[["token.serial","=","x"]]`},
		{token.AssignmentType, `[["user.id","=","x"]]`},
		{token.AssignmentType, `[["user.loginName","=","x"]]`},
		{device.DeviceType, `[["name","=","x"]]`},
		{device.DeviceType, `[["name",">>","x"]]`},
		{device.DeviceType, `[["user.id","=","x"]]`},
		{device.DeviceType, `[["user.loginName","=","x"]]`},
		{device.DeviceType, `[["license.id","=","x"]]`},
		{device.DeviceType, `[["license.name","=","x"]]`},
		{device.DeviceType, `[["groups.id","=","x"]]`},
		{device.DeviceType, `[["groups.name","=","x"]]`},
		{installation.CodeType, `[["device.id","=","x"]]`},
		{installation.CodeType, `[["user.loginName","=","x"]]`},
		{installation.CodeType, `[["domain.name","=","x"]]`},
		{installation.CodeType, `[["groups.id","=","x"]]`},
		{installation.UseType, `[["device.id","=","x"]]`},
		{device.DeviceGroupType, `[["name","=","x"]]`},
		{device.DeviceGroupType, `[["devices.name","=","x"]]`},
		{device.LicenseType, `[["name","=","x"]]`},
		{people.UserType, `[["devices.name","=","x"]]`},
		{people.UserType, `[["tempPasses.id","=","x"]]`},
		{emergency.TempPassType, `[["id","=","x"]]`},
		{emergency.TempPassType, `[["user.id","=","x"]]`},
		{emergency.TempPassType, `[["user.loginName","=","x"]]`},
		{admin.AuditType, `[["time",">=","2026-01-01"]]`},
		{admin.AuditType, `[["id","=","x"]]`},
	}
	for i, c := range cases {
		var m wire.Match
		err := json.Unmarshal([]byte(c.match), &m)
		if err != nil {
			t.Fatal(err)
		}
		conds, err := c.obj.Conds("match", m)
		if err != nil {
			t.Fatal(err)
		}
		sort, err := c.obj.Ordering(nil, "")
		if err != nil {
			t.Fatal(err)
		}
		p, err := c.obj.Project(&dispatch.Call{Caller: caller.Caller{Agent: &model.Agent{}}, Method: &dispatch.Method{}}, wire.ReturnNames("*"), "return")
		if err != nil {
			t.Fatal(err)
		}
		q := store.Query{Table: c.obj.Table, Columns: p.Columns, Where: conds, Sort: sort, Limit: 20}
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
			for _, large := range []string{"t0", "tokens", "users", "token_assignments", "token_states", "user_states", "devices", "device_group_members", "client_tokens", "units", "user_groups", "user_group_members", "user_group_parents", "temp_passes"} {
				if step == "SCAN "+large || strings.HasPrefix(step, "SCAN "+large+" ") {
					t.Errorf("%s %s: %s\n%s\n%s", c.obj.Name, c.match, step, text, strings.Join(plan, "\n"))
				}
			}
		}
	}
}
