package rpc

import (
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
	"tokensmith/model/otp"
	"tokensmith/model/seedfile"
	"tokensmith/store"
)

// What an import does with a serial that the product already has.
const (
	sameSeed = "same-seed" // the same seed: counted, unchanged; another: refused
	refuse   = "refuse"
	skip     = "skip"
)

var importAttrs = declare(&object{name: "import", attrs: []attr{
	{name: "product", kind: ref, when: onCreate, object: "product", column: "-", about: "the one the file's header names, if not given"},
	{name: "repository", kind: ref, when: onCreate, object: "repository", column: "-", about: "\"default\" if not given"},
	{name: "data", kind: text, when: onCreate, required: true, max: largeBody, column: "-", about: "the token file's text"},
	{name: "encode", kind: enum, when: onCreate, values: []string{"HEX", "BASE32", "BASE64"}, column: "-", about: "of the seeds, where the file does not say"},
	{name: "password", kind: secret, when: onCreate, column: "-", about: "opens a file encrypted with a password"},
	{name: "preSharedKey", kind: secret, when: onCreate, column: "-", about: "opens a file encrypted with a key; hex"},
	{name: "onExisting", kind: enum, when: onCreate, initial: sameSeed, values: []string{sameSeed, refuse, skip}, column: "-"},
}})

// importing is a token file on its way into a product.
type importing struct {
	c          *call
	product    *model.Product
	repository string
	onExisting string
	tokens     []model.Token
	states     []model.TokenState
	seeds      []model.Secret // beside tokens, to compare with existing ones
	serials    map[string]int // serial → line
	bad        refusals
}

// Import reads a token file and makes its tokens, all or nothing. Reading, checking and sealing happen before the
// transaction.
func (m *Token) Import(r *http.Request, args *CreateArgs, plan *Plan) error {
	c := callOf(r.Context())
	if err := c.need("token/import"); err != nil {
		return err
	}
	d, err := importAttrs.decode("attrs", args.Attrs, onCreate)
	if err != nil {
		return err
	}
	p, err := m.obj.project(args.Return.or(names("id", "serial")), "return")
	if err != nil {
		return err
	}
	im := &importing{c: c, serials: map[string]int{}}
	im.onExisting, _ = given[string](d, "onExisting")
	opts, data, err := im.options(d)
	if err != nil {
		return err
	}
	if err := im.targets(r, d); err != nil {
		return err
	}
	file, err := seedfile.Read(strings.NewReader(data), opts, func(f *seedfile.File, k seedfile.Key) error { return im.key(r, f, k) })
	if err != nil {
		return err
	}
	im.bad.take(file.Bad)
	if err := im.bad.refuse(model.ImportRefused); err != nil {
		return err
	}
	if len(im.tokens) == 0 {
		return model.Errorf(model.FileUnreadable, "the file holds no token")
	}
	plan.update = func(tx *store.Tx) (any, error) {
		ids, err := im.write(tx)
		if err != nil {
			return nil, err
		}
		c.touched("product", im.product.ID+" "+strconv.Itoa(len(ids))+" tokens")
		return im.reply(tx, p, args.Return, ids)
	}
	return nil
}

func (im *importing) options(d *decoded) (seedfile.Options, string, error) {
	data, _ := given[string](d, "data")
	encode, _ := given[string](d, "encode")
	opts := seedfile.Options{Encoding: seedfile.Encoding(encode), Password: d.secrets["password"], MaxRows: im.c.s.cfg.ImportRows}
	if psk := d.secrets["preSharedKey"]; len(psk) > 0 {
		key, err := hex.DecodeString(string(psk))
		if err != nil {
			return opts, "", model.AttrErrorf(model.Invalid, "attrs.preSharedKey", "is not hex")
		}
		opts.PreSharedKey = key
	}
	return opts, data, nil
}

