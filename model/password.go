package model

import (
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	_ "embed"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
)

// MinPassword is how many characters a new password has at least.
const MinPassword = 8

// commonPasswords has one in each line behind its head, which says where they are from.
//
//go:embed commonpasswords.txt
var commonPasswords string

// CheckPassword says why a new password cannot be taken, or nil: for its length, and for being a common one or blank, and for no other
// reason (NIST SP 800-63B-4, section 3.1.1.2). It is measured and looked up in the form in which it is hashed.
func CheckPassword(place string, password Secret, least int) error {
	normal := string(normalPassword(password))
	switch {
	case normal != "" && strings.TrimSpace(normal) == "":
		return AttrErrorf(Invalid, place, "has nothing but blanks")
	case utf8.RuneCountInString(normal) < least:
		return AttrErrorf(Invalid, place, "has fewer than %d characters", least)
	case !strings.Contains(normal, "\n") && strings.Contains(commonPasswords, "\n"+strings.ToLower(normal)+"\n"):
		return AttrErrorf(Invalid, place, "is one of the most common passwords")
	}
	return nil
}

// SamePassword says whether two texts are one password.
func SamePassword(a, b Secret) bool { return normalPassword(a).Equal(normalPassword(b)) }

// normalPassword returns the form in which a password is hashed, so that it does not depend on the keyboard: NFKC.
func normalPassword(password Secret) Secret { return norm.NFKC.Bytes(password) }

// Cost of argon2id (RFC 9106): passes, KiB of memory, lanes.
const (
	argonTime   = 2
	argonMemory = 19 << 10
	argonLanes  = 1
	argonSalt   = 16
	argonKey    = 32
)

// HashPassword returns the argon2id hash of a password in its usual text form. It takes some 20 ms and 19 MiB: callers
// bound how many run at once.
func HashPassword(password Secret) string {
	salt := make([]byte, argonSalt)
	rand.Read(salt)
	key := argon2.IDKey(normalPassword(password), salt, argonTime, argonMemory, argonLanes, argonKey)
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonLanes,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key))
}

// PasswordMatches says in constant time whether password is the one hash was made of. An unreadable hash matches none. Of one
// that has another form than that in which it is hashed now, the form it was hashed in by older versions is compared as well,
// right or not: the time it takes says nothing of the hash.
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
	matches := func(form Secret) bool {
		got := argon2.IDKey(form, salt, uint32(time), uint32(memory), uint8(lanes), uint32(len(want)))
		return subtle.ConstantTimeCompare(got, want) == 1
	}
	normal := normalPassword(password)
	ok := matches(normal)
	if !bytes.Equal(normal, password) {
		ok = matches(password) || ok
	}
	return ok
}
