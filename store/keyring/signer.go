package keyring

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"sync"
)

// Signer makes and verifies keyed hashes (HMAC-SHA-256) for one purpose. It derives the subkeys once, and keeps hashes that are
// initialized with them. It is safe for concurrent use.
type Signer struct {
	keys    *Keyring
	purpose string
	hashes  sync.Map // *sync.Pool of hash.Hash, by key id
}

// Signer returns a signer for a purpose.
func (k *Keyring) Signer(purpose string) *Signer { return &Signer{keys: k, purpose: purpose} }

func (s *Signer) sum(m *Key, mac, message []byte) []byte {
	pool, ok := s.hashes.Load(m.ID)
	if !ok {
		key := m.subkey("mac " + s.purpose)
		pool = &sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}
		s.hashes.Store(m.ID, pool)
	}
	h := pool.(*sync.Pool).Get().(hash.Hash)
	defer pool.(*sync.Pool).Put(h)
	h.Reset()
	h.Write(message)
	return h.Sum(append(mac, m.ID[:]...))
}

// Sign returns the id of the key (4 bytes) and the hash of a message (32 bytes).
func (s *Signer) Sign(message []byte) []byte {
	return s.sum(s.keys.Last(), make([]byte, 0, KeyIDBytes+sha256.Size), message)
}

// Verify returns, in constant time, whether mac is what Sign returned for message, under any key of the key file.
func (s *Signer) Verify(message, mac []byte) bool {
	if len(mac) != KeyIDBytes+sha256.Size {
		return false
	}
	m := s.keys.Find(mac[:KeyIDBytes])
	if m == nil || m.secret == nil && s.purpose != AuditPurpose {
		return false
	}
	return hmac.Equal(s.sum(m, nil, message), mac)
}

// Message encodes fields so that different lists of fields always give different bytes: each field is preceded by its length.
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
			panic("keyring: a field of a message is neither text nor number")
		}
	}
	return m
}
