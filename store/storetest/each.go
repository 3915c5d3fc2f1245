// Package storetest is the contract that the store keeps on every database, and what tests need to run on each of
// them. Run is called by package store's tests; Each, SQLite and Postgres serve the tests of other packages.
package storetest

import (
	"context"
	"path/filepath"
	"runtime"
	"testing"

	"tokensmith/store"
)

// Each runs a test once for each database, as parallel subtests "sqlite" and "postgres", with the URL of a new
// database. As with every parallel subtest, Each returns before they run: clean up with t.Cleanup, not with defer.
func Each(t *testing.T, test func(t *testing.T, url string)) {
	t.Helper()
	for _, d := range databases {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			test(t, d.url(t))
		})
	}
}

// Databases runs a test once for each kind of database, as Each does, with a new Database.
func Databases(t *testing.T, test func(t *testing.T, d *Database)) {
	t.Helper()
	for name, fresh := range map[string]func(*testing.T) *Database{"sqlite": NewSQLite, "postgres": NewPostgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, fresh(t))
		})
	}
}

var databases = []struct {
	name string
	url  func(t testing.TB) string
}{{"sqlite", SQLite}, {"postgres", Postgres}}

// SQLite returns the path of a database that is not made yet, in a folder that goes with the test.
func SQLite(t testing.TB) (url string) {
	t.Helper()
	return filepath.Join(t.TempDir(), "tokensmith.db")
}

// Database is a new database, not opened yet.
type Database struct {
	URL     string
	KeyFile string
	Updates int // that run at once in one Store
	Views   int // that run at once in one Store

	// Connect opens the database at URL with a key file; nil = store.Open. Another implementation of store.Store is held
	// against the contract by its own.
	Connect func(ctx context.Context, keyFile string) (store.Store, error)
}

func (d *Database) connect(keyFile string) (store.Store, error) {
	if d.Connect != nil {
		return d.Connect(context.Background(), keyFile)
	}
	return store.Open(context.Background(), d.URL, keyFile)
}

// NewSQLite makes a Database in a file.
func NewSQLite(t *testing.T) *Database {
	t.Helper()
	return &Database{URL: SQLite(t), KeyFile: newKeyFile(t), Updates: 1, Views: 2*runtime.GOMAXPROCS(0) + 2}
}

// NewPostgres makes a Database on the test server.
func NewPostgres(t *testing.T) *Database {
	t.Helper()
	return &Database{URL: Postgres(t), KeyFile: newKeyFile(t), Updates: 24, Views: 24}
}

func newKeyFile(t *testing.T) string { return filepath.Join(t.TempDir(), "key") }

// Open opens the database; the Store is closed when the test ends. Each call gives a Store of its own, as if it were
// another process.
func (d *Database) Open(t testing.TB) store.Store {
	t.Helper()
	s, err := d.connect(d.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
