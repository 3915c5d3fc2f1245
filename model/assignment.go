package model

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
)

// Assignment assigns a token to a user. The PIN, lock, expiry and activation belong to the assignment, because a token may be
// assigned to several users.
type Assignment struct {
	ID              string `db:"id"`
	TokenID         string `db:"token_id"`
	UserID          string `db:"user_id"`
	IsOwner         bool   `db:"is_owner"`
	UsageLimit      int64  `db:"usage_limit"` // 0 means no limit
	UsageCount      int64  `db:"usage_count"`
	Status          string `db:"status"`
	Starts          Time   `db:"starts"`
	Expires         Time   `db:"expires"`
	Priority        int64  `db:"priority"`
	PIN             []byte `db:"pin"` // sealed HashPIN; nil if there is none
	LastChangePIN   Time   `db:"last_change_pin"`
	MustChangePIN   bool   `db:"must_change_pin"`
	PINNeverExpires bool   `db:"pin_never_expires"`
	DateCreated     Time   `db:"date_created"`
	LastUpdated     Time   `db:"last_updated"`

	Activation      []byte `db:"activation"`       // sealed SHA-1 of the activation code; nil if there is none
	ActivationUntil Time   `db:"activation_until"` // 0 means no end
	ActivationTries int64  `db:"activation_tries"` // wrong codes so far
}

// MaxActivationTries is how many wrong activation codes end the right one.
const MaxActivationTries = 5

// Activate makes the assignment active if sum, the SHA-1 of a code, equals want. It counts wrong codes; after MaxActivationTries
// the right code is no longer valid.
func (a *Assignment) Activate(want, sum []byte, now Time) bool {
	if a.Status != Inactive || a.Activation == nil || a.ActivationUntil != 0 && now >= a.ActivationUntil {
		return false
	}
	if subtle.ConstantTimeCompare(want, sum) != 1 {
		if a.ActivationTries++; a.ActivationTries >= MaxActivationTries {
			a.Activation = nil
		}
		return false
	}
	a.Status, a.LastUpdated = Active, now
	a.Activation, a.ActivationUntil, a.ActivationTries = nil, 0, 0
	return true
}

// MaxUserTokens is the largest number of tokens of one user. A login may try the credential with all of them, while other logins
// wait.
const MaxUserTokens = 500

// MinPIN and MaxPIN are the shortest and the longest PIN, in characters.
const (
	MinPIN = 4
	MaxPIN = 32
)

// CheckPIN returns an error, naming place, unless a PIN has 4 to 32 printable ASCII characters and no space or comma.
func CheckPIN(place string, pin Secret) error {
	ok := len(pin) >= MinPIN && len(pin) <= MaxPIN
	for _, c := range pin {
		ok = ok && c > ' ' && c < 0x7f && c != ','
	}
	if !ok {
		return AttrErrorf(Invalid, place, "must be 4 to 32 printable ASCII characters without space and comma")
	}
	return nil
}

const pinSalt = 16 // bytes

// HashPIN returns a salt and the SHA-256 of salt and PIN, which the caller must seal. A PIN is too short for any hash to protect
// it. The seal protects it, because its key is outside the database.
func HashPIN(pin Secret) []byte {
	salt := make([]byte, pinSalt, pinSalt+sha256.Size)
	rand.Read(salt)
	return append(salt, pinSum(salt, pin)...)
}

// PINMatches returns, in constant time, whether hash was made from pin.
func PINMatches(hash []byte, pin Secret) bool {
	return len(hash) == pinSalt+sha256.Size &&
		subtle.ConstantTimeCompare(hash[pinSalt:], pinSum(hash[:pinSalt], pin)) == 1
}

func pinSum(salt []byte, pin Secret) []byte {
	h := sha256.New()
	h.Write(salt)
	h.Write(pin)
	return h.Sum(nil)
}
