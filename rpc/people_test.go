package rpc_test

import (
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the machine may have no time zone files

	"tokensmith/model"
	"tokensmith/model/seedfile"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/object"
	"tokensmith/store/storetest"
)

// entrances sends a text as a name, a code or a serial in every way that exists, and returns the replies.
func entrances(s *service) map[string]func(text string) string {
	method := func(path, attr string, more map[string]any) func(string) string {
		return func(text string) string {
			attrs := map[string]any{attr: text}
			for k, v := range more {
				attrs[k] = v
			}
			_, reply := s.post("/"+path, toJSON(map[string]any{"attrs": attrs}))
			return reply
		}
	}
	file := func(path, member, before, behind string) func(string) string {
		return func(text string) string {
			cell := `"` + strings.ReplaceAll(text, `"`, `""`) + `"`
			_, reply := s.post("/"+path, toJSON(map[string]any{"attrs": map[string]any{member: before + cell + behind}}))
			return reply
		}
	}
	const seed = "3132333435363738393031323334353637383930"
	product := map[string]any{"manufacturerCode": "XX", "productCode": "X1", "algorithm": "HOTP", "name": "x"}
	return map[string]func(string) string{
		"domain/create":         method("domain/create", "name", nil),
		"repository/create":     method("repository/create", "name", nil),
		"agent/create":          method("agent/create", "name", map[string]any{"permissions": "auth/verify"}),
		"deviceGroup/create":    method("deviceGroup/create", "name", nil),
		"license/create":        method("license/create", "name", map[string]any{"seats": 1}),
		"device/create":         method("device/create", "name", nil),
		"device/createMany":     method("device/createMany", "label", map[string]any{"quantity": 1, "allowUnlicensed": true}),
		"user/create":           method("user/create", "loginName", map[string]any{"domain.name": "d"}),
		"user/create firstName": method("user/create", "firstName", map[string]any{"domain.name": "d", "loginName": "first"}),
		"user/set": func(text string) string {
			_, r := s.post("/user/set", toJSON(map[string]any{"user": map[string]any{"loginName": "kim"}, "attrs": map[string]any{"lastName": text}}))
			return r
		},
		"product/create name":     method("product/create", "name", map[string]any{"manufacturerCode": "XX", "productCode": "X2", "algorithm": "HOTP"}),
		"product/create code":     method("product/create", "productCode", map[string]any{"manufacturerCode": "XX", "name": "x", "algorithm": "HOTP"}),
		"product/create maker":    method("product/create", "manufacturerCode", map[string]any{"productCode": "X3", "name": "x", "algorithm": "HOTP"}),
		"token/create":            method("token/create", "serial", map[string]any{"product.productCode": "SE"}),
		"token/create identifier": method("token/create", "identifier", map[string]any{"product.productCode": "SE"}),
		"installationCode/create": method("installationCode/create", "usernamePrefix", map[string]any{"action": "CREATE_ACCOUNT_AND_DEVICE", "domain.name": "d"}),
		"batch/execute": func(text string) string {
			_, r := s.post("/batch/execute", toJSON(map[string]any{"calls": []any{map[string]any{"method": "/domain/create", "params": map[string]any{"attrs": map[string]any{"name": text + "2"}}}}}))
			return strings.TrimPrefix(r, `{"error":0,"result":[`)
		},
		"jsonrpc": func(text string) string {
			_, r := s.post("/jsonrpc", toJSON(map[string]any{"jsonrpc": "2.0", "id": 1, "method": "domain.create", "params": map[string]any{"attrs": map[string]any{"name": text + "3"}}}))
			return strings.Replace(r, `"error":{`, `"error":1,{`, 1)
		},
		"user/import loginName":        file("user/import", "csv", "domain,loginName\nd,", "\n"),
		"user/import lastName":         file("user/import", "csv", "domain,loginName,lastName\nd,imported,", "\n"),
		"token/import":                 file("token/import", "data", "serial,seed,type,manufacturer,model\n", ","+seed+",hotp,DN,SE\n"),
		"token/import keyid":           file("token/import", "data", "serial,seed,type,manufacturer,model,keyid\nK1,"+seed+",hotp,DN,SE,", "\n"),
		"token/batchAssignTokens":      file("token/batchAssignTokens", "csv", "domain,loginName,manufacturerCode,productCode,serial\nd,kim,DN,SE,", "\n"),
		"token/batchAssignTokens user": file("token/batchAssignTokens", "csv", "serial,domain,manufacturerCode,productCode,loginName\n1,d,DN,SE,", "\n"),
		"product/set": func(text string) string {
			s.post("/product/create", toJSON(map[string]any{"attrs": product}))
			_, r := s.post("/product/set", toJSON(map[string]any{"product": map[string]any{"productCode": "X1"}, "attrs": map[string]any{"name": text}}))
			return r
		},
	}
}

