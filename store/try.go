package store

import (
	"errors"
)

func (tx *sqlTx) Try(fn func(Tx) error) error {
	if err := tx.later("SAVEPOINT try"); err != nil {
		return err
	}
	before, unwritten, known := tx.chain, point{}, tx.memory.point()
	if tx.record != nil {
		unwritten = tx.record.point()
	}
	err := tx.run(func(tx *sqlTx) error { return fn(tx) })
	if err == nil {
		_, err = tx.exec("RELEASE SAVEPOINT try")
		return err
	}
	if tx.failed != nil && !tx.alone(tx.failed) {
		return tx.failed
	}
	tx.failed = nil
	if before.writer == "" {
		before = tx.taken // fn took the chain, and its rows are undone now
	}
	tx.chain = before
	tx.memory.back(known)
	if tx.record != nil {
		tx.record.back(unwritten)
	}
	for _, undo := range []string{"ROLLBACK TO SAVEPOINT try", "RELEASE SAVEPOINT try"} {
		if _, lost := tx.exec(undo); lost != nil {
			return lost // SQLite has rolled back the whole transaction
		}
	}
	return err
}

// alone returns whether the failure of a statement leaves the rest of the transaction intact.
func (tx *sqlTx) alone(failed error) bool {
	if errors.Is(failed, errForgotten) || errors.Is(failed, errNoChain) || errors.Is(failed, errOverdue) || tx.ctx.Err() != nil {
		return false
	}
	switch tx.store.dialect.class(failed) {
	case notUnique, referenced, fault:
		return true
	}
	return false
}
