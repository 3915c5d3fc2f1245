package store

import (
	"context"
	"maps"
	"slices"
	"time"

	"tokensmith/model"
)

// prunePart is how many rows of the record are deleted in one transaction.
const prunePart = 5000

func (s *sqlStore) PruneAudit(ctx context.Context, before, now time.Time, row *model.Audit) (removed int64, err error) {
	if _, err := s.VerifyAudit(ctx, ""); err != nil {
		return 0, err
	}
	for at, done := "", false; !done; done = at == "" {
		n, next := int64(0), ""
		err := s.marking(ctx, updateUnbounded, func(tx *sqlTx) (err error) {
			if row != nil {
				if err := tx.Audit(row); err != nil {
					return err
				}
			}
			n, next, err = tx.pruneAudit(at, prunePart, model.At(before), model.At(now))
			return err
		})
		if err != nil {
			return removed, err
		}
		row, at = nil, next
		removed += n
	}
	return removed, nil
}

// pruneAudit deletes at most that many rows of the chain at and of the chains after it. next is the chain to continue with; "" if
// all are done.
func (tx *sqlTx) pruneAudit(at string, most int64, before, now model.Time) (removed int64, next string, err error) {
	if _, err := tx.mark(now, markHeads, nil); err != nil {
		return 0, "", err
	}
	chains, last, err := tx.verifyAuditMarks("")
	if err != nil || last.Number == 0 {
		return 0, "", err
	}
	m := &auditMark{Number: last.Number + 1, Time: now, Kind: markCheckpoint}
	for _, writer := range slices.Sorted(maps.Keys(chains)) {
		c, from := chains[writer], chains[writer].from
		if writer >= at && next == "" {
			if from, err = tx.pruneChain(writer, c, most-removed, before); err != nil {
				return 0, "", err
			}
			if removed += from.seq - c.from.seq; removed == most {
				next = writer
			}
		}
		m.begins(c, from)
	}
	m.MAC = tx.store.audit.Sign(m.message(nil))
	if _, err := tx.exec("DELETE FROM audit_marks"); err != nil {
		return 0, "", err
	}
	return removed, next, tx.Insert(m)
}

// pruneChain deletes the first rows of a chain, at most that many and only those from before a moment. It returns the new
// beginning of the chain, which is the last deleted row.
func (tx *sqlTx) pruneChain(writer string, c *auditMarks, most int64, before model.Time) (from head, err error) {
	first, end := auditID(writer, c.from.seq), min(c.last().seq, c.from.seq+most)
	keep, err := loadAll[model.Audit](&tx.sqlReadTx, "id > ? AND id <= ? AND time >= ? ORDER BY id LIMIT 1", first, auditID(writer, end), before)
	if err != nil {
		return from, err
	}
	if len(keep) == 1 {
		end = keep[0].Sequence - 1
	}
	if end <= c.from.seq {
		return c.from, nil
	}
	var last model.Audit
	if err := tx.Load(&last, auditID(writer, end)); err != nil {
		return from, err
	}
	_, err = tx.exec("DELETE FROM audit WHERE id > ? AND id <= ?", first, last.ID)
	return head{writer: writer, seq: end, time: last.Time, mac: last.MAC}, err
}

// last returns where the marks last saw the chain.
func (c *auditMarks) last() head {
	if n := len(c.stood); n > 0 {
		return c.stood[n-1]
	}
	return c.from
}

// begins adds to a mark where a chain begins now, unless the chain has ended and no rows are left.
func (m *auditMark) begins(c *auditMarks, from head) {
	end := c.last()
	if c.ended && from.seq == end.seq {
		return
	}
	from.what, end.what = headFrom, headAt
	if c.ended {
		end.what = headEnd
	}
	m.Heads += from.String() + end.String()
}
