package admin

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

const (
	maxHistoryObjects = 1000
	maxHistoryRows    = 1000
	historyRows       = 50 // if max is not given
)

// HistoryArgs are the parameters of audit/history.
type HistoryArgs struct {
	Objects wire.Names `json:"objects"`
	Max     wire.Int   `json:"max"`
	Cursor  wire.Text  `json:"cursor"`
}

// historyRow is one row of the reply to audit/history.
type historyRow struct {
	Time    string `json:"time"`
	Agent   string `json:"agent"`
	Method  string `json:"method"`
	Object  string `json:"object"`
	Changed string `json:"changed"`
	Outcome int64  `json:"outcome"`
	Remote  string `json:"remote"`
}

// history is the reply to audit/history.
type history struct {
	Rows []historyRow `json:"rows"`
	Next string       `json:"next,omitempty"` // the cursor of what is older
}

// History returns what was done to some objects. An index serves it, so it costs the same however long the record is.
func (m *Audit) History(_ *http.Request, args *HistoryArgs, plan *dispatch.Plan) error {
	if len(args.Objects) == 0 {
		return model.AttrErrorf(model.Missing, "objects", "is required")
	}
	if len(args.Objects) > maxHistoryObjects {
		return model.AttrErrorf(model.Invalid, "objects", "has more than %d names", maxHistoryObjects)
	}
	most := int64(historyRows)
	if args.Max.Given {
		most = args.Max.Value
	}
	if most < 1 || most > maxHistoryRows {
		return model.AttrErrorf(model.Invalid, "max", "must be a number from 1 to %d", maxHistoryRows)
	}
	before, err := placeOf(string(args.Cursor))
	if err != nil {
		return err
	}
	plan.Long = len(args.Objects) > 100
	plan.View = func(tx store.ReadTx) (any, error) {
		rows, err := tx.History(args.Objects, before, int(most)+1)
		if err != nil {
			return nil, err
		}
		reply := history{Rows: []historyRow{}}
		for i, r := range rows {
			if int64(i) == most {
				last := rows[i-1]
				reply.Next = base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(int64(last.Time), 10) + " " + last.ID))
				break
			}
			reply.Rows = append(reply.Rows, historyRow{r.Time.String(), r.Agent, r.Method, r.Object, r.Changed, r.Outcome, r.Remote})
		}
		return reply, nil
	}
	return nil
}

// placeOf reads a cursor of audit/history; "" is the beginning.
func placeOf(cursor string) (store.AuditPlace, error) {
	if cursor == "" {
		return store.AuditPlace{}, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	at, id, ok := strings.Cut(string(text), " ")
	time, bad := strconv.ParseInt(at, 10, 64)
	if err != nil || bad != nil || !ok || id == "" {
		return store.AuditPlace{}, model.AttrErrorf(model.Invalid, "cursor", "is not a cursor of this method")
	}
	return store.AuditPlace{Time: model.Time(time), ID: id}, nil
}
