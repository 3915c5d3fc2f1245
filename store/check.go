package store

import (
	"bytes"
	"context"
	"fmt"
)

// Checked is what a check examined and found intact.
type Checked struct {
	Sealed int   // values that were opened
	Audit  int64 // rows of the record
	Head   string
}

func (s *sqlStore) Check(ctx context.Context, sample int, all bool) (c Checked, err error) {
	expect, err := s.KeptHead() // read before the snapshot, so that the snapshot contains its mark
	if err != nil {
		return c, err
	}
	err = s.view(ctx, true, func(tx *sqlReadTx) error {
		c = Checked{}
		if err := tx.checkPages(); err != nil {
			return err
		}
		if err := tx.checkCounts(); err != nil {
			return err
		}
		for i := range sealedColumns {
			n, err := tx.openSample(&sealedColumns[i], sample, all)
			if err != nil {
				return err
			}
			c.Sealed += n
		}
		v, err := tx.VerifyAudit(expect)
		c.Audit, c.Head = v.Rows, v.Head
		return err
	})
	return c, err
}

// orphan is a row whose foreign key refers to a row that does not exist.
type orphan struct {
	Table  string `db:"table"`
	Parent string `db:"parent"`
}

var selectOrphans = selects[orphan](`SELECT "table", parent FROM pragma_foreign_key_check`)

// checkPages has SQLite check its own file. A PostgreSQL server does that by itself.
func (tx *sqlReadTx) checkPages() error {
	if tx.store.dialect.pages == "" {
		return nil
	}
	said, err := values[string](tx, tx.store.dialect.pages)
	if err != nil {
		return err
	}
	if len(said) != 1 || said[0] != "ok" {
		return fmt.Errorf("the database file is damaged: %q", said)
	}
	broken, err := selectOrphans.all(tx, " LIMIT 1")
	if err != nil {
		return err
	}
	if len(broken) > 0 {
		return fmt.Errorf("the database was changed by hand: a row of %s refers to one of %s that is not there", broken[0].Table, broken[0].Parent)
	}
	return nil
}

// openSample opens sealed values of a column: the first and the last sample values, or all of them.
func (tx *sqlReadTx) openSample(c *sealedColumn, sample int, all bool) (n int, err error) {
	open := func(keys []string) error {
		for _, key := range keys {
			value, err := c.open(tx, key)
			if err == nil {
				err = c.checkIndex(tx, key, value)
			}
			if err != nil {
				return err
			}
			n++
		}
		return nil
	}
	for after := ""; ; {
		keys, err := c.keys(tx, after, sample, nil)
		if err == nil {
			err = open(keys)
		}
		if err != nil || len(keys) < sample {
			return n, err
		}
		after = keys[len(keys)-1]
		if !all {
			break
		}
	}
	last, err := values[string](tx, fmt.Sprintf("SELECT %s FROM %s WHERE %s IS NOT NULL%s ORDER BY %s DESC LIMIT ?", c.key, c.table, c.column, c.only, c.key), sample)
	if err != nil {
		return n, err
	}
	return n, open(last)
}

// checkIndex checks that the keyed hash beside a value is a hash of the value's digest under one of the keys.
func (c *sealedColumn) checkIndex(tx *sqlReadTx, key string, opened []byte) error {
	if c.index == "" {
		return nil
	}
	index, err := value[[]byte](tx, fmt.Sprintf("SELECT %s FROM %s WHERE %s = ?", c.index, c.table, c.key), key)
	if err != nil || index == nil { // the hash was not made yet
		return err
	}
	digest, err := c.digest(tx, key, opened)
	if err != nil {
		return err
	}
	for _, known := range seedIndexes(tx.store.keys, digest) {
		if bytes.Equal(index, known) {
			return nil
		}
	}
	return fmt.Errorf("the database was changed by hand: %s.%s of %s does not fit its %s", c.table, c.index, key, c.column)
}
