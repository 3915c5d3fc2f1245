package dispatch

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"net/netip"
	"strings"

	"tokensmith/model"
	"tokensmith/rpc/limit"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// claim is who the caller claims to be, before it is checked.
type claim struct {
	given  bool // whether the request contains a claim
	id     string
	spki   string // SHA-256 of the public key of the client certificate, in hex
	secret model.Secret
	bearer string
}

// claimOf returns the claim of a request: its Authorization header or, if there is none, its client certificate, which the TLS
// layer has checked.
func claimOf(r *http.Request) claim {
	scheme, value := Authorization(r)
	switch {
	case strings.EqualFold(scheme, "Bearer"):
		return claim{given: true, bearer: value}
	case scheme != "":
		id, secret := basic(r)
		return claim{given: true, id: id, secret: model.Secret(secret)}
	case r.TLS != nil && len(r.TLS.VerifiedChains) > 0:
		sum := sha256.Sum256(r.TLS.PeerCertificates[0].RawSubjectPublicKeyInfo)
		return claim{given: true, spki: hex.EncodeToString(sum[:])}
	}
	return claim{}
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

// authenticate authenticates the caller. The error is the same whatever is wrong with the claim. Refused claims are recorded in
// the audit log, up to a rate.
func (s *Server) authenticate(ctx context.Context, c *Call, given claim) error {
	a, generation, read, err := s.claimed(ctx, c, given)
	if err != nil {
		return err
	}
	if generation == 0 || a.ID == "" || a.Status != model.Active || !addressed(a.Addresses, c.Remote) {
		return s.refuse(ctx, c, given, a.Name)
	}
	c.Agent, c.generation = a, generation
	c.ProvenBy(read, c.agentAgain(given))
	s.used(a, c.Now)
	return s.Limits.Agent(a, s.Config.AgentRate, c.Now)
}

// claimed returns the agent that a claim names, the generation of the secret that proves the claim, and when the agent was read.
// Generation 0 means that the claim proves nothing. An unknown agent takes the same path as a wrong secret. Only an agent that
// proved itself a moment ago, and does so again, is taken from the cache instead of the database.
func (s *Server) claimed(ctx context.Context, c *Call, given claim) (a *model.Agent, generation int64, read model.Time, err error) {
	a, read = &model.Agent{}, c.Now
	id, said := strings.ReplaceAll(given.id, "\x00", ""), int64(0)
	if given.bearer != "" {
		var ok bool
		if id, said, ok = s.readToken(given.bearer, c.Now); !ok {
			return a, 0, read, nil
		}
	}
	key := id + given.spki
	if key == "" {
		return a, 0, read, nil
	}
	proves := func(a *model.Agent) int64 {
		switch {
		case given.spki != "":
			return a.Generation
		case given.bearer == "":
			return a.SecretGeneration(given.secret, c.Now)
		case a.Honours(said, c.Now):
			return said
		}
		return 0
	}
	version := s.Config.Store.Callers()
	if known := s.Limits.Known(key, version, c.Now); known != nil && (known.Agent.ID == id || given.spki != "") {
		if generation = proves(known.Agent); generation != 0 {
			c.Scope = known.Scope
			return known.Agent, generation, known.Read, nil
		}
	}
	err = s.Config.Store.ViewOne(ctx, func(tx store.ReadTx) error {
		var err error
		if given.spki != "" {
			var found *model.Agent
			if found, err = tx.AgentByCertificate(given.spki); found != nil {
				a = found
			}
		} else {
			err = tx.Load(a, id)
		}
		var missed *model.Error
		if err != nil && !(errors.As(err, &missed) && missed.Kind == model.NotFound) {
			return err
		}
		if generation = proves(a); generation == 0 {
			return nil
		}
		return s.limitTo(tx, c, a)
	})
	if err == nil && generation != 0 && version >= 0 {
		s.Limits.Know(key, &limit.KnownCaller{Agent: a, Scope: c.Scope, Version: version, Read: c.Now})
	}
	return a, generation, read, err
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

// refuse returns the error for a claim that is not valid. The audit row names an agent only if the claim named one.
func (s *Server) refuse(ctx context.Context, c *Call, given claim, name string) error {
	refused := model.Errorf(model.NotAuthentic, "the caller is not authenticated")
	before, err := s.Limits.Refused(c.Remote, c.Now)
	if err != nil {
		return err
	}
	if !given.given {
		return refused
	}
	return s.record(ctx, c, name, before, refused)
}

// record adds a refusal to the audit log, up to a rate, and returns the refusal.
func (s *Server) record(ctx context.Context, c *Call, name, object string, refused *model.Error) error {
	if !s.Limits.MayRecord(c.Now) {
		return refused
	}
	row := model.Audit{Time: c.Now, Agent: name, Method: c.Method.Path, Outcome: int64(wire.CodeOf(refused).Number), Remote: c.Remote, Object: object}
	if err := s.Config.Store.Update(ctx, func(tx store.Tx) error { return tx.Audit(&row) }); err != nil {
		return err
	}
	return refused
}

// used saves the time of an agent's last use, in the background and at most once a minute.
func (s *Server) used(a *model.Agent, now model.Time) {
	if now-a.LastUsed < model.Time(limit.UsedInterval.Milliseconds()) || !s.Limits.LastUseDue(a.ID, now) {
		return
	}
	id := a.ID
	go func() {
		err := s.Config.Store.Update(context.Background(), func(tx store.Tx) error { return tx.AgentUsed(id, now) })
		if err != nil && wire.ClientError(err).Kind != model.Unavailable { // Unavailable is normal while the server shuts down
			s.Config.Log.Error().Err(err).Msg("last use of an agent")
		}
	}()
}

// deviceCaller is the caller of all device methods. It has no permissions.
var deviceCaller = &model.Agent{Name: "device"}

// Refused handles the refusal of a call from a device: it is recorded in the audit log, up to a rate. An address that keeps
// sending unknown tokens is told to wait. For all other refusals the device always gets the same error.
func (c *Call) Refused(ctx context.Context, err error) error {
	e := wire.ClientError(err)
	object := c.Object
	switch e.Kind {
	case model.TokenInvalid:
		if e == model.ErrMalformedToken {
			return err
		}
		before, held := c.Server.Limits.Refused(c.Remote, c.Now)
		if held != nil {
			return held
		}
		return c.Server.record(ctx, c, c.Agent.Name, before, e)
	case model.CodeUnknown,
		model.TokenEnded, model.DeviceInactive, model.CodeExpired, model.CodeUsedUp, model.CodeDisabled, model.TargetGone, model.Installed:
		// One address must not fill the audit log. Its further refusals are only counted, and the next row has their number.
		before, held := c.Server.Limits.Refused(c.Remote, c.Now)
		if held != nil {
			return err
		}
		if before != "" {
			object = strings.TrimSpace(object + " " + before)
		}
		return c.Server.record(ctx, c, c.Agent.Name, object, e)
	}
	return err
}
