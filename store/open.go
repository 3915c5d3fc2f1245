package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// DefaultBulkTimeout bounds an UpdateLong when WithBulkTimeout says nothing else.
const DefaultBulkTimeout = 15 * time.Minute

// Option changes how a database is opened.
type Option func(*options)

type options struct {
	bulk    time.Duration
	wrap    func(driver.Connector) driver.Connector
	fresh   bool
	anew    bool
	first   func(Store) error
	serving bool
	alone   bool
	part    bool // it is on its way to its name: nothing is kept of it
}

func optionsOf(given []Option) (*options, error) {
	o := &options{bulk: DefaultBulkTimeout, wrap: func(c driver.Connector) driver.Connector { return c }}
	for _, option := range given {
		option(o)
	}
	if o.bulk < time.Millisecond || o.bulk > 24*time.Hour {
		return nil, fmt.Errorf("store: a bulk timeout of %s is not from 1ms to 24h", o.bulk)
	}
	return o, nil
}

// WithBulkTimeout bounds an UpdateLong. Open refuses less than a millisecond and more than a day.
func WithBulkTimeout(d time.Duration) Option {
	return func(o *options) { o.bulk = d }
}

// WithConnector has all connections made by the connector that wrap makes of the database's own. Statements, and what
// begins, commits and undoes transactions, go through its connections, so that a test can have them fail. SQLite's writer
// runs BEGIN IMMEDIATE, COMMIT, ROLLBACK and savepoints as statements, and prepares what it runs often; PostgreSQL's
// transactions go by driver.ConnBeginTx and driver.Tx, and nothing is prepared. A connection must be passed on whole:
// whatever optional interfaces of package driver it has, its wrapper must have as well. Backup's copy of an SQLite file is
// made past it.
func WithConnector(wrap func(driver.Connector) driver.Connector) Option {
	return func(o *options) { o.wrap = wrap }
}

// OnlyFresh makes a new SQLite database only where there is no key file yet: where there is one, a database was there.
func OnlyFresh() Option { return func(o *options) { o.fresh = true } }

// Anew makes a new SQLite database also where a key file, or the log of one (-wal), is left of an old one. It keeps the log
// under another name.
func Anew() Option { return func(o *options) { o.anew = true } }

// WithFirst puts something into a new SQLite database before anybody else sees it. Where that fails, none is made.
func WithFirst(first func(Store) error) Option { return func(o *options) { o.first = first } }

// Serving notes that this process serves the database. Another that does so as well is told of by Warnings, where both have
// the same SQLite file.
func Serving() Option { return func(o *options) { o.serving = true } }

// Alone refuses an SQLite database that a process serves; one that begins to serve it meanwhile is told of it as of another
// server. A PostgreSQL database is not looked at: its servers may be anywhere.
func Alone() Option { return func(o *options) { o.alone = true } }

// Open opens the database a URL names, makes or migrates its schema, and reads the key file that seals it. A new
// database makes the key file when there is none; a key file that did not seal the database is refused. The URL is
// "postgres://..." or "postgresql://...", or else the path of an SQLite file. One that is missing, or empty, is made, unless
// the log of one that was there is left. Another program's is refused and left as it is.
func Open(ctx context.Context, url, keyFile string, given ...Option) (Store, error) {
	o, err := optionsOf(given)
	if err != nil {
		return nil, err
	}
	made := false
	if file := File(url); file != "" {
		// SQLite follows a link as well: what lies beside the database lies beside what the link leads to.
		file = followed(file)
		url = file
		none, err := missing(file)
		if err == nil && none {
			made, err = o.create(ctx, file, keyFile)
		}
		if err != nil {
			return nil, err
		}
	}
	s, err := open(ctx, url, keyFile, o)
	if err == nil && made {
		s.(opened).database().keepFirst(ctx)
	}
	return s, err
}

// open opens a database that is there.
func open(ctx context.Context, url, keyFile string, o *options) (Store, error) {
	s, err := connect(ctx, url, keyFile, o)
	if err != nil {
		return nil, err
	}
	db := s.database()
	// A database that is sealed already shows that the key file fits before anything of it is changed.
	have := 0
	err = db.update(ctx, updateShort, func(tx *sqlTx) (err error) {
		have, err = tx.schema()
		return err
	})
	if err == nil && have > 0 {
		err = db.openKeys(ctx, keyFile)
	}
	if err == nil && have == 0 {
		err = tryKeys(keyFile) // while nothing is there yet
	}
	if err == nil {
		err = db.migrate(ctx)
	}
	if err == nil && have == 0 {
		err = db.openKeys(ctx, keyFile)
	}
	if err == nil {
		err = db.indexSeeds(ctx)
	}
	if err == nil {
		err = db.findRestored(ctx)
	}
	if err == nil && !o.part {
		err = db.findKept(ctx, keyFile)
	}
	if err == nil && have == 0 && db.kept != nil {
		err = db.kept.forget() // of a database that had this one's name
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// opened is a Store whose schema and keys may not be there yet.
type opened interface {
	Store
	database() *sqlStore
}

// connect connects to a database. keyFile is "" where it is not to be opened.
func connect(ctx context.Context, url, keyFile string, o *options) (opened, error) {
	file := File(url)
	if file == "" {
		return openPostgres(ctx, url, o)
	}
	empty, err := look(ctx, file)
	if err == nil && empty && keyFile != "" {
		err = o.unused(file, keyFile)
	}
	if err != nil {
		return nil, err
	}
	return openSQLite(ctx, file, o)
}

// IsPostgres says whether a database URL names a PostgreSQL server and not an SQLite file.
func IsPostgres(url string) bool {
	return strings.HasPrefix(url, "postgres://") || strings.HasPrefix(url, "postgresql://")
}

// File returns the path of the file that holds the database a URL names; "" where a server holds it.
func File(url string) string {
	if IsPostgres(url) {
		return ""
	}
	return strings.TrimPrefix(url, "sqlite://")
}

// Schema returns which number a database's schema has, without changing anything, and which number this binary's has; 0 is
// a new database.
func Schema(ctx context.Context, url string) (have, newest int, err error) {
	files, err := migrations.ReadDir("migrations")
	if err != nil {
		return 0, 0, err
	}
	o, err := optionsOf(nil)
	if err != nil {
		return 0, 0, err
	}
	s, err := connect(ctx, url, "", o)
	if err != nil {
		return 0, 0, err
	}
	err = s.database().view(ctx, true, func(tx *sqlReadTx) error {
		have, err = tx.schema()
		return err
	})
	return have, len(files), errors.Join(err, s.Close())
}

// followed returns the file that a symbolic link leads to, be it there or not.
func followed(file string) string {
	for range 40 { // as many as the system follows
		to, err := os.Readlink(file)
		if err != nil {
			break
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(file), to)
		}
		file = to
	}
	return file
}
