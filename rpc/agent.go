package rpc

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"regexp"
	"slices"

	"tokensmith/model"
	"tokensmith/store"
)

// Agent has the methods of API agents, the programs that call methods.
type Agent struct{ crud }

// adminReceivers are those of the methods of this room.
func adminReceivers(s *core) map[string]any {
	return map[string]any{"Agent": &Agent{crud{s, agentObject}}, "Audit": &Audit{crud{s, auditObject}}}
}

var agentObject = declare(&object{
	name: "agent", missing: model.AgentNoun, row: func() any { return new(model.Agent) },
	keys: [][]string{{"name"}}, naming: []string{"id", "name"},
	check: checkAgent, wrote: wroteAgent,
	removes: func(c *call, tx store.Tx, row any) error {
		if err := c.mayManage(row.(*model.Agent)); err != nil {
			return err
		}
		return keepAgent(tx, row.(*model.Agent), nil)
	},
	attrs: []attr{
		{name: "name", kind: text, rule: model.Name, when: always, required: true, indexed: true, about: "unique"},
		{name: "clientId", kind: text, column: "id", about: "what it signs in with; the id"},
		{name: "permissions", kind: list, when: always, required: true, about: "method patterns: `token/create`, `token/*`, `*`; each must fit a method"},
		{name: "domains", kind: list, when: always, about: "names of the domains it is limited to; none = all"},
		{name: "addresses", kind: list, when: always, about: "CIDR ranges it calls from; none = any"},
		{name: "certificates", kind: list, when: always, about: "SHA-256 of the public keys of its certificates, hex"},
		{name: "rateLimit", kind: integer, when: always, max: 1_000_000, about: "calls a second; 0 = the server's default"},
		{name: "status", kind: enum, when: always, initial: model.Active, values: []string{model.Active, model.DisabledBy}},
		{name: "dateCreated", kind: date},
		{name: "lastUsed", kind: date},
	},
})

func checkAgent(c *call, tx store.Tx, d *decoded, old, row any) error {
	a := row.(*model.Agent)
	if d.extra != nil {
		a.SecretHash, a.Generation = d.extra.([]byte), 1
	}
	if old != nil {
		if err := c.mayManage(old.(*model.Agent)); err != nil {
			return err
		}
	}
	if err := c.holds(a, d.place); err != nil {
		return err
	}
	if old != nil && old.(*model.Agent).Status == model.Active && a.Status != model.Active {
		a.EndTokens()
	}
	for _, cidr := range a.Addresses.Items() {
		if _, err := netip.ParsePrefix(cidr); err != nil {
			return model.AttrErrorf(model.Invalid, "attrs.addresses", "%q is not a CIDR range such as 192.0.2.0/24", cidr)
		}
	}
	if d.has("domains") {
		if err := checkDomains(tx, a.Domains.Items()); err != nil {
			return err
		}
	}
	if d.has("certificates") {
		if err := checkCertificates(tx, a); err != nil {
			return err
		}
	}
	if err := c.mayGrant(d, a.Permissions); err != nil || old == nil {
		return err
	}
	return keepAgent(tx, old.(*model.Agent), a)
}

// wroteAgent keeps the agent's public keys where a call looks them up.
func wroteAgent(_ *call, tx store.Tx, d *decoded, _, row any) error {
	if a := row.(*model.Agent); d.has("certificates") {
		return tx.SetCertificates(a.ID, a.Certificates.Items())
	}
	return nil
}

// mayManage refuses to touch an agent that may more than the caller: with its secret or a certificate of its own he
// could do all that.
func (c *call) mayManage(a *model.Agent) error {
	if !model.Covers(c.agent.Permissions.Items(), a.Permissions.Items(), c.s.reveals) {
		return model.Errorf(model.NotPermitted, "not permitted: the agent may do what the caller may not")
	}
	if err := c.holds(a, ""); err != nil {
		return model.Errorf(model.NotPermitted, "not permitted: the agent is not held to what the caller is held to")
	}
	return nil
}

// holds refuses an agent that is free of what the caller is held to: addresses, or a rate. It would be the caller, and free of it.
func (c *call) holds(a *model.Agent, place string) error {
	for _, cidr := range a.Addresses.Items() {
		if p, err := netip.ParsePrefix(cidr); err == nil && c.agent.Addresses != "" && !slices.ContainsFunc(c.agent.Addresses.Items(), func(own string) bool {
			o, err := netip.ParsePrefix(own)
			return err == nil && o.Bits() <= p.Bits() && o.Contains(p.Addr())
		}) {
			return model.AttrErrorf(model.NotPermitted, place+".addresses", "nobody grants what he lacks: %s is not within the caller's addresses", cidr)
		}
	}
	switch most := c.agent.RateLimit; {
	case c.agent.Addresses != "" && a.Addresses == "":
		return model.AttrErrorf(model.NotPermitted, place+".addresses", "nobody grants what he lacks: the caller is held to addresses, so give some of them")
	case most > 0 && (a.RateLimit == 0 || a.RateLimit > most):
		return model.AttrErrorf(model.NotPermitted, place+".rateLimit", "nobody grants what he lacks: the caller is held to %d, so give at most that", most)
	}
	return nil
}

// checkDomains refuses names that are no domain's: an agent limited to a misspelt one would see nothing.
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

// checkCertificates refuses what is no hash, and a public key that stands for another agent already.
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
			return model.AttrErrorf(model.Exists, "attrs.certificates", "the public key is another agent's")
		}
	}
	return nil
}

// agentCreated is the one reply that carries a client secret.
type agentCreated struct {
	ID           string `json:"id"`
	ClientID     string `json:"clientId"`
	ClientSecret string `json:"clientSecret"`
}

const clientSecretBytes = 32

// newClientSecret makes a client secret: 256 random bits in base64url.
func newClientSecret(s *core) (string, error) {
	b := make([]byte, clientSecretBytes)
	if _, err := io.ReadFull(s.cfg.Rand, b); err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}

// Create makes an agent and answers its client secret, which is shown this once.
func (m *Agent) Create(r *http.Request, args *CreateArgs, plan *Plan) error {
	c := callOf(r.Context())
	d, err := m.obj.decode("attrs", args.Attrs, onCreate)
	if err != nil {
		return err
	}
	if len(args.Return) > 0 {
		return model.AttrErrorf(model.Invalid, "return", "agent/create answers id, clientId and clientSecret")
	}
	clientSecret, err := newClientSecret(m.s)
	if err != nil {
		return err
	}
	d.extra = model.HashSecret(model.Secret(clientSecret))
	create, err := m.creation(r.Context(), c, d)
	if err != nil {
		return err
	}
	plan.update = func(tx store.Tx) (any, error) {
		id, err := create(tx)
		return agentCreated{id, id, clientSecret}, err
	}
	return nil
}

// keepAgent refuses to make was, the last agent that may do everything, into now; nil = to delete it.
func keepAgent(tx store.ReadTx, was, now *model.Agent) error {
	if !was.Full() || now != nil && now.Replaces(was) {
		return nil
	}
	all, err := tx.FullAgents()
	if err != nil {
		return err
	}
	// One that is held to addresses may be shut out by them.
	if slices.ContainsFunc(all, func(a model.Agent) bool { return a.ID != was.ID && (a.Addresses == "" || was.Addresses != "") }) {
		return nil
	}
	return model.Errorf(model.NotPermitted, "not permitted: this is the last agent that may do everything; make another one first")
}
