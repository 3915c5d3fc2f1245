package storetest

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"

	"tokensmith/store"
)

// Rows returns every row of every table of a database as text: the name of the table, then "column=value" and a tab for each
// column, with bytes as characters. Tables are in the order of their names. Those in without are left out.
func Rows(t testing.TB, url string, without ...string) []string {
	t.Helper()
	driver, tables := "sqlite3", "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
	if store.IsPostgres(url) {
		driver, tables = "pgx", "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
	}
	db, err := sql.Open(driver, url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	list := func(query string, each func(columns []string, values []any)) {
		rows, err := db.Query(query)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		columns, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		values, places := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			places[i] = &values[i]
		}
		for rows.Next() {
			if err := rows.Scan(places...); err != nil {
				t.Fatal(err)
			}
			each(columns, values)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}
	var names, all []string
	list(tables, func(_ []string, values []any) { names = append(names, fmt.Sprintf("%s", values[0])) })
	for _, name := range names {
		if slices.Contains(without, name) {
			continue
		}
		list("SELECT * FROM "+name+" ORDER BY 1", func(columns []string, values []any) {
			line := name + "\t"
			for i, v := range values {
				if b, ok := v.([]byte); ok {
					v = string(b)
				}
				line += fmt.Sprintf("%s=%v\t", columns[i], v)
			}
			all = append(all, line)
		})
	}
	return all
}

// Tables returns the names of all tables of an SQLite database.
func Tables(t testing.TB, url string) (names []string) {
	t.Helper()
	db, err := sql.Open("sqlite3", "file:"+url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var all string
	if err := db.QueryRow("SELECT group_concat(name, ' ') FROM sqlite_master WHERE type = 'table'").Scan(&all); err != nil {
		t.Fatal(err)
	}
	return strings.Fields(all)
}

// Exec runs statements on an SQLite database directly, without package store.
func Exec(t testing.TB, url, statements string) {
	t.Helper()
	db, err := sql.Open("sqlite3", "file:"+url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statements); err != nil {
		t.Fatal(err)
	}
}
