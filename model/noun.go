package model

import (
	"fmt"
)

// Noun is a kind of thing that may not be found, with the code that says so. There are the nouns of this file and no
// others: outside this package only the zero Noun can be made.
type Noun struct {
	name    string
	meaning string // what its code means
	code    int    // 0 = no client can name such a thing
}

// The nouns of what a client can name.
var (
	UserNoun             = noun(101, "user")
	TokenNoun            = noun(102, "token")
	AssignmentNoun       = noun(103, "token assignment")
	ProductNoun          = noun(104, "product")
	RepositoryNoun       = noun(105, "repository")
	DeviceGroupNoun      = noun(106, "device group")
	DeviceNoun           = noun(107, "device")
	LicenseNoun          = noun(108, "license")
	AgentNoun            = noun(109, "agent")
	InstallationCodeNoun = noun(110, "installation code")
	TemplateNoun         = noun(111, "template")
	DeliveryNoun         = noun(112, "delivery")
	AuditNoun            = noun(113, "audit row")
	DomainNoun           = noun(242, "domain")
	// A client token is named by the device that calls with it, and through its device by a manager. Whoever misses it learns
	// what the device learns, that it is none: he can tell by that which device is broken, and by "internal error" he could not.
	ClientTokenNoun = noun(511, "client token")
)

// The nouns of rows that no client can name: they are found by way of what he names, or by a secret, and what is missed is
// then told in other words. A not-found of one that reaches a client all the same is a fault of ours, and he is told that
// much; what was missed stands in the log.
var (
	LinkNoun              = inner("link")
	DeviceGroupMemberNoun = inner("device group member")
	InstallationUseNoun   = inner("installation use")
	SignInsNoun           = inner("count of sign-ins")
	SessionNoun           = inner("session")
	AnsweredNoun          = inner("idempotency key")
	AuditMarkNoun         = inner("mark")
	SeedMarkNoun          = inner("mark of a seed")
)

var nouns []Noun

// noun makes a noun that a client can name, in the variables above alone: what is wrong with one stops the program at its
// start. full is its name where it stands without anything else.
func noun(code int, name string, full ...string) Noun {
	if code <= 0 {
		panic(fmt.Sprintf("model: the noun %q has no code", name))
	}
	n := Noun{name, name + " not found", code}
	if len(full) > 0 {
		n.meaning = full[0] + " not found"
	}
	return n.kept()
}

func inner(name string) Noun { return Noun{name: name}.kept() }

// kept adds a noun to the list of them.
func (n Noun) kept() Noun {
	if n.name == "" {
		panic("model: a noun has no name")
	}
	for _, o := range nouns {
		if o.name == n.name || o.code == n.code && n.code != 0 {
			panic(fmt.Sprintf("model: the nouns %q and %q have one name or one code", o.name, n.name))
		}
	}
	nouns = append(nouns, n)
	return n
}

// Nouns lists all nouns.
func Nouns() []Noun { return append([]Noun(nil), nouns...) }

// String returns the noun's name: "token assignment".
func (n Noun) String() string {
	if n.name == "" {
		return "object"
	}
	return n.name
}

// Code returns the code that says that no such thing was found; 0 when no client can name one, as of the zero Noun.
func (n Noun) Code() int { return n.code }

// Meaning says what the code means; "" where there is none.
func (n Noun) Meaning() string { return n.meaning }
