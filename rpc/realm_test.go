package rpc_test

import (
	"fmt"
	"strings"
	"testing"

	"tokensmith/model/otp"
	"tokensmith/rpc"
	"tokensmith/store/storetest"
)

// TestRealmsDecideWhoIsMeant: through an application, a login name means the user of its realm, for a static password as for an
// OTP, whoever else has that name. A name that nobody in the realm has is refused like a wrong password.
func TestRealmsDecideWhoIsMeant(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		s.do(t, "domain/create", `{"attrs":{"name":"north"}}`)
		s.do(t, "domain/create", `{"attrs":{"name":"south","isDefault":true}}`)
		for _, domain := range []string{"north", "south"} {
			s.do(t, "user/create", fmt.Sprintf(`{"attrs":{"domain.name":%q,"loginName":"jdoe","password":"the password of %[1]s"}}`, domain))
		}
		s.do(t, "user/create", `{"attrs":{"domain.name":"south","loginName":"outside","password":"the password of south"}}`)
		s.do(t, "realm/create", `{"attrs":{"name":"northern","domains":["north"]}}`)
		s.do(t, "application/create", `{"attrs":{"name":"portal","realm":{"name":"northern"}}}`)
		front := s.agent(t, `"name":"front","permissions":"auth/*","applications":["portal"]`)
		logon := func(name, password string) (code int) {
			code, _ = s.answer(front, "auth/logon", fmt.Sprintf(`{"user":{"loginName":%q},"credential":{"method":"SPASS","password":%q}}`, name, password))
			return code
		}
		if code := logon("jdoe", "the password of north"); code != 0 {
			t.Errorf("the realm's user: %d", code)
		}
		for _, c := range [][2]string{{"jdoe", "the password of south"}, {"jdoe", "wrong"}, {"outside", "the password of south"}, {"nobody", "wrong"}} {
			if code := logon(c[0], c[1]); code != 201 {
				t.Errorf("%s with %q: %d", c[0], c[1], code)
			}
		}
		if _, row := s.post("/user/get", `{"user":{"loginName":"jdoe","domain.name":"north"},"return":["failCount"]}`); !strings.Contains(row, `"failCount":2`) {
			t.Errorf("refusals are not counted: %s", row)
		}
	})
}

// TestProceduresWithoutSteps: a procedure that has no step yet lets nobody in, and what a front end asks before it logs a user on says
// so.
func TestProceduresWithoutSteps(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		s.do(t, "domain/create", `{"attrs":{"name":"d"}}`)
		s.do(t, "user/create", `{"attrs":{"domain.name":"d","loginName":"ada","password":"correct horse battery"}}`)
		s.do(t, "application/create", `{"attrs":{"name":"portal"}}`)
		front := s.agent(t, `"name":"front","permissions":"auth/*","applications":["portal"]`)
		logon := func(want int) {
			t.Helper()
			for method, params := range map[string]string{"auth/logon": `{"user":{"loginName":"ada"},"credential":{"method":"SPASS","password":"correct horse battery"}}`,
				"auth/getLogonSteps": `{}`, "auth/listAuthenticators": `{}`} {
				if code, seen := s.answer(front, method, params); code != want {
					t.Errorf("%s: %s, not %d", method, seen, want)
				}
			}
			passed := want == 0
			if test := fmt.Sprint(s.do(t, "application/selfTest", `{"application":{"name":"portal"}}`)); strings.Contains(test, "name:logonProcedure passed:false") == passed {
				t.Error(test)
			}
		}
		logon(0)
		s.do(t, "logonProcedure/create", `{"attrs":{"name":"by OTP"}}`)
		s.do(t, "application/set", `{"application":{"name":"portal"},"attrs":{"logonProcedures":["by OTP"]}}`)
		logon(118)
		s.do(t, "logonStep/create", `{"attrs":{"logonProcedure":{"name":"by OTP"},"name":"one","authenticators":["SPASS"]}}`)
		logon(0)
		s.do(t, "logonStep/delete", `{"logonStep":{"logonProcedure.name":"by OTP","name":"one"}}`)
		logon(118)
	})
}

// TestHeldAgentsLeaveRealmsAlone: who is held to applications cannot change who logs on to them, and how.
func TestHeldAgentsLeaveRealmsAlone(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		s.do(t, "realm/create", `{"attrs":{"name":"r","domains":[]}}`)
		s.do(t, "logonProcedure/create", `{"attrs":{"name":"p"}}`)
		s.do(t, "logonStep/create", `{"attrs":{"logonProcedure":{"name":"p"},"name":"one","authenticators":["OTP"]}}`)
		s.do(t, "application/create", `{"attrs":{"name":"portal","realm":{"name":"r"},"logonProcedures":["p"]}}`)
		held := s.agent(t, `"name":"held","permissions":"*","applications":["portal"]`)
		for _, call := range []string{
			`application/set {"application":{"name":"portal"},"attrs":{"realm":null}}`,
			`application/set {"application":{"name":"portal"},"attrs":{"logonProcedures":[]}}`,
			`application/create {"attrs":{"name":"another"}}`,
			`realm/set {"realm":{"name":"r"},"attrs":{"domains":["local"]}}`,
			`realm/create {"attrs":{"name":"another"}}`,
			`logonProcedure/set {"logonProcedure":{"name":"p"},"attrs":{"description":"x"}}`,
			`logonStep/set {"logonStep":{"logonProcedure.name":"p","name":"one"},"attrs":{"authenticators":["SPASS"]}}`,
			`logonStep/create {"attrs":{"logonProcedure":{"name":"p"},"authenticators":["SPASS"]}}`,
			`logonStep/delete {"logonStep":{"logonProcedure.name":"p","name":"one"}}`,
		} {
			method, params, _ := strings.Cut(call, " ")
			if code, seen := s.answer(held, method, params); code != 5 {
				t.Errorf("%s: %s", call, seen)
			}
		}
		if code, seen := s.answer(held, "agent/listApplications", `{"return":[{"agents":["name"]}]}`); code != 11 {
			t.Errorf("agent/listApplications leads to other agents: %s", seen)
		}
	})
}

