package store

import (
	"slices"

	"tokensmith/model"
	"tokensmith/store/keyring"
)

// The relations between tables, by name, for packages that know neither tables nor columns. A Step named To... leads from any row
// that refers to such an object.
var (
	ToDomain = Step{From: "domain_id", Table: "domains", To: "id"}
	ToUser   = Step{From: "user_id", Table: "users", To: "id"}
	ToToken  = Step{From: "token_id", Table: "tokens", To: "id"}
	ToDevice = Step{From: "device_id", Table: "devices", To: "id"}

	UsersByEmail      = Step{Table: "users", To: Folded("email")}
	DomainUsers       = Step{From: "id", Table: "users", To: "domain_id"}
	RealmApplications = Step{From: "id", Table: "applications", To: "realm_id"}
	DomainRealms      = Step{From: "id", Table: "realm_domains", To: "domain_id"}
	ProcedureSteps    = Step{From: "id", Table: "logon_steps", To: "logon_procedure_id"}
	SourceDomains     = Step{From: "id", Table: "domains", To: "identity_source_id"}
	RepositoryDomains = Step{From: "id", Table: "domains", To: "repository_id"}
	DomainUnits       = Step{From: "id", Table: "units", To: "domain_id"}
	UnitsBelow        = Step{From: "id", Table: "units", To: "parent_id"}
	UnitUsers         = Step{From: "id", Table: "users", To: "unit_id"}
	DomainGroups      = Step{From: "id", Table: "user_groups", To: "domain_id"}
	DomainCodes       = Step{From: "id", Table: "installation_codes", To: "domain_id"}
	ProductTokens     = Step{From: "id", Table: "tokens", To: "product_id"}
	RepositoryTokens  = Step{From: "id", Table: "tokens", To: "repository_id"}
	RepositoriesBelow = Step{From: "id", Table: "repositories", To: "parent_id"}
	GroupsBelow       = Step{From: "id", Table: "device_groups", To: "parent_id"}
	UserCodes         = Step{From: "id", Table: "installation_codes", To: "user_id"}
	LicenseCodes      = Step{From: "id", Table: "installation_codes", To: "license_id"}
	UserAssignments   = Step{From: "id", Table: "token_assignments", To: "user_id"}
	TokenAssignments  = Step{From: "id", Table: "token_assignments", To: "token_id"}
	UserTempPasses    = Step{From: "id", Table: "temp_passes", To: "user_id"}
	UserDevices       = Step{From: "id", Table: "devices", To: "user_id"}
	LicenseDevices    = Step{From: "id", Table: "devices", To: "license_id"}
	CodeUses          = Step{From: "id", Table: "installation_uses", To: "code_id"}

	UserState   = []Step{{From: "id", Table: "user_states", To: "user_id"}}
	TokenState  = []Step{{From: "id", Table: "token_states", To: "token_id"}}
	ClientToken = []Step{{From: "token_id", Table: "client_tokens", To: "id"}} // from a device

	DeviceGroups = []Step{{From: "id", Table: "device_group_members", To: "device_id"}, {From: "group_id", Table: "device_groups", To: "id"}}
	GroupDevices = []Step{{From: "id", Table: "device_group_members", To: "group_id"}, ToDevice}
	UserGroups   = []Step{{From: "id", Table: "user_group_members", To: "user_id"}, {From: "group_id", Table: "user_groups", To: "id"}}
	GroupUsers   = []Step{{From: "id", Table: "user_group_members", To: "group_id"}, ToUser}
	GroupParents = []Step{{From: "id", Table: "user_group_parents", To: "group_id"}, {From: "parent_id", Table: "user_groups", To: "id"}}
	GroupMembers = []Step{{From: "id", Table: "user_group_parents", To: "parent_id"}, {From: "group_id", Table: "user_groups", To: "id"}}

	RealmDomains          = []Step{{From: "id", Table: "realm_domains", To: "realm_id"}, ToDomain}
	StepAuthenticators    = []Step{{From: "id", Table: "logon_step_authenticators", To: "step_id"}, {From: "authenticator_id", Table: "authenticators", To: "id"}}
	ApplicationProcedures = []Step{{From: "id", Table: "application_procedures", To: "application_id"}, {From: "procedure_id", Table: "logon_procedures", To: "id"}}
	ProcedureApplications = []Step{{From: "id", Table: "application_procedures", To: "procedure_id"}, {From: "application_id", Table: "applications", To: "id"}}
	ApplicationAgents     = []Step{{From: "id", Table: "agent_applications", To: "application_id"}, {From: "agent_id", Table: "agents", To: "id"}}
	AgentApplications     = []Step{{From: "id", Table: "agent_applications", To: "agent_id"}, {From: "application_id", Table: "applications", To: "id"}}

	ApplicationRadiusClients = Step{From: "id", Table: "radius_clients", To: "application_id"}
	RadiusClientState        = []Step{{From: "id", Table: "radius_client_states", To: "client_id"}}

	CodeGroups = []Step{{From: "id", Table: "installation_code_groups", To: "code_id"}, {From: "group_id", Table: "device_groups", To: "id"}}
)

