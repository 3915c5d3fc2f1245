package rpc_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tokensmith/rpc/dispatch"
	"tokensmith/store"
	"tokensmith/store/storetest"
)

// This test sends marked secrets through every path, including the refusals. None may appear in the log, in the database, or in a
// reply that is not meant to contain it.
func TestSecretsStaySecret(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		seed := []byte("MARKEDseedMARKEDseed")
		marks := map[string]string{
			"seed": "MARKEDseed", "seed in hex": hex.EncodeToString(seed), "PIN": "MARKEDpin", "password": "MARKEDpassword",
			"OTP": "909090", "file password": "MARKEDfile", "pre-shared key": hex.EncodeToString([]byte("MARKEDkey")),
			"client secret": s.key, "seed in base32": "JVAVES2FIRZWKZLEJVAVES2FIRZWKZLE",
			"seed in base64": base64.StdEncoding.EncodeToString(seed)[:24],
		}
		var replies strings.Builder
		call := func(method, format string, args ...any) {
			status, reply := s.post("/das5/rest/"+method, fmt.Sprintf(format, args...))
			fmt.Fprintln(&replies, status, reply)
		}
		hexed := hex.EncodeToString(seed)
		call("domain/create", `{"attrs":{"name":"d"}}`)
		call("user/create", `{"attrs":{"domain.name":"d","loginName":"u","password":"MARKEDpassword"}}`)
		call("user/create", `{"attrs":{"domain.name":"d","loginName":"u","password":"MARKEDpassword"}}`)
		call("user/create", `{"attrs":{"domain.name":"d","loginName":"v","password":["MARKEDpassword"]}}`)
		call("user/set", `{"user":{"loginName":"u"},"attrs":{"password":"MARKEDpassword"}}`)
		call("user/search", `{"match":[["password","=","MARKEDpassword"]]}`)
		call("user/import", `{"attrs":{"csv":"domain,loginName,password\nd,w,MARKEDpassword\n"}}`)
		call("user/import", `{"attrs":{"csv":"domain,loginName,password\nnone,w,MARKEDpassword\nd,,MARKEDpassword\nd,x\n"}}`)
		for _, product := range []string{"SE", "NONE"} {
			call("token/create", `{"attrs":{"product.productCode":"%s","serial":"1","seed":"%s","user.loginName":"u","pin":"MARKEDpin"}}`, product, hexed)
			call("token/create", `{"attrs":{"product.productCode":"%s","serial":"1","seed":"%s"}}`, product, hexed)
			call("token/create", `{"attrs":{"product.productCode":"%s","seed":"MARKEDseed, not hex"}}`, product)
			call("token/create", `{"attrs":{"product.productCode":"%s","seed":"%s","encode":"BASE64"}}`, product, base64.StdEncoding.EncodeToString(seed))
			call("token/create", `{"attrs":{"product.productCode":"%s","pin":"MARKEDpin"}}`, product)
			call("token/create", `{"attrs":{"product.productCode":"%s","user.loginName":"u","pin":"MARKEDpin with spaces"}}`, product)
			call("token/create", `{"attrs":{"product.productCode":"%s","seed":{"MARKEDseed":1}}}`, product)
			call("token/import", `{"attrs":{"product.productCode":"%s","password":"MARKEDfile","preSharedKey":"%x","data":"serial,seed\n2,%s\n"}}`, product, "MARKEDkey", hexed)
			call("token/import", `{"attrs":{"product.productCode":"%s","data":"serial,seed\n2,MARKEDseed\n%s,3\n"}}`, product, hexed)
			call("token/import", `{"attrs":{"product.productCode":"%s","onExisting":"refuse","data":"serial,seed\n1,%s\n"}}`, product, hexed)
		}
		call("token/import", `{"attrs":{"product.productCode":"SE","format":"feitian","data":"2,%s\n"}}`, hexed)
		call("token/import", `{"attrs":{"dryRun":true,"assign":true,"createProducts":true,"data":"user,serial,seed,type\n%s,2,%s,hotp\n"}}`, hexed, hexed)
		call("token/export", `{"match":[],"attrs":{"password":"MARKEDfile"}}`)
		call("token/export", `{"match":[["seed","=","%s"]],"attrs":{"password":"MARKEDfile"}}`, hexed)
		call("token/get", `{"token":{"serial":"1"}}`)
		call("token/search", `{"return":["*",{"users":["*"]},{"tokenAssignments":["*"]}]}`)
		call("tokenAssignment/set", `{"tokenAssignment":{"token.serial":"1"},"attrs":{"pin":"MARKEDpin"}}`)
		call("tokenAssignment/set", `{"tokenAssignment":{"token.serial":"none"},"attrs":{"pin":"MARKEDpin"}}`)
		call("token/batchAssignTokens", `{"attrs":{"csv":"domain,loginName,manufacturerCode,productCode,serial,pin\nd,u,DN,SE,1,MARKEDpin\n"}}`)
		call("token/batchAssignTokens", `{"attrs":{"csv":"domain,loginName,manufacturerCode,productCode,serial,pin\nd,u,DN,SE,1,MARKEDpin x\nd,u,DN\n"}}`)
		call("token/syncToken", `{"token":{"serial":"1"},"user":{"loginName":"u"},"credential":"909090,909090"}`)
		call("token/syncToken", `{"token":{"serial":"1"},"credential":"909090"}`)
		call("auth/verify", `{"user":{"loginName":"u"},"credential":{"otp":"MARKEDpin909090"}}`)
		call("auth/verify", `{"user":{"loginName":"u"},"credential":{"method":"SPASS","password":"MARKEDpassword"}}`)
		call("auth/verify", `{"user":{"loginName":"u"},"credential":{"method":"SPASS","password":"wrong","newPassword":"MARKEDpassword"}}`)
		call("auth/verify", `{"user":{"loginName":"u"},"credential":{"method":"SPASS","password":["MARKEDpassword"]}}`)
		call("auth/verify", `{"user":{"loginName":"nobody"},"credential":{"otp":"909090"}}`)
		call("auth/syncToken", `{"user":{"loginName":"u"},"token":{"serial":"1"},"credential":"909090,909090"}`)
		call("auth/activateTokenAssignment", `{"user":{"loginName":"u"},"token":{"serial":"1"},"code":"MARKEDpin"}`)
		call("user/resetPassword", `{"user":{"loginName":"u"},"password":"MARKEDpassword"}`)
		call("token/reset", `{"token":{"serial":"1"}}`)
		call("agent/create", `{"attrs":{"name":"a","permissions":"*","secret":"MARKEDpassword"}}`)
		call("token/create", `{"attrs":{"product.productCode":"SE","seed":"%s","pin":"MARKEDpin" "colour":1}`, hexed) // unreadable
		call("MARKEDpassword/x", `{}`)
		for _, atomic := range []bool{false, true} {
			call("batch/execute", `{"atomic":%t,"calls":[{"method":"token/create","params":{"attrs":{"product.productCode":"SE","seed":"%s","user.loginName":"u","pin":"MARKEDpin"}}},
				{"method":"token/create","params":{"attrs":{"product.productCode":"SE","seed":"MARKEDseed","pin":["MARKEDpin"]}}},
				{"method":"MARKEDpassword/x","params":{"pin":"MARKEDpin"}},{"pin":"MARKEDpin"},"MARKEDpin"]}`, atomic, hexed)
		}
		for _, request := range []string{`{"jsonrpc":"2.0","id":1,"method":"token.create","params":{"attrs":{"product.productCode":"SE","seed":"%s","user.loginName":"u","pin":"MARKEDpin"}}}`,
			`{"jsonrpc":"2.0","id":1,"method":"token.create","params":{"attrs":{"product.productCode":"NONE","seed":"%s","pin":"MARKEDpin"}}}`,
			`{"jsonrpc":"2.0","id":1,"method":"MARKEDpassword.x","params":{"pin":"MARKEDpin","seed":"%s"}}`, `{"jsonrpc":"1.0","id":1,"method":"MARKEDpassword","params":["MARKEDpin","%s"]}`,
			`{"jsonrpc":"2.0","id":1,"method":"token.create","params":"MARKEDpin%s"}`, `[{"params":"MARKEDpin%s"}]`, `{"params":"MARKEDpin%s"`} {
			status, reply := s.post("/jsonrpc", fmt.Sprintf(request, hexed), "Idempotency-Key", "MARKEDpassword")
			fmt.Fprintln(&replies, status, reply)
		}
		for _, credential := range []string{"MARKEDpassword:x", s.id + ":MARKEDpassword", "x:MARKEDpassword"} {
			basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(credential))
			s.post("/das5/rest/token/search", "{}", "Authorization", basic)
			s.post("/das5/rest/oauth/token", "grant_type=client_credentials", "Authorization", basic, "Content-Type", "application/x-www-form-urlencoded")
		}
		s.post("/das5/rest/token/search", "{}", "Authorization", "Bearer MARKEDpassword.1.9999999999999.MARKEDpassword")
		s.post("/das5/rest/oauth/token", "client_id=MARKEDpassword&client_secret=MARKEDpassword&grant_type=MARKEDpassword", "Authorization", "",
			"Content-Type", "application/x-www-form-urlencoded")
		s.post("/das5/rest/token/search?pin=MARKEDpin", "{}", "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(s.id+":MARKEDpassword")))

		if n := strings.Count(s.log.String(), "\n"); n < 40 {
			t.Fatalf("only %d lines of log", n)
		}
		stored := dump(t, s, url)
		if !strings.Contains(stored, "SafeID") {
			t.Fatal("the dump of the database shows nothing")
		}
		for what, mark := range marks {
			for where, text := range map[string]string{"log": s.log.String(), "replies": replies.String(), "database": stored} {
				if i := strings.Index(strings.ToLower(text), strings.ToLower(mark)); i >= 0 {
					t.Errorf("the %s shows in the %s: %.200q", what, where, text[max(0, i-80):])
				}
			}
		}
	})
}

