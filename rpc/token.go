package rpc

import (
	"context"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
	"tokensmith/model/otp"
	"tokensmith/store"
)

// Token has the methods of tokens.
type Token struct{ crud }

// tokenReceivers are those of the methods of this room.
func tokenReceivers(s *core) map[string]any {
	return map[string]any{"Product": &Product{crud{s, productObject}}, "Repository": &Repository{crud{s, repositoryObject}},
		"TokenAssignment": &TokenAssignment{crud{s, assignmentObject}}}
}

// newToken makes the receiver of the methods of tokens.
func newToken(s *core) Token { return Token{crud{s, tokenObject}} }

var tokenObject = declare(&object{
	name: "token", missing: model.TokenNoun, row: func() any { return new(model.Token) },
	keys: [][]string{{"serial", "product"}}, naming: []string{"id", "serial", "product.name", "product.manufacturerCode", "product.productCode"},
	prepare: prepareToken, check: checkToken, wrote: wroteToken, removes: removeToken,
	attrs: []attr{
		{name: "serial", kind: text, rule: model.CodeName, when: always, max: 64, indexed: true, about: "unique in its product; 10 digits if not given"},
		{name: "identifier", kind: text, rule: model.CodeName, when: always, aliases: []string{"Identifier"}, about: "the serial if not given"},
		{name: "status", kind: enum, when: always, initial: model.Active, values: []string{model.Active, model.DisabledBy, model.Deceased}, indexed: true,
			aliases: []string{"Status"}, about: "DECEASED is final"},
		{name: "description", kind: text, rule: model.AnyText, when: always, max: 1024},
		{name: "product", kind: ref, when: onCreate, required: true, object: "product", indexed: true},
		{name: "repository", kind: ref, when: always, object: "repository", indexed: true, about: "\"default\" if not given"},
		{name: "seed", kind: secret, when: onCreate, max: 2 * model.MaxSeedBytes, column: "-", about: "at least 10 bytes; 20 random ones if not given"},
		{name: "encode", kind: enum, when: onCreate, values: []string{"HEX", "BASE32", "BASE64"}, column: "-", about: "of the seed; HEX if not given"},
		{name: "user", kind: ref, when: onCreate, object: "user", column: "-", about: "whom it is assigned to; in match: a user it is assigned to"},
		{name: "pin", kind: secret, when: onCreate, column: "-", about: "of the assignment"},
		{name: "counter", kind: integer, path: store.TokenState, about: "the first counter or time step that may still be accepted"},
		{name: "drift", kind: integer, path: store.TokenState, about: "time steps by which its clock is ahead"},
		{name: "confined", kind: boolean},
		{name: "downloads", kind: integer},
		{name: "lastDownload", kind: date},
		{name: "lastUsed", kind: date, path: store.TokenState},
		{name: "dateCreated", kind: date},
		{name: "lastUpdated", kind: date},
	},
	colls: []collection{
		{name: "users", alias: "user", object: "user", steps: []store.Step{store.TokenAssignments, store.ToUser}},
		{name: "assignedUsers", object: "user", steps: []store.Step{store.OwnerAssignments(true), store.ToUser}, about: "owners"},
		{name: "sharedUsers", object: "user", steps: []store.Step{store.OwnerAssignments(false), store.ToUser}, about: "the others"},
		{name: "tokenAssignments", alias: "tokenAssignment", object: "tokenAssignment", steps: []store.Step{store.TokenAssignments}},
	},
})

// generatedSeedBytes is what RFC 4226 section 4 recommends: 160 bits.
const generatedSeedBytes = 20

// prepareToken reads or makes the seed and checks the PIN.
func prepareToken(ctx context.Context, c *call, d *decoded) error {
	if len(d.secrets["pin"]) > 0 {
		if err := prepareAssignment(ctx, c, d); err != nil {
			return err
		}
	}
	written, ok := d.secrets["seed"]
	if !ok || len(written) == 0 {
		if d.has("encode") {
			return model.AttrErrorf(model.Invalid, d.place+".encode", "is of a seed: give one")
		}
		seed := make([]byte, generatedSeedBytes)
		_, err := io.ReadFull(c.s.cfg.Rand, seed)
		d.extra = model.Secret(seed)
		return err
	}
	encode, _ := given[string](d, "encode")
	seed, err := decodeSeed(string(written), encode)
	if err != nil {
		return model.AttrErrorf(model.Invalid, d.place+".seed", "%s", err)
	}
	d.extra = seed
	return nil
}

