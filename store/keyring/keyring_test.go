package keyring_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tokensmith/store/keyring"
)

func newKeyring(t testing.TB) *keyring.Keyring {
	t.Helper()
	k, err := keyring.Create(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestSealedPlace: a sealed value can be opened only at the place it was sealed for, unchanged, and with its key.
func TestSealedPlace(t *testing.T) {
	t.Parallel()
	k := newKeyring(t)
	place := keyring.Place{Table: "tokens", Column: "seed", Row: "1"}
	value := []byte("12345678901234567890")
	sealed := k.Seal(place, value)
	if got, err := k.Unseal(place, sealed); err != nil || !bytes.Equal(got, value) {
		t.Fatal(got, err)
	}
	if bytes.Contains(sealed, value) || bytes.Equal(sealed, k.Seal(place, value)) {
		t.Error("the value shows, or sealing twice gives the same")
	}
	refused := func(what string, k *keyring.Keyring, p keyring.Place, sealed []byte) {
		t.Helper()
		got, err := k.Unseal(p, sealed)
		if err == nil || got != nil {
			t.Errorf("%s: opened", what)
		} else if strings.Contains(err.Error(), string(value)) {
			t.Errorf("%s: the error shows the value", what)
		}
	}
	for _, p := range []keyring.Place{{Table: "tokens", Column: "seed", Row: "2"}, {Table: "tokens", Column: "pin", Row: "1"}, {Table: "users", Column: "seed", Row: "1"}, {Table: "tokens", Column: "seed", Row: ""}, {Table: "tokens", Column: "seed", Row: "1\x00"},
		{Table: "tokens\x00seed", Column: "", Row: "1"}} {
		refused("moved", k, p, sealed)
	}
	refused("another key file", newKeyring(t), place, sealed)
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		refused("changed", k, place, changed)
		refused("cut short", k, place, sealed[:i])
	}
	refused("longer", k, place, append(bytes.Clone(sealed), 0))
	refused("nothing", k, place, nil)
}

func TestMAC(t *testing.T) {
	t.Parallel()
	k := newKeyring(t)
	mac := k.MAC("a", []byte("x"))
	for what, other := range map[string][]byte{"purpose": k.MAC("b", []byte("x")), "value": k.MAC("a", []byte("y")), "key": newKeyring(t).MAC("a", []byte("x"))} {
		if bytes.Equal(mac, other) {
			t.Errorf("another %s gives the same", what)
		}
	}
	if !bytes.Equal(mac, k.MAC("a", []byte("x"))) || len(mac) != 32 {
		t.Error("it is not the same again")
	}
}

func TestKeyFile(t *testing.T) {
	t.Parallel()
	hex := strings.Repeat("0123456789abcdef", 4)
	for text, ok := range map[string]bool{
		"tokensmith-key-1 " + hex + "\n": true,
		"tokensmith-key-1 " + hex:        true,
		"# comment\r\n\r\n  tokensmith-key-1  " + strings.ToUpper(hex) + "\r\n": true,
		"":                                     false,
		"# nothing\n":                          false,
		hex + "\n":                             false,
		"tokensmith-key-2 " + hex + "\n":       false,
		"tokensmith-key-1 " + hex[:62] + "\n":  false,
		"tokensmith-key-1 " + hex + "00\n":     false,
		"tokensmith-key-1 " + hex[:63] + "g\n": false,
		"tokensmith-key-1 " + hex + "\ntorn":   false,
	} {
		file := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := keyring.Load(file)
		if (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
		if err != nil && strings.Contains(err.Error(), hex[:20]) {
			t.Errorf("the error shows the key: %v", err)
		}
	}
	file := filepath.Join(t.TempDir(), "key")
	if _, err := keyring.Create(file); err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadFile(file)
	if _, err := keyring.Create(file); !os.IsExist(err) {
		t.Errorf("made over another: %v", err)
	}
	if after, _ := os.ReadFile(file); !bytes.Equal(before, after) {
		t.Error("a key file was overwritten")
	}
}

// TestAddedKey: a key that was added seals from then on, each opens what it sealed, and one that was retired opens nothing any more.
func TestAddedKey(t *testing.T) {
	t.Parallel()
	k := newKeyring(t)
	place := keyring.Place{Table: "tokens", Column: "seed", Row: "1"}
	value := []byte("12345678901234567890")
	before := k.Seal(place, value)
	if err := k.AddKey(); err != nil {
		t.Fatal(err)
	}
	after := k.Seal(place, value)
	if bytes.Equal(before[:keyring.KeyIDBytes], after[:keyring.KeyIDBytes]) {
		t.Error("the key of before still seals")
	}
	for _, sealed := range [][]byte{before, after} {
		if got, err := k.Unseal(place, sealed); err != nil || !bytes.Equal(got, value) {
			t.Error(got, err)
		}
	}
	if err := k.Retire(); err != nil {
		t.Fatal(err)
	}
	if got, err := k.Unseal(place, after); err != nil || !bytes.Equal(got, value) {
		t.Error("the key that is left does not open what it sealed", err)
	}
	if _, err := k.Unseal(place, before); err == nil {
		t.Error("a key that was retired opens what it sealed")
	}
}

// BenchmarkSeal measures sealing and opening a seed.
func BenchmarkSeal(b *testing.B) {
	k := newKeyring(b)
	place := keyring.Place{Table: "tokens", Column: "seed", Row: "0198c1f2000070008000000000000000"}
	seed := make([]byte, 20)
	sealed := k.Seal(place, seed)
	b.Run("seal", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			k.Seal(place, seed)
		}
	})
	b.Run("unseal", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := k.Unseal(place, sealed); err != nil {
				b.Fatal(err)
			}
		}
	})
}
