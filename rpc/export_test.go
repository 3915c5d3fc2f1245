package rpc_test

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"tokensmith/model"
	"tokensmith/model/modeltest"
	"tokensmith/model/seedfile"
	"tokensmith/rpc/dispatch"
	"tokensmith/store/storetest"
)

// everyKind is a file with tokens of every algorithm, hash, number of digits and state.
const everyKind = "seed,serial,keyid,type,digits,period,counter,drift,hash,manufacturer,model,description\n" +
	"3132333435363738393031323334353637383930,H6,,hotp,6,,1099511627776,,sha1,DN,SE,\"Büro <1> & \"\"2\"\"\"\n" +
	"31323334353637383930313233343536373839303132333435363738393031323334353637383930313233343536373839303132,H8,id-8,hotp,8,,3,,sha256,ACME,H8,\n" +
	"3132333435363738393031323334353637383930,T6,,totp,6,60,,-7,sha1,DN,ST,\n" +
	"31323334353637383930,T6,,totp,6,30,,3,sha512,ACME,T6,the same serial of another product\n" +
	"3132333435363738393031323334353637383930313233343536373839303132,T8,,totp,8,45,,120,sha256,ACME,T8,\n"

const everyToken = `{"sort":["serial","product.productCode"],"return":["serial","identifier","description","status","counter","drift",
	{"product":["manufacturerCode","productCode","algorithm","digits","period","crypto"]}]}`

func realRandom(c *dispatch.Config) { c.Rand = rand.Reader }

// TestExportImportsAgain: imported tokens are exported and imported again: the second database has the same seeds, states and
// OTPs.
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
		before, mac, _ := strings.Cut(file, "<pskc:ValueMAC>")
		forged := before + "<pskc:ValueMAC>" + strings.Map(func(r rune) rune {
			if r == 'A' {
				return 'B'
			}
			return 'A'
		}, mac[:8]) + mac[8:]
		if _, reply := second.post("/token/import", params(t, map[string]any{"data": forged, "password": "correct horse", "createProducts": true})); !strings.HasPrefix(reply, `{"error":402,`) {
			t.Errorf("a forged MAC: %.200s", reply)
		}
		if total := fmt.Sprint(second.do(t, "product/search", `{"max":0}`).(map[string]any)["total"]); total != fmt.Sprint(len(model.Builtin())) {
			t.Errorf("a wrong password or MAC left %s products", total)
		}
		for range 2 { // a second import changes nothing
			second.do(t, "token/import", params(t, map[string]any{"data": file, "password": "correct horse", "createProducts": true}))
			if diff := gocmp.Diff(first.do(t, "token/search", everyToken), second.do(t, "token/search", everyToken)); diff != "" {
				t.Error(diff)
			}
			if diff := gocmp.Diff(keysOf(t, file), keysOf(t, export(second))); diff != "" {
				t.Error(diff)
			}
		}
		checkByTools(t, file)
		checkOTPs(t, second, keysOf(t, file))
		// In parts, each in its own file.
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

// checkByTools reads our file with other programs.
func checkByTools(t *testing.T, file string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "export.xml")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := modeltest.Run(t, "pskctool", "--validate", path); !strings.Contains(out, "OK") {
		t.Errorf("pskctool --validate: %s", out)
	}
	got := modeltest.Run(t, "pskc2csv", "-p", "correct horse", "-c", "serial,secret,algorithm,response_length,counter,time_interval", path)
	for _, k := range keysOf(t, file) {
		if !strings.Contains(got, k.Serial+","+hex.EncodeToString(k.Secret)) {
			t.Errorf("pskc2csv does not read token %s:\n%s", k.Serial, got)
		}
	}
}

// checkOTPs synchronizes every token with the next two OTPs that oathtool makes for its key and product.
func checkOTPs(t *testing.T, s *service, keys []seedfile.Key) {
	t.Helper()
	seen, used := map[string]bool{}, map[string]bool{}
	for _, k := range keys {
		serial := k.Serial
		if device := serial + " " + k.Model; serial != "" && seen[device] {
			serial += "-" + k.KeyID // a further key of the same device
		} else {
			seen[device] = true
		}
		switch {
		case serial == "" && k.KeyID != "":
			serial = k.KeyID
		case serial == "" && k.Issuer != "":
			serial = k.Issuer + ":" + k.User
		case serial == "":
			serial = k.User
		}
		match := []any{[]any{"serial", "=", serial}}
		if k.Period != 0 { // two products may have the same serial number
			match = append(match, []any{"product.period", "=", k.Period})
		}
		query, err := json.Marshal(map[string]any{"match": match, "return": []string{"id", "counter", "drift", "product.algorithm",
			"product.digits", "product.period", "product.crypto"}})
		if err != nil {
			t.Fatal(err)
		}
		rows := s.do(t, "token/search", string(query)).(map[string]any)["rows"].([]any)
		if len(rows) != 1 {
			t.Errorf("%d tokens are %s", len(rows), query)
			continue
		}
		token := rows[0].(map[string]any)
		number := func(name string) int64 { return int64(token[name].(float64)) }
		if got := number("drift"); got != k.Drift {
			t.Errorf("token %s has drift %d, not %d", serial, got, k.Drift)
		}
		hash := strings.ToLower(strings.TrimPrefix(token["product.crypto"].(string), "Hmac"))
		args := []string{"-d", fmt.Sprint(number("product.digits")), "-w", "1"}
		if token["product.algorithm"] == seedfile.TOTP {
			period := number("product.period")
			at := s.clock.now().Add(time.Duration(k.Drift*period) * time.Second)
			args = append(args, "--totp="+hash, "-s", fmt.Sprintf("%ds", period), "-N", at.Format("2006-01-02 15:04:05 UTC"))
		} else {
			if used[string(k.Secret)] { // used by another key of the file, which moved this key's counter
				s.do(t, "token/reset", fmt.Sprintf(`{"id":%q,"attrs":{"counter":%d}}`, token["id"], k.Counter))
			} else if got := number("counter"); got != k.Counter {
				t.Errorf("token %s has counter %d, not %d", serial, got, k.Counter)
			}
			if hash != "sha1" {
				continue // oathtool supports HOTP only with SHA-1
			}
			args = append(args, "-c", fmt.Sprint(k.Counter))
		}
		otps := strings.Fields(modeltest.Run(t, "oathtool", append(args, hex.EncodeToString(k.Secret))...))
		used[string(k.Secret)] = true
		_, reply := s.post("/token/syncToken", fmt.Sprintf(`{"token":{"id":%q},"credential":"%s,%s"}`, token["id"], otps[0], otps[1]))
		if reply != `{"error":0}` {
			t.Errorf("token %s does not make oathtool's OTPs: %s", serial, reply)
		}
	}
}

