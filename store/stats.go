package store

import "context"

// Stats are what is worth watching of a database.
type Stats struct {
	Size       int64            // bytes of the database, without SQLite's write-ahead log
	Deliveries map[string]int64 // messages by status
}

// Stats reads them.
func (s *Store) Stats(ctx context.Context) (st Stats, err error) {
	size := "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
	if s.dialect.name == "postgres" {
		size = "SELECT pg_database_size(current_database())"
	}
	st.Deliveries = map[string]int64{}
	err = s.View(ctx, func(tx *ReadTx) error {
		if err := tx.get(&st.Size, size); err != nil {
			return err
		}
		var rows []struct {
			Status string `db:"status"`
			Number int64  `db:"number"`
		}
		err := tx.all(&rows, "SELECT status, COUNT(*) AS number FROM deliveries GROUP BY status")
		for _, r := range rows {
			st.Deliveries[r.Status] = r.Number
		}
		return err
	})
	return st, err
}

// Waiting gives how many Updates of this process are under way or wait for their turn.
func (s *Store) Waiting() int64 { return s.updates.Load() }
