package storetest

import (
	"fmt"
	"testing"

	"tokensmith/model"
	"tokensmith/store"
)

var historyCases = []contractCase{{"history/of objects, and the overview", history}}

// history: what was done to objects, in parts, the newest first, without accepted logins; and the overview.
func history(t *testing.T, d *Database) {
	s := d.Open(t)
	w := newWorld(t, s)
	update(t, s, func(tx store.Tx) error {
		for i := range 9 {
			row := model.Audit{Time: model.Time(3_600_000*(1+i/3) + i), Agent: "a", Method: []string{"token/set", "auth/verify", "auth/verify"}[i%3],
				Object: []string{"token one", "token one", "user two"}[i%3], Outcome: int64(i % 3 / 2 * 201), Remote: "local"}
			if i%3 == 0 {
				row.Changed = fmt.Sprint("status=", i)
			}
			if err := tx.Audit(&row); err != nil {
				return err
			}
		}
		return nil
	})
	view(t, s, func(tx store.ReadTx) error {
		var got []string
		at := store.AuditPlace{}
		for {
			rows, err := tx.History([]string{"token one", "user two", "token none"}, at, 2)
			if err != nil {
				return err
			}
			for _, r := range rows {
				got = append(got, fmt.Sprint(r.Time, " ", r.Method, " ", r.Changed, r.Outcome))
				at = store.AuditPlace{Time: r.Time, ID: r.ID}
			}
			if len(rows) < 2 {
				break
			}
		}
		// The logins of token one were accepted.
		want := "[1970-01-01T03:00:00.008Z auth/verify 201 1970-01-01T03:00:00.006Z token/set status=60 1970-01-01T02:00:00.005Z auth/verify 201 " +
			"1970-01-01T02:00:00.003Z token/set status=30 1970-01-01T01:00:00.002Z auth/verify 201 1970-01-01T01:00:00Z token/set status=00]"
		if fmt.Sprint(got) != want {
			t.Errorf("the history is %v", got)
		}
		return nil
	})
	// A row from before there was a column for what was changed has none, and the chain verifies with both kinds.
	view(t, s, func(tx store.ReadTx) error {
		_, err := tx.VerifyAudit("")
		return err
	})

	w.user.Status = model.LockedBy
	update(t, s, func(tx store.Tx) error { return tx.Save(w.user) })
	insert(t, s, &model.License{ID: newID(), Name: "ends", NameFolded: "ends", Expires: 50}, &model.License{ID: newID(), Name: "stays", NameFolded: "stays", Expires: 500},
		&model.License{ID: newID(), Name: "over", NameFolded: "over", Expires: 5})
	view(t, s, func(tx store.ReadTx) error {
		o, err := tx.Overview(2*3_600_000, 10, 100)
		if err != nil {
			return err
		}
		if o.LockedUsers != 1 || o.LicensesEnding != 1 || o.CodesEnding != 0 || o.FailedDeliveries != 0 || fmt.Sprint(o.Logins) != "[{2 1 1} {3 1 1}]" || o.LoginsSince != 2*3_600_000 {
			t.Errorf("the overview is %+v", o)
		}
		return nil
	})
}
