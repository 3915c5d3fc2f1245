// Package keyring has the key file, and what its keys do: sealing values for the place in which they stand (AES-256-GCM), keyed hashes by which
// sealed values are found (HMAC-SHA-256), and signers. Each purpose has a key of its own (HKDF, RFC 5869). Keys are added and retired while
// other processes use the file. A secret never leaves the package.
package keyring

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tokensmith/store/durable"
)

// The key file. One line a key, "tokensmith-key-1 <32 bytes in hex>"; the last such line seals, every one opens. Of a
// key that was retired only the part that checks the audit record stays, as "tokensmith-audit-1 <id> <32 bytes in hex>".
// The file stays outside the database and its backups: without it nothing sealed can be read, with it everything can. It
// must not be readable by others than its owner and group.
const (
	keyLine     = "tokensmith-key-1"
	retiredLine = "tokensmith-audit-1"
)

const (
	masterBytes = 32
	KeyIDBytes  = 4
	nonceBytes  = 12
	SealBytes   = KeyIDBytes + nonceBytes + 16 // that sealing adds: and GCM's tag
)

// AuditPurpose is the purpose of the record's signer, which checks also with keys that were retired.
const AuditPurpose = "audit"

// Keyring seals what must not be readable from the database file, and makes keyed hashes of what must be found
// without being readable. Every purpose has its own subkey (HKDF-SHA-256, RFC 5869). It reads its file again when that
// has changed, so that keys can be rotated under it. It is safe for concurrent use.
type Keyring struct {
	File  string
	keys  atomic.Pointer[[]Key] // the last one that is not retired seals
	mu    sync.RWMutex
	aeads map[keyPurpose]cipher.AEAD

	macs map[keyPurpose]*sync.Pool // of hash.Hash; under mu

	reading sync.Mutex // held while the file is looked at
	read    os.FileInfo
	looked  atomic.Int64 // when it was last looked at: nanoseconds
}

// Key is one key of the file.
type Key struct {
	ID     [KeyIDBytes]byte
	secret []byte // nil = retired
	audit  []byte // of a retired one: its subkey for the record
}

// Retired says whether the key opens nothing any more, and only checks the record.
func (m *Key) Retired() bool { return m.secret == nil }

type keyPurpose struct {
	key     [KeyIDBytes]byte
	purpose string
}

// Load reads a key file.
func Load(file string) (*Keyring, error) {
	k := &Keyring{File: file, aeads: map[keyPurpose]cipher.AEAD{}, macs: map[keyPurpose]*sync.Pool{}}
	if err := k.load(); err != nil {
		return nil, err
	}
	return k, nil
}

// load reads the file, unless it is the one that was read last.
func (k *Keyring) load() error {
	k.reading.Lock()
	defer k.reading.Unlock()
	k.looked.Store(time.Now().UnixNano())
	info, err := os.Stat(k.File)
	if err != nil {
		return err
	}
	if k.read != nil && os.SameFile(info, k.read) && info.ModTime().Equal(k.read.ModTime()) && info.Size() == k.read.Size() {
		return nil
	}
	if info.IsDir() {
		return FolderError(k.File)
	}
	if info.Mode().Perm()&0o007 != 0 {
		return fmt.Errorf("key file %s can be read by everybody: chmod 600 %s", k.File, k.File)
	}
	text, err := os.ReadFile(k.File)
	if err != nil {
		return err
	}
	keys, err := parseKeys(text)
	if err != nil {
		return fmt.Errorf("key file %s: %w", k.File, err)
	}
	k.keys.Store(&keys)
	k.read = info
	return nil
}

// FolderError says that a key file is a folder.
func FolderError(keyFile string) error {
	return fmt.Errorf("key file %s: it is a folder; name a file in it", keyFile)
}

// Notice is how soon a key that was added seals, in every process that has the file.
const Notice = time.Second

// All returns the keys, of a file looked at within keyNotice. One that cannot be read now leaves the keys as they are.
func (k *Keyring) All() []Key {
	if time.Now().UnixNano()-k.looked.Load() > int64(Notice) {
		_ = k.load()
	}
	return *k.keys.Load()
}

// Last returns the key that seals.
func (k *Keyring) Last() *Key { return lastOf(k.All()) }

func lastOf(keys []Key) *Key {
	for i := len(keys) - 1; i >= 0; i-- {
		if keys[i].secret != nil {
			return &keys[i]
		}
	}
	return nil
}

// Find returns the key of an id; nil when there is none. One that is not known may have been added just now.
func (k *Keyring) Find(id []byte) *Key {
	for try := range 2 {
		keys := k.All()
		for i := range keys {
			if keys[i].ID == [KeyIDBytes]byte(id) {
				return &keys[i]
			}
		}
		if try == 0 && k.load() != nil {
			break
		}
	}
	return nil
}

// Create makes a key file of one new key, readable by its owner only; an existing file is left as it is and
// is an error.
func Create(file string) (*Keyring, error) {
	secret := make([]byte, masterBytes)
	rand.Read(secret)
	text := fmt.Appendf(nil, "%s %x\n", keyLine, secret)
	// Written under another name and then linked, the file is never there in part, neither to another process that
	// starts at the same time nor after a crash.
	f, err := durable.CreateTemp(file, "new")
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, durable.NameFile(err, f.Name(), file)
	}
	if err = os.Link(f.Name(), file); err != nil {
		return nil, err
	}
	if err = durable.SyncDir(filepath.Dir(file)); err != nil {
		return nil, err
	}
	return Load(file)
}

