package rpc_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"tokensmith/store/storetest"
)

// The console accepts every name of an administrator, and no name of an administrator means another user.
func TestSignInByEveryName(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		s.do(t, "domain/create", `{"attrs":{"name":"clients","netbiosName":"NORTH","dnsName":"north.example"}}`)
		s.do(t, "domain/create", `{"attrs":{"name":"south"}}`)
		s.do(t, "user/create", `{"attrs":{"domain.name":"clients","loginName":"jdoe","userPrincipalName":"John.Doe@north.example","password":"correct horse","permissions":"*"}}`)
		s.do(t, "user/create", `{"attrs":{"domain.name":"south","loginName":"john","password":"correct horse"}}`)
		for name, want := range map[string]int{`jdoe`: 0, ` JDOE `: 0, `NORTH\jdoe`: 0, `north/jdoe`: 0, `north.example\jdoe`: 0, `clients\jdoe`: 0,
			`john.doe@NORTH.example`: 0, `NORTH\john.doe@north.example`: 0,
			`south\jdoe`: 201, `nowhere\jdoe`: 201, `jdoe@clients`: 201, `john`: 201, `south\john`: 201, `NORTH\`: 201, `\jdoe`: 201, `@`: 201, ``: 201} {
			if reply := s.knock("192.0.2.1", name, "correct horse", ""); codeIn(reply) != want {
				t.Errorf("%q: %s", name, reply)
			}
		}
	})
}

// A caller with fewer permissions than an administrator cannot decide whom a name without a domain means, because it may mean the
// administrator.
func TestDefaultDomainIsForTheStrongest(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		s.do(t, "domain/create", `{"attrs":{"name":"d"}}`)
		s.do(t, "domain/create", `{"attrs":{"name":"e"}}`)
		s.do(t, "user/create", `{"attrs":{"domain.name":"d","loginName":"ada","permissions":"*"}}`)
		weak := s.agent(t, `"name":"weak","permissions":"domain/*"`)
		limited := s.agent(t, `"name":"limited","permissions":"*","domains":"e"`)
		for _, c := range []struct {
			who            caller
			method, params string
			want           int
		}{
			{weak, "domain/set", `{"domain":{"name":"e"},"attrs":{"isDefault":true}}`, 5},
			{weak, "domain/create", `{"attrs":{"name":"f","isDefault":true}}`, 5},
			{weak, "domain/create", `{"attrs":{"name":"f","isDefault":false,"netbiosName":"F1"}}`, 0},
			{weak, "domain/set", `{"domain":{"name":"e"},"attrs":{"isDefault":false,"dnsName":"e.example"}}`, 0},
			{weak, "domain/set", `{"domain":{"name":"d"},"attrs":{"dnsName":"d.example"}}`, 5},
			{weak, "domain/set", `{"domain":{"name":"d"},"attrs":{"netbiosName":"D1"}}`, 5},
			{limited, "domain/set", `{"domain":{"name":"e"},"attrs":{"isDefault":true}}`, 5},
			{limited, "user/get", `{"user":{"loginName":"D\\ada"}}`, 242},
			{limited, "user/get", `{"user":{"loginName":"nowhere\\ada"}}`, 242},
			{limited, "user/get", `{"user":{"loginName":"e.example\\ada"}}`, 101},
		} {
			if code, seen := s.answer(c.who, c.method, c.params); code != c.want {
				t.Errorf("%s %s: %s", c.method, c.params, seen)
			}
		}
		// A caller that is restricted to the default domain cannot take the name of an administrator there, because that name
		// would then mean the new user.
		s.do(t, "domain/set", `{"domain":{"name":"e"},"attrs":{"isDefault":true}}`)
		if code, seen := s.answer(limited, "user/create", `{"attrs":{"domain.name":"e","loginName":"Ada"}}`); code != 5 {
			t.Error(seen)
		}
		s.do(t, "domain/set", `{"domain":{"name":"d"},"attrs":{"isDefault":true}}`)
		if code, seen := s.answer(limited, "user/create", `{"attrs":{"domain.name":"e","loginName":"Ada"}}`); code != 0 {
			t.Error(seen)
		}
		d, e := s.idNamed(t, "domain", "d"), s.idNamed(t, "domain", "e")
		rows := fmt.Sprint(s.do(t, "audit/search", `{"match":[["method","=","domain/set"]],"sort":"id","order":"desc","max":2,"return":["object"]}`))
		if !strings.Contains(rows, "domain "+d) || !strings.Contains(rows, "domain "+e) {
			t.Errorf("the record names %s, not %s and %s", rows, d, e)
		}
		if code, seen := s.answer(weak, "domain/set", `{"domain":{"name":"d"},"attrs":{"isDefault":false}}`); code != 5 {
			t.Error(seen)
		}
	})
}

func (s *service) idNamed(t *testing.T, object, name string) string {
	t.Helper()
	return s.do(t, object+"/get", fmt.Sprintf(`{%q:{"name":%q},"return":["id"]}`, object, name)).(map[string]any)["id"].(string)
}

// If many ask for one name at the same time, one gets it.
func TestNamesAreGivenOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		s.do(t, "domain/create", `{"attrs":{"name":"d"}}`)
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				attrs := fmt.Sprintf(`"loginName":"u%d","userPrincipalName":"One@x.example"`, i)
				if i%4 == 3 {
					attrs = `"loginName":"one@X.example"`
				}
				s.post("/user/create", `{"attrs":{"domain.name":"d",`+attrs+`}}`)
				s.post("/domain/create", fmt.Sprintf(`{"attrs":{"name":"d%d","netbiosName":"ONE","isDefault":true}}`, i))
			})
		}
		all.Wait()
		users := s.do(t, "user/search", `{"match":[["userPrincipalName","=","one@x.example"]]}`).(map[string]any)["total"].(float64)
		users += s.do(t, "user/search", `{"match":[["loginName","=","one@x.example"]]}`).(map[string]any)["total"].(float64)
		domains := s.do(t, "domain/search", `{"match":[["netbiosName","=","one"]]}`).(map[string]any)["total"].(float64)
		defaults := s.do(t, "domain/search", `{"match":[["isDefault","=",true]]}`).(map[string]any)["total"].(float64)
		if users != 1 || domains != 1 || defaults != 1 {
			t.Error(users, domains, defaults)
		}
	})
}
