package admin

import (
	"net/http"

	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

const (
	maxHistogramParts = 200
	histogramParts    = 48     // if parts is not given
	maxHistogramRows  = 40_000 // rows that are counted, the newest first
)

// HistogramArgs are the parameters of audit/histogram.
type HistogramArgs struct {
	Match wire.Match `json:"match"`
	From  wire.Text  `json:"from"`
	Until wire.Text  `json:"until"`
	Parts wire.Int   `json:"parts"`
}

// histogram is the reply to audit/histogram.
type histogram struct {
	Since string          `json:"since"` // rows from before this were not counted
	Parts []histogramPart `json:"parts"`
}

// histogramPart is how many rows there are in a part of the time: calls that were done, and calls that were refused or failed.
type histogramPart struct {
	From    string `json:"from"`
	Done    int64  `json:"done"`
	Refused int64  `json:"refused"`
}

// Histogram counts the rows of the record that match, in equal parts of the time from From to before Until.
func (m *Audit) Histogram(_ *http.Request, args *HistogramArgs, plan *dispatch.Plan) error {
	conds, err := m.Type.Conds("match", args.Match)
	if err != nil {
		return err
	}
	from, err := momentOf("from", args.From)
	if err != nil {
		return err
	}
	until, err := momentOf("until", args.Until)
	if err != nil {
		return err
	}
	parts := int64(histogramParts)
	if args.Parts.Given {
		parts = args.Parts.Value
	}
	if parts < 1 || parts > maxHistogramParts {
		return model.AttrErrorf(model.Invalid, "parts", "must be a number from 1 to %d", maxHistogramParts)
	}
	if until < from+model.Time(parts) {
		return model.AttrErrorf(model.Invalid, "until", "must be after from")
	}
	time := store.Column{Name: "time"}
	q := &store.Query{Table: m.Type.Table, Columns: []store.Column{time, {Name: "outcome"}}, Limit: maxHistogramRows, Sort: []store.Sort{{Column: time, Desc: true}},
		Where: append(conds, store.Cond{Column: "time", Op: store.Ge, Value: from}, store.Cond{Column: "time", Op: store.Lt, Value: until})}
	length := int64(until - from)
	begin := func(part int64) model.Time { return from + model.Time((part*length+parts-1)/parts) }
	plan.Long = true
	plan.View = func(tx store.ReadTx) (any, error) {
		reply := histogram{Since: from.String(), Parts: make([]histogramPart, parts)}
		for i := range reply.Parts {
			reply.Parts[i].From = begin(int64(i)).String()
		}
		read := 0
		err := tx.Each(q, func(row store.Row) error {
			at := model.Time(row[0].(int64))
			part := &reply.Parts[int64(at-from)*parts/length]
			if row[1].(int64) == 0 {
				part.Done++
			} else {
				part.Refused++
			}
			if read++; read == maxHistogramRows {
				reply.Since = at.String()
			}
			return nil
		})
		return reply, err
	}
	return nil
}

// momentOf reads a moment, which must be given.
func momentOf(place string, text wire.Text) (model.Time, error) {
	if text == "" {
		return 0, model.AttrErrorf(model.Missing, place, "is required")
	}
	quoted, err := jsontext.AppendQuote(nil, string(text))
	if err != nil {
		return 0, model.AttrErrorf(model.Invalid, place, "is not a date")
	}
	return wire.DateOf(place, quoted)
}
