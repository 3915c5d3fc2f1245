package model

import (
	"cmp"
)

// User is an account of a domain, to which tokens are assigned.
type User struct {
	ID                      string `db:"id"`
	DomainID                string `db:"domain_id"`
	LoginName               string `db:"login_name"`
	LoginNameFolded         string `db:"login_name_folded"`
	FirstName               string `db:"first_name"`
	LastName                string `db:"last_name"`
	Password                []byte `db:"password"` // sealed argon2id string; nil = none
	Email                   string `db:"email"`
	EmailFolded             string `db:"email_folded"`
	Mobile                  string `db:"mobile"`
	Telephone               string `db:"telephone"`
	Twitter                 string `db:"twitter"`
	CanonicalName           string `db:"canonical_name"`
	UserPrincipalName       string `db:"user_principal_name"`
	UserPrincipalNameFolded string `db:"user_principal_name_folded"`
	PersonalEmail           string `db:"personal_email"`
	PersonalTelephone       string `db:"personal_telephone"`
	PersonalTwitter         string `db:"personal_twitter"`
	PersonalMobile          string `db:"personal_mobile"`
	UserLocale              string `db:"user_locale"`
	Status                  string `db:"status"`
	Description             string `db:"description"`
	MustChangePassword      bool   `db:"must_change_password"`
	PasswordNeverExpires    bool   `db:"password_never_expires"`
	LastChangePassword      Time   `db:"last_change_password"`
	Permissions             List   `db:"permissions"`
}

// Address is where messages of a channel reach the user; "" = nowhere.
func (u *User) Address(channel string) string {
	if channel == SMS {
		return cmp.Or(u.Mobile, u.PersonalMobile)
	}
	return cmp.Or(u.Email, u.PersonalEmail)
}

// UserState is what changes when a user logs in, kept apart because it changes often.
type UserState struct {
	UserID       string `db:"user_id"`
	FailCount    int64  `db:"fail_count"` // failed credentials since the last accepted one
	LastLogin    Time   `db:"last_login"`
	LockedUntil  Time   `db:"locked_until"`  // of a locked user; 0 = until unlocked
	RefusedAt    []byte `db:"refused_at"`    // times of the refusals of the last minute, 8 bytes each
	Tries        int64  `db:"tries"`         // failed credentials since the last accepted one and the last lock
	CalmAt       Time   `db:"calm_at"`       // when the next lock is no longer than the first again
	GuessedUntil Time   `db:"guessed_until"` // when all the chance that was guessed away has come back

	Passcode      []byte `db:"passcode"` // sealed one-time passcode that was sent, behind it the id of the token it was sent for, if any; nil = none
	PasscodeUntil Time   `db:"passcode_until"`
	PasscodesAt   []byte `db:"passcodes_at"` // times of the passcodes of the last hour, 8 bytes each
}

// Login is what deciding on a credential needs of a user: himself, his state, his domain's lockout policy.
type Login struct {
	ID                 string `db:"id"`
	Status             string `db:"status"`
	Password           []byte `db:"password"` // sealed
	MustChangePassword bool   `db:"must_change_password"`
	LockoutThreshold   int64  `db:"lockout_threshold"`
	LockoutMinutes     int64  `db:"lockout_minutes"`
	MaxFailures        int64  `db:"max_failures"`
	UserState
}