// TableOf returns the name of the table for a type of the domain; row is a pointer to that type.
func TableOf(row any) string {
	t, _ := tableOf(row)
	return t.name
}

// Folded returns the column that holds a text column's text as folded by model.Fold, for comparison without case.
func Folded(column string) string { return column + "_folded" }

// Conditions that the server itself uses, and not a client.

// ByID matches the object with that id.
func ByID(id string) Cond { return Cond{Column: "id", Op: Eq, Value: id} }

// ByIDs matches the objects with these ids.
func ByIDs(ids []any) Cond { return Cond{Column: "id", Op: In, Value: ids} }

// Assigned matches tokens that are assigned to a user.
func Assigned(userID string) Cond {
	return Cond{Path: []Step{TokenAssignments}, Column: "user_id", Op: Eq, Value: userID}
}

// AdministratorCalled matches the administrators that a name may mean, as a person typed it.
func AdministratorCalled(name string) []Cond {
	given := model.Fold(name)
	return []Cond{{Column: loginNameFolded, Op: Calls, Value: Named("users", loginNameFolded, given, asKept(given))}, {Column: "permissions", Op: Ne, Value: ""}}
}

// ByName changes a condition that compares a login name, so that it matches the users that the name means (Calls). Other
// conditions stay as they are.
func (c Cond) ByName() Cond {
	if c.Column == loginNameFolded && c.Op == Eq {
		c.Op = Calls
	}
	return c
}

// MatchesNothing returns the condition changed so that it matches no row.
func (c Cond) MatchesNothing() Cond {
	c.Op, c.Value = In, []any{}
	return c
}

// NamesDomain returns whether a condition with a path names a domain: by its id, by one of its names, or by an empty list.
func (c *Cond) NamesDomain() bool {
	list, of := c.Value.([]any)
	one := c.Op == Eq || c.Op == In && of && len(list) == 0
	last := len(c.Path) - 1
	return one && last >= 0 && c.Path[last].Table == ToDomain.Table && slices.Contains(domainKeys, c.Column)
}

var domainKeys = []string{"id", Folded("name"), Folded("netbios_name"), Folded("dns_name")}

// loginNameFolded is a column that only the table users has.
var loginNameFolded = Folded("login_name")

// InRealm matches the domains of a realm.
func InRealm(realmID any) Cond {
	return Cond{Path: []Step{DomainRealms}, Column: "realm_id", Op: Eq, Value: realmID}
}

// HasApplication matches the agents that have an application.
func HasApplication(id string) Cond {
	return Cond{Path: AgentApplications[:1], Column: "application_id", Op: Eq, Value: id}
}

// OfProduct matches assignments of a product's tokens.
func OfProduct(id string) Cond {
	return Cond{Path: []Step{ToToken}, Column: "product_id", Op: Eq, Value: id, Test: AnyOf}
}

// UserRepository leads from a user to the repository of the user's domain.
var UserRepository = Column{Path: []Step{ToDomain}, Name: "repository_id"}

// StepColumns are the columns of a logon step: id, name, description, whether it is a challenge, whether it takes a static password.
var StepColumns = []Column{IDColumn, {Name: "name"}, {Name: "description"}, {Name: "challeng_response"}, {Name: "check_static_pass"}}

// IDColumn is the column with the id of a row.
var IDColumn = Column{Name: "id"}

// OwnerAssignments leads from a token to the assignments of its owners or, with false, to all other assignments.
func OwnerAssignments(owner bool) Step {
	s := TokenAssignments
	s.Only = &Cond{Column: "is_owner", Op: Eq, Value: owner}
	return s
}

