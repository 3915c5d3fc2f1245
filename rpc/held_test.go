package rpc_test

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"tokensmith/rpc"
	"tokensmith/store/storetest"
)

// An agent that is restricted to addresses or a rate cannot make or take over an agent without the same restrictions, and cannot
// lift its own.
func TestHeldAgentsMakeNoneFree(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		s.agent(t, `"name":"free","permissions":"*"`)
		s.agent(t, `"name":"slow","permissions":"*","addresses":"192.0.2.8/29","rateLimit":5`)
		held := s.agent(t, `"name":"held","permissions":"*","addresses":"192.0.2.0/24,2001:db8::/32","rateLimit":50`)
		n := 0
		for _, c := range []struct {
			attrs string
			want  int
		}{
			{``, 5},
			{`,"addresses":"192.0.2.0/25"`, 5},
			{`,"rateLimit":50`, 5},
			{`,"addresses":[],"rateLimit":50`, 5},
			{`,"addresses":"192.0.2.0/25","rateLimit":51`, 5},
			{`,"addresses":"192.0.2.0/23","rateLimit":50`, 5},
			{`,"addresses":"0.0.0.0/0","rateLimit":50`, 5},
			{`,"addresses":"192.0.2.0/25,198.51.100.1/32","rateLimit":50`, 5},
			{`,"addresses":"::/0","rateLimit":50`, 5},
			{`,"addresses":"192.0.2.7/32,2001:db8:1::/48","rateLimit":50`, 0},
			{`,"addresses":"192.0.2.0/24","rateLimit":1`, 0},
			{`,"addresses":"nonsense","rateLimit":1`, 11},
		} {
			n++
			if code, seen := s.answer(held, "agent/create", fmt.Sprintf(`{"attrs":{"name":"new%d","permissions":"token/search"%s}}`, n, c.attrs)); code != c.want {
				t.Errorf("agent/create %s: %s", c.attrs, seen)
			}
		}
		for call, want := range map[string]int{
			`agent/set {"agent":{"name":"free"},"attrs":{"certificates":[]}}`:                                                      5,
			`agent/set {"agent":{"name":"free"},"attrs":{"addresses":"192.0.2.0/24","rateLimit":1}}`:                               5,
			`agent/rotateSecret {"agent":{"name":"free"}}`:                                                                         5,
			`agent/delete {"agent":{"name":"free"}}`:                                                                               5,
			`agent/set {"agent":{"name":"slow"},"attrs":{"rateLimit":50}}`:                                                         0,
			`agent/set {"agent":{"name":"slow"},"attrs":{"rateLimit":0}}`:                                                          5,
			`agent/set {"agent":{"name":"slow"},"attrs":{"addresses":[]}}`:                                                         5,
			`agent/set {"agent":{"name":"held"},"attrs":{"addresses":[]}}`:                                                         5,
			`agent/set {"agent":{"name":"held"},"attrs":{"rateLimit":0}}`:                                                          5,
			`agent/rotateSecret {"agent":{"name":"slow"}}`:                                                                         0,
			`batch/execute {"atomic":true,"calls":[{"method":"/agent/create","params":{"attrs":{"name":"x","permissions":"*"}}}]}`: 404,
		} {
			method, params, _ := strings.Cut(call, " ")
			if code, seen := s.answer(held, method, params); code != want {
				t.Errorf("%s: %s", call, seen)
			}
		}
		// An administrator may sign in from any address and has no rate limit.
		s.do(t, "domain/create", `{"attrs":{"name":"d"}}`)
		s.do(t, "user/create", `{"attrs":{"domain.name":"d","loginName":"ada","permissions":"token/get"}}`)
		for name, held := range map[string]caller{"addresses": s.agent(t, `"name":"there","permissions":"*","addresses":"192.0.2.0/24"`),
			"a rate": s.agent(t, `"name":"seldom","permissions":"*","rateLimit":50`), "both": held,
			"applications": s.agent(t, `"name":"portal","permissions":"*","applications":["tokensmith"]`)} {
			for call, want := range map[string]int{
				`user/create {"attrs":{"domain.name":"d","loginName":"a","permissions":"token/get"}}`:    5,
				`user/create {"attrs":{"domain.name":"d","loginName":"b` + name + `"}}`:                  0,
				`user/create {"attrs":{"domain.name":"d","loginName":"c` + name + `","permissions":[]}}`: 0,
				`user/set {"user":{"loginName":"b` + name + `"},"attrs":{"permissions":"token/get"}}`:    5,
				`user/import {"attrs":{"csv":"domain,loginName,permissions\nd,e,token/get\n"}}`:          404,
				`user/set {"user":{"loginName":"ada"},"attrs":{"password":"correct horse battery"}}`:     5,
			} {
				method, params, _ := strings.Cut(call, " ")
				if method == "user/set" && strings.Contains(call, `"b`) {
					s.post("/user/create", `{"attrs":{"domain.name":"d","loginName":"b`+name+`"}}`)
				}
				if code, seen := s.answer(held, method, params); code != want && !(want == 0 && code == 13) {
					t.Errorf("%s by one who is held to %s: %s", call, name, seen)
				}
			}
		}
	})
}

