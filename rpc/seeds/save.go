package seeds

import (
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
	"tokensmith/rpc/object"
	"tokensmith/rpc/people"
	"tokensmith/rpc/token"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// settled is the result of comparing the import with the database.
type settled struct {
	kept   []keptToken        // tokens of the rows, in the order of the file
	tokens []model.Token      // new tokens
	states []model.TokenState // with the same indexes as tokens
	made   []model.Assignment
	known  int // number of tokens that existed before
}

type keptToken struct{ id, serial string }

// write inserts the tokens and returns those of the file, in its order.
func (im *importing) write(tx store.Tx) ([]keptToken, error) {
	if err := im.targets.settle(tx); err != nil {
		return nil, err
	}
	n, err := tx.InsertMany(im.tokens, true)
	if err != nil {
		return nil, err
	}
	var existing map[*target]map[string]model.Token
	if n != int64(len(im.tokens)) {
		if existing, err = im.existing(tx); err != nil {
			return nil, err
		}
	}
	var bad wire.RowErrors
	s, err := im.settle(tx, existing, &bad)
	if err == nil {
		err = bad.Err(model.ImportRefused)
	}
	if err != nil {
		return nil, err
	}
	states, err := tx.TakeMarks(s.tokens, s.states)
	if err != nil {
		return nil, err
	}
	if _, err := tx.InsertMany(states, false); err != nil {
		return nil, err
	}
	if _, err = tx.InsertMany(s.made, false); err != nil {
		return nil, err
	}
	return s.kept, token.MayHave(tx, s.made, true)
}

// existing returns the existing tokens with serial numbers of the file, including those that the caller does not see, because a
// serial number is unique.
func (im *importing) existing(tx store.ReadTx) (map[*target]map[string]model.Token, error) {
	found := map[*target]map[string]model.Token{}
	im.unseen = map[string]bool{}
	defer tx.SetScope(im.c.Scope)
	for _, to := range im.targets.used {
		if to.fresh && im.dry {
			continue
		}
		serials := make([]string, 0, len(to.serials))
		for i := range im.rows {
			if im.rows[i].to == to {
				serials = append(serials, im.tokens[i].Serial)
			}
		}
		tx.SetScope(nil)
		tokens, err := tx.TokensBySerial(to.product.ID, serials)
		if err != nil {
			return nil, err
		}
		found[to] = tokens
		if im.c.Scope == nil {
			continue
		}
		tx.SetScope(im.c.Scope)
		seen, err := tx.TokensBySerial(to.product.ID, serials)
		if err != nil {
			return nil, err
		}
		for serial, t := range tokens {
			if _, ok := seen[serial]; !ok {
				im.unseen[t.ID] = true
			}
		}
	}
	return found, nil
}

// settle decides what to do with each row. existing are the tokens by serial number, which may include the new ones; nil means
// that all are new.
func (im *importing) settle(tx store.ReadTx, existing map[*target]map[string]model.Token, bad *wire.RowErrors) (*settled, error) {
	s := &settled{kept: make([]keptToken, 0, len(im.rows))}
	if existing == nil {
		s.tokens, s.states = im.tokens, im.states
	}
	known := map[int]model.Token{}
	wanted := make([]int, 0, len(im.rows)) // rows that will have a token
	for i := range im.rows {
		t := &im.tokens[i]
		old, ok := existing[im.rows[i].to][t.Serial]
		if !ok || old.ID == t.ID {
			if existing != nil {
				s.tokens, s.states = append(s.tokens, *t), append(s.states, im.states[i])
			}
			s.kept, wanted = append(s.kept, keptToken{t.ID, t.Serial}), append(wanted, i)
			continue
		}
		switch im.onExisting {
		case skip:
			continue
		case refuse:
			bad.Add(im.rows[i].line, t.Serial, "the token exists already")
			continue
		}
		if im.unseen[old.ID] {
			bad.Add(im.rows[i].line, t.Serial, "the token exists already and belongs to users whom the caller does not see")
			continue
		}
		seed, err := im.c.Server.Keys.Unseal(store.SeedPlace(old.ID), old.Seed)
		if err != nil {
			return nil, err
		}
		if !im.rows[i].seed.Equal(seed) {
			bad.Add(im.rows[i].line, t.Serial, "the token exists already with another seed")
			continue
		}
		s.known++
		known[i] = old
		s.kept, wanted = append(s.kept, keptToken{old.ID, t.Serial}), append(wanted, i)
	}
	if !im.assign {
		return s, nil
	}
	var err error
	s.made, err = im.claims(tx, wanted, known, bad)
	return s, err
}

// dryReport is the reply of an import that stored nothing.
type dryReport struct {
	Total    int      `json:"total"` // tokens of the file that would exist
	Created  int      `json:"created"`
	Existing int      `json:"existing"` // existing tokens with the same seed
	Skipped  int      `json:"skipped"`
	Assigned int      `json:"assigned"`
	Products []string `json:"products"` // products that would be created
	Notes    []string `json:"notes,omitempty"`

	Preview *people.Preview `json:"preview"`
}

// preview returns the first tokens of the file, without their seeds.
func (im *importing) preview() *people.Preview {
	p := &people.Preview{Columns: []string{"serial", "product", "description", "user"}, Rows: [][]string{}}
	for i := range im.tokens[:min(people.PreviewRows, len(im.tokens))] {
		p.Rows = append(p.Rows, []string{im.tokens[i].Serial, im.rows[i].to.product.Codes(), im.tokens[i].Description, im.rows[i].user})
	}
	return p
}

// report returns what an import would do.
func (im *importing) report(tx store.ReadTx) (any, error) {
	existing, err := im.existing(tx)
	if err != nil {
		return nil, err
	}
	bad := wire.RowErrors{Rows: append([]wire.RowError(nil), im.bad.Rows...), More: im.bad.More}
	s, err := im.settle(tx, existing, &bad)
	if err == nil {
		err = bad.Err(model.ImportRefused)
	}
	switch {
	case err != nil:
		return nil, err
	case len(im.tokens) == 0:
		return nil, errNoToken
	}
	if err := token.MayHave(tx, s.made, false); err != nil {
		return nil, err
	}
	var users, tokens []string
	for _, a := range s.made {
		users, tokens = append(users, a.UserID), append(tokens, a.TokenID)
	}
	if err := im.c.MayChange(tx, slices.Compact(slices.Sorted(slices.Values(users))), slices.Compact(slices.Sorted(slices.Values(tokens)))); err != nil {
		return nil, err
	}
	r := dryReport{Total: len(s.kept), Created: len(s.kept) - s.known, Existing: s.known, Skipped: len(im.rows) - len(s.kept),
		Assigned: len(s.made), Products: []string{}, Notes: im.notes.List(), Preview: im.preview()}
	for _, to := range im.targets.used {
		if to.fresh {
			r.Products = append(r.Products, to.product.Codes())
		}
	}
	return r, nil
}

// reply returns the tokens in the order of the file.
func (im *importing) reply(tx store.Tx, p *object.Projection, asked wire.Return, kept []keptToken) (any, error) {
	body := append(strconv.AppendInt([]byte(`{"total":`), int64(len(kept)), 10), `,"rows":[`...)
	if len(asked) == 0 {
		// The default attributes need no query.
		body = append(make([]byte, 0, len(body)+len(kept)*80), body...)
		for i, t := range kept {
			if i > 0 {
				body = append(body, ',')
			}
			body, _ = jsontext.AppendQuote(append(body, `{"id":`...), t.id)
			body, _ = jsontext.AppendQuote(append(body, `,"serial":`...), t.serial)
			body = append(body, '}')
		}
		kept = nil
	}
	for start := 0; start < len(kept); start += object.MaxSearch {
		values, err := byID(p, tx, token.TokenType, kept[start:min(start+object.MaxSearch, len(kept))])
		if err != nil {
			return nil, err
		}
		if start > 0 {
			body = append(body, ',')
		}
		body = object.JoinValues(body, values)
	}
	body = append(body, ']')
	if list := im.notes.List(); len(list) > 0 {
		body = append(body, `,"notes":[`...)
		for i, n := range list {
			if i > 0 {
				body = append(body, ',')
			}
			body, _ = jsontext.AppendQuote(body, n)
		}
		body = append(body, ']')
	}
	return jsontext.Value(append(body, '}')), nil
}

// byID returns the objects with these ids as JSON, in this order. There may be at most object.MaxSearch.
func byID(p *object.Projection, tx store.Tx, o *object.Type, kept []keptToken) ([][]byte, error) {
	wanted := make([]any, len(kept))
	for i, t := range kept {
		wanted[i] = t.id
	}
	values, rows, err := p.Fetch(tx, store.Query{Table: o.Table, Columns: []store.Column{store.IDColumn},
		Where: []store.Cond{store.ByIDs(wanted)}, Limit: object.MaxSearch})
	if err != nil {
		return nil, err
	}
	of := make(map[string][]byte, len(rows))
	for i, row := range rows {
		of[object.AsText(row[len(p.Columns)])] = values[i]
	}
	out := make([][]byte, len(kept))
	for i, t := range kept {
		out[i] = of[t.id]
	}
	return out, nil
}
