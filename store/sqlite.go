package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/mattn/go-sqlite3"
)

type sqliteSetting struct{ parameter, value, question, answer string }

// sqliteSettings returns the parameters that a connection is opened with, and the answers that queries must then give. A
// misspelled parameter would be ignored silently. cache is the size of the page cache in kB.
func sqliteSettings(cache int) []sqliteSetting {
	size := strconv.Itoa(-cache)
	return []sqliteSetting{
		{"_journal_mode", "WAL", "PRAGMA journal_mode", "wal"},
		{"_synchronous", "FULL", "PRAGMA synchronous", "2"},
		{"_foreign_keys", "on", "PRAGMA foreign_keys", "1"},
		{"_busy_timeout", "10000", "PRAGMA busy_timeout", "10000"},
		{"_cache_size", size, "PRAGMA cache_size", size},
		{"_case_sensitive_like", "on", "SELECT 'a' LIKE 'A'", "0"},
	}
}

// Cache sizes in kB, of the writer and of all readers together. A commit invalidates the readers' caches, so they help only
// within one View.
const (
	writeCache = 64 << 10
	readCache  = 24 << 10
)

// readers returns how many connections Views have.
func readers() int { return 2*runtime.GOMAXPROCS(0) + 2 }

// sqliteStore is a Store in an SQLite file.
type sqliteStore struct {
	sqlStore
	readSource string // data source name of a reading connection
	warnings   []string
	note       *os.File // open while this process serves the database; nil if it does not
}

func (s *sqliteStore) Warnings() []string { return s.warnings }

func (s *sqliteStore) Close() error {
	err := s.sqlStore.Close()
	s.note.Close() // has no effect on nil, or the second time
	return err
}

// sqliteConnector is the driver.Connector for one data source name.
type sqliteConnector struct{ source string }

func (c sqliteConnector) Connect(context.Context) (driver.Conn, error) {
	return c.Driver().Open(c.source)
}

func (c sqliteConnector) Driver() driver.Driver { return &sqlite3.SQLiteDriver{} }

func openSQLite(ctx context.Context, path string, o *options) (*sqliteStore, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	source := func(cache int, extra ...string) string {
		// SQLite needs no mutex, because database/sql never uses a connection in two goroutines at once.
		q := url.Values{"_stmt_cache_size": {"256"}, "_mutex": {"no"}}
		for _, p := range sqliteSettings(cache) {
			q.Set(p.parameter, p.value)
		}
		for i := 0; i < len(extra); i += 2 {
			q.Set(extra[i], extra[i+1])
		}
		return (&url.URL{Scheme: "file", Path: abs, OmitHost: true, RawQuery: q.Encode()}).String()
	}
	s := &sqliteStore{readSource: source(readCache/readers(), "mode", "ro", "_query_only", "on")}
	s.bulk, s.proof = o.bulk, newProof()
	s.dialect = dialect{bind: sqlx.QUESTION, class: sqliteClass, refuses: sqliteRefuses, ddl: strings.NewReplacer(),
		// The driver starts a goroutine for each statement whose context can end. Short statements run with a context that
		// cannot.
		context: context.WithoutCancel,
		serial:  true,
		tables:  "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = ?",
		pages:   "PRAGMA integrity_check(10)",
		size:    "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
	}
	writes, err := connectSQLite(ctx, source(writeCache, "mode", "rw", "_txlock", "immediate"), o) // mode rw creates no file
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", path, err)
	}
	writes.SetMaxOpenConns(2) // the writer's and the checkpointer's
	conn, err := writes.Connx(ctx)
	if err == nil {
		err = checkSettings(ctx, conn, writeCache)
	}
	if err == nil {
		s.warnings, err = checkBuild(ctx, conn)
	}
	if err == nil {
		_, err = conn.ExecContext(ctx, "PRAGMA wal_autocheckpoint = "+strconv.Itoa(checkpointPages))
	}
	var second *sqlx.Conn
	if err == nil {
		second, err = writes.Connx(ctx)
	}
	if err == nil {
		s.write, err = newGroupWriter(ctx, &s.sqlStore, writes, conn, second, newMemory(o))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("database %s: %w", path, err), writes.Close())
	}
	s.pool, err = connectSQLite(ctx, s.readSource, o)
	if err == nil {
		if err = checkSettings(ctx, s.pool, readCache/readers()); err != nil {
			s.pool.Close()
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("database %s: %w", path, err), s.write.close())
	}
	s.pool.SetMaxOpenConns(readers())
	s.pool.SetMaxIdleConns(readers())
	s.placed, s.file = newPlaced(abs), whole(path)
	if o.use == toWork {
		return s, nil
	}
	var others bool
	if s.note, others, err = serves(path); err != nil {
		return nil, errors.Join(fmt.Errorf("database %s: %w", path, err), s.Close())
	}
	if others && o.use == toBeExclusive {
		return nil, errors.Join(fmt.Errorf("database %s: a process serves it: stop that first; nothing is changed", path), s.Close())
	}
	if others {
		s.warnings = append(s.warnings, "another process serves the database "+path+" already: this is safe, "+
			"but they wait for each other, and each limits rates on its own")
	}
	return s, nil
}

// ours lists tables that every version of the schema has.
var ours = []string{"meta", "users", "tokens", "audit"}

