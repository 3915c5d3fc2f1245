// Package admin contains agents, which are the programs that call methods, the methods of the audit log, and those that tell which
// attributes objects have. It also finds the names that the rules would now refuse.
package admin

import (
	"context"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
	"tokensmith/rpc/caller"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/object"
	"tokensmith/rpc/people"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// Agent is the receiver of the methods for agents.
type Agent struct{ object.CRUD }

// Receivers returns the receivers of this package's methods.
func Receivers(s *dispatch.Server) map[string]any {
	return map[string]any{"Agent": &Agent{object.CRUD{Server: s, Type: AgentType}}, "Attribute": &Attribute{}, "Audit": &Audit{object.CRUD{Server: s, Type: AuditType}}}
}

// AgentType declares the object agent.
var AgentType = object.Declare(&object.Type{
	Name: "agent", NotFound: model.AgentNoun, Row: func() any { return new(model.Agent) },
	Keys: [][]string{{"name"}}, ShownWhenAmbiguous: []string{"id", "name"},
	Check: checkAgent, AfterWrite: afterWriteAgent, SharedNames: sharedAgentNames,
	EmptyTexts: []string{"signature", "agentConfigurePack", "certificatePfx", "certificatePassword", "certificateJks"},
	BeforeDelete: func(c *dispatch.Call, tx store.Tx, row any) error {
		if err := mayManage(c, row.(*model.Agent)); err != nil {
			return err
		}
		return keepAgent(tx, row.(*model.Agent), nil)
	},
	Collections: []object.Collection{
		{Name: "applications", Alias: "application", When: object.Always, Object: "application", Order: "applicationId", Steps: store.AgentApplications,
			About: "that users log on to through it; none = it is held to none"},
	},
	Attrs: []object.Attr{
		{Name: "name", Kind: object.Text, Rule: model.Name, When: object.Always, Required: true, Fold: true, Indexed: true,
			About: "unique, compared without case; no name of an administrator, nor of another caller in the audit record"},
		{Name: "clientId", Kind: object.Text, Column: "id", About: "what it authenticates with, the same as the id"},
		{Name: "type", Kind: object.Enum, When: object.Always, Initial: model.APIAgent, Values: agentTypes(), About: "has no effect"},
		{Name: "typeDescription", Kind: object.Text, From: []string{"type"}, Derive: func(_ *dispatch.Call, from store.Row) (any, error) {
			for _, t := range model.AgentTypes {
				if t.Value == object.AsText(from[0]) {
					return t.Description, nil
				}
			}
			return nil, nil
		}},
		{Name: "description", Kind: object.Text, Rule: model.AnyText, When: object.Always, Max: 1024},
		{Name: "publicUrl", Kind: object.Text, Rule: model.Name, When: object.Always, About: "https; has no effect"},
		{Name: "subjectDn", Kind: object.Text, Rule: model.Name, When: object.OnCreate, About: "subject of a certificate that this server makes; an agent is known by its key, never by this name"},
		{Name: "permissions", Kind: object.List, When: object.Always,
			About: "method patterns: `token/create`, `token/*`, `*`, or roles: `role:help-desk`; each must match a method; without any it may call none"},
		{Name: "domains", Kind: object.List, When: object.Always, About: "names of the domains it is limited to; none = all"},
		{Name: "addresses", Kind: object.List, When: object.Always, About: "CIDR ranges it calls from; none = any"},
		{Name: "ipaddress", Kind: object.Text, When: object.Always, From: []string{"addresses"}, About: "one address or CIDR range, in place of `addresses`; of several the first",
			Derive: func(_ *dispatch.Call, from store.Row) (any, error) {
				first, _, _ := strings.Cut(object.AsText(from[0]), ",")
				return first, nil
			}},
		{Name: "certificates", Kind: object.List, When: object.Always, About: "SHA-256 of the public keys of its certificates, hex"},
		{Name: "certificate", Kind: object.Text, About: "PEM of the certificate that agent/create made"},
		{Name: "caCertificate", Kind: object.Text, About: "PEM of the authority that signed it"},
		{Name: "rateLimit", Kind: object.Integer, When: object.Always, Max: 1_000_000, About: "calls a second; 0 = the server's default"},
		{Name: "status", Kind: object.Enum, When: object.Always, Initial: model.Active, Values: []string{model.Active, model.DisabledBy}},
		{Name: "dateCreated", Kind: object.Date},
		{Name: "lastUsed", Kind: object.Date},
	},
})

func checkAgent(c *dispatch.Call, tx store.Tx, d *object.Decoded, old, row any) error {
	a := row.(*model.Agent)
	if made, ok := d.Extra.(*proofs); ok {
		a.SecretHash, a.Generation = model.HashSecret(model.Secret(made.secret)), 1
		if cert := made.certificate; cert != nil {
			a.Certificates = model.ListOf(append(a.Certificates.Items(), cert.KeyHash))
			a.Certificate, a.CACertificate = cert.PEM, cert.Authority
		}
	}
	if old != nil {
		if err := mayManage(c, old.(*model.Agent)); err != nil {
			return err
		}
	}
	if err := oneAddress(d, a); err != nil {
		return err
	}
	if applications := d.Members("applications"); applications != nil {
		ids, err := applications.Find(c, tx, "", "")
		if err != nil {
			return err
		}
		a.Applications = model.ListOf(ids)
	}
	if err := holds(c, a, d.Place); err != nil {
		return err
	}
	if a.PublicURL != "" {
		if u, err := url.Parse(a.PublicURL); err != nil || u.Scheme != "https" || u.Host == "" {
			return model.AttrErrorf(model.Invalid, d.Place+".publicUrl", "must be an https URL")
		}
	}
	if old == nil || old.(*model.Agent).NameFolded != a.NameFolded {
		if err := caller.CheckAgentName(tx, a); err != nil {
			return err
		}
	}
	if old != nil && old.(*model.Agent).Status == model.Active && a.Status != model.Active {
		a.EndTokens()
	}
	for _, cidr := range a.Addresses.Items() {
		if _, err := netip.ParsePrefix(cidr); err != nil {
			return model.AttrErrorf(model.Invalid, "attrs.addresses", "%q is not a CIDR range such as 192.0.2.0/24", cidr)
		}
	}
	if d.Has("domains") {
		if err := checkDomains(tx, a.Domains.Items()); err != nil {
			return err
		}
	}
	if d.Has("certificates") {
		if err := checkCertificates(tx, a); err != nil {
			return err
		}
	}
	if err := people.MayGrant(c, d, a.Permissions); err != nil || old == nil {
		return err
	}
	return keepAgent(tx, old.(*model.Agent), a)
}

// sharedAgentNames returns the agents whose names mean another caller as well, from before this was refused.
func sharedAgentNames(tx store.ReadTx) (shared []object.NameFault, err error) {
	rows, err := tx.Find(&store.Query{Table: store.TableOf(&model.Agent{}), Columns: []store.Column{store.IDColumn, {Name: "name"}, {Name: store.Folded("name")}},
		Sort: []store.Sort{{Column: store.IDColumn}}, Limit: math.MaxInt64})
	if err != nil {
		return nil, err
	}
	seen := map[string]string{} // ids by folded name
	for _, row := range rows {
		id, name, folded := object.AsText(row[0]), object.AsText(row[1]), object.AsText(row[2])
		first, twice := seen[folded]
		if twice {
			shared = append(shared, object.NameFault{Object: "agent", ID: id, Attribute: "name", Text: object.QuotedName(name),
				Reason: "is, compared without case, also the name of agent " + first})
			continue
		}
		seen[folded] = id
		taken, err := caller.MeansAnother(tx, folded)
		if err != nil {
			return nil, err
		}
		if taken {
			shared = append(shared, object.NameFault{Object: "agent", ID: id, Attribute: "name", Text: object.QuotedName(name),
				Reason: "is also the name of another caller in the audit record"})
		}
	}
	return shared, nil
}

// agentTypes returns the values of an agent's type.
func agentTypes() (values []string) {
	for _, t := range model.AgentTypes {
		values = append(values, t.Value)
	}
	return values
}

// oneAddress sets the addresses that an agent calls from, if they were given as one.
func oneAddress(d *object.Decoded, a *model.Agent) error {
	text, given := object.Given[string](d, "ipaddress")
	switch {
	case !given:
		return nil
	case d.Has("addresses"):
		return model.AttrErrorf(model.Invalid, d.Place+".ipaddress", "stands for addresses: give one of them")
	case text == "":
		a.Addresses = ""
		return nil
	}
	prefix, err := netip.ParsePrefix(text)
	if ip, noPrefix := netip.ParseAddr(text); err != nil && noPrefix == nil && ip.Zone() == "" {
		prefix, err = netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	if err != nil {
		return model.AttrErrorf(model.Invalid, d.Place+".ipaddress", "%q is neither an address nor a CIDR range such as 192.0.2.0/24", text)
	}
	a.Addresses = model.List(prefix.String())
	return nil
}

// afterWriteAgent stores the agent's public keys in the table that authentication uses.
func afterWriteAgent(_ *dispatch.Call, tx store.Tx, d *object.Decoded, _, row any) error {
	if a := row.(*model.Agent); d.Has("certificates") || d.Creating && a.Certificates != "" {
		return tx.SetCertificates(a.ID, a.Certificates.Items())
	}
	return nil
}

// mayManage returns an error if an agent may do something that the caller may not. Otherwise the caller could give the agent a
// new secret or certificate and act as the agent.
func mayManage(c *dispatch.Call, a *model.Agent) error {
	if !model.Covers(c.Agent.Permissions.Items(), a.Permissions.Items(), c.Server.Reveals) {
		return model.Errorf(model.NotPermitted, "not permitted: the agent may do what the caller may not")
	}
	if err := holds(c, a, ""); err != nil {
		return model.Errorf(model.NotPermitted, "not permitted: the agent is less restricted than the caller")
	}
	return nil
}

// holds returns an error if an agent lacks a restriction of the caller: an address range, a rate limit, or applications. Otherwise
// the caller could use that agent to avoid the restriction.
func holds(c *dispatch.Call, a *model.Agent, place string) error {
	for _, cidr := range a.Addresses.Items() {
		if p, err := netip.ParsePrefix(cidr); err == nil && c.Agent.Addresses != "" && !slices.ContainsFunc(c.Agent.Addresses.Items(), func(own string) bool {
			o, err := netip.ParsePrefix(own)
			return err == nil && o.Bits() <= p.Bits() && o.Contains(p.Addr())
		}) {
			return model.AttrErrorf(model.NotPermitted, place+".addresses", "not permitted: %s is outside the caller's own addresses", cidr)
		}
	}
	if own := c.Agent.Applications; own != "" {
		within := func(id string) bool { return own.Has(id) }
		if theirs := a.Applications.Items(); len(theirs) == 0 || slices.ContainsFunc(theirs, func(id string) bool { return !within(id) }) {
			return model.AttrErrorf(model.NotPermitted, strings.TrimPrefix(place+".applications", "."), "the caller is held to applications, and can only make agents that are held to some of them")
		}
	}
	switch most := c.Agent.RateLimit; {
	case c.Agent.Addresses != "" && a.Addresses == "":
		return model.AttrErrorf(model.NotPermitted, place+".addresses", "not permitted: the caller is limited to "+
			"addresses, so the agent must be limited to some of them")
	case most > 0 && (a.RateLimit == 0 || a.RateLimit > most):
		return model.AttrErrorf(model.NotPermitted, place+".rateLimit", "not permitted: the caller is limited to %d, so "+
			"the agent may have at most that", most)
	}
	return nil
}

// checkDomains returns an error for names that no domain has. An agent that is limited to a misspelled name would see nothing.
func checkDomains(tx store.Tx, names []string) error {
	folded := make([]string, len(names))
	for i, n := range names {
		folded[i] = model.Fold(n)
	}
	known, err := tx.DomainsByName(folded)
	if err != nil {
		return err
	}
	for i, n := range names {
		if _, ok := known[folded[i]]; !ok {
			return &model.Error{Kind: model.DomainNotDefined, Msg: fmt.Sprintf("attrs.domains: the domain %q is not defined", n),
				Detail: model.AttributeDetail{Attribute: "attrs.domains"}}
		}
	}
	return nil
}

var spkiHash = regexp.MustCompile(`^[0-9a-f]{64}$`)

// checkCertificates returns an error for a value that is not a hash, and for a public key that belongs to another agent.
func checkCertificates(tx store.Tx, a *model.Agent) error {
	for _, hash := range a.Certificates.Items() {
		if !spkiHash.MatchString(hash) {
			return model.AttrErrorf(model.Invalid, "attrs.certificates", "%q is not a SHA-256 in 64 lower-case hex digits", hash)
		}
		other, err := tx.AgentByCertificate(hash)
		if err != nil {
			return err
		}
		if other != nil && other.ID != a.ID {
			return model.AttrErrorf(model.Exists, "attrs.certificates", "the public key belongs to another agent")
		}
	}
	return nil
}

// agentCreated is the reply to agent/create without return.
type agentCreated struct {
	ID           string `json:"id"`
	ClientID     string `json:"clientId"`
	ClientSecret string `json:"clientSecret"`
}

// listedTypes is the reply to agent/listTypes.
type listedTypes struct {
	Total int          `json:"total"`
	Rows  []listedType `json:"rows"`
}

type listedType struct {
	Value       string `json:"value"`
	Description string `json:"description"`
}

// ListTypes returns the types of agents.
func (m *Agent) ListTypes(_ *http.Request, _ *struct{}, plan *dispatch.Plan) error {
	list := listedTypes{Total: len(model.AgentTypes)}
	for _, t := range model.AgentTypes {
		list.Rows = append(list.Rows, listedType(t))
	}
	plan.Reads = dispatch.NoStatement
	plan.View = func(store.ReadTx) (any, error) { return list, nil }
	return nil
}

const ClientSecretBytes = 32

// NewClientSecret returns a new client secret: 256 random bits in base64url.
func NewClientSecret(s *dispatch.Server) (string, error) {
	return s.RandomText(ClientSecretBytes)
}

// proofs are what a new agent proves itself by.
type proofs struct {
	secret      string
	certificate *dispatch.Certificate // nil if none was asked for
	password    string                // of the certificate's file
}

// Members of the reply of agent/create that are no attributes, because nothing else ever returns them.
const (
	secretMember   = "clientSecret"
	pfxMember      = "certificatePfx"
	passwordMember = "certificatePassword"
)

// Create makes an agent and returns its client secret, which is not shown again. With return, it returns what is asked for, which may
// be a certificate with its key.
func (m *Agent) Create(r *http.Request, args *object.CreateArgs, plan *dispatch.Plan) error {
	c := dispatch.CallFrom(r.Context())
	d, err := m.Type.Decode("attrs", args.Attrs, object.OnCreate)
	if err != nil {
		return err
	}
	named := func(names ...string) func(wire.ReturnItem) bool {
		return func(item wire.ReturnItem) bool { return item.Nested == nil && slices.Contains(names, item.Name) }
	}
	withSecret, withCertificate := slices.ContainsFunc(args.Return, named(secretMember)), slices.ContainsFunc(args.Return, named(pfxMember, passwordMember))
	withCertificate = withCertificate && m.Server.Config.Certify != nil // else they are null
	hidden := []string{secretMember}
	if withCertificate {
		hidden = append(hidden, pfxMember, passwordMember)
	}
	p, err := m.Type.Project(c, slices.DeleteFunc(slices.Clone(args.Return), named(hidden...)), "return")
	if err != nil {
		return err
	}
	made := &proofs{}
	if made.secret, err = NewClientSecret(m.Server); err != nil {
		return err
	}
	if withCertificate {
		if err := m.certify(r.Context(), c, d, made); err != nil {
			return err
		}
	}
	d.Extra = made
	create, err := m.PrepareCreate(r.Context(), c, d)
	if err != nil {
		return err
	}
	plan.Update = func(tx store.Tx) (any, error) {
		id, err := create(tx)
		if err != nil || len(args.Return) == 0 {
			return agentCreated{id, id, made.secret}, err
		}
		rows, err := p.Rows(tx, store.Query{Table: m.Type.Table, Where: []store.Cond{store.ByID(id)}, Limit: 1})
		if err != nil {
			return nil, err
		}
		reply := jsontext.Value(rows[0])
		if withSecret {
			reply = wire.WithMember(reply, secretMember, made.secret)
		}
		if withCertificate {
			reply = wire.WithMember(reply, pfxMember, base64.StdEncoding.EncodeToString(made.certificate.PFX))
			reply = wire.WithMember(reply, passwordMember, made.password)
		}
		return reply, nil
	}
	return nil
}

// certify issues a certificate for a new agent.
func (m *Agent) certify(ctx context.Context, c *dispatch.Call, d *object.Decoded, made *proofs) (err error) {
	if !c.RevealSecrets() {
		return model.AttrErrorf(model.NotPermitted, "return."+pfxMember, "not permitted: a certificate with its key is only for who has the permission %s by this name, or *", c.Method.Path)
	}
	name, _ := object.Given[string](d, "name")
	subject := pkix.Name{CommonName: name}.ToRDNSequence()
	if text, _ := object.Given[string](d, "subjectDn"); text != "" {
		var ok bool
		if subject, ok = model.ParseSubject(text); !ok {
			return model.AttrErrorf(model.Invalid, d.Place+".subjectDn", "is no subject of a certificate, such as CN=intranet,O=North,C=GB")
		}
	}
	if made.password, err = m.Server.RandomText(passwordBytes); err != nil {
		return err
	}
	if failed := m.Server.RunExpensiveAside(ctx, func() { made.certificate, err = m.Server.Config.Certify(subject, made.password, c.Now.Std()) }); failed != nil {
		return failed
	}
	return err
}

const passwordBytes = 18 // of the file of a certificate; 144 random bits, 24 characters

// keepAgent returns an error if was is the last agent that may do everything, and now may not; a nil now means that was is to be
// deleted.
func keepAgent(tx store.ReadTx, was, now *model.Agent) error {
	if !was.MayDoAll() || now != nil && now.Replaces(was) {
		return nil
	}
	all, err := tx.FullAgents()
	if err != nil {
		return err
	}
	// An agent that is limited to addresses might not be usable, so it does not replace one that is not.
	if slices.ContainsFunc(all, func(a model.Agent) bool {
		return a.ID != was.ID && a.MayDoAll() && (a.Addresses == "" || was.Addresses != "")
	}) {
		return nil
	}
	return model.Errorf(model.NotPermitted, "not permitted: this is the last agent that may do everything; make another one first")
}
