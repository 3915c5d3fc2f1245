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

// MinPassword is the shortest new password, in characters.
const MinPassword = 8

// commonPasswords has one password per line, after a header that names the source.
//
//go:embed commonpasswords.txt
var commonPasswords string

// CheckPassword returns why a new password is refused; nil if it is accepted. A password is refused if it is too short, common or
// blank, and for no other reason (NIST SP 800-63B-4, section 3.1.1.2). least is the minimum length. The check uses the form in
// which the password is hashed.
func CheckPassword(place string, password Secret, least int) error {
	normal := string(normalPassword(password))
	switch {
	case normal != "" && strings.TrimSpace(normal) == "":
		return AttrErrorf(Invalid, place, "must not consist of blanks only")
	case utf8.RuneCountInString(normal) < least:
		return AttrErrorf(Invalid, place, "must have at least %d characters", least)
	case !strings.Contains(normal, "\n") && strings.Contains(commonPasswords, "\n"+strings.ToLower(normal)+"\n"):
		return AttrErrorf(Invalid, place, "is one of the most common passwords: choose another")
	}
	return nil
}

// SamePassword returns whether two texts are the same password.
func SamePassword(a, b Secret) bool { return normalPassword(a).Equal(normalPassword(b)) }

// normalPassword returns the form in which a password is hashed (NFKC), so that it does not depend on the keyboard.
func normalPassword(password Secret) Secret { return norm.NFKC.Bytes(password) }

// Parameters of argon2id (RFC 9106): passes, memory in KiB, and lanes.
const (
	argonTime   = 2
	argonMemory = 19 << 10
	argonLanes  = 1
	argonSalt   = 16
	argonKey    = 32
)

// HashPassword returns the argon2id hash of a password in the usual text format. It takes about 20 ms and 19 MiB, so callers
// limit how many run at the same time.
func HashPassword(password Secret) string {
	salt := make([]byte, argonSalt)
	rand.Read(salt)
	key := argon2.IDKey(normalPassword(password), salt, argonTime, argonMemory, argonLanes, argonKey)
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonLanes,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key))
}

// PasswordMatches returns, in constant time, whether hash was made from password. An unreadable hash matches no password. If the
// form that is hashed now differs from the password as given, PasswordMatches also compares the form that older versions hashed.
// It does so whatever the result of the first comparison, so that the time reveals nothing about the hash.
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