func parseKeys(text []byte) (keys []Key, err error) {
	for n, line := range bytes.Split(text, []byte("\n")) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		m, ok := parseKey(string(line))
		if !ok {
			return nil, fmt.Errorf("line %d is not %q and 64 hex digits", n+1, keyLine)
		}
		keys = append(keys, m)
	}
	if lastOf(keys) == nil {
		return nil, errors.New("it holds no key")
	}
	return keys, nil
}

func parseKey(line string) (m Key, ok bool) {
	words := strings.Fields(line)
	secret, err := hex.DecodeString(words[len(words)-1])
	if err != nil || len(secret) != masterBytes {
		return m, false
	}
	switch {
	case len(words) == 2 && words[0] == keyLine:
		sum := sha256.Sum256(append([]byte("tokensmith key id"), secret...))
		return Key{ID: [KeyIDBytes]byte(sum[:KeyIDBytes]), secret: secret}, true
	case len(words) == 3 && words[0] == retiredLine:
		id, err := hex.DecodeString(words[1])
		if err != nil || len(id) != KeyIDBytes {
			return m, false
		}
		return Key{ID: [KeyIDBytes]byte(id), audit: secret}, true
	}
	return m, false
}

// subkey derives the key of a purpose. Of a retired key there is only the record's.
func (m *Key) subkey(purpose string) []byte {
	if m.secret == nil {
		return m.audit
	}
	key, err := hkdf.Key(sha256.New, m.secret, nil, "tokensmith "+purpose, 32)
	if err != nil {
		panic(err) // only for lengths HKDF cannot give
	}
	return key
}

// aead returns the cipher of a key and purpose; the few there are stay cached.
func (k *Keyring) aead(m *Key, purpose string) cipher.AEAD {
	name := keyPurpose{m.ID, purpose}
	k.mu.RLock()
	a := k.aeads[name]
	k.mu.RUnlock()
	if a != nil {
		return a
	}
	block, err := aes.NewCipher(m.subkey("seal " + purpose))
	if err == nil {
		a, err = cipher.NewGCM(block)
	}
	if err != nil {
		panic(err) // only for key lengths AES does not have
	}
	k.mu.Lock()
	k.aeads[name] = a
	k.mu.Unlock()
	return a
}

// Place is where a sealed value stands; a value copied to another place does not open.
type Place struct{ Table, Column, Row string }

func (p Place) purpose() string { return p.Table + "." + p.Column }

func (p Place) associated(keyID []byte) []byte {
	b := append(append(make([]byte, 0, 96), p.Table...), 0)
	b = append(append(b, p.Column...), 0)
	b = append(append(b, p.Row...), 0)
	return append(b, keyID...)
}

// Seal encrypts value for a place with AES-256-GCM: key id (4 bytes), nonce (12), ciphertext and tag.
func (k *Keyring) Seal(p Place, value []byte) []byte {
	m := k.Last()
	out := make([]byte, KeyIDBytes+nonceBytes, len(value)+SealBytes)
	copy(out, m.ID[:])
	rand.Read(out[KeyIDBytes:])
	return k.aead(m, p.purpose()).Seal(out, out[KeyIDBytes:], value, p.associated(m.ID[:]))
}

// errSealed says nothing of the value; what it was sealed with is not to be told apart from outside.
var errSealed = errors.New("sealed value does not open: wrong key file, or the database was changed by hand")

// Unseal decrypts what Seal made for the same place.
func (k *Keyring) Unseal(p Place, sealed []byte) ([]byte, error) {
	if len(sealed) >= KeyIDBytes+nonceBytes {
		if m := k.Find(sealed[:KeyIDBytes]); m != nil && m.secret != nil {
			value, err := k.aead(m, p.purpose()).Open(nil, sealed[KeyIDBytes:KeyIDBytes+nonceBytes],
				sealed[KeyIDBytes+nonceBytes:], p.associated(m.ID[:]))
			if err == nil {
				return value, nil
			}
		}
	}
	return nil, fmt.Errorf("%s.%s of %s: %w", p.Table, p.Column, p.Row, errSealed)
}

// MAC returns the HMAC-SHA-256 of value under the current key's subkey of a purpose.
func (k *Keyring) MAC(purpose string, value []byte) []byte { return k.mac(k.Last(), purpose, value) }

// MACs returns MAC under every key, the current one first: while keys are rotated, what is looked up may stand under any.
func (k *Keyring) MACs(purpose string, value []byte) (all [][]byte) {
	keys := k.All()
	for i := range keys {
		if m := &keys[len(keys)-1-i]; m.secret != nil {
			all = append(all, k.mac(m, purpose, value))
		}
	}
	return all
}

// Several says whether there are keys beside the one that seals, by which something may still be hashed.
func (k *Keyring) Several() bool {
	n := 0
	for _, m := range k.All() {
		if m.secret != nil {
			n++
		}
	}
	return n > 1
}

func (k *Keyring) mac(m *Key, purpose string, value []byte) []byte {
	pool := k.macsOf(m, purpose)
	h := pool.Get().(hash.Hash)
	h.Reset()
	h.Write(value)
	sum := h.Sum(nil)
	pool.Put(h)
	return sum
}

// macsOf returns the HMACs of a key and purpose; the few kinds there are stay cached, for an import makes many hashes.
func (k *Keyring) macsOf(m *Key, purpose string) *sync.Pool {
	name := keyPurpose{m.ID, purpose}
	k.mu.RLock()
	pool := k.macs[name]
	k.mu.RUnlock()
	if pool != nil {
		return pool
	}
	key := m.subkey("mac " + purpose)
	pool = &sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}
	k.mu.Lock()
	k.macs[name] = pool
	k.mu.Unlock()
	return pool
}
