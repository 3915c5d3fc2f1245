package store_test

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/mattn/go-sqlite3"

	"tokensmith/model"
	"tokensmith/store"
	"tokensmith/store/storetest"
	"tokensmith/store/storetest/faulty"
)

// counted counts what runs, and has it fail as a test wants.
type counted struct {
	statements, begins, commits atomic.Int64
	fails                       atomic.Pointer[string] // a part of the text of what fails; "BEGIN" and "COMMIT" are any
	late                        atomic.Bool            // behind its effect
	err                         error                  // with which it fails; nil = errOnPurpose
}

var errOnPurpose = errors.New("failed on purpose")

func (c *counted) decide(p faulty.Point) faulty.Fate {
	text := p.Text
	switch p.Op {
	case faulty.Connect, faulty.Rollback:
		return faulty.Fate{}
	case faulty.Begin:
		c.begins.Add(1)
		text = "BEGIN"
	case faulty.Commit:
		c.commits.Add(1)
		text = "COMMIT"
	}
	c.statements.Add(1)
	if part := c.fails.Load(); part != nil && strings.Contains(text, *part) {
		return faulty.Fate{Err: cmp.Or(c.err, errOnPurpose), Late: c.late.Load()}
	}
	return faulty.Fate{}
}

func (c *counted) fail(what string) {
	c.fails.Store(&what)
	if what == "" {
		c.fails.Store(nil)
	}
}

// open opens a database whose connections it counts.
func (c *counted) open(t *testing.T, d *storetest.Database) store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), d.URL, d.KeyFile, store.WithConnector(faulty.Connector(c.decide)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// Every statement, BEGIN and COMMIT goes through the connector that Open was given, and of an Update in which one of them
// fails nothing remains.
func TestConnectorSeesAndFails(t *testing.T) {
	t.Parallel()
	storetest.Databases(t, func(t *testing.T, d *storetest.Database) {
		f := &counted{}
		s := f.open(t, d)
		insert := func() error {
			return s.Update(t.Context(), func(tx store.Tx) error {
				return errors.Join(tx.Insert(newRepository(1)), tx.PutMeta("other", []byte("x")))
			})
		}
		for _, what := range []string{"BEGIN", "INSERT INTO repositories", "INSERT INTO meta", "COMMIT"} {
			f.fail(what)
			if err := insert(); err == nil {
				t.Errorf("an Update whose %s fails gave no error", what)
			}
			f.fail("")
			view(t, s, func(tx store.ReadTx) error {
				n, err := tx.Count(&store.Query{Table: "repositories"})
				text, other := tx.Meta("other")
				if n != 0 || text != nil {
					t.Errorf("behind a failed %s there are %d rows, and %q", what, n, text)
				}
				return errors.Join(err, other)
			})
		}
		statements, begins, commits := f.statements.Load(), f.begins.Load(), f.commits.Load()
		if err := insert(); err != nil {
			t.Fatal(err)
		}
		if f.statements.Load() < statements+4 || f.begins.Load() != begins+1 || f.commits.Load() != commits+1 {
			t.Errorf("an Update of two statements was seen as %d statements, %d BEGIN, %d COMMIT", f.statements.Load()-statements, f.begins.Load()-begins, f.commits.Load()-commits)
		}
		f.fail("SELECT")
		if err := s.View(t.Context(), func(tx store.ReadTx) error { _, err := tx.Products(); return err }); !errors.Is(err, errOnPurpose) {
			t.Errorf("a View whose SELECT fails gave %v", err)
		}
		f.fail("")
	})
}

// What is passed on whole keeps the contract.
func TestSQLiteThroughConnector(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) *storetest.Database {
		d := storetest.NewSQLite(t)
		d.Connect = func(ctx context.Context, keyFile string) (store.Store, error) {
			return store.Open(ctx, d.URL, keyFile, store.WithConnector(faulty.Connector(new(counted).decide)))
		}
		return d
	})
}

// A BEGIN of SQLite's writer that fails although it took effect leaves no transaction behind, in which nobody could begin another.
func TestSQLiteBeginLate(t *testing.T) {
	t.Parallel()
	f := &counted{}
	s := f.open(t, storetest.NewSQLite(t))
	f.late.Store(true)
	f.fail("BEGIN")
	if err := s.Update(t.Context(), insertOne); err == nil {
		t.Error("an Update whose BEGIN fails gave no error")
	}
	f.fail("")
	update(t, s, insertOne)
	update(t, s, insertOne)
	wantRepositories(t, s, 2)
}

// Who joins another's transaction and decides by what he sees there is not told what he decided where that is lost: an "exists" of
// what does not, or the answer of a call that was never made.
func TestSQLiteLostWithAnother(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"SAVEPOINT", "ROLLBACK TO", "RELEASE"} {
		d := storetest.NewSQLite(t)
		synctest.Test(t, func(t *testing.T) {
			f := &counted{err: sqlite3.Error{Code: sqlite3.ErrIoErr}}
			s := f.open(t, d)
			f.late.Store(true)
			one := newRepository(1)
			other := make(chan error, 1)
			err := s.Update(t.Context(), func(tx store.Tx) error {
				go func() {
					other <- s.Update(t.Context(), func(tx store.Tx) error {
						err := tx.Load(new(model.Repository), one.ID)
						return cmp.Or(err, errors.New("it exists already"))
					})
				}()
				synctest.Wait() // until it waits to join
				f.fail(what)
				return tx.Insert(one)
			})
			wantUnavailable(t, err)
			wantUnavailable(t, <-other)
			f.fail("")
			wantRepositories(t, s, 0)
			update(t, s, insertOne)
			wantRepositories(t, s, 1)
		})
	}
}

func wantRepositories(t *testing.T, s store.Store, want int64) {
	t.Helper()
	view(t, s, func(tx store.ReadTx) error {
		n, err := tx.Count(&store.Query{Table: "repositories"})
		if n != want {
			t.Errorf("%d repositories, not %d", n, want)
		}
		return err
	})
}
