package store_test

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"tokensmith/model"
	"tokensmith/store"
	"tokensmith/store/storetest"
)

// terminate ends every other connection of a database, as a shutdown does.
func terminate(t *testing.T, url string) {
	t.Helper()
	db, err := sql.Open("pgx", url)
	if err == nil {
		defer db.Close()
		_, err = db.Exec("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
	}
	if err != nil {
		t.Fatal(err)
	}
}

func insertOne(tx store.Tx) error { return tx.Insert(newRepository(1)) }

func readOne(tx store.ReadTx) error {
	_, err := tx.Count(&store.Query{Table: "repositories"})
	return err
}

// once returns a function that calls do the first time that it is called.
func once(do func()) func() {
	var first sync.Once
	return func() { first.Do(do) }
}

// TestPostgresShutdown: the server ends a connection in the middle of a transaction, and while it is idle. A transaction that has
// not reached its COMMIT runs again. One of which it is unknown whether it committed, because it has no audit row, does not.
func TestPostgresShutdown(t *testing.T) {
	t.Parallel()
	d := storetest.NewPostgres(t)
	s := d.Open(t)
	end := once(func() { terminate(t, d.URL) })
	runs := 0
	update(t, s, func(tx store.Tx) error {
		runs++
		if err := insertOne(tx); err != nil {
			return err
		}
		end()
		return insertOne(tx)
	})
	if runs != 2 {
		t.Errorf("it ran %d times", runs)
	}
	wantUnavailable(t, s.Update(context.Background(), func(tx store.Tx) error {
		if err := insertOne(tx); err != nil {
			return err
		}
		terminate(t, d.URL)
		return nil
	}))
	end = once(func() { terminate(t, d.URL) })
	runs = 0
	view(t, s, func(tx store.ReadTx) error {
		runs++
		if err := readOne(tx); err != nil {
			return err
		}
		end()
		return readOne(tx)
	})
	if runs != 2 {
		t.Errorf("a View ran %d times", runs)
	}
	// A dump is written while it is read, so it does not begin again.
	update(t, s, func(tx store.Tx) error { return tx.PutMeta("large", make([]byte, 2<<20)) })
	end = once(func() { terminate(t, d.URL) })
	if _, err := s.Dump(context.Background(), writer(func(b []byte) (int, error) { end(); return len(b), nil })); err == nil {
		t.Error("a dump whose connection was lost is whole")
	}
	busy := func() {
		for range 3 {
			update(t, s, insertOne)
			view(t, s, readOne)
		}
	}
	for range 2 {
		busy()
		terminate(t, d.URL)
		update(t, s, insertOne)
		busy()
		terminate(t, d.URL)
		view(t, s, readOne)
	}
}

// TestPostgresTimeouts: the server's own time limits end a statement.
func TestPostgresTimeouts(t *testing.T) {
	t.Parallel()
	d := storetest.NewPostgres(t)
	s := d.Open(t)
	wantUnavailable(t, s.Update(context.Background(), func(tx store.Tx) error {
		if _, err := store.Exec(tx, "SET LOCAL statement_timeout = 50"); err != nil {
			return err
		}
		_, err := store.Exec(tx, "SELECT pg_sleep(60)")
		return err
	}))
	update(t, s, insertOne)
}

// TestPostgresRetryEnds: an Update that always has a conflict gives up and says so, whatever error its function returns.
func TestPostgresRetryEnds(t *testing.T) {
	t.Parallel()
	s := storetest.NewPostgres(t).Open(t)
	lose := func(tx store.Tx) error {
		_, err := store.Exec(tx, "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$")
		return err
	}
	runs := 0
	update(t, s, func(tx store.Tx) error {
		if runs++; runs < 4 {
			lose(tx)
			return errors.New("hidden")
		}
		return nil
	})
	if runs != 4 {
		t.Errorf("%d runs", runs)
	}
	runs = 0
	wantUnavailable(t, s.Update(context.Background(), func(tx store.Tx) error { runs++; return lose(tx) }))
	if runs < 10 {
		t.Errorf("gave up after %d runs", runs)
	}
	runs = 0
	mine := model.Errorf(model.Locked, "mine")
	if err := s.Update(context.Background(), func(tx store.Tx) error { runs++; return mine }); err != mine || runs != 1 {
		t.Errorf("%v after %d runs", err, runs)
	}
}

// TestPostgresOpenErrors: the errors say what is wrong, and do not contain the password.
func TestPostgresOpenErrors(t *testing.T) {
	t.Parallel()
	u := storetest.Postgres(t)
	with := func(change func(u *url.URL)) string {
		v, err := url.Parse(u)
		if err != nil {
			t.Fatal(err)
		}
		v.User = url.UserPassword("tester", "hunter2")
		change(v)
		return v.String()
	}
	for _, c := range []struct{ url, why string }{
		{with(func(u *url.URL) { u.Host = "127.0.0.1:1" }), "cannot connect to 127.0.0.1"},
		{with(func(u *url.URL) { u.Path = "/missing" }), "missing"},
		{with(func(u *url.URL) { u.User = url.UserPassword("nobody-such", "hunter2") }), "nobody-such"},
		{"postgres://tester:hunter2@127.0.0.1:port/x", "URL"},
		{"postgres://tester:hunter2@127.0.0.1/x?sslmode=none", "URL"},
	} {
		_, err := store.Open(context.Background(), c.url, filepath.Join(t.TempDir(), "key"))
		if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s gives %v", c.url, err)
		}
	}
}

