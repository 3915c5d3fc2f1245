package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"github.com/jmoiron/sqlx"
)

const (
	postgresConns = 24               // connections one process holds at most
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
	s.write = &retryWriter{s}
	return s, nil
}

// retryWriter runs an Update on any connection, and again when it lost against another.
type retryWriter struct{ store *Store }

func (w *retryWriter) close() error { return nil }

func (w *retryWriter) update(ctx context.Context, fn func(*Tx) error) error {
	// Once it runs it is carried through, whoever hangs up: a refused credential must count.
	ctx = context.WithoutCancel(ctx)
	wait := retryWait
	for run := 1; ; run++ {
		err := w.once(ctx, fn)
		if err == nil || run == retryMost || w.store.dialect.class(err) != retryable {
			return w.store.kind(err)
		}
		time.Sleep(wait/2 + rand.N(wait))
		wait = min(2*wait, retryWaitMax)
	}
}

func (w *retryWriter) once(ctx context.Context, fn func(*Tx) error) error {
	tx, err := w.store.read.BeginTxx(ctx, &sql.TxOptions{Isolation: sql.LevelSerializable})
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after a commit
	if err := fn(&Tx{ReadTx{store: w.store, ctx: ctx, q: tx}}); err != nil {
		return err
	}
	return tx.Commit()
}

func postgresClass(err error) class {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		var connect *pgconn.ConnectError
		if errors.As(err, &connect) || pgconn.Timeout(err) {
			return unavailable
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
	}
	switch e.Code[:2] {
	case "08", "53", "57", "58", "25": // connection, resources, operator, system, read-only standby
		return unavailable
	}
	return fault
}
