package rpc_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"tokensmith/model/modeltest"
	"tokensmith/model/otp"
	"tokensmith/store/storetest"
)

// vendorFile returns a vendor's seed file of n tokens.
func vendorFile(n int) string {
	var b strings.Builder
	b.WriteString("<data><header><manufacturerCode>DN</manufacturerCode><productCode>ST</productCode><encode>HEX</encode>" +
		"<encrypt>NONE</encrypt><digits>6</digits><timeWindow>60</timeWindow><crypto>HmacSHA1</crypto></header><tokens>\n")
	for i := range n {
		fmt.Fprintf(&b, "<token><serial>%08d</serial><seed>%040X</seed></token>\n", i, i+1)
	}
	b.WriteString("</tokens></data>\n")
	return b.String()
}

func importParams(t testing.TB, file string) string {
	t.Helper()
	return params(t, map[string]any{"data": file})
}

// params returns the parameters of a method that takes attrs.
func params(t testing.TB, attrs map[string]any) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{"attrs": attrs})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A call imports as many tokens as it may contain (20,000 unless the long tests run), each once. One bad row among them rolls
// everything back.
func TestImportMany(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		const most = 100_000
		n := modeltest.Size(most, 20_000)
		last := fmt.Sprintf("%08d", n-1)
		s := newService(t, url)
		file := vendorFile(n)
		bad := strings.Replace(file, "<serial>"+last+"</serial><seed>0", "<serial>"+last+"</serial><seed>X", 1)
		if _, reply := s.post("/token/import", importParams(t, bad)); !strings.Contains(reply, fmt.Sprintf(`{"line":%d,"serial":"%s","reason":"`, n+1, last)) {
			t.Fatalf("%.400s", reply)
		}
		total := func() string {
			return fmt.Sprint(s.do(t, "token/search", `{"max":0}`).(map[string]any)["total"])
		}
		if got := total(); got != "0" {
			t.Fatalf("a refused file left %s tokens", got)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		result := s.do(t, "token/import", importParams(t, file)).(map[string]any)
		runtime.ReadMemStats(&after)
		t.Logf("%d tokens: %d MB of file, %d MB allocated in all", n, len(file)>>20, (after.TotalAlloc-before.TotalAlloc)>>20)
		rows := result["rows"].([]any)
		if got := fmt.Sprint(result["total"]); got != fmt.Sprint(n) || len(rows) != n {
			t.Fatalf("total %s, %d rows", got, len(rows))
		}
		if row := rows[n-1].(map[string]any); row["serial"] != last {
			t.Errorf("the last row is %v", row)
		}
		if got := total(); got != fmt.Sprint(n) {
			t.Errorf("%s tokens", got)
		}
		// Bad rows beyond those that a reply lists are only counted.
		_, reply := s.post("/token/import", importParams(t, strings.ReplaceAll(file, "<seed>0", "<seed>X")))
		if !strings.Contains(reply, fmt.Sprintf(`"more":%d}`, n-1000)) || strings.Count(reply, `"line"`) != 1000 {
			t.Errorf("%.200s ... %s", reply, reply[len(reply)-100:])
		}
		if _, reply := s.post("/token/import", importParams(t, vendorFile(most+1))); !strings.HasPrefix(reply, `{"error":6,`) {
			t.Errorf("%.200s", reply)
		}
	})
}

// No reply contains a seed, even if the seed stands in the column of a product code or a user.
func TestImportHidesSeeds(t *testing.T) {
	t.Parallel()
	s := newService(t, storetest.SQLite(t))
	s.do(t, "domain/create", `{"attrs":{"name":"d"}}`)
	for _, seed := range []string{"31323334353637383930", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "JBSWYDPEHPKPXPQA", "jbswydpehpkpxpq", "31:32:33:34:35:36:37:38:39:30"} {
		for _, attrs := range []map[string]any{
			{"data": "serial,seed,type,manufacturer,model\n1,3132333435363738393031323334353637383930,totp,DN," + seed},
			{"data": "serial,seed,type,manufacturer,model\n1,3132333435363738393031323334353637383930,totp," + seed + ",SE"},
			{"data": "serial,seed,type,manufacturer,model\n1,3132333435363738393031323334353637383930,," + seed + ",SE"},
			{"data": "serial,seed,type,manufacturer\n1,3132333435363738393031323334353637383930,totp," + seed},
			{"data": "serial,seed,type,user\n1,3132333435363738393031323334353637383930,totp," + seed, "assign": true, "createProducts": true},
			{"data": strings.Replace(vendorFile(1), ">ST<", ">"+seed+"<", 1)},
		} {
			if status, reply := s.post("/token/import", params(t, attrs)); strings.Contains(reply, `"error":0`) || strings.Contains(strings.ToLower(reply), strings.ToLower(seed)) {
				t.Errorf("%v: %d %s", attrs, status, reply)
			}
		}
	}
}

// An import refuses a clock or counter with which the token could not be used, or not be exported and imported again. A token
// that has used its last counter does not prevent the others from being imported again.
func TestImportBounds(t *testing.T) {
	t.Parallel()
	s := newService(t, storetest.SQLite(t), realRandom)
	load := func(row string) string {
		_, reply := s.post("/token/import", params(t, map[string]any{"data": "serial,seed,type,counter,drift\n" + row, "createProducts": true}))
		return reply
	}
	const seed = ",3132333435363738393031323334353637383930,"
	for _, row := range []string{"1" + seed + "totp,,2147483648", "1" + seed + "totp,,-2147483648", "1" + seed + "totp,,-1000000000", "1" + seed + "totp,,9223372036854775807",
		"1" + seed + "hotp,9223372036854775807,", "1" + seed + "totp,,99999999999999999999"} {
		if reply := load(row); strings.Contains(reply, `"error":0`) {
			t.Errorf("%s: %s", row, reply)
		}
	}
	for _, row := range []string{"1" + seed + "totp,,-31556952", "2" + seed + "totp,,1999999999", "3" + seed + "hotp,9223372036854775806,"} {
		if reply := load(row); !strings.Contains(reply, `"error":0`) {
			t.Errorf("%s: %s", row, reply)
		}
	}
	export := func() (result map[string]any, reply string) {
		_, reply = s.post("/token/export", `{"match":[],"attrs":{"password":"p"}}`)
		var answer struct {
			Result map[string]any `json:"result"`
		}
		if err := json.Unmarshal([]byte(reply), &answer); err != nil {
			t.Fatal(err)
		}
		return answer.Result, reply
	}
	again := func(want float64) {
		t.Helper()
		result, reply := export()
		if result["total"] != want {
			t.Fatalf("%.300s", reply)
		}
		other := newService(t, storetest.SQLite(t), realRandom)
		other.do(t, "token/import", params(t, map[string]any{"data": result["data"], "password": "p", "createProducts": true}))
	}
	again(3)
	code := otp.Generate(bytes.Repeat([]byte("1234567890"), 2), uint64(otp.LastStep), otp.Params{Algorithm: otp.HOTP, Digits: 6, Hash: otp.HmacSHA1})
	s.do(t, "domain/create", `{"attrs":{"name":"d"}}`)
	s.do(t, "user/create", `{"attrs":{"domain.name":"d","loginName":"u"}}`)
	s.do(t, "tokenAssignment/create", `{"attrs":{"token.serial":"3","user.loginName":"u"}}`)
	s.do(t, "auth/verify", fmt.Sprintf(`{"user":{"loginName":"u"},"credential":{"otp":%q}}`, code))
	again(2)
	if _, reply := export(); !strings.Contains(reply, "its last counter is used") {
		t.Errorf("%.300s", reply)
	}
}