// No invisible characters are accepted in any way. White space around a name is removed or refused. So every row keeps the rule.
func TestEveryEntranceKeepsToTheRule(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url, realRandom)
		s.do(t, "domain/create", `{"attrs":{"name":"d"}}`)
		s.do(t, "user/create", `{"attrs":{"domain.name":"d","loginName":"kim"}}`)
		s.do(t, "token/create", `{"attrs":{"product.productCode":"SE","serial":"1"}}`)
		for way, put := range entrances(s) {
			for _, text := range []string{"in\u200bner", "o\u202ever", "\ufeffmark", "b\u0007l", "un\ufffdread", "a\u200db"} {
				if reply := put(text); strings.HasPrefix(reply, `{"error":0`) || !strings.Contains(reply, `"error":`) {
					t.Errorf("%s takes %+q: %.200s", way, text, reply)
				}
			}
			for _, text := range []string{" x", "x\n", "\u00a0x\u00a0", "Mu\u0308ller", "نامه\u200cای", "O'Brien"} {
				if reply := put(text); strings.HasPrefix(reply, `{"error":1,`) {
					t.Errorf("%s, %+q: %.200s", way, text, reply)
				}
			}
			for _, text := range []string{"❤\ufe0f", "1\ufe0f\u20e3", "🏳\ufe0f\u200d🌈", "葛\U000e0100城", "ᠠ\u180b", "אָ\u034fב", "کوردە\u200c"} {
				if reply := put(text); strings.Contains(reply, "invisible") {
					t.Errorf("%s, %+q: %.200s", way, text, reply)
				}
			}
		}
		for _, serial := range []string{"'0001", "'=x", `="1"`, "1E+11", "1.2E+11"} {
			if reply := entrances(s)["token/create"](serial); codeIn(reply) != 11 {
				t.Errorf("token/create takes %s, which a file would bring back as another: %s", serial, reply)
			}
		}
		n, err := s.NameFaults(t.Context(), func(f object.NameFault) { t.Errorf("%+v", f) })
		if n != 0 || err != nil {
			t.Error(n, err)
		}
	})
}

// A caller that names an object may add the white space that people often add, and may write the name in composed or decomposed
// form.
func TestNamesInSelectors(t *testing.T) {
	t.Parallel()
	s := newService(t, storetest.SQLite(t))
	s.do(t, "domain/create", `{"attrs":{"name":"d"}}`)
	s.do(t, "user/create", `{"attrs":{"domain.name":" d ","loginName":"müller\n"}}`)
	for _, name := range []string{"müller", "mu\u0308ller ", "MÜLLER", "\u00a0müller"} {
		s.do(t, "user/get", toJSON(map[string]any{"user": map[string]any{"domain.name": "d", "loginName": name}}))
	}
	if _, reply := s.post("/user/create", `{"attrs":{"domain.name":"d","loginName":"mu\u0308ller "}}`); codeIn(reply) != 13 {
		t.Error(reply)
	}
	s.do(t, "user/import", params(t, map[string]any{"csv": "Domain;LOGINNAME;MustChangePassword;;\r\nd; müller ;WAHR;;\r\n"}))
	if got := fmt.Sprint(s.do(t, "user/search", `{"return":["loginName","mustChangePassword"]}`)); got != "map[rows:[map[loginName:müller mustChangePassword:true]] total:1]" {
		t.Error(got)
	}
}

