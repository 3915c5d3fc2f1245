package seedfile_test

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tokensmith/model"
	"tokensmith/model/modeltest"
	"tokensmith/model/seedfile"
)

// exportKeys returns keys of every kind that the writer supports.
func exportKeys() []seedfile.Key {
	seed := []byte("12345678901234567890")
	return []seedfile.Key{
		{Serial: "1001", KeyID: "1001", Algorithm: seedfile.HOTP, Hash: seedfile.SHA1, Digits: 6, Counter: 1 << 40, Secret: seed},
		{Serial: "0002", KeyID: "k2", Algorithm: seedfile.TOTP, Hash: seedfile.SHA256, Digits: 8, Period: 60, Drift: -31556160, Secret: append(seed, seed[:12]...),
			Manufacturer: "oath.EX", Model: "M & <1>", Issuer: "Büro \"x\"", User: "kim", Description: "a\nb"},
		{Serial: "0003", KeyID: "0003", Algorithm: seedfile.TOTP, Hash: seedfile.SHA512, Digits: 6, Period: 30, Secret: bytes.Repeat(seed, 4)[:64]},
		{Serial: "0004", KeyID: "0004", Algorithm: seedfile.TOTP, Digits: 6, Secret: []byte{0}},
	}
}

func export(t testing.TB, keys []seedfile.Key) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := writePSKC(&b, keys, model.Secret("correct horse"), rand.Reader); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestWritePSKC reads what was written: the same keys, bit for bit, and none with a wrong password.
func TestWritePSKC(t *testing.T) {
	t.Parallel()
	keys := exportKeys()
	file := export(t, keys)
	for _, k := range keys {
		if len(k.Secret) > 1 && (bytes.Contains(file, k.Secret) || bytes.Contains(file, []byte(hex.EncodeToString(k.Secret)))) {
			t.Error("a seed stands in the file")
		}
	}
	f, got, err := read(file, seedfile.Options{Password: model.Secret("correct horse")})
	if err != nil || f.Bad.Count() != 0 {
		t.Fatal(err, f.Bad)
	}
	if diff := cmp.Diff(keys, got, cmpopts.IgnoreFields(seedfile.Key{}, "Line")); diff != "" {
		t.Error(diff)
	}
	if _, got, err := read(file, seedfile.Options{Password: model.Secret("correct house")}); !isKind(err, model.FileKey) || len(got) > 0 {
		t.Errorf("another password gives %d keys, %v", len(got), err)
	}
}

// TestWritePSKCRefuses lists what cannot be written.
func TestWritePSKCRefuses(t *testing.T) {
	t.Parallel()
	good := exportKeys()[0]
	for name, change := range map[string]func(*seedfile.Key){
		"no seed":      func(k *seedfile.Key) { k.Secret = nil },
		"no algorithm": func(k *seedfile.Key) { k.Algorithm = "" },
		"no digits":    func(k *seedfile.Key) { k.Digits = 0 },
		"no serial":    func(k *seedfile.Key) { k.Serial, k.KeyID = "", "" },
	} {
		k := good
		change(&k)
		if err := writePSKC(&bytes.Buffer{}, []seedfile.Key{k}, model.Secret("p"), rand.Reader); !isKind(err, model.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := writePSKC(&bytes.Buffer{}, nil, model.Secret("p"), rand.Reader); !isKind(err, model.Invalid) {
		t.Error(err)
	}
	if err := writePSKC(&bytes.Buffer{}, []seedfile.Key{good}, nil, rand.Reader); !isKind(err, model.Missing) {
		t.Error(err)
	}
	if err := writePSKC(&bytes.Buffer{}, []seedfile.Key{good}, model.Secret("p"), strings.NewReader("short")); !isKind(err, model.Internal) {
		t.Error(err)
	}
}

// TestPskctoolReadsOurs validates a file that we wrote against the schema of RFC 6030, and reads it with pskctool.
func TestPskctoolReadsOurs(t *testing.T) {
	t.Parallel()
	tool := modeltest.Tool(t, "pskctool")
	path := filepath.Join(t.TempDir(), "ours.xml")
	if err := os.WriteFile(path, export(t, exportKeys()), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(tool, "--validate", path).CombinedOutput(); err != nil || !strings.Contains(string(out), "OK") {
		t.Errorf("pskctool --validate: %v: %s", err, out)
	}
	out, err := exec.Command(tool, "--info", path).CombinedOutput()
	if err != nil {
		t.Fatalf("pskctool --info: %v: %s", err, out)
	}
	for _, want := range []string{"SerialNo: 1001", "Id: k2", "Issuer: Büro \"x\"", "Response Format Length: 8", "Key TimeInterval: 60", "Algorithm: " + pskcNS + ":totp"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("pskctool does not say %q:\n%s", want, out)
		}
	}
}

// TestPskcUtils reads files made by python-pskc: plain, with a pre-shared key, and with a password. It also reads our files with
// python-pskc.
func TestPskcUtils(t *testing.T) {
	t.Parallel()
	oathtool := modeltest.Tool(t, "oathtool")
	path := modeltest.KeyFiles(t)
	for file, opts := range map[string]seedfile.Options{
		"plain.xml": {},
		"psk.xml":   {PreSharedKey: unhex(modeltest.KeyFileSecret)},
		"pbe.xml":   {Password: model.Secret("s3cret")},
	} {
		data, err := os.ReadFile(path(file))
		if err != nil {
			t.Fatal(err)
		}
		f, keys, err := read(data, opts)
		if err != nil || f.Bad.Count() > 0 {
			t.Fatalf("%s: %v %v", file, err, f.Bad)
		}
		want := []seedfile.Key{
			{Serial: "1001", KeyID: "a1", Algorithm: "HOTP", Digits: 6, Counter: 5, Issuer: "Example", Manufacturer: "oath.EX", Secret: unhex("3132333435363738393031323334353637383930")},
			{Serial: "1002", KeyID: "a2", Algorithm: "TOTP", Digits: 8, Period: 60, Issuer: "Example", Manufacturer: "oath.EX", Secret: unhex("3132333435363738393031323334353637383930313233343536373839303132")},
		}
		if diff := cmp.Diff(want, keys, cmpopts.IgnoreFields(seedfile.Key{}, "Line")); diff != "" {
			t.Errorf("%s: %s", file, diff)
		}
		for _, k := range keys {
			for _, o := range firstOTPs(k) {
				if want := oathtoolOTP(t, oathtool, k, o.counter); want != o.otp {
					t.Errorf("%s: OTP %s, oathtool says %s", file, o.otp, want)
				}
			}
		}
	}
	if err := os.WriteFile(path("ours.xml"), export(t, exportKeys()), 0o600); err != nil {
		t.Fatal(err)
	}
	got := modeltest.Run(t, "pskc2csv", "-p", "correct horse", "-c", "serial,secret,counter,time_interval", path("ours.xml"))
	for _, k := range exportKeys() {
		if !strings.Contains(got, k.Serial+","+hex.EncodeToString(k.Secret)) {
			t.Errorf("pskc2csv does not read token %s of ours:\n%s", k.Serial, got)
		}
	}
}

// writePSKC writes keys to one PSKC file.
func writePSKC(w io.Writer, keys []seedfile.Key, password model.Secret, random io.Reader) error {
	lock, err := seedfile.NewPSKCKeys(password, random)
	if err != nil {
		return err
	}
	p, err := seedfile.NewPSKCWriter(w, lock)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if err := p.Write(k); err != nil {
			return err
		}
	}
	return p.Close()
}
