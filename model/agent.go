package model

import (
	"crypto/sha256"
	"crypto/subtle"
	"slices"
	"strings"
)

// Agent is an API agent: a program that calls methods.
type Agent struct {
	ID           string `db:"id"` // also its client id
	Name         string `db:"name"`
	NameFolded   string `db:"name_folded"`
	Type         string `db:"type"` // one of AgentTypes; has no effect
	Description  string `db:"description"`
	PublicURL    string `db:"public_url"`  // has no effect
	SubjectDN    string `db:"subject_dn"`  // the agent is known by its key, never by this name
	SecretHash   []byte `db:"secret_hash"` // SHA-256; secrets are long and random, so a plain hash protects them
	Permissions  List   `db:"permissions"`
	Applications List   `db:"applications"` // ids; users log on to these through it, and to every application if there are none
	Domains      List   `db:"domains"`
	Addresses    List   `db:"addresses"`
	Certificates List   `db:"certificates"`
	// The certificate that agent/create made and that of its authority, PEM; "" if it made none.
	Certificate   string `db:"certificate"`
	CACertificate string `db:"ca_certificate"`

	Status      string `db:"status"`
	DateCreated Time   `db:"date_created"`
	LastUsed    Time   `db:"last_used"`
	// Each rotation of the secret increments Generation. The previous secret stays valid until OldSecretUntil.
	Generation     int64  `db:"generation"`
	OldSecretHash  []byte `db:"old_secret_hash"`
	OldSecretUntil Time   `db:"old_secret_until"`
	RateLimit      int64  `db:"rate_limit"` // calls per second; 0 means the server's default
}

// APIAgent is the type of an agent for which none is given.
const APIAgent = "API_AGENT"

// AgentType is a type of agents, with its name for readers.
type AgentType struct{ Value, Description string }

// AgentTypes lists the types of agents.
var AgentTypes = []AgentType{{"MANAGEMENT_CONSOLE", "Management Console"}, {"WEB_AGENT", "Web Agent"}, {"WINDOWS_AGENT", "Windows Agent"},
	{"RADIUS_AGENT", "RADIUS Agent"}, {"SSO_SERVER", "SSO Server"}, {"OTHERS_AGENT", "Others"}, {APIAgent, "API Agent"}}

// RecordedAs lists the names that the audit record uses for callers that are neither agents nor administrators.
var RecordedAs = []string{"operator", "serve", "device", "link", "console"}

// RecordedRadius is how the names of clients of RADIUS begin in the audit record.
const RecordedRadius = "radius:"

// HashSecret returns the stored form of a client secret.
func HashSecret(secret Secret) []byte {
	sum := sha256.Sum256(secret)
	return sum[:]
}

// SecretGeneration returns, in constant time, which generation of the agent's secret a secret is. It returns 0 if it is none of
// the agent's, or no longer valid.
func (a *Agent) SecretGeneration(secret Secret, now Time) int64 {
	hash := HashSecret(secret)
	current := subtle.ConstantTimeCompare(a.SecretHash, hash) == 1
	old := subtle.ConstantTimeCompare(a.OldSecretHash, hash) == 1
	switch {
	case current:
		return a.Generation
	case old && a.Honours(a.Generation-1, now):
		return a.Generation - 1
	}
	return 0
}

// Honours returns whether tokens that were made with a generation's secret are still valid.
func (a *Agent) Honours(generation int64, now Time) bool {
	return generation > 0 && (generation == a.Generation || generation == a.Generation-1 && now < a.OldSecretUntil)
}

// Rotate sets a new secret, given by its hash. The previous secret stays valid until that time.
func (a *Agent) Rotate(hash []byte, until Time) {
	a.OldSecretHash, a.OldSecretUntil = a.SecretHash, until
	a.SecretHash = hash
	a.Generation++
}

// LimitedTo returns whether a domain, given by its folded name, is among the domains that the agent is limited to.
func (a *Agent) LimitedTo(folded string) bool {
	return slices.ContainsFunc(a.Domains.Items(), func(name string) bool { return Fold(name) == folded })
}

// DomainRenamed replaces the name of a domain, given by its folded name, in the agent's list of domains.
func (a *Agent) DomainRenamed(folded, name string) {
	names := a.Domains.Items()
	for i := range names {
		if Fold(names[i]) == folded {
			names[i] = name
		}
	}
	a.Domains = ListOf(names)
}

// MayDoAll returns whether the agent may do everything, in all domains.
func (a *Agent) MayDoAll() bool {
	return a.Status == Active && a.Domains == "" && a.Applications == "" && a.Permissions.Has("*")
}

// Replaces returns whether the agent may do everything, from every address from which the other agent may.
func (a *Agent) Replaces(other *Agent) bool {
	return a.MayDoAll() && (a.Addresses == "" || a.Addresses == other.Addresses)
}

// EndTokens ends every access token of the agent permanently. Its secrets stay valid.
func (a *Agent) EndTokens() {
	a.Generation += 2 // by 2, because Honours also accepts the previous generation
}

// Permits returns whether permission patterns allow a method ("token/create"). A pattern is a method, "object/*", a
// role or "*". A method that reveals a secret is allowed only by its exact name or "*".
func Permits(patterns []string, method string, reveals bool) bool {
	object, _, _ := strings.Cut(method, "/")
	for _, p := range patterns {
		if p == "*" || p == method || !reveals && p == object+"/*" || IsRole(p) && Permits(permitted(p), method, reveals) {
			return true
		}
	}
	return false
}

// Covers returns whether every permission in asked is within held, so that nobody can grant what they do not have. reveals
// returns whether a method reveals a secret.
func Covers(held, asked []string, reveals func(method string) bool) bool {
	for _, p := range asked {
		if strings.HasSuffix(p, "*") || IsRole(p) {
			// Only the same pattern or "*" covers a pattern, as it may permit more later.
			if !Permits(held, p, true) {
				return false
			}
		} else if !Permits(held, p, reveals(p)) {
			return false
		}
	}
	return true
}
