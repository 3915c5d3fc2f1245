package rpc_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"tokensmith/store/storetest"
)

// slowBody is a request body that arrives only after something else has happened.
type slowBody struct {
	once   sync.Once
	before func()
	io.Reader
}

func (b *slowBody) Read(p []byte) (int, error) {
	b.once.Do(b.before)
	return b.Reader.Read(p)
}

// A known caller sends the body of a request after its rights were taken away. The call has no effect: no change, no secret, and
// no stored reply.
func TestCallsEndWithTheirCallersRights(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		s.do(t, "domain/create", `{"attrs":{"name":"d"}}`)
		s.do(t, "token/create", `{"attrs":{"product.productCode":"MT","serial":"1"}}`)
		n := 0
		call := func(send func(r *http.Request), path, body string, before func()) int {
			t.Helper()
			r := httptest.NewRequest(http.MethodPost, path, &slowBody{before: before, Reader: strings.NewReader(body)})
			send(r)
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if strings.Contains(path, "jsonrpc") {
				if strings.Contains(w.Body.String(), `"result"`) {
					return 0
				}
				var code int
				if _, rest, ok := strings.Cut(w.Body.String(), `"code":`); ok {
					fmt.Sscan(rest, &code)
				}
				return code
			}
			return codeIn(w.Body.String())
		}
		const permissions = "agent/create,token/*,token/retrieveCredential,batch/execute"
		taken := map[string]struct {
			take string
			want int
		}{
			"nothing":            {`agent/set {"id":"ID","attrs":{"rateLimit":0}}`, 0},
			"more is given":      {`agent/set {"id":"ID","attrs":{"permissions":"` + permissions + `,user/*"}}`, 0},
			"disabled":           {`agent/set {"id":"ID","attrs":{"status":"DISABLED"}}`, 4},
			"deleted":            {`agent/delete {"id":"ID"}`, 4},
			"another secret":     {`agent/rotateSecret {"id":"ID","overlap":0}`, 4},
			"other addresses":    {`agent/set {"id":"ID","attrs":{"addresses":"198.51.100.0/24"}}`, 4},
			"his address":        {`agent/set {"id":"ID","attrs":{"addresses":"192.0.2.0/24"}}`, 5},
			"a rate":             {`agent/set {"id":"ID","attrs":{"rateLimit":9}}`, 5},
			"a domain":           {`agent/set {"id":"ID","attrs":{"domains":"d"}}`, 5},
			"fewer permissions":  {`agent/set {"id":"ID","attrs":{"permissions":"token/get"}}`, 5},
			"another permission": {`agent/set {"id":"ID","attrs":{"permissions":"user/*"}}`, 5},
		}
		calls := map[string]string{
			"a change":        `agent/create {"attrs":{"name":"NAME","permissions":"token/get"}}`,
			"a secret":        `token/retrieveCredential {"token":{"serial":"1"}}`,
			"what is read":    `token/get {"token":{"serial":"1"}}`,
			"what is counted": `token/search {"return":["id",{"users":["id"]}]}`,
			"a batch":         `batch/execute {"calls":[{"method":"token/create","params":{"attrs":{"product.productCode":"MT"}}}],"atomic":true}`,
			"JSON-RPC":        `jsonrpc {"jsonrpc":"2.0","id":1,"method":"agent.create","params":{"attrs":{"name":"NAME","permissions":"token/get"}}}`,
		}
		for how, c := range taken {
			for what, text := range calls {
				n++
				agent := s.agent(t, fmt.Sprintf(`"name":"agent %d","permissions":%q`, n, permissions))
				method, params, _ := strings.Cut(strings.ReplaceAll(text, "NAME", fmt.Sprint("made ", n)), " ")
				by := func(r *http.Request) { r.SetBasicAuth(agent.id, agent.secret) }
				take := func() {
					of, params, _ := strings.Cut(strings.ReplaceAll(c.take, "ID", agent.id), " ")
					s.do(t, of, params)
					s.clock.advance(time.Second)
				}
				if code := call(by, "/"+method, params, take); code != c.want {
					t.Errorf("%s, when what was taken is %s: %d, not %d", what, how, code, c.want)
				}
			}
		}

		// It does not get the reply that is stored for an idempotency key either.
		leaving := s.agent(t, fmt.Sprintf(`"name":"leaving","permissions":%q`, permissions))
		keyed := func(r *http.Request) {
			r.SetBasicAuth(leaving.id, leaving.secret)
			r.Header.Set("Idempotency-Key", "k")
		}
		disable := func() {
			s.do(t, "agent/set", `{"id":"`+leaving.id+`","attrs":{"status":"DISABLED"}}`)
			s.clock.advance(time.Second)
		}
		const kept = `{"attrs":{"name":"kept","permissions":"token/get"}}`
		if code := call(keyed, "/agent/create", kept, func() {}); code != 0 {
			t.Fatal(code)
		}
		if code := call(keyed, "/agent/create", kept, disable); code != 4 {
			t.Errorf("the answer of before, for one who is disabled: %d", code)
		}

		// The same holds for an administrator at the console.
		for how, take := range map[string]string{
			"nothing":           "",
			"disabled":          `user/set {"user":{"loginName":"ada"},"attrs":{"status":"DISABLED"}}`,
			"another password":  `user/set {"user":{"loginName":"ada"},"attrs":{"password":"another horse"}}`,
			"fewer permissions": `user/set {"user":{"loginName":"ada"},"attrs":{"permissions":"agent/get"}}`,
		} {
			s.do(t, "user/create", `{"attrs":{"domain.name":"d","loginName":"ada","password":"correct horse","permissions":"agent/*"}}`)
			v := &visitor{s: s}
			if _, reply := v.post("signIn", adaSignsIn); codeIn(reply) != 0 {
				t.Fatal(reply)
			}
			n++
			code := call(func(r *http.Request) { r.Header.Set("Cookie", v.cookie) }, "/console/api/agent/create",
				fmt.Sprintf(`{"attrs":{"name":"made %d","permissions":"agent/get"}}`, n), func() {
					s.clock.advance(time.Second)
					if method, params, ok := strings.Cut(take, " "); ok {
						s.do(t, method, params)
					}
				})
			if (code == 0) != (take == "") || code != 0 && code != 4 && code != 5 {
				t.Errorf("an administrator, when what was taken is %s: %d", how, code)
			}
			s.do(t, "user/delete", `{"user":{"loginName":"ada"}}`)
		}
	})
}
