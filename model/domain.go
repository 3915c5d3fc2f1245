package model

// Domain is a name space of users with its lockout policy.
type Domain struct {
	ID                string `db:"id"`
	Name              string `db:"name"`
	NameFolded        string `db:"name_folded"`
	NetbiosName       string `db:"netbios_name"` // as in NETBIOS\user; "" = none
	NetbiosNameFolded string `db:"netbios_name_folded"`
	DNSName           string `db:"dns_name"`
	DNSNameFolded     string `db:"dns_name_folded"`
	IsDefault         bool   `db:"is_default"` // its user is meant where several have a login name
	Description       string `db:"description"`
	LockoutThreshold  int64  `db:"lockout_threshold"` // failed credentials that lock a user; 0 = never
	LockoutMinutes    int64  `db:"lockout_minutes"`   // how long at first; 0 = until unlocked
	MaxFailures       int64  `db:"max_failures"`      // failed credentials in a row that lock a user until unlocked; 0 = never
	PasscodeChannels  List   `db:"passcode_channels"` // by which passcodes may be sent, SMTP and SMS; the first that works is taken
}

// SameRules says whether two domains treat their users alike: they differ in name and description, if at all.
func (d *Domain) SameRules(e *Domain) bool {
	same := *d
	same.Name, same.NameFolded, same.Description = e.Name, e.NameFolded, e.Description
	return same == *e
}
