package store

import "github.com/jmoiron/sqlx"

func (tx *sqlReadTx) InMoreGroups(userIDs []string, most int64) (user string, err error) {
	err = chunks(userIDs, func(part []string) error {
		if user != "" {
			return nil
		}
		query, args, err := sqlx.In("SELECT user_id FROM user_group_members WHERE user_id IN (?) GROUP BY user_id HAVING COUNT(*) > ? LIMIT 1", part, most)
		if err != nil {
			return err
		}
		found, err := values[string](tx, query, args...)
		if len(found) > 0 {
			user = found[0]
		}
		return err
	})
	return user, err
}

func (tx *sqlTx) LeaveGroup(groupID string, userIDs []string) error {
	return chunks(userIDs, func(part []string) error {
		return tx.execIn("DELETE FROM user_group_members WHERE group_id = ? AND user_id IN (?)", groupID, part)
	})
}
