package rpc_test

import (
	"fmt"
	"strings"
	"testing"

	"tokensmith/store/storetest"
)

// logins returns the login names of the users that a caller sees.
func (s *service) logins(t *testing.T, c caller) string {
	t.Helper()
	_, seen := s.answer(c, "user/search", `{"return":["loginName"],"sort":["loginName"]}`)
	var names []string
	for _, part := range strings.Split(seen, `"loginName":"`)[1:] {
		name, _, _ := strings.Cut(part, `"`)
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

// An agent that is limited to a domain stays limited to it if the domain is renamed, and does not get another domain that takes
// the old name.
func TestRenamedDomainsMoveNoRights(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		for domain, login := range map[string]string{"dev": "ann", "prod": "bob", "other": "cat"} {
			s.do(t, "domain/create", `{"attrs":{"name":"`+domain+`"}}`)
			s.do(t, "user/create", `{"attrs":{"domain.name":"`+domain+`","loginName":"`+login+`"}}`)
		}
		limited := s.agent(t, `"name":"limited","permissions":"user/*","domains":"DEV"`)
		both := s.agent(t, `"name":"both","permissions":"user/*","domains":"other,dev"`)
		renamer := s.agent(t, `"name":"renamer","permissions":"domain/*"`)
		set := func(from, attrs string) string {
			t.Helper()
			_, reply := s.post("/domain/set", `{"domain":{"name":"`+from+`"},"attrs":{`+attrs+`}}`)
			return reply
		}
		want := func(domains, ofLimited, ofBoth string) {
			t.Helper()
			got := fmt.Sprint(s.do(t, "agent/search", `{"match":[["name","in",["limited","both"]]],"return":["domains"],"sort":["name"]}`).(map[string]any)["rows"])
			if got != domains {
				t.Errorf("their domains are %s", got)
			}
			if l, b := s.logins(t, limited), s.logins(t, both); l != ofLimited || b != ofBoth {
				t.Errorf("they see %q and %q", l, b)
			}
		}
		if code, seen := s.answer(renamer, "domain/set", `{"domain":{"name":"dev"},"attrs":{"name":"x"}}`); code != 5 {
			t.Errorf("by one who may less than the agent: %s", seen)
		}
		if code, seen := s.answer(renamer, "domain/set", `{"domain":{"name":"prod"},"attrs":{"name":"production"}}`); code != 0 {
			t.Errorf("where nobody may more: %s", seen)
		}
		want("[map[domains:[other dev]] map[domains:[DEV]]]", "ann", "ann cat")
		for _, c := range [][2]string{{"dev", "x"}, {"production", "dev"}, {"x", "X"}, {"other", "y z"}} {
			if reply := set(c[0], `"name":"`+c[1]+`"`); codeIn(reply) != 0 {
				t.Errorf("%s: %s", c, reply)
			}
		}
		want("[map[domains:[y z X]] map[domains:[X]]]", "ann", "ann cat")
		if reply := set("x", `"name":"y,dev"`); codeIn(reply) != 11 {
			t.Errorf("a name that is two in a list: %s", reply)
		}
		if reply := set("dev", `"name":"a,b"`); codeIn(reply) != 0 {
			t.Errorf("the same where no list has it: %s", reply)
		}
		// The name of a deleted domain stays reserved while the domain list of an agent contains it.
		s.do(t, "user/delete", `{"user":{"loginName":"ann"}}`)
		s.do(t, "domain/delete", `{"domain":{"name":"x"}}`)
		if _, reply := s.post("/domain/create", `{"attrs":{"name":"x"}}`); codeIn(reply) != 14 {
			t.Errorf("a new domain of the name: %s", reply)
		}
		if reply := set("a,b", `"name":"x"`); codeIn(reply) != 14 {
			t.Errorf("another's new name: %s", reply)
		}
		want("[map[domains:[y z X]] map[domains:[X]]]", "", "cat")
		s.do(t, "agent/delete", `{"agent":{"name":"limited"}}`)
		s.do(t, "agent/set", `{"agent":{"name":"both"},"attrs":{"domains":"y z"}}`)
		if _, reply := s.post("/domain/create", `{"attrs":{"name":"x"}}`); codeIn(reply) != 0 {
			t.Errorf("when no list has it: %s", reply)
		}
	})
}

