package rpc_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"tokensmith/store/storetest"
)

// The last full administrator and the last agent with permission * cannot be removed in any way. The last but one can.
func TestTheLastOnesStay(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		s.do(t, "domain/create", `{"attrs":{"name":"d"}}`)
		s.do(t, "user/create", `{"attrs":{"domain.name":"d","loginName":"ada","password":"correct horse","permissions":"*"}}`)
		// These do not count: they cannot sign in, have fewer permissions or are not active.
		s.do(t, "user/create", `{"attrs":{"domain.name":"d","loginName":"a","permissions":"*"}}`)
		s.do(t, "user/create", `{"attrs":{"domain.name":"d","loginName":"b","password":"correct horse","permissions":"user/*,token/*"}}`)
		s.do(t, "user/create", `{"attrs":{"domain.name":"d","loginName":"c","password":"correct horse","permissions":"*","status":"DISABLED"}}`)
		s.do(t, "user/create", `{"attrs":{"domain.name":"d","loginName":"e","password":"correct horse","permissions":"*","status":"LOCKED"}}`)
		s.agent(t, `"name":"a","permissions":"user/*,token/*"`)
		s.agent(t, `"name":"b","permissions":"*","status":"DISABLED"`)
		s.agent(t, `"name":"c","permissions":"*","domains":"d"`)
		s.agent(t, `"name":"e","permissions":"*","addresses":"198.51.100.1/32"`)

		calls := []string{
			`user/delete {"user":{"loginName":"ada"}}`,
			`user/set {"user":{"loginName":"ada"},"attrs":{"status":"DISABLED"}}`,
			`user/set {"user":{"loginName":"ada"},"attrs":{"status":"INACTIVE"}}`,
			`user/set {"user":{"loginName":"ada"},"attrs":{"status":"LOCKED"}}`,
			`user/set {"user":{"loginName":"ada"},"attrs":{"permissions":[]}}`,
			`user/set {"user":{"loginName":"ada"},"attrs":{"permissions":"user/*,agent/*"}}`,
			`user/set {"user":{"loginName":"ada"},"attrs":{"password":""}}`,
			`agent/delete {"agent":{"name":"first"}}`,
			`agent/set {"agent":{"name":"first"},"attrs":{"status":"DISABLED"}}`,
			`agent/set {"agent":{"name":"first"},"attrs":{"permissions":"agent/*,user/*"}}`,
			`agent/set {"agent":{"name":"first"},"attrs":{"domains":"d"}}`,
			`agent/set {"agent":{"name":"first"},"attrs":{"addresses":"198.51.100.1/32"}}`,
		}
		before := contents(t, url)
		for _, call := range calls {
			method, params, _ := strings.Cut(call, " ")
			if _, reply := s.post("/"+method, params); codeIn(reply) != 5 || !strings.Contains(reply, "this is the last") {
				t.Errorf("%s: %s", call, reply)
			}
			if _, reply := s.post("/batch/execute", `{"calls":[{"method":"`+method+`","params":`+params+`}]}`); !strings.Contains(reply, `"result":[{"error":5,`) {
				t.Errorf("%s in a batch: %s", call, reply)
			}
		}
		for _, row := range []string{`d,ada,DISABLED,`, `d,ada,,token/get`} {
			if _, reply := s.post("/user/import", `{"attrs":{"csv":"domain,loginName,status,permissions\n`+row+`\n"}}`); !strings.Contains(reply, "this is the last") {
				t.Errorf("import of %s: %s", row, reply)
			}
		}
		if after := contents(t, url); after != before {
			t.Error("a refused call changed something")
		}
		s.do(t, "user/set", `{"user":{"loginName":"ada"},"attrs":{"firstName":"Ada","permissions":"*,user/resetPassword","password":"another horse","status":"ACTIVE"}}`)
		s.do(t, "agent/set", `{"agent":{"name":"first"},"attrs":{"permissions":"user/*,*","status":"ACTIVE"}}`)
		s.do(t, "agent/rotateSecret", `{"agent":{"name":"first"}}`)

		// With another one beside them, each of these changes succeeds.
		for i, call := range calls {
			name := fmt.Sprint("other", i)
			s.do(t, "user/create", `{"attrs":{"domain.name":"d","loginName":"`+name+`","password":"correct horse","permissions":"*"}}`)
			s.agent(t, `"name":"`+name+`","permissions":"*"`)
			method, params, _ := strings.Cut(call, " ")
			params = strings.NewReplacer("ada", name, "first", name).Replace(params)
			s.do(t, method, params)
		}
	})
}

// If two callers remove each other at the same time, one stays.
func TestTwoLastOnesAtOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		servers := s.together(t)
		s.do(t, "domain/create", `{"attrs":{"name":"d"}}`)
		for n := range 5 {
			var all sync.WaitGroup
			var mu sync.Mutex
			codes := map[int]int{}
			for i := range servers {
				s.do(t, "user/create", fmt.Sprintf(`{"attrs":{"domain.name":"d","loginName":"u%d-%d","password":"correct horse","permissions":"*"}}`, n, i))
			}
			if n > 0 { // the remaining one
				for i := range servers {
					s.post("/user/delete", fmt.Sprintf(`{"user":{"loginName":"u%d-%d"}}`, n-1, i))
				}
			}
			for i, server := range servers {
				all.Go(func() {
					_, reply := server.post("/user/set", fmt.Sprintf(`{"user":{"loginName":"u%d-%d"},"attrs":{"permissions":[]}}`, n, i))
					mu.Lock()
					defer mu.Unlock()
					codes[codeIn(reply)]++
				})
			}
			all.Wait()
			if codes[0] != len(servers)-1 || codes[5] != 1 {
				t.Errorf("of %d at once: %v", len(servers), codes)
			}
		}
	})
}
