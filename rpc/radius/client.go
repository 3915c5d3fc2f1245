package radius

import (
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/object"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// Client is the receiver of the methods for clients of RADIUS.
type Client struct{ object.CRUD }

// Receivers returns the receivers of this package's methods.
func Receivers(s *dispatch.Server) map[string]any {
	return map[string]any{"RadiusClient": &Client{object.CRUD{Server: s, Type: ClientType}}}
}

// maxClients is how many clients a server has at most, because it keeps all of them in memory.
const maxClients = 1000

// noAdministrator returns why a client cannot have a name by which the audit record would call it as it calls an administrator of a
// domain that begins with model.RecordedRadius; "" if it can.
func noAdministrator(name string) (reason string) {
	if strings.Contains(name, `\`) {
		return `must not have \, which stands between the domain and the name of an administrator`
	}
	return ""
}

// ClientType declares the object radiusClient.
var ClientType = object.Declare(&object.Type{
	Name: "radiusClient", NotFound: model.RadiusClientNoun, Row: func() any { return new(model.RadiusClient) },
	Keys: [][]string{{"name"}}, ShownWhenAmbiguous: []string{"id", "name"},
	Check: checkClient, AfterWrite: afterWriteClient,
	BeforeDelete: func(c *dispatch.Call, _ store.Tx, _ any) error { return mayManage(c) },
	Attrs: []object.Attr{
		{Name: "name", Kind: object.Text, Rule: model.Name, Refuses: noAdministrator, When: object.Always, Required: true, Fold: true, Indexed: true, About: "unique, compared without case"},
		{Name: "address", Kind: object.Text, Rule: model.Name, When: object.Always, Indexed: true,
			About: "the address or CIDR range that it asks from; of several clients, the one with the smallest range is meant"},
		{Name: "certificate", Kind: object.Text, Rule: model.Name, When: object.Always, Indexed: true,
			About: "in place of an address: SHA-256 of the public key of its certificate, hex, for RADIUS over TLS"},
		{Name: "secret", Kind: object.Secret, When: object.OnCreate, Max: model.MaxRadiusSecret,
			About: "shared with the client: 16 to 128 printable ASCII characters; if not given, one is made and returned once; only with an address"},
		{Name: "application", Kind: object.Ref, When: object.Always, Required: true, Object: "application", Indexed: true,
			About: "what its users log on to: the realm gives the domains, the procedure the steps"},
		{Name: "requireMessageAuthenticator", Kind: object.Boolean, When: object.Always, Initial: true,
			About: "whether requests without a Message-Authenticator are dropped; without it, requests can be forged"},
		{Name: "attributes", Kind: object.Text, Rule: model.AnyText, When: object.Always, Max: 8192, Refuses: func(text string) string {
			_, reason := parseAttributes(text)
			return reason
		}, About: "what an Access-Accept carries, one a line: `NAME=VALUE` for everybody, `GROUP/NAME=VALUE` for the users of a group; `{login}` is the user's login name"},
		{Name: "status", Kind: object.Enum, When: object.Always, Initial: model.Active, Values: []string{model.Active, model.DisabledBy}},
		{Name: "oldSecretUntil", Kind: object.Date, About: "until when the secret before the present one is taken as well"},
		{Name: "lastUsed", Kind: object.Date, Path: store.RadiusClientState, About: "of a request that was answered; at most 10 seconds late"},
		{Name: "accepted", Kind: object.Integer, Path: store.RadiusClientState, About: "requests answered with Access-Accept"},
		{Name: "refused", Kind: object.Integer, Path: store.RadiusClientState, About: "requests answered with Access-Reject"},
		{Name: "dropped", Kind: object.Integer, Path: store.RadiusClientState, About: "requests that were not answered"},
		{Name: "lastReason", Kind: object.Text, Path: store.RadiusClientState, About: "why a request was last refused or dropped"},
		{Name: "dateCreated", Kind: object.Date},
		{Name: "lastUpdated", Kind: object.Date},
	},
})

// mayManage returns an error if the caller may not check logins itself, or only some: with a client of RADIUS it could.
func mayManage(c *dispatch.Call) error {
	if held := c.Restriction(); held != "" {
		return model.Errorf(model.NotPermitted, "not permitted: the caller is held to %s, and a client of RADIUS is not", held)
	}
	return c.Need("auth/logon")
}

var keyHash = regexp.MustCompile(`^[0-9a-f]{64}$`)

func checkClient(c *dispatch.Call, tx store.Tx, d *object.Decoded, old, row any) error {
	if err := mayManage(c); err != nil {
		return err
	}
	r := row.(*model.RadiusClient)
	if d.Has("address") && r.Address != "" {
		normal, ok := model.RadiusAddress(r.Address)
		if !ok {
			return model.AttrErrorf(model.Invalid, d.Place+".address", "%q is neither an address nor a CIDR range such as 192.0.2.0/24", r.Address)
		}
		r.Address = normal
	}
	switch {
	case r.Certificate != "" && !keyHash.MatchString(r.Certificate):
		return model.AttrErrorf(model.Invalid, d.Place+".certificate", "is not a SHA-256 in 64 lower-case hex digits")
	case r.Address == "" && r.Certificate == "":
		return model.AttrErrorf(model.Missing, d.Place+".address", "is required, or a certificate")
	case r.Address != "" && r.Certificate != "":
		return model.AttrErrorf(model.Invalid, d.Place+".certificate", "a client is known by its address or by its certificate, not by both")
	case old != nil && (old.(*model.RadiusClient).Address == "") != (r.Address == ""):
		return model.AttrErrorf(model.Invalid, d.Place+".address", "make another client for this: one has a secret, the other none")
	}
	if old == nil {
		n, err := tx.Count(&store.Query{Table: store.TableOf(r)})
		if err != nil {
			return err
		}
		if n >= maxClients {
			return model.AttrErrorf(model.Invalid, d.Place, "there are %d clients already, the most that this server knows", maxClients)
		}
		if secret, _ := d.Extra.(model.Secret); secret != nil {
			r.Secret = c.Server.Keys.Seal(store.RadiusSecretPlace(r.ID), secret)
		}
	}
	for _, same := range []struct{ attr, column, value string }{{"address", "address", r.Address}, {"certificate", "certificate", r.Certificate}} {
		if same.value == "" {
			continue
		}
		found, err := tx.Find(&store.Query{Table: store.TableOf(r), Columns: []store.Column{store.IDColumn}, Limit: 1,
			Where: []store.Cond{{Column: same.column, Op: store.Eq, Value: same.value}, {Column: "id", Op: store.Ne, Value: r.ID}}})
		if err != nil {
			return err
		}
		if len(found) > 0 {
			return model.AttrErrorf(model.Exists, d.Place+"."+same.attr, "belongs to another client")
		}
	}
	return nil
}

// afterWriteClient makes the row of what changes while the client asks.
func afterWriteClient(_ *dispatch.Call, tx store.Tx, _ *object.Decoded, old, row any) error {
	if old != nil {
		return nil
	}
	return tx.Insert(&model.RadiusClientState{ClientID: row.(*model.RadiusClient).ID})
}

// secretBytes is the length of a secret that the server makes: 192 random bits, 32 characters.
const secretBytes = 24

// newSecret returns the secret that a caller gave, or a new one; made says which.
func newSecret(s *dispatch.Server, place string, given model.Secret) (secret model.Secret, made bool, err error) {
	if len(given) == 0 {
		text, err := s.RandomText(secretBytes)
		return model.Secret(text), true, err
	}
	if reason := model.CheckRadiusSecret(given); reason != "" {
		return nil, false, model.AttrErrorf(model.Invalid, place, "%s", reason)
	}
	return given, false, nil
}

// created is the reply to radiusClient/create without return.
type created struct {
	ID     string `json:"id"`
	Secret string `json:"secret,omitzero"` // if the server made it
}

// Create makes a client, and returns the secret that it made for it, which is not shown again.
func (m *Client) Create(r *http.Request, args *object.CreateArgs, plan *dispatch.Plan) error {
	c := dispatch.CallFrom(r.Context())
	d, err := m.Type.Decode("attrs", args.Attrs, object.OnCreate)
	if err != nil {
		return err
	}
	isSecret := func(item wire.ReturnItem) bool { return item.Name == "secret" && item.Nested == nil }
	withSecret := slices.ContainsFunc(args.Return, isSecret)
	p, err := m.Type.Project(c, slices.DeleteFunc(slices.Clone(args.Return), isSecret), "return")
	if err != nil {
		return err
	}
	shown := ""
	if certificate, _ := object.Given[string](d, "certificate"); certificate == "" {
		secret, made, err := newSecret(m.Server, "attrs.secret", d.Secrets["secret"])
		if err != nil {
			return err
		}
		if d.Extra = secret; made {
			shown = string(secret)
		}
	} else if len(d.Secrets["secret"]) > 0 {
		return model.AttrErrorf(model.Invalid, "attrs.secret", "a client that is known by its certificate has none")
	}
	create, err := m.PrepareCreate(r.Context(), c, d)
	if err != nil {
		return err
	}
	plan.Update = func(tx store.Tx) (any, error) {
		id, err := create(tx)
		if err != nil || len(args.Return) == 0 {
			return created{id, shown}, err
		}
		rows, err := p.Rows(tx, store.Query{Table: m.Type.Table, Where: []store.Cond{store.ByID(id)}, Limit: 1})
		if err != nil {
			return nil, err
		}
		reply := jsontext.Value(rows[0])
		if withSecret && shown != "" {
			reply = wire.WithMember(reply, "secret", shown)
		}
		return reply, nil
	}
	return nil
}

// How long the secret before stays valid after a rotation, in seconds.
const (
	overlapDefault = 24 * 60 * 60
	maxOverlap     = 90 * 24 * 60 * 60
)

// RotateArgs are the parameters of radiusClient/rotateSecret.
type RotateArgs struct {
	object.Selection
	Secret  wire.Text `json:"secret"`
	Overlap wire.Int  `json:"overlap"`
}

// rotated is the reply to radiusClient/rotateSecret.
type rotated struct {
	ID       string `json:"id"`
	Secret   string `json:"secret,omitzero"` // if the server made it
	OldUntil string `json:"oldSecretUntil"`
}

// RotateSecret gives a client a new secret. The one before stays valid until the overlap ends, so that the machine can be changed
// without an interruption; a still older one ends now.
func (m *Client) RotateSecret(r *http.Request, args *RotateArgs, plan *dispatch.Plan) error {
	overlap := int64(overlapDefault)
	if args.Overlap.Given {
		overlap = args.Overlap.Value
	}
	if overlap < 0 || overlap > maxOverlap {
		return model.AttrErrorf(model.Invalid, "overlap", "must be a number of seconds from 0 to %d", maxOverlap)
	}
	secret, made, err := newSecret(m.Server, "secret", model.Secret(args.Secret))
	if err != nil {
		return err
	}
	return m.UpdateSelected(r, &args.Selection, plan, func(c *dispatch.Call, tx store.Tx, id string) (any, error) {
		if err := mayManage(c); err != nil {
			return nil, err
		}
		var client model.RadiusClient
		if err := tx.Load(&client, id); err != nil {
			return nil, err
		}
		if client.Secret == nil {
			return nil, model.Errorf(model.Invalid, "the client is known by its certificate, and has no secret")
		}
		old, err := c.Server.Keys.Unseal(store.RadiusSecretPlace(id), client.Secret)
		if err != nil {
			return nil, err
		}
		until := c.Now + model.Time(overlap*1000)
		client.OldSecret, client.OldSecretUntil = c.Server.Keys.Seal(store.RadiusOldSecretPlace(id), old), until
		client.Secret, client.LastUpdated = c.Server.Keys.Seal(store.RadiusSecretPlace(id), secret), c.Now
		c.SetObject(m.Type.Noun, id)
		reply := rotated{ID: id, OldUntil: until.String()}
		if made {
			reply.Secret = string(secret)
		}
		return reply, tx.Save(&client)
	})
}
