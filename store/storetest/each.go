// Package storetest contains the contract that package store must meet on every database, and what tests need to run on each
// database. The tests of package store call Run. Each, SQLite and Postgres are for the tests of other packages.
package storetest

import (
	"context"
	"path/filepath"
	"runtime"
	"testing"

	"tokensmith/model/modeltest"
	"tokensmith/store"
)

// Each runs a test once for each kind of database, as parallel subtests "sqlite" and "postgres", with the URL of a new database.
// Each returns before the subtests run, because they are parallel. Therefore clean up with t.Cleanup and not with defer.
func Each(t *testing.T, test func(t *testing.T, url string)) {
	t.Helper()
	for _, d := range databases {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			test(t, d.url(t))
		})
	}
}

// EachIfLong is Each for a test that takes long and hardly depends on the database: on PostgreSQL it runs at full length only
// (modeltest.Long).
func EachIfLong(t *testing.T, test func(t *testing.T, url string)) {
	t.Helper()
	if modeltest.Long() {
		Each(t, test)
		return
	}
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, SQLite(t))
	})
}

// Databases is Each with a new Database instead of a URL.
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

// SQLite returns the path for a new database, in a folder that is deleted after the test.
func SQLite(t testing.TB) (url string) {
	t.Helper()
	return filepath.Join(t.TempDir(), "tokensmith.db")
}

// Database is a new database that is not opened yet.
type Database struct {
	URL     string
	KeyFile string
	Updates int // how many Updates run at the same time in one Store
	Views   int // how many Views run at the same time in one Store

	// Connect opens the database with a key file; nil means store.Open. With it, another implementation of store.Store can be
	// tested against the contract.
	Connect func(ctx context.Context, keyFile string) (store.Store, error)
}

func (d *Database) connect(keyFile string) (store.Store, error) {
	if d.Connect != nil {
		return d.Connect(context.Background(), keyFile)
	}
	return store.Open(context.Background(), d.URL, keyFile)
}

// NewSQLite returns a Database in a file.
func NewSQLite(t *testing.T) *Database {
	t.Helper()
	return &Database{URL: SQLite(t), KeyFile: newKeyFile(t), Updates: 1, Views: 2*runtime.GOMAXPROCS(0) + 2}
}

// NewPostgres returns a Database on the test server.
func NewPostgres(t *testing.T) *Database {
	t.Helper()
	return &Database{URL: Postgres(t), KeyFile: newKeyFile(t), Updates: 24, Views: 24}
}

func newKeyFile(t *testing.T) string { return filepath.Join(t.TempDir(), "key") }

// Open opens the database. The Store is closed when the test ends. Each call returns a new Store, as if another process had
// opened the database.
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
