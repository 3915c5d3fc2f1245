package model

import (
	"crypto/sha256"
	"crypto/subtle"
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
}

// HashSecret gives the stored form of a client secret.
func HashSecret(secret Secret) []byte {
	sum := sha256.Sum256(secret)
	return sum[:]
}

// SecretMatches says in constant time whether secret is the agent's.
func (a *Agent) SecretMatches(secret Secret) bool {
	return subtle.ConstantTimeCompare(a.SecretHash, HashSecret(secret)) == 1
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
