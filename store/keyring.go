package store

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
	"os"
	"path/filepath"
	"sync"
)

// The key file. One line a key, "tokensmith-key-1 <32 bytes in hex>"; the last line seals, every line opens. The file
// stays outside the database and its backups: without it nothing sealed can be read, with it everything can. It must
// not be readable by others than its owner and group.
const keyLine = "tokensmith-key-1"

const (
	masterBytes = 32
	keyIDBytes  = 4
	nonceBytes  = 12
)

// Keyring seals what must not be readable from the database file, and makes keyed hashes of what must be found
// without being readable. Every purpose has its own subkey (HKDF-SHA-256, RFC 5869). It is safe for concurrent use.
type Keyring struct {
	keys  []masterKey // the last one seals
	mu    sync.RWMutex
	aeads map[aeadName]cipher.AEAD
}

type masterKey struct {
	id     [keyIDBytes]byte
	secret []byte
}

type aeadName struct {
	key     [keyIDBytes]byte
	purpose string
}

// LoadKeyring reads a key file.
func LoadKeyring(file string) (*Keyring, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o007 != 0 {
		return nil, fmt.Errorf("key file %s can be read by everybody: chmod 600 %s", file, file)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	k, err := parseKeyring(text)
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", file, err)
	}
	return k, nil
}

// CreateKeyring makes a key file of one new key, readable by its owner only; an existing file is left as it is and
// is an error.
func CreateKeyring(file string) (*Keyring, error) {
	secret := make([]byte, masterBytes)
	rand.Read(secret)
	text := fmt.Appendf(nil, "%s %x\n", keyLine, secret)
	// Written under another name and then linked, the file is never there in part, neither to another process that
	// starts at the same time nor after a crash.
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".new-*") // mode 0600
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, err
	}
	if err = os.Link(f.Name(), file); err != nil {
		return nil, err
	}
	if err = syncDir(filepath.Dir(file)); err != nil {
		return nil, err
	}
	return parseKeyring(text)
}

// syncDir makes a new file's name durable: losing the key file after sealing with it would lose every seed.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func parseKeyring(text []byte) (*Keyring, error) {
	k := &Keyring{aeads: map[aeadName]cipher.AEAD{}}
	for n, line := range bytes.Split(text, []byte("\n")) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		hexed, ok := bytes.CutPrefix(line, []byte(keyLine+" "))
		secret, err := hex.DecodeString(string(bytes.TrimSpace(hexed)))
		if !ok || err != nil || len(secret) != masterBytes {
			return nil, fmt.Errorf("line %d is not %q and 64 hex digits", n+1, keyLine)
		}
		sum := sha256.Sum256(append([]byte("tokensmith key id"), secret...))
		k.keys = append(k.keys, masterKey{id: [keyIDBytes]byte(sum[:keyIDBytes]), secret: secret})
	}
	if len(k.keys) == 0 {
		return nil, errors.New("it holds no key")
	}
	return k, nil
}

// subkey derives the key of a purpose.
func (m *masterKey) subkey(purpose string) []byte {
	key, err := hkdf.Key(sha256.New, m.secret, nil, "tokensmith "+purpose, 32)
	if err != nil {
		panic(err) // only for lengths HKDF cannot give
	}
	return key
}

// aead gives the cipher of a key and purpose; the few there are stay cached.
func (k *Keyring) aead(m *masterKey, purpose string) cipher.AEAD {
	name := aeadName{m.id, purpose}
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
	m := &k.keys[len(k.keys)-1]
	out := make([]byte, keyIDBytes+nonceBytes, keyIDBytes+nonceBytes+len(value)+16)
	copy(out, m.id[:])
	rand.Read(out[keyIDBytes:])
	return k.aead(m, p.purpose()).Seal(out, out[keyIDBytes:], value, p.associated(m.id[:]))
}

// errSealed says nothing of the value; what it was sealed with is not to be told apart from outside.
var errSealed = errors.New("sealed value does not open: wrong key file, or the database was changed by hand")

// Unseal decrypts what Seal made for the same place.
func (k *Keyring) Unseal(p Place, sealed []byte) ([]byte, error) {
	if len(sealed) >= keyIDBytes+nonceBytes {
		for i := range k.keys {
			m := &k.keys[i]
			if [keyIDBytes]byte(sealed) != m.id {
				continue
			}
			value, err := k.aead(m, p.purpose()).Open(nil, sealed[keyIDBytes:keyIDBytes+nonceBytes],
				sealed[keyIDBytes+nonceBytes:], p.associated(m.id[:]))
			if err == nil {
				return value, nil
			}
		}
	}
	return nil, fmt.Errorf("%s.%s of %s: %w", p.Table, p.Column, p.Row, errSealed)
}

// MAC gives the HMAC-SHA-256 of value under the current key's subkey of a purpose.
func (k *Keyring) MAC(purpose string, value []byte) []byte {
	h := hmac.New(sha256.New, k.keys[len(k.keys)-1].subkey("mac "+purpose))
	h.Write(value)
	return h.Sum(nil)
}
