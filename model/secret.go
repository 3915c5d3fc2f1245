package model

import (
	"crypto/subtle"
)

// Secret is a value that must never be printed: a seed, a PIN, a password or a client secret. It is printed, logged and marshaled
// as "[secret]", with every format verb.
type Secret []byte

const redacted = "[secret]"

func (Secret) String() string { return redacted }

func (Secret) GoString() string { return redacted }

func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// Equal returns whether two secrets are equal. Its time depends only on their lengths.
func (s Secret) Equal(other []byte) bool { return subtle.ConstantTimeCompare(s, other) == 1 }
