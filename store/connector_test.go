package store_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"tokensmith/store"
	"tokensmith/store/storetest"
)

// faults makes connections whose statements fail as a test wants, and counts them.
type faults struct {
	driver.Connector
	statements, begins, commits atomic.Int64
	fails                       atomic.Pointer[string] // text of the statements that fail, or a part of it; "COMMIT" means every commit
}

var errOnPurpose = errors.New("failed on purpose")

func (f *faults) wrap(c driver.Connector) driver.Connector { return &faultyConnector{f, c} }

func (f *faults) run(text string) error {
	f.statements.Add(1)
	if strings.HasPrefix(text, "BEGIN") {
		f.begins.Add(1)
	}
	if strings.HasPrefix(text, "COMMIT") {
		f.commits.Add(1)
	}
	if part := f.fails.Load(); part != nil && strings.Contains(text, *part) {
		return errOnPurpose
	}
	return nil
}

type faultyConnector struct {
	f *faults
	driver.Connector
}

func (c *faultyConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &faultyConn{conn, c.f}, nil
}

type faultyConn struct {
	driver.Conn
	f *faults
}

func (c *faultyConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	if err := c.f.run("BEGIN"); err != nil {
		return nil, err
	}
	tx, err := c.Conn.(driver.ConnBeginTx).BeginTx(ctx, opts)
	return faultyTx{tx, c.f}, err
}

func (c *faultyConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if err := c.f.run(query); err != nil {
		return nil, err
	}
	return c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
}

func (c *faultyConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if err := c.f.run(query); err != nil {
		return nil, err
	}
	return c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
}

func (c *faultyConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	stmt, err := c.Conn.(driver.ConnPrepareContext).PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return faultyStmt{stmt, query, c.f}, nil
}

func (c *faultyConn) Ping(ctx context.Context) error {
	if p, ok := c.Conn.(driver.Pinger); ok {
		return p.Ping(ctx)
	}
	return nil
}

func (c *faultyConn) ResetSession(ctx context.Context) error {
	if r, ok := c.Conn.(driver.SessionResetter); ok {
		return r.ResetSession(ctx)
	}
	return nil
}

func (c *faultyConn) CheckNamedValue(v *driver.NamedValue) error {
	if n, ok := c.Conn.(driver.NamedValueChecker); ok {
		return n.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

type faultyTx struct {
	driver.Tx
	f *faults
}

func (tx faultyTx) Commit() error {
	if err := tx.f.run("COMMIT"); err != nil {
		return errors.Join(err, tx.Tx.Rollback())
	}
	return tx.Tx.Commit()
}

type faultyStmt struct {
	driver.Stmt
	text string
	f    *faults
}

func (s faultyStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	if err := s.f.run(s.text); err != nil {
		return nil, err
	}
	return s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
}

func (s faultyStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	if err := s.f.run(s.text); err != nil {
		return nil, err
	}
	return s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
}

// TestConnectorSeesAndFails: every statement, BEGIN and COMMIT goes through the connector of Open. If one of them fails, the
// Update is rolled back.
func TestConnectorSeesAndFails(t *testing.T) {
	t.Parallel()
	storetest.Databases(t, func(t *testing.T, d *storetest.Database) {
		f := &faults{}
		s, err := store.Open(t.Context(), d.URL, d.KeyFile, store.WithConnector(f.wrap))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		fail := func(what string) {
			if what == "" {
				f.fails.Store(nil)
				return
			}
			f.fails.Store(&what)
		}
		insert := func() error {
			return s.Update(t.Context(), func(tx store.Tx) error {
				return errors.Join(tx.Insert(newRepository(1)), tx.PutMeta("other", []byte("x")))
			})
		}
		for _, what := range []string{"BEGIN", "INSERT INTO repositories", "INSERT INTO meta", "COMMIT"} {
			fail(what)
			if err := insert(); err == nil {
				t.Errorf("an Update whose %s fails gave no error", what)
			}
			fail("")
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
		fail("SELECT")
		if err := s.View(t.Context(), func(tx store.ReadTx) error { _, err := tx.Products(); return err }); !errors.Is(err, errOnPurpose) {
			t.Errorf("a View whose SELECT fails gave %v", err)
		}
		fail("")
	})
}

// TestSQLiteThroughConnector: a wrapped connection that implements all interfaces meets the contract.
func TestSQLiteThroughConnector(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) *storetest.Database {
		d := storetest.NewSQLite(t)
		d.Connect = func(ctx context.Context, keyFile string) (store.Store, error) {
			return store.Open(ctx, d.URL, keyFile, store.WithConnector(new(faults).wrap))
		}
		return d
	})
}
