package model

// Audit is one row of the record: who did what to which object, and how it ended. It never holds a secret, a PIN,
// an OTP, nor a login name that fits no user.
type Audit struct {
	ID      string `db:"id"`
	Time    Time   `db:"time"`
	Agent   string `db:"agent"` // the name of the caller
	Method  string `db:"method"`
	Object  string `db:"object"`  // what it was done to: "token 0198c1f2..."
	Outcome int64  `db:"outcome"` // the error code of the reply; 0 = done
	Remote  string `db:"remote"`  // the caller's address
}
