package rpc

import (
	"encoding/hex"
	"net/http"
	"strings"

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

// tokenFiles has the methods of tokens, with those that read files of them.
type tokenFiles struct{ Token }

// seedReceivers are those of the methods of this room.
func seedReceivers(s *core) map[string]any {
	return map[string]any{"Token": &tokenFiles{newToken(s)}}
}

// Create makes a token; with data it imports a token file, as old clients do.
func (m *tokenFiles) Create(r *http.Request, args *CreateArgs, plan *Plan) error {
	if args.Attrs.get("data") != nil {
		return m.Import(r, args, plan)
	}
	return m.Token.Create(r, args, plan)
}

var importAttrs = declare(&object{name: "token/import", of: []string{"token/import"}, noun: "import", attrs: []attr{
	{name: "data", kind: text, raw: true, when: onCreate, required: true, max: LargeBody, column: "-", about: "the token file's text"},
	{name: "charset", kind: text, when: onCreate, max: 64, column: "-", about: "of bytes sent as characters; `auto` goes by their byte order mark, or UTF-8"},
	{name: "format", kind: enum, when: onCreate, values: formats(), column: "-", about: "recognised by the file's content if not given"},
	{name: "product", kind: ref, when: onCreate, object: "product", column: "-", about: "of all keys; else the file's codes or the keys' kind choose it"},
	{name: "repository", kind: ref, when: onCreate, object: "repository", column: "-", about: "\"default\" if not given"},
	{name: "encode", kind: enum, when: onCreate, values: []string{"HEX", "BASE32", "BASE64"}, column: "-", about: "of the seeds, where the file does not say"},
	{name: "password", kind: secret, when: onCreate, column: "-", about: "opens a file encrypted with a password"},
	{name: "preSharedKey", kind: secret, when: onCreate, column: "-", about: "opens a file encrypted with a key; hex"},
	{name: "crypto", kind: enum, when: onCreate, values: []string{string(otp.HmacSHA1), string(otp.HmacSHA256), string(otp.HmacSHA512)}, column: "-", about: "of keys whose hash the file does not say"},
	{name: "ignore", kind: list, when: onCreate, column: "-", about: "columns, parameters and elements that are not known and may be passed over"},
	{name: "onExisting", kind: enum, when: onCreate, initial: sameSeed, values: []string{sameSeed, refuse, skip}, column: "-", about: "what a known serial means; nothing ever changes a token that is there"},
	{name: "assign", kind: boolean, when: onCreate, column: "-", about: "assigns each token to the user the file names"},
	{name: "createProducts", kind: boolean, when: onCreate, column: "-", about: "makes the products that keys need; takes the permission `product/create`"},
	{name: "dryRun", kind: boolean, when: onCreate, column: "-", about: "reports what would be done and stores nothing"},
}})

func formats() []string {
	var names []string
	for _, f := range seedfile.Formats() {
		names = append(names, string(f))
	}
	return names
}

// importing is a token file on its way into the store.
type importing struct {
	c          *call
	repository string
	onExisting string
	assign     bool
	create     bool   // makes products that are missing
	crypto     string // of keys whose hash the file does not say; "" = none was named
	dry        bool

	targets targets
	rows    []importRow
	tokens  []model.Token      // beside rows
	states  []model.TokenState // beside rows
	unseen  map[string]bool    // ids of tokens that are there and that the caller does not see
	bad     refusals
	notes   notes
}

// importRow is what of a key is not in its token.
type importRow struct {
	line int
	to   *target
	user string       // as the file names it; "" = none
	seed model.Secret // to compare with that of an existing token
}

// Import reads a token file and makes its tokens, all or nothing. Reading, checking and sealing happen before the
// transaction.
func (m *tokenFiles) Import(r *http.Request, args *CreateArgs, plan *Plan) error {
	c := callOf(r.Context())
	if err := c.need("token/import"); err != nil {
		return err
	}
	d, err := importAttrs.decode("attrs", args.Attrs, onCreate)
	if err != nil {
		return err
	}
	p, err := m.obj.project(c, args.Return.or(names("id", "serial")), "return")
	if err != nil {
		return err
	}
	im := &importing{c: c}
	im.onExisting, _ = given[string](d, "onExisting")
	im.assign, _ = given[bool](d, "assign")
	im.create, _ = given[bool](d, "createProducts")
	im.crypto, _ = given[string](d, "crypto")
	im.dry, _ = given[bool](d, "dryRun")
	if im.create {
		if err := c.need("product/create"); err != nil {
			return err
		}
	}
	opts, data, err := im.options(d)
	if err != nil {
		return err
	}
	if err := im.prepare(r, d); err != nil {
		return err
	}
	opts.Slowly = func(work func()) error { return c.s.slowlyAside(r.Context(), work) }
	im.expect(len(data))
	file, err := seedfile.Read(strings.NewReader(data), opts, im.key)
	if err != nil {
		return err
	}
	im.notes.file(file.Notes)
	im.bad.take(file.Bad)
	if im.dry {
		plan.view = im.report
		return nil
	}
	if err := im.bad.refuse(model.ImportRefused); err != nil {
		return err
	}
	if len(im.tokens) == 0 {
		return errNoToken
	}
	im.seal()
	plan.long = true
	plan.update = func(tx store.Tx) (any, error) {
		kept, err := im.write(tx)
		if err != nil {
			return nil, err
		}
		im.targets.touched(c, len(kept))
		return im.reply(tx, p, args.Return, kept)
	}
	return nil
}

var errNoToken = model.Errorf(model.FileUnreadable, "the file holds no token")

// expect makes room for the tokens of a file of so many bytes.
func (im *importing) expect(bytes int) {
	n := min(bytes/rowBytes+1, im.c.s.cfg.ImportRows)
	im.rows, im.tokens, im.states = make([]importRow, 0, n), make([]model.Token, 0, n), make([]model.TokenState, 0, n)
}

// rowBytes is about what a token takes in the tightest of files.
const rowBytes = 64

func (im *importing) options(d *decoded) (seedfile.Options, string, error) {
	data, _ := given[string](d, "data")
	charset, _ := given[string](d, "charset")
	ignore, _ := given[model.List](d, "ignore")
	encode, _ := given[string](d, "encode")
	format, _ := given[string](d, "format")
	opts := seedfile.Options{Format: seedfile.Format(format), Encoding: seedfile.Encoding(encode), Password: d.secrets["password"],
		MaxRows: im.c.s.cfg.ImportRows, Ignore: ignore.Items()}
	data, err := fileText("attrs.data", data, charset)
	if err != nil {
		return opts, "", err
	}
	if psk := d.secrets["preSharedKey"]; len(psk) > 0 {
		key, err := hex.DecodeString(string(psk))
		if err != nil {
			return opts, "", model.AttrErrorf(model.Invalid, "attrs.preSharedKey", "is not hex")
		}
		opts.PreSharedKey = key
	}
	return opts, data, nil
}

// prepare reads the products, finds the one the client names, if any, and the repository.
func (im *importing) prepare(r *http.Request, d *decoded) error {
	return im.c.s.cfg.Store.View(r.Context(), func(tx store.ReadTx) error {
		tx.Limit(im.c.scope)
		id, err := d.related(im.c, tx, "product")
		if err != nil {
			return err
		}
		if err := im.targets.read(tx, id); err != nil {
			return err
		}
		if id, err = d.related(im.c, tx, "repository"); err != nil {
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