// A bearer token that an agent got before it was disabled is invalid after the agent is enabled again. Its secrets are unchanged,
// including the old secret of a rotation.
func TestAccessTokensEndForGood(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		who := s.agent(t, `"name":"who","permissions":"token/search"`)
		token := func(of caller) caller {
			t.Helper()
			_, reply := s.ask("/oauth/token", "grant_type=client_credentials", of.id, of.secret)
			text, _ := reply["access_token"].(string)
			if text == "" {
				t.Fatal(reply)
			}
			return caller{token: text}
		}
		want := func(code int, c caller, what string) {
			t.Helper()
			if got, seen := s.answer(c, "token/search", `{"max":0}`); got != code {
				t.Errorf("%s: %s", what, seen)
			}
		}
		before := token(who)
		rotated := s.do(t, "agent/rotateSecret", `{"agent":{"name":"who"}}`).(map[string]any)
		fresh := caller{id: who.id, secret: rotated["clientSecret"].(string)}
		old, now := token(who), token(fresh)
		for _, c := range []caller{before, old, now, who, fresh} {
			want(0, c, "before")
		}
		s.do(t, "agent/set", `{"agent":{"name":"who"},"attrs":{"status":"DISABLED"}}`)
		for _, c := range []caller{before, old, now, who, fresh} {
			want(4, c, "disabled")
		}
		s.do(t, "agent/set", `{"agent":{"name":"who"},"attrs":{"status":"ACTIVE"}}`)
		want(4, before, "a token of before the rotation")
		want(4, old, "a token of the old secret")
		want(4, now, "a token")
		want(0, who, "the old secret in its overlap")
		want(0, fresh, "the secret")
		want(0, token(who), "a token anew, of the old secret")
		want(0, token(fresh), "a token anew")
		s.do(t, "agent/set", `{"agent":{"name":"who"},"attrs":{"status":"ACTIVE","rateLimit":1000}}`)
		want(0, token(fresh), "set and not disabled")
		s.clock.advance(24 * time.Hour)
		want(4, who, "the old secret behind its overlap")
	})
}

// The session of an administrator who was disabled, or lost all permissions for a while, does not become valid again.
func TestSessionsEndForGood(t *testing.T) {
	t.Parallel()
	s := administered(t, storetest.SQLite(t))
	for _, c := range [][2]string{{`"status":"DISABLED"`, `"status":"ACTIVE"`}, {`"status":"INACTIVE"`, `"status":"ACTIVE"`},
		{`"permissions":[]`, `"permissions":"device/*"`}} {
		v := &visitor{s: s}
		if v.post("signIn", adaSignsIn); !v.signedIn() {
			t.Fatal("not signed in")
		}
		for _, attrs := range c {
			s.do(t, "user/set", `{"user":{"loginName":"ada"},"attrs":{`+attrs+`}}`)
		}
		if v.signedIn() {
			t.Errorf("%s: the session is back", c)
		}
	}
	v := &visitor{s: s}
	v.post("signIn", adaSignsIn)
	s.do(t, "user/import", `{"attrs":{"csv":"domain,loginName,status\nd,ada,DISABLED\n"}}`)
	s.do(t, "user/import", `{"attrs":{"csv":"domain,loginName,status\nd,ada,ACTIVE\n"}}`)
	if v.signedIn() {
		t.Error("the session is back after an import")
	}
}

// secretInReply matches a reply with a secret: the names of its members, or a bare text, which is a QR code.
var secretInReply = regexp.MustCompile(`"(clientSecret|clientToken|password|code|seed|uri|url|qrCode|data|csv)":"[^"]|"result":"`)

