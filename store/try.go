package store

import "errors"

// Try runs fn inside tx and, when it gives an error, undoes what fn did and nothing else; tx goes on. A fault that is
// the whole transaction's (a lost race, a full disk, an end of ctx) is not undone alone: Try gives it, and so do tx's
// later statements and its Update.
func (tx *Tx) Try(fn func(*Tx) error) error {
	if err := tx.later("SAVEPOINT try"); err != nil {
		return err
	}
	before := tx.chain
	err := tx.run(fn)
	if err == nil {
		_, err = tx.exec("RELEASE SAVEPOINT try")
		return err
	}
	if tx.failed != nil && !tx.alone(tx.failed) {
		return tx.failed
	}
	tx.failed = nil
	if before.writer == "" {
		before = tx.taken // by fn, of the rows that are undone now
	}
	tx.chain = before
	for _, undo := range []string{"ROLLBACK TO SAVEPOINT try", "RELEASE SAVEPOINT try"} {
		if _, lost := tx.exec(undo); lost != nil {
			return lost // SQLite has ended the whole transaction
		}
	}
	return err
}

// Failed gives the failure that spoiled the transaction; nil when it is whole.
func (tx *ReadTx) Failed() error { return tx.failed }

// alone says whether a statement's failure leaves the rest of the transaction whole.
func (tx *Tx) alone(failed error) bool {
	if errors.Is(failed, errNoChain) || tx.ctx.Err() != nil {
		return false
	}
	switch tx.store.dialect.class(failed) {
	case notUnique, referenced, fault:
		return true
	}
	return false
}
