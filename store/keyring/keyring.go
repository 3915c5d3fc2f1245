// Package keyring reads and writes the key file, and does the cryptography with its keys: it seals values for one place in the
// database (AES-256-GCM), makes keyed hashes that find sealed values (HMAC-SHA-256), and signs. Each purpose has a key of its own
// (HKDF, RFC 5869). Keys can be added and retired while other processes use the file. Secret keys never leave the package.
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

// The key file has one line for each key, "tokensmith-key-1 <32 bytes in hex>". The last of these lines is the key that seals;
// each of them can open values. Of a retired key, only the part that verifies the audit log stays, as "tokensmith-audit-1 <id>
// <32 bytes in hex>". Keep the file outside the database and its backups: with it, every sealed value can be read; without it,
// none can. Only its owner and group may be able to read it.
const (
	keyLine     = "tokensmith-key-1"
	retiredLine = "tokensmith-audit-1"
)

const (
	masterBytes = 32
	KeyIDBytes  = 4
	nonceBytes  = 12
	SealBytes   = KeyIDBytes + nonceBytes + 16 // how many bytes sealing adds; 16 for the tag of GCM
)

// AuditPurpose is the purpose of the signer of the audit log. It also verifies with retired keys.
const AuditPurpose = "audit"

// Keyring seals values that must not be readable in the database file, and makes keyed hashes of values that must be found
// without being readable. Every purpose has its own subkey (HKDF-SHA-256, RFC 5869). When the file has changed, the Keyring reads
// it again, so that keys can be rotated while it is in use. It is safe for concurrent use.
type Keyring struct {
	File  string
	keys  atomic.Pointer[[]Key] // the last key that is not retired seals
	mu    sync.RWMutex
	aeads map[keyPurpose]cipher.AEAD

	macs map[keyPurpose]*sync.Pool // of hash.Hash; under mu

	reading sync.Mutex // held while the file is examined
	read    os.FileInfo
	looked  atomic.Int64 // when the file was last examined, in Unix nanoseconds
}

// Key is one key of the key file.
type Key struct {
	ID     [KeyIDBytes]byte
	secret []byte // nil if retired
	audit  []byte // the audit log subkey of a retired key
}

// Retired returns whether the key no longer opens values and only verifies the audit log.
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

// load reads the file, unless it has not changed since it was last read.
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

// FolderError returns the error for a key file that is a folder.
func FolderError(keyFile string) error {
	return fmt.Errorf("key file %s: it is a folder; name a file in it", keyFile)
}

// Notice is the longest time until an added key seals in every process that uses the file.
const Notice = time.Second

// All returns the keys. They are at most Notice old. If the file cannot be read now, the keys stay as they are.
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

// Find returns the key with that id; nil if there is none. If the key is unknown, it may have been added just now, so Find reads
// the file again.
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

// Create creates a key file with one new key that only its owner can read. If the file exists, Create does not change it and
// returns an error.
func Create(file string) (*Keyring, error) {
	secret := make([]byte, masterBytes)
	rand.Read(secret)
	text := fmt.Appendf(nil, "%s %x\n", keyLine, secret)
	// The file is written under another name and then linked. So it is never incomplete, neither for another process that starts
	// at the same time nor after a crash.
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

// subkey derives the key for a purpose. A retired key has only the subkey for the audit log.
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

// aead returns the cipher for a key and purpose. There are few, and they are cached.
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

// Place is where a sealed value is stored. A value that is copied to another place cannot be opened.
type Place struct{ Table, Column, Row string }

func (p Place) purpose() string { return p.Table + "." + p.Column }

func (p Place) associated(keyID []byte) []byte {
	b := append(append(make([]byte, 0, 96), p.Table...), 0)
	b = append(append(b, p.Column...), 0)
	b = append(append(b, p.Row...), 0)
	return append(b, keyID...)
}

// Seal encrypts value for a place with AES-256-GCM. The result is the key id (4 bytes), the nonce (12 bytes), the ciphertext and
// the tag.
func (k *Keyring) Seal(p Place, value []byte) []byte {
	m := k.Last()
	out := make([]byte, KeyIDBytes+nonceBytes, len(value)+SealBytes)
	copy(out, m.ID[:])
	rand.Read(out[KeyIDBytes:])
	return k.aead(m, p.purpose()).Seal(out, out[KeyIDBytes:], value, p.associated(m.ID[:]))
}

// errSealed does not tell a wrong key from a changed value, so that it reveals nothing about either.
var errSealed = errors.New("sealed value does not open: wrong key file, or the database was changed by hand")

// Unseal decrypts what Seal returned for the same place.
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

// MAC returns the HMAC-SHA-256 of value with the current key's subkey for a purpose.
func (k *Keyring) MAC(purpose string, value []byte) []byte { return k.mac(k.Last(), purpose, value) }

// MACs returns the MAC under every key, the current key first. During a rotation, the stored MAC of a value may be under any of
// them.
func (k *Keyring) MACs(purpose string, value []byte) (all [][]byte) {
	keys := k.All()
	for i := range keys {
		if m := &keys[len(keys)-1-i]; m.secret != nil {
			all = append(all, k.mac(m, purpose, value))
		}
	}
	return all
}

// Several returns whether there are keys beside the one that seals. Stored hashes may then be under different keys.
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

// macsOf returns a pool of HMACs for a key and purpose. There are few pools, and they are cached, because an import makes many
// hashes.
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
