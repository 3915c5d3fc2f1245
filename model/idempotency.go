package model

// StoredReply is the reply to a changing call with an idempotency key, for a repeat of that call.
type StoredReply struct {
	ID      string `db:"id"`      // SHA-256 of agent and idempotency key, in hex
	Request []byte `db:"request"` // SHA-256 of method, body and the caller's rights
	Reply   []byte `db:"reply"`   // the envelope, sealed
	Expires Time   `db:"expires"`
}
