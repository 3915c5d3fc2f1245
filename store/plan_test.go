package store_test

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"tokensmith/model"
	"tokensmith/store"
	"tokensmith/store/keyring"
	"tokensmith/store/storetest"
)

// TestPlans: an index serves every query for a noun, and the most frequent searches of clients. The plan of SQLite scans no table
// and sorts at most a few rows.
func TestPlans(t *testing.T) {
	t.Parallel()
	d := storetest.NewSQLite(t)
	s := d.Open(t)
	db, err := sql.Open("sqlite3", "file:"+d.URL+"?_case_sensitive_like=on")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	step := func(from, table, to string) store.Step { return store.Step{From: from, Table: table, To: to} }
	byID := []store.Sort{{Column: store.Column{Name: "id"}}}
	id := []store.Column{{Name: "id"}}
	search := func(table string, sort []store.Sort, where ...store.Cond) func(tx store.Tx) error {
		return func(tx store.Tx) error {
			_, err := tx.Find(&store.Query{Table: table, Columns: id, Where: where, Sort: sort, Limit: 10})
			return err
		}
	}
	eq := func(column, value string, path ...store.Step) store.Cond {
		return store.Cond{Path: path, Column: column, Op: store.Eq, Value: value}
	}
	for _, c := range []struct {
		name  string
		sorts bool // it may sort, because there are only a few rows for one token, user or name
		run   func(tx store.Tx) error
	}{
		{"Load", false, func(tx store.Tx) error { return tx.Load(new(model.Token), "x") }},
		{"Save", false, func(tx store.Tx) error { return tx.Save(&model.TokenState{TokenID: "x"}) }},
		{"Delete", false, func(tx store.Tx) error { return tx.Delete(&model.Token{ID: "x"}) }},
		{"DomainsByName", false, func(tx store.Tx) error { _, err := tx.DomainsByName([]string{"x", "y"}); return err }},
		{"UsersByLogin", false, func(tx store.Tx) error { _, err := tx.UsersByLogin("x", []string{"y", "z"}); return err }},
		{"DomainsCalled", false, func(tx store.Tx) error { _, err := tx.DomainsCalled([]string{"x", "y"}); return err }},
		{"UsersHaving", false, func(tx store.Tx) error { _, err := tx.UsersHaving([]string{"x", "y"}, []string{"z"}); return err }},
		{"UsersCalled", false, func(tx store.Tx) error { _, err := tx.UsersCalled([]string{"x", "d/y", "z@d"}); return err }},
		{"UsersNamed", false, func(tx store.Tx) error { _, err := tx.UsersNamed([]string{"x", "d/y", "z@d"}); return err }},
		{"SharedPrincipals", false, func(tx store.Tx) error { _, _, err := tx.SharedPrincipals("", 10); return err }},
		{"Administrators", false, func(tx store.Tx) error { _, err := tx.Administrators(); return err }},
		{"PermissionsOf", true, func(tx store.Tx) error { _, err := tx.PermissionsOf([]string{"x", "y"}, []string{"z"}); return err }},
		{"PermissionsOfProduct", true, func(tx store.Tx) error { _, err := tx.PermissionsOfProduct("x"); return err }},
		{"TokensBySerial", false, func(tx store.Tx) error { _, err := tx.TokensBySerial("x", []string{"y", "z"}); return err }},
		{"ProductByCodes", false, func(tx store.Tx) error { _, err := tx.ProductByCodes("x", "y"); return err }},
		{"RepositoryByName", false, func(tx store.Tx) error { _, err := tx.RepositoryByName("x"); return err }},
		{"AssignmentsOfTokens", true, func(tx store.Tx) error { _, err := tx.AssignmentsOfTokens([]string{"x", "y"}); return err }},
		{"AssignedTo", false, func(tx store.Tx) error { _, err := tx.AssignedTo([]string{"x", "y"}); return err }},
		{"AssignedOfProduct", false, func(tx store.Tx) error { _, err := tx.AssignedOfProduct("x", "y"); return err }},
		{"DisownToken", false, func(tx store.Tx) error { return tx.DisownToken("x", 1) }},
		{"Touch", false, func(tx store.Tx) error { return tx.Touch("x", 1) }},
		{"ClearFailures", false, func(tx store.Tx) error { return tx.ClearFailures("x") }},
		{"TakeMarks", true, func(tx store.Tx) error {
			_, err := tx.TakeMarks([]model.Token{{ID: "x", SeedIndex: []byte("x")}, {ID: "y", SeedIndex: []byte("y")}}, make([]model.TokenState, 2))
			return err
		}},
		{"TakeMarks of many", true, func(tx store.Tx) error {
			_, err := tx.TakeMarks(make([]model.Token, 501), make([]model.TokenState, 501))
			return err
		}},
		{"RaiseMarks", false, func(tx store.Tx) error { group := "x"; return tx.RaiseMarks(&group, model.SeedUse{Counter: 1}) }},
		{"RewindMarks", false, func(tx store.Tx) error { group := "x"; return tx.RewindMarks(&group, model.SeedUse{Counter: 1}) }},
		{"LeaveMark", false, func(tx store.Tx) error {
			group := "x"
			used := &model.Token{ID: "used", ProductID: "p", RepositoryID: "r", SeedGroup: &group}
			used.Seed = s.Keys().Seal(keyring.Place{Table: "tokens", Column: "seed", Row: used.ID}, []byte("seed"))
			for _, row := range []any{&model.Product{ID: "p"}, &model.Repository{ID: "r"}, used, &model.TokenState{TokenID: used.ID, Counter: 1}} {
				if err := tx.Insert(row); err != nil {
					return err
				}
			}
			return tx.LeaveMark(used, "x", 1)
		}},
		{"DeviceNames", false, func(tx store.Tx) error { _, err := tx.DeviceNames("x-"); return err }},
		{"DeviceGroupByName", false, func(tx store.Tx) error { _, err := tx.DeviceGroupByName("x"); return err }},
		{"DeviceGroupNames", true, func(tx store.Tx) error { _, err := tx.DeviceGroupNames("x"); return err }},
		{"Presented", false, func(tx store.Tx) error { _, err := tx.Presented([]string{"x", "y"}); return err }},
		{"Seen", false, func(tx store.Tx) error { return tx.Seen([]string{"x", "y"}, 1) }},
		{"TakeSeats", false, func(tx store.Tx) error { _, err := tx.TakeSeats("x", 1, 1); return err }},
		{"CodeByIndex", false, func(tx store.Tx) error { _, err := tx.CodeByIndex([]byte("x")); return err }},
		{"UseCode", false, func(tx store.Tx) error { _, err := tx.UseCode("x", 1); return err }},
		{"UseByNonce", false, func(tx store.Tx) error { _, err := tx.UseByNonce([]byte("x")); return err }},
		{"InstalledBy", true, func(tx store.Tx) error { _, err := tx.InstalledBy("x", "y"); return err }},
		{"MadeAccount", false, func(tx store.Tx) error { _, err := tx.MadeAccount("x", "y"); return err }},
		{"AccountsMade", false, func(tx store.Tx) error { _, err := tx.AccountsMade("x", 1); return err }},
		{"DeviceGroupsOfCode", false, func(tx store.Tx) error { _, err := tx.DeviceGroupsOfCode("x"); return err }},
		{"NewUsername", false, func(tx store.Tx) error {
			if err := tx.Insert(&model.Domain{ID: "x", NameFolded: "x"}); err != nil {
				return err
			}
			_, err := tx.NewUsername("x", "y")
			return err
		}},
		{"SessionByHash", false, func(tx store.Tx) error { _, err := tx.SessionByHash([]byte("x")); return err }},
		{"SessionUsed", false, func(tx store.Tx) error { return tx.SessionUsed([]byte("x"), 1) }},
		{"DropSession", false, func(tx store.Tx) error { return tx.DropSession([]byte("x")) }},
		{"SessionsOf", true, func(tx store.Tx) error { _, err := tx.SessionsOf("x"); return err }},
		{"History", false, func(tx store.Tx) error { _, err := tx.History([]string{"x", "y"}, store.AuditPlace{}, 10); return err }},
		{"History goes on", false, func(tx store.Tx) error {
			_, err := tx.History([]string{"x"}, store.AuditPlace{Time: 1, ID: "z"}, 10)
			return err
		}},
		{"SignIns", false, func(tx store.Tx) error { _, err := tx.SignIns("x"); return err }},
		{"SignInsFrom", false, func(tx store.Tx) error { _, err := tx.SignInsFrom("x"); return err }},
		{"UnlockSignIns", false, func(tx store.Tx) error { return tx.UnlockSignIns("x") }},
		{"DropSessionsOf", false, func(tx store.Tx) error { return tx.DropSessionsOf("x") }},
		{"DropSessions", false, func(tx store.Tx) error { return tx.DropSessions(1) }},
		{"PretendDelivery", false, func(tx store.Tx) error { return tx.PretendDelivery(&model.Delivery{ID: "x"}) }},
		{"FreeSeat", false, func(tx store.Tx) error { return tx.FreeSeat("x") }},
		{"devices of a group", false, search("devices", byID, eq("group_id", "x", step("id", "device_group_members", "device_id")))},
		{"Meta", false, func(tx store.Tx) error { _, err := tx.Meta("x"); return err }},
		{"tokens of a serial", true, search("tokens", byID, eq("serial", "x"))},
		{"tokens of a serial's beginning", true, search("tokens", byID, store.Cond{Column: "serial", Op: store.StartsOn, Value: "x"})},
		{"tokens of a product", false, search("tokens", byID, eq("id", "x", step("product_id", "products", "id")))},
		{"tokens of a product's code", true, search("tokens", byID, eq("manufacturer_code", "DN", step("product_id", "products", "id")), eq("product_code", "x", step("product_id", "products", "id")))},
		{"tokens of a repository", false, search("tokens", byID, eq("repository_id", "x"))},
		{"tokens of a status", false, search("tokens", byID, eq("status", "x"))},
		{"tokens of a user", true, search("tokens", byID, eq("login_name_folded", "x", step("id", "token_assignments", "token_id"), step("user_id", "users", "id")))},
		{"users of a login name", false, search("users", byID, eq("login_name_folded", "x"))},
		{"users of an e-mail", false, search("users", byID, eq("email_folded", "x"))},
		{"users of a domain's name and a login name", true, search("users", byID, eq("name_folded", "x", step("domain_id", "domains", "id")), eq("login_name_folded", "y"))},
		{"users of a domain", true, search("users", byID, eq("domain_id", "x"))},
		{"users of a token", true, search("users", byID, eq("serial", "x", step("id", "token_assignments", "user_id"), step("token_id", "tokens", "id")))},
		{"assignments of a user", true, search("token_assignments", byID, eq("user_id", "x"))},
		{"assignments of a token", true, search("token_assignments", byID, eq("serial", "x", step("token_id", "tokens", "id")))},
		{"repositories of a parent", false, search("repositories", byID, eq("parent_id", "x"))},
		{"repositories without a parent", false, search("repositories", byID, store.Cond{Path: []store.Step{step("parent_id", "repositories", "id")}, Op: store.None})},
		{"devices without a user", false, search("devices", byID, store.Cond{Path: []store.Step{store.ToUser}, Op: store.None})},
		{"agents of a name", true, search("agents", byID, eq("name", "x"))},
		{"audit since", true, search("audit", append([]store.Sort{{Column: store.Column{Name: "time"}}}, byID...), store.Cond{Column: "time", Op: store.Ge, Value: int64(1)})},
	} {
		t.Run(c.name, func(t *testing.T) {
			update(t, s, func(tx store.Tx) error {
				seen := 0
				store.Watch(tx, func(query string, args []any) {
					seen++
					plan := explain(t, db, query, args)
					// There are only a few dozen products.
					plan = strings.NewReplacer("SCAN products", "", "SCAN found", "").Replace(plan)
					if strings.Contains(plan, "SCAN ") || !c.sorts && strings.Contains(plan, "TEMP B-TREE") {
						t.Errorf("%s\n%s", query, plan)
					}
				})
				c.run(tx)
				if seen == 0 {
					t.Error("no statement was run")
				}
				return nil
			})
		})
	}
}

func explain(t *testing.T, db *sql.DB, query string, args []any) (plan string) {
	t.Helper()
	rows, err := db.Query("EXPLAIN QUERY PLAN "+query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		plan += fmt.Sprintf("  %s\n", detail)
	}
	return plan
}

// TestUnique: an index ensures that columns that the builder treats as unique are unique.
func TestUnique(t *testing.T) {
	t.Parallel()
	s := storetest.NewSQLite(t).Open(t)
	for _, column := range store.Unique() {
		table, name, _ := strings.Cut(column, ".")
		var indexes int
		err := s.View(t.Context(), func(tx store.ReadTx) error {
			return store.Ask(tx, &indexes, `SELECT COUNT(*) FROM pragma_index_list('`+table+`') AS i WHERE i."unique" AND NOT i.partial
				AND (SELECT GROUP_CONCAT(name) FROM pragma_index_info(i.name)) = '`+name+`'`)
		})
		if err != nil || indexes != 1 {
			t.Errorf("%s: %d unique indexes, %v", column, indexes, err)
		}
	}
}
