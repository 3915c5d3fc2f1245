package model

import (
	"crypto/subtle"
)

// Secret holds bytes that must never be printed: a seed, a PIN, a password, a client secret. It prints, logs and
// marshals as "[secret]", whatever the verb.
type Secret []byte

const redacted = "[secret]"

func (Secret) String() string { return redacted }

func (Secret) GoString() string { return redacted }

func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// Equal compares two secrets in time that depends on their lengths only.
func (s Secret) Equal(other []byte) bool { return subtle.ConstantTimeCompare(s, other) == 1 }