// look examines a database file without changing it, and refuses a database of another program. empty says whether the file holds
// nothing yet.
func look(ctx context.Context, file string) (empty bool, err error) {
	abs, err := filepath.Abs(file)
	if err != nil {
		return false, err
	}
	// Use only SQLite to read the file. Opening and closing it in another way would release the locks of everyone else in this
	// process who has it open (sqlite.org/howtocorrupt.html).
	source := url.URL{Scheme: "file", Path: abs, OmitHost: true, RawQuery: url.Values{"mode": {"rw"}, "_busy_timeout": {"10000"}}.Encode()}
	db := sqlx.NewDb(sql.OpenDB(sqliteConnector{source.String()}), "sqlite3")
	db.SetMaxOpenConns(1)
	var f foundIn
	err = sqlx.SelectContext(ctx, db, &f.names, "SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY type <> 'table', name")
	for pragma, to := range map[string]*int64{"application_id": &f.application, "user_version": &f.version} {
		if err == nil {
			err = sqlx.GetContext(ctx, db, to, "PRAGMA "+pragma)
		}
	}
	if err = errors.Join(err, db.Close()); err != nil {
		return false, fmt.Errorf("database %s: %w", file, err)
	}
	if !f.ours() {
		return false, fmt.Errorf("database %s: it is another program's SQLite file (%s): nothing of it is changed; name another file", file, f)
	}
	return len(f.names) == 0, nil
}

// foundIn is what identifies the owner of a database file.
type foundIn struct {
	names                []string // names of all objects of the schema, tables first
	application, version int64    // PRAGMA values that are 0 in our databases
}

// ours returns whether a file holds the tables that every version of the schema has, or nothing at all.
func (f *foundIn) ours() bool {
	missing := slices.ContainsFunc(ours, func(name string) bool { return !slices.Contains(f.names, name) })
	return f.application == 0 && f.version == 0 && (len(f.names) == 0 || !missing)
}

func (f foundIn) String() string {
	switch {
	case len(f.names) > 0:
		return "it holds " + strings.Join(f.names[:min(3, len(f.names))], ", ") + map[bool]string{true: ", ..."}[len(f.names) > 3]
	case f.application != 0:
		return fmt.Sprintf("application id %d", f.application)
	}
	return fmt.Sprintf("user version %d", f.version)
}

const (
	maxConnect  = 10 * time.Second // how long to wait while another process switches a new database to WAL mode
	connectWait = 10 * time.Millisecond
)

// connectSQLite connects to a file. If several processes open a new database at the same time, one of them switches it to WAL
// mode, and SQLite refuses the others immediately, ignoring busy_timeout. Therefore it retries.
func connectSQLite(ctx context.Context, source string, o *options) (*sqlx.DB, error) {
	for began := time.Now(); ; {
		db := sqlx.NewDb(sql.OpenDB(o.wrap(sqliteConnector{source})), "sqlite3")
		db.Mapper = mapper
		err := db.PingContext(ctx)
		if err == nil {
			return db, nil
		}
		err = errors.Join(err, db.Close())
		var e sqlite3.Error
		if !errors.As(err, &e) || e.Code != sqlite3.ErrBusy || time.Since(began) > maxConnect {
			return nil, err
		}
		select {
		case <-time.After(connectWait):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func checkSettings(ctx context.Context, on sqlx.QueryerContext, cache int) error {
	for _, p := range sqliteSettings(cache) {
		var answer string
		if err := sqlx.GetContext(ctx, on, &answer, p.question); err != nil {
			return err
		}
		if answer != p.answer {
			return fmt.Errorf("%s gives %q, not %q", p.question, answer, p.answer)
		}
	}
	return nil
}

// buildOptions lists the compile options that make SQLite as fast as possible here. The Makefile sets them in the C flags.
var buildOptions = []string{"ENABLE_QPSG", "DEFAULT_MEMSTATUS=0", "STMTJRNL_SPILL=-1"}

// checkBuild warns if SQLite was compiled with other options.
func checkBuild(ctx context.Context, on sqlx.QueryerContext) (warnings []string, err error) {
	var have []string
	err = sqlx.SelectContext(ctx, on, &have, "PRAGMA compile_options")
	return buildWarnings(have), err
}

func buildWarnings(have []string) []string {
	missing := slices.DeleteFunc(slices.Clone(buildOptions), func(option string) bool { return slices.Contains(have, option) })
	if len(missing) == 0 {
		return nil
	}
	return []string{"SQLite was compiled without " + strings.Join(missing, ", ") + ": logins may take twice as long; build with make, which sets CGO_CFLAGS"}
}

func sqliteClass(err error) class {
	var e sqlite3.Error // matches by value
	if !errors.As(err, &e) {
		return plainClass(err)
	}
	switch e.ExtendedCode {
	case sqlite3.ErrConstraintUnique, sqlite3.ErrConstraintPrimaryKey:
		return notUnique
	case sqlite3.ErrConstraintForeignKey:
		return referenced
	}
	switch e.Code {
	case sqlite3.ErrBusy, sqlite3.ErrLocked, sqlite3.ErrProtocol, sqlite3.ErrFull, sqlite3.ErrIoErr, sqlite3.ErrReadonly, sqlite3.ErrCantOpen,
		sqlite3.ErrNomem, sqlite3.ErrInterrupt:
		return unavailable
	}
	return fault
}

func sqliteRefuses(err error) bool {
	var e sqlite3.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code {
	case sqlite3.ErrFull, sqlite3.ErrIoErr, sqlite3.ErrReadonly, sqlite3.ErrCantOpen:
		return true
	}
	return false
}

// plainClass classifies the errors of database/sql itself.
func plainClass(err error) class {
	if errors.Is(err, sql.ErrConnDone) || errors.Is(err, sql.ErrTxDone) || errors.Is(err, driver.ErrBadConn) {
		return unavailable
	}
	return fault
}
