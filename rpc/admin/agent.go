// Package admin contains agents, which are the programs that call methods, and the methods of the audit log.
package admin

import (
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"slices"

	"tokensmith/model"
	"tokensmith/rpc/caller"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/object"
	"tokensmith/rpc/people"
	"tokensmith/store"
)

// Agent is the receiver of the methods for agents.
type Agent struct{ object.CRUD }

// Receivers returns the receivers of this package's methods.
func Receivers(s *dispatch.Server) map[string]any {
	return map[string]any{"Agent": &Agent{object.CRUD{Server: s, Type: AgentType}}, "Audit": &Audit{object.CRUD{Server: s, Type: AuditType}}}
}

// AgentType declares the object agent.
var AgentType = object.Declare(&object.Type{
	Name: "agent", NotFound: model.AgentNoun, Row: func() any { return new(model.Agent) },
	Keys: [][]string{{"name"}}, ShownWhenAmbiguous: []string{"id", "name"},
	Check: checkAgent, AfterWrite: afterWriteAgent,
	EmptyTexts: []string{"signature", "agentConfigurePack", "certificateJks"},
	BeforeDelete: func(c *dispatch.Call, tx store.Tx, row any) error {
		if err := mayManage(c, row.(*model.Agent)); err != nil {
			return err
		}
		return keepAgent(tx, row.(*model.Agent), nil)
	},
	Attrs: []object.Attr{
		{Name: "name", Kind: object.Text, Rule: model.Name, When: object.Always, Required: true, Indexed: true,
			About: "unique; no other caller has it in the audit record"},
		{Name: "clientId", Kind: object.Text, Column: "id", About: "what it authenticates with, the same as the id"},
		{Name: "permissions", Kind: object.List, When: object.Always, Required: true,
			About: "method patterns: `token/create`, `token/*`, `*`; each must match a method"},
		{Name: "domains", Kind: object.List, When: object.Always, About: "names of the domains it is limited to; none = all"},
		{Name: "addresses", Kind: object.List, When: object.Always, About: "CIDR ranges it calls from; none = any"},
		{Name: "certificates", Kind: object.List, When: object.Always, About: "SHA-256 of the public keys of its certificates, hex"},
		{Name: "rateLimit", Kind: object.Integer, When: object.Always, Max: 1_000_000, About: "calls a second; 0 = the server's default"},
		{Name: "status", Kind: object.Enum, When: object.Always, Initial: model.Active, Values: []string{model.Active, model.DisabledBy}},
		{Name: "dateCreated", Kind: object.Date},
		{Name: "lastUsed", Kind: object.Date},
	},
})

func checkAgent(c *dispatch.Call, tx store.Tx, d *object.Decoded, old, row any) error {
	a := row.(*model.Agent)
	if d.Extra != nil {
		a.SecretHash, a.Generation = d.Extra.([]byte), 1
	}
	if old != nil {
		if err := mayManage(c, old.(*model.Agent)); err != nil {
			return err
		}
	}
	if err := holds(c, a, d.Place); err != nil {
		return err
	}
	if old == nil || old.(*model.Agent).Name != a.Name {
		if err := caller.CheckAgentName(tx, a.Name); err != nil {
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

// afterWriteAgent stores the agent's public keys in the table that authentication uses.
func afterWriteAgent(_ *dispatch.Call, tx store.Tx, d *object.Decoded, _, row any) error {
	if a := row.(*model.Agent); d.Has("certificates") {
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

// holds returns an error if an agent lacks a restriction of the caller, an address range or a rate limit. Otherwise the caller
// could use that agent to avoid the restriction.
func holds(c *dispatch.Call, a *model.Agent, place string) error {
	for _, cidr := range a.Addresses.Items() {
		if p, err := netip.ParsePrefix(cidr); err == nil && c.Agent.Addresses != "" && !slices.ContainsFunc(c.Agent.Addresses.Items(), func(own string) bool {
			o, err := netip.ParsePrefix(own)
			return err == nil && o.Bits() <= p.Bits() && o.Contains(p.Addr())
		}) {
			return model.AttrErrorf(model.NotPermitted, place+".addresses", "not permitted: %s is outside the caller's own addresses", cidr)
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

// agentCreated is the reply to agent/create, the only one with that client secret.
type agentCreated struct {
	ID           string `json:"id"`
	ClientID     string `json:"clientId"`
	ClientSecret string `json:"clientSecret"`
}

const ClientSecretBytes = 32

// NewClientSecret returns a new client secret: 256 random bits in base64url.
func NewClientSecret(s *dispatch.Server) (string, error) {
	return s.RandomText(ClientSecretBytes)
}

// Create makes an agent and returns its client secret, which is not shown again.
func (m *Agent) Create(r *http.Request, args *object.CreateArgs, plan *dispatch.Plan) error {
	c := dispatch.CallFrom(r.Context())
	d, err := m.Type.Decode("attrs", args.Attrs, object.OnCreate)
	if err != nil {
		return err
	}
	if len(args.Return) > 0 {
		return model.AttrErrorf(model.Invalid, "return", "agent/create returns only id, clientId and clientSecret")
	}
	clientSecret, err := NewClientSecret(m.Server)
	if err != nil {
		return err
	}
	d.Extra = model.HashSecret(model.Secret(clientSecret))
	create, err := m.PrepareCreate(r.Context(), c, d)
	if err != nil {
		return err
	}
	plan.Update = func(tx store.Tx) (any, error) {
		id, err := create(tx)
		return agentCreated{id, id, clientSecret}, err
	}
	return nil
}

// keepAgent returns an error if was is the last agent that may do everything, and now may not; a nil now means that was is to be
// deleted.
func keepAgent(tx store.ReadTx, was, now *model.Agent) error {
	if !was.Full() || now != nil && now.Replaces(was) {
		return nil
	}
	all, err := tx.FullAgents()
	if err != nil {
		return err
	}
	// An agent that is limited to addresses might not be usable, so it does not replace one that is not.
	if slices.ContainsFunc(all, func(a model.Agent) bool { return a.ID != was.ID && (a.Addresses == "" || was.Addresses != "") }) {
		return nil
	}
	return model.Errorf(model.NotPermitted, "not permitted: this is the last agent that may do everything; make another one first")
}
