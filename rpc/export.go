package rpc

import (
	"bytes"
	"net/http"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
	"tokensmith/model/otp"
	"tokensmith/model/seedfile"
	"tokensmith/store"
)

// ExportArgs are the parameters of token/export.
type ExportArgs struct {
	Match  Match   `json:"match"`
	Attrs  Members `json:"attrs"`
	Max    Int     `json:"max"`
	Cursor *Text   `json:"cursor"`
}

var exportAttrs = declare(&object{name: "token/export", of: []string{"token/export"}, noun: "export", attrs: []attr{
	{name: "password", kind: secret, when: onCreate, required: true, column: "-", about: "encrypts the file; whoever has both has the seeds"},
}})

// exportFields are what a file holds of a token, in the order that export reads them.
var exportFields = names("id", "serial", "identifier", "description", "counter", "drift", "product.manufacturerCode", "product.productCode",
	"product.algorithm", "product.digits", "product.period", "product.crypto")

// Export writes tokens with their seeds as a PSKC file, encrypted with a password. It is one snapshot, and it commits
// its audit row.
func (m *Token) Export(r *http.Request, args *ExportArgs, plan *Plan) error {
	c := callOf(r.Context())
	q, err := m.exported(args)
	if err != nil {
		return err
	}
	d, err := exportAttrs.decode("attrs", args.Attrs, onCreate)
	if err != nil {
		return err
	}
	if len(d.secrets["password"]) == 0 {
		return model.AttrErrorf(model.Missing, "attrs.password", "is required")
	}
	var lock *seedfile.PSKCLock
	if waited := c.s.slowlyAside(r.Context(), func() { lock, err = seedfile.NewPSKCLock(d.secrets["password"], c.s.cfg.Rand) }); waited != nil {
		return waited
	}
	if err != nil {
		return err
	}
	limit := q.Limit
	q.Limit++ // tells whether there are more
	plan.long, plan.heavy = true, true
	plan.update = func(tx store.Tx) (any, error) {
		found, err := tx.Find(q)
		if err != nil {
			return nil, err
		}
		more := int64(len(found)) > limit
		switch {
		case more && args.Cursor == nil:
			return nil, model.AttrErrorf(model.Invalid, "match", "fits more than %d tokens; ask for less, or for parts with cursor", limit)
		case more:
			found = found[:limit]
		case len(found) == 0:
			return nil, model.Missed(m.obj.missing)
		}
		if err := c.mayExport(tx, found); err != nil {
			return nil, err
		}
		file, err := c.exportFile(tx, lock, found)
		if err != nil {
			return nil, err
		}
		c.touched("tokens", strconv.Itoa(len(found))+" exported")
		body := strconv.AppendInt(append(make([]byte, 0, len(file)+len(file)/8), `{"total":`...), int64(len(found)), 10)
		if body, err = jsontext.AppendQuote(append(body, `,"data":`...), file); err != nil {
			return nil, err
		}
		if more {
			next, err := writeCursor(exportOrder, q.Sort, found[limit-1][:1])
			if err != nil {
				return nil, err
			}
			body, _ = jsontext.AppendQuote(append(body, `,"next":`...), next)
		}
		var said notes
		for _, row := range found {
			said.file(exportNotes(row))
		}
		return noted(append(body, '}'), said.list()...), nil
	}
	return nil
}

const exportOrder = "export"

// exported gives the query of the tokens to export, by id.
func (m *Token) exported(args *ExportArgs) (*store.Query, error) {
	q := &store.Query{Table: m.obj.table, Limit: searchMost}
	var err error
	if q.Where, err = m.obj.conds("match", args.Match); err != nil {
		return nil, err
	}
	if args.Max.given {
		q.Limit = args.Max.n
	}
	if q.Limit < 1 || q.Limit > searchMost {
		return nil, model.AttrErrorf(model.Invalid, "max", "must be a number from 1 to %d", searchMost)
	}
	if q.Sort, err = m.obj.ordering(nil, ""); err != nil {
		return nil, err
	}
	if args.Cursor != nil {
		if q.After, err = readCursor(string(*args.Cursor), exportOrder, q.Sort); err != nil {
			return nil, err
		}
	}
	for _, f := range exportFields {
		path, a, err := m.obj.resolve("", f.name, false)
		if err != nil {
			return nil, err
		}
		q.Columns = append(q.Columns, store.Column{Path: path, Name: a.column})
	}
	q.Columns = append(q.Columns, store.Column{Name: "seed"})
	return q, nil
}

// mayExport refuses the rows of an export's query, naming the first token that the caller may not have.
func (c *call) mayExport(tx store.Tx, found []store.Row) error {
	ids := make([]string, len(found))
	for i, row := range found {
		ids[i] = asText(row[0])
	}
	all := c.mayOpen(tx, ids...)
	if all == nil || wireError(all).Kind != model.NotPermitted {
		return all
	}
	for i, id := range ids {
		if err := c.mayOpen(tx, id); err != nil {
			return model.Errorf(model.NotPermitted, "token %s: %s", asText(found[i][1]), wireError(err).Msg)
		}
	}
	return all
}

// exportFile writes the rows of an export's query as a PSKC file.
func (c *call) exportFile(tx store.Tx, lock *seedfile.PSKCLock, found []store.Row) ([]byte, error) {
	var file bytes.Buffer
	w, err := seedfile.NewPSKCWriter(&file, lock)
	if err != nil {
		return nil, err
	}
	for _, row := range found {
		seed, err := c.openSeed(tx, asText(row[0]), sealedOf(row[12]))
		if err != nil {
			return nil, err
		}
		k := seedfile.Key{Serial: asText(row[1]), KeyID: asText(row[2]), Description: asText(row[3]), Secret: seed,
			Manufacturer: asText(row[6]), Model: asText(row[7]), Algorithm: asText(row[8]), Digits: int(row[9].(int64)),
			Hash: asText(row[11])}
		if k.Algorithm == string(otp.TOTP) {
			k.Period, k.Drift = row[10].(int64), row[5].(int64)
		} else {
			k.Counter = row[4].(int64)
		}
		if err := w.Write(k); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return file.Bytes(), nil
}

// sealedOf gives a sealed column's bytes.
func sealedOf(v any) []byte {
	if s, ok := v.(string); ok {
		return []byte(s)
	}
	return v.([]byte)
}