// No caller may rename a domain if one of its users may do more than the caller, or if a user of the domain would then have the
// name of such an administrator.
func TestNobodyRenamesTheDomainOfAStrongerOne(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		for _, d := range []string{"local", "other", "third"} {
			s.do(t, "domain/create", `{"attrs":{"name":"`+d+`"}}`)
		}
		s.do(t, "user/create", `{"attrs":{"domain.name":"local","loginName":"kiosk-1","email":"Boss@corp.example","permissions":"*"}}`)
		s.do(t, "user/create", `{"attrs":{"domain.name":"other","loginName":"kiosk-1"}}`)
		s.do(t, "user/create", `{"attrs":{"domain.name":"other","loginName":"boss"}}`)
		s.do(t, "user/create", `{"attrs":{"domain.name":"third","loginName":"eve","permissions":"domain/set"}}`)
		weak := s.agent(t, `"name":"weak","permissions":"domain/*,token/create"`)
		held := s.agent(t, `"name":"held","permissions":"*","rateLimit":50`)
		for _, c := range []struct {
			who  caller
			from string
			to   string
			want int
		}{
			{weak, "local", "was-local", 5}, {held, "local", "was-local", 5}, {weak, "local", "LOCAL", 5}, {weak, "local", "local", 0},
			{weak, "other", "corp.Example", 5}, {held, "other", "corp.example", 5}, {held, "third", "corp.example", 5},
			{weak, "third", "corp.example", 0}, {weak, "corp.example", "third", 0}, {weak, "other", "elsewhere", 0}, {held, "elsewhere", "other", 0},
		} {
			if code, seen := s.answer(c.who, "domain/set", `{"domain":{"name":"`+c.from+`"},"attrs":{"name":"`+c.to+`"}}`); code != c.want {
				t.Errorf("%s to %s: %s", c.from, c.to, seen)
			}
		}
		for _, c := range [][2]string{{"local", "was-local"}, {"other", "local"}} {
			if _, reply := s.post("/domain/set", `{"domain":{"name":"`+c[0]+`"},"attrs":{"name":"`+c[1]+`"}}`); codeIn(reply) != 0 {
				t.Errorf("by one who may everything: %s", reply)
			}
		}
	})
}

// An account that an installation code makes never gets the name of an administrator or an e-mail address that is already in use,
// whoever made the code.
func TestCodesTakeNobodysName(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		for _, d := range []string{"local", "other"} {
			s.do(t, "domain/create", `{"attrs":{"name":"`+d+`"}}`)
		}
		s.do(t, "user/create", `{"attrs":{"domain.name":"local","loginName":"Kiosk-1","email":"boss@corp.example","userPrincipalName":"tab3@upn","permissions":"*"}}`)
		s.do(t, "user/create", `{"attrs":{"domain.name":"local","loginName":"plain","email":"plain@corp.example"}}`)
		s.do(t, "user/create", `{"attrs":{"domain.name":"local","loginName":"eve","email":"kiosk-3@other","permissions":"user/get"}}`)
		weak := s.agent(t, `"name":"weak","permissions":"installationCode/*,user/create,device/create"`)
		if code, seen := s.answer(weak, "installationCode/create", `{"attrs":{"code":"weak-code","action":"CREATE_ACCOUNT_AND_DEVICE","usernamePrefix":"kiosk-","domain.name":"other"}}`); code != 0 {
			t.Fatal(seen)
		}
		for n, email := range []string{"BOSS@corp.example", "Plain@CORP.example", "fresh@corp.example", ""} {
			user := `{"firstName":"Mallory"}`
			if email != "" {
				user = `{"email":"` + email + `"}`
			}
			if code, reply, _ := s.redeem("192.0.2.1", "weak-code", fmt.Sprint(n), `,"device":{"name":"d"},"user":`+user); code != 0 {
				t.Fatal(code, reply)
			}
		}
		got := fmt.Sprint(s.do(t, "user/search", `{"match":[["domain.name","=","other"]],"return":["loginName","email"],"sort":["loginName"]}`).(map[string]any)["rows"])
		if want := "[map[email:<nil> loginName:kiosk-2] map[email:<nil> loginName:kiosk-4] map[email:fresh@corp.example loginName:kiosk-5] map[email:<nil> loginName:kiosk-6]]"; got != want {
			t.Errorf("the accounts are %s", got)
		}
		// With another prefix, the code has another purpose.
		coder := s.agent(t, `"name":"coder","permissions":"installationCode/*"`)
		for attrs, want := range map[string]int{`"usernamePrefix":"x"`: 5, `"usernamePrefix":"kiosk-"`: 0, `"description":"x"`: 0} {
			if code, seen := s.answer(coder, "installationCode/set", `{"match":[["domain.name","=","other"]],"attrs":{`+attrs+`}}`); code != want {
				t.Errorf("%s: %s", attrs, seen)
			}
		}
	})
}

