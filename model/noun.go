package model

import (
	"fmt"
)

// Noun is a kind of object that may not be found, with the error code that says so. All nouns are in this file. Other packages
// can make only the zero Noun.
type Noun struct {
	name    string
	meaning string // the meaning of the code
	code    int    // 0 if no client can name such an object
}

// Nouns of objects that a client can name.
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
	GroupNoun            = noun(114, "group")
	UnitNoun             = noun(115, "unit")
	IdentitySourceNoun   = noun(116, "identity source")
	ApplicationNoun      = noun(117, "application")
	LogonStepNoun        = noun(118, "logon step")
	TempPassNoun         = noun(119, "emergency code")
	RealmNoun            = noun(120, "realm")
	LogonProcedureNoun   = noun(121, "logon procedure")
	AttributeNoun        = noun(122, "attribute")
	RadiusClientNoun     = noun(123, "RADIUS client")
	DomainNoun           = noun(242, "domain")
	// A client token is named by the device that calls with it and, through the device, by an administrator. If it is missing,
	// the administrator gets the same error as the device. This tells the administrator which device is broken, which "internal
	// error" would not.
	ClientTokenNoun = noun(511, "client token")
)

// Nouns of rows that no client can name. They are found through other objects or by a secret, and if one is missing, the client
// gets another error. If a not-found error with such a noun reaches a client anyway, it is an error in the server, and the client
// gets an internal error. The log then says what was missing.
var (
	LinkNoun              = inner("link")
	DeviceGroupMemberNoun = inner("device group member")
	GroupMemberNoun       = inner("group member")
	AuthenticatorNoun     = inner("authenticator")
	InstallationUseNoun   = inner("installation use")
	SignInsNoun           = inner("count of sign-ins")
	SessionNoun           = inner("session")
	AnsweredNoun          = inner("idempotency key")
	AuditMarkNoun         = inner("mark")
	SeedMarkNoun          = inner("mark of a seed")
	RadiusNoteNoun        = inner("note of RADIUS")
)

var nouns []Noun

// noun makes a noun that a client can name. It is called only for the variables above, so that an error in it stops the program
// at start. full is the name for places without context, if it differs.
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

// kept adds a noun to the list of nouns.
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

// Nouns returns all nouns.
func Nouns() []Noun { return append([]Noun(nil), nouns...) }

// String returns the name of the noun, such as "token assignment".
func (n Noun) String() string {
	if n.name == "" {
		return "object"
	}
	return n.name
}

// Code returns the error code that says that no such object was found; 0 if no client can name one.
func (n Noun) Code() int { return n.code }

// Meaning returns the meaning of the code; "" if there is no code.
func (n Noun) Meaning() string { return n.meaning }
