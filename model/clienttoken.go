package model

import (
	"crypto/sha256"
	"hash/crc32"
	"io"
	"strings"
)

// A client token is "tsc_", 10 characters of public id, 30 of secret and 6 of checksum: CRC-32 (IEEE) over all before
// it. The last three are base62 with the digits 0-9A-Za-z. A secret scanner finds one by ClientTokenPattern.
const (
	ClientTokenPattern = `tsc_[0-9A-Za-z]{46}`

	tokenPrefix   = "tsc_"
	tokenIDEnd    = len(tokenPrefix) + 10
	tokenSecret   = tokenIDEnd + 30 // where the secret ends and the checksum begins
	tokenLength   = tokenSecret + 6
	tokenHintFrom = tokenLength - 4
)

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// States of a client token.
const (
	Issued  = "ISSUED"  // not used yet
	Revoked = "REVOKED" // ended; Reason tells why. Between them it is Active
)

// Reasons for which a client token ended.
const (
	Superseded  = "superseded" // a newer one took its place
	RevokedByUs = "revoked"    // an administrator ended it
)

// ClientToken is what a device proves itself by. One that ended stays known, so that its device can be told why it is
// logged out.
type ClientToken struct {
	ID          string `db:"id"` // its public part
	DeviceID    string `db:"device_id"`
	Hash        []byte `db:"hash"`   // SHA-256 of its secret part
	Sealed      []byte `db:"sealed"` // the whole of it, to be shown again; nil once it ended
	Hint        string `db:"hint"`   // its last four characters
	State       string `db:"state"`
	Reason      string `db:"reason"` // why it ended
	DateCreated Time   `db:"date_created"`
	FirstUsed   Time   `db:"first_used"`
	LastUsed    Time   `db:"last_used"`
}

// NewClientToken makes a client token of a source of random bytes: the text that its device keeps, and the row, to which
// the device, the sealed copy and the time are still missing.
func NewClientToken(random io.Reader) (Secret, ClientToken, error) {
	text := append(make([]byte, 0, tokenLength), tokenPrefix...)
	var b [64]byte
	for len(text) < tokenSecret {
		if _, err := io.ReadFull(random, b[:]); err != nil {
			return nil, ClientToken{}, err
		}
		for _, x := range b {
			// 248 is a multiple of 62: every character is as likely.
			if x < 248 && len(text) < tokenSecret {
				text = append(text, base62[x%62])
			}
		}
	}
	text = append(text, checksum(text)...)
	return text, ClientToken{ID: string(text[len(tokenPrefix):tokenIDEnd]), Hash: HashSecret(text[tokenIDEnd:tokenSecret]),
		Hint: string(text[tokenHintFrom:]), State: Issued}, nil
}

// ParseClientToken takes a client token apart: its public id and the hash of its secret. A malformed one, a mistyped one
// above all, is told by its checksum. It is read as Pasted has it: out of a file with its line end.
func ParseClientToken(text string) (id string, hash []byte, ok bool) {
	text = Pasted(text)
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

// End ends the token; one that ended before keeps its reason.
func (t *ClientToken) End(reason string) {
	if t.State != Revoked {
		t.State, t.Reason, t.Sealed = Revoked, reason, nil
	}
}

// Presented is a client token that its device presents, with what decides on it.
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

// Due says whether the token's use is to be written: the first one, and then one a minute.
func (p *Presented) Due(now Time) bool { return p.State == Issued || now-p.LastUsed >= SeenEvery }

// Reason is the detail of a client token's refusal.
type Reason struct {
	Reason string `json:"reason"`
}

// ErrClientToken refuses a client token that is unknown, or of a device that was deleted; ErrMalformedToken, in the same
// words, one that no look-up was needed for.
var (
	ErrClientToken    = Errorf(TokenInvalid, "the client token is not valid")
	ErrMalformedToken = Errorf(TokenInvalid, "the client token is not valid")
)

// Ended says why an ended token is one.
func Ended(reason string) *Error {
	e := Errorf(TokenEnded, "the client token has ended (%s): the device is logged out", reason)
	e.Detail = Reason{reason}
	return e
}

// Refusal says why a presented token, whose secret is right, is not accepted; nil when it is.
func (p *Presented) Refusal() error {
	switch {
	case p.State == Revoked:
		return Ended(p.Reason)
	case p.DeviceStatus != Active:
		return Errorf(DeviceInactive, "the device is inactive")
	}
	return nil
}
