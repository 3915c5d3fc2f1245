package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"

	"tokensmith/store/durable"
	"tokensmith/store/keyring"
)

// Migrations are numbered files. They are applied in order, each in a transaction of its own, which also stores its number. There
// are no down migrations, and a file is never edited after a release.
//
//go:embed migrations/*.sql
var migrations embed.FS

// afterMigration holds, by the name of its file, what a migration does in its transaction beyond SQL.
var afterMigration = map[string]func(*sqlTx) error{"0012_names.sql": foldPrincipalNames, "0014_agentnames.sql": foldAgentNames, "0018_narrow.sql": narrowStates,
	"0019_console.sql": foldNames, "0020_counters.sql": keepCounts}

const metaSchema, metaCanary = "schema", "canary"

// migrate brings the schema to this binary's version. Two processes may call it at the same time.
func (s *sqlStore) migrate(ctx context.Context) error {
	files, err := migrations.ReadDir("migrations")
	if err != nil {
		return err
	}
	release, err := s.alone(ctx)
	if err != nil {
		return err
	}
	defer release()
	for n := 1; n <= len(files); n++ {
		text, err := migrations.ReadFile(path.Join("migrations", files[n-1].Name()))
		if err != nil {
			return err
		}
		err = s.update(ctx, updateUnbounded, func(tx *sqlTx) error {
			have, err := tx.schema()
			if err != nil || have >= n {
				if have > len(files) {
					err = fmt.Errorf("the database was made by a newer tokensmith: its schema has number %d, this "+
						"tokensmith knows up to %d", have, len(files))
				}
				return err
			}
			for _, statement := range strings.Split(s.dialect.ddl.Replace(string(text)), ";\n") {
				if strings.TrimSpace(statement) == "" {
					continue
				}
				if _, err := tx.exec(statement); err != nil {
					return err
				}
			}
			if after := afterMigration[files[n-1].Name()]; after != nil {
				if err := after(tx); err != nil {
					return err
				}
			}
			return tx.PutMeta(metaSchema, []byte(strconv.Itoa(n)))
		})
		if err != nil {
			return fmt.Errorf("migration %s: %w", files[n-1].Name(), err)
		}
	}
	return nil
}

// alone waits until no other process migrates or runs an UpdateAlone, and blocks others until release is called. On SQLite each
// Update blocks all others anyway. On PostgreSQL, an Update that waited for a lock would continue with its older snapshot.
func (s *sqlStore) alone(ctx context.Context) (release func() error, err error) {
	if s.dialect.alone == "" {
		return func() error { return nil }, nil
	}
	tx, err := s.pool.BeginTxx(ctx, nil)
	if err != nil {
		return nil, s.kind(err)
	}
	if _, err = tx.ExecContext(ctx, s.dialect.untimed); err == nil {
		_, err = tx.ExecContext(ctx, s.dialect.alone)
	}
	if err != nil {
		return nil, errors.Join(s.kind(err), tx.Rollback())
	}
	return tx.Rollback, nil
}

// schema returns the number of the last applied migration; 0 for a new database.
func (tx *sqlReadTx) schema() (int, error) {
	if n, err := value[int64](tx, tx.store.dialect.tables, "meta"); err != nil || n == 0 {
		return 0, err
	}
	value, err := tx.Meta(metaSchema)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(value))
}

func (tx *sqlReadTx) Meta(name string) ([]byte, error) {
	text, err := value[[]byte](tx, "SELECT value FROM meta WHERE name = ?", name)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return text, err
}

func (tx *sqlTx) PutMeta(name string, value []byte) error {
	_, err := tx.exec("INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", name, value)
	return err
}

// tryKeys checks that a key file is valid, or can be created, before there is a database that needs it.
func tryKeys(file string) error {
	_, err := keyring.Load(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := durable.CreateTemp(file, "new")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// openKeys reads the key file and opens the canary with it. The canary is a sealed row that only the database's own key opens. A
// new database gets both.
func (s *sqlStore) openKeys(ctx context.Context, file string) error {
	var canary, loading []byte
	err := s.view(ctx, true, func(tx *sqlReadTx) (err error) {
		if loading, err = tx.Meta(metaLoading); err == nil && loading != nil {
			err = errors.New("the loading of a dump into this database was interrupted: remove it and load again")
		}
		if err == nil {
			canary, err = tx.Meta(metaCanary)
		}
		return err
	})
	if err != nil {
		return err
	}
	s.keys, err = keyring.Load(file)
	if errors.Is(err, fs.ErrNotExist) {
		if canary != nil {
			return fmt.Errorf("the database is sealed, and its key file is not at %s", file)
		}
		if s.keys, err = keyring.Create(file); errors.Is(err, fs.ErrExist) {
			s.keys, err = keyring.Load(file) // another process created it just now
		}
	}
	if err != nil {
		return err
	}
	s.audit = s.keys.Signer(keyring.AuditPurpose)
	place := keyring.Place{Table: "meta", Column: "value", Row: metaCanary}
	return s.update(ctx, updateShort, func(tx *sqlTx) error {
		sealed, err := tx.Meta(metaCanary)
		if err != nil {
			return err
		}
		if sealed == nil {
			return tx.PutMeta(metaCanary, s.keys.Seal(place, []byte(metaCanary)))
		}
		if _, err := s.keys.Unseal(place, sealed); err != nil {
			return fmt.Errorf("the key file %s does not match this database, which was sealed with another one", file)
		}
		return nil
	})
}
