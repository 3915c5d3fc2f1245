package rpc

import (
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"regexp"
	"strings"

	"tokensmith/model"
	"tokensmith/store"
)

// Agent has the methods of API agents, the programs that call methods.
type Agent struct{ crud }

var agentObject = declare(&object{
	name: "agent", table: "agents", row: func() any { return new(model.Agent) },
	keys: [][]string{{"name"}}, naming: []string{"id", "name"},
	check: checkAgent,
	attrs: []attr{
		{name: "name", kind: text, when: always, required: true, indexed: true, about: "unique"},
		{name: "clientId", kind: text, column: "id", about: "what it signs in with; the id"},
		{name: "permissions", kind: list, when: always, required: true, about: "method patterns: `token/create`, `token/*`, `*`"},
		{name: "domains", kind: list, when: always, about: "names of the domains it is limited to; none = all"},
		{name: "addresses", kind: list, when: always, about: "CIDR ranges it calls from; none = any"},
		{name: "certificates", kind: list, when: always, about: "SHA-256 of public keys, hex"},
		{name: "status", kind: enum, when: always, initial: model.Active, values: []string{model.Active, model.DisabledBy}},
		{name: "dateCreated", kind: date},
		{name: "lastUsed", kind: date},
	},
})

func checkAgent(c *call, _ *store.Tx, d *decoded, _, row any) error {
	a := row.(*model.Agent)
	if d.extra != nil {
		a.SecretHash = d.extra.([]byte)
	}
	for _, p := range a.Permissions.Items() {
		if !permission.MatchString(p) {
			return model.AttrErrorf(model.Invalid, "attrs.permissions", "%q is neither object/method, nor object/*, nor *", p)
		}
	}
	for _, cidr := range a.Addresses.Items() {
		if _, err := netip.ParsePrefix(cidr); err != nil {
			return model.AttrErrorf(model.Invalid, "attrs.addresses", "%q is not a CIDR range such as 192.0.2.0/24", cidr)
		}
	}
	return c.mayGrant(d, a.Permissions)
}

// permission is the form of a permission. It need not name a method of this version.
var permission = regexp.MustCompile(`^(\*|[A-Za-z]+/([A-Za-z]+|\*))$`)

// agentCreated is the one reply that carries a client secret.
type agentCreated struct {
	ID           string `json:"id"`
	ClientID     string `json:"clientId"`
	ClientSecret string `json:"clientSecret"`
}

const clientSecretBytes = 32

// newClientSecret makes a client secret: 256 random bits in base64url.
func (s *Server) newClientSecret() (string, error) {
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
	clientSecret, err := m.s.newClientSecret()
	if err != nil {
		return err
	}
	d.extra = model.HashSecret(model.Secret(clientSecret))
	create, err := m.creation(r.Context(), c, d)
	if err != nil {
		return err
	}
	plan.update = func(tx *store.Tx) (any, error) {
		id, err := create(tx)
		return agentCreated{id, id, clientSecret}, err
	}
	return nil
}

// authenticate finds who calls, by HTTP Basic with client id and secret.
func (s *Server) authenticate(r *http.Request, c *call) error {
	refused := model.Errorf(model.NotAuthentic, "the caller is not authenticated")
	id, clientSecret, ok := r.BasicAuth()
	if !ok {
		return refused
	}
	var a model.Agent
	err := s.cfg.Store.View(r.Context(), func(tx *store.ReadTx) error { return tx.Load(&a, strings.ReplaceAll(id, "\x00", "")) })
	var missed *model.Error
	if errors.As(err, &missed) && missed.Kind == model.NotFound {
		err = nil // an unknown agent takes the same way as a wrong secret
	}
	if err != nil {
		return err
	}
	matches := a.SecretMatches(model.Secret(clientSecret))
	if !matches || a.ID == "" || a.Status != model.Active || !addressed(a.Addresses, c.remote) {
		return refused
	}
	c.agent = &a
	return nil
}

// addressed says whether an address lies in one of the ranges; none given = any.
func addressed(ranges model.List, remote string) bool {
	if ranges == "" {
		return true
	}
	addr, err := netip.ParseAddr(remote)
	if err != nil {
		return false
	}
	for _, cidr := range ranges.Items() {
		if p, err := netip.ParsePrefix(cidr); err == nil && p.Contains(addr.Unmap()) {
			return true
		}
	}
	return false
}
