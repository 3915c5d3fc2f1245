package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jmoiron/sqlx"

	"tokensmith/model"
	"tokensmith/store/keyring"
)

// sqlStore is the common part of the Stores on SQLite and PostgreSQL.
type sqlStore struct {
	dialect dialect
	pool    *sqlx.DB // where Views run, and on PostgreSQL Updates too
	write   writer   // where Updates run
	bulk    time.Duration
	outage  *outage // lost connections; nil for SQLite, which has no connections to lose
	keys    *keyring.Keyring
	audit   *keyring.Signer // signs the record

	updates atomic.Int64 // Updates that are running or waiting
	callers atomic.Int64 // counts changes of who may call; see Callers
	changes atomic.Int64 // running Updates that change who may call
	proof   proof        // that the database accepts changes
	placed  *placed      // where the database files are; nil for PostgreSQL, whose server takes care of its files
	file    string       // absolute path of an SQLite database; "" for PostgreSQL
	kept    *keptHead    // where the head of the record is kept; nil if it is not kept
	newer   atomic.Int64 // the schema number, if a newer tokensmith has migrated the schema; else 0

	restoredAt atomic.Int64 // the value of metaRestored, read when the database was opened or set by AfterRestore

	mu     sync.Mutex
	closed bool
	busy   sync.WaitGroup // running Views and Updates
}

// writer runs Updates. The SQLite writer has one connection and commits in groups. The PostgreSQL writer has a pool of
// connections and retries.
type writer interface {
	update(ctx context.Context, mode updateMode, fn func(*sqlTx) error) error
	heads() []chain // the audit chains that the process holds; call it only while no Update is running
	close() error
}

// updateMode is how an Update is run.
type updateMode uint8

const (
	updateShort     updateMode = iota
	updateShared               // see Store.UpdateShared
	updateGroup                // several UpdateShared in one transaction; see sharedWriter
	updateLong                 // see Store.UpdateLong
	updateUnbounded            // like updateLong, but without a time limit except the end of ctx: for operators' commands
)

// short says whether such an Update takes little time, so that it may share a transaction with others.
func (m updateMode) short() bool { return m <= updateGroup }

// dialect holds all differences between the databases once they are open.
type dialect struct {
	bind     int                                   // sqlx's constant for the form of placeholders
	class    func(error) class                     // classifies a driver's error
	refuses  func(error) bool                      // whether other changes will fail too: the disk is full or failing, or all is read-only
	ddl      *strings.Replacer                     // replaces the schema's types by the database's own
	snapshot *sql.TxOptions                        // options of a View's transaction
	context  func(context.Context) context.Context // returns the context for a short statement
	tables   string                                // a query that counts the tables with a name
	size     string                                // a query for the size of the database in bytes
	pages    string                                // a query that checks the database file; "" if a server takes care of it
	untimed  string                                // a statement that removes the time limits of a transaction; "" if there are none
	alone    string                                // a statement that blocks other migrations until the transaction ends; "" if every Update does
	analyze  bool                                  // whether ANALYZE must run after many rows were loaded
	serial   bool                                  // whether Updates run one after the other, so that each waits for those before it
	chains   bool                                  // whether an audit chain begins in a transaction of its own
}

type class uint8

const (
	fault       class = iota // any other error
	notUnique                // violates a unique index
	referenced               // violates a foreign key
	retryable                // serialization conflict: the transaction may run again
	unavailable              // the database is busy, full or shutting down
	lost                     // the connection or its server is gone; another connection may work
)

func (s *sqlStore) database() *sqlStore { return s }

func (s *sqlStore) Keys() *keyring.Keyring { return s.keys }

func (s *sqlStore) Warnings() []string { return nil }

func (s *sqlStore) Close() error {
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
	// The writer is closed last. SQLite then copies its write-ahead log into the database file.
	return errors.Join(s.pool.Close(), s.write.close())
}

