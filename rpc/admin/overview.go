package admin

import (
	"net/http"
	"time"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/store"
)

const (
	overviewHours = 24
	overviewSoon  = 14 * 24 * time.Hour // what ends within it needs attention
)

// OverviewArgs are the parameters of audit/overview: none.
type OverviewArgs struct{}

// overview is the reply to audit/overview.
type overview struct {
	Most             int64          `json:"most"` // numbers are counted up to this
	LockedUsers      int64          `json:"lockedUsers"`
	LicensesEnding   int64          `json:"licensesEnding"`
	CodesEnding      int64          `json:"codesEnding"`
	FailedDeliveries int64          `json:"failedDeliveries"`
	Counts           []counted      `json:"counts"`
	Soon             string         `json:"soon"` // what ends before this, ends soon
	LoginsSince      string         `json:"loginsSince"`
	Logins           []hourOfLogins `json:"logins"`
}

// counted is how many of something there are, and by how many more than at the beginning of the day since: a week ago, or as long ago
// as is known.
type counted struct {
	Name     string        `json:"name"`
	Total    int64         `json:"total"`
	Change   int64         `json:"change"`
	Since    *string       `json:"since"` // null if nothing is known of before
	ByStatus []statusCount `json:"byStatus"`
}

// statusCount is how many there are with a status.
type statusCount struct {
	Status string `json:"status"`
	Total  int64  `json:"total"`
}

type hourOfLogins struct {
	Hour     string `json:"hour"` // its beginning
	Accepted int64  `json:"accepted"`
	Refused  int64  `json:"refused"`
}

// Overview returns what an administrator should look at, and the logins of the last day by the hour. Its cost has a limit, however
// much there is.
func (m *Audit) Overview(r *http.Request, _ *OverviewArgs, plan *dispatch.Plan) error {
	now := dispatch.CallFrom(r.Context()).Now
	since, soon := now-model.Time(overviewHours*time.Hour.Milliseconds()), now+model.Time(overviewSoon.Milliseconds())
	since -= since % model.Time(time.Hour.Milliseconds()) // whole hours
	plan.View = func(tx store.ReadTx) (any, error) {
		o, err := tx.Overview(since, now, soon)
		if err != nil {
			return nil, err
		}
		reply := overview{Most: model.MaxCounted, LockedUsers: o.LockedUsers, LicensesEnding: o.LicensesEnding, CodesEnding: o.CodesEnding,
			FailedDeliveries: o.FailedDeliveries, Counts: make([]counted, len(o.Counts)), Soon: soon.String(), LoginsSince: o.LoginsSince.String(),
			Logins: make([]hourOfLogins, len(o.Logins))}
		for i, n := range o.Counts {
			reply.Counts[i] = counted{Name: n.Name, Total: n.Total, ByStatus: make([]statusCount, len(n.ByStatus))}
			for at, s := range n.ByStatus {
				reply.Counts[i].ByStatus[at] = statusCount(s)
			}
			if n.Since > 0 {
				text := n.Since.String()
				reply.Counts[i].Change, reply.Counts[i].Since = n.Total-n.Before, &text
			}
		}
		for i, h := range o.Logins {
			reply.Logins[i] = hourOfLogins{model.Time(h.Hour * time.Hour.Milliseconds()).String(), h.Accepted, h.Refused}
		}
		return reply, nil
	}
	return nil
}
