package model

import "slices"

// Realm is a set of domains whose users may log on to an application.
type Realm struct {
	ID          string `db:"id"`
	Name        string `db:"name"`
	NameFolded  string `db:"name_folded"`
	Description string `db:"description"`
}

// Application is something that users log on to, through agents.
type Application struct {
	ID          string  `db:"id"`
	Name        string  `db:"name"`
	NameFolded  string  `db:"name_folded"`
	Description string  `db:"description"`
	RealmID     *string `db:"realm_id"` // nil for all domains
}

// BuiltinApplication is the name of the application in a new database.
const BuiltinApplication = "tokensmith"

// LogonProcedure is the way in which users log on to applications, as steps in their order.
type LogonProcedure struct {
	ID          string `db:"id"`
	Name        string `db:"name"`
	NameFolded  string `db:"name_folded"`
	Description string `db:"description"`
	Type        string `db:"type"` // kept, without effect
}

// LogonStep is a step of a procedure. Any one of its authenticators passes it.
type LogonStep struct {
	ID               string `db:"id"`
	LogonProcedureID string `db:"logon_procedure_id"`
	Position         int64  `db:"position"` // steps are taken in this order
	Name             string `db:"name"`
	Description      string `db:"description"`
	ChallengResponse bool   `db:"challeng_response"` // only a response to a challenge passes it
	CheckStaticPass  bool   `db:"check_static_pass"` // false: a static password does not pass it
}

// Authenticator is a kind of credential.
type Authenticator struct {
	ID   string `db:"id"` // the code
	Code string `db:"code"`
	Name string `db:"name"`
}

// The codes of authenticators, which are also the methods of a credential.
const (
	OTPCode      = "OTP"
	OnDemandCode = "OTPoD" // a passcode that was sent to the user
	StaticCode   = "SPASS" // a static password
)

// Authenticators returns all authenticators.
func Authenticators() []Authenticator {
	return []Authenticator{{OTPCode, OTPCode, "One-Time Password"}, {OnDemandCode, OnDemandCode, "On-Demand Password"}, {StaticCode, StaticCode, "Static Password"}}
}

// Step is a step of a logon, as it is carried out.
type Step struct {
	Name, Description string
	Codes             []string // of its authenticators
	Challenge         bool     // only a response to a challenge passes it
	StaticPassword    bool     // a static password passes it, if its code is among Codes
}

// NextStep returns the step that comes after the passed ones, and the codes of what may answer it; ok is false if all steps are
// passed, so that the user is logged on. An application without steps has one, which any authenticator passes. Nothing answers a step
// that needs a challenge, because this server makes none.
func NextStep(steps []Step, passed int) (step Step, codes []string, ok bool) {
	if len(steps) == 0 {
		steps = []Step{{Name: "step 1", Codes: []string{OTPCode, OnDemandCode, StaticCode}, StaticPassword: true}}
	}
	if passed < 0 || passed >= len(steps) {
		return Step{}, nil, false
	}
	step = steps[passed]
	codes = slices.DeleteFunc(slices.Clone(step.Codes), func(code string) bool {
		return step.Challenge || code == StaticCode && !step.StaticPassword
	})
	return step, codes, true
}
