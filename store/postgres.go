package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/jmoiron/sqlx"
)

const (
	postgresConns   = 24              // connections one process holds at most
	postgresConnect = 3 * time.Second // for making one, each address
)

// postgresSettings are what a session begins with where the URL does not say otherwise. They end what a caller has long
// given up on, so that nobody waits for it: a transaction whose process has vanished holds its rows no longer than
// idle_in_transaction_session_timeout, and those who wait for them outwait it.
var postgresSettings = map[string]string{
	"application_name":                    "tokensmith",
	"statement_timeout":                   "60s",
	"lock_timeout":                        "12s",
	"idle_in_transaction_session_timeout": "10s",
}

// postgresStore is a Store in a PostgreSQL database.
type postgresStore struct {
	sqlStore
	warnings []string
}

func (s *postgresStore) Warnings() []string { return s.warnings }

// predicateLocks is how many notes of what transactions have read a server needs room for. It keeps those of every transaction
// that ran beside one that is still under way, a dozen each: beside an import that takes a minute, of all its logins. When there
// is no room, nothing is committed any more, logins neither, until the import has ended.
const predicateLocks = 100_000

// checkServer warns of a server that is set up for less than may be asked of it. One that does not have the settings has no such
// limit.
func checkServer(ctx context.Context, db *sqlx.DB) []string {
	var room sql.NullInt64
	err := db.QueryRowContext(ctx, "SELECT current_setting('max_pred_locks_per_transaction', TRUE)::bigint * "+
		"(current_setting('max_connections', TRUE)::bigint + current_setting('max_prepared_transactions', TRUE)::bigint)").Scan(&room)
	if err != nil || !room.Valid || room.Int64 >= predicateLocks {
		return nil
	}
	return []string{fmt.Sprintf("the PostgreSQL server has room for %d predicate locks: logins beside a call of many rows may be refused with error 8; "+
		"set max_pred_locks_per_transaction = 1024 or more there (CLUSTER.md: Limits)", room.Int64)}
}

func (s *postgresStore) Backup(context.Context, string) (Checked, error) {
	return Checked{}, errors.New("a PostgreSQL database is backed up by pg_dump, or by tokensmith dump")
}

func openPostgres(ctx context.Context, url string, o *options) (*postgresStore, error) {
	config, err := postgresConfig(url)
	if err != nil {
		return nil, err
	}
	out := &outage{}
	// Connections are not looked after before they are used: a View or Update that finds its one broken takes another.
	connector := stdlib.GetConnector(*config, stdlib.OptionShouldPing(func(context.Context, stdlib.ShouldPingParams) bool { return false }))
	db := sqlx.NewDb(sql.OpenDB(o.wrap(pipelines{connector, out})), "pgx")
	db.Mapper = mapper
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(connectError(err), db.Close())
	}
	db.SetMaxOpenConns(postgresConns)
	db.SetMaxIdleConns(postgresConns)
	s := &postgresStore{warnings: checkServer(ctx, db)}
	s.read, s.outage, s.bulk, s.proof = db, out, o.bulk, newProof()
	s.dialect = dialect{bind: sqlx.DOLLAR, class: postgresClass, refuses: postgresRefuses, analyze: true, chains: true,
		// Text compares and sorts by code point, as in SQLite.
		ddl: strings.NewReplacer(" TEXT", ` TEXT COLLATE "C"`, " BLOB", " BYTEA",
			"unhex(printf('%016x%016x', spent - 1, spent))", "int8send(spent - 1) || int8send(spent)"),
		snapshot: &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true},
		context:  func(ctx context.Context) context.Context { return ctx },
		tables:   "SELECT COUNT(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = ?",
		size:     "SELECT pg_database_size(current_database())",
		untimed:  untimed,
		alone:    "SELECT pg_advisory_xact_lock(7350)",
	}
	s.write = &retryWriter{store: &s.sqlStore, turn: make(chan struct{}, 1), longTurn: make(chan struct{}, 1), most: maxUpdate}
	return s, nil
}

