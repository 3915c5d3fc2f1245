package model

// Session is an administrator signed in to the console.
type Session struct {
	Hash            []byte `db:"hash"` // SHA-256 of what the browser keeps
	UserID          string `db:"user_id"`
	PasswordChanged Time   `db:"password_changed"` // when the password was last changed before it began
	DateCreated     Time   `db:"date_created"`
	LastUsed        Time   `db:"last_used"`
}

// MaxSession is how long a session lasts, however much it is used, in milliseconds.
const MaxSession = 12 * 3600_000

// Good says whether the session still stands for its user: neither idle for too long, nor too old, nor begun before the
// password was changed, and of an administrator who is not disabled. A lock bars new sign-ins and ends no session: else
// anybody who sends wrong passwords could end an administrator's.
func (s *Session) Good(u *User, now, idle Time) bool {
	return u.MayHaveSession() && u.LastChangePassword == s.PasswordChanged && now-s.LastUsed < idle && now-s.DateCreated < MaxSession
}

// Full says whether the user is an administrator who may do everything and, unless somebody locked him, sign in.
func (u *User) Full() bool { return u.MayHaveSession() && u.Permissions.Has("*") && u.Password != nil }

// MayHaveSession says whether the user is an administrator who is not disabled.
func (u *User) MayHaveSession() bool {
	return (u.Status == Active || u.Status == LockedBy) && u.Permissions != ""
}
