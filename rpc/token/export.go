package token

import (
	"bytes"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
	"tokensmith/model/otp"
	"tokensmith/model/seedfile"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/object"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// exportNotes returns notes on the texts of a token that an import of the export would change.
func exportNotes(row store.Row) (notes []string) {
	for i, of := range map[int]*object.Attr{1: TokenType.ByName["serial"], 2: TokenType.ByName["identifier"], 3: TokenType.ByName["description"],
		6: ProductType.ByName["manufacturerCode"], 7: ProductType.ByName["productCode"]} {
		if reason := of.Fault(object.AsText(row[i])); reason != "" {
			notes = append(notes, "token "+object.AsText(row[0])+", "+object.QuotedName(object.AsText(row[1]))+": its "+of.Name+" would be changed or refused by an import: it "+reason)
		}
	}
	slices.Sort(notes)
	return notes
}

// leftOut returns why a token is left out of an export: because an import would refuse it, and with it the whole file. It returns
// "" for all other tokens.
func leftOut(row store.Row) string {
	whose := "token " + object.AsText(row[0]) + ", " + object.QuotedName(object.AsText(row[1])) + ": "
	switch totp := object.AsText(row[8]) == string(otp.TOTP); {
	case !totp && row[4].(int64) > otp.LastStep:
		return whose + "it was left out: its last counter is used, so it has no more OTPs"
	case totp && (row[5].(int64) > seedfile.MaxDrift || row[5].(int64) < -seedfile.MaxDrift):
		return whose + "it was left out: its drift is out of range; token/reset clears it"
	}
	return ""
}

// ExportArgs are the parameters of token/export.
type ExportArgs struct {
	Match  wire.Match   `json:"match"`
	Attrs  wire.Members `json:"attrs"`
	Max    wire.Int     `json:"max"`
	Cursor *wire.Text   `json:"cursor"`
}

var exportAttrs = object.Declare(&object.Type{Name: "token/export", Of: []string{"token/export"}, Noun: "export", Attrs: []object.Attr{
	{Name: "password", Kind: object.Secret, When: object.OnCreate, Required: true, Column: "-",
		About: "encrypts the file; file and password together reveal the seeds"},
}})

// exportFields are the attributes of a token in the file, in the order in which export reads them.
var exportFields = wire.ReturnNames("id", "serial", "identifier", "description", "counter", "drift", "product.manufacturerCode", "product.productCode",
	"product.algorithm", "product.digits", "product.period", "product.crypto")

// Export writes tokens with their seeds to a PSKC file, encrypted with a password. It reads one snapshot, and adds its audit row
// in the same transaction.
func (m *Token) Export(r *http.Request, args *ExportArgs, plan *dispatch.Plan) error {
	c := dispatch.CallFrom(r.Context())
	q, err := m.exported(args)
	if err != nil {
		return err
	}
	d, err := exportAttrs.Decode("attrs", args.Attrs, object.OnCreate)
	if err != nil {
		return err
	}
	if len(d.Secrets["password"]) == 0 {
		return model.AttrErrorf(model.Missing, "attrs.password", "is required")
	}
	var lock *seedfile.PSKCKeys
	if waited := c.Server.RunExpensiveAside(r.Context(), func() { lock, err = seedfile.NewPSKCKeys(d.Secrets["password"], c.Server.Config.Rand) }); waited != nil {
		return waited
	}
	if err != nil {
		return err
	}
	limit := q.Limit
	q.Limit++ // to know whether there are more
	plan.Long, plan.Heavy = true, true
	plan.Update = func(tx store.Tx) (any, error) {
		found, err := tx.Find(q)
		if err != nil {
			return nil, err
		}
		more := int64(len(found)) > limit
		switch {
		case more && args.Cursor == nil:
			return nil, model.AttrErrorf(model.Invalid, "match", "matches more than %d tokens; select fewer, or export in "+
				"parts with cursor", limit)
		case more:
			found = found[:limit]
		case len(found) == 0:
			return nil, model.NotFoundError(m.Type.NotFound)
		}
		if err := mayExport(c, tx, found); err != nil {
			return nil, err
		}
		var next string
		if more {
			if next, err = object.WriteCursor(exportOrder, q.Sort, found[limit-1][:1]); err != nil {
				return nil, err
			}
		}
		var said wire.Notes
		found = slices.DeleteFunc(found, func(row store.Row) bool {
			why := leftOut(row)
			if why != "" {
				said.File([]string{why})
			}
			return why != ""
		})
		if len(found) == 0 {
			return nil, model.Errorf(model.Invalid, "%s", strings.Join(said.List(), "; "))
		}
		file, err := exportFile(c, tx, lock, found)
		if err != nil {
			return nil, err
		}
		c.SetObject("tokens", strconv.Itoa(len(found))+" exported")
		body := strconv.AppendInt(append(make([]byte, 0, len(file)+len(file)/8), `{"total":`...), int64(len(found)), 10)
		if body, err = jsontext.AppendQuote(append(body, `,"data":`...), file); err != nil {
			return nil, err
		}
		if more {
			body, _ = jsontext.AppendQuote(append(body, `,"next":`...), next)
		}
		for _, row := range found {
			said.File(exportNotes(row))
		}
		return wire.WithNotes(append(body, '}'), said.List()...), nil
	}
	return nil
}

const exportOrder = "export"

// exported returns the query for the tokens to export, ordered by id.
func (m *Token) exported(args *ExportArgs) (*store.Query, error) {
	q := &store.Query{Table: m.Type.Table, Limit: object.MaxSearch}
	var err error
	if q.Where, err = m.Type.Conds("match", args.Match); err != nil {
		return nil, err
	}
	if args.Max.Given {
		q.Limit = args.Max.Value
	}
	if q.Limit < 1 || q.Limit > object.MaxSearch {
		return nil, model.AttrErrorf(model.Invalid, "max", "must be a number from 1 to %d", object.MaxSearch)
	}
	if q.Sort, err = m.Type.Ordering(nil, ""); err != nil {
		return nil, err
	}
	if args.Cursor != nil {
		if q.After, err = object.ReadCursor(string(*args.Cursor), exportOrder, q.Sort); err != nil {
			return nil, err
		}
	}
	for _, f := range exportFields {
		path, a, err := m.Type.Resolve("", f.Name, false)
		if err != nil {
			return nil, err
		}
		q.Columns = append(q.Columns, store.Column{Path: path, Name: a.Column})
	}
	q.Columns = append(q.Columns, store.Column{Name: "seed"})
	return q, nil
}

// mayExport returns an error, with the name of the first such token, if the caller may not have the seed of one of the tokens.
func mayExport(c *dispatch.Call, tx store.Tx, found []store.Row) error {
	ids := make([]string, len(found))
	for i, row := range found {
		ids[i] = object.AsText(row[0])
	}
	all := c.CheckSeedAccess(tx, ids...)
	if all == nil || wire.ClientError(all).Kind != model.NotPermitted {
		return all
	}
	for i, id := range ids {
		if err := c.CheckSeedAccess(tx, id); err != nil {
			return model.Errorf(model.NotPermitted, "token %s: %s", object.AsText(found[i][1]), wire.ClientError(err).Msg)
		}
	}
	return all
}

// exportFile writes the tokens to a PSKC file.
func exportFile(c *dispatch.Call, tx store.Tx, lock *seedfile.PSKCKeys, found []store.Row) ([]byte, error) {
	var file bytes.Buffer
	w, err := seedfile.NewPSKCWriter(&file, lock)
	if err != nil {
		return nil, err
	}
	for _, row := range found {
		seed, err := OpenSeed(c, tx, object.AsText(row[0]), sealedOf(row[12]))
		if err != nil {
			return nil, err
		}
		k := seedfile.Key{Serial: object.AsText(row[1]), KeyID: object.AsText(row[2]), Description: object.AsText(row[3]), Secret: seed,
			Manufacturer: object.AsText(row[6]), Model: object.AsText(row[7]), Algorithm: object.AsText(row[8]), Digits: int(row[9].(int64)),
			Hash: object.AsText(row[11])}
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

// sealedOf returns the bytes of a sealed column.
func sealedOf(v any) []byte {
	if s, ok := v.(string); ok {
		return []byte(s)
	}
	return v.([]byte)
}
