package model

// Audit is one row of the audit log: who did what to which object, and with which result. It never contains a secret, a PIN, an
// OTP, or a login name that belongs to no user.
//
// Rows form hash chains, one for each writer: the MAC of a row covers its fields and the MAC of the row before it. The store sets
// ID, Writer, Sequence and MAC.
type Audit struct {
	ID       string `db:"id"` // the writer, and the sequence in hex
	Writer   string `db:"writer"`
	Sequence int64  `db:"sequence"` // starting at 1, without gaps
	Time     Time   `db:"time"`
	Agent    string `db:"agent"` // the name of the caller
	Method   string `db:"method"`
	Object   string `db:"object"`  // the object of the action, such as "token 0198c1f2..."
	Outcome  int64  `db:"outcome"` // the error code of the reply; 0 means success
	Remote   string `db:"remote"`  // the caller's address
	Changed  string `db:"changed"` // what a change gave, such as "status=DISABLED, description": a value only of what is one of a few
	MAC      []byte `db:"mac"`
}
