package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tokensmith/model/modeltest"
	"tokensmith/store"
	"tokensmith/store/storetest"
)

// wantRefused checks that an Update is refused because of something that only a person can fix, and that the error says what.
func wantRefused(t *testing.T, s store.Store, why string) {
	t.Helper()
	err := s.Update(context.Background(), insertOne)
	wantUnavailable(t, err)
	if got := store.Why(err); !strings.Contains(got, why) {
		t.Errorf("an Update is refused because %q, not of %q", got, why)
	}
	if got := store.Why(s.Writable(t.Context())); !strings.Contains(got, why) || strings.Contains(got, "/") {
		t.Errorf("not writable because %q, not of %q", got, why)
	}
}

// TestMovedFileBehindALink: the same if the database is opened through a symbolic link, because its files are beside the target
// of the link.
func TestMovedFileBehindALink(t *testing.T) {
	t.Parallel()
	d := storetest.NewSQLite(t)
	link := filepath.Join(t.TempDir(), "link.db")
	if err := os.Symlink(d.URL, link); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), link, d.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	update(t, s, insertOne)
	if err := os.Remove(d.URL + "-wal"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(store.PlacedInterval)
	wantRefused(t, s, "-wal was moved")
}

// TestMovedFile: after a file of an open database is moved, deleted or replaced, no Update is acknowledged. What was acknowledged
// before is kept, and Updates continue when the file is back.
func TestMovedFile(t *testing.T) {
	t.Parallel()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		for _, replaced := range []bool{false, true} {
			d := storetest.NewSQLite(t)
			s := d.Open(t)
			update(t, s, insertOne)
			file, away := d.URL+suffix, filepath.Join(t.TempDir(), "away")
			if err := os.Rename(file, away); err != nil {
				t.Fatal(err)
			}
			if replaced {
				if err := os.WriteFile(file, nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if suffix != "" {
				time.Sleep(store.PlacedInterval)
			}
			wantRefused(t, s, filepath.Base(file)+" was moved")
			if err := os.Rename(away, file); err != nil {
				t.Fatal(err)
			}
			update(t, s, insertOne)
			modeltest.Until(t, "it is writable", func() bool { return s.Writable(t.Context()) == nil })
			view(t, s, func(tx store.ReadTx) error {
				n, err := tx.Count(&store.Query{Table: "repositories"})
				if n != 2 {
					t.Errorf("%d rows, not the 2 that were acknowledged", n)
				}
				return err
			})
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			view(t, d.Open(t), func(tx store.ReadTx) error { return nil })
		}
	}
}

// TestClosedWhileMoved: a process that ends while its file is elsewhere leaves the log with the acknowledged changes, for the
// person who moves the file back.
func TestClosedWhileMoved(t *testing.T) {
	t.Parallel()
	for _, suffix := range []string{"", "-wal"} {
		d := storetest.NewSQLite(t)
		s := d.Open(t)
		for range 5 {
			update(t, s, insertOne)
		}
		away := filepath.Join(t.TempDir(), "away")
		if err := os.Rename(d.URL+suffix, away); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if suffix == "" {
			if err := os.Rename(away, d.URL); err != nil {
				t.Fatal(err)
			}
		}
		view(t, d.Open(t), func(tx store.ReadTx) error {
			n, err := tx.Count(&store.Query{Table: "repositories"})
			if n != 5 {
				t.Errorf("%s: %d rows, not the 5 that were acknowledged", suffix, n)
			}
			return err
		})
	}
}

// TestNewerSchemaWhileOpen: after a newer tokensmith has migrated the schema, this one accepts no changes.
func TestNewerSchemaWhileOpen(t *testing.T) {
	t.Parallel()
	storetest.Databases(t, func(t *testing.T, d *storetest.Database) {
		s := d.Open(t)
		update(t, s, func(tx store.Tx) error { return nil })
		ctx, stop := context.WithCancel(t.Context())
		guarded := make(chan struct{})
		go func() { s.WatchSchema(ctx); close(guarded) }()
		number := func(n string) {
			t.Helper()
			update(t, d.Open(t), func(tx store.Tx) error { return tx.PutMeta("schema", []byte(n)) })
		}
		var before string
		view(t, s, func(tx store.ReadTx) error {
			n, err := tx.Meta("schema")
			before = string(n)
			return err
		})
		other := d.Open(t)
		number("9999")
		modeltest.Until(t, "it is noticed", func() bool { return s.Update(context.Background(), insertOne) != nil })
		wantRefused(t, s, "number 9999")
		if err := s.Alive(t.Context()); err != nil {
			t.Error("reads have ended as well: ", err)
		}
		update(t, other, func(tx store.Tx) error { return tx.PutMeta("schema", []byte(before)) })
		modeltest.Until(t, "it is noticed again", func() bool { return s.Update(context.Background(), insertOne) == nil })
		stop()
		<-guarded
	})
}

// TestMissingDatabase: a database is created only if there was none. Neither its log nor, with MakeIfFresh, its key file may exist.
func TestMissingDatabase(t *testing.T) {
	t.Parallel()
	open := func(d *storetest.Database, options ...store.Option) error {
		s, err := store.Open(t.Context(), d.URL, d.KeyFile, options...)
		if err == nil {
			err = s.Close()
		}
		return err
	}
	refused := func(d *storetest.Database, why string, options ...store.Option) {
		t.Helper()
		before := listing(t, d)
		if err := open(d, options...); err == nil || !strings.Contains(err.Error(), why) || !strings.Contains(err.Error(), d.URL) {
			t.Errorf("not refused for %q: %v", why, err)
		}
		if after := listing(t, d); !slices.Equal(before, after) {
			t.Errorf("there is %q now, and was %q", after, before)
		}
	}
	for _, empty := range []bool{false, true} {
		d := storetest.NewSQLite(t)
		s := d.Open(t)
		update(t, s, insertOne)
		wal, err := os.ReadFile(d.URL + "-wal")
		if err != nil || len(wal) == 0 {
			t.Fatal("no log: ", err)
		}
		if err := errors.Join(s.Close(), os.Remove(d.URL)); err != nil {
			t.Fatal(err)
		}
		if empty {
			if err := os.WriteFile(d.URL, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		refused(d, "its key file "+d.KeyFile+" exists", store.MakeIfFresh())
		for _, suffix := range []string{"-wal", "-journal"} {
			if err := os.WriteFile(d.URL+suffix, wal, 0o600); err != nil {
				t.Fatal(err)
			}
			refused(d, suffix+" exists")
			refused(d, suffix+" exists", store.MakeIfFresh())
			if err := os.Remove(d.URL + suffix); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(d.URL+"-wal", wal, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := open(d, store.MakeAnyway()); err != nil {
			t.Fatal(err)
		}
		kept, err := filepath.Glob(d.URL + "-wal.kept-*")
		if err != nil || len(kept) != 1 {
			t.Fatalf("kept is %q, %v", kept, err)
		}
		if text, err := os.ReadFile(kept[0]); err != nil || string(text) != string(wal) {
			t.Error("the log was not kept as it was: ", err)
		}
		if err := open(d, store.MakeIfFresh()); err != nil {
			t.Error("a database that is there: ", err)
		}
	}
}

// listing returns the names of the files in a database's folders.
func listing(t *testing.T, d *storetest.Database) (names []string) {
	t.Helper()
	for _, file := range []string{d.URL, d.KeyFile} {
		entries, err := os.ReadDir(filepath.Dir(file))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			names = append(names, e.Name())
		}
	}
	return names
}

// TestFailedOpenLeavesNothing: an Open that fails leaves nothing, wherever it fails.
func TestFailedOpenLeavesNothing(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(d *storetest.Database) []store.Option{
		"the key file is none": func(d *storetest.Database) []store.Option {
			return []store.Option{func() store.Option {
				if err := os.WriteFile(d.KeyFile, []byte("no key"), 0o600); err != nil {
					t.Fatal(err)
				}
				return store.Serving()
			}()}
		},
		"the key file's folder is missing": func(d *storetest.Database) []store.Option {
			d.KeyFile = filepath.Join(filepath.Dir(d.KeyFile), "none", "key")
			return nil
		},
		"the database's folder is missing": func(d *storetest.Database) []store.Option {
			d.URL = filepath.Join(filepath.Dir(d.URL), "none", "db")
			return nil
		},
		"what is put into it fails": func(*storetest.Database) []store.Option {
			return []store.Option{store.WithFirst(func(s store.Store) error {
				return errors.Join(s.Update(context.Background(), insertOne), errors.New("on purpose"))
			})}
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := storetest.NewSQLite(t)
			parts := []string{filepath.Dir(d.URL), filepath.Dir(d.KeyFile)}
			options := spoil(d)
			count := func() (n int) {
				for _, dir := range parts {
					entries, err := os.ReadDir(dir)
					if err != nil {
						t.Fatal(err)
					}
					n += len(entries)
				}
				return n
			}
			before := count()
			s, err := store.Open(t.Context(), d.URL, d.KeyFile, options...)
			if err == nil {
				s.Close()
				t.Fatal("it opens")
			}
			if strings.Contains(err.Error(), ".part-") || strings.Contains(err.Error(), ".new-") {
				t.Errorf("the error names what nobody knows: %v", err)
			}
			if after := count(); after != before {
				t.Errorf("%d files are left", after-before)
			}
		})
	}
}

// TestFailedOpenOnPostgres: on PostgreSQL, an invalid key file leaves no schema, and a schema that cannot be created leaves no
// key file.
func TestFailedOpenOnPostgres(t *testing.T) {
	t.Parallel()
	d := storetest.NewPostgres(t)
	if err := os.WriteFile(d.KeyFile, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := store.Open(t.Context(), d.URL, d.KeyFile); err == nil || !strings.Contains(err.Error(), d.KeyFile) {
		s.Close()
		t.Errorf("it opens: %v", err)
	}
	if have, _, err := store.Schema(t.Context(), d.URL); err != nil || have != 0 {
		t.Errorf("the schema is %d, %v", have, err)
	}
	if err := os.Remove(d.KeyFile); err != nil {
		t.Fatal(err)
	}
	if _, err := byHand(t, d.URL).Exec("DROP SCHEMA public"); err != nil {
		t.Fatal(err)
	}
	if s, err := store.Open(t.Context(), d.URL, d.KeyFile); err == nil {
		s.Close()
		t.Error("it opens without a schema to make tables in")
	}
	if names, err := filepath.Glob(filepath.Join(filepath.Dir(d.KeyFile), "*")); err != nil || len(names) != 0 {
		t.Errorf("left are %q, %v", names, err)
	}
}

// TestForeignFile: an SQLite file of another program is refused, and not changed by a single byte.
func TestForeignFile(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]string{"its tables": "CREATE TABLE customers (a)", "a table meta": "CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB)",
		"its id": "PRAGMA application_id = 252006674", "its version": "PRAGMA user_version = 3", "a view": "CREATE VIEW customers AS SELECT 1 AS a"} {
		t.Run(name, func(t *testing.T) {
			d := storetest.NewSQLite(t)
			db := byHand(t, d.URL)
			if _, err := db.Exec(make); err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			before, err := os.ReadFile(d.URL)
			if err != nil {
				t.Fatal(err)
			}
			for _, option := range []store.Option{store.Serving(), store.MakeIfFresh(), store.MakeAnyway()} {
				if s, err := store.Open(t.Context(), d.URL, d.KeyFile, option); err == nil || !strings.Contains(err.Error(), "another program's") {
					s.Close()
					t.Errorf("not refused: %v", err)
				}
			}
			if _, _, err := store.Schema(t.Context(), d.URL); err == nil {
				t.Error("Schema reads it")
			}
			after, err := os.ReadFile(d.URL)
			if err != nil || string(after) != string(before) {
				t.Error("it was changed: ", err)
			}
			if names := listing(t, d); len(names) != 1 {
				t.Errorf("there is %q", names)
			}
		})
	}
}

// TestServedTwice: a process that serves a file that another process serves is warned. A process that only uses the file is not,
// and a closed one is not remembered.
func TestServedTwice(t *testing.T) {
	t.Parallel()
	d := storetest.NewSQLite(t)
	open := func(options ...store.Option) store.Store {
		t.Helper()
		s, err := store.Open(t.Context(), d.URL, d.KeyFile, options...)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	told := func(s store.Store) bool {
		return slices.ContainsFunc(s.Warnings(), func(w string) bool { return strings.Contains(w, "another process serves") })
	}
	first, used := open(store.Serving()), open()
	second := open(store.Serving())
	if told(first) || told(used) || !told(second) {
		t.Errorf("told: the first %v, who uses it %v, the second %v", told(first), told(used), told(second))
	}
	if s, err := store.Open(t.Context(), d.URL, d.KeyFile, store.Exclusive()); err == nil || !strings.Contains(err.Error(), "a process serves it") {
		s.Close()
		t.Errorf("alone beside them: %v", err)
	}
	if err := errors.Join(first.Close(), second.Close()); err != nil {
		t.Fatal(err)
	}
	alone := open(store.Exclusive())
	if late := open(store.Serving()); !told(late) {
		t.Error("who begins to serve it is not told of who wants it alone")
	} else if err := late.Close(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(alone.Close(), used.Close()); err != nil {
		t.Fatal(err)
	}
	third := open(store.Serving())
	if told(third) {
		t.Error("those that were closed are told of")
	}
	if err := third.Close(); err != nil {
		t.Fatal(err)
	}
}

// BenchmarkPlaced measures how long a commit needs to check where its files are.
func BenchmarkPlaced(b *testing.B) {
	s, err := store.Open(b.Context(), storetest.SQLite(b), filepath.Join(b.TempDir(), "key"))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for b.Loop() {
		if err := store.InPlace(s); err != nil {
			b.Fatal(err)
		}
	}
}
