package store

import "errors"

// SpoilCommit makes the transaction fail at its commit, and not before.
func (tx *Tx) SpoilCommit() error {
	statements := []string{"PRAGMA defer_foreign_keys = ON", "INSERT INTO user_states (user_id, fail_count, last_login) VALUES ('nobody', 0, 0)"}
	if tx.store.dialect.name == "postgres" {
		statements = []string{"CREATE TABLE spoiled (id TEXT REFERENCES users (id) DEFERRABLE INITIALLY DEFERRED)", "INSERT INTO spoiled VALUES ('nobody')"}
	}
	for _, s := range statements {
		if _, err := tx.exec(s); err != nil {
			return err
		}
	}
	return nil
}

// LoseGroup ends the whole transaction on SQLite, as a full disk does, and with it everybody's who shares it.
func (tx *Tx) LoseGroup() error {
	_, err := tx.exec("ROLLBACK")
	return errors.Join(err, errors.New("the disk is full"))
}
