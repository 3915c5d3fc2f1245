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
	SecretHash   []byte `db:"secret_hash"` // SHA-256; secrets are long and random, so a plain hash protects them
	Permissions  List   `db:"permissions"`
	Domains      List   `db:"domains"`
	Addresses    List   `db:"addresses"`
	Certificates List   `db:"certificates"`
	Status       string `db:"status"`
	DateCreated  Time   `db:"date_created"`
	LastUsed     Time   `db:"last_used"`
	// Each rotation of the secret counts Generation up; the secret before it is good until OldSecretUntil.
	Generation     int64  `db:"generation"`
	OldSecretHash  []byte `db:"old_secret_hash"`
	OldSecretUntil Time   `db:"old_secret_until"`
	RateLimit      int64  `db:"rate_limit"` // calls a second; 0 = the server's default
}

// RecordedAs are the names that the audit record has for those who are neither agents nor administrators.
var RecordedAs = []string{"operator", "serve", "device", "link", "console"}

// HashSecret returns the stored form of a client secret.
func HashSecret(secret Secret) []byte {
	sum := sha256.Sum256(secret)
	return sum[:]
}

// SecretGeneration says in constant time of which generation secret is; 0 = it is not the agent's, or no longer.
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

// Honours says whether what was made with a generation's secret is still good.
func (a *Agent) Honours(generation int64, now Time) bool {
	return generation > 0 && (generation == a.Generation || generation == a.Generation-1 && now < a.OldSecretUntil)
}

// Rotate gives the agent a new secret, by its hash; the one before stays good until a moment.
func (a *Agent) Rotate(hash []byte, until Time) {
	a.OldSecretHash, a.OldSecretUntil = a.SecretHash, until
	a.SecretHash = hash
	a.Generation++
}

// LimitedTo says whether a domain, by its folded name, is among those that the agent is limited to.
func (a *Agent) LimitedTo(folded string) bool {
	return slices.ContainsFunc(a.Domains.Items(), func(name string) bool { return Fold(name) == folded })
}

// DomainRenamed has the agent's list follow a domain, given by its folded name, to another name.
func (a *Agent) DomainRenamed(folded, name string) {
	names := a.Domains.Items()
	for i := range names {
		if Fold(names[i]) == folded {
			names[i] = name
		}
	}
	a.Domains = ListOf(names)
}

// Full says whether the agent may do everything, in all domains.
func (a *Agent) Full() bool { return a.Status == Active && a.Domains == "" && a.Permissions.Has("*") }

// Replaces says whether the agent may do everything, and from wherever the other may.
func (a *Agent) Replaces(other *Agent) bool {
	return a.Full() && (a.Addresses == "" || a.Addresses == other.Addresses)
}

// EndTokens ends every access token that the agent was given, for good, and leaves its secrets as they are.
func (a *Agent) EndTokens() {
	a.Generation += 2 // also those of the secret before it, which the one between would be honoured for
}

// Permits says whether permission patterns allow a method ("token/create"). A pattern is a method, "object/*" or
// a lone "*". A method that reveals a secret is allowed only by its exact name or the lone "*".
func Permits(patterns []string, method string, reveals bool) bool {
	object, _, _ := strings.Cut(method, "/")
	for _, p := range patterns {
		if p == "*" || p == method || !reveals && p == object+"/*" {
			return true
		}
	}
	return false
}

// Covers says whether every permission of asked is within held, so that nobody grants what he lacks. reveals tells
// of a method whether it reveals a secret.
func Covers(held, asked []string, reveals func(method string) bool) bool {
	for _, p := range asked {
		if strings.HasSuffix(p, "*") {
			// A pattern is covered by itself or by the lone "*" only.
			if !Permits(held, p, true) {
				return false
			}
		} else if !Permits(held, p, reveals(p)) {
			return false
		}
	}
	return true
}
