package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/jmoiron/sqlx"

	"tokensmith/model"
)

// sqlReadTx implements ReadTx.
type sqlReadTx struct {
	store    *sqlStore
	ctx      context.Context
	short    context.Context // the context for short statements; see dialect.context
	q        queryer
	prepared *statements // set in an Update on SQLite, nil otherwise
	failed   error       // the first error of a statement

	answered bool         // the database replied to a statement
	final    bool         // the View must not run again
	until    time.Time    // the end of the time limit; zero if there is none
	overdue  *model.Error // the error after that time

	record *unwritten // audit rows of the transaction that are not in the database yet; nil if each is written at once
	member *member    // set in an Update that shares its transaction; see sharedWriter

	memory   *memory    // of logins; nil on PostgreSQL, in a View, and if nothing is remembered
	recall   bool       // whether the transaction may read from it
	recalled []recalled // what it has read there and not confirmed
	known    int64      // the memory's point before it
	scope    Scope      // limits Find, Count and the look-ups by name; nil if unlimited
}

// queryer is the common part of a transaction and a connection.
type queryer interface {
	QueryxContext(ctx context.Context, query string, args ...any) (*sqlx.Rows, error)
	sqlx.ExecerContext
}

// sqlTx implements Tx.
type sqlTx struct {
	sqlReadTx
	chain     chain        // the head of its audit chain
	taken     chain        // the head before its first audit row
	first     []byte       // MAC of its first audit row
	take      func() chain // takes a chain for the first row; nil if it has one from the start
	chainFrom model.Time   // time at which it asked for a new chain
	callers   bool         // see changesCallers
	wrote     bool         // whether it ran a statement that may have changed something
}

// changesCallers declares that the transaction is about to change who may call. It is not needed for new callers.
func (tx *sqlTx) changesCallers() {
	if !tx.callers {
		tx.callers = true
		tx.store.changes.Add(1)
	}
}

// run runs fn and returns its error or, if fn ignored the error of a statement, that error. After a failed statement PostgreSQL
// commits nothing, and SQLite may have rolled back. A transaction that has exceeded its time limit does not commit either. It
// returns the timeout error, whatever fn made of the statements that were refused.
func (tx *sqlTx) run(fn func(*sqlTx) error) error {
	err := fn(tx)
	if failed := tx.ready(); err == nil || errors.Is(failed, errOverdue) {
		return failed
	}
	return err
}

func (tx *sqlReadTx) Failed() error { return tx.failed }

// ready returns the reason why no further statement may run; nil if one may.
func (tx *sqlReadTx) ready() error {
	if tx.failed == nil && tx.over() {
		tx.failed = tx.overdue
	}
	return tx.failed
}

// over returns whether the transaction has exceeded its time limit.
func (tx *sqlReadTx) over() bool { return !tx.until.IsZero() && time.Now().After(tx.until) }

// limit sets a time limit, unless an earlier one is set.
func (tx *sqlReadTx) limit(most time.Duration, overdue *model.Error) {
	if until := time.Now().Add(most); tx.until.IsZero() || until.Before(tx.until) {
		tx.until, tx.overdue = until, overdue
	}
}

func (tx *sqlTx) TimeLimit(most time.Duration, refusal string) (end func()) {
	if !tx.store.dialect.serial {
		return func() {}
	}
	until, overdue := tx.until, tx.overdue
	tx.limit(most, &model.Error{Kind: model.TooLarge, Msg: refusal, Err: errOverdue})
	return func() {
		_ = tx.ready() // keeps the error if the limit is exceeded
		tx.until, tx.overdue = until, overdue
	}
}

// searching returns the context for a search, which may take long. It ends with the caller's context. If others wait for this
// transaction, it also ends with the transaction's time limit.
func (tx *sqlReadTx) searching() (context.Context, context.CancelFunc) {
	if !tx.store.dialect.serial || tx.until.IsZero() {
		return tx.ctx, func() {}
	}
	return context.WithDeadline(tx.ctx, tx.until)
}

// did records the result of a statement and keeps the first error.
func (tx *sqlReadTx) did(err error) error {
	if err == nil || errors.Is(err, sql.ErrNoRows) {
		tx.answered = true
		return err
	}
	if tx.ctx.Err() != nil {
		err = tx.ctx.Err() // the driver has its own errors for that
	}
	if tx.ready() == nil {
		tx.failed = tx.store.kind(err)
	}
	return tx.failed
}

// exec runs a statement and returns the number of changed rows.
func (tx *sqlTx) exec(query string, args ...any) (int64, error) {
	if err := tx.writes(query); err != nil {
		return 0, err
	}
	return tx.execKnown(query, args...)
}

// writes must be called before a statement that changes something, unless it is known what the memory must forget.
func (tx *sqlTx) writes(query string) error {
	if err := tx.ready(); err != nil {
		return err
	}
	tx.forgets(query)
	return tx.confirm()
}

// writesRow is writes for a statement that changes the row with a key, and rows that are deleted with it.
func (tx *sqlTx) writesRow(query, id string) error {
	if err := tx.ready(); err != nil {
		return err
	}
	tx.forgetsRow(query, id)
	return tx.confirm()
}

// execKnown is exec after writes.
func (tx *sqlTx) execKnown(query string, args ...any) (int64, error) {
	if err := tx.ready(); err != nil {
		return 0, err
	}
	tx.wrote = true
	return tx.changed(tx.q.ExecContext(tx.short, tx.store.text(query), args...))
}

// execOften is exec for a statement that many Updates run. If the connection keeps prepared statements, it prepares it.
func (tx *sqlTx) execOften(query string, args ...any) (int64, error) {
	if err := tx.writes(query); err != nil {
		return 0, err
	}
	return tx.execOftenKnown(query, args...)
}

// execOftenKnown is execOften after writes.
func (tx *sqlTx) execOftenKnown(query string, args ...any) (int64, error) {
	if tx.prepared == nil {
		return tx.execKnown(query, args...)
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

// changed records the result of a statement and returns the number of changed rows.
func (tx *sqlTx) changed(res sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, tx.did(err)
	}
	n, err := res.RowsAffected()
	return n, tx.did(err)
}

// later runs a statement for which nobody needs the number of changed rows, and which fails only if the database fails. On
// PostgreSQL it is sent with the next statement, or with COMMIT, which then returns its error.
func (tx *sqlTx) later(query string, args ...any) error {
	if err := tx.writes(query); err != nil {
		return err
	}
	return tx.laterKnown(query, args...)
}

// laterKnown is later after writes.
func (tx *sqlTx) laterKnown(query string, args ...any) error {
	if tx.prepared != nil {
		_, err := tx.execOftenKnown(query, args...)
		return err
	}
	if err := tx.ready(); err != nil {
		return err
	}
	if tx.member != nil {
		return tx.did(errAlone) // what it changes is not declared
	}
	_, err := tx.q.ExecContext(context.WithValue(tx.ctx, laterKey{}, true), tx.store.text(query), args...)
	return tx.did(err)
}

// text returns a statement with the placeholders of the database.
func (s *sqlStore) text(query string) string { return sqlx.Rebind(s.dialect.bind, query) }
