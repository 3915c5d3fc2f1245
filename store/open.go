package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"time"
)

// DefaultBulkTimeout bounds an UpdateLong when WithBulkTimeout says nothing else.
const DefaultBulkTimeout = 15 * time.Minute

// Option changes how a database is opened.
type Option func(*options)

type options struct {
	bulk time.Duration
	wrap func(driver.Connector) driver.Connector
}

func optionsOf(given []Option) *options {
	o := &options{bulk: DefaultBulkTimeout, wrap: func(c driver.Connector) driver.Connector { return c }}
	for _, option := range given {
		option(o)
	}
	return o
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

// Open opens the database a URL names, makes or migrates its schema, and reads the key file that seals it. A new
// database makes the key file when there is none; a key file that did not seal the database is refused. The URL is
// "postgres://..." or "postgresql://...", or else the path of an SQLite file, which is made when it is missing.
func Open(ctx context.Context, url, keyFile string, given ...Option) (Store, error) {
	s, err := connect(ctx, url, given)
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
	if err == nil {
		err = db.migrate(ctx)
	}
	if err == nil && have == 0 {
		err = db.openKeys(ctx, keyFile)
	}
	if err == nil {
		err = db.indexSeeds(ctx)
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

func connect(ctx context.Context, url string, given []Option) (opened, error) {
	o := optionsOf(given)
	if o.bulk < time.Millisecond || o.bulk > 24*time.Hour {
		return nil, fmt.Errorf("store: a bulk timeout of %s is not from 1ms to 24h", o.bulk)
	}
	if IsPostgres(url) {
		return openPostgres(ctx, url, o)
	}
	return openSQLite(ctx, File(url), o)
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
	s, err := connect(ctx, url, nil)
	if err != nil {
		return 0, 0, err
	}
	err = s.database().view(ctx, true, func(tx *sqlReadTx) error {
		have, err = tx.schema()
		return err
	})
	return have, len(files), errors.Join(err, s.Close())
}
