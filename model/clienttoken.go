package model

import (
	"crypto/sha256"
	"hash/crc32"
	"io"
	"strings"
)

// A client token consists of "tsc_", a public id of 10 characters, a secret of 30 and a checksum of 6: the CRC-32 (IEEE) of all
// before it. The last three parts are base62 with the digits 0-9A-Za-z. Secret scanners can find client tokens with
// ClientTokenPattern.
const (
	ClientTokenPattern = `tsc_[0-9A-Za-z]{46}`

	tokenPrefix   = "tsc_"
	tokenIDEnd    = len(tokenPrefix) + 10
	tokenSecret   = tokenIDEnd + 30 // where the secret ends and the checksum begins
	tokenLength   = tokenSecret + 6
	tokenHintFrom = tokenLength - 4
)

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// States of a client token. A token that was used and has not ended has the state Active.
const (
	Issued  = "ISSUED"  // not used yet
	Revoked = "REVOKED" // ended; Reason says why
)

// Reasons why a client token ended.
const (
	Superseded  = "superseded" // replaced by a newer one
	RevokedByUs = "revoked"    // an administrator ended it
)

// ClientToken is what a device authenticates with. A token that has ended is kept, so that its device can be told why it is
// logged out.
type ClientToken struct {
	ID          string `db:"id"` // the public id
	DeviceID    string `db:"device_id"`
	Hash        []byte `db:"hash"`   // SHA-256 of the secret part
	Sealed      []byte `db:"sealed"` // the whole token, sealed, so that it can be shown again; nil after it has ended
	Hint        string `db:"hint"`   // its last four characters
	State       string `db:"state"`
	Reason      string `db:"reason"` // why it ended
	DateCreated Time   `db:"date_created"`
	FirstUsed   Time   `db:"first_used"`
	LastUsed    Time   `db:"last_used"`
}

// NewClientToken makes a client token from a source of random bytes. It returns the text for the device, and the row. The caller
// must still set the device, the sealed copy and the time in the row.
func NewClientToken(random io.Reader) (Secret, ClientToken, error) {
	text := append(make([]byte, 0, tokenLength), tokenPrefix...)
	var b [64]byte
	for len(text) < tokenSecret {
		if _, err := io.ReadFull(random, b[:]); err != nil {
			return nil, ClientToken{}, err
		}
		for _, x := range b {
			// 248 is a multiple of 62, so every character has the same probability.
			if x < 248 && len(text) < tokenSecret {
				text = append(text, base62[x%62])
			}
		}
	}
	text = append(text, checksum(text)...)
	return text, ClientToken{ID: string(text[len(tokenPrefix):tokenIDEnd]), Hash: HashSecret(text[tokenIDEnd:tokenSecret]),
		Hint: string(text[tokenHintFrom:]), State: Issued}, nil
}

// ParseClientToken returns the public id of a client token and the hash of its secret. ok is false if the token is malformed; the
// checksum finds nearly all typing errors. White space, such as a line end from a file, is ignored (CleanPasted).
func ParseClientToken(text string) (id string, hash []byte, ok bool) {
	text = CleanPasted(text)
	if len(text) != tokenLength || !strings.HasPrefix(text, tokenPrefix) || text[tokenSecret:] != string(checksum([]byte(text[:tokenSecret]))) {
		return "", nil, false
	}
	for _, c := range []byte(text[len(tokenPrefix):]) {
		if strings.IndexByte(base62, c) < 0 {
			return "", nil, false
		}
	}
	sum := sha256.Sum256([]byte(text[tokenIDEnd:tokenSecret]))
	return text[len(tokenPrefix):tokenIDEnd], sum[:], true
}

// checksum returns the CRC-32 of a token's beginning in base62, padded to six digits.
func checksum(b []byte) []byte {
	n := crc32.ChecksumIEEE(b)
	var out [tokenLength - tokenSecret]byte
	for i := len(out) - 1; i >= 0; i-- {
		out[i] = base62[n%62]
		n /= 62
	}
	return out[:]
}

// End ends the token. A token that has ended already keeps its reason.
func (t *ClientToken) End(reason string) {
	if t.State != Revoked {
		t.State, t.Reason, t.Sealed = Revoked, reason, nil
	}
}

// Presented is a client token that a device sent, with what is needed to decide on it.
type Presented struct {
	ID           string `db:"id"`
	Hash         []byte `db:"hash"`
	State        string `db:"state"`
	Reason       string `db:"reason"`
	LastUsed     Time   `db:"last_used"`
	DeviceID     string `db:"device_id"`
	Device       string `db:"name"`
	DeviceStatus string `db:"status"`
}

// Due returns whether the token's use should be saved: the first use, and then once a minute.
func (p *Presented) Due(now Time) bool { return p.State == Issued || now-p.LastUsed >= SeenEvery }

// Reason is the detail of the error for a client token that was refused.
type Reason struct {
	Reason string `json:"reason"`
}

// ErrClientToken is the error for a client token that is unknown, or whose device was deleted. ErrMalformedToken has the same
// text and is for a token that is refused without a look-up.
var (
	ErrClientToken    = Errorf(TokenInvalid, "the client token is not valid")
	ErrMalformedToken = Errorf(TokenInvalid, "the client token is not valid")
)

// TokenEndedError returns the error for a token that has ended.
func TokenEndedError(reason string) *Error {
	e := Errorf(TokenEnded, "the client token has ended (%s): the device is logged out", reason)
	e.Detail = Reason{reason}
	return e
}

// Refusal returns why a token with the right secret is not accepted; nil if it is accepted.
func (p *Presented) Refusal() error {
	switch {
	case p.State == Revoked:
		return TokenEndedError(p.Reason)
	case p.DeviceStatus != Active:
		return Errorf(DeviceInactive, "the device is inactive")
	}
	return nil
}
