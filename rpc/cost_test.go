package rpc_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"tokensmith/model"
	"tokensmith/store/storetest"
)

// compared returns how many OTPs credentials were compared with so far.
func (s *service) compared(t testing.TB) int {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	r.SetBasicAuth(s.id, s.key)
	_, _, text := s.get("/metrics", "Authorization", r.Header.Get("Authorization"))
	found := regexp.MustCompile(`(?m)^tokensmith_otps_compared_total (\S+)$`).FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("no such metric in %.300s", text)
	}
	n, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return int(n)
}

// TestCostOfOneCredential: the cost of one credential, for which others wait, is limited, whatever the credential is, however
// many tokens it is tried on, and however wide their windows are. It is the same for an unknown user as for the user who was
// checked before.
func TestCostOfOneCredential(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		g := newGuarded(t, url)
		g.do(t, "product/create", `{"attrs":{"manufacturerCode":"T","productCode":"WT","name":"WT","kind":"SOFT","algorithm":"TOTP","period":30,"checkWindow":10000}}`)
		g.do(t, "product/create", `{"attrs":{"manufacturerCode":"T","productCode":"WH","name":"WH","kind":"SOFT","algorithm":"HOTP","checkWindow":10000}}`)
		g.do(t, "domain/set", `{"domain":{"name":"d"},"attrs":{"lockoutThreshold":0}}`)
		many := []string{}
		for i := range 50 {
			many = append(many, fmt.Sprintf("%s %d%s", []string{"WT", "WH"}[i%2], i+10, []string{"", " 4711"}[i/2%2]))
		}
		g.user("one", "WT 1 4711")
		g.user("bare", "WT 2")
		g.user("several", "SE 3", "ST 4 4711", "WH 5")
		g.user("many", many...)
		g.user("none")
		costs := func(login, credential string, more ...string) int {
			t.Helper()
			before := g.compared(t)
			g.want(201, g.verify(login, credential, more...), login+": "+credential[:min(len(credential), 90)])
			return g.compared(t) - before
		}
		for _, c := range []struct {
			login string
			most  int
		}{{"one", 20_001}, {"bare", 20_001}, {"several", 30_000}, {"many", model.MaxCompared}, {"none", 100}} {
			usual := costs(c.login, "000000")
			if usual == 0 || usual > c.most {
				t.Errorf("%s: compared with %d OTPs", c.login, usual)
			}
			for _, credential := range []string{strings.Repeat("1", 80), strings.Repeat("1", 60_000), "4711" + strings.Repeat("1", 70), "1-" + strings.Repeat("-", 200) + "11111",
				"4711000000" + strings.Repeat("47", 32), "4711000000", "x", "47110000004712" + "4712"} {
				for _, login := range []string{c.login, "nobody"} {
					if got := costs(login, credential); got != usual {
						t.Errorf("%s, after %s, %.90s: compared with %d OTPs, not %d", login, c.login, credential, got, usual)
					}
				}
				g.clock.advance(model.RefusedWithin * 1e6)
			}
			if got := costs("nobody", "000000", `,"token":{"serial":"none"}`); got > c.most {
				t.Errorf("nobody's token, after %s: compared with %d OTPs", c.login, got)
			}
		}
		// A right credential costs the same. A wrong PIN hides that the OTP was right.
		before := g.compared(t)
		g.want(0, g.verify("one", "4711"+g.at(totp, "1", 0)), "right")
		if got := g.compared(t) - before; got > 2 {
			t.Errorf("a right OTP is compared with %d", got)
		}
		if wrong, right := costs("bare", "0815000000"), costs("bare", "0815"+g.at(totp, "2", 0)); wrong != right {
			t.Errorf("a wrong PIN: compared with %d OTPs before a wrong one, %d before a right one", wrong, right)
		}
		// An OTP that is far away is still found if one of many tokens is named, and two consecutive OTPs synchronize it.
		for _, c := range []struct{ login, serial, pin string }{{"bare", "2", ""}, {"many", "10", ""}, {"many", "16", "4711"}} {
			named := fmt.Sprintf(`,"token":{"serial":%q}`, c.serial)
			g.want(205, g.verify(c.login, c.pin+g.at(totp, c.serial, 9000), named), "far ahead "+c.serial)
			g.want(0, g.verify(c.login, c.pin+g.at(totp, c.serial, 9001), named), "the next of "+c.serial)
		}
		for serial, pin := range map[string]string{"12": "4711", "14": "", "58": ""} { // tried on all tokens, each of which has one code left
			g.want(0, g.verify("many", pin+g.at(totp, serial, 0)), "token "+serial+" of many")
		}
	})
}

