package store

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
)

// Signer makes and checks keyed hashes (HMAC-SHA-256) of one purpose. It derives the purpose's subkeys once. It is
// safe for concurrent use.
type Signer struct{ keys []signingKey } // the last one signs

type signingKey struct {
	id     [keyIDBytes]byte
	secret []byte
}

// Signer gives the signer of a purpose.
func (k *Keyring) Signer(purpose string) *Signer {
	s := &Signer{}
	for i := range k.keys {
		s.keys = append(s.keys, signingKey{k.keys[i].id, k.keys[i].subkey("mac " + purpose)})
	}
	return s
}

func (k *signingKey) sum(mac, message []byte) []byte {
	h := hmac.New(sha256.New, k.secret)
	h.Write(message)
	return h.Sum(append(mac, k.id[:]...))
}

// Sign gives the key's id (4 bytes) and the hash (32 bytes) of a message.
func (s *Signer) Sign(message []byte) []byte {
	return s.keys[len(s.keys)-1].sum(make([]byte, 0, keyIDBytes+sha256.Size), message)
}

// Verify says, in constant time, whether Sign made mac of message, under any key of the key file.
func (s *Signer) Verify(message, mac []byte) bool {
	if len(mac) != keyIDBytes+sha256.Size {
		return false
	}
	for i := range s.keys {
		if k := &s.keys[i]; k.id == [keyIDBytes]byte(mac) {
			return hmac.Equal(k.sum(nil, message), mac)
		}
	}
	return false
}

// Message puts fields together so that no two lists of fields give the same bytes: each has its length in front.
// Fields are string, []byte or int64.
func Message(fields ...any) []byte {
	m := make([]byte, 0, 256)
	for _, f := range fields {
		switch v := f.(type) {
		case string:
			m = append(binary.AppendUvarint(m, uint64(len(v))), v...)
		case []byte:
			m = append(binary.AppendUvarint(m, uint64(len(v))), v...)
		case int64:
			m = binary.BigEndian.AppendUint64(append(m, 8), uint64(v))
		default:
			panic("store: a field of a message is neither text nor number")
		}
	}
	return m
}
