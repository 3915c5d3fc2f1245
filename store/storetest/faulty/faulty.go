// Package faulty is a database that fails on purpose, for tests alone: a driver.Connector around SQLite's or PostgreSQL's, see
// store.WithConnector, that asks a Decide what becomes of each statement, BEGIN, COMMIT and ROLLBACK, before it is run. Decide may
// also wait, and so choose whose turn it is. Faults is a Decide by a seed. Twice is a Store that runs functions again where its
// contract allows it.
package faulty

import (
	"context"
	"database/sql/driver"
	"errors"
	"strings"
	"sync/atomic"
)

// Op is what a connection is about to do.
type Op uint8

const (
	Connect   Op = iota
	Begin        // of an Update, or of a View's snapshot
	Statement    // any other; a savepoint's as well
	Commit
	Rollback
)

// Point is where a connection is about to do something.
type Point struct {
	Op   Op
	Text string          // of a statement
	Conn int64           // the number of the connection, from 1, in the order in which they were made
	Ctx  context.Context // under which it runs
}

// Writes says whether a statement would change something.
func (p *Point) Writes() bool {
	word, _, _ := strings.Cut(strings.TrimSpace(p.Text), " ")
	switch strings.ToUpper(word) {
	case "INSERT", "UPDATE", "DELETE", "REPLACE":
		return true
	}
	return strings.HasPrefix(p.Text, beginWriting)
}

const beginWriting = "BEGIN IMMEDIATE"

// Fate is what becomes of it. The zero Fate is that it is done.
type Fate struct {
	Err  error // what the store is answered instead
	Late bool  // it takes effect all the same: a COMMIT whose answer is lost; a query ends with Err behind its first row
	Undo bool  // the database ends the whole transaction by itself, as SQLite does where the disk is full
	Cut  bool  // the connection is gone, and with it its transaction
}

// Decide decides what becomes of what a connection is about to do. It is called by several goroutines.
type Decide func(Point) Fate

// Connector wraps connectors for store.WithConnector.
func Connector(decide Decide) func(driver.Connector) driver.Connector {
	made := &atomic.Int64{}
	return func(c driver.Connector) driver.Connector { return &connector{c, decide, made} }
}

type connector struct {
	driver.Connector
	decide Decide
	made   *atomic.Int64
}

func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	n := c.made.Add(1)
	if fate := c.decide(Point{Op: Connect, Conn: n, Ctx: ctx}); fate.Err != nil {
		return nil, fate.Err
	}
	inner, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: inner, decide: c.decide, number: n}, nil
}

// conn is a connection of either driver. Each optional interface that one of them has is passed on, and means to the other what
// package database/sql does without.
type conn struct {
	driver.Conn
	decide Decide
	number int64
	gone   bool
}

// run does something unless it is decided otherwise.
func (c *conn) run(ctx context.Context, op Op, text string, do func() error) error {
	if c.gone {
		return driver.ErrBadConn
	}
	fate := c.decide(Point{op, text, c.number, ctx})
	if fate.Err == nil && !fate.Cut {
		return do()
	}
	if fate.Late {
		if err := do(); err != nil {
			return err
		}
	}
	return c.fail(fate)
}

// fail does to the connection what comes with an error, and returns that.
func (c *conn) fail(fate Fate) error {
	if fate.Undo {
		c.undo()
	}
	if fate.Cut {
		c.cut()
	}
	if fate.Err == nil {
		return driver.ErrBadConn
	}
	return fate.Err
}

// undo rolls back, where a transaction is under way.
func (c *conn) undo() {
	if lite, ok := c.Conn.(interface{ AutoCommit() bool }); ok && !lite.AutoCommit() {
		c.Conn.(driver.ExecerContext).ExecContext(context.Background(), "ROLLBACK", nil)
	}
}

func (c *conn) cut() {
	c.gone = true
	c.Conn.Close()
}

func (c *conn) Close() error {
	if c.gone {
		return nil
	}
	return c.Conn.Close()
}

func (c *conn) IsValid() bool {
	v, ok := c.Conn.(driver.Validator)
	return !c.gone && (!ok || v.IsValid())
}