// The audit record gets a row for each repeat of a reply that contains a secret, for every method. Repeats of other replies add
// no row.
func TestRepeatedSecretsAreRecorded(t *testing.T) {
	t.Parallel()
	s := newService(t, storetest.SQLite(t))
	with := map[string]string{
		"device/createMany":       `{"attrs":{"label":"csv{Name}","quantity":2,"csv":true,"allowUnlicensed":true}}`,
		"installationCode/create": `{"attrs":{"action":"USE_EXISTING_DEVICE","device.id":"{Device}"},"return":["id","code"]}`,
	}
	secrets := 0
	for n, m := range rpc.Methods() {
		if m.Device || strings.HasPrefix(m.Path, "auth/") || strings.HasPrefix(m.Path, "audit/") || strings.Contains(tried[m.Path], "{Code}") || strings.HasPrefix(m.Path, "delivery/") {
			continue
		}
		w := newWorld(t, s, n)
		params := w.fill(cmp.Or(with[m.Path], tried[m.Path]))
		call := func() string {
			_, reply := s.post("/"+m.Path, params, "Idempotency-Key", m.Path)
			return reply
		}
		first := call()
		if second := call(); second != first || strings.HasSuffix(m.Path, "/get") || strings.HasSuffix(m.Path, "/search") {
			continue // it runs each time
		}
		call()
		shows := secretInReply.MatchString(first)
		if shows {
			secrets++
		}
		// There are as many rows as the first time, and they name the same objects.
		rows := s.do(t, "audit/search", `{"match":[["method","=","`+m.Path+`"],["object","<<","answered again"]],"return":["object"]}`).(map[string]any)["rows"].([]any)
		got, once := 0, map[string]bool{}
		for _, row := range rows {
			object := strings.TrimSuffix(row.(map[string]any)["object"].(string), " answered again")
			once[object] = true
			if m.Path != "batch/execute" && s.recorded(t, `["method","=","`+m.Path+`"],["object","=","`+object+`"]`) != 1 {
				t.Errorf("%s: a repeat names %q, as the first answer did not", m.Path, object)
			}
		}
		if len(once) > 0 {
			got = len(rows) / len(once)
		}
		if shows && got != 2 || strings.HasPrefix(m.Path, "user/") && !shows && got != 0 {
			t.Errorf("%s: %d of 2 repeats are recorded of %s", m.Path, got, first)
		}
	}
	if secrets < 12 {
		t.Errorf("only %d methods answered with a secret", secrets)
	}
}

// The dry run of an agent that is restricted to domains returns what the real run returns, even for serials and users that the
// agent does not see.
func TestLimitedDryRun(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		for _, d := range []string{"ours", "theirs"} {
			s.do(t, "domain/create", `{"attrs":{"name":"`+d+`"}}`)
		}
		s.do(t, "user/create", `{"attrs":{"domain.name":"ours","loginName":"anna","email":"anna@mail.example"}}`)
		s.do(t, "user/create", `{"attrs":{"domain.name":"theirs","loginName":"bert","email":"bert@mail.example","userPrincipalName":"bert@upn.example"}}`)
		for serial, user := range map[string]string{"annas": "anna", "berts": "bert"} {
			s.do(t, "token/create", `{"attrs":{"product.productCode":"STE","serial":"`+serial+`","seed":"`+worldSeed+`","user.loginName":"`+user+`"}}`)
		}
		limited := s.agent(t, `"name":"limited","permissions":"*","domains":"ours"`)
		const seed = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
		for n, c := range []struct {
			more, rows string
			want       int
			says       string
		}{
			{``, `,berts,` + seed + `,30,,`, 403, `the token exists already and belongs to users whom the caller does not see`},
			{``, `,fresh0,` + seed + `,30,,\n,berts,` + seed + `,30,,`, 403, `"rows":[{"line":3`},
			{`,"onExisting":"refuse"`, `,berts,` + seed + `,30,,`, 403, `exists already`},
			{`,"onExisting":"skip"`, `,berts,` + seed + `,30,,\n,fresh1,` + seed + `,30,,`, 0, `"total":1`},
			{``, `,annas,` + seed + `,30,,\n,fresh2,` + seed + `,30,,`, 0, `"total":2`},
			{`,"assign":true`, `bert,fresh3,` + seed + `,30,,`, 403, `no user is`},
			{`,"assign":true`, `bert@mail.example,fresh3,` + seed + `,30,,`, 403, `no user is`},
			{`,"assign":true`, `bert@upn.example,fresh3,` + seed + `,30,,`, 403, `no user is`},
			{`,"assign":true`, `anna,fresh4,` + seed + `,30,,`, 0, `"total":1`},
			{`,"createProducts":true`, `,fresh5,` + seed + `,30,,`, 5, `product/create`},
		} {
			params := `{"attrs":{"product.productCode":"STE"` + c.more + `,"dryRun":%v,"data":"upn,serial number,secret key,time interval,manufacturer,model\n` + c.rows + `\n"}}`
			for _, dry := range []bool{true, false} {
				if code, seen := s.answer(limited, "token/import", fmt.Sprintf(params, dry)); code != c.want || !strings.Contains(seen, c.says) {
					t.Errorf("import %d, dry run is %v: %s", n, dry, seen)
				}
			}
		}
	})
}