// A date without a time means its end for an end and its beginning for a start, in the server's time zone. The reply returns the
// resulting time.
func TestDayAlone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ zone, begins, ends string }{{"UTC", "2026-01-01T00:00:00Z", "2026-01-01T23:59:59.999Z"}, {"Pacific/Auckland", "2025-12-31T11:00:00Z", "2026-01-01T10:59:59.999Z"}} {
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		g := &guarded{newService(t, storetest.SQLite(t), func(cfg *dispatch.Config) { cfg.TimeZone = zone }), t}
		g.do(t, "domain/create", `{"attrs":{"name":"d"}}`)
		g.user("u")
		g.do(t, "token/create", fmt.Sprintf(`{"attrs":{"product.productCode":"SE","serial":"1","seed":"%x"}}`, seedOf("1")))
		for method, attrs := range map[string]string{
			"tokenAssignment/create":  `"token":{"serial":"1"},"user":{"loginName":"u"},"starts":"2026-01-01"`,
			"license/create":          `"name":"L","seats":1`,
			"installationCode/create": `"action":"CREATE_ACCOUNT_AND_DEVICE","usernamePrefix":"k","domain.name":"d"`,
		} {
			got := g.do(t, method, `{"attrs":{`+attrs+`,"expires":"2026-01-01"},"return":["*"]}`).(map[string]any)
			if got["expires"] != c.ends || method == "tokenAssignment/create" && got["starts"] != c.begins {
				t.Errorf("%s %s: %v", c.zone, method, got)
			}
		}
		g.want(0, g.verify("u", g.at(hotp, "1", 0)), "on the day")
		g.clock.advance(24*time.Hour - time.Second)
		if c.zone == "UTC" {
			g.want(0, g.verify("u", g.at(hotp, "1", 1)), "in its last second")
		}
		g.clock.advance(time.Second)
		g.want(204, g.verify("u", g.at(hotp, "1", 2)), "the day behind")
	}
}

// A date that no calendar has is refused as such. The last possible date is returned in a form that can be sent again.
func TestFarDates(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	s := newService(t, storetest.SQLite(t), func(cfg *dispatch.Config) { cfg.TimeZone = zone })
	for _, day := range []string{"2026-02-29", "2026-13-01", "2026-02-30T10:00:00Z"} {
		if _, reply := s.post("/license/create", `{"attrs":{"name":"L","seats":1,"expires":"`+day+`"}}`); !strings.Contains(reply, day[:10]+" is not a date of the calendar") {
			t.Error(reply)
		}
	}
	made := s.do(t, "license/create", `{"attrs":{"name":"L","seats":1,"expires":"9999-12-31"},"return":["expires"]}`).(map[string]any)
	s.do(t, "license/set", toJSON(map[string]any{"license": map[string]any{"name": "L"}, "attrs": made}))
}