// untimed lets a transaction take, and wait, as long as it must.
const untimed = "SELECT set_config('statement_timeout', '0', TRUE), set_config('lock_timeout', '0', TRUE), set_config('idle_in_transaction_session_timeout', '0', TRUE)"

// postgresConfig reads a URL and adds what it leaves open. Of several hosts, or of one whose role changes, the one that
// takes writes is meant.
func postgresConfig(url string) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, errors.New("database: the URL cannot be read") // the error may quote it, password included
	}
	if err := encrypted(config); err != nil {
		return nil, err
	}
	if config.ValidateConnect == nil {
		config.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = postgresConnect
	}
	for name, value := range postgresSettings {
		if _, ok := config.RuntimeParams[name]; !ok && !strings.Contains(config.RuntimeParams["options"], name) {
			config.RuntimeParams[name] = value
		}
	}
	dialer := &net.Dialer{Control: unacknowledged, KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 2 * time.Second, Count: 3}}
	config.DialFunc = dialer.DialContext
	return config, nil
}

// unacknowledged has the kernel give a connection up whose peer acknowledges nothing for ten seconds: a host that is
// gone says nothing, and a statement on its way to it would wait for a quarter of an hour.
func unacknowledged(network, _ string, c syscall.RawConn) error {
	const tcpUserTimeout = 18 // of Linux, in milliseconds: RFC 5482
	if runtime.GOOS != "linux" || !strings.HasPrefix(network, "tcp") {
		return nil
	}
	var failed error
	err := c.Control(func(fd uintptr) { failed = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, 10_000) })
	return errors.Join(err, failed)
}

// encrypted refuses what sslmode=prefer, the driver's default, would do: fall back to plain text where others may read
// it, whenever whoever stands between says that the server has no TLS. Plain text must be asked for by sslmode=disable.
func encrypted(config *pgx.ConnConfig) error {
	plain, secure := map[string]bool{}, map[string]bool{}
	for _, c := range append([]*pgconn.FallbackConfig{{Host: config.Host, TLSConfig: config.TLSConfig}}, config.Fallbacks...) {
		if c.TLSConfig == nil {
			plain[c.Host] = true
		} else {
			secure[c.Host] = true
		}
	}
	for host := range plain {
		addr, err := netip.ParseAddr(host)
		if secure[host] && !path.IsAbs(host) && host != "localhost" && !(err == nil && addr.IsLoopback()) {
			return fmt.Errorf("database: what goes to %s could be read by others on the network: give the URL sslmode=verify-full (and sslrootcert=FILE); sslmode=disable allows plain text", host)
		}
	}
	return nil
}

// connectError says why no connection could be made. The driver's error may quote the URL, password included.
func connectError(err error) error {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return fmt.Errorf("database: %s (SQLSTATE %s)", refused.Message, refused.Code)
	}
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) {
		return fmt.Errorf("database: cannot connect to %s: %w", connect.Config.Host, errors.Unwrap(connect))
	}
	return fmt.Errorf("database: cannot connect: %w", err)
}

func postgresClass(err error) class {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		var refused *pgconn.ConnectError
		var network net.Error
		if errors.As(err, &refused) {
			return lost
		}
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			return fault // the caller's, which is a network error as well
		}
		if errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
			errors.Is(err, driver.ErrBadConn) || pgconn.SafeToRetry(err) {
			return lost
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
	case "57P01", "57P02", "57P03", "57P05", // the server goes down, went down, comes up, lets idle ones go
		"25006", "25P03", // it has become a standby; it gave the transaction up
		"53300", "40003": // it has no connection to spare; it does not know what became of a statement
		return lost
	}
	switch e.Code[:min(2, len(e.Code))] {
	case "08":
		return lost
	case "25", "40", "53", "57", "58": // transaction state, rollback, resources, operator, system
		return unavailable
	}
	return fault
}

func postgresRefuses(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && (e.Code == "53100" || e.Code == "58030") // a read-only one is left, and not connected to again
}
