package model

// User is an account of a domain, to which tokens are assigned.
type User struct {
	ID                   string `db:"id"`
	DomainID             string `db:"domain_id"`
	LoginName            string `db:"login_name"`
	LoginNameFolded      string `db:"login_name_folded"`
	FirstName            string `db:"first_name"`
	LastName             string `db:"last_name"`
	Password             []byte `db:"password"` // sealed argon2id string; nil = none
	Email                string `db:"email"`
	EmailFolded          string `db:"email_folded"`
	Mobile               string `db:"mobile"`
	Telephone            string `db:"telephone"`
	Twitter              string `db:"twitter"`
	CanonicalName        string `db:"canonical_name"`
	UserPrincipalName    string `db:"user_principal_name"`
	PersonalEmail        string `db:"personal_email"`
	PersonalTelephone    string `db:"personal_telephone"`
	PersonalTwitter      string `db:"personal_twitter"`
	PersonalMobile       string `db:"personal_mobile"`
	UserLocale           string `db:"user_locale"`
	Status               string `db:"status"`
	Description          string `db:"description"`
	MustChangePassword   bool   `db:"must_change_password"`
	PasswordNeverExpires bool   `db:"password_never_expires"`
	LastChangePassword   Time   `db:"last_change_password"`
	Permissions          List   `db:"permissions"`
}

// UserState is what changes when a user logs in, kept apart because it changes often.
type UserState struct {
	UserID    string `db:"user_id"`
	FailCount int64  `db:"fail_count"`
	LastLogin Time   `db:"last_login"`
}
