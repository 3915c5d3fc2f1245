package store

import (
	"reflect"
	"strings"

	"tokensmith/model"
)

// unwritten are the rows of the audit record that the Updates of one SQLite transaction have made and that are not in the
// database yet. They are written many at a time, before the transaction commits or somebody reads the record in it: a statement
// for each would cost a login as much as one of its own changes.
type unwritten struct {
	rows    []model.Audit // all of the transaction, in the order of the chain
	written int           // how many of them are in the database
}

// point is a state of unwritten rows that a savepoint stands for.
type point struct{ rows, written int }

func (u *unwritten) point() point { return point{len(u.rows), u.written} }

// back goes back to a point, after the database has.
func (u *unwritten) back(to point) {
	clear(u.rows[to.rows:])
	u.rows, u.written = u.rows[:to.rows], to.written
}

// insertedTogether are how many rows a statement writes: few different statements, which stay prepared.
var insertedTogether = []int{64, 16, 4, 1}

// maxUnwritten bounds the rows that wait.
const maxUnwritten = 64

// reads is called before a table is read: rows of the record that wait are written before it is.
func (tx *sqlReadTx) reads(table string) error {
	if tx.record == nil || table != "audit" {
		return nil
	}
	return tx.record.flush(tx)
}

// flush writes what waits.
func (u *unwritten) flush(tx *sqlReadTx) error {
	if u == nil || u.written == len(u.rows) {
		return nil
	}
	t := tables[reflect.TypeFor[model.Audit]()]
	rows := reflect.ValueOf(u.rows)
	args := make([]any, 0, min(len(u.rows)-u.written, maxUnwritten)*len(t.columns))
	for _, n := range insertedTogether {
		for len(u.rows)-u.written >= n {
			args = args[:0]
			for i := range n {
				args = t.valuesLike(rows.Index(u.written+i), args)
			}
			if err := tx.ready(); err != nil {
				return err
			}
			stmt, err := tx.prepared.of(tx.short, t.insertOne+strings.Repeat(", "+t.placeholders, n-1))
			if err == nil {
				_, err = stmt.ExecContext(tx.short, args...)
			}
			if err != nil {
				return tx.did(err)
			}
			u.written += n
		}
	}
	return nil
}
