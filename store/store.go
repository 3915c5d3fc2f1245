// Package store keeps the domain's objects in SQLite or PostgreSQL. One SQL text serves both; a dialect only classes
// errors. Nothing outside this package knows SQL or a driver.
//
// Errors that a caller can do something about are *model.Error: NotFound, Exists (a unique index refused), InUse (a
// foreign key refused), Unavailable (try again). Everything else is a fault.
package store

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tokensmith/model"
)

// Store is an open database. It is safe for concurrent use.
type Store struct {
	dialect dialect
	read    *sql.DB // where Views run
	write   writer  // where Updates run
	losses  *losses // of connections; nil for SQLite, which has none to lose
	keys    *Keyring
	audit   *Signer // of the record

	updates atomic.Int64 // under way or waiting
	callers atomic.Int64 // see Callers
	changes atomic.Int64 // of callers, under way
	proof   proof        // that changes are taken

	mu     sync.Mutex
	closed bool
	busy   sync.WaitGroup // Views and Updates under way
}

// writer runs an Update. SQLite's has one connection and commits in groups, PostgreSQL's has a pool and retries.
type writer interface {
	update(ctx context.Context, how manner, fn func(*Tx) error) error
	heads() []chain // the audit chains at hand, when no Update is under way
	close() error
}

// manner is how an Update is run.
type manner uint8

const (
	short   manner = iota
	long           // see UpdateLong
	patient        // as long, and PostgreSQL may take as long as it must, until ctx ends: for what an operator runs
)

// dialect is all in which the databases differ once they are open.
type dialect struct {
	name     string
	numbered bool                                  // placeholders are $1, $2, ... instead of ?
	class    func(error) class                     // what a driver's error means
	refuses  func(error) bool                      // whether it says that others will fail as well: the disk is full, or fails, or all is read-only
	ddl      *strings.Replacer                     // the schema's types in the database's spelling
	snapshot *sql.TxOptions                        // of a View
	context  func(context.Context) context.Context // under which a short statement runs
}

type class uint8

const (
	fault       class = iota // anything else
	notUnique                // a unique index refused
	referenced               // a foreign key refused
	retryable                // the transaction lost against another and may be run again
	unavailable              // busy, full, going away
	lost                     // the connection or its server is gone: another one may serve
)

