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

// DefaultBulkTimeout is the time limit of an UpdateLong without WithBulkTimeout.
const DefaultBulkTimeout = 15 * time.Minute

// Option changes how a database is opened.
type Option func(*options)

type options struct {
	bulk        time.Duration
	memory      int // bytes of SQLite's memory of logins
	memoryCheck func(wrong string)
	wrap        func(driver.Connector) driver.Connector
	first       func(Store) error
	make        making
	use         use
	part        bool // the file has a temporary name: no head of it is kept
}

// making says under which conditions a new SQLite database is made.
type making uint8

const (
	makeMissing making = iota // if there is neither a database nor the log of one
	makeIfFresh               // as makeMissing, and if there is no key file either
	makeAnyway                // even if files of an old database are left
)

// use says what this process opens the database for. Other processes that open it can see whether it is being served.
type use uint8

const (
	toWork use = iota
	toServe
	toBeExclusive
)

func optionsOf(given []Option) (*options, error) {
	o := &options{bulk: DefaultBulkTimeout, memory: DefaultMemory, wrap: func(c driver.Connector) driver.Connector { return c }}
	for _, option := range given {
		option(o)
	}
	if o.bulk < time.Millisecond || o.bulk > 24*time.Hour {
		return nil, fmt.Errorf("store: a bulk timeout of %s is not from 1ms to 24h", o.bulk)
	}
	if o.memory < 0 {
		return nil, fmt.Errorf("store: a memory of %d bytes is less than none", o.memory)
	}
	return o, nil
}

// WithBulkTimeout sets the time limit of an UpdateLong. Open refuses less than a millisecond and more than a day.
func WithBulkTimeout(d time.Duration) Option {
	return func(o *options) { o.bulk = d }
}

// WithMemory sets how many bytes an SQLite database may remember of logins, so that a user's next login reads less; 0 for none.
// Nothing depends on it but the time that a login takes. Open refuses less than 0.
func WithMemory(bytes int) Option { return func(o *options) { o.memory = bytes } }

// WithMemoryChecked is for tests. Everything that a login reads from the memory is compared with the database at once, and wrong
// is told what differs.
func WithMemoryChecked(wrong func(text string)) Option {
	return func(o *options) { o.memoryCheck = wrong }
}

// WithConnector replaces the database's connector by wrap's result. All statements, and all commands that begin, commit and roll
// back transactions, go through its connections, so that a test can make them fail. The SQLite writer runs BEGIN IMMEDIATE,
// COMMIT, ROLLBACK and savepoints as statements, and prepares frequent statements. PostgreSQL transactions use driver.ConnBeginTx
// and driver.Tx, and nothing is prepared. A wrapper of a connection must implement all optional interfaces of package driver that
// the connection has. Backup's copy of an SQLite file does not use it.
func WithConnector(wrap func(driver.Connector) driver.Connector) Option {
	return func(o *options) { o.wrap = wrap }
}

// MakeIfFresh makes a new SQLite database only if there is no key file yet. A key file means that a database was there.
func MakeIfFresh() Option { return func(o *options) { o.make = makeIfFresh } }

// MakeAnyway makes a new SQLite database even if a key file or a log (-wal) of an old database is left. It renames the log.
func MakeAnyway() Option { return func(o *options) { o.make = makeAnyway } }

// WithFirst runs first on a new SQLite database before any other process sees it. If first fails, no database is made.
func WithFirst(first func(Store) error) Option { return func(o *options) { o.first = first } }

// Serving declares that this process serves the database. If another process serves the same SQLite file, Warnings says so.
func Serving() Option { return func(o *options) { o.use = toServe } }

// Exclusive refuses an SQLite database that another process serves. A process that begins to serve it later gets a warning, as it
// would about another server. Alone does not examine PostgreSQL databases, whose servers may be on any machine.
func Exclusive() Option { return func(o *options) { o.use = toBeExclusive } }

// Open opens the database that url names, creates or migrates its schema, and reads the key file that seals it. For a new
// database the key file is created if there is none. A key file that did not seal the database is refused. url is
// "postgres://..." or "postgresql://...", or the path of an SQLite file. A missing or empty SQLite file is created, unless the
// log of an older database is left there. A database of another program is refused and not changed.
func Open(ctx context.Context, url, keyFile string, given ...Option) (Store, error) {
	o, err := optionsOf(given)
	if err != nil {
		return nil, err
	}
	made := false
	if file := File(url); file != "" {
		// SQLite also follows symbolic links. The files that SQLite keeps beside a database are beside the link's target.
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

// open opens an existing database.
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

// prepare migrates a database that was just connected to, and opens its sealed values.
func (s *sqlStore) prepare(ctx context.Context, keyFile string, o *options) error {
	have := 0
	err := s.update(ctx, updateShort, func(tx *sqlTx) (err error) {
		have, err = tx.schema()
		return err
	})
	if err != nil {
		return err
	}
	// If the database already has sealed values, check that the key file fits before anything is changed.
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
		return s.kept.forget() // left by an older database of the same name
	}
	return nil
}

// opened is a Store whose schema and keys may not exist yet.
type opened interface {
	Store
	database() *sqlStore
}

// connect connects to a database. keyFile is "" if the key file is not needed.
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

// IsPostgres returns whether a database URL names a PostgreSQL server rather than an SQLite file.
func IsPostgres(url string) bool {
	return strings.HasPrefix(url, "postgres://") || strings.HasPrefix(url, "postgresql://")
}

// File returns the path of the SQLite file that a URL names; "" if the URL names a server.
func File(url string) string {
	if IsPostgres(url) {
		return ""
	}
	return strings.TrimPrefix(url, "sqlite://")
}

// Schema returns the number of a database's schema and the number of this binary's schema. It changes nothing. The number 0 means
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

// followed returns the file that a symbolic link leads to, whether it exists or not.
func followed(file string) string {
	for range 40 { // the limit of the operating system
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
