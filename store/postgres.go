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

// postgresSettings are the settings of a session unless the URL sets them. They end what the caller has given up long ago, so
// that nobody waits for it. A transaction whose process has vanished holds its locks no longer than
// idle_in_transaction_session_timeout. lock_timeout is longer, so a transaction that waits for these locks gets them.
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

// predicateLocks is how many predicate locks a server should have room for. PostgreSQL keeps those of every transaction that
// overlaps one that is still running, about a dozen for each transaction. During an import of one minute, it keeps those of all
// logins. Without room for more, no transaction can commit, not even a login, until the import has ended.
const predicateLocks = 100_000

// checkServer returns warnings about server settings that may be too low. A server without these settings has no such limit.
func checkServer(ctx context.Context, db *sqlx.DB) []string {
	var room sql.NullInt64
	err := db.QueryRowContext(ctx, "SELECT current_setting('max_pred_locks_per_transaction', TRUE)::bigint * "+
		"(current_setting('max_connections', TRUE)::bigint + current_setting('max_prepared_transactions', TRUE)::bigint)").Scan(&room)
	if err != nil || !room.Valid || room.Int64 >= predicateLocks {
		return nil
	}
	return []string{fmt.Sprintf("the PostgreSQL server has room for %d predicate locks: logins during a call of many rows "+
		"may be refused with error 8; "+
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
	// Connections are not tested before they are used. A View or Update whose connection is broken takes another one.
	connector := stdlib.GetConnector(*config, stdlib.OptionShouldPing(func(context.Context, stdlib.ShouldPingParams) bool { return false }))
	db := sqlx.NewDb(sql.OpenDB(o.wrap(pipelines{connector, out})), "pgx")
	db.Mapper = mapper
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(connectError(err), db.Close())
	}
	db.SetMaxOpenConns(postgresConns)
	db.SetMaxIdleConns(postgresConns)
	s := &postgresStore{warnings: checkServer(ctx, db)}
	s.pool, s.outage, s.bulk, s.proof = db, out, o.bulk, newProof()
	s.dialect = dialect{bind: sqlx.DOLLAR, class: postgresClass, refuses: postgresRefuses, analyze: true, chains: true,
		// Text is compared and sorted by code point, as in SQLite.
		ddl: strings.NewReplacer(" TEXT", ` TEXT COLLATE "C"`, " BLOB", " BYTEA", " WITHOUT ROWID", "",
			"unhex(printf('%016x%016x', spent - 1, spent))", "int8send(spent - 1) || int8send(spent)"),
		snapshot: &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true},
		context:  func(ctx context.Context) context.Context { return ctx },
		tables:   "SELECT COUNT(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = ?",
		size:     "SELECT pg_database_size(current_database())",
		untimed:  untimed,
		alone:    "SELECT pg_advisory_xact_lock(7350)",
	}
	s.write = &sharedWriter{retryWriter: &retryWriter{store: &s.sqlStore, turn: make(chan struct{}, 1), longTurn: make(chan struct{}, 1), most: maxUpdate}}
	return s, nil
}

// untimed removes the time limits of a transaction.
const untimed = "SELECT set_config('statement_timeout', '0', TRUE), set_config('lock_timeout', '0', TRUE), " +
	"set_config('idle_in_transaction_session_timeout', '0', TRUE)"

// postgresConfig parses a URL and sets what it leaves open. If the URL names several hosts, or one whose role changes, the one
// that accepts writes is used.
func postgresConfig(url string) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, errors.New("database: the URL cannot be read") // the error may contain the URL with its password
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

// unacknowledged makes the kernel close a connection whose peer has acknowledged nothing for ten seconds. A host that has
// disappeared sends nothing; without this, a statement that was sent to it would wait for a quarter of an hour.
func unacknowledged(network, _ string, c syscall.RawConn) error {
	const tcpUserTimeout = 18 // TCP_USER_TIMEOUT on Linux, in milliseconds (RFC 5482)
	if runtime.GOOS != "linux" || !strings.HasPrefix(network, "tcp") {
		return nil
	}
	var failed error
	err := c.Control(func(fd uintptr) { failed = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, 10_000) })
	return errors.Join(err, failed)
}

// encrypted refuses sslmode=prefer, the driver's default. With it the driver falls back to plain text whenever anybody between
// client and server claims that the server has no TLS, and others may then read the traffic. Plain text must be requested with
// sslmode=disable.
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
			return fmt.Errorf("database: what goes to %s could be read by others on the network: give the URL "+
				"sslmode=verify-full (and sslrootcert=FILE); sslmode=disable allows plain text", host)
		}
	}
	return nil
}

// connectError says why no connection could be made. It does not contain the driver's error, which may quote the URL with its
// password.
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
			return fault // the caller's own timeout, which is also a net.Error
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
	case "55P03", "55006": // lock not available, object in use
		return unavailable
	case "57P01", "57P02", "57P03", "57P05", // admin shutdown, crash shutdown, cannot connect now, idle session timeout
		"25006", "25P03", // read-only transaction (now a standby), idle-in-transaction timeout
		"53300", "40003": // too many connections, statement completion unknown
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
	// A read-only server is not listed: its connection is dropped, and not made again.
	return errors.As(err, &e) && (e.Code == "53100" || e.Code == "58030")
}