// Open opens the database a URL names, makes or migrates its schema, and reads the key file that seals it. A new
// database makes the key file when there is none; a key file that did not seal the database is refused. The URL is
// "postgres://..." or "postgresql://...", or else the path of an SQLite file, which is made when it is missing.
func Open(ctx context.Context, url, keyFile string) (*Store, error) {
	open := openSQLite
	if IsPostgres(url) {
		open = openPostgres
	}
	s, err := open(ctx, url)
	if err != nil {
		return nil, err
	}
	s.proof.trying = make(chan struct{}, 1)
	// A database that is sealed already shows that the key file fits before anything of it is changed.
	have := 0
	err = s.Update(ctx, func(tx *Tx) (err error) {
		have, err = tx.schema()
		return err
	})
	if err == nil && have > 0 {
		err = s.openKeys(ctx, keyFile)
	}
	if err == nil {
		err = s.migrate(ctx)
	}
	if err == nil && have == 0 {
		err = s.openKeys(ctx, keyFile)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Keys gives the keyring that seals the database.
func (s *Store) Keys() *Keyring { return s.keys }

// IsPostgres says whether a database URL names a PostgreSQL server and not an SQLite file.
func IsPostgres(url string) bool {
	return strings.HasPrefix(url, "postgres://") || strings.HasPrefix(url, "postgresql://")
}

// Close waits for Views and Updates under way and closes the database; later ones are Unavailable.
func (s *Store) Close() error {
	s.mu.Lock()
	again := s.closed
	s.closed = true
	s.mu.Unlock()
	s.busy.Wait()
	if again {
		return nil
	}
	if s.keys != nil {
		s.endChains(s.write.heads())
	}
	// The writer goes last: SQLite then folds its write-ahead log into the database file.
	return errors.Join(s.read.Close(), s.write.close())
}

// enter begins a View or an Update, which s.busy.Done ends.
func (s *Store) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	s.busy.Add(1)
	return nil
}

var errClosed = unavailableError("the store is closed")

// Update runs fn in one transaction, serializable against every other, and returns after the commit is durable. When
// fn returns an error or panics, nothing of it remains. fn may run more than once, so it has no effect outside tx but
// to assign its results; it does nothing slow (hashing, network), and it never calls Update or View.
//
// A statement that fails (no row found is no failure) spoils the transaction: those that follow fail like it, and so
// does the Update, whatever fn returns.
//
// An Update whose ctx ends while it waits for its turn is not run and gives ctx's error; once it runs it is carried
// through, whoever hangs up: a refused credential must count.
func (s *Store) Update(ctx context.Context, fn func(*Tx) error) error {
	return s.update(ctx, short, fn)
}

// UpdateLong is Update for what may take long: where Updates share a transaction, it begins one, so that those that ran
// before it need not wait for it.
func (s *Store) UpdateLong(ctx context.Context, fn func(*Tx) error) error {
	return s.update(ctx, long, fn)
}

func (s *Store) update(ctx context.Context, how manner, fn func(*Tx) error) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.busy.Done()
	s.updates.Add(1)
	defer s.updates.Add(-1)
	changes := int64(0)
	defer func() { // however the function ends
		if changes > 0 {
			s.callers.Add(1)
			s.changes.Add(-changes)
			time.Sleep(CallersKept)
		}
	}()
	err := s.write.update(ctx, how, func(tx *Tx) error {
		defer func() {
			if tx.callers {
				changes++
			}
		}()
		return fn(tx)
	})
	if err != nil {
		s.failed(err)
	}
	return err
}

// Callers gives a number that is another one after each Update in which this Store has changed what says who may call:
// agents, their certificates, domains; -1 while one is under way. What other processes change does not show in it.
func (s *Store) Callers() int64 {
	if s.changes.Load() > 0 {
		return -1
	}
	return s.callers.Load()
}

// CallersKept is how long a process may go on with what it has read of who may call while Callers stays the same, and is not
// -1. An Update that takes something away from a caller returns after that time: then no process honours it any more.
const CallersKept = 100 * time.Millisecond

// View runs fn on one read-only snapshot. When ctx ends, a search under way ends with ctx's error. Like Update's, fn may
// run more than once, where a connection is lost; one that hands out what it reads while it runs says so by tx.final.
func (s *Store) View(ctx context.Context, fn func(*ReadTx) error) error {
	return s.reading(ctx, true, fn)
}

// Look is View for a single statement: without a snapshot, which it does not need and which would cost as much again. Were
// there more, each would see what is committed when it begins.
func (s *Store) Look(ctx context.Context, fn func(*ReadTx) error) error {
	return s.reading(ctx, false, fn)
}

func (s *Store) reading(ctx context.Context, snapshot bool, fn func(*ReadTx) error) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.busy.Done()
	p, ok := s.losses.patience()
	if !ok {
		return errDown
	}
	defer p.end()
	for {
		again, err := s.readOnce(ctx, p, snapshot, fn)
		if !again || !p.more(ctx) {
			return err
		}
	}
}

// readOnce is View or Look once, and says whether it may be run again.
func (s *Store) readOnce(ctx context.Context, p *patience, snapshot bool, fn func(*ReadTx) error) (again bool, err error) {
	conn, err := p.conn(ctx, s.read) // the wait for a connection always ends with ctx, whatever the dialect
	if err != nil {
		return s.dialect.class(err) == lost, s.kind(err)
	}
	defer conn.Close()
	read := &ReadTx{store: s, ctx: ctx, q: conn}
	if snapshot {
		tx, err := conn.BeginTx(s.dialect.context(ctx), s.dialect.snapshot)
		if err != nil {
			return s.dialect.class(err) == lost, s.kind(err)
		}
		defer tx.Rollback() // a snapshot has nothing to commit
		read.q = tx
	}
	err = fn(read)
	if read.answered {
		s.losses.up()
	}
	return !read.final && s.dialect.class(read.failed) == lost, err
}