// Pasted text with extra characters counts as the intended text, and nothing of it counts as a failure. A dash in a PIN stays a
// dash.
func TestPastedCredentials(t *testing.T) {
	t.Parallel()
	g := newGuarded(t, storetest.SQLite(t))
	g.user("u", "SE 1")
	g.user("p", "SE 2 12-34")
	for i, as := range []func(string) string{
		func(o string) string { return o[:3] + " " + o[3:] }, func(o string) string { return " " + o + "\r\n" }, func(o string) string { return o[:3] + "\u00a0" + o[3:] },
		func(o string) string { return o[:3] + "-" + o[3:] }, func(o string) string { return o[:2] + "–" + o[2:4] + "–" + o[4:] }, func(o string) string { return "\u200b" + o },
		func(o string) string { return o + "-" }, func(o string) string { return o + " —" },
		func(o string) string { return strings.Map(func(r rune) rune { return r - '0' + '０' }, o) },
	} {
		g.want(0, g.verify("u", as(g.at(hotp, "1", int64(i)))), as("123456"))
		g.want(0, g.verify("p", "12-34"+as(g.at(hotp, "2", int64(i)))), "12-34"+as("123456"))
	}
	g.want(0, g.verify("u", "-"+g.at(hotp, "1", 9)), "a dash in front")
	g.want(201, g.verify("p", "1234"+g.at(hotp, "2", 10)), "the PIN without its dash")
	if n := g.get("user", `[["loginName","=","u"]]`, "failCount"); n != "0" {
		t.Errorf("%s failures", n)
	}
	_, reply := g.post("/auth/syncToken", fmt.Sprintf(`{"user":{"loginName":"u"},"token":{"serial":"1"},"credential":"%s , %s\n"}`, g.at(hotp, "1", 20)[:3]+" "+g.at(hotp, "1", 20)[3:], g.at(hotp, "1", 21)))
	g.want(0, codeIn(reply), "two OTPs to synchronise")
	made := g.do(t, "device/create", `{"attrs":{"name":"x"}}`).(map[string]any)
	for _, text := range []string{"%s\n", " %s", "%s\r\n", "\ufeff%s"} {
		_, reply := g.post("/device/connect", toJSON(map[string]any{"token": fmt.Sprintf(text, made["clientToken"])}))
		g.want(0, codeIn(reply), fmt.Sprintf("a client token as %q", text))
	}
	g.do(t, "installationCode/create", `{"attrs":{"action":"CREATE_ACCOUNT_AND_DEVICE","usernamePrefix":"k","domain.name":"d","code":"K7QF3-9TMXW\n"}}`)
	for _, code := range []string{"k7qf3—9tmxw", "K7QF39TMXW\n", "Ｋ７ＱＦ３ ９ＴＭＸＷ", "K7QF3\u200b-9TMXW"} {
		_, reply := g.post("/installationCode/check", toJSON(map[string]any{"code": code}))
		g.want(0, codeIn(reply), code)
	}
	cred := base64.StdEncoding.EncodeToString([]byte(g.id + ":" + g.key))
	for _, header := range []string{"basic " + cred, "Basic  " + cred, "BASIC " + cred + " ", "Basic " + strings.TrimRight(cred, "="),
		"Basic " + base64.StdEncoding.EncodeToString([]byte(g.id+":"+g.key+"\n"))} {
		if status, reply := g.post("/domain/search", `{"max":0}`, "Authorization", header); status != http.StatusOK {
			t.Errorf("%.8q: %s", header, reply)
		}
	}
}

// A body with a content encoding is refused because of the encoding, before it is read.
func TestContentEncoding(t *testing.T) {
	t.Parallel()
	s := newService(t, storetest.SQLite(t))
	var body strings.Builder
	w := gzip.NewWriter(&body)
	w.Write([]byte(`{"attrs":{"name":"zipped"}}`))
	w.Close()
	for _, path := range []string{"/domain/create", "/jsonrpc", "/installationCode/check", "/das5/rest/token/import"} {
		for _, coding := range []string{"gzip", "br", "identity, deflate"} {
			status, reply := s.post(path, body.String(), "Content-Encoding", coding)
			if status != http.StatusUnsupportedMediaType || codeIn(reply) != 2 || !strings.Contains(reply, "Content-Encoding") {
				t.Errorf("%s %s: %d %s", path, coding, status, reply)
			}
		}
	}
	for _, utf16 := range []string{"\xff\xfe", "\xfe\xff"} {
		for _, c := range `{"max":0}` {
			if utf16[0] == 0xff {
				utf16 += string([]byte{byte(c), 0})
			} else {
				utf16 += string([]byte{0, byte(c)})
			}
		}
		if _, reply := s.post("/domain/search", utf16); codeIn(reply) != 0 {
			t.Error(reply)
		}
	}
	if _, reply := s.post("/domain/create", `{"attrs":{"name":"plain"}}`, "Content-Encoding", "Identity"); codeIn(reply) != 0 {
		t.Error(reply)
	}
}

