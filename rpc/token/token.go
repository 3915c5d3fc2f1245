// Package token contains products, repositories, tokens and their assignments: it creates, assigns, activates, provisions and
// exports tokens.
package token

import (
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
	"tokensmith/model/otp"
	"tokensmith/model/seedfile"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/object"
	"tokensmith/rpc/people"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// Token is the receiver of the methods for tokens.
type Token struct{ object.CRUD }

// Receivers returns the receivers of this package's methods, except Token.
func Receivers(s *dispatch.Server) map[string]any {
	return map[string]any{"Product": &Product{object.CRUD{Server: s, Type: ProductType}}, "Repository": &Repository{object.CRUD{Server: s, Type: RepositoryType}},
		"TokenAssignment": &TokenAssignment{object.CRUD{Server: s, Type: AssignmentType}}}
}

// NewToken returns the receiver of the methods for tokens.
func NewToken(s *dispatch.Server) Token { return Token{object.CRUD{Server: s, Type: TokenType}} }

// TokenType declares the object token.
var TokenType = object.Declare(&object.Type{
	Name: "token", NotFound: model.TokenNoun, Limited: object.Changes, Row: func() any { return new(model.Token) },
	Keys: [][]string{{"serial", "product"}}, ShownWhenAmbiguous: []string{"id", "serial", "product.name", "product.manufacturerCode", "product.productCode"},
	Prepare: prepareToken, Check: checkToken, AfterWrite: afterWriteToken, BeforeDelete: beforeDeleteToken,
	Attrs: []object.Attr{
		{Name: "serial", Kind: object.Text, Rule: model.SerialName, When: object.Always, Max: 64, Indexed: true,
			About: "unique in its product; 10 digits if not given"},
		{Name: "identifier", Kind: object.Text, Rule: model.CodeName, When: object.Always, Aliases: []string{"Identifier"},
			About: "the serial if not given"},
		{Name: "status", Kind: object.Enum, When: object.Always, Initial: model.Active, Values: []string{model.Active, model.DisabledBy, model.Deceased}, Indexed: true,
			Aliases: []string{"Status"}, About: "DECEASED is final"},
		{Name: "description", Kind: object.Text, Rule: model.AnyText, When: object.Always, Max: 1024},
		{Name: "product", Kind: object.Ref, When: object.OnCreate, Required: true, Object: "product", Indexed: true},
		{Name: "repository", Kind: object.Ref, When: object.Always, Object: "repository", Indexed: true,
			About: "that of the user's domain, else \"default\", if not given"},
		{Name: "seed", Kind: object.Secret, When: object.OnCreate, Max: 2 * model.MaxSeedBytes, Column: "-",
			About: "at least 10 bytes; 20 random ones if not given"},
		{Name: "encode", Kind: object.Enum, When: object.OnCreate, Values: []string{"HEX", "BASE32", "BASE64"}, Column: "-",
			About: "of the seed; HEX if not given"},
		{Name: "user", Kind: object.Ref, When: object.OnCreate, Object: "user", Column: "-",
			About: "whom it is assigned to; in match: a user it is assigned to"},
		{Name: "pin", Kind: object.Secret, When: object.OnCreate, Column: "-", About: "of the assignment"},
		{Name: "counter", Kind: object.Integer, Path: store.TokenState, About: "the first counter or time step that may still be accepted"},
		{Name: "drift", Kind: object.Integer, Path: store.TokenState, About: "time steps by which its clock is ahead"},
		{Name: "confined", Kind: object.Boolean},
		{Name: "downloads", Kind: object.Integer},
		{Name: "lastDownload", Kind: object.Date},
		{Name: "lastUsed", Kind: object.Date, Path: store.TokenState},
		{Name: "dateCreated", Kind: object.Date},
		{Name: "lastUpdated", Kind: object.Date},
	},
	Collections: []object.Collection{
		{Name: "users", Alias: "user", Object: "user", Steps: []store.Step{store.TokenAssignments, store.ToUser}},
		{Name: "assignedUsers", Object: "user", Steps: []store.Step{store.OwnerAssignments(true), store.ToUser}, About: "owners"},
		{Name: "sharedUsers", Object: "user", Steps: []store.Step{store.OwnerAssignments(false), store.ToUser}, About: "the others"},
		{Name: "tokenAssignments", Alias: "tokenAssignment", Object: "tokenAssignment", Steps: []store.Step{store.TokenAssignments}},
	},
	EmptyTexts: []string{"oobDeviceModel", "oobDeviceType"},
})

// GeneratedSeedBytes is the length that RFC 4226, section 4, recommends: 160 bits.
const GeneratedSeedBytes = 20

// prepareToken decodes or makes the seed, and checks the PIN.
func prepareToken(ctx context.Context, c *dispatch.Call, d *object.Decoded) error {
	if len(d.Secrets["pin"]) > 0 {
		if err := prepareAssignment(ctx, c, d); err != nil {
			return err
		}
	}
	written, ok := d.Secrets["seed"]
	if !ok || len(written) == 0 {
		if d.Has("encode") {
			return model.AttrErrorf(model.Invalid, d.Place+".encode", "is the encoding of a seed: give a seed as well")
		}
		seed, err := c.Server.Random(GeneratedSeedBytes)
		d.Extra = model.Secret(seed)
		return err
	}
	encode, _ := object.Given[string](d, "encode")
	seed, err := decodeSeed(string(written), encode)
	if err != nil {
		return model.AttrErrorf(model.Invalid, d.Place+".seed", "%s", err)
	}
	d.Extra = seed
	return nil
}

// decodeSeed decodes a seed. Its error does not quote the seed.
func decodeSeed(s, encode string) (model.Secret, error) {
	if encode == "" {
		encode = string(seedfile.Hex)
	}
	seed, reason := seedfile.DecodeSeed(s, seedfile.Encoding(encode))
	switch {
	case reason != "":
		return nil, errors.New(reason)
	case len(seed) < model.MinSeedBytes:
		return nil, errors.New("is shorter than 10 bytes")
	case len(seed) > model.MaxSeedBytes:
		return nil, errors.New("is longer than 256 bytes")
	}
	return seed, nil
}

func checkToken(c *dispatch.Call, tx store.Tx, d *object.Decoded, old, row any) error {
	t := row.(*model.Token)
	if old != nil {
		if t.Serial == "" {
			return model.AttrErrorf(model.Invalid, d.Place+".serial", "cannot be empty")
		}
		if t.Identifier == "" {
			t.Identifier = t.Serial
		}
		return model.CheckTokenStatus(old.(*model.Token).Status, t.Status)
	}
	if err := shelve(c, tx, d, t); err != nil {
		return err
	}
	for t.Serial == "" {
		serial, err := newSerial(c.Server)
		if err != nil {
			return err
		}
		taken, err := tx.TokensBySerial(t.ProductID, []string{serial})
		if err != nil {
			return err
		}
		if len(taken) == 0 {
			t.Serial = serial
		}
	}
	if t.Identifier == "" {
		t.Identifier = t.Serial
	}
	seed := d.Extra.(model.Secret)
	t.Seed = c.Server.Keys.Seal(store.SeedPlace(t.ID), seed)
	var p model.Product
	if len(seed) > otp.ShortKey {
		if err := tx.Load(&p, t.ProductID); err != nil {
			return err
		}
	}
	store.IndexSeed(c.Server.Keys, t, seed, p.Crypto)
	return nil
}

// shelve puts a new token that names no repository into that of its user's domain or, if it has none, into the default one.
func shelve(c *dispatch.Call, tx store.Tx, d *object.Decoded, t *model.Token) error {
	if t.RepositoryID != "" {
		return nil
	}
	user, err := d.Related(c, tx, "user")
	if err != nil {
		return err
	}
	if user != nil {
		found, err := tx.Find(&store.Query{Table: people.UserType.Table, Columns: []store.Column{store.UserRepository}, Where: []store.Cond{store.ByID(*user)}, Limit: 1, Quick: true})
		if err != nil {
			return err
		}
		if len(found) > 0 && found[0][0] != nil {
			t.RepositoryID = object.AsText(found[0][0])
			return nil
		}
	}
	r, err := tx.RepositoryByName(model.DefaultRepository)
	t.RepositoryID = r.ID
	return err
}

// beforeDeleteToken keeps what was used of a token's seed, as a seed mark.
func beforeDeleteToken(c *dispatch.Call, tx store.Tx, row any) error {
	return tx.LeaveMark(row.(*model.Token), c.NewID(), c.Now)
}

const serialDigits = 10

// newSerial returns a serial number of ten random digits.
func newSerial(s *dispatch.Server) (string, error) {
	serial := make([]byte, 0, serialDigits)
	var b [1]byte
	for len(serial) < serialDigits {
		if _, err := io.ReadFull(s.Config.Rand, b[:]); err != nil {
			return "", err
		}
		if b[0] < 250 { // 250 is a multiple of ten, so all digits have the same probability
			serial = append(serial, '0'+b[0]%10)
		}
	}
	return string(serial), nil
}

// afterWriteToken inserts a new token's state and, if a user was given, its first assignment.
func afterWriteToken(c *dispatch.Call, tx store.Tx, d *object.Decoded, old, row any) error {
	if old != nil {
		return nil
	}
	t := row.(*model.Token)
	states := []model.TokenState{{TokenID: t.ID}}
	if len(d.Secrets["seed"]) > 0 { // a seed that was just made was not used before
		var err error
		if states, err = tx.TakeMarks([]model.Token{*t}, states); err != nil {
			return err
		}
	}
	if err := tx.Insert(&states[0]); err != nil {
		return err
	}
	user, err := d.Related(c, tx, "user")
	if err != nil {
		return err
	}
	pin, pinGiven := d.Secrets["pin"]
	if user == nil {
		if pinGiven {
			return model.AttrErrorf(model.Invalid, d.Place+".pin", "a PIN belongs to an assignment: name a user")
		}
		return nil
	}
	a := model.Assignment{ID: c.NewID(), TokenID: t.ID, UserID: *user, DateCreated: c.Now, LastUpdated: c.Now}
	if len(pin) > 0 {
		SetPIN(c, &a, pin)
	}
	if err := newAssignment(c, tx, &a, t, nil, false); err != nil {
		return err
	}
	return tx.Insert(&a)
}

// Create creates a token.
func (m *Token) Create(r *http.Request, args *object.CreateArgs, plan *dispatch.Plan) error {
	if err := dispatch.CallFrom(r.Context()).Need("token/create"); err != nil {
		return err
	}
	return m.CreateWith(r, args, plan, func(*object.Decoded) error { return nil },
		func(_ *dispatch.Call, _ store.Tx, d *object.Decoded, _ string, made jsontext.Value) (any, error) {
			if model.IsWeakSeed(len(d.Extra.(model.Secret))) {
				made = wire.WithNotes(made, model.WeakSeed)
			}
			return made, nil
		})
}

// Delete deletes a token. If a user is given, it only deletes that user's assignment of the token.
func (m *Token) Delete(r *http.Request, args *object.DeleteArgs, plan *dispatch.Plan) error {
	user, err := args.Selector("user", people.UserType, false)
	if err != nil {
		return err
	}
	if user == nil {
		return m.CRUD.Delete(r, args, plan)
	}
	return m.UpdateSelected(r, &args.Selection, plan, func(c *dispatch.Call, tx store.Tx, id string) (any, error) {
		a, err := Assigned(c, tx, id, user)
		if err != nil {
			return nil, err
		}
		return nil, object.CRUD{Server: m.Server, Type: AssignmentType}.Remove(c, tx, a.ID)
	})
}

// Assigned returns a user's assignment of a token.
func Assigned(c *dispatch.Call, tx store.Tx, tokenID string, user []store.Cond) (*model.Assignment, error) {
	userID, err := people.UserType.FindSelected(c, tx, object.BySelector(user))
	if err != nil {
		return nil, err
	}
	all, err := tx.AssignmentsOfTokens([]string{tokenID})
	if err != nil {
		return nil, err
	}
	for _, a := range all[tokenID] {
		if a.UserID == userID {
			return &a, nil
		}
	}
	return nil, model.NotFoundError(AssignmentType.NotFound)
}
