package storetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
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
	// A table is copied after those that its rows refer to.
	for pending, postponed := Tables(t, from), 0; len(pending) > 0; pending = pending[1:] {
		if err := copyTable(db, pool, pending[0]); err != nil {
			var refused *pgconn.PgError
			if postponed++; !errors.As(err, &refused) || refused.Code != "23503" || postponed >= len(pending) {
				t.Fatal(pending[0], err)
			}
			pending = append(pending, pending[0])
			continue
		}
		postponed = 0
	}
}

// copyTable copies the rows of a table, all or none.
func copyTable(from *sql.DB, to *pgxpool.Pool, table string) error {
	rows, err := from.Query("SELECT * FROM " + table + " NOT INDEXED") // in the order in which they were made, or of their key
	if err != nil {
		return err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	values, places, names := make([]any, len(columns)), make([]any, len(columns)), make([]string, len(columns))
	for i := range values {
		places[i], names[i] = &values[i], fmt.Sprint("$", i+1)
	}
	insert := "INSERT INTO " + table + " (" + strings.Join(columns, ", ") + ") VALUES (" + strings.Join(names, ", ") + ")"
	return pgx.BeginFunc(context.Background(), to, func(tx pgx.Tx) error {
		for rows.Next() {
			if err := rows.Scan(places...); err != nil {
				return err
			}
			if _, err := tx.Exec(context.Background(), insert, values...); err != nil {
				return err
			}
		}
		return rows.Err()
	})
}
