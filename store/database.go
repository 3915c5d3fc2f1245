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

// sqlStore is what the Stores on SQLite and on PostgreSQL have in common.
type sqlStore struct {
	dialect dialect
	read    *sqlx.DB // where Views run
	write   writer   // where Updates run
	bulk    time.Duration
	outage  *outage // of connections; nil for SQLite, which has none to lose
	keys    *keyring.Keyring
	audit   *keyring.Signer // of the record

	updates atomic.Int64 // under way or waiting
	callers atomic.Int64 // see Callers
	changes atomic.Int64 // of callers, under way
	proof   proof        // that changes are taken
	placed  *placed      // nil for PostgreSQL, whose server looks after its files
	file    string       // of an SQLite database, from the root; "" for PostgreSQL
	kept    *keptHead    // where the record's head is; nil = nowhere
	newer   atomic.Int64 // the number of the schema, where a newer tokensmith has migrated it; else 0

	restoredAt atomic.Int64 // as metaRestored was when the database was opened, or as AfterRestore has set it

	mu     sync.Mutex
	closed bool
	busy   sync.WaitGroup // Views and Updates under way
}

// writer runs an Update. SQLite's has one connection and commits in groups, PostgreSQL's has a pool and retries.
type writer interface {
	update(ctx context.Context, mode updateMode, fn func(*sqlTx) error) error
	heads() []chain // the audit chains at hand, when no Update is under way
	close() error
}

// updateMode is how an Update is run.
type updateMode uint8

const (
	updateShort     updateMode = iota
	updateLong                 // see Store.UpdateLong
	updateUnbounded            // as long, and without a limit but ctx's end: for what an operator runs
)

// dialect is all in which the databases differ once they are open.
type dialect struct {
	bind     int                                   // sqlx's name for how placeholders are written
	class    func(error) class                     // what a driver's error means
	refuses  func(error) bool                      // whether it says that others will fail as well: the disk is full, or fails, or all is read-only
	ddl      *strings.Replacer                     // the schema's types in the database's spelling
	snapshot *sql.TxOptions                        // of a View
	context  func(context.Context) context.Context // under which a short statement runs
	tables   string                                // a query for how many tables have a name
	size     string                                // a query for the database's bytes
	pages    string                                // a query for what is wrong with the database's file; "" = a server looks after it
	untimed  string                                // a statement that lets a transaction take, and wait, as long as it must; "" = it may
	alone    string                                // a statement that keeps others from migrating until the transaction's end; "" = every Update does
	analyze  bool                                  // a database that was filled must be told to look at what it holds
	serial   bool                                  // Updates run one after the other: each waits for those before it
	chains   bool                                  // an audit chain begins in a transaction of its own
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
	// The writer goes last: SQLite then folds its write-ahead log into the database file.
	return errors.Join(s.read.Close(), s.write.close())
}

// enter begins a View or an Update, which s.busy.Done ends.
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

func (s *sqlStore) UpdateLong(ctx context.Context, fn func(Tx) error) error {
	return s.update(ctx, updateLong, func(tx *sqlTx) error { return fn(tx) })
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
	defer func() { // however the function ends
		if changes > 0 {
			s.callers.Add(1)
			s.changes.Add(-changes)
			time.Sleep(CallersKept)
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
		Msg: "the call took longer than the " + s.bulk.String() + " that a call of many rows may take (--bulk-timeout): nothing is changed; send fewer rows at once"}
}

// errOverdue is behind every error of a transaction that took longer than it may.
var errOverdue = errors.New("the transaction's time is over")

func (s *sqlStore) Callers() int64 {
	if s.changes.Load() > 0 {
		return -1
	}
	return s.callers.Load()
}

func (s *sqlStore) Readers() int { return max(1, s.read.Stats().MaxOpenConnections) }

func (s *sqlStore) Waiting() int64 { return s.updates.Load() }

func (s *sqlStore) View(ctx context.Context, fn func(ReadTx) error) error {
	return s.view(ctx, true, func(tx *sqlReadTx) error { return fn(tx) })
}

func (s *sqlStore) ViewOne(ctx context.Context, fn func(ReadTx) error) error {
	return s.view(ctx, false, func(tx *sqlReadTx) error { return fn(tx) })
}

// view is View with a snapshot and ViewOne without. One that hands out what it reads while it runs says so by tx.final.
func (s *sqlStore) view(ctx context.Context, snapshot bool, fn func(*sqlReadTx) error) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.busy.Done()
	return s.viewing(ctx, snapshot, fn)
}

// viewing is view of a store that is known to be open.
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

// viewOnce is view once, and says whether it may be run again.
func (s *sqlStore) viewOnce(ctx context.Context, p *retryBudget, snapshot bool, fn func(*sqlReadTx) error) (again bool, err error) {
	conn, err := p.conn(ctx, s.read) // the wait for a connection always ends with ctx, whatever the dialect
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

// kind turns a driver's error into one of the domain's.
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
