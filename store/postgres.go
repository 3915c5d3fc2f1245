package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"github.com/jmoiron/sqlx"

	"tokensmith/model"
)

const (
	postgresConns = 24               // connections one process holds at most
	updateMost    = time.Minute      // that an Update takes with all its runs
	retryMost     = 60               // runs of one Update before it gives up
	retryWait     = time.Millisecond // of the second run, doubling up to retryWaitMax, with jitter
	retryWaitMax  = 64 * time.Millisecond
)

func openPostgres(ctx context.Context, url string) (*Store, error) {
	db, err := sqlx.ConnectContext(ctx, "pgx", url)
	if err != nil {
		// The error may quote the URL, password included.
		var refused *pgconn.PgError
		if errors.As(err, &refused) {
			return nil, fmt.Errorf("database: %s (SQLSTATE %s)", refused.Message, refused.Code)
		}
		var connect *pgconn.ConnectError
		if errors.As(err, &connect) {
			return nil, fmt.Errorf("database: cannot connect to %s: %w", connect.Config.Host, errors.Unwrap(connect))
		}
		return nil, errors.New("database: the URL cannot be read")
	}
	db.SetMaxOpenConns(postgresConns)
	db.SetMaxIdleConns(postgresConns)
	s := &Store{read: db, dialect: dialect{name: "postgres", bind: sqlx.DOLLAR, class: postgresClass,
		// Text compares and sorts by code point, as in SQLite.
		ddl:      strings.NewReplacer(" TEXT", ` TEXT COLLATE "C"`, " BLOB", " BYTEA"),
		snapshot: &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true},
		context:  func(ctx context.Context) context.Context { return ctx },
	}}
	s.write = &retryWriter{store: s, turn: make(chan struct{}, 1)}
	return s, nil
}

// retryWriter runs an Update on any connection, and again when it lost against another. Those that lost take turns:
// were they to run side by side, most would only lose again.
type retryWriter struct {
	store *Store
	turn  chan struct{}

	mu        sync.Mutex
	free      []chain    // audit chains that no transaction holds; the last one is taken first
	beginning sync.Mutex // held while a chain begins
}

func (w *retryWriter) close() error { return nil }

func (w *retryWriter) heads() []chain { return w.free }

// take gives a chain to a transaction; none is at hand when more run at once than ever before.
func (w *retryWriter) take() (h chain) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if last := len(w.free) - 1; last >= 0 {
		h, w.free = w.free[last], w.free[:last]
	}
	return h
}

func (w *retryWriter) give(h chain) {
	if h.writer == "" {
		return
	}
	w.mu.Lock()
	w.free = append(w.free, h)
	w.mu.Unlock()
}

func (w *retryWriter) update(ctx context.Context, fn func(*Tx) error) (err error) {
	conn, err := w.store.read.Connx(ctx)
	if err != nil {
		return w.store.kind(err)
	}
	// Once it runs it is carried through, but not for ever: a server may stop answering.
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), updateMost)
	defer stop()
	var head chain // of the audit rows, taken with the first of them
	// A panic gives the chain back as it was: nothing of its transaction is left.
	defer func() { w.give(head) }()
	for run, wait := 1, retryWait; ; run++ {
		var again bool
		if run == 1 {
			again, err = w.try(ctx, conn, &head, fn)
		} else {
			again, err = w.inTurn(ctx, &head, fn)
		}
		if !again || run == retryMost {
			if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
				err = unavailableError("the database did not answer in time")
			}
			return w.store.kind(err)
		}
		time.Sleep(wait/2 + rand.N(wait))
		wait = min(2*wait, retryWaitMax)
	}
}

// inTurn is try for an Update that lost before. It takes a connection only when its turn has come, for those who
// wait must not hold what the others need.
func (w *retryWriter) inTurn(ctx context.Context, head *chain, fn func(*Tx) error) (again bool, err error) {
	select {
	case w.turn <- struct{}{}:
	case <-ctx.Done():
		return false, ctx.Err()
	}
	defer func() { <-w.turn }()
	conn, err := w.store.read.Connx(ctx)
	if err != nil {
		return false, w.store.kind(err)
	}
	return w.try(ctx, conn, head, fn)
}

// try is once, also where a chain must begin first.
func (w *retryWriter) try(ctx context.Context, conn *sqlx.Conn, head *chain, fn func(*Tx) error) (again bool, err error) {
	again, err = w.once(ctx, conn, head, fn)
	if err != errNoChain {
		return again, err
	}
	if err = w.begin(ctx, head); err != nil {
		return false, err
	}
	if conn, err = w.store.read.Connx(ctx); err != nil {
		return false, w.store.kind(err)
	}
	return w.once(ctx, conn, head, fn)
}

// begin begins an audit chain in a transaction of its own. Marks are one chain: in this process one at a time.
func (w *retryWriter) begin(ctx context.Context, head *chain) error {
	w.beginning.Lock()
	defer w.beginning.Unlock()
	for run := 1; ; run++ {
		conn, err := w.store.read.Connx(ctx)
		if err != nil {
			return w.store.kind(err)
		}
		var made chain
		again, err := w.once(ctx, conn, &made, func(tx *Tx) error { return tx.beginChain(head.time) })
		var known *model.Error
		taken := errors.As(err, &known) && known.Kind == model.Exists // another process made that mark
		if err == nil {
			*head = made
			return nil
		}
		if !again && !taken || run == retryMost {
			return err
		}
		time.Sleep(retryWait/2 + rand.N(retryWaitMax))
	}
}

// once runs fn in one transaction on conn, which it gives back, and says whether its error is worth another run. It
// moves the audit chain's head when the transaction is durable, and drops it where that is in doubt.
func (w *retryWriter) once(ctx context.Context, conn *sqlx.Conn, head *chain, fn func(*Tx) error) (again bool, err error) {
	defer conn.Close()
	begun, err := conn.BeginTxx(ctx, &sql.TxOptions{Isolation: sql.LevelSerializable})
	if err != nil {
		// Perhaps only this connection broke, while it was idle.
		return postgresClass(err) == unavailable, w.store.kind(err)
	}
	defer begun.Rollback() // does nothing after a commit
	tx := &Tx{ReadTx: ReadTx{store: w.store, ctx: ctx, q: begun}, chain: *head, take: func() chain {
		*head = w.take()
		return *head
	}}
	if err := tx.run(fn); err != nil {
		if tx.failed == errNoChain {
			*head = chain{time: tx.chainFrom}
			return false, errNoChain
		}
		// What fn makes of a lost race does not count.
		return postgresClass(tx.failed) == retryable, err
	}
	err = begun.Commit()
	again = postgresClass(err) == retryable
	switch {
	case err == nil && tx.chain.writer != "":
		*head = tx.chain
	case err == nil:
	case !again:
		*head = chain{}
	}
	return again, w.store.kind(err)
}

func postgresClass(err error) class {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		var refused *pgconn.ConnectError
		var network net.Error
		if errors.As(err, &refused) || errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
			errors.Is(err, driver.ErrBadConn) || pgconn.SafeToRetry(err) {
			return unavailable // the connection is gone
		}
		return plainClass(err)
	}
	switch e.Code {
	case "23505":
		return notUnique
	case "23503", "23001":
		return referenced
	case "40001", "40P01":
		return retryable
	case "55P03", "55006": // a lock, or an object in use
		return unavailable
	}
	switch e.Code[:min(2, len(e.Code))] {
	case "08", "25", "40", "53", "57", "58": // connection, read-only standby, rollback, resources, operator, system
		return unavailable
	}
	return fault
}