// dump returns everything in the database as bytes: the files of SQLite, or every row of PostgreSQL.
func dump(t *testing.T, s *service, url string) string {
	t.Helper()
	var all bytes.Buffer
	if store.IsPostgres(url) {
		for _, row := range storetest.Rows(t, url) {
			fmt.Fprintln(&all, row)
		}
		return all.String()
	}
	files, err := filepath.Glob(url + "*")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}

// A panic in a method is answered with an envelope. Neither the text of the panic nor the parameters are logged.
func TestPanicIsAnEnvelope(t *testing.T) {
	t.Parallel()
	s := newService(t, storetest.SQLite(t), func(c *dispatch.Config) { c.Rand = &failing{} })
	status, reply := s.post("/token/create", `{"attrs":{"product.productCode":"SE"}}`)
	if want := `{"error":1,"message":"internal error"}`; status != 500 || reply != want {
		t.Errorf("got %d %s", status, reply)
	}
	if log := s.log.String(); !strings.Contains(log, "failing") {
		t.Errorf("the log does not say where: %s", log)
	}
	// The server continues to work.
	s.do(t, "token/search", `{}`)
}

// failing is a source of random bytes that panics after the first agent was made.
type failing struct{ repeating }

func (f *failing) Read(p []byte) (int, error) {
	if len(p) == 20 {
		panic("MARKEDseed")
	}
	return f.repeating.Read(p)
}
