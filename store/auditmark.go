package store

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"tokensmith/model"
	"tokensmith/store/keyring"
)

// auditMark is one row of the chain over the chains: a chain began, ended, or the heads were written down. Each lists where
// every chain stood that has not ended, so that the last mark is all that making the next one reads.
type auditMark struct {
	Number int64      `db:"number"` // from 1, without a gap
	Time   model.Time `db:"time"`
	Kind   string     `db:"kind"`
	Writer string     `db:"writer"` // whose chain begins
	Heads  string     `db:"heads"`
	MAC    []byte     `db:"mac"`
}

const (
	markBegin      = "begin"
	markHeads      = "heads"
	markEnd        = "end"
	markCheckpoint = "checkpoint" // what lies before it was pruned
)

// chainEnded is how long a chain must have stood still to be declared ended.
const chainEnded = 2 * chainIdle

// head is where a chain stood, one line of a mark.
type head struct {
	writer string
	seq    int64
	time   model.Time
	mac    []byte // nil in the mark that begins the chain: it is that mark's own
	what   string
}

const (
	headAt   = "at"
	headEnd  = "end"  // no row follows
	headFrom = "from" // what lies before, and this row itself, was pruned
)

func (h head) String() string {
	return fmt.Sprintf("%s %d %d %x %s\n", h.writer, h.seq, h.time, h.mac, h.what)
}

// headList reads a mark's heads; false when it was not made by us.
func (m *auditMark) headList() ([]head, bool) {
	var list []head
	for line := range strings.Lines(m.Heads) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), " ")
		if len(f) != 5 {
			return nil, false
		}
		seq, err1 := strconv.ParseInt(f[1], 10, 64)
		at, err2 := strconv.ParseInt(f[2], 10, 64)
		mac, err3 := hex.DecodeString(f[3])
		if err1 != nil || err2 != nil || err3 != nil {
			return nil, false
		}
		if len(mac) == 0 {
			mac = m.MAC
		}
		list = append(list, head{f[0], seq, model.Time(at), mac, f[4]})
	}
	return list, true
}

// head names a mark, and with it everything before: what audit/verify takes as expectHead.
func (m *auditMark) head() string {
	if m.Number == 0 {
		return "0"
	}
	return fmt.Sprintf("%d.%x", m.Number, m.MAC[keyring.KeyIDBytes:keyring.KeyIDBytes+16])
}

func (m *auditMark) message(before []byte) []byte {
	if m.Kind == markCheckpoint {
		before = nil // it is pruned
	}
	return keyring.Message("mark", before, m.Number, int64(m.Time), m.Kind, m.Writer, m.Heads)
}

// auditMarksFrom reads marks in order, beginning with a number.
func (tx *sqlReadTx) auditMarksFrom(number int64, limit int) ([]auditMark, error) {
	return loadAll[auditMark](tx, "number >= ? ORDER BY number LIMIT ?", number, limit)
}

// lastAuditMark returns the last mark; the zero mark when there is none.
func (tx *sqlReadTx) lastAuditMark() (*auditMark, error) {
	last, err := loadAll[auditMark](tx, "number = (SELECT MAX(number) FROM audit_marks)")
	if err != nil || len(last) == 0 {
		return &auditMark{}, err
	}
	return &last[0], nil
}

// mark makes the next mark; writers names whose chain begins, or whose end. One that would only say again what the last said is not made, and the last is given.
func (tx *sqlTx) mark(now model.Time, kind string, writers []string) (*auditMark, error) {
	last, err := tx.lastAuditMark()
	if err != nil {
		return nil, err
	}
	heads, ok := last.headList()
	if !ok {
		return nil, fmt.Errorf("mark %d of the audit record cannot be read: it was changed by hand", last.Number)
	}
	m := &auditMark{Number: last.Number + 1, Time: now, Kind: kind}
	news := kind == markBegin
	for _, h := range heads {
		if h.what != headAt {
			continue
		}
		moved, err := loadAll[model.Audit](&tx.sqlReadTx, "id > ? AND id <= ? ORDER BY id DESC LIMIT 1", auditID(h.writer, h.seq), h.writer+"f")
		if err != nil {
			return nil, err
		}
		if len(moved) == 1 {
			h.seq, h.time, h.mac = moved[0].Sequence, moved[0].Time, moved[0].MAC
			news = true
		} else if now-h.time > model.Time(chainEnded.Milliseconds()) {
			h.what, news = headEnd, true
		}
		if kind == markEnd && slices.Contains(writers, h.writer) {
			h.what, news = headEnd, true
		}
		m.Heads += h.String()
	}
	if !news {
		return last, nil
	}
	if kind == markBegin {
		m.Writer = writers[0]
		m.Heads += head{writer: m.Writer, time: now, what: headAt}.String()
	}
	m.MAC = tx.store.audit.Sign(m.message(last.MAC))
	return m, tx.Insert(m)
}

func (s *sqlStore) MarkAudit(ctx context.Context, now time.Time) (head string, err error) {
	err = s.marking(ctx, updateShort, func(tx *sqlTx) error {
		m, err := tx.mark(model.At(now), markHeads, nil)
		if err == nil {
			head = m.head()
		}
		return err
	})
	if err == nil {
		s.keepHead(ctx, head, false)
	}
	return head, err
}

// marking is update for what makes a mark: another process may have made one of that number just now.
func (s *sqlStore) marking(ctx context.Context, mode updateMode, fn func(*sqlTx) error) error {
	for run := 1; ; run++ {
		err := s.update(ctx, mode, fn)
		var known *model.Error
		if run == 5 || !errors.As(err, &known) || known.Kind != model.Exists {
			return err
		}
	}
}

// endChains says that this process's chains end here. Where it fails the chains stay open, as after a crash.
func (s *sqlStore) endChains(heads []chain) {
	if len(heads) == 0 {
		return
	}
	var now model.Time
	var writers []string
	for _, h := range heads {
		now, writers = max(now, h.time), append(writers, h.writer)
	}
	var last *auditMark
	err := s.write.update(context.Background(), updateShort, func(tx *sqlTx) (err error) {
		last, err = tx.mark(now, markEnd, writers)
		return err
	})
	if err == nil {
		s.keepHead(context.Background(), last.head(), true)
	}
}
