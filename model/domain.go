package model

// Domain is a name space for users, with a lockout policy.
type Domain struct {
	ID                string  `db:"id"`
	Name              string  `db:"name"`
	NameFolded        string  `db:"name_folded"`
	NetbiosName       string  `db:"netbios_name"` // as in NETBIOS\user; "" if there is none
	NetbiosNameFolded string  `db:"netbios_name_folded"`
	DNSName           string  `db:"dns_name"`
	DNSNameFolded     string  `db:"dns_name_folded"`
	IsDefault         bool    `db:"is_default"` // if users of several domains have a login name, the one in this domain is meant
	IdentitySourceID  *string `db:"identity_source_id"`
	RepositoryID      *string `db:"repository_id"` // for the tokens of its users; nil for the default one
	Description       string  `db:"description"`
	LockoutThreshold  int64   `db:"lockout_threshold"` // failed credentials until a user is locked; 0 means never
	LockoutMinutes    int64   `db:"lockout_minutes"`   // length of the first lock; 0 means until unlocked
	MaxFailures       int64   `db:"max_failures"`      // failed credentials in a row until a user is locked until unlocked; 0 means never
	PasscodeChannels  List    `db:"passcode_channels"` // channels for passcodes, SMTP and SMS; the first usable one is used

	// What the domain allows its users' emergency codes. In the last three, 0 means no limit.
	EmergencyCodeNeedsPIN  bool  `db:"emergency_code_needs_pin"` // who has a PIN must enter it before the code
	EmergencyCodeLength    int64 `db:"emergency_code_length"`    // of codes that the server makes, in digits
	EmergencyCodeHours     int64 `db:"emergency_code_hours"`     // how long one is good if nobody says otherwise
	EmergencyCodeHoursMost int64 `db:"emergency_code_hours_most"`
	EmergencyCodesMost     int64 `db:"emergency_codes_most"` // open codes of one user
}

// SameRules returns whether two domains treat their users alike. They may differ in name, description, identity source, and in
// where their tokens are kept.
func (d *Domain) SameRules(e *Domain) bool {
	same := *d
	same.IdentitySourceID, same.RepositoryID = e.IdentitySourceID, e.RepositoryID
	same.Name, same.NameFolded, same.Description = e.Name, e.NameFolded, e.Description
	return same == *e
}