// ReadTx is a snapshot. It is bound to its View or Update and its context, and to one goroutine.
type ReadTx struct {
	store  *Store
	ctx    context.Context
	q      queryer
	failed error // the first failure of a statement

	answered bool // some statement was
	final    bool // of a View: it must not be run again

	scope Scope // what Find, Count and the look-ups by name see; nil = everything
}

// Tx is a transaction that also writes.
type Tx struct {
	ReadTx
	chain     chain        // of its audit rows
	taken     chain        // as it stood before the first of them
	first     []byte       // mac of that one
	take      func() chain // gives one with the first row; nil = it has one from the start
	chainFrom model.Time   // when it asked for a new one
	callers   bool         // see changesCallers
}

// changesCallers says that the transaction is about to change who may call, but for new ones.
func (tx *Tx) changesCallers() {
	if !tx.callers {
		tx.callers = true
		tx.store.changes.Add(1)
	}
}

// run runs fn and gives its error, or that of a statement which fn overlooked: after one, PostgreSQL's transaction
// commits nothing and SQLite's may be gone.
func (tx *Tx) run(fn func(*Tx) error) error {
	if err := fn(tx); err != nil {
		return err
	}
	return tx.failed
}

// did takes what a statement's run gave, and keeps the first failure.
func (tx *ReadTx) did(err error) error {
	if err == nil || errors.Is(err, sql.ErrNoRows) {
		tx.answered = true
		return err
	}
	if tx.ctx.Err() != nil {
		err = tx.ctx.Err() // the rest is how the driver puts it
	}
	if tx.failed == nil {
		tx.failed = tx.store.kind(err)
	}
	return tx.failed
}

// text gives a statement with the database's placeholders.
func (s *Store) text(query string) string {
	if !s.dialect.numbered {
		return query
	}
	var b strings.Builder
	for n := 1; ; n++ {
		before, after, found := strings.Cut(query, "?") // which no statement has anywhere else
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(n))
		query = after
	}
}

// exec runs a statement and gives the number of rows it changed.
func (tx *Tx) exec(query string, args ...any) (int64, error) {
	if tx.failed != nil {
		return 0, tx.failed
	}
	res, err := tx.q.ExecContext(tx.store.dialect.context(tx.ctx), tx.store.text(query), args...)
	if err != nil {
		return 0, tx.did(err)
	}
	n, err := res.RowsAffected()
	return n, tx.did(err)
}

// later runs a statement of which nobody needs to know how many rows it changed, and which nothing but a fault refuses.
// PostgreSQL gets it with the statement behind it, or with COMMIT: its failure is that one's.
func (tx *Tx) later(query string, args ...any) error {
	if tx.store.losses == nil {
		_, err := tx.exec(query, args...)
		return err
	}
	if tx.failed != nil {
		return tx.failed
	}
	_, err := tx.q.ExecContext(context.WithValue(tx.ctx, laterKey{}, true), tx.store.text(query), args...)
	return tx.did(err)
}

// kind turns a driver's error into one of the domain's.
func (s *Store) kind(err error) error {
	var known *model.Error
	if err == nil || errors.Is(err, sql.ErrNoRows) || errors.As(err, &known) {
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	switch s.dialect.class(err) {
	case notUnique:
		return &model.Error{Kind: model.Exists, Msg: "already exists", Err: err}
	case referenced:
		return &model.Error{Kind: model.InUse, Msg: "still in use", Err: err}
	case retryable, unavailable, lost:
		return &model.Error{Kind: model.Unavailable, Msg: "temporarily unavailable, try again", Err: err}
	}
	return err
}

func unavailableError(why string) error {
	return &model.Error{Kind: model.Unavailable, Msg: "temporarily unavailable, try again", Err: errors.New(why)}
}

// queryer is what a transaction and a connection have in common.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}