// enter begins a View or an Update. The caller must call s.busy.Done at the end.
func (s *sqlStore) enter(ctx context.Context) error {
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

func (s *sqlStore) Update(ctx context.Context, fn func(Tx) error) error {
	return s.update(ctx, updateShort, func(tx *sqlTx) error { return fn(tx) })
}

func (s *sqlStore) UpdateShared(ctx context.Context, fn func(Tx) error) error {
	return s.update(ctx, updateShared, func(tx *sqlTx) error { return fn(tx) })
}

func (s *sqlStore) UpdateLong(ctx context.Context, fn func(Tx) error) error {
	return s.update(ctx, updateLong, func(tx *sqlTx) error { return fn(tx) })
}

func (s *sqlStore) UpdateAlone(ctx context.Context, fn func(Tx) error) error {
	release, err := s.alone(ctx)
	if err != nil {
		return err
	}
	return errors.Join(s.Update(ctx, fn), release())
}

func (s *sqlStore) update(ctx context.Context, mode updateMode, fn func(*sqlTx) error) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.busy.Done()
	if err := s.outdated(); err != nil {
		return err
	}
	s.updates.Add(1)
	defer s.updates.Add(-1)
	changes := int64(0)
	defer func() { // runs also if fn panics
		if changes > 0 {
			s.callers.Add(1)
			s.changes.Add(-changes)
			time.Sleep(MaxCallerAge)
		}
	}()
	err := s.write.update(ctx, mode, func(tx *sqlTx) error {
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

// errOverlong is the error of an UpdateLong that took longer than WithBulkTimeout allows.
func (s *sqlStore) errOverlong() *model.Error {
	return &model.Error{Kind: model.TooLarge, Err: errOverdue,
		Msg: "the call took longer than the " + s.bulk.String() + " that a call of many rows may take (--bulk-timeout): " +
			"nothing is changed; send fewer rows at once"}
}

// errOverdue is wrapped by every error of a transaction that exceeded its time limit.
var errOverdue = errors.New("the transaction took too long")

func (s *sqlStore) CallerChanges() int64 {
	if s.changes.Load() > 0 {
		return -1
	}
	return s.callers.Load()
}

func (s *sqlStore) Readers() int { return max(1, s.pool.Stats().MaxOpenConnections) }

func (s *sqlStore) Waiting() int64 { return s.updates.Load() }

func (s *sqlStore) View(ctx context.Context, fn func(ReadTx) error) error {
	return s.view(ctx, true, func(tx *sqlReadTx) error { return fn(tx) })
}

func (s *sqlStore) ViewOne(ctx context.Context, fn func(ReadTx) error) error {
	return s.view(ctx, false, func(tx *sqlReadTx) error { return fn(tx) })
}

// view is View if snapshot is set, and ViewOne otherwise. A function that passes on what it reads while it runs must set
// tx.final, so that it does not run again.
func (s *sqlStore) view(ctx context.Context, snapshot bool, fn func(*sqlReadTx) error) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.busy.Done()
	return s.viewing(ctx, snapshot, fn)
}

// viewing is view without the check that the store is open.
func (s *sqlStore) viewing(ctx context.Context, snapshot bool, fn func(*sqlReadTx) error) error {
	p, ok := s.outage.newBudget()
	if !ok {
		return errDown
	}
	defer p.end()
	for {
		again, err := s.viewOnce(ctx, p, snapshot, fn)
		if !again || !p.more(ctx) {
			return err
		}
	}
}

// viewOnce runs a View once and returns whether it may run again.
func (s *sqlStore) viewOnce(ctx context.Context, p *retryBudget, snapshot bool, fn func(*sqlReadTx) error) (again bool, err error) {
	conn, err := p.conn(ctx, s.pool) // on both databases, the wait for a connection ends with ctx
	if err != nil {
		return s.dialect.class(err) == lost, s.kind(err)
	}
	defer conn.Close()
	read := &sqlReadTx{store: s, ctx: ctx, short: s.dialect.context(ctx), q: conn}
	if snapshot {
		tx, err := conn.BeginTxx(read.short, s.dialect.snapshot)
		if err != nil {
			return s.dialect.class(err) == lost, s.kind(err)
		}
		defer tx.Rollback() // a snapshot has nothing to commit
		read.q = tx
	}
	err = fn(read)
	if read.answered {
		s.outage.over()
	}
	return !read.final && s.dialect.class(read.failed) == lost, err
}

// kind converts a driver's error to a *model.Error.
func (s *sqlStore) kind(err error) error {
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
		return model.UnavailableError(err)
	}
	return err
}

func unavailableError(why string) error {
	return model.UnavailableError(errors.New(why))
}
