package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tokensmith/model"
)

const (
	rotatePage   = 500 // values resealed in one transaction
	rotatePasses = 10  // over everything, until nothing is found that another process sealed with an old key meanwhile
)

// Rotated is what a rotation did.
type Rotated struct {
	Values int // resealed
	Hashes int // of indexes, made anew
}

// Rotate gives the key file a new key and seals everything anew with it, a part in each transaction, while other
// processes serve: they take notice of the key file by themselves. An interrupted rotation is carried on with the key
// it began with. The old keys stay in the file, and open, until RetireKeys.
func (s *Store) Rotate(ctx context.Context) (r Rotated, err error) {
	var canary []byte
	err = s.View(ctx, func(tx *ReadTx) (err error) {
		canary, err = tx.Meta(metaCanary)
		return err
	})
	if err != nil {
		return r, err
	}
	if s.keys.last().under(canary) {
		if err := s.keys.addKey(); err != nil {
			return r, err
		}
	}
	// By then no process seals with an old key any more but one that is just about to.
	select {
	case <-time.After(2 * keyNotice):
	case <-ctx.Done():
		return r, ctx.Err()
	}
	for pass := 1; ; pass++ {
		n := 0
		for i := range sealedColumns {
			done, err := s.reseal(ctx, &sealedColumns[i])
			n += done
			r.Values += done
			if err != nil {
				return r, err
			}
		}
		if pass == 1 {
			for i := range macIndexes {
				done, err := s.rehash(ctx, &macIndexes[i])
				r.Hashes += done
				if err != nil {
					return r, err
				}
			}
		}
		if n == 0 {
			return r, nil
		}
		if pass == rotatePasses {
			return r, errors.New("another process goes on sealing with an old key: does it have the same key file?")
		}
	}
}

// reseal seals a column's values with the current key.
func (s *Store) reseal(ctx context.Context, c *sealedColumn) (n int, err error) {
	for after := ""; ; {
		var last string
		var done, seen int
		err := s.Update(ctx, func(tx *Tx) error {
			last, done, seen = after, 0, 0
			rows, err := c.page(&tx.ReadTx, after, rotatePage)
			if err != nil {
				return err
			}
			seen = len(rows)
			key := s.keys.last()
			for _, row := range rows {
				last = row.Key
				if key.under(row.Value) {
					continue
				}
				value, err := s.keys.Unseal(c.place(row.Key), row.Value)
				if err != nil {
					return err
				}
				if _, err := tx.exec(fmt.Sprintf("UPDATE %s SET %s = ? WHERE %s = ?", c.table, c.column, c.key), s.keys.Seal(c.place(row.Key), value), row.Key); err != nil {
					return err
				}
				done++
			}
			return nil
		})
		n += done
		if err != nil || seen < rotatePage {
			return n, err
		}
		after = last
	}
}

// rehash makes an index of keyed hashes anew, in one transaction, so that it is never under two keys.
func (s *Store) rehash(ctx context.Context, x *macIndex) (n int, err error) {
	c := &sealedColumn{table: x.table, column: x.sealed, key: x.key}
	err = s.Update(ctx, func(tx *Tx) error {
		n = 0
		for after := ""; ; {
			rows, err := c.page(&tx.ReadTx, after, rotatePage)
			if err != nil {
				return err
			}
			for _, row := range rows {
				after = row.Key
				value, err := s.keys.Unseal(c.place(row.Key), row.Value)
				if err != nil {
					return err
				}
				if _, err := tx.exec(fmt.Sprintf("UPDATE %s SET %s = ? WHERE %s = ?", x.table, x.column, x.key), s.keys.MAC(x.purpose, x.normal(value)), row.Key); err != nil {
					return err
				}
				n++
			}
			if len(rows) < rotatePage {
				return nil
			}
		}
	})
	return n, err
}

// RetireKeys takes the old keys out of the key file, and says how many there were. While anything is still sealed with
// one of them it refuses. What the record needs of them to be checked stays.
func (s *Store) RetireKeys(ctx context.Context) (retired int, err error) {
	last := s.keys.last()
	err = s.View(ctx, func(tx *ReadTx) error {
		for i := range sealedColumns {
			c := &sealedColumns[i]
			for after := ""; ; {
				rows, err := c.page(tx, after, verifyPage)
				if err != nil {
					return err
				}
				for _, row := range rows {
					after = row.Key
					if !last.under(row.Value) {
						return &model.Error{Kind: model.InUse, Msg: fmt.Sprintf("%s.%s of %s is still sealed with an old key: rotate first", c.table, c.column, row.Key)}
					}
				}
				if len(rows) < verifyPage {
					break
				}
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	for _, m := range s.keys.all() {
		if m.secret != nil && m.id != last.id {
			retired++
		}
	}
	if retired == 0 {
		return 0, nil
	}
	return retired, s.keys.retire()
}
