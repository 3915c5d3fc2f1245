package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/jmoiron/sqlx"

	"tokensmith/model"
)

// sqlReadTx is a ReadTx.
type sqlReadTx struct {
	store    *sqlStore
	ctx      context.Context
	short    context.Context // ctx, as the dialect has it for a short statement
	q        queryer
	prepared *statements // of an Update on SQLite's writing connection; nil elsewhere
	failed   error       // the first failure of a statement

	answered bool         // some statement was
	final    bool         // of a View: it must not be run again
	until    time.Time    // when it is over; zero = no such time
	overdue  *model.Error // what is said then

	record *unwritten // rows of the record that the transaction has made and not written; nil = it writes each at once
	scope  Scope      // what Find, Count and the look-ups by name see; nil = everything
}

// queryer is what a transaction and a connection have in common.
type queryer interface {
	sqlx.QueryerContext
	sqlx.ExecerContext
}

// sqlTx is a Tx.
type sqlTx struct {
	sqlReadTx
	chain     chain        // of its audit rows
	taken     chain        // as it stood before the first of them
	first     []byte       // mac of that one
	take      func() chain // gives one with the first row; nil = it has one from the start
	chainFrom model.Time   // when it asked for a new one
	callers   bool         // see changesCallers
	wrote     bool         // it ran a statement that may have changed something
}

// changesCallers says that the transaction is about to change who may call, but for new ones.
func (tx *sqlTx) changesCallers() {
	if !tx.callers {
		tx.callers = true
		tx.store.changes.Add(1)
	}
}

// run runs fn and returns its error, or that of a statement which fn overlooked: after one, PostgreSQL's transaction
// commits nothing and SQLite's may be gone. What is over its time does not commit either, and is told as that, whatever fn
// makes of the statements that were refused for it.
func (tx *sqlTx) run(fn func(*sqlTx) error) error {
	err := fn(tx)
	if failed := tx.ready(); err == nil || errors.Is(failed, errOverdue) {
		return failed
	}
	return err
}

func (tx *sqlReadTx) Failed() error { return tx.failed }

// ready returns why no further statement may run.
func (tx *sqlReadTx) ready() error {
	if tx.failed == nil && tx.over() {
		tx.failed = tx.overdue
	}
	return tx.failed
}

// over says whether the transaction's time is over.
func (tx *sqlReadTx) over() bool { return !tx.until.IsZero() && time.Now().After(tx.until) }

// limit bounds the transaction's time, unless it ends earlier already.
func (tx *sqlReadTx) limit(most time.Duration, overdue *model.Error) {
	if until := time.Now().Add(most); tx.until.IsZero() || until.Before(tx.until) {
		tx.until, tx.overdue = until, overdue
	}
}

func (tx *sqlTx) Within(most time.Duration, refusal string) {
	if tx.store.dialect.serial {
		tx.limit(most, &model.Error{Kind: model.TooLarge, Msg: refusal, Err: errOverdue})
	}
}

// searching returns the context of a search, which may be long: it ends when its caller does, and with the time of a transaction
// for which others wait.
func (tx *sqlReadTx) searching() (context.Context, context.CancelFunc) {
	if !tx.store.dialect.serial || tx.until.IsZero() {
		return tx.ctx, func() {}
	}
	return context.WithDeadline(tx.ctx, tx.until)
}

// did takes what a statement's run gave, and keeps the first failure.
func (tx *sqlReadTx) did(err error) error {
	if err == nil || errors.Is(err, sql.ErrNoRows) {
		tx.answered = true
		return err
	}
	if tx.ctx.Err() != nil {
		err = tx.ctx.Err() // the rest is how the driver puts it
	}
	if tx.ready() == nil {
		tx.failed = tx.store.kind(err)
	}
	return tx.failed
}

// exec runs a statement and returns the number of rows it changed.
func (tx *sqlTx) exec(query string, args ...any) (int64, error) {
	if err := tx.ready(); err != nil {
		return 0, err
	}
	tx.wrote = true
	return tx.changed(tx.q.ExecContext(tx.short, tx.store.text(query), args...))
}

// execOften is exec for a text that many an Update has: prepared, where the connection keeps statements.
func (tx *sqlTx) execOften(query string, args ...any) (int64, error) {
	if tx.prepared == nil {
		return tx.exec(query, args...)
	}
	if err := tx.ready(); err != nil {
		return 0, err
	}
	tx.wrote = true
	stmt, err := tx.prepared.of(tx.short, query)
	if err != nil {
		return 0, tx.did(err)
	}
	return tx.changed(stmt.ExecContext(tx.short, args...))
}

// changed takes what the run of a statement gave.
func (tx *sqlTx) changed(res sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, tx.did(err)
	}
	n, err := res.RowsAffected()
	return n, tx.did(err)
}

// later runs a statement of which nobody needs to know how many rows it changed, and which nothing but a fault refuses.
// PostgreSQL gets it with the statement behind it, or with COMMIT: its failure is that one's.
func (tx *sqlTx) later(query string, args ...any) error {
	if tx.prepared != nil {
		_, err := tx.execOften(query, args...)
		return err
	}
	if err := tx.ready(); err != nil {
		return err
	}
	_, err := tx.q.ExecContext(context.WithValue(tx.ctx, laterKey{}, true), tx.store.text(query), args...)
	return tx.did(err)
}

// text returns a statement with the database's placeholders.
func (s *sqlStore) text(query string) string { return sqlx.Rebind(s.dialect.bind, query) }