// A caller may not change the guessing rules of a domain, or how it sends passcodes, if one of the domain's users may do more
// than the caller: with these settings the caller could lock that user out. The caller may change the domain's texts, and the
// rules of a domain where no user may do more.
func TestNobodyLocksStrongerOnesByTheirDomain(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		for _, d := range []string{"plain", "weak", "strong"} {
			s.do(t, "domain/create", `{"attrs":{"name":"`+d+`"}}`)
		}
		s.do(t, "user/create", `{"attrs":{"domain.name":"plain","loginName":"bob"}}`)
		s.do(t, "user/create", `{"attrs":{"domain.name":"weak","loginName":"eve","permissions":"domain/set"}}`)
		s.do(t, "user/create", `{"attrs":{"domain.name":"strong","loginName":"ada","permissions":"*"}}`)
		weak := s.agent(t, `"name":"weak","permissions":"domain/*,batch/execute"`)
		held := s.agent(t, `"name":"held","permissions":"*","addresses":"192.0.2.0/24"`)
		for _, attrs := range []string{`"lockoutThreshold":1`, `"lockoutMinutes":0`, `"maxFailures":1`, `"passcodeChannels":"SMS"`, `"lockoutThreshold":0,"description":"x"`} {
			for _, c := range []struct {
				who    caller
				domain string
				want   int
			}{{held, "plain", 0}, {held, "weak", 5}, {held, "strong", 5}, {weak, "plain", 0}, {weak, "weak", 0}, {weak, "strong", 5}} {
				if code, seen := s.answer(c.who, "domain/set", `{"domain":{"name":"`+c.domain+`"},"attrs":{`+attrs+`}}`); code != c.want {
					t.Errorf("%s of %s: %s", attrs, c.domain, seen)
				}
			}
		}
		// Setting the value that is already set is not a change.
		for _, attrs := range []string{`"description":"administrators"`, `"lockoutThreshold":10,"lockoutMinutes":15`} {
			if code, seen := s.answer(weak, "domain/set", `{"domain":{"name":"strong"},"attrs":{`+attrs+`}}`); code != 0 {
				t.Errorf("%s: %s", attrs, seen)
			}
		}
		if _, reply := s.post("/domain/set", `{"domain":{"name":"strong"},"attrs":{"lockoutThreshold":5}}`); codeIn(reply) != 0 {
			t.Errorf("by one who may everything: %s", reply)
		}
	})
}

