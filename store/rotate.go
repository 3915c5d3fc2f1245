package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"tokensmith/model"
	"tokensmith/store/keyring"
)

const (
	metaRotated  = "key rotated" // meta row with the time when a rotation last began, in Unix milliseconds
	retireAfter  = time.Hour     // longer than any call can take
	rotatePage   = 50            // values resealed in one transaction
	maxInsist    = time.Minute   // how long one transaction may be retried after conflicts
	rotatePasses = 10            // passes over all values, until none is left that another process sealed with an old key
)

// Rotated counts what a rotation did.
type Rotated struct {
	Values int // values sealed again; the hashes of seeds are made again with them
	Hashes int // hashes of other indexes that were made again
}

func (s *sqlStore) Rotate(ctx context.Context, now time.Time) (r Rotated, err error) {
	var canary []byte
	err = s.view(ctx, true, func(tx *sqlReadTx) (err error) {
		canary, err = tx.Meta(metaCanary)
		return err
	})
	if err != nil {
		return r, err
	}
	if under(s.keys.Last(), canary) {
		if err := s.keys.AddKey(); err != nil {
			return r, err
		}
	}
	err = s.insist(ctx, func(tx *sqlTx) error { return tx.PutMeta(metaRotated, strconv.AppendInt(nil, now.UnixMilli(), 10)) })
	if err != nil {
		return r, err
	}
	// After this wait no process seals with an old key, except calls that have already begun to.
	select {
	case <-time.After(2 * keyring.Notice):
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
		if pass == 1 || n > 0 { // a value sealed with an old key was hashed with it too
			r.Hashes = 0
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
			return r, errors.New("another process still seals with an old key: give it the same key file")
		}
	}
}

// resealed is a value that is being sealed again.
type resealed struct {
	key           string
	before, after []byte
	digest        []byte // if the column has an index of the digest
}

// reseal seals a column's values with the current key. It reads them in a snapshot and seals them outside any transaction. If a
// value was changed meanwhile, it stays, because it is sealed with the current key already.
func (s *sqlStore) reseal(ctx context.Context, c *sealedColumn) (n int, err error) {
	for after := ""; ; {
		var part []resealed
		err := s.view(ctx, true, func(tx *sqlReadTx) (err error) {
			part, err = c.part(tx, after)
			return err
		})
		if err != nil || len(part) == 0 {
			return n, err
		}
		for i := range part {
			r := &part[i]
			value, err := s.keys.Unseal(c.place(r.key), r.before)
			if err != nil {
				return n, err
			}
			r.after = s.keys.Seal(c.place(r.key), value)
		}
		err = s.insist(ctx, func(tx *sqlTx) error {
			for _, r := range part {
				set, args := c.column+" = ?", []any{r.after}
				if c.index != "" {
					set, args = set+", "+c.index+" = ?", append(args, seedIndex(s.keys, r.digest))
				}
				_, err := tx.exec(fmt.Sprintf("UPDATE %s SET %s WHERE %s = ? AND %s = ?", c.table, set, c.key, c.column), append(args, r.key, r.before)...)
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return n, err
		}
		n += len(part)
		after = part[len(part)-1].key
	}
}

// part reads the next values of a column that are not sealed with the current key.
func (c *sealedColumn) part(tx *sqlReadTx, after string) (part []resealed, err error) {
	keys, err := c.keys(tx, after, rotatePage, tx.store.keys.Last())
	for _, key := range keys {
		r := resealed{key: key}
		if r.before, err = c.read(tx, key); err != nil {
			return nil, err
		}
		if c.index != "" {
			value, err := tx.store.keys.Unseal(c.place(key), r.before)
			if err != nil {
				return nil, err
			}
			if r.digest, err = c.digest(tx, key, value); err != nil {
				return nil, err
			}
		}
		part = append(part, r)
	}
	return part, err
}

// insist runs an Update again as long as it is Unavailable. On PostgreSQL, conflicts can last longer than a caller of a method
// would wait.
func (s *sqlStore) insist(ctx context.Context, fn func(*sqlTx) error) error {
	for began := time.Now(); ; {
		err := s.update(ctx, updateUnbounded, fn)
		var known *model.Error
		if !errors.As(err, &known) || known.Kind != model.Unavailable || time.Since(began) > maxInsist {
			return err
		}
		select {
		case <-time.After(retryWaitMax):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// rehash makes an index of keyed hashes again. It uses one transaction, so that the index never contains hashes of two keys.
func (s *sqlStore) rehash(ctx context.Context, x *macIndex) (n int, err error) {
	c := &sealedColumn{table: x.table, column: x.sealed, key: x.key}
	err = s.insist(ctx, func(tx *sqlTx) error {
		n = 0
		for after := ""; ; {
			keys, err := c.keys(&tx.sqlReadTx, after, rotatePage, nil)
			if err != nil {
				return err
			}
			for _, key := range keys {
				value, err := c.open(&tx.sqlReadTx, key)
				if err == nil {
					err = c.put(tx, x.column, key, s.keys.MAC(x.purpose, x.normal(value)))
				}
				if err != nil {
					return err
				}
			}
			if n += len(keys); len(keys) < rotatePage {
				return nil
			}
			after = keys[len(keys)-1]
		}
	})
	return n, err
}

func (s *sqlStore) RetireKeys(ctx context.Context, now time.Time, restarted bool) (retired int, err error) {
	last := s.keys.Last()
	err = s.view(ctx, true, func(tx *sqlReadTx) error {
		text, err := tx.Meta(metaRotated)
		if err != nil {
			return err
		}
		at, _ := strconv.ParseInt(string(text), 10, 64)
		if left := time.UnixMilli(at).Add(retireAfter).Sub(now); left > 0 && !restarted {
			return &model.Error{Kind: model.InUse, Msg: fmt.Sprintf("the key was rotated less than %s ago, and a call that "+
				"began before may still store values "+
				"sealed with the old key: wait %s, or restart all servers and give --restarted", retireAfter, left.Round(time.Minute))}
		}
		for i := range sealedColumns {
			c := &sealedColumns[i]
			keys, err := c.keys(tx, "", 1, last)
			if err != nil {
				return err
			}
			if len(keys) > 0 {
				return &model.Error{Kind: model.InUse, Msg: fmt.Sprintf("%s.%s of %s is still sealed with an old key: rotate first", c.table, c.column, keys[0])}
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	for _, m := range s.keys.All() {
		if !m.Retired() && m.ID != last.ID {
			retired++
		}
	}
	if retired == 0 {
		return 0, nil
	}
	// The kept head of the record must be sealed again, or it would not open any more.
	if k := s.kept; k != nil {
		k.mu.Lock()
		head, err := k.read()
		if err == nil && head != "" {
			err = k.write(head)
		}
		k.mu.Unlock()
		if err != nil {
			return 0, err
		}
	}
	return retired, s.keys.Retire()
}