func (c *conn) Ping(ctx context.Context) error {
	if c.gone {
		return driver.ErrBadConn
	}
	if p, ok := c.Conn.(driver.Pinger); ok {
		return p.Ping(ctx)
	}
	return nil
}

func (c *conn) ResetSession(ctx context.Context) error {
	if c.gone {
		return driver.ErrBadConn
	}
	if r, ok := c.Conn.(driver.SessionResetter); ok {
		return r.ResetSession(ctx)
	}
	return nil
}

func (c *conn) CheckNamedValue(v *driver.NamedValue) error {
	if n, ok := c.Conn.(driver.NamedValueChecker); ok {
		return n.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

func (c *conn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	t := &tx{c: c, ctx: ctx}
	err := c.run(ctx, Begin, "", func() (err error) {
		t.Tx, err = c.Conn.(driver.ConnBeginTx).BeginTx(ctx, opts)
		return err
	})
	if err != nil {
		if t.Tx != nil && !c.gone {
			t.Tx.Rollback() // nobody else will: whoever began it does not know that he did
		}
		return nil, err
	}
	return t, nil
}

func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (result driver.Result, err error) {
	err = c.run(ctx, opOf(query), query, func() (err error) {
		result, err = c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
		return err
	})
	return answer(result, err)
}

func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return c.query(ctx, query, func() (driver.Rows, error) { return c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args) })
}

// query runs what has rows. One that fails late does so when its second row is asked for.
func (c *conn) query(ctx context.Context, text string, do func() (driver.Rows, error)) (driver.Rows, error) {
	if c.gone {
		return nil, driver.ErrBadConn
	}
	fate := c.decide(Point{Statement, text, c.number, ctx})
	if fate.Err == nil && !fate.Cut || fate.Late {
		rows, err := do()
		if err == nil && fate.Late {
			rows = &broken{Rows: rows, fail: func() error { return c.fail(fate) }}
		}
		return rows, err
	}
	return nil, c.fail(fate)
}

func (c *conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	if c.gone {
		return nil, driver.ErrBadConn
	}
	inner, err := c.Conn.(driver.ConnPrepareContext).PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return &stmt{inner, c, query}, nil
}

// opOf says what a statement is: SQLite's writer begins and ends transactions by statements.
func opOf(text string) Op {
	switch {
	case strings.HasPrefix(text, "BEGIN"):
		return Begin
	case text == "COMMIT":
		return Commit
	case text == "ROLLBACK":
		return Rollback
	}
	return Statement
}

func answer(result driver.Result, err error) (driver.Result, error) {
	if err != nil {
		return nil, err
	}
	return result, nil
}

type stmt struct {
	driver.Stmt
	c    *conn
	text string
}

func (s *stmt) Close() error {
	if s.c.gone {
		return nil
	}
	return s.Stmt.Close()
}

func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (result driver.Result, err error) {
	err = s.c.run(ctx, opOf(s.text), s.text, func() (err error) {
		result, err = s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
		return err
	})
	return answer(result, err)
}

func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return s.c.query(ctx, s.text, func() (driver.Rows, error) { return s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args) })
}

// tx is a transaction that is not begun by a statement.
type tx struct {
	driver.Tx
	c   *conn
	ctx context.Context
}

func (t *tx) Commit() error {
	committed := false
	err := t.c.run(t.ctx, Commit, "", func() error {
		committed = true
		return t.Tx.Commit()
	})
	if !committed && !t.c.gone {
		err = errors.Join(err, t.Tx.Rollback()) // package database/sql holds it for ended
	}
	return err
}

func (t *tx) Rollback() error {
	undone := false
	err := t.c.run(t.ctx, Rollback, "", func() error {
		undone = true
		return t.Tx.Rollback()
	})
	if !undone && !t.c.gone {
		t.Tx.Rollback()
	}
	return err
}

// broken are rows that end with an error behind the first.
type broken struct {
	driver.Rows
	fail func() error
	read bool
}

func (b *broken) Next(row []driver.Value) error {
	if !b.read {
		b.read = true
		if err := b.Rows.Next(row); err == nil {
			return nil
		}
	}
	return b.fail()
}