// No caller may give a user a name of an administrator who may do more than the caller: neither the login name, with or without
// the domain, nor the principal name or e-mail address. A caller that is restricted to domains is not told about login names in
// other domains.
func TestNobodyTakesTheNameOfAStrongerOne(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		for _, d := range []string{"d", "e"} {
			s.do(t, "domain/create", `{"attrs":{"name":"`+d+`"}}`)
		}
		s.do(t, "user/create", `{"attrs":{"domain.name":"d","loginName":"Ada","email":"Ada@mail.example","userPrincipalName":"ada@upn.example","canonicalName":"CN=Ada","permissions":"*"}}`)
		s.do(t, "user/create", `{"attrs":{"domain.name":"d","loginName":"root@mail.example","email":"Root@mail.example","permissions":"*"}}`)
		s.do(t, "user/create", `{"attrs":{"domain.name":"d","loginName":"eve","email":"eve@mail.example","userPrincipalName":"eve2@e","permissions":"user/get"}}`)
		s.do(t, "user/create", `{"attrs":{"domain.name":"e","loginName":"bob"}}`)
		weak := s.agent(t, `"name":"weak","permissions":"user/*"`)
		limited := s.agent(t, `"name":"limited","permissions":"*","domains":"e"`)
		addressed := s.agent(t, `"name":"addressed","permissions":"*","addresses":"192.0.2.0/24"`)
		for attrs, c := range map[string]struct{ weak, limited, addressed int }{
			`"loginName":"ADA"`:                                      {5, 0, 5},
			`"loginName":"ada@d"`:                                    {5, 5, 5},
			`"loginName":"ada@mail.example"`:                         {5, 5, 5},
			`"loginName":"ada@UPN.example"`:                          {5, 5, 5},
			`"loginName":"x","userPrincipalName":"ada"`:              {5, 5, 5},
			`"loginName":"x","userPrincipalName":"ada@d"`:            {5, 5, 5},
			`"loginName":"x","userPrincipalName":"ADA@mail.example"`: {5, 5, 5},
			`"loginName":"ada@e"`:                                    {0, 0, 0},
			`"loginName":"eve"`:                                      {0, 0, 5},
			`"loginName":"eve@mail.example"`:                         {0, 5, 5},
			`"loginName":"x","email":"ADA@mail.example"`:             {5, 5, 5},
			`"loginName":"x","email":"ada@UPN.example"`:              {5, 5, 5},
			`"loginName":"x","email":"ada@d"`:                        {5, 5, 5},
			`"loginName":"x","email":"ada"`:                          {5, 0, 5},
			`"loginName":"x","email":"root@mail.example"`:            {5, 5, 5}, // also an administrator's login name
			`"loginName":"x","canonicalName":"cn=ada"`:               {5, 5, 5},
			`"loginName":"cn=ada"`:                                   {5, 5, 5},
			`"loginName":"x","email":"bob@mail.example"`:             {0, 0, 0},
			`"loginName":"eve2"`:                                     {0, 5, 5}, // then eve2@e
		} {
			for _, w := range []struct {
				who  caller
				want int
			}{{weak, c.weak}, {limited, c.limited}, {addressed, c.addressed}} {
				for _, call := range []string{`user/create {"attrs":{"domain.name":"e",` + attrs + `}}`, `user/set {"user":{"domain.name":"e","loginName":"bob"},"attrs":{` + attrs + `}}`} {
					method, params, _ := strings.Cut(call, " ")
					code, seen := s.answer(w.who, method, params)
					if code != w.want {
						t.Errorf("%s by %s: %s", call, w.who.id, seen)
					}
					if code == 0 && method == "user/set" {
						s.do(t, "user/set", `{"user":{"domain.name":"e","loginName":`+strings.SplitN(strings.TrimPrefix(attrs, `"loginName":`), ",", 2)[0]+`},"attrs":{"loginName":"bob","userPrincipalName":"","canonicalName":"","email":""}}`)
					} else if code == 0 {
						s.do(t, "user/delete", `{"user":{"domain.name":"e","loginName":`+strings.SplitN(strings.TrimPrefix(attrs, `"loginName":`), ",", 2)[0]+`}}`)
					}
				}
			}
		}
		if code, seen := s.answer(weak, "user/import", `{"attrs":{"csv":"domain,loginName\ne,ada@mail.example\n"}}`); code != 404 || !strings.Contains(seen, "may do what the caller may not") {
			t.Errorf("an import: %s", seen)
		}
		// Other changes of a user who already has such a name are allowed. A caller with all permissions may choose any name.
		s.do(t, "user/create", `{"attrs":{"domain.name":"e","loginName":"ada"}}`)
		if code, seen := s.answer(weak, "user/set", `{"user":{"domain.name":"e","loginName":"ada"},"attrs":{"firstName":"Ada","loginName":"ada"}}`); code != 0 {
			t.Errorf("another change: %s", seen)
		}
		if code, seen := s.answer(weak, "user/set", `{"user":{"domain.name":"e","loginName":"ada"},"attrs":{"permissions":"user/get"}}`); code != 5 {
			t.Errorf("making him an administrator: %s", seen)
		}
	})
}
