package store

import (
	"reflect"
	"strings"
	"sync"

	"tokensmith/model"
)

// unwritten holds the audit rows of one transaction of several Updates that are not in the database yet. They are written many at a time:
// before the transaction commits, and before a statement of the transaction reads the audit table. One statement for each row
// would cost a login as much as one of its own changes.
type unwritten struct {
	rows    []model.Audit // all audit rows of the transaction, in the order of the chain
	written int           // how many of them are in the database
}

// point is the state of unwritten when a savepoint was set.
type point struct{ rows, written int }

func (u *unwritten) point() point { return point{len(u.rows), u.written} }

// back restores the state at a point, after the database was rolled back to its savepoint.
func (u *unwritten) back(to point) {
	clear(u.rows[to.rows:])
	u.rows, u.written = u.rows[:to.rows], to.written
}

// auditTable describes where audit rows are kept.
var auditTable = sync.OnceValue(func() *table { return tables[reflect.TypeFor[model.Audit]()] })

// insertsTogether are the statements that write 64, 16, 4 rows and 1. They are few, so that they stay prepared.
var insertsTogether = sync.OnceValue(func() (list []insertTogether) {
	t := auditTable()
	for _, n := range []int{64, 16, 4, 1} {
		list = append(list, insertTogether{n, t.insertOne + strings.Repeat(", "+t.placeholders, n-1)})
	}
	return list
})

type insertTogether struct {
	rows int
	text string
}

// maxUnwritten is how many rows may wait to be written.
const maxUnwritten = 64

// reads must be called before a table is read. It writes waiting audit rows before the audit table is read.
func (tx *sqlReadTx) reads(table string) error {
	if tx.record == nil || table != "audit" {
		return nil
	}
	return tx.record.flush(tx)
}

// flush writes the rows that wait.
func (u *unwritten) flush(tx *sqlReadTx) error {
	return u.each(func(text string, args []any) error {
		if err := tx.ready(); err != nil {
			return err
		}
		stmt, err := tx.prepared.of(tx.short, text)
		if err == nil {
			_, err = stmt.ExecContext(tx.short, args...)
		}
		if err != nil {
			return tx.did(err)
		}
		return nil
	})
}

// each passes the statements that write the rows that wait to write, which must not keep their parameters.
func (u *unwritten) each(write func(text string, args []any) error) error {
	if u == nil || u.written == len(u.rows) {
		return nil
	}
	t, rows := auditTable(), reflect.ValueOf(u.rows)
	args := make([]any, 0, min(len(u.rows)-u.written, maxUnwritten)*len(t.columns))
	for _, insert := range insertsTogether() {
		for len(u.rows)-u.written >= insert.rows {
			args = args[:0]
			for i := range insert.rows {
				args = t.valuesLike(rows.Index(u.written+i), args)
			}
			if err := write(insert.text, args); err != nil {
				return err
			}
			u.written += insert.rows
		}
	}
	return nil
}
