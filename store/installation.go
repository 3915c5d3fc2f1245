package store

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/jmoiron/sqlx"

	"tokensmith/model"
)

func (tx *sqlReadTx) CodeByIndex(indexes ...[]byte) (model.InstallationCode, error) {
	var c model.InstallationCode
	where, args, err := sqlx.In("code_index IN (?)", indexes)
	if err != nil {
		return c, err
	}
	err = tx.loadWhere(&c, where, args...)
	return c, err
}

func (tx *sqlTx) UseCode(id string, now model.Time) (bool, error) {
	_, err := value[int64](&tx.sqlReadTx, `UPDATE installation_codes SET times_used = times_used + 1, last_used = ?,
			limit_reached = CASE WHEN times_used + 1 = usage_limit THEN ? ELSE limit_reached END
		WHERE id = ? AND enabled AND (expires = 0 OR expires >= ?) AND (usage_limit = 0 OR times_used < usage_limit
			OR usage_limit_delay > 0 AND limit_reached + usage_limit_delay * 1000 >= ?)
		RETURNING times_used`, now, now, id, now.Second(), now.Second())
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

func (tx *sqlReadTx) UseByNonce(hash []byte) (*model.InstallationUse, error) {
	rows, err := loadAll[model.InstallationUse](tx, "nonce_hash = ?", hash)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return &rows[0], nil
}

func (tx *sqlReadTx) InstalledBy(codeID, deviceID string) (*model.InstallationUse, error) {
	rows, err := loadAll[model.InstallationUse](tx, "device_id = ? AND code_id = ? ORDER BY id LIMIT 1", deviceID, codeID)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return &rows[0], nil
}

func (tx *sqlReadTx) MadeAccount(codeID, userID string) (bool, error) {
	n, err := value[int64](tx, "SELECT COUNT(*) FROM (SELECT 1 AS one FROM installation_uses WHERE code_id = ? AND user_id = ? AND new_user LIMIT 1) AS found", codeID, userID)
	return n > 0, err
}

func (tx *sqlReadTx) AccountsMade(codeID string, since model.Time) (int64, error) {
	return value[int64](tx, "SELECT COUNT(*) FROM installation_uses WHERE code_id = ? AND time > ? AND new_user", codeID, since)
}

func (tx *sqlReadTx) DeviceGroupsOfCode(codeID string) ([]string, error) {
	return values[string](tx, "SELECT group_id FROM installation_code_groups WHERE code_id = ? ORDER BY group_id", codeID)
}

func (tx *sqlTx) NewUsername(domainID, prefix string) (string, error) {
	folded := model.Fold(prefix)
	last, err := value[int64](&tx.sqlReadTx, "SELECT last FROM username_numbers WHERE domain_id = ? AND prefix = ?", domainID, folded)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", err
	}
	for {
		names := make([]string, maxChunk)
		for i := range names {
			names[i] = model.Fold(fmt.Sprint(prefix, last+int64(i)+1))
		}
		taken, err := tx.UsersByLogin(domainID, names)
		if err != nil {
			return "", err
		}
		principals, err := tx.UsersHaving(nil, names)
		if err != nil {
			return "", err
		}
		for _, name := range names {
			last++
			if _, is := taken[name]; is || slices.ContainsFunc(principals, func(u NamesOf) bool { return u.PrincipalName == name }) {
				continue
			}
			_, err := tx.exec(`INSERT INTO username_numbers (domain_id, prefix, last) VALUES (?, ?, ?)
				ON CONFLICT (domain_id, prefix) DO UPDATE SET last = excluded.last`, domainID, folded, last)
			return fmt.Sprint(prefix, last), err
		}
	}
}