// The audit record distinguishes agents, administrators and other callers by their names.
func TestNobodyIsRecordedAsAnother(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		for _, d := range []string{"local", "other"} {
			s.do(t, "domain/create", `{"attrs":{"name":"`+d+`"}}`)
		}
		s.do(t, "user/create", `{"attrs":{"domain.name":"local","loginName":"Boss","permissions":"*"}}`)
		s.do(t, "user/create", `{"attrs":{"domain.name":"local","loginName":"plain"}}`)
		s.do(t, "user/create", `{"attrs":{"domain.name":"other","loginName":"eve","permissions":"user/get"}}`)
		weak := s.agent(t, `"name":"weak","permissions":"agent/*,user/*,domain/*"`)
		for _, c := range []struct {
			call string
			want int
		}{
			{`agent/create {"attrs":{"name":"boss@LOCAL","permissions":"user/get"}}`, 13},
			{`agent/create {"attrs":{"name":"LOCAL\\boss","permissions":"user/get"}}`, 13},
			{`agent/create {"attrs":{"name":"other\\Max","permissions":"user/get"}}`, 0},
			{`agent/create {"attrs":{"name":"local\\plain","permissions":"user/get"}}`, 0},
			{`agent/create {"attrs":{"name":"Console","permissions":"user/get"}}`, 13},
			{`agent/create {"attrs":{"name":"plain@local","permissions":"user/get"}}`, 0},
			{`agent/create {"attrs":{"name":"eve@elsewhere","permissions":"user/get"}}`, 0},
			{`agent/create {"attrs":{"name":"third\\eve","permissions":"user/get"}}`, 0},
			{`agent/set {"agent":{"name":"plain@local"},"attrs":{"name":"serve"}}`, 13},
			{`agent/set {"agent":{"name":"plain@local"},"attrs":{"name":"plain@local","rateLimit":5}}`, 0},
			{`user/set {"user":{"loginName":"plain"},"attrs":{"firstName":"Pat"}}`, 0},
			{`user/set {"user":{"loginName":"plain"},"attrs":{"permissions":"user/get"}}`, 13},
			{`user/create {"attrs":{"domain.name":"other","loginName":"Max","permissions":"user/get"}}`, 13},
			{`agent/delete {"agent":{"name":"plain@local"}}`, 0},
			{`user/set {"user":{"loginName":"plain"},"attrs":{"permissions":"user/get"}}`, 13},
			{`user/create {"attrs":{"domain.name":"other","loginName":"x","permissions":"user/get"}}`, 0},
			// Names that mean the same are one name, whichever caller is there first.
			{`agent/create {"attrs":{"name":"local/BOSS","permissions":"user/get"}}`, 13},
			{`agent/create {"attrs":{"name":"FIRST","permissions":"user/get"}}`, 13},
			{`agent/create {"attrs":{"name":"Straße","permissions":"user/get"}}`, 0},
			{`agent/create {"attrs":{"name":"STRASSE","permissions":"user/get"}}`, 13},
			{`agent/set {"agent":{"name":"strasse"},"attrs":{"name":"STRASSE"}}`, 0},
			{`agent/set {"agent":{"name":"strasse"},"attrs":{"name":"Weak"}}`, 13},
			{`user/create {"attrs":{"domain.name":"other","loginName":"MAX","permissions":"user/get"}}`, 13},
			{`user/create {"attrs":{"domain.name":"other","loginName":"max"}}`, 0},
			{`user/set {"user":{"loginName":"max"},"attrs":{"permissions":"user/get"}}`, 13},
			{`user/set {"user":{"loginName":"x"},"attrs":{"loginName":"mAX2"}}`, 0},
			{`agent/create {"attrs":{"name":"OTHER/Max2","permissions":"user/get"}}`, 13},
			{`agent/create {"attrs":{"name":"South\\mAx2","permissions":"user/get"}}`, 0},
			{`domain/set {"domain":{"name":"other"},"attrs":{"netbiosName":"SOUTH"}}`, 13},
			{`domain/set {"domain":{"name":"other"},"attrs":{"dnsName":"south"}}`, 13},
			{`agent/create {"attrs":{"name":"max@upn.example","permissions":"user/get"}}`, 0},
			{`user/set {"user":{"loginName":"max2"},"attrs":{"userPrincipalName":"Max@UPN.example"}}`, 13},
			{`user/set {"user":{"loginName":"max2"},"attrs":{"userPrincipalName":"Two@UPN.example"}}`, 0},
			{`agent/create {"attrs":{"name":"two@upn.example","permissions":"user/get"}}`, 13},
			{`user/import {"attrs":{"csv":"domain,loginName,permissions\nother,MAX,user/get\n"}}`, 404},
			{`domain/set {"domain":{"name":"other"},"attrs":{"name":"elsewhere"}}`, 13},
			{`domain/set {"domain":{"name":"other"},"attrs":{"name":"third"}}`, 13},
			{`domain/set {"domain":{"name":"other"},"attrs":{"name":"else"}}`, 0},
		} {
			method, params, _ := strings.Cut(c.call, " ")
			if code, seen := s.answer(weak, method, params); code != c.want {
				t.Errorf("%s: %s", c.call, seen)
			}
		}
		for _, c := range []struct {
			name string
			want int
		}{{`x\\eve`, 11}, {"x/eve", 0}, {"X/EVE", 13}} { // a domain may be called radius:x
			_, reply := s.post("/radiusClient/create", `{"attrs":{"name":"`+c.name+`","address":"192.0.2.9","application":{"name":"tokensmith"}}}`)
			if codeIn(reply) != c.want {
				t.Errorf("a client of RADIUS called %s: %s", c.name, reply)
			}
		}
	})
}