// targets finds the product, when the client names one, and the repository.
func (im *importing) targets(r *http.Request, d *decoded) error {
	return im.c.s.cfg.Store.View(r.Context(), func(tx *store.ReadTx) error {
		tx.Limit(im.c.scope)
		id, err := d.related(im.c, tx, "product")
		if err != nil {
			return err
		}
		if id != nil {
			im.product = new(model.Product)
			if err := tx.Load(im.product, *id); err != nil {
				return err
			}
		}
		id, err = d.related(im.c, tx, "repository")
		if err != nil {
			return err
		}
		if id != nil {
			im.repository = *id
			return nil
		}
		def, err := tx.RepositoryByName(model.DefaultRepository)
		im.repository = def.ID
		return err
	})
}

// header settles the product by what the file says of itself.
func (im *importing) header(r *http.Request, f *seedfile.File) error {
	codes := f.ManufacturerCode + "/" + f.ProductCode
	switch {
	case f.ManufacturerCode == "" && f.ProductCode == "":
		if im.product == nil {
			return model.AttrErrorf(model.Missing, "attrs.product.id", "is required: the file names no product")
		}
	case im.product == nil:
		return im.c.s.cfg.Store.View(r.Context(), func(tx *store.ReadTx) error {
			p, err := tx.ProductByCodes(f.ManufacturerCode, f.ProductCode)
			if err != nil {
				return &model.Error{Kind: model.NotFound, Object: "product", Msg: "product not found: the file is for " + codes, Err: err}
			}
			im.product = &p
			return nil
		})
	case im.product.Codes() != codes:
		return model.Errorf(model.ImportRefused, "the file is for product %s, not for %s", codes, im.product.Codes())
	}
	return nil
}

// key checks a key against the product and makes its token.
func (im *importing) key(r *http.Request, f *seedfile.File, k seedfile.Key) error {
	if len(im.serials) == 0 {
		if err := im.header(r, f); err != nil {
			return err
		}
	}
	if k.Serial == "" {
		k.Serial = k.KeyID
	}
	p := im.product
	if first, twice := im.serials[k.Serial]; twice {
		im.bad.add(k.Line, k.Serial, "the serial stands in line %d already", first)
		return nil
	}
	im.serials[k.Serial] = k.Line
	clash := func(what string, has, wants any) error {
		im.bad.add(k.Line, k.Serial, "%s is %v, but product %s has %v", what, has, p.Codes(), wants)
		return nil
	}
	switch {
	case k.Serial == "":
		im.bad.add(k.Line, "", "the serial is missing")
		return nil
	case len(k.Secret) < model.MinSeedBytes:
		im.bad.add(k.Line, k.Serial, "the seed is shorter than %d bytes", model.MinSeedBytes)
		return nil
	case len(k.Secret) > model.MaxSeedBytes:
		im.bad.add(k.Line, k.Serial, "the seed is longer than %d bytes", model.MaxSeedBytes)
		return nil
	case k.Algorithm != "" && k.Algorithm != p.Algorithm:
		return clash("the algorithm", k.Algorithm, p.Algorithm)
	case k.Digits != 0 && int64(k.Digits) != p.Digits:
		return clash("the number of digits", k.Digits, p.Digits)
	case k.Hash != "" && k.Hash != p.Crypto:
		return clash("the crypto", k.Hash, p.Crypto)
	case k.Period != 0 && p.Algorithm != string(otp.TOTP):
		return clash("the period", k.Period, "none")
	case k.Period != 0 && k.Period != p.Period:
		return clash("the period", k.Period, p.Period)
	case k.Counter != 0 && p.Algorithm != string(otp.HOTP):
		return clash("the counter", k.Counter, "none")
	}
	c := im.c
	id := c.newID()
	im.tokens = append(im.tokens, model.Token{ID: id, ProductID: p.ID, RepositoryID: im.repository, Serial: k.Serial, Identifier: k.Serial,
		Status: model.Active, Description: k.Description, Seed: c.s.keys.Seal(seedPlace(id), k.Secret), DateCreated: c.now, LastUpdated: c.now})
	im.states = append(im.states, model.TokenState{TokenID: id, Counter: k.Counter, Drift: k.Drift})
	im.seeds = append(im.seeds, k.Secret)
	return nil
}

