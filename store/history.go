package store

import (
	"cmp"
	"slices"

	"tokensmith/model"
)

// AuditPlace is the place of an audit row in the order of time.
type AuditPlace struct {
	Time model.Time
	ID   string
}

// inHistory is the condition of the index audit_object. Both databases use the index only if a query has the same text.
const inHistory = "(outcome <> 0 OR method NOT IN ('auth/verify', 'auth/logon'))"

func (tx *sqlReadTx) History(objects []string, before AuditPlace, limit int) ([]model.Audit, error) {
	where, after := inHistory, []any(nil)
	if before != (AuditPlace{}) {
		where += " AND (time, id) < (?, ?)"
		after = []any{before.Time, before.ID}
	}
	var all []model.Audit
	for _, object := range objects {
		// One query for each object ends after limit rows of the index, however many the object has.
		rows, err := loadAll[model.Audit](tx, "object = ? AND "+where+" ORDER BY time DESC, id DESC LIMIT ?",
			append(append([]any{object}, after...), limit)...)
		if err != nil {
			return nil, err
		}
		all = append(all, rows...)
	}
	slices.SortFunc(all, func(a, b model.Audit) int {
		return cmp.Or(cmp.Compare(b.Time, a.Time), cmp.Compare(b.ID, a.ID))
	})
	return all[:min(limit, len(all))], nil
}
