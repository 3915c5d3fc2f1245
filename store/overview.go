package store

import (
	"slices"

	"github.com/jmoiron/sqlx"

	"tokensmith/model"
)

// maxLoginsCounted is how many rows of the record an overview reads, the newest first.
const maxLoginsCounted = 40_000

const hour = 3_600_000 // milliseconds

func (tx *sqlReadTx) Overview(since, now, soon model.Time) (o model.Overview, err error) {
	count := func(from string, args ...any) (n int64) {
		if err == nil {
			n, err = value[int64](tx, "SELECT COUNT(*) FROM (SELECT 1 AS one FROM "+from+" LIMIT ?) AS found", append(args, model.MaxCounted)...)
		}
		return n
	}
	// The conditions have the text of the partial indexes that serve them.
	o.LockedUsers = count("users WHERE status = 'LOCKED'")
	o.LicensesEnding = count("licenses WHERE expires > 0 AND expires < ? AND (expires > ? OR seats_used > 0)", soon, now)
	o.CodesEnding = count("installation_codes WHERE enabled AND expires > 0 AND expires > ? AND expires < ?", now, soon)
	o.FailedDeliveries = count("deliveries WHERE status = ?", model.Failed)
	if err != nil {
		return o, err
	}
	if o.Counts, err = tx.counts(now); err != nil {
		return o, err
	}
	if err := tx.reads("audit"); err != nil {
		return o, err
	}
	read := int64(0)
	o.LoginsSince = since
	err = tx.query(tx.short, `SELECT time / ? AS hour, COUNT(*), MIN(time),
		SUM(CASE WHEN login AND outcome = 0 THEN 1 ELSE 0 END), SUM(CASE WHEN login AND outcome <> 0 THEN 1 ELSE 0 END)
		FROM (SELECT time, outcome, method IN ('auth/verify', 'auth/logon', 'console/signIn') AS login FROM audit
			WHERE time >= ? ORDER BY time DESC, id DESC LIMIT ?) AS latest GROUP BY 1 ORDER BY 1`,
		[]any{hour, since, maxLoginsCounted}, func(rows *sqlx.Rows) error {
			for rows.Next() {
				var h model.HourOfLogins
				var n int64
				var first model.Time
				if err := rows.Scan(&h.Hour, &n, &first, &h.Accepted, &h.Refused); err != nil {
					return err
				}
				if read == 0 {
					o.LoginsSince = first
				}
				read += n
				o.Logins = append(o.Logins, h)
			}
			return rows.Err()
		})
	if read < maxLoginsCounted {
		o.LoginsSince = since
	}
	o.Logins = slices.DeleteFunc(o.Logins, func(h model.HourOfLogins) bool { return h.Accepted+h.Refused == 0 })
	return o, err
}
