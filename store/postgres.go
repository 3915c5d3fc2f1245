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
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"github.com/jmoiron/sqlx"
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
	s.write = &retryWriter{s, make(chan struct{}, 1)}
	return s, nil
}

// retryWriter runs an Update on any connection, and again when it lost against another. Those that lost take turns:
// were they to run side by side, most would only lose again.
type retryWriter struct {
	store *Store
	turn  chan struct{}
}

func (w *retryWriter) close() error { return nil }

func (w *retryWriter) update(ctx context.Context, fn func(*Tx) error) error {
	conn, err := w.store.read.Connx(ctx)
	if err != nil {
		return w.store.kind(err)
	}
	// Once it runs it is carried through, but not for ever: a server may stop answering.
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), updateMost)
	defer stop()
	for run, wait := 1, retryWait; ; run++ {
		try := w.once
		if run > 1 {
			try = w.inTurn
		}
		again, err := try(ctx, conn, fn)
		if err == nil || !again || run == retryMost {
			if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
				err = unavailableError("the database did not answer in time")
			}
			return err
		}
		time.Sleep(wait/2 + rand.N(wait))
		wait = min(2*wait, retryWaitMax)
		if conn, err = w.store.read.Connx(ctx); err != nil {
			return w.store.kind(err)
		}
	}
}

// inTurn is once for an Update that lost before.
func (w *retryWriter) inTurn(ctx context.Context, conn *sqlx.Conn, fn func(*Tx) error) (again bool, err error) {
	w.turn <- struct{}{}
	defer func() { <-w.turn }()
	return w.once(ctx, conn, fn)
}

// once runs fn in one transaction on conn, which it gives back, and says whether its error is worth another run.
func (w *retryWriter) once(ctx context.Context, conn *sqlx.Conn, fn func(*Tx) error) (again bool, err error) {
	defer conn.Close()
	begun, err := conn.BeginTxx(ctx, &sql.TxOptions{Isolation: sql.LevelSerializable})
	if err != nil {
		// Perhaps only this connection broke, while it was idle.
		return postgresClass(err) == unavailable, w.store.kind(err)
	}
	defer begun.Rollback() // does nothing after a commit
	tx := &Tx{ReadTx{store: w.store, ctx: ctx, q: begun}}
	if err := tx.run(fn); err != nil {
		// What fn makes of a lost race does not count.
		return postgresClass(tx.failed) == retryable, err
	}
	err = begun.Commit()
	return postgresClass(err) == retryable, w.store.kind(err)
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