// A refusal names the line and the reason, but never text that could be a seed.
func TestRefusalsQuoteNoSeed(t *testing.T) {
	t.Parallel()
	s := newService(t, storetest.SQLite(t))
	s.do(t, "domain/create", `{"attrs":{"name":"d"}}`)
	s.do(t, "user/create", `{"attrs":{"domain.name":"d","loginName":"kim"}}`)
	for _, seed := range []string{"8646c1d92304573e05e9ac90de6cac5f4e2aa05b", "QGAZPHSO7VF6AQOOZT2TVVQ7JCM6PKHN", "QGAZPHSO7VF6AQOO", "hkbBLZIwRXPgXprJDebKxfTiqgWw=="} {
		for path, file := range map[string]string{
			"token/import": "serial,seed,type\n" + seed + ",10001001,hotp\n", "token/import ": seed + ",10001001\n1," + seed + "\n",
			"token/batchAssignTokens": "domain,loginName,manufacturerCode,productCode,serial\nd,kim,DN,SE," + seed + "\n",
			"user/import":             "domain,loginName," + seed + "\nd,kim,x\n",
		} {
			member := map[bool]string{true: "data", false: "csv"}[strings.HasPrefix(path, "token/import")]
			_, reply := s.post("/"+strings.TrimSpace(path), params(t, map[string]any{member: file}))
			if codeIn(reply) == 0 || strings.Contains(reply, seed) || !strings.Contains(reply, "line ") && codeIn(reply) != 10 {
				t.Errorf("%s: %s", path, reply)
			}
		}
	}
}

// A seed that is as long as SHA-512 suggests is refused if the hash function is not given, and accepted once it is.
func TestHashThatIsNotSaid(t *testing.T) {
	t.Parallel()
	s := newService(t, storetest.SQLite(t))
	file := "serial,seed,type\n1," + strings.Repeat("3132333435363738", 8) + ",totp\n"
	if _, reply := s.post("/token/import", params(t, map[string]any{"data": file, "createProducts": true})); codeIn(reply) != 403 || !strings.Contains(reply, "attrs.crypto") {
		t.Error(reply)
	}
	got := s.do(t, "token/import", `{"attrs":`+toJSON(map[string]any{"data": file, "createProducts": true, "crypto": "HmacSHA512"})+`,"return":["product.crypto"]}`)
	if !strings.Contains(fmt.Sprint(got), "HmacSHA512") {
		t.Error(got)
	}
}

// An export returns everything that token/create accepts unchanged, both from the method and in the parts that the command line
// makes of it.
func TestHardTextsComeBack(t *testing.T) {
	t.Parallel()
	s := newService(t, storetest.SQLite(t), realRandom)
	hard := []string{"#1", "=1+1", "'0123", "1E+11", `="7"`, `a"b`, "a,b;c", "A&B<1>", "serial", "ключ-7", "نامه\u200cای", "0", strings.Repeat("ä", 64), "Mu\u0308ller", "a\u00a0b", " x", "x\n", "10\u200b1", "]]>"}
	for i, text := range hard {
		s.post("/token/create", toJSON(map[string]any{"attrs": map[string]any{"product.productCode": "SE", "serial": text, "identifier": text,
			"description": text + "\r\n two\tlines \u200b" + text, "seed": fmt.Sprintf("%040x", i+1)}}))
	}
	tokens := func(s *service) string {
		return toJSON(s.do(t, "token/search", `{"sort":"serial","return":["serial","identifier","description","product.productCode"]}`))
	}
	before := tokens(s)
	data := s.do(t, "token/export", `{"attrs":{"password":"correct horse"}}`).(map[string]any)
	if data["notes"] != nil {
		t.Error(data["notes"])
	}
	method := newService(t, storetest.SQLite(t), realRandom)
	method.do(t, "token/import", params(t, map[string]any{"data": data["data"], "password": "correct horse"}))
	if after := tokens(method); after != before {
		t.Errorf("by the method\ngot  %s\nwant %s", after, before)
	}
	var table seedfile.OATHTable
	table.Reset()
	_, err := seedfile.Read(strings.NewReader(data["data"].(string)), seedfile.Options{Password: model.Secret("correct horse")}, func(_ *seedfile.File, k seedfile.Key) error {
		table.Add(k)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	parts := newService(t, storetest.SQLite(t), realRandom)
	parts.do(t, "token/import", params(t, map[string]any{"data": table.Text(), "format": "oath-csv", "encode": "HEX"}))
	if after := tokens(parts); after != before {
		t.Errorf("by parts\ngot  %s\nwant %s", after, before)
	}
}
