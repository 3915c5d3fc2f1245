package store

import (
	"tokensmith/model"
)

func (tx *sqlReadTx) SessionByHash(hash []byte) (model.Session, error) {
	var s model.Session
	err := tx.loadWhere(&s, "hash = ?", hash)
	return s, err
}

func (tx *sqlReadTx) SessionsOf(userID string) ([]model.Session, error) {
	return loadAll[model.Session](tx, "user_id = ? ORDER BY date_created DESC LIMIT 100", userID)
}

func (tx *sqlReadTx) SignIns(userID string) ([]model.SignIns, error) {
	return loadAll[model.SignIns](tx, "user_id = ?", userID)
}

func (tx *sqlReadTx) SignInsFrom(address string) ([]model.SignIns, error) {
	return loadAll[model.SignIns](tx, "address = ? AND address > ''", address)
}

func (tx *sqlTx) UnlockSignIns(userID string) error {
	return tx.later("UPDATE sign_ins SET fail_count = 0, locks = 0, locked_until = 0 WHERE user_id = ?", userID)
}

func (tx *sqlTx) DropSession(hash []byte) error {
	_, err := tx.exec("DELETE FROM sessions WHERE hash = ?", hash)
	return err
}

func (tx *sqlTx) DropSessionsOf(userID string) error {
	_, err := tx.exec("DELETE FROM sessions WHERE user_id = ?", userID)
	return err
}

func (tx *sqlTx) DropSessions(before model.Time) error {
	_, err := tx.exec("DELETE FROM sessions WHERE last_used < ?", before)
	return err
}

func (tx *sqlTx) SessionUsed(hash []byte, now model.Time) error {
	_, err := tx.exec("UPDATE sessions SET last_used = ? WHERE hash = ? AND last_used < ?", now, hash, now)
	return err
}