// TestImportVectors: every vector file with keys and without bad rows can be imported. The tokens make the same OTPs as oathtool.
func TestImportVectors(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../testdata/vectors/seedfile/*")
	if err != nil || len(files) == 0 {
		t.Fatal("no vectors", err)
	}
	formats := map[seedfile.Format]int{}
	s := newService(t, storetest.SQLite(t))
	for _, path := range files {
		name := filepath.Base(path)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		attrs := map[string]any{"data": string(text), "createProducts": true}
		opts := seedfile.Options{}
		switch name {
		case "rfc6030-figure2.xml": // its seed has four bytes
			if _, reply := s.post("/token/import", params(t, attrs)); !strings.Contains(reply, "the seed is shorter than 10 bytes") {
				t.Errorf("%s: %.300s", name, reply)
			}
			continue
		case "rfc6030-figure6.xml":
			opts.PreSharedKey = []byte("\x12\x34\x56\x78\x90\x12\x34\x56\x78\x90\x12\x34\x56\x78\x90\x12")
			attrs["preSharedKey"] = hex.EncodeToString(opts.PreSharedKey)
		case "rfc6030-figure7.xml":
			opts.Password, attrs["password"] = model.Secret("qwerty"), "qwerty"
		}
		var keys []seedfile.Key
		f, err := seedfile.Read(strings.NewReader(string(text)), opts, func(_ *seedfile.File, k seedfile.Key) error {
			keys = append(keys, k)
			return nil
		})
		if strings.HasSuffix(name, ".want") || err != nil || f.Bad.Count() > 0 || len(keys) == 0 {
			continue
		}
		if f.Format == seedfile.VendorXML || slices.ContainsFunc(keys, func(k seedfile.Key) bool { return k.Algorithm == "" }) {
			// Rows without an algorithm get one, and codes of products of another kind are removed.
			var table seedfile.OATHTable
			table.Reset()
			for i := range keys {
				keys[i].Algorithm = cmp.Or(keys[i].Algorithm, seedfile.HOTP)
				table.Add(keys[i])
			}
			attrs["data"], attrs["encode"] = table.Text(), "HEX"
		}
		// Several vectors have the same serial numbers, so each gets its own database.
		s.do(t, "token/import", params(t, attrs))
		t.Logf("%s: %s, %d keys", name, f.Format, len(keys))
		formats[f.Format] += len(keys)
		checkOTPs(t, s, keys)
		s = newService(t, storetest.SQLite(t))
	}
	for _, format := range seedfile.Formats() {
		if formats[format] == 0 {
			t.Errorf("no vector of format %s", format)
		}
	}
}

// TestImportFilesOfOtherTools: files made by programs in Debian, plain, with a pre-shared key and with a password, can be
// imported with the method.
func TestImportFilesOfOtherTools(t *testing.T) {
	t.Parallel()
	path := modeltest.KeyFiles(t)
	const secret = modeltest.KeyFileSecret
	keys := []seedfile.Key{
		{Serial: "1001", Algorithm: "HOTP", Digits: 6, Counter: 5, Secret: []byte("12345678901234567890")},
		{Serial: "1002", Algorithm: "TOTP", Digits: 8, Period: 60, Secret: []byte("12345678901234567890123456789012")},
	}
	for file, key := range map[string][3]string{"keys.csv": {}, "plain.xml": {},
		"psk.xml": {"preSharedKey", secret[:16] + "\r\n " + secret[16:], "ff" + secret[2:]}, "pbe.xml": {"password", "s3cret", "S3cret"}} {
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
					if diff := gocmp.Diff(before, stateOf(t, s)); diff != "" {
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

// stateOf returns what an import could change.
func stateOf(t *testing.T, s *service) []any {
	t.Helper()
	return []any{s.do(t, "token/search", `{"return":["*"]}`), s.do(t, "product/search", `{}`), s.do(t, "tokenAssignment/search", `{}`)}
}
