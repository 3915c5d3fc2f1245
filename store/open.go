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
	bulk  time.Duration
	wrap  func(driver.Connector) driver.Connector
	first func(Store) error
	make  making
	use   use
	part  bool // it is on its way to its name: nothing is kept of it
}

// making says where a new SQLite database is made.
type making uint8

const (
	makeMissing making = iota // where there is none, and no log of one
	makeFresh                 // where there is no key file either
	makeAnew                  // whatever is left of an old one
)

// use says what this process has a database for, which others who open it are told.
type use uint8

const (
	toWork use = iota
	toServe
	toBeAlone
)

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
func OnlyFresh() Option { return func(o *options) { o.make = makeFresh } }

// Anew makes a new SQLite database also where a key file, or the log of one (-wal), is left of an old one. It keeps the log
// under another name.
func Anew() Option { return func(o *options) { o.make = makeAnew } }

// WithFirst puts something into a new SQLite database before anybody else sees it. Where that fails, none is made.
func WithFirst(first func(Store) error) Option { return func(o *options) { o.first = first } }

// Serving notes that this process serves the database. Another that does so as well is told of by Warnings, where both have
// the same SQLite file.
func Serving() Option { return func(o *options) { o.use = toServe } }

// Alone refuses an SQLite database that a process serves; one that begins to serve it meanwhile is told of it as of another
// server. A PostgreSQL database is not looked at: its servers may be anywhere.
func Alone() Option { return func(o *options) { o.use = toBeAlone } }

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
	if err := s.database().prepare(ctx, keyFile, o); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// prepare brings a database that was just connected to up to date and opens what is sealed in it.
func (s *sqlStore) prepare(ctx context.Context, keyFile string, o *options) error {
	have := 0
	err := s.update(ctx, updateShort, func(tx *sqlTx) (err error) {
		have, err = tx.schema()
		return err
	})
	if err != nil {
		return err
	}
	// A database that is sealed already shows that the key file fits before anything of it is changed.
	fits := s.openKeys
	if have == 0 {
		fits = func(_ context.Context, file string) error { return tryKeys(file) }
	}
	if err := fits(ctx, keyFile); err != nil {
		return err
	}
	if err := s.migrate(ctx); err != nil {
		return err
	}
	if have == 0 {
		if err := s.openKeys(ctx, keyFile); err != nil {
			return err
		}
	}
	if err := s.indexSeeds(ctx); err != nil {
		return err
	}
	if err := s.findRestored(ctx); err != nil {
		return err
	}
	if o.part {
		return nil
	}
	if err := s.findKept(ctx, keyFile); err != nil {
		return err
	}
	if have == 0 && s.kept != nil {
		return s.kept.forget() // of a database that had this one's name
	}
	return nil
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
