package store_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tokensmith/store"
	"tokensmith/store/storetest"
)

// TestSelectionsFitTheirTypes: every statement that reads a struct has its fields as columns, each once and no others. sqlx
// leaves a field unchanged, without an error, if the statement lacks its column.
func TestSelectionsFitTheirTypes(t *testing.T) {
	t.Parallel()
	storetest.Databases(t, func(t *testing.T, d *storetest.Database) {
		d.Open(t)
		db := byHand(t, d.URL)
		seen := 0
		store.Selections(func(text string, columns []string, ordered bool) {
			if store.IsPostgres(d.URL) && strings.Contains(text, "FROM pragma_") {
				return
			}
			seen++
			rows, err := db.Query(text + " LIMIT 0")
			if err != nil {
				t.Errorf("%s: %v", text, err)
				return
			}
			defer rows.Close()
			have, err := rows.Columns()
			if err != nil {
				t.Error(err)
			}
			if !ordered {
				slices.Sort(have)
				slices.Sort(columns)
			}
			if !slices.Equal(have, columns) {
				t.Errorf("%s\ngives the columns %q, the struct has %q", text, have, columns)
			}
		})
		if seen < 25 {
			t.Errorf("only %d statements were seen", seen)
		}
	})
}

// TestStructsAreReadBySelections: structs are read only by the statements that TestSelectionsFitTheirTypes sees. get and all,
// which accept any statement, are called only with the text of a table or a selection. All other calls of sqlx read scalars.
func TestStructsAreReadBySelections(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for call, where := range map[string][]string{
		`sqlx\.(Get|Select)Context\(`: {"retry.go", "sqlite.go"},
		`\.StructScan\(`:              {"statement.go"},
		`\.Query(Row)?xContext\(`:     {"dump.go", "sharedtx.go", "statement.go"},
	} {
		var found []string
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if regexp.MustCompile(call).Match(text) {
				found = append(found, file)
			}
		}
		if !slices.Equal(found, where) {
			t.Errorf("%s is in %q, not in %q", call, found, where)
		}
	}
}

// TestViewsDoNotWrite: the connection of a View accepts no changes, whatever the statement is.
func TestViewsDoNotWrite(t *testing.T) {
	t.Parallel()
	storetest.Databases(t, func(t *testing.T, d *storetest.Database) {
		s := d.Open(t)
		err := s.View(t.Context(), func(tx store.ReadTx) error {
			return store.ExecInView(tx, "UPDATE meta SET value = value")
		})
		if err == nil || !strings.Contains(err.Error(), "read") {
			t.Errorf("a View wrote: %v", err)
		}
	})
}
