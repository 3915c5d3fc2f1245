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

var databases = []struct {
	name           string
	url            func(t testing.TB) string
	updates, views int
}{
	{"sqlite", SQLite, 1, 2*runtime.GOMAXPROCS(0) + 2},
	{"postgres", Postgres, 24, 24},
}

// SQLite gives the path of a database that is not made yet, in a folder that goes with the test.
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
}

// Open opens the database; the Store is closed when the test ends. Each call gives a Store of its own, as if it were
// another process.
func (d *Database) Open(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.Open(context.Background(), d.URL, d.KeyFile)
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

// Databases runs a test once for each database, as Each does, but with more than the URL.
func Databases(t *testing.T, test func(t *testing.T, d *Database)) {
	t.Helper()
	for _, d := range databases {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			test(t, &Database{URL: d.url(t), KeyFile: filepath.Join(t.TempDir(), "key"), Updates: d.updates, Views: d.views})
		})
	}
}
