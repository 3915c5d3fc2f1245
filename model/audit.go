package model

// Audit is one row of the record: who did what to which object, and how it ended. It never holds a secret, a PIN,
// an OTP, nor a login name that fits no user.
//
// Rows form chains, one a writer: the hash of a row is over its fields and the hash of the row before it. The store
// fills ID, Writer, Sequence and MAC.
type Audit struct {
	ID       string `db:"id"` // the writer, and the sequence in hex
	Writer   string `db:"writer"`
	Sequence int64  `db:"sequence"` // from 1, without a gap
	Time     Time   `db:"time"`
	Agent    string `db:"agent"` // the name of the caller
	Method   string `db:"method"`
	Object   string `db:"object"`  // what it was done to: "token 0198c1f2..."
	Outcome  int64  `db:"outcome"` // the error code of the reply; 0 = done
	Remote   string `db:"remote"`  // the caller's address
	MAC      []byte `db:"mac"`
}
