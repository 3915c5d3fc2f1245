package rpc_test

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tokensmith/model"
	"tokensmith/model/seedfile"
	"tokensmith/rpc"
	"tokensmith/store/storetest"
)

// tool finds a program the tests need; make test installs it.
func tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is needed: make tools", name)
	}
	t.Skipf("%s is not installed: make tools", name)
	return ""
}

func runTool(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(tool(t, name), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", name, err, out)
	}
	return string(out)
}

// everyKind is a file of tokens of every algorithm, hash, number of digits and state.
const everyKind = "seed,serial,keyid,type,digits,period,counter,drift,hash,manufacturer,model,description\n" +
	"3132333435363738393031323334353637383930,H6,,hotp,6,,1099511627776,,sha1,DN,SE,\"Büro <1> & \"\"2\"\"\"\n" +
	"31323334353637383930313233343536373839303132333435363738393031323334353637383930313233343536373839303132,H8,id-8,hotp,8,,3,,sha256,ACME,H8,\n" +
	"3132333435363738393031323334353637383930,T6,,totp,6,60,,-7,sha1,DN,ST,\n" +
	"31323334353637383930,T6,,totp,6,30,,3,sha512,ACME,T6,the same serial of another product\n" +
	"3132333435363738393031323334353637383930313233343536373839303132,T8,,totp,8,45,,120,sha256,ACME,T8,\n"

const everyToken = `{"sort":["serial","product.productCode"],"return":["serial","identifier","description","status","counter","drift",
	{"product":["manufacturerCode","productCode","algorithm","digits","period","crypto"]}]}`

func realRandom(c *rpc.Config) { c.Rand = rand.Reader }

// What goes in comes out and goes in again: the same seeds, states and OTPs in a second database.
func TestExportImportsAgain(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		first := newService(t, url, realRandom)
		second := newService(t, storetest.SQLite(t), realRandom)
		first.do(t, "token/import", params(t, map[string]any{"data": everyKind, "createProducts": true}))
		export := func(s *service) string {
			t.Helper()
			return s.do(t, "token/export", `{"match":[],"attrs":{"password":"correct horse"}}`).(map[string]any)["data"].(string)
		}
		file := export(first)
		if strings.Contains(file, "12345678901234567890") || strings.Contains(file, "MTIzNDU2Nzg5MDEyMzQ1Njc4OTA") {
			t.Error("a seed stands in the file")
		}
		for _, password := range []string{"", "correct house"} {
			_, reply := second.post("/token/import", params(t, map[string]any{"data": file, "password": password, "createProducts": true}))
			if !strings.HasPrefix(reply, `{"error":402,`) {
				t.Errorf("password %q: %.200s", password, reply)
			}
		}
		if total := fmt.Sprint(second.do(t, "product/search", `{"max":0}`).(map[string]any)["total"]); total != fmt.Sprint(len(model.Builtin())) {
			t.Errorf("a wrong password left %s products", total)
		}
		for range 2 { // importing again changes nothing
			second.do(t, "token/import", params(t, map[string]any{"data": file, "password": "correct horse", "createProducts": true}))
			if diff := cmp.Diff(first.do(t, "token/search", everyToken), second.do(t, "token/search", everyToken)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(keysOf(t, file), keysOf(t, export(second))); diff != "" {
				t.Error(diff)
			}
		}
		checkByTools(t, file)
		checkOTPs(t, second, keysOf(t, file))
		// In parts, each a file of its own.
		var serials []string
		for cursor := any(""); cursor != nil; {
			part := first.do(t, "token/export", fmt.Sprintf(`{"max":2,"cursor":%q,"attrs":{"password":"correct horse"}}`, cursor)).(map[string]any)
			for _, k := range keysOf(t, part["data"].(string)) {
				serials = append(serials, k.Serial)
			}
			cursor = part["next"]
		}
		if got := strings.Join(serials, " "); got != "H6 H8 T6 T6 T8" {
			t.Errorf("the parts hold %s", got)
		}
		if log := dump(t, first, url); !strings.Contains(log, "5 exported") {
			t.Errorf("the audit does not say so")
		}
	})
}

func keysOf(t testing.TB, file string) []seedfile.Key {
	t.Helper()
	var keys []seedfile.Key
	f, err := seedfile.Read(strings.NewReader(file), seedfile.Options{Password: model.Secret("correct horse")}, func(_ *seedfile.File, k seedfile.Key) error {
		keys = append(keys, k)
		return nil
	})
	if err != nil || f.Bad.Count() > 0 {
		t.Fatal(err, f.Bad)
	}
	return keys
}

