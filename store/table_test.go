package store_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tokensmith/store"
	"tokensmith/store/storetest"
)

// TestEveryTableIsDeclared: every table of the schema is declared with all its columns and its primary key, after those it refers
// to. Dump and Load depend on the declarations.
func TestEveryTableIsDeclared(t *testing.T) {
	t.Parallel()
	d := storetest.NewSQLite(t)
	d.Open(t)
	db, err := sql.Open("sqlite3", "file:"+d.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ask := func(query string) (values []string) {
		rows, err := db.Query(query)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var v string
			if err := rows.Scan(&v); err != nil {
				t.Fatal(err)
			}
			values = append(values, v)
		}
		return values
	}
	var declared []string
	store.Kept(func(name string, columns []string, primary string) {
		have := ask("SELECT name FROM pragma_table_info('" + name + "') ORDER BY name")
		if columns = slices.Sorted(slices.Values(columns)); !slices.Equal(have, columns) {
			t.Errorf("%s has the columns %q, %q are declared", name, have, columns)
		}
		if key := strings.Join(ask("SELECT name FROM pragma_table_info('"+name+"') WHERE pk > 0 ORDER BY pk"), ", "); key != primary {
			t.Errorf("%s has the primary key %s, declared is %s", name, key, primary)
		}
		for _, parent := range ask("SELECT \"table\" FROM pragma_foreign_key_list('" + name + "')") {
			if parent != name && !slices.Contains(declared, parent) {
				t.Errorf("%s refers to %s, which is declared behind it", name, parent)
			}
		}
		declared = append(declared, name)
	})
	for _, name := range ask("SELECT name FROM sqlite_master WHERE type = 'table'") {
		if !slices.Contains(declared, name) {
			t.Errorf("%s is not declared", name)
		}
	}
}

// TestEverySealedColumnIsListed: every Place that the code seals for is in the list for rotation and checks, and the list
// contains nothing else.
func TestEverySealedColumnIsListed(t *testing.T) {
	t.Parallel()
	var found []string
	for _, pattern := range []string{"*.go", "../rpc/*.go", "../rpc/*/*.go", "../cmd/tokensmith/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range regexp.MustCompile(`Place\{(?:Table: )?"(\w+)", (?:Column: )?"(\w+)"`).FindAllStringSubmatch(string(text), -1) {
				found = append(found, m[1]+"."+m[2])
			}
		}
	}
	slices.Sort(found)
	found = slices.Compact(found)
	if listed := slices.Sorted(slices.Values(store.SealedColumns())); !slices.Equal(found, listed) {
		t.Errorf("the code seals %q, the list has %q", found, listed)
	}
}