// decodeSeed reads a seed in an encoding; its error never quotes it.
func decodeSeed(s, encode string) (model.Secret, error) {
	var seed []byte
	var err error
	switch encode {
	case "BASE32":
		clean := strings.TrimRight(strings.ToUpper(strings.NewReplacer(" ", "", "-", "").Replace(s)), "=")
		seed, err = base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(clean)
	case "BASE64":
		seed, err = base64.StdEncoding.DecodeString(s)
	default:
		encode = "HEX"
		seed, err = hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	}
	switch {
	case err != nil:
		return nil, errors.New("is not " + encode)
	case len(seed) < model.MinSeedBytes:
		return nil, errors.New("is shorter than 10 bytes")
	case len(seed) > model.MaxSeedBytes:
		return nil, errors.New("is longer than 256 bytes")
	}
	return seed, nil
}

func checkToken(c *call, tx store.Tx, d *decoded, old, row any) error {
	t := row.(*model.Token)
	if old != nil {
		if t.Serial == "" {
			return model.AttrErrorf(model.Invalid, d.place+".serial", "cannot be empty")
		}
		if t.Identifier == "" {
			t.Identifier = t.Serial
		}
		return model.CheckTokenStatus(old.(*model.Token).Status, t.Status)
	}
	if t.RepositoryID == "" {
		r, err := tx.RepositoryByName(model.DefaultRepository)
		if err != nil {
			return err
		}
		t.RepositoryID = r.ID
	}
	for t.Serial == "" {
		serial, err := c.s.newSerial()
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
	seed := d.extra.(model.Secret)
	t.Seed = c.s.keys.Seal(store.SeedPlace(t.ID), seed)
	var p model.Product
	if len(seed) > otp.ShortKey {
		if err := tx.Load(&p, t.ProductID); err != nil {
			return err
		}
	}
	c.s.keys.IndexSeed(t, seed, p.Crypto)
	return nil
}

// removeToken leaves behind what was used of a token's seed.
func removeToken(c *call, tx store.Tx, row any) error {
	return tx.LeaveMark(row.(*model.Token), c.newID(), c.now)
}

const serialDigits = 10

// newSerial makes a serial of ten random digits.
func (s *core) newSerial() (string, error) {
	serial := make([]byte, 0, serialDigits)
	var b [1]byte
	for len(serial) < serialDigits {
		if _, err := io.ReadFull(s.cfg.Rand, b[:]); err != nil {
			return "", err
		}
		if b[0] < 250 { // 250 is a multiple of ten: every digit is as likely
			serial = append(serial, '0'+b[0]%10)
		}
	}
	return string(serial), nil
}

// wroteToken gives a new token its state and, where a user is named, its first assignment.
func wroteToken(c *call, tx store.Tx, d *decoded, old, row any) error {
	if old != nil {
		return nil
	}
	t := row.(*model.Token)
	states := []model.TokenState{{TokenID: t.ID}}
	if len(d.secrets["seed"]) > 0 { // one made just now was not used before
		var err error
		if states, err = tx.TakeMarks([]model.Token{*t}, states); err != nil {
			return err
		}
	}
	if err := tx.Insert(&states[0]); err != nil {
		return err
	}
	user, err := d.related(c, tx, "user")
	if err != nil {
		return err
	}
	pin, pinGiven := d.secrets["pin"]
	if user == nil {
		if pinGiven {
			return model.AttrErrorf(model.Invalid, d.place+".pin", "a PIN belongs to an assignment: name a user")
		}
		return nil
	}
	a := model.Assignment{ID: c.newID(), TokenID: t.ID, UserID: *user, DateCreated: c.now, LastUpdated: c.now}
	if len(pin) > 0 {
		c.setPIN(&a, pin)
	}
	if err := c.newAssignment(tx, &a, t, nil, false); err != nil {
		return err
	}
	return tx.Insert(&a)
}

// Create makes a token.
func (m *Token) Create(r *http.Request, args *CreateArgs, plan *Plan) error {
	if err := callOf(r.Context()).need("token/create"); err != nil {
		return err
	}
	return m.create(r, args, plan, func(*decoded) error { return nil },
		func(_ *call, _ store.Tx, d *decoded, _ string, made jsontext.Value) (any, error) {
			if model.IsWeakSeed(len(d.extra.(model.Secret))) {
				made = noted(made, model.WeakSeed)
			}
			return made, nil
		})
}

// Delete removes a token; with user it only takes the token from that user.
func (m *Token) Delete(r *http.Request, args *DeleteArgs, plan *Plan) error {
	user, err := args.selector("user", userObject, false)
	if err != nil {
		return err
	}
	if user == nil {
		return m.crud.Delete(r, args, plan)
	}
	return m.upon(r, &args.Selection, plan, func(c *call, tx store.Tx, id string) (any, error) {
		a, err := assigned(c, tx, id, user)
		if err != nil {
			return nil, err
		}
		return nil, crud{m.s, assignmentObject}.remove(c, tx, a.ID)
	})
}

// assigned finds the assignment by which a user has a token.
func assigned(c *call, tx store.Tx, tokenID string, user []store.Cond) (*model.Assignment, error) {
	userID, err := userObject.pick(c, tx, bySelector(user))
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
	return nil, model.Missed(assignmentObject.missing)
}
