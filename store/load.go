package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"tokensmith/store/keyring"
)

// metaLoading is a meta row that exists while a dump is being loaded. A database that has it is incomplete.
const metaLoading = "loading"

const loadPart = 2000 // rows in one transaction

// loader inserts rows into a new database, many in one transaction.
type loader struct {
	store  *sqlStore
	ctx    context.Context
	table  *table
	rows   [][]any
	have   map[any]bool // ids of the rows of a tree that are inserted
	orphan [][]any      // rows of a tree whose parent is not inserted yet
}

func (s *sqlStore) Load(ctx context.Context, dump io.ReadSeeker) (int64, error) {
	var schema int
	err := s.view(ctx, true, func(tx *sqlReadTx) (err error) {
		if schema, err = tx.schema(); err != nil {
			return err
		}
		return tx.empty()
	})
	if err != nil {
		return 0, err
	}
	if _, err := readDump(dump, schema, s.checkCanary); err != nil {
		return 0, err
	}
	if _, err := dump.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	l := &loader{store: s, ctx: ctx}
	err = s.update(ctx, updateShort, func(tx *sqlTx) error {
		if err := tx.empty(); err != nil {
			return err
		}
		if _, err := tx.exec("DELETE FROM meta"); err != nil {
			return err
		}
		return tx.PutMeta(metaLoading, []byte("1"))
	})
	if err != nil {
		return 0, err
	}
	rows, err := readDump(dump, schema, l.add)
	if err == nil {
		err = l.next(nil)
	}
	if err != nil {
		return 0, err
	}
	return rows, s.update(ctx, updateUnbounded, func(tx *sqlTx) error {
		if s.dialect.analyze {
			// Until the next autovacuum, PostgreSQL would plan queries as if these tables were empty.
			for _, t := range kept {
				if _, err := tx.exec("ANALYZE " + t.name); err != nil {
					return err
				}
			}
		}
		_, err := tx.exec("DELETE FROM meta WHERE name = ?", metaLoading)
		return err
	})
}

// empty returns an error if the database holds any rows.
func (tx *sqlReadTx) empty() error {
	for _, t := range kept {
		if t.name == "meta" || t.derived {
			continue
		}
		n, err := value[int64](tx, "SELECT COUNT(*) FROM (SELECT 1 FROM "+t.name+" LIMIT 1) AS one")
		if err != nil {
			return err
		}
		if n > 0 {
			return fmt.Errorf("the database is not new: it has rows in %s", t.name)
		}
	}
	return nil
}

// checkCanary returns an error if the dump was sealed with another key file.
func (s *sqlStore) checkCanary(t *table, values []any) error {
	if t.name != "meta" || values[0] != metaCanary {
		return nil
	}
	sealed, _ := values[1].([]byte)
	if _, err := s.keys.Unseal(keyring.Place{Table: "meta", Column: "value", Row: metaCanary}, sealed); err != nil {
		return fmt.Errorf("the key file %s does not match this dump, which was sealed with another one", s.keys.File)
	}
	return nil
}

// add adds one row.
func (l *loader) add(t *table, values []any) error {
	if t != l.table {
		if err := l.next(t); err != nil {
			return err
		}
	}
	if t.tree {
		if !l.rooted(values) {
			l.orphan = append(l.orphan, values)
			return nil
		}
		l.have[values[slices.Index(t.columns, t.key)]] = true
	}
	l.rows = append(l.rows, values)
	if len(l.rows) >= loadPart {
		return l.flush()
	}
	return nil
}

// rooted returns whether a row's parent is inserted, or the row has none.
func (l *loader) rooted(values []any) bool {
	parent := values[slices.Index(l.table.columns, "parent_id")]
	return parent == nil || l.have[parent]
}

// next ends the current table and begins another.
func (l *loader) next(t *table) error {
	for len(l.orphan) > 0 {
		before := l.orphan
		l.orphan = nil
		for _, values := range before {
			if err := l.add(l.table, values); err != nil {
				return err
			}
		}
		if len(l.orphan) == len(before) {
			return errors.New("a row of " + l.table.name + " has a parent that is not there")
		}
	}
	if err := l.flush(); err != nil {
		return err
	}
	l.table, l.have = t, map[any]bool{}
	return nil
}

// flush inserts the buffered rows, many with one statement.
func (l *loader) flush() error {
	if len(l.rows) == 0 {
		return nil
	}
	t := l.table
	err := l.store.update(l.ctx, updateUnbounded, func(tx *sqlTx) error {
		if err := tx.writes(t.insertOne); err != nil {
			return err
		}
		_, err := tx.insertMany(t, len(l.rows), false, func(i int, args []any) []any { return append(args, l.rows[i]...) })
		if err != nil {
			return fmt.Errorf("table %s: %w", t.name, err)
		}
		return nil
	})
	l.rows = l.rows[:0]
	return err
}
