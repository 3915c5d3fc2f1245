// Package caller answers two questions about each call: who makes it, and what may this caller do. It proves agents by their
// secret, access token or client certificate. It then decides by the caller's permissions, by the domains that the caller is
// limited to, and by the rule that nobody gets, changes or takes over what belongs to somebody with more rights. It neither reads
// requests beyond their headers nor runs methods; package dispatch does, and asks here.
//
// Three rules are enforced here and nowhere else:
//
//   - A caller uses only methods that its permissions open (Caller.Permits), and sees only its domains (Caller.Scope).
//   - No caller changes or reads the factors of an administrator who may do more (Guard), or gives a user a name that means such
//     an administrator (Names).
//   - A right that was taken away is not used later than store.MaxCallerAge after that, however long a call runs (Caller.Recheck).
package caller

import (
	"time"

	"tokensmith/model"
	"tokensmith/rpc/limit"
	"tokensmith/store"
	"tokensmith/store/keyring"
)

// Callers knows all callers of one server, and what its methods ask of them. It is safe for concurrent use.
type Callers struct {
	Store   store.Store
	Limits  *limit.Limits // also remembers who was authenticated a moment ago
	Now     func() time.Time
	Reveals func(path string) bool // returns whether a method returns a secret
	Limited func(path string) bool // returns whether agents that are limited to domains may use a method

	tokens *keyring.Signer // signs access tokens
}

// New returns the Callers of a server.
func New(s store.Store, limits *limit.Limits, now func() time.Time, reveals, limited func(path string) bool) *Callers {
	return &Callers{Store: s, Limits: limits, Now: now, Reveals: reveals, Limited: limited, tokens: s.Keys().Signer("access token")}
}

// Caller is who makes a call, and what it may do and see.
type Caller struct {
	Agent *model.Agent // nil until authenticated
	Scope store.Scope  // the domains that the caller sees; nil means all

	callers    *Callers
	generation int64  // generation of the secret that authenticated the caller
	proof      *proof // nil if the caller has no rights that could be taken away
}

// Operator is the caller of in-process calls. Whoever has the database and the key file may do everything.
var Operator = &model.Agent{ID: "operator", Name: "operator", Permissions: "*", Status: model.Active}

// Device is the caller of all methods that devices call. It has no permissions.
var Device = &model.Agent{Name: "device"}

// Unknown returns a caller that is not authenticated yet.
func (s *Callers) Unknown() Caller { return Caller{callers: s} }

// Operator returns the operator as a caller.
func (s *Callers) Operator() Caller { return Caller{callers: s, Agent: Operator} }

// Permits returns whether the caller may use a method.
func (c *Caller) Permits(path string) bool {
	return (c.Scope == nil || c.callers.Limited(path)) && model.Permits(c.Agent.Permissions.Items(), path, c.callers.Reveals(path))
}

// MayReveal returns whether the caller may see secrets in the reply of a method: its permissions name the method, or are "*".
func (c *Caller) MayReveal(path string) bool {
	return model.Permits(c.Agent.Permissions.Items(), path, true)
}

// Need returns an error if the caller may not use a method.
func (c *Caller) Need(path string) error {
	if !c.Permits(path) {
		return model.Errorf(model.NotPermitted, "not permitted: %s", path)
	}
	return nil
}

// Restriction returns which restriction the caller has; "" if none. An administrator has none of them: an administrator signs in
// from any address, sees every domain and application, and has no rate limit.
func (c *Caller) Restriction() string {
	switch {
	case c.Scope != nil:
		return "domains"
	case c.Agent.Addresses != "":
		return "addresses"
	case c.Agent.RateLimit > 0:
		return "a rate"
	case c.Agent.Applications != "":
		return "applications"
	}
	return ""
}

// Unrestricted returns whether the caller may do everything that any administrator may do.
func (c *Caller) Unrestricted() bool {
	return c.Restriction() == "" && model.Permits(c.Agent.Permissions.Items(), "*", true)
}

// Covers returns whether the caller's permissions include all of the given ones.
func (c *Caller) Covers(permissions model.List) bool {
	return model.Covers(c.Agent.Permissions.Items(), permissions.Items(), c.callers.Reveals)
}

// weakerThan returns whether permissions allow something that the caller may not do, or only with a Restriction.
func (c *Caller) weakerThan(permissions model.List) bool {
	return c.Restriction() != "" || !c.Covers(permissions)
}

// scopeOf returns the scope of an agent, from its domains.
func scopeOf(tx store.ReadTx, a *model.Agent) (store.Scope, error) {
	if a.Domains == "" {
		return nil, nil
	}
	var names []string
	for _, n := range a.Domains.Items() {
		names = append(names, model.Fold(n))
	}
	known, err := tx.DomainsByName(names)
	ids := make([]any, 0, len(known)) // if no domain is known, the agent sees nothing
	for _, n := range names {
		if d, ok := known[n]; ok {
			ids = append(ids, d.ID)
		}
	}
	return store.DomainScope(ids), err
}