// TestCostOfOneSignIn: the same for an OTP at the console.
func TestCostOfOneSignIn(t *testing.T) {
	t.Parallel()
	s := administered(t, storetest.SQLite(t))
	s.do(t, "product/create", `{"attrs":{"manufacturerCode":"T","productCode":"WT","name":"WT","kind":"SOFT","algorithm":"TOTP","period":30,"checkWindow":10000}}`)
	g := &guarded{s, t}
	for i := range 5 {
		s.do(t, "token/create", fmt.Sprintf(`{"attrs":{"product.productCode":"WT","serial":"%d","seed":"%x","user.loginName":"ada","pin":"4711"}}`, i, seedOf(fmt.Sprint(i))))
	}
	if reply := s.knock("192.0.2.1", "ada", "correct horse", `,"otp":"4711`+g.at(totp, "0", 0)+`"`); codeIn(reply) != 0 {
		t.Fatal(reply)
	}
	for _, login := range []string{"ada", "nobody"} {
		for _, otp := range []string{"", "000000", strings.Repeat("1", 80), strings.Repeat("1", 60_000)} {
			before := s.compared(t)
			if reply := s.knock("192.0.2.1", login, "wrong", `,"otp":"`+otp+`"`); codeIn(reply) != 201 {
				t.Errorf("%s: %s", login, reply)
			}
			if got := s.compared(t) - before; got != model.MaxCompared {
				t.Errorf("%s, %.90s: compared with %d OTPs", login, otp, got)
			}
		}
	}
}

// A login tries a credential with all tokens of its user. So the number of tokens of a user has a limit, however they are
// assigned.
func TestUsersHaveSoManyTokens(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		g := newGuarded(t, url)
		g.user("u")
		g.user("v")
		var file, csv strings.Builder
		for i := range model.MaxUserTokens {
			fmt.Fprintf(&file, `\n%d,%x`, 1000+i, seedOf(fmt.Sprint(i)))
			if i > 0 {
				fmt.Fprintf(&csv, `\nd,u,DN,SE,%d`, 1000+i)
			}
		}
		g.do(t, "token/import", `{"attrs":{"product.productCode":"SE","data":"serial,seed`+file.String()+`"}}`)
		assign := func(rows string) int {
			_, reply := g.post("/token/batchAssignTokens", `{"attrs":{"csv":"domain,loginName,manufacturerCode,productCode,serial`+rows+`"}}`)
			return codeIn(reply)
		}
		g.do(t, "token/create", `{"attrs":{"product.productCode":"SE","serial":"1"}}`)
		g.want(11, assign(csv.String()+`\nd,u,DN,SE,1000\nd,u,DN,SE,1`), "one too many by a file")
		g.want(0, assign(csv.String()+`\nd,u,DN,SE,1000\nd,v,DN,SE,1`), "as many as there may be")
		g.want(0, assign(csv.String()), "the same again")
		for call, want := range map[string]int{
			`tokenAssignment/create {"attrs":{"token.serial":"1","user.loginName":"u"}}`:                                     11,
			`token/create {"attrs":{"product.productCode":"SE","user.loginName":"u"}}`:                                       11,
			`token/create {"attrs":{"product.productCode":"SE","user.loginName":"v"}}`:                                       0,
			`token/import {"attrs":{"product.productCode":"STE","assign":true,"data":"` + ownedBy("u") + `"}}`:               11,
			`token/import {"attrs":{"product.productCode":"STE","assign":true,"dryRun":true,"data":"` + ownedBy("u") + `"}}`: 11,
			`token/import {"attrs":{"product.productCode":"STE","assign":true,"data":"` + ownedBy("v") + `"}}`:               0,
		} {
			method, params, _ := strings.Cut(call, " ")
			if _, reply := g.post("/"+method, params); codeIn(reply) != want {
				t.Errorf("%s: %s", call, reply)
			}
		}
	})
}

// ownedBy returns a file with one token that names its user.
func ownedBy(login string) string {
	return `upn,serial number,secret key,time interval,manufacturer,model\n` + login + `,of-` + login + `,GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ,30,Contoso,Key\n`
}
