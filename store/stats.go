package store

import (
	"context"
)

// Stats are figures of a database that are worth monitoring.
type Stats struct {
	Size       int64            // bytes of the database, without SQLite's write-ahead log
	Deliveries map[string]int64 // messages by status
}

// delivered is the number of messages with one status.
type delivered struct {
	Status string `db:"status"`
	Number int64  `db:"number"`
}

var selectDelivered = selects[delivered]("SELECT status, COUNT(*) AS number FROM deliveries GROUP BY status")

func (s *sqlStore) Stats(ctx context.Context) (st Stats, err error) {
	st.Deliveries = map[string]int64{}
	err = s.view(ctx, true, func(tx *sqlReadTx) (err error) {
		if st.Size, err = value[int64](tx, s.dialect.size); err != nil {
			return err
		}
		rows, err := selectDelivered.all(tx, "")
		for _, r := range rows {
			st.Deliveries[r.Status] = r.Number
		}
		return err
	})
	return st, err
}
