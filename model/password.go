package model

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"

	"golang.org/x/crypto/argon2"
)

// Cost of argon2id (RFC 9106): passes, KiB of memory, lanes.
const (
	argonTime   = 2
	argonMemory = 19 << 10
	argonLanes  = 1
	argonSalt   = 16
	argonKey    = 32
)

// HashPassword gives the argon2id hash of a password in its usual text form. It takes some 20 ms and 19 MiB: callers
// bound how many run at once.
func HashPassword(password Secret) string {
	salt := make([]byte, argonSalt)
	rand.Read(salt)
	key := argon2.IDKey(password, salt, argonTime, argonMemory, argonLanes, argonKey)
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonLanes,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key))
}

// PasswordMatches says in constant time whether password is the one hash was made of. An unreadable hash matches none.
func PasswordMatches(hash string, password Secret) bool {
	var version, memory, time, lanes int
	var rest string
	if _, err := fmt.Sscanf(hash, "$argon2id$v=%d$m=%d,t=%d,p=%d$%s", &version, &memory, &time, &lanes, &rest); err != nil ||
		version != argon2.Version || memory < 8 || memory > 1<<20 || time < 1 || time > 100 || lanes < 1 || lanes > 16 {
		return false
	}
	i := 0
	for i < len(rest) && rest[i] != '$' {
		i++
	}
	if i == len(rest) {
		return false
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(rest[:i])
	want, err2 := base64.RawStdEncoding.DecodeString(rest[i+1:])
	if err1 != nil || err2 != nil || len(want) == 0 {
		return false
	}
	got := argon2.IDKey(password, salt, uint32(time), uint32(memory), uint8(lanes), uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1
}
