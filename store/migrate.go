package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// Migrations are numbered files, applied in order, each in a transaction of its own with its number; forward only,
// and never edited after a release.
//
//go:embed migrations/*.sql
var migrations embed.FS

const metaSchema, metaCanary = "schema", "canary"

// migrate brings the schema to this binary's version. Two processes may do it at once.
func (s *Store) migrate(ctx context.Context) error {
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
		err = s.update(ctx, patient, func(tx *Tx) error {
			have, err := tx.schema()
			if err != nil || have >= n {
				if have > len(files) {
					err = fmt.Errorf("the database was made by a newer tokensmith: its schema has number %d, this tokensmith knows up to %d", have, len(files))
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
			return tx.PutMeta(metaSchema, []byte(strconv.Itoa(n)))
		})
		if err != nil {
			return fmt.Errorf("migration %s: %w", files[n-1].Name(), err)
		}
	}
	return nil
}

// Schema says which number a database's schema has, without changing anything, and which number this binary's has; 0 is
// a new database.
func Schema(ctx context.Context, url string) (have, newest int, err error) {
	files, err := migrations.ReadDir("migrations")
	if err != nil {
		return 0, 0, err
	}
	open := openSQLite
	if IsPostgres(url) {
		open = openPostgres
	}
	s, err := open(ctx, url)
	if err != nil {
		return 0, 0, err
	}
	err = s.View(ctx, func(tx *ReadTx) error {
		var err error
		have, err = tx.schema()
		return err
	})
	return have, len(files), errors.Join(err, s.Close())
}

// untimed lets a PostgreSQL transaction take, and wait, as long as it must.
const untimed = "SELECT set_config('statement_timeout', '0', TRUE), set_config('lock_timeout', '0', TRUE), set_config('idle_in_transaction_session_timeout', '0', TRUE)"

// alone waits until no other process migrates, and keeps others waiting until release is called. On SQLite each Update
// already does; on PostgreSQL one that waited for a lock would go on with what it saw before.
func (s *Store) alone(ctx context.Context) (release func() error, err error) {
	if s.dialect.name != "postgres" {
		return func() error { return nil }, nil
	}
	tx, err := s.read.BeginTx(ctx, nil)
	if err != nil {
		return nil, s.kind(err)
	}
	if _, err = tx.ExecContext(ctx, untimed); err == nil {
		_, err = tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock(7350)")
	}
	if err != nil {
		return nil, errors.Join(s.kind(err), tx.Rollback())
	}
	return tx.Rollback, nil
}

// schema gives the number of the last migration applied; 0 for a new database.
func (tx *ReadTx) schema() (int, error) {
	catalogue := "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = ?"
	if tx.store.dialect.name == "postgres" {
		catalogue = "SELECT COUNT(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = ?"
	}
	var tables int
	if err := tx.get(&tables, catalogue, "meta"); err != nil || tables == 0 {
		return 0, err
	}
	value, err := tx.Meta(metaSchema)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(value))
}

// Meta reads a value of the database's own; nil when there is none.
func (tx *ReadTx) Meta(name string) ([]byte, error) {
	var value []byte
	err := tx.get(&value, "SELECT value FROM meta WHERE name = ?", name)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return value, err
}

// PutMeta sets a value of the database's own.
func (tx *Tx) PutMeta(name string, value []byte) error {
	_, err := tx.exec("INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", name, value)
	return err
}

// openKeys reads the key file and opens the canary with it, a sealed row that only the database's own key opens. A
// new database gets both.
func (s *Store) openKeys(ctx context.Context, file string) error {
	var canary, loading []byte
	err := s.View(ctx, func(tx *ReadTx) (err error) {
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
	s.keys, err = LoadKeyring(file)
	if errors.Is(err, fs.ErrNotExist) {
		if canary != nil {
			return fmt.Errorf("the database is sealed, and its key file is not at %s", file)
		}
		if s.keys, err = CreateKeyring(file); errors.Is(err, fs.ErrExist) {
			s.keys, err = LoadKeyring(file) // another process made it just now
		}
	}
	if err != nil {
		return err
	}
	s.audit = s.keys.Signer(auditPurpose)
	place := Place{"meta", "value", metaCanary}
	return s.Update(ctx, func(tx *Tx) error {
		sealed, err := tx.Meta(metaCanary)
		if err != nil {
			return err
		}
		if sealed == nil {
			return tx.PutMeta(metaCanary, s.keys.Seal(place, []byte(metaCanary)))
		}
		if _, err := s.keys.Unseal(place, sealed); err != nil {
			return fmt.Errorf("the key file %s does not fit this database: it was sealed with another one", file)
		}
		return nil
	})
}