// write stores the tokens and gives the id of each row of the file that now has one, in the file's order.
func (im *importing) write(tx *store.Tx) ([]string, error) {
	var now model.Product
	if err := tx.Load(&now, im.product.ID); err != nil {
		return nil, err
	}
	if !now.SameOTP(im.product) {
		return nil, model.Errorf(model.Stale, "the product was changed while the file was read")
	}
	ids := make([]string, len(im.tokens))
	for i := range im.tokens {
		ids[i] = im.tokens[i].ID
	}
	n, err := store.InsertMany(tx, im.tokens, true)
	if err != nil {
		return nil, err
	}
	if n == int64(len(im.tokens)) {
		_, err := store.InsertMany(tx, im.states, false)
		return ids, err
	}
	return im.existing(tx, ids)
}

// existing settles the rows whose serial the product had before.
func (im *importing) existing(tx *store.Tx, ids []string) ([]string, error) {
	serials := make([]string, len(im.tokens))
	for i := range im.tokens {
		serials[i] = im.tokens[i].Serial
	}
	found, err := tx.TokensBySerial(im.product.ID, serials)
	if err != nil {
		return nil, err
	}
	var bad refusals
	var states []model.TokenState
	kept := ids[:0]
	for i := range im.tokens {
		t := found[im.tokens[i].Serial]
		if t.ID == im.tokens[i].ID {
			states = append(states, im.states[i])
			kept = append(kept, t.ID)
			continue
		}
		if t.ID == "" {
			// Another domain's, which the caller does not see.
			bad.add(im.serials[im.tokens[i].Serial], im.tokens[i].Serial, "the token exists already")
			continue
		}
		line := im.serials[t.Serial]
		switch im.onExisting {
		case skip:
		case refuse:
			bad.add(line, t.Serial, "the token exists already")
		case sameSeed:
			seed, err := im.c.s.keys.Unseal(seedPlace(t.ID), t.Seed)
			if err != nil {
				return nil, err
			}
			if !im.seeds[i].Equal(seed) {
				bad.add(line, t.Serial, "the token exists already with another seed")
			}
			kept = append(kept, t.ID)
		}
	}
	if err := bad.refuse(model.ImportRefused); err != nil {
		return nil, err
	}
	_, err = store.InsertMany(tx, states, false)
	return kept, err
}

// reply lists the tokens in the file's order.
func (im *importing) reply(tx *store.Tx, p *projection, asked Return, ids []string) (any, error) {
	body := append(strconv.AppendInt([]byte(`{"total":`), int64(len(ids)), 10), `,"rows":[`...)
	if len(asked) == 0 && len(ids) == len(im.tokens) {
		// What is asked most is at hand.
		for i, id := range ids {
			if i > 0 {
				body = append(body, ',')
			}
			body, _ = jsontext.AppendQuote(append(body, `{"id":`...), id)
			body, _ = jsontext.AppendQuote(append(body, `,"serial":`...), im.tokens[i].Serial)
			body = append(body, '}')
		}
		return jsontext.Value(append(body, "]}"...)), nil
	}
	for start := 0; start < len(ids); start += searchMost {
		values, err := p.byID(tx, tokenObject, ids[start:min(start+searchMost, len(ids))])
		if err != nil {
			return nil, err
		}
		if start > 0 {
			body = append(body, ',')
		}
		body = joinValues(body, values)
	}
	return jsontext.Value(append(body, "]}"...)), nil
}

// byID projects the objects with these ids, at most searchMost, in their order.
func (p *projection) byID(tx *store.Tx, o *object, ids []string) ([][]byte, error) {
	wanted := make([]any, len(ids))
	for i, id := range ids {
		wanted[i] = id
	}
	values, rows, err := p.fetch(&tx.ReadTx, store.Query{Table: o.table, Columns: []store.Column{{Name: "id"}},
		Where: []store.Cond{{Column: "id", Op: store.In, Value: wanted}}, Limit: searchMost})
	if err != nil {
		return nil, err
	}
	of := make(map[string][]byte, len(rows))
	for i, row := range rows {
		of[asText(row[len(p.columns)])] = values[i]
	}
	out := make([][]byte, len(ids))
	for i, id := range ids {
		out[i] = of[id]
	}
	return out, nil
}