func TestPostgresClasses(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]bool{"57P01": true, "57P02": true, "57P03": true, "57014": true, "53300": true, "53100": true, "08006": true, "55P03": true,
		"58030": true, "25006": true, "40003": true, "42P01": false, "23502": false, "22021": false, "": false, "5": false, "XX000": false} {
		if got := store.PostgresUnavailable(&pgconn.PgError{Code: code}); got != want {
			t.Errorf("SQLSTATE %q unavailable: %v", code, got)
		}
	}
}

// TestPostgresTLS: the connection is encrypted, and the server is authenticated.
func TestPostgresTLS(t *testing.T) {
	t.Parallel()
	url, authority := storetest.PostgresTLS(t)
	d := &storetest.Database{URL: url, KeyFile: filepath.Join(t.TempDir(), "key")}
	s := d.Open(t)
	update(t, s, func(tx store.Tx) error {
		var encrypted bool
		err := store.Ask(tx, &encrypted, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
		if !encrypted {
			t.Error("it goes in plain text")
		}
		return err
	})
	for what, other := range map[string]string{
		"another name":      strings.Replace(url, "127.0.0.1", "localhost", 1),
		"another authority": strings.Replace(url, "&sslrootcert="+authority, "", 1),
	} {
		if s, err := store.Open(context.Background(), other, d.KeyFile); err == nil {
			s.Close()
			t.Errorf("%s is believed", what)
		}
	}
	for url, ok := range map[string]bool{
		"postgres://u@192.0.2.1/d": false, "postgres://u@192.0.2.1/d?sslmode=prefer": false, "postgres://u@192.0.2.1/d?sslmode=allow": false,
		"postgres://u@localhost,192.0.2.1/d": false, "postgres://u@db.example/d": false,
		"postgres://u@192.0.2.1/d?sslmode=disable": true, "postgres://u@192.0.2.1/d?sslmode=require": true, "postgres://u@127.0.0.1,localhost/d": true,
		"postgres:///d?host=/run/postgresql": true, "postgres://u@[::1]/d": true,
	} {
		if err := store.PostgresURL(url); (err == nil) != ok {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// TestPostgresSettings: a session has time limits, which the URL may change, and a server that is read-only is never used.
func TestPostgresSettings(t *testing.T) {
	t.Parallel()
	u := storetest.Postgres(t)
	for _, c := range []struct{ more, statement, lock string }{{"", "1min", "12s"}, {"&statement_timeout=5000", "5s", "12s"}, {"&options=-c%20lock_timeout%3D3s", "1min", "3s"}} {
		d := &storetest.Database{URL: u + c.more, KeyFile: filepath.Join(t.TempDir(), "key")}
		if c.more != "" {
			d.URL = storetest.Postgres(t) + c.more
		}
		update(t, d.Open(t), func(tx store.Tx) error {
			for name, want := range map[string]string{"statement_timeout": c.statement, "lock_timeout": c.lock, "idle_in_transaction_session_timeout": "10s", "application_name": "tokensmith"} {
				var is string
				if err := store.Ask(tx, &is, "SELECT current_setting('"+name+"')"); err != nil || is != want {
					t.Errorf("%s: %s is %s, not %s (%v)", c.more, name, is, want, err)
				}
			}
			return nil
		})
	}
	s, err := store.Open(context.Background(), u+"&default_transaction_read_only=on", filepath.Join(t.TempDir(), "key"))
	if err == nil {
		s.Close()
		t.Error("a server that takes no writes was taken")
	}
}

// TestPostgresRoom: a server with default settings has too little room for the predicate locks of logins during a long call, and
// there is a warning.
func TestPostgresRoom(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]bool{storetest.OwnPostgres(t): true, storetest.Postgres(t): false} {
		d := &storetest.Database{URL: url, KeyFile: filepath.Join(t.TempDir(), "key")}
		warned := strings.Contains(strings.Join(d.Open(t).Warnings(), " "), "max_pred_locks_per_transaction")
		if warned != want {
			t.Errorf("warned is %v, want %v", warned, want)
		}
	}
}

// writer is an io.Writer that calls a function.
type writer func(b []byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }
