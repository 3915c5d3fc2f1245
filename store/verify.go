package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"tokensmith/model"
)

// verifyPage is how many rows verification reads at a time.
const verifyPage = 5000

// Verified is the result of a successful verification.
type Verified struct {
	Rows int64  // rows of the record
	Head string // the head of the last mark
}

// auditMarks is what the marks say about one chain.
type auditMarks struct {
	from  head   // the row before the first remaining row
	stood []head // where it stood at each mark, in order
	ended bool   // the chain ended after the last element of stood
}

func broken(format string, args ...any) error {
	return &model.Error{Kind: model.RecordBroken, Msg: "the audit record is broken: " + fmt.Sprintf(format, args...)}
}

// unreadable is the error for a value that does not have its column's type. SQLite accepts such values from someone who changes
// the database by hand.
func unreadable(err error, what string) error {
	var known *model.Error
	if errors.As(err, &known) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &model.Error{Kind: model.RecordBroken, Msg: "the audit record is broken: " + what + " cannot be read", Err: err}
}

func (tx *sqlReadTx) VerifyAudit(expect string) (Verified, error) {
	chains, last, err := tx.verifyAuditMarks(expect)
	if err != nil {
		return Verified{}, err
	}
	v := Verified{Head: last.head()}
	var writer string
	var at *auditMarks
	var before head
	for after := ""; ; {
		rows, err := loadAll[model.Audit](tx, "id > ? ORDER BY id LIMIT ?", after, verifyPage)
		if err != nil {
			return v, unreadable(err, "a row after "+after)
		}
		for i := range rows {
			r := &rows[i]
			if r.Writer != writer || at == nil {
				if at != nil {
					if err := at.close(before); err != nil {
						return v, err
					}
					delete(chains, writer)
				}
				writer, at = r.Writer, chains[r.Writer]
				if at == nil {
					return v, broken("row %s belongs to no chain", r.ID)
				}
				before = at.from
			}
			if err := tx.verifyRow(r, at, before); err != nil {
				return v, err
			}
			before.seq, before.mac = r.Sequence, r.MAC
			v.Rows++
		}
		if len(rows) < verifyPage {
			break
		}
		after = rows[len(rows)-1].ID
	}
	if at != nil {
		if err := at.close(before); err != nil {
			return v, err
		}
		delete(chains, writer)
	}
	// The remaining chains have no rows. That is correct for a chain that never had a row, or whose rows were all pruned.
	first := ""
	for name, c := range chains {
		if c.close(c.from) != nil && (first == "" || name < first) {
			first = name
		}
	}
	if first != "" {
		return v, chains[first].close(chains[first].from)
	}
	return v, nil
}

// verifyRow checks a row against the row before it.
func (tx *sqlReadTx) verifyRow(r *model.Audit, at *auditMarks, before head) error {
	if r.ID != auditID(r.Writer, r.Sequence) || r.Sequence <= before.seq {
		return broken("row %s was moved", r.ID)
	}
	if r.Sequence != before.seq+1 {
		return broken("row %s is missing", auditID(r.Writer, before.seq+1))
	}
	if !tx.store.audit.Verify(auditMessage(r, before.mac), r.MAC) {
		return broken("row %s or the row before it was changed", r.ID)
	}
	for _, h := range at.stood {
		if h.seq == r.Sequence && !bytes.Equal(h.mac, r.MAC) {
			return broken("row %s is not the one that was marked", r.ID)
		}
	}
	if at.ended && r.Sequence > at.stood[len(at.stood)-1].seq {
		return broken("row %s comes after the end of its chain", r.ID)
	}
	return nil
}

// close checks that a chain has all rows that the marks mention.
func (m *auditMarks) close(last head) error {
	for _, h := range m.stood {
		if h.seq > last.seq {
			return broken("row %s is missing", auditID(h.writer, last.seq+1))
		}
	}
	return nil
}

// verifyAuditMarks checks all marks. It returns what they say about each chain, and the last mark.
func (tx *sqlReadTx) verifyAuditMarks(expect string) (map[string]*auditMarks, *auditMark, error) {
	number, want, ok := parseHead(expect)
	if !ok {
		return nil, nil, model.AttrErrorf(model.Invalid, "expectHead", "is not a head as verify or the server's log prints it")
	}
	chains := map[string]*auditMarks{}
	last := &auditMark{}
	for first := true; ; {
		marks, err := tx.auditMarksFrom(last.Number+1, verifyPage)
		if err != nil {
			return nil, nil, unreadable(err, fmt.Sprint("a mark after ", last.Number))
		}
		for i := range marks {
			m := &marks[i]
			switch {
			case first && m.Kind == markCheckpoint:
			case m.Number != last.Number+1 || m.Kind == markCheckpoint:
				return nil, nil, broken("mark %d is missing", last.Number+1)
			}
			heads, ok := m.headList()
			if !ok || !tx.store.audit.Verify(m.message(last.MAC), m.MAC) {
				return nil, nil, broken("mark %d or the mark before it was changed", m.Number)
			}
			if m.Number == number && m.head() != want {
				return nil, nil, broken("mark %d is not the expected one%s", m.Number, tx.store.kept.hinted(expect))
			}
			fold(chains, heads)
			last, first = m, false
		}
		if len(marks) < verifyPage {
			break
		}
	}
	if last.Number < number {
		return nil, nil, broken("its end was cut off: mark %d is missing%s", last.Number+1, tx.store.kept.hinted(expect))
	}
	return chains, last, nil
}

// fold adds the heads of one mark.
func fold(chains map[string]*auditMarks, heads []head) {
	for _, h := range heads {
		c := chains[h.writer]
		if c == nil {
			c = &auditMarks{from: h}
			chains[h.writer] = c
			if h.what == headFrom {
				continue
			}
		}
		if n := len(c.stood); n == 0 || c.stood[n-1].seq != h.seq {
			c.stood = append(c.stood, h)
		}
		c.ended = h.what == headEnd
	}
}

func parseHead(s string) (number int64, whole string, ok bool) {
	if s == "" || s == "0" {
		return 0, "", true
	}
	digits, mac, ok := strings.Cut(s, ".")
	number, err := strconv.ParseInt(digits, 10, 64)
	return number, s, ok && err == nil && number > 0 && len(mac) == 32
}

func (s *sqlStore) VerifyAudit(ctx context.Context, expect string) (v Verified, err error) {
	if expect == "" {
		if expect, err = s.KeptHead(); err != nil { // read before the snapshot, so that the snapshot contains its mark
			return v, err
		}
	}
	err = s.view(ctx, true, func(tx *sqlReadTx) error {
		v, err = tx.VerifyAudit(expect)
		return err
	})
	return v, err
}
