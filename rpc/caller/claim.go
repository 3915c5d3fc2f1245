package caller

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/netip"
	"strings"

	"tokensmith/model"
	"tokensmith/rpc/limit"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// Claim is who a caller claims to be, before it is checked.
type Claim struct {
	Given       bool // whether the request contains a claim
	id          string
	certificate string // SHA-256 of the public key of the client certificate, in hex
	secret      model.Secret
	bearer      string
}

// ClaimOf returns the claim of a request: its Authorization header or, if there is none, its client certificate, which the TLS
// layer has checked.
func ClaimOf(r *http.Request) Claim {
	scheme, value := Authorization(r)
	switch {
	case strings.EqualFold(scheme, "Bearer"):
		return Claim{Given: true, bearer: value}
	case scheme != "":
		id, secret := basic(r)
		return Claim{Given: true, id: id, secret: model.Secret(secret)}
	case r.TLS != nil && len(r.TLS.VerifiedChains) > 0:
		sum := sha256.Sum256(r.TLS.PeerCertificates[0].RawSubjectPublicKeyInfo)
		return Claim{Given: true, certificate: hex.EncodeToString(sum[:])}
	}
	return Claim{}
}

// Authorization splits the Authorization header. There may be several blanks between scheme and value.
func Authorization(r *http.Request) (scheme, value string) {
	scheme, value, _ = strings.Cut(strings.TrimSpace(r.Header.Get("Authorization")), " ")
	return scheme, strings.TrimSpace(value)
}

// basic returns the id and secret of HTTP Basic, like r.BasicAuth, but the base64 padding may be missing.
func basic(r *http.Request) (id, secret string) {
	scheme, value := Authorization(r)
	text, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(value, "="))
	if err != nil || !strings.EqualFold(scheme, "Basic") {
		return "", ""
	}
	id, secret, _ = strings.Cut(string(text), ":")
	return id, strings.TrimRight(secret, "\r\n")
}

// Authenticate sets who calls, if the claim from an address proves it. If not, proven is false, whatever is wrong with the claim;
// name is then the name of the agent that it named, if there is one, for the audit record.
func (s *Callers) Authenticate(ctx context.Context, c *Caller, given Claim, remote string, now model.Time) (name string, proven bool, err error) {
	k, generation, err := s.claimed(ctx, given, now)
	if err != nil {
		return "", false, err
	}
	a := k.Agent
	if generation == 0 || a.ID == "" || a.Status != model.Active || !addressed(a.Addresses, remote) {
		return a.Name, false, nil
	}
	c.Agent, c.Scope, c.generation = a, k.Scope, generation
	c.ProvenBy(k.Read, c.agentAgain(given, remote))
	return a.Name, true, nil
}

// claimed returns the agent that a claim names, and the generation of the secret that proves the claim. Generation 0 means that
// the claim proves nothing. An unknown agent takes the same path as a wrong secret. Only an agent that proved itself a moment ago,
// and does so again, is taken from the cache instead of the database.
func (s *Callers) claimed(ctx context.Context, given Claim, now model.Time) (k *limit.KnownCaller, generation int64, err error) {
	id, said := strings.ReplaceAll(given.id, "\x00", ""), int64(0)
	if given.bearer != "" {
		var ok bool
		if id, said, ok = s.readToken(given.bearer, now); !ok {
			return nobody(now), 0, nil
		}
	}
	key := id + given.certificate
	if key == "" {
		return nobody(now), 0, nil
	}
	version := s.Store.CallerChanges()
	if known := s.Limits.Known(key, version, now); known != nil && (known.Agent.ID == id || given.certificate != "") {
		if generation = given.proves(known.Agent, said, now); generation != 0 {
			return known, generation, nil
		}
	}
	k = nobody(now)
	err = s.Store.ViewOne(ctx, func(tx store.ReadTx) error {
		var err error
		if given.certificate != "" {
			var found *model.Agent
			if found, err = tx.AgentByCertificate(given.certificate); found != nil {
				k.Agent = found
			}
		} else {
			err = tx.Load(k.Agent, id)
		}
		if err != nil && !wire.NoSingleMatch(err) {
			return err
		}
		if generation = given.proves(k.Agent, said, now); generation == 0 {
			return nil
		}
		k.Scope, err = scopeOf(tx, k.Agent)
		return err
	})
	if err == nil && generation != 0 && version >= 0 {
		k.Version = version
		s.Limits.Know(key, k)
	}
	return k, generation, err
}

// nobody returns what is known of a caller before an agent was found.
func nobody(now model.Time) *limit.KnownCaller {
	return &limit.KnownCaller{Agent: &model.Agent{}, Read: now}
}

// proves returns the generation of an agent's secret that proves the claim; 0 if none does. said is the generation in its access
// token.
func (c *Claim) proves(a *model.Agent, said int64, now model.Time) int64 {
	switch {
	case c.certificate != "":
		return a.Generation
	case c.bearer == "":
		return a.SecretGeneration(c.secret, now)
	case a.Honours(said, now):
		return said
	}
	return 0
}

// addressed returns whether an address is in one of the ranges, or there are no ranges.
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