// TestRealmsDecideWhoIsSearched: a user who is named by an attribute without an index is searched for in the realm alone. The only
// one there is meant, however many others there are elsewhere, and one of several there is not.
func TestRealmsDecideWhoIsSearched(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		for _, domain := range []string{"north", "south"} {
			s.do(t, "domain/create", fmt.Sprintf(`{"attrs":{"name":%q}}`, domain))
		}
		n := 0
		users := func(domain, mobile string, many int) {
			for range many {
				n++
				s.do(t, "user/create", fmt.Sprintf(`{"attrs":{"domain.name":%q,"loginName":"user%d","mobile":%q,"password":"a long password"}}`, domain, n, mobile))
			}
		}
		// An error lists ten objects, so a search ends with the eleventh.
		users("south", "+1", 20)
		users("north", "+1", 1)
		only := n
		users("south", "+2", 10)
		users("north", "+2", 2)
		s.do(t, "token/create", fmt.Sprintf(`{"attrs":{"product.productCode":"SE","serial":"1","seed":%q,"user.loginName":"user%d"}}`, worldSeed, only))
		s.do(t, "token/create", fmt.Sprintf(`{"attrs":{"product.productCode":"SE","serial":"2","seed":"%x","user.loginName":"user%d"}}`, seedOf("2"), n-1))
		s.do(t, "realm/create", `{"attrs":{"name":"northern","domains":["north"]}}`)
		s.do(t, "application/create", `{"attrs":{"name":"portal","realm":{"name":"northern"}}}`)
		front := s.agent(t, `"name":"front","permissions":"auth/*","applications":["portal"]`)
		free := s.agent(t, `"name":"free","permissions":"auth/*"`)
		right := otp.Generate(seedOf("2"), 0, otp.Params{Algorithm: otp.HOTP, Digits: 6, Hash: otp.HmacSHA1})
		for _, c := range []struct {
			who            caller
			method, params string
			want           int
		}{
			{front, "auth/verify", `{"user":{"mobile":"+1"},"credential":{"otp":"755224"}}`, 0},
			{front, "auth/verify", `{"user":{"mobile":"+1"},"credential":{"method":"SPASS","password":"a long password"}}`, 0},
			{front, "auth/listTokens", `{"user":{"mobile":"+1"}}`, 0},
			{front, "auth/syncToken", `{"user":{"mobile":"+1"},"token":{"serial":"1"},"credential":"359152,969429"}`, 0},
			{front, "auth/verify", `{"user":{"mobile":"+2"},"credential":{"otp":"` + right + `"}}`, 201},
			{front, "auth/verify", `{"user":{"mobile":"+2"},"credential":{"method":"SPASS","password":"a long password"}}`, 201},
			{front, "auth/listTokens", `{"user":{"mobile":"+2"}}`, 201},
			{free, "auth/verify", `{"user":{"mobile":"+1"},"credential":{"otp":"338314"}}`, 201},
			{free, "auth/verify", `{"application":"portal","user":{"mobile":"+1"},"credential":{"otp":"338314"}}`, 0},
		} {
			if code, seen := s.answer(c.who, c.method, c.params); code != c.want {
				t.Errorf("%s %s: %s, not %d", c.method, c.params, seen, c.want)
			}
		}
	})
}

// TestNoRealmIsLeftBySilence: an agent of several applications that names none is refused by every method of auth/*, and so is one
// that names another's. One with a single application means that.
func TestNoRealmIsLeftBySilence(t *testing.T) {
	t.Parallel()
	s := newService(t, storetest.SQLite(t))
	for _, name := range []string{"one", "two", "three"} {
		s.do(t, "application/create", fmt.Sprintf(`{"attrs":{"name":%q}}`, name))
	}
	several := s.agent(t, `"name":"several","permissions":"auth/*","applications":["one","two"]`)
	w := newWorld(t, s, 1)
	for _, m := range rpc.Methods() {
		if !strings.HasPrefix(m.Path, "auth/") || m.Path == "auth/listApplications" { // that one is how an agent learns of its applications
			continue
		}
		params := strings.ReplaceAll(w.fill(tried[m.Path]), "{Code}", "12345678")
		for application, want := range map[string]int{"": 10, `"application":null`: 10, `"application":""`: 10, `"application":{}`: 10, `"application":"three"`: 117, `"application":{"name":"one","id":"x"}`: 117} {
			given := params
			if application != "" {
				given = strings.Replace("{"+application+","+params[1:], ",}", "}", 1)
			}
			if code, seen := s.answer(several, m.Path, given); code != want {
				t.Errorf("%s %s: %s, not %d", m.Path, given, seen, want)
			}
		}
	}
}