// checkByTools has others read a file of ours.
func checkByTools(t *testing.T, file string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "export.xml")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := runTool(t, "pskctool", "--validate", path); !strings.Contains(out, "OK") {
		t.Errorf("pskctool --validate: %s", out)
	}
	got := runTool(t, "pskc2csv", "-p", "correct horse", "-c", "serial,secret,algorithm,response_length,counter,time_interval", path)
	for _, k := range keysOf(t, file) {
		if !strings.Contains(got, k.Serial+","+hex.EncodeToString(k.Secret)) {
			t.Errorf("pskc2csv does not read token %s:\n%s", k.Serial, got)
		}
	}
}

// checkOTPs synchronises every token by the next two OTPs that oathtool makes of its key.
func checkOTPs(t *testing.T, s *service, keys []seedfile.Key) {
	t.Helper()
	for _, k := range keys {
		digits := k.Digits
		if digits == 0 {
			digits = 6
		}
		args := []string{"-d", fmt.Sprint(digits), "-w", "1"}
		if k.Algorithm == seedfile.TOTP {
			hash := strings.ToLower(strings.TrimPrefix(k.Hash, "Hmac"))
			if hash == "" {
				hash = "sha1"
			}
			at := s.clock.now().Add(time.Duration(k.Drift*k.Period) * time.Second)
			args = append(args, "--totp="+hash, "-s", fmt.Sprintf("%ds", k.Period), "-N", at.Format("2006-01-02 15:04:05 UTC"))
		} else {
			if k.Hash == seedfile.SHA256 || k.Hash == seedfile.SHA512 {
				continue // oathtool makes HOTP with SHA-1 only
			}
			args = append(args, "-c", fmt.Sprint(k.Counter))
		}
		otps := strings.Fields(runTool(t, "oathtool", append(args, hex.EncodeToString(k.Secret))...))
		product := ""
		if k.Model != "" {
			product = fmt.Sprintf(`,"product.productCode":%q`, k.Model)
		}
		_, reply := s.post("/token/syncToken", fmt.Sprintf(`{"token":{"serial":%q%s},"credential":"%s,%s"}`, k.Serial, product, otps[0], otps[1]))
		if reply != `{"error":0}` {
			t.Errorf("token %s does not make oathtool's OTPs: %s", k.Serial, reply)
		}
	}
}

// Files that Debian's tools make, plain, with a pre-shared key and with a password, import through the method.
func TestImportFilesOfOtherTools(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	const secret = "000102030405060708090a0b0c0d0e0f"
	table := "id,serial,secret,algorithm,response_length,counter,time_interval,issuer,manufacturer\n" +
		"a1,1001,3132333435363738393031323334353637383930,hotp,6,5,,Example,oath.EX\n" +
		"a2,1002,3132333435363738393031323334353637383930313233343536373839303132,totp,8,,60,Example,oath.EX\n"
	if err := os.WriteFile(path("keys.csv"), []byte(table), 0o600); err != nil {
		t.Fatal(err)
	}
	runTool(t, "csv2pskc", "-o", path("plain.xml"), path("keys.csv"))
	runTool(t, "csv2pskc", "-s", secret, "-o", path("psk.xml"), path("keys.csv"))
	runTool(t, "pskc2pskc", "--new-password", "s3cret", "-o", path("pbe.xml"), path("plain.xml"))
	keys := []seedfile.Key{
		{Serial: "1001", Algorithm: "HOTP", Digits: 6, Counter: 5, Secret: []byte("12345678901234567890")},
		{Serial: "1002", Algorithm: "TOTP", Digits: 8, Period: 60, Secret: []byte("12345678901234567890123456789012")},
	}
	for file, key := range map[string][3]string{"keys.csv": {}, "plain.xml": {},
		"psk.xml": {"preSharedKey", secret, "ff" + secret[2:]}, "pbe.xml": {"password", "s3cret", "S3cret"}} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			s := newService(t, storetest.SQLite(t))
			text, err := os.ReadFile(path(file))
			if err != nil {
				t.Fatal(err)
			}
			attrs := map[string]any{"data": string(text), "createProducts": true}
			if key[0] != "" {
				for _, wrong := range []any{nil, key[2]} {
					attrs[key[0]] = wrong
					before := stateOf(t, s)
					if _, reply := s.post("/token/import", params(t, attrs)); !strings.HasPrefix(reply, `{"error":402,`) {
						t.Errorf("a wrong key: %.300s", reply)
					}
					if diff := cmp.Diff(before, stateOf(t, s)); diff != "" {
						t.Errorf("a wrong key changed something: %s", diff)
					}
				}
				attrs[key[0]] = key[1]
			}
			s.do(t, "token/import", params(t, attrs))
			checkOTPs(t, s, keys)
		})
	}
}

// stateOf gives what an import could change.
func stateOf(t *testing.T, s *service) []any {
	t.Helper()
	return []any{s.do(t, "token/search", `{"return":["*"]}`), s.do(t, "product/search", `{}`), s.do(t, "tokenAssignment/search", `{}`)}
}
