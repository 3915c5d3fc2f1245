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

// The record consists of hash chains. Only the transaction that holds the head of a chain appends to that chain, so that a row
// costs one INSERT and no read. SQLite has one writer, so each process has one chain. On PostgreSQL each transaction takes a
// chain for its first row and returns it at its end. There are as many chains as transactions that ever ran at the same time.
//
// A chain begins with a mark (table audit_marks), and the MAC of its first row covers the MAC of that mark. The head of a chain
// is in memory and advances when the transaction is durable. If that is in doubt, the chain is given up, and the next row begins
// a new one.

// chain is the head of a chain: its last row.
type chain struct {
	writer string // "" if there is no chain yet
	seq    int64
	mac    []byte // of the last row, or of the mark that began the chain if it has no row
	time   model.Time
}

const (
	writerBytes = 8
	// A chain that had no row for chainIdle is not continued. So a chain that had no row for longer (chainEnded) can be declared
	// ended, because its process may have died (auditmark.go).
	chainIdle = 12 * time.Hour
)

// errNoChain asks the caller for a chain, because this transaction cannot begin one itself.
var errNoChain = errors.New("the transaction has no audit chain yet")

func (tx *sqlTx) Audit(row *model.Audit) error {
	if tx.member != nil {
		tx.member.rows = append(tx.member.rows, *row)
		return tx.ready()
	}
	if err := tx.confirm(); err != nil {
		return err
	}
	h := &tx.chain
	if h.writer == "" && tx.take != nil {
		tx.taken = tx.take()
		*h = tx.taken
	}
	if h.writer == "" || row.Time-h.time > model.Time(chainIdle.Milliseconds()) {
		if tx.store.dialect.chains {
			// The marks form one chain. If this transaction began a chain, it would conflict with every other transaction that
			// begins one.
			tx.failed, tx.chainFrom = errNoChain, row.Time
			return tx.failed
		}
		if err := tx.beginChain(row.Time); err != nil {
			return err
		}
	}
	next := tx.store.behind(row, *h)
	if err := tx.insertAudit(row); err != nil {
		return err
	}
	if h.seq == tx.taken.seq {
		tx.first = next.mac
	}
	*h = next
	return nil
}

// insertAudit writes an audit row, or keeps it to write it together with others.
func (tx *sqlTx) insertAudit(row *model.Audit) error {
	if tx.record == nil {
		t, v := tableOf(row)
		return tx.later(t.insertOne, t.values(v, nil)...)
	}
	if err := tx.ready(); err != nil {
		return err
	}
	tx.record.rows = append(tx.record.rows, *row)
	if tx.prepared != nil && len(tx.record.rows)-tx.record.written >= maxUnwritten {
		return tx.record.flush(&tx.sqlReadTx)
	}
	return nil
}

// behind makes row the next row after head, and returns the new head.
func (s *sqlStore) behind(row *model.Audit, head chain) chain {
	row.Writer, row.Sequence = head.writer, head.seq+1
	row.ID = auditID(row.Writer, row.Sequence)
	row.MAC = s.audit.Sign(auditMessage(row, head.mac))
	return chain{writer: head.writer, seq: row.Sequence, mac: row.MAC, time: row.Time}
}

// auditID returns the id of a row from its chain and its sequence number.
func auditID(writer string, seq int64) string {
	return writer + hex.EncodeToString(binary.BigEndian.AppendUint64(nil, uint64(seq)))
}

func auditMessage(r *model.Audit, before []byte) []byte {
	fields := []any{"row", before, r.ID, r.Writer, r.Sequence, int64(r.Time), r.Agent, r.Method, r.Object, r.Outcome, r.Remote}
	if r.Changed != "" { // rows from before there was such a column verify as they are
		fields = append(fields, r.Changed)
	}
	return keyring.Message(fields...)
}

// beginChain begins a new chain and stores its head in the transaction.
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
