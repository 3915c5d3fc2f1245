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

// auditMark is a row of audit_marks. The marks form a hash chain. A mark is made when a chain begins, when a chain ends, or when
// the heads are recorded. Each mark lists where every chain stood that had not ended, so that making the next mark needs to read
// only the last one.
type auditMark struct {
	Number int64      `db:"number"` // starting at 1, without gaps
	Time   model.Time `db:"time"`
	Kind   string     `db:"kind"`
	Writer string     `db:"writer"` // the chain that begins
	Heads  string     `db:"heads"`
	MAC    []byte     `db:"mac"`
}

const (
	markBegin      = "begin"
	markHeads      = "heads"
	markEnd        = "end"
	markCheckpoint = "checkpoint" // the rows before it were pruned
)

// chainEnded is how long a chain must have had no row before it is declared ended.
const chainEnded = 2 * chainIdle

// head is where a chain stood: one line of a mark.
type head struct {
	writer string
	seq    int64
	time   model.Time
	mac    []byte // nil in the mark that begins the chain, which then uses that mark's own MAC
	what   string
}

const (
	headAt   = "at"
	headEnd  = "end"  // no row follows
	headFrom = "from" // the rows before it, and this row itself, were pruned
)

func (h head) String() string {
	return fmt.Sprintf("%s %d %d %x %s\n", h.writer, h.seq, h.time, h.mac, h.what)
}

// headList parses a mark's heads. It returns false if they are not in the format that String writes.
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

// head returns the text that names a mark, and with it everything before. It is what audit/verify takes as expectHead.
func (m *auditMark) head() string {
	if m.Number == 0 {
		return "0"
	}
	return fmt.Sprintf("%d.%x", m.Number, m.MAC[keyring.KeyIDBytes:keyring.KeyIDBytes+16])
}

func (m *auditMark) message(before []byte) []byte {
	if m.Kind == markCheckpoint {
		before = nil // the mark before is pruned
	}
	return keyring.Message("mark", before, m.Number, int64(m.Time), m.Kind, m.Writer, m.Heads)
}

// auditMarksFrom reads up to limit marks in order, starting at a number.
func (tx *sqlReadTx) auditMarksFrom(number int64, limit int) ([]auditMark, error) {
	return loadAll[auditMark](tx, "number >= ? ORDER BY number LIMIT ?", number, limit)
}

// lastAuditMark returns the last mark; the zero mark if there is none.
func (tx *sqlReadTx) lastAuditMark() (*auditMark, error) {
	last, err := loadAll[auditMark](tx, "number = (SELECT MAX(number) FROM audit_marks)")
	if err != nil || len(last) == 0 {
		return &auditMark{}, err
	}
	return &last[0], nil
}

// mark makes the next mark. writers names the chains that begin or end with it. If the mark would only repeat the last one, mark
// makes none and returns the last one.
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

// marking is update for an Update that makes a mark. It retries, because another process may have just made a mark with the same
// number.
func (s *sqlStore) marking(ctx context.Context, mode updateMode, fn func(*sqlTx) error) error {
	for run := 1; ; run++ {
		err := s.update(ctx, mode, fn)
		var known *model.Error
		if run == 5 || !errors.As(err, &known) || known.Kind != model.Exists {
			return err
		}
	}
}

// endChains records that this process's chains end here. If that fails, the chains stay open, as after a crash.
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
