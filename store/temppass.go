package store

import (
	"slices"

	"tokensmith/model"
)

func (tx *sqlReadTx) TempPasses(userID string) ([]model.TempPass, error) {
	found, err := loadAll[model.TempPass](tx, "user_id = ? ORDER BY id DESC", userID)
	for i := range found {
		tx.sees("temp_passes", found[i].ID)
	}
	return found, err
}

func (tx *sqlTx) CountCode(id string) error {
	return tx.changeRow("temp_passes", id, countCode(), id)
}

// countTempPasses counts the emergency codes of users anew, so that a login knows whether it must look for any.
func (tx *sqlTx) countTempPasses(userIDs ...string) error {
	slices.Sort(userIDs)
	return chunks(slices.Compact(userIDs), func(part []string) error {
		return tx.execIn(`UPDATE user_states SET temp_passes = (SELECT COUNT(*) FROM temp_passes c WHERE c.user_id = user_states.user_id)
			WHERE user_id IN (?)`, part)
	})
}

// ended is an emergency code that is not needed any more.
type ended struct {
	ID     string `db:"id"`
	UserID string `db:"user_id"`
}

var selectEnded = selects[ended]("SELECT id, user_id FROM temp_passes")

func (tx *sqlTx) DropTempPasses(before model.Time, most int) (int64, error) {
	found, err := selectEnded.all(&tx.sqlReadTx, ` WHERE expires > 0 AND expires < ? ORDER BY id LIMIT ?`, before, most)
	if err != nil || len(found) == 0 {
		return 0, err
	}
	ids, users := make([]string, len(found)), make([]string, len(found))
	for i, c := range found {
		ids[i], users[i] = c.ID, c.UserID
	}
	if err := chunks(ids, func(part []string) error { return tx.execIn("DELETE FROM temp_passes WHERE id IN (?)", part) }); err != nil {
		return 0, err
	}
	return int64(len(found)), tx.countTempPasses(users...)
}
