package model

// Session is the session of an administrator in the console.
type Session struct {
	Hash            []byte `db:"hash"` // SHA-256 of the cookie's value
	UserID          string `db:"user_id"`
	PasswordChanged Time   `db:"password_changed"` // time of the last password change before the session began
	DateCreated     Time   `db:"date_created"`
	LastUsed        Time   `db:"last_used"`
}

// MaxSession is the longest time that a session lasts, even if it is used, in milliseconds.
const MaxSession = 12 * 3600_000

// Good returns whether the session is valid. It must not be idle for too long, too old, or older than the password, and its user
// must be an administrator who is not disabled. A lock prevents new sign-ins but ends no session. Otherwise anybody who sends
// wrong passwords could end an administrator's session.
func (s *Session) Good(u *User, now, idle Time) bool {
	return u.MayHaveSession() && u.LastChangePassword == s.PasswordChanged && now-s.LastUsed < idle && now-s.DateCreated < MaxSession
}

// Full returns whether the user is an administrator who may do everything and who can sign in unless locked.
func (u *User) Full() bool { return u.MayHaveSession() && u.Permissions.Has("*") && u.Password != nil }

// MayHaveSession returns whether the user is an administrator who is not disabled.
func (u *User) MayHaveSession() bool {
	return (u.Status == Active || u.Status == LockedBy) && u.Permissions != ""
}
