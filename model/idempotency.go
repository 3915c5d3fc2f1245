package model

// StoredReply is a changing call that carried an idempotency key, with its answer, for a repeat of the same call.
type StoredReply struct {
	ID      string `db:"id"`      // SHA-256 of agent and key, in hex
	Request []byte `db:"request"` // SHA-256 of method and body
	Reply   []byte `db:"reply"`   // the envelope, sealed
	Expires Time   `db:"expires"`
}
