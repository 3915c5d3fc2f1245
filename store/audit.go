package store

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"time"

	"tokensmith/model"
	"tokensmith/store/keyring"
)

// The record. Rows stand in chains; only the transaction that holds a chain's head appends to it, so that a row costs
// one INSERT and reads nothing. SQLite has one writer and so one chain a process. On PostgreSQL each transaction takes
// a head with its first row and gives it back at its end: there are as many chains as transactions that ever ran at once.
//
// A chain begins with a mark (audit_marks), which its first row's hash continues. A head lives in memory and moves
// when the transaction is durable; where that is in doubt the chain is given up, and the next row begins another.

// chain is the head of a chain.
type chain struct {
	writer string // "" = none yet
	seq    int64
	mac    []byte // of the last row, or of the mark that began the chain
	time   model.Time
}

const (
	writerBytes = 8
	// A chain that stood still for chainIdle is not continued, so that one which stood still for longer, whose process
	// may have died, can be declared ended (auditmark.go).
	chainIdle = 12 * time.Hour
)

// errNoChain asks for a chain from a transaction that cannot begin one itself.
var errNoChain = errors.New("the transaction has no audit chain yet")

func (tx *sqlTx) Audit(row *model.Audit) error {
	h := &tx.chain
	if h.writer == "" && tx.take != nil {
		tx.taken = tx.take()
		*h = tx.taken
	}
	if h.writer == "" || row.Time-h.time > model.Time(chainIdle.Milliseconds()) {
		if tx.store.dialect.chains {
			// Marks are one chain: to begin one here would set this transaction against every other that does.
			tx.failed, tx.chainFrom = errNoChain, row.Time
			return tx.failed
		}
		if err := tx.beginChain(row.Time); err != nil {
			return err
		}
	}
	next := tx.store.behind(row, *h)
	t, v := tableOf(row)
	if err := tx.later(t.insertOne, t.values(v, nil)...); err != nil {
		return err
	}
	if h.seq == tx.taken.seq {
		tx.first = next.mac
	}
	*h = next
	return nil
}

// behind makes row the next one behind head, and gives the head behind it.
func (s *sqlStore) behind(row *model.Audit, head chain) chain {
	row.Writer, row.Sequence = head.writer, head.seq+1
	row.ID = auditID(row.Writer, row.Sequence)
	row.MAC = s.audit.Sign(auditMessage(row, head.mac))
	return chain{writer: head.writer, seq: row.Sequence, mac: row.MAC, time: row.Time}
}

// auditID returns the id of a chain's row.
func auditID(writer string, seq int64) string {
	return writer + hex.EncodeToString(binary.BigEndian.AppendUint64(nil, uint64(seq)))
}

func auditMessage(r *model.Audit, before []byte) []byte {
	return keyring.Message("row", before, r.ID, r.Writer, r.Sequence, int64(r.Time), r.Agent, r.Method, r.Object, r.Outcome, r.Remote)
}

// beginChain makes a new chain and leaves its head with the transaction.
func (tx *sqlTx) beginChain(now model.Time) error {
	id := make([]byte, writerBytes)
	rand.Read(id)
	h := chain{writer: hex.EncodeToString(id), time: now}
	m, err := tx.mark(now, markBegin, []string{h.writer})
	if err != nil {
		return err
	}
	h.mac = m.MAC
	tx.chain = h
	return nil
}
