package store_test

import (
	"database/sql"
	"strings"
	"testing"

	"tokensmith/store/storetest"
)

// On SQLite, a login finds the rows that it changes in the index of their key, and nowhere else.
func TestNarrowStates(t *testing.T) {
	t.Parallel()
	d := storetest.NewSQLite(t)
	d.Open(t)
	db, err := sql.Open("sqlite3", "file:"+d.URL+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, query := range []string{"SELECT * FROM user_states WHERE user_id = 'x'", "SELECT * FROM token_states WHERE token_id = 'x'"} {
		var id, parent, unused int
		var plan string
		if err := db.QueryRow("EXPLAIN QUERY PLAN "+query).Scan(&id, &parent, &unused, &plan); err != nil || !strings.Contains(plan, "USING PRIMARY KEY") {
			t.Errorf("%s: %s, %v", query, plan, err)
		}
	}
}