// DomainScope returns the scope of a caller that is limited to domains, given by id. It shows the users of these domains, their
// assignments and devices, the tokens that are unassigned or assigned only there, and what all domains share.
func DomainScope(domains []any) Scope {
	within := func(path ...Step) []Cond {
		return []Cond{{Path: path, Column: "domain_id", Op: In, Value: domains, Test: AnyOf}}
	}
	return Scope{
		"domains":                   {{Column: "id", Op: In, Value: domains}},
		"users":                     {{Column: "domain_id", Op: In, Value: domains}},
		"units":                     {{Column: "domain_id", Op: In, Value: domains}},
		"user_groups":               {{Column: "domain_id", Op: In, Value: domains}},
		"user_group_members":        within(ToUser),
		"user_group_parents":        nil, // its groups are of one domain
		"temp_passes":               within(ToUser),
		"token_assignments":         within(ToUser),
		"tokens":                    {{Path: []Step{TokenAssignments, ToUser}, Column: "domain_id", Op: NotIn, Value: domains, Test: NoneOf}},
		"devices":                   within(ToUser),
		"device_group_members":      within(ToDevice, ToUser),
		"device_groups":             nil,
		"identity_sources":          nil,
		"realm_domains":             {{Column: "domain_id", Op: In, Value: domains}},
		"realms":                    nil,
		"applications":              nil,
		"application_procedures":    nil,
		"logon_steps":               nil,
		"logon_step_authenticators": nil,
		"licenses":                  nil,
		"client_tokens":             nil,
		"products":                  nil,
		"repositories":              nil,
		"token_states":              nil,
		"user_states":               nil,
	}
}

// The Places of sealed values, by the id of their row.

// SeedPlace is the Place of a token's seed.
func SeedPlace(tokenID string) keyring.Place {
	return keyring.Place{Table: "tokens", Column: "seed", Row: tokenID}
}

// PasswordPlace is the Place of a user's password.
func PasswordPlace(userID string) keyring.Place {
	return keyring.Place{Table: "users", Column: "password", Row: userID}
}

// PINPlace is the Place of an assignment's PIN.
func PINPlace(assignmentID string) keyring.Place {
	return keyring.Place{Table: "token_assignments", Column: "pin", Row: assignmentID}
}

// ActivationPlace is the Place of an assignment's activation code.
func ActivationPlace(assignmentID string) keyring.Place {
	return keyring.Place{Table: "token_assignments", Column: "activation", Row: assignmentID}
}

// PasscodePlace is the Place of a user's one-time passcode.
func PasscodePlace(userID string) keyring.Place {
	return keyring.Place{Table: "user_states", Column: "passcode", Row: userID}
}

// TempPassPlace is the Place of an emergency code.
func TempPassPlace(id string) keyring.Place {
	return keyring.Place{Table: "temp_passes", Column: "password", Row: id}
}

// MessagePlace is the Place of the text of a queued message.
func MessagePlace(deliveryID string) keyring.Place {
	return keyring.Place{Table: "deliveries", Column: "body", Row: deliveryID}
}

// ClientTokenPlace is the Place of a device's client token.
func ClientTokenPlace(id string) keyring.Place {
	return keyring.Place{Table: "client_tokens", Column: "sealed", Row: id}
}

// CodePlace is the Place of an installation code.
func CodePlace(id string) keyring.Place {
	return keyring.Place{Table: "installation_codes", Column: "code", Row: id}
}

// AnswerPlace is the Place of a stored reply to a call with an idempotency key.
func AnswerPlace(id string) keyring.Place {
	return keyring.Place{Table: "idempotency_keys", Column: "reply", Row: id}
}

// RadiusSecretPlace is the Place of the secret of a client of RADIUS.
func RadiusSecretPlace(clientID string) keyring.Place {
	return keyring.Place{Table: "radius_clients", Column: "secret", Row: clientID}
}

// RadiusOldSecretPlace is the Place of the secret that a client of RADIUS had before.
func RadiusOldSecretPlace(clientID string) keyring.Place {
	return keyring.Place{Table: "radius_clients", Column: "old_secret", Row: clientID}
}

// RadiusNotePlace is the Place of what RADIUS keeps for a short while.
func RadiusNotePlace(id string) keyring.Place {
	return keyring.Place{Table: "radius_notes", Column: "content", Row: id}
}

func (tx *sqlTx) Relate(first, second Step, id string, others []string) error {
	if slices.Contains(callTables, first.Table) {
		tx.changesCallers()
	}
	if _, err := tx.exec("DELETE FROM "+first.Table+" WHERE "+first.To+" = ?", id); err != nil {
		return err
	}
	for _, other := range others {
		if _, err := tx.exec("INSERT INTO "+first.Table+" ("+first.To+", "+second.From+") VALUES (?, ?)", id, other); err != nil {
			return err
		}
	}
	return nil
}
