package store

import (
	"context"
	"fmt"
)

// Checked is what a check found whole.
type Checked struct {
	Sealed int   // values that were opened
	Audit  int64 // rows of the record
	Head   string
}

// Check looks whether the database is whole: its pages and references (SQLite), the chains of the record, and whether
// sealed values open, the first and last few of each column or, with all, every one. Its error names the first place
// that is not.
func (s *Store) Check(ctx context.Context, sample int, all bool) (c Checked, err error) {
	err = s.View(ctx, func(tx *ReadTx) error {
		c = Checked{}
		if err := tx.checkPages(); err != nil {
			return err
		}
		for i := range sealedColumns {
			n, err := tx.openSample(&sealedColumns[i], sample, all)
			if err != nil {
				return err
			}
			c.Sealed += n
		}
		v, err := tx.VerifyAudit("")
		c.Audit, c.Head = v.Rows, v.Head
		return err
	})
	return c, err
}

// checkPages has SQLite check its own file; PostgreSQL's server keeps its own.
func (tx *ReadTx) checkPages() error {
	if tx.store.dialect.name != "sqlite" {
		return nil
	}
	var said []string
	if err := tx.all(&said, "PRAGMA integrity_check(10)"); err != nil {
		return err
	}
	if len(said) != 1 || said[0] != "ok" {
		return fmt.Errorf("the database file is damaged: %q", said)
	}
	var broken []struct {
		Table  string  `db:"table"`
		RowID  *int64  `db:"rowid"`
		Parent string  `db:"parent"`
		Key    *string `db:"fkid"`
	}
	if err := tx.all(&broken, "PRAGMA foreign_key_check"); err != nil {
		return err
	}
	if len(broken) > 0 {
		return fmt.Errorf("the database was changed by hand: a row of %s refers to one of %s that is not there", broken[0].Table, broken[0].Parent)
	}
	return nil
}

// openSample opens sealed values of a column: the first and the last of them, or all.
func (tx *ReadTx) openSample(c *sealedColumn, sample int, all bool) (n int, err error) {
	open := func(keys []string) error {
		for _, key := range keys {
			if _, err := c.open(tx, key); err != nil {
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
	var last []string
	err = tx.all(&last, fmt.Sprintf("SELECT %s FROM %s WHERE %s IS NOT NULL%s ORDER BY %s DESC LIMIT ?", c.key, c.table, c.column, c.only, c.key), sample)
	if err != nil {
		return n, err
	}
	return n, open(last)
}
