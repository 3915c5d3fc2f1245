// Package seeds imports token files, which package seedfile reads, and assigns tokens with CSV files. Each file is imported
// completely or not at all.
package seeds

import (
	"net/http"
	"strings"

	"tokensmith/model"
	"tokensmith/model/otp"
	"tokensmith/model/seedfile"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/object"
	"tokensmith/rpc/people"
	"tokensmith/rpc/token"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// What an import does with a serial number that the product has already.
const (
	sameSeed = "same-seed" // a token with the same seed is counted and not changed; one with another seed is refused
	refuse   = "refuse"
	skip     = "skip"
)

// Token is the receiver of the methods for tokens, including those that read files.
type Token struct{ token.Token }

// Receivers returns the receivers of this package's methods.
func Receivers(s *dispatch.Server) map[string]any {
	return map[string]any{"Token": &Token{token.NewToken(s)}}
}

// Create creates a token. With the attribute data it imports a token file, as old clients do.
func (m *Token) Create(r *http.Request, args *object.CreateArgs, plan *dispatch.Plan) error {
	if args.Attrs.Get("data") != nil {
		return m.Import(r, args, plan)
	}
	return m.Token.Create(r, args, plan)
}

var importAttrs = object.Declare(&object.Type{Name: "token/import", Of: []string{"token/import"}, Noun: "import", Attrs: []object.Attr{
	{Name: "data", Kind: object.Text, Raw: true, When: object.OnCreate, Required: true, Max: dispatch.LargeBody, Column: "-",
		About: "the token file's text"},
	{Name: "charset", Kind: object.Text, When: object.OnCreate, Max: 64, Column: "-",
		About: "if the file's bytes were sent as one character each; `auto` = as the file itself says, or else UTF-8"},
	{Name: "format", Kind: object.Enum, When: object.OnCreate, Values: formats(), Column: "-",
		About: "recognised by the file's content if not given"},
	{Name: "product", Kind: object.Ref, When: object.OnCreate, Object: "product", Column: "-",
		About: "of all keys; else the file's codes or the keys' kind choose it"},
	{Name: "repository", Kind: object.Ref, When: object.OnCreate, Object: "repository", Column: "-", About: "\"default\" if not given"},
	{Name: "encode", Kind: object.Enum, When: object.OnCreate, Values: []string{"HEX", "BASE32", "BASE64"}, Column: "-",
		About: "of the seeds, where the file does not say"},
	{Name: "password", Kind: object.Secret, When: object.OnCreate, Column: "-", About: "opens a file encrypted with a password"},
	{Name: "preSharedKey", Kind: object.Secret, When: object.OnCreate, Column: "-", About: "opens a file encrypted with a key; hex"},
	{Name: "crypto", Kind: object.Enum, When: object.OnCreate, Values: []string{string(otp.HmacSHA1), string(otp.HmacSHA256), string(otp.HmacSHA512)}, Column: "-", About: "of keys whose hash the file does not say"},
	{Name: "ignore", Kind: object.List, When: object.OnCreate, Column: "-", About: "unknown columns, parameters and elements to ignore"},
	{Name: "onExisting", Kind: object.Enum, When: object.OnCreate, Initial: sameSeed, Values: []string{sameSeed, refuse, skip}, Column: "-",
		About: "what to do with a serial that exists; existing tokens are never changed"},
	{Name: "assign", Kind: object.Boolean, When: object.OnCreate, Column: "-", About: "assigns each token to the user named in the file"},
	{Name: "createProducts", Kind: object.Boolean, When: object.OnCreate, Column: "-",
		About: "creates the products that keys need; requires the permission `product/create`"},
	{Name: "dryRun", Kind: object.Boolean, When: object.OnCreate, Column: "-", About: "only reports what would be done"},
}})

func formats() []string {
	var names []string
	for _, f := range seedfile.Formats() {
		names = append(names, string(f))
	}
	return names
}

// importing is the state of an import of a token file.
type importing struct {
	c          *dispatch.Call
	repository string
	onExisting string
	assign     bool
	create     bool   // create missing products
	crypto     string // hash function for keys without one in the file; "" if none was given
	dry        bool

	targets targets
	rows    []importRow
	tokens  []model.Token      // with the same indexes as rows
	states  []model.TokenState // with the same indexes as rows
	unseen  map[string]bool    // ids of existing tokens that the caller does not see
	bad     wire.RowErrors
	notes   wire.Notes
}

// importRow holds what the file says about a key and its token does not contain.
type importRow struct {
	line int
	to   *target
	user string       // as in the file; "" if there is none
	seed model.Secret // for comparison with an existing token
}

// Import reads a token file and creates its tokens, all or nothing. It reads, checks and seals before the transaction.
func (m *Token) Import(r *http.Request, args *object.CreateArgs, plan *dispatch.Plan) error {
	c := dispatch.CallFrom(r.Context())
	if err := c.Need("token/import"); err != nil {
		return err
	}
	d, err := importAttrs.Decode("attrs", args.Attrs, object.OnCreate)
	if err != nil {
		return err
	}
	p, err := m.Type.Project(c, args.Return.Or(wire.ReturnNames("id", "serial")), "return")
	if err != nil {
		return err
	}
	im := &importing{c: c}
	im.onExisting, _ = object.Given[string](d, "onExisting")
	im.assign, _ = object.Given[bool](d, "assign")
	im.create, _ = object.Given[bool](d, "createProducts")
	im.crypto, _ = object.Given[string](d, "crypto")
	im.dry, _ = object.Given[bool](d, "dryRun")
	if im.create {
		if err := c.Need("product/create"); err != nil {
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
	opts.Slowly = func(work func()) error { return c.Server.RunExpensiveAside(r.Context(), work) }
	im.expect(len(data))
	file, err := seedfile.Read(strings.NewReader(data), opts, im.key)
	if err != nil {
		return err
	}
	im.notes.File(file.Notes)
	im.bad.Take(file.Bad)
	if im.dry {
		plan.View = im.report
		return nil
	}
	if err := im.bad.Err(model.ImportRefused); err != nil {
		return err
	}
	if len(im.tokens) == 0 {
		return errNoToken
	}
	im.seal()
	plan.Long = true
	plan.Update = func(tx store.Tx) (any, error) {
		kept, err := im.write(tx)
		if err != nil {
			return nil, err
		}
		im.targets.touched(c, len(kept))
		return im.reply(tx, p, args.Return, kept)
	}
	return nil
}

var errNoToken = model.Errorf(model.FileUnreadable, "the file contains no tokens")

// expect allocates memory for the tokens of a file of that many bytes.
func (im *importing) expect(bytes int) {
	n := min(bytes/rowBytes+1, im.c.Server.Config.ImportRows)
	im.rows, im.tokens, im.states = make([]importRow, 0, n), make([]model.Token, 0, n), make([]model.TokenState, 0, n)
}

// rowBytes is about the size of a token in the most compact file format.
const rowBytes = 64

func (im *importing) options(d *object.Decoded) (seedfile.Options, string, error) {
	data, _ := object.Given[string](d, "data")
	charset, _ := object.Given[string](d, "charset")
	ignore, _ := object.Given[model.List](d, "ignore")
	encode, _ := object.Given[string](d, "encode")
	format, _ := object.Given[string](d, "format")
	opts := seedfile.Options{Format: seedfile.Format(format), Encoding: seedfile.Encoding(encode), Password: d.Secrets["password"],
		MaxRows: im.c.Server.Config.ImportRows, Ignore: ignore.Items()}
	data, err := people.FileText("attrs.data", data, charset)
	if err != nil {
		return opts, "", err
	}
	if psk := d.Secrets["preSharedKey"]; len(psk) > 0 {
		key, reason := seedfile.DecodeSeed(string(psk), seedfile.Hex)
		if reason != "" {
			return opts, "", model.AttrErrorf(model.Invalid, "attrs.preSharedKey", "%s", reason)
		}
		opts.PreSharedKey = key
	}
	return opts, data, nil
}

// prepare reads the products and looks up the repository and, if the client names one, the product.
func (im *importing) prepare(r *http.Request, d *object.Decoded) error {
	return im.c.Server.Config.Store.View(r.Context(), func(tx store.ReadTx) error {
		tx.SetScope(im.c.Scope)
		id, err := d.Related(im.c, tx, "product")
		if err != nil {
			return err
		}
		if err := im.targets.read(tx, id); err != nil {
			return err
		}
		if id, err = d.Related(im.c, tx, "repository"); err != nil {
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
