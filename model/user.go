package model

import (
	"cmp"
)

// User is an account in a domain. Tokens are assigned to users.
type User struct {
	ID                      string  `db:"id"`
	DomainID                string  `db:"domain_id"`
	UnitID                  *string `db:"unit_id"`
	LoginName               string  `db:"login_name"`
	LoginNameFolded         string  `db:"login_name_folded"`
	FirstName               string  `db:"first_name"`
	FirstNameFolded         string  `db:"first_name_folded"`
	LastName                string  `db:"last_name"`
	LastNameFolded          string  `db:"last_name_folded"`
	Password                []byte  `db:"password"` // sealed argon2id string; nil if there is none
	Email                   string  `db:"email"`
	EmailFolded             string  `db:"email_folded"`
	Mobile                  string  `db:"mobile"`
	Telephone               string  `db:"telephone"`
	Twitter                 string  `db:"twitter"`
	CanonicalName           string  `db:"canonical_name"`
	UserPrincipalName       string  `db:"user_principal_name"`
	UserPrincipalNameFolded string  `db:"user_principal_name_folded"`
	PersonalEmail           string  `db:"personal_email"`
	PersonalTelephone       string  `db:"personal_telephone"`
	PersonalTwitter         string  `db:"personal_twitter"`
	PersonalMobile          string  `db:"personal_mobile"`
	UserLocale              string  `db:"user_locale"`
	Status                  string  `db:"status"`
	Description             string  `db:"description"`
	MustChangePassword      bool    `db:"must_change_password"`
	PasswordNeverExpires    bool    `db:"password_never_expires"`
	LastChangePassword      Time    `db:"last_change_password"`
	Permissions             List    `db:"permissions"`
}

// Address returns the address for messages to the user on a channel; "" if there is none.
func (u *User) Address(channel string) string {
	if channel == SMS {
		return cmp.Or(u.Mobile, u.PersonalMobile)
	}
	return cmp.Or(u.Email, u.PersonalEmail)
}

// UserState is the part of a user that changes with every login. It has its own table because it changes often.
type UserState struct {
	UserID       string `db:"user_id"`
	FailCount    int64  `db:"fail_count"` // failed credentials since the last accepted one
	LastLogin    Time   `db:"last_login"`
	LockedUntil  Time   `db:"locked_until"`  // end of the lock of a locked user; 0 means until unlocked
	RefusedAt    []byte `db:"refused_at"`    // times of the refusals of the last minute, 8 bytes each
	Tries        int64  `db:"tries"`         // failed credentials since the last accepted one and the last lock; see OpensByCode
	CalmAt       Time   `db:"calm_at"`       // when the next lock will be as short as the first again
	GuessedUntil Time   `db:"guessed_until"` // when the budget for guesses will have recovered completely

	Passcode      []byte `db:"passcode"` // sealed one-time passcode, then the id of the token that it was sent for, if any; nil if there is none
	PasscodeUntil Time   `db:"passcode_until"`
	PasscodesAt   []byte `db:"passcodes_at"` // times of the passcodes sent within the last hour, 8 bytes each

	TempPasses int64 `db:"temp_passes"` // how many emergency codes the user has, spent ones included; kept by package store
	LockedAt   Time  `db:"locked_at"`   // when failures in a row locked the user until unlocked; 0 if they did not
}

// Login is what is needed of a user to check a credential: the user, the user's state, and the domain's lockout policy.
type Login struct {
	ID                 string `db:"id"`
	Status             string `db:"status"`
	Password           []byte `db:"password"` // sealed
	MustChangePassword bool   `db:"must_change_password"`
	LockoutThreshold   int64  `db:"lockout_threshold"`
	LockoutMinutes     int64  `db:"lockout_minutes"`
	MaxFailures        int64  `db:"max_failures"`
	EmergencyNeedsPIN  bool   `db:"emergency_code_needs_pin"`
	UserState
}
