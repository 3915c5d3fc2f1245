package storetest

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
)

// CopySchema turns a new PostgreSQL database into a copy of an SQLite database with an old schema: it applies the migrations up
// to number and copies the rows.
func CopySchema(t testing.TB, from, to, migrations string, number int) {
	t.Helper()
	pool, err := pgxpool.New(context.Background(), to)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	files, err := filepath.Glob(filepath.Join(migrations, "*.sql"))
	if err != nil || len(files) < number {
		t.Fatal(files, err)
	}
	slices.Sort(files)
	exec := func(query string, args ...any) {
		t.Helper()
		if _, err := pool.Exec(context.Background(), query, args...); err != nil {
			t.Fatal(query, err)
		}
	}
	for _, file := range files[:number] {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		exec(strings.NewReplacer(" TEXT", ` TEXT COLLATE "C"`, " BLOB", " BYTEA",
			"unhex(printf('%016x%016x', spent - 1, spent))", "int8send(spent - 1) || int8send(spent)").Replace(string(text)))
	}
	db, err := sql.Open("sqlite3", "file:"+from)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	exec("DELETE FROM meta")
	pending := Tables(t, from)
	// Tables that others refer to must come first. The schema creates them first.
	for _, table := range pending {
		rows, err := db.Query("SELECT * FROM " + table + " ORDER BY rowid")
		if err != nil {
			t.Fatal(err)
		}
		columns, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		values, places, names := make([]any, len(columns)), make([]any, len(columns)), make([]string, len(columns))
		for i := range values {
			places[i], names[i] = &values[i], fmt.Sprint("$", i+1)
		}
		for rows.Next() {
			if err := rows.Scan(places...); err != nil {
				t.Fatal(err)
			}
			exec("INSERT INTO "+table+" ("+strings.Join(columns, ", ")+") VALUES ("+strings.Join(names, ", ")+")", values...)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		rows.Close()
	}
}
