package rpc_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/creachadair/jrpc2"
	"github.com/creachadair/jrpc2/jhttp"

	"tokensmith/model/modeltest"
	"tokensmith/rpc/dispatch"
	"tokensmith/store/storetest"
)

// keyed sends requests with headers as an agent.
type keyed struct {
	id, secret string
	header     http.Header
}

func (k *keyed) Do(r *http.Request) (*http.Response, error) {
	r.SetBasicAuth(k.id, k.secret)
	for name, values := range k.header {
		r.Header[name] = values
	}
	return http.DefaultClient.Do(r)
}

// A standard client calls methods with JSON-RPC: results, errors with this server's codes and details, and params as an object or
// an array.
func TestJSONRPCStockClient(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		srv := httptest.NewServer(s)
		t.Cleanup(srv.Close)
		as := &keyed{id: s.id, secret: s.key, header: http.Header{}}
		client := jrpc2.NewClient(jhttp.NewChannel(srv.URL+"/das5/rest/jsonrpc", &jhttp.ChannelOptions{Client: as}), nil)
		t.Cleanup(func() { client.Close() })
		call := func(method string, params, result any) *jrpc2.Error {
			t.Helper()
			err := client.CallResult(t.Context(), method, params, result)
			var refused *jrpc2.Error
			if err != nil && !errors.As(err, &refused) {
				t.Fatalf("%s: %v", method, err)
			}
			return refused
		}
		attrs := func(name string) map[string]any { return map[string]any{"attrs": map[string]any{"name": name}} }
		var made struct{ ID string }
		if err := call("domain.create", attrs("d"), &made); err != nil || len(made.ID) != 32 {
			t.Fatal(err, made)
		}
		if err := call("domain.create", []any{attrs("e")}, &made); err != nil {
			t.Fatal(err)
		}
		var found struct{ Rows []struct{ Name string } }
		if err := call("domain.search", map[string]any{"sort": "name", "return": []string{"name"}}, &found); err != nil || len(found.Rows) != 2 {
			t.Fatal(err, found)
		}
		var empty map[string]any
		if err := call("domain.set", map[string]any{"id": made.ID, "attrs": map[string]any{"description": "x"}}, &empty); err != nil || len(empty) != 0 {
			t.Fatal(err, empty)
		}
		if err := call("product.search", nil, &found); err != nil || len(found.Rows) != 5 {
			t.Fatal(err, found)
		}
		for _, c := range []struct {
			method string
			params any
			code   jrpc2.Code
			data   string
		}{
			{"domain.create", attrs("D"), 13, `{"attribute":"attrs.name"}`},
			{"domain.create", map[string]any{}, 10, `{"attribute":"attrs.name"}`},
			{"domain.get", map[string]any{"id": "ghost"}, 242, "null"},
			{"domain.frobnicate", nil, 3, "null"},
			{"domain/create", attrs("f"), 3, "null"},
			{"device.connect", nil, 3, "null"},
			{"domain.create", []any{attrs("f"), 1}, 2, "null"},
			{"domain.create", []any{1}, 2, "null"},
			{"auth.verify", map[string]any{"user": map[string]any{"loginName": "nobody"}, "credential": map[string]any{"otp": "123456"}}, 201, "null"},
		} {
			err := call(c.method, c.params, nil)
			if err == nil || err.Code != c.code || string(err.Data) != c.data {
				t.Errorf("%s %v: %+v", c.method, c.params, err)
			}
		}
		// The reply is the same again, whatever the id of the request.
		as.header.Set("Idempotency-Key", "k")
		var first, again struct{ ID string }
		if err := call("domain.create", attrs("once"), &first); err != nil {
			t.Fatal(err)
		}
		if err := call("domain.create", attrs("once"), &again); err != nil || again != first {
			t.Error(err, again)
		}
		if err := call("domain.create", attrs("twice"), nil); err == nil || err.Code != 17 {
			t.Error(err)
		}
		as.header.Del("Idempotency-Key")
		if err := client.Notify(t.Context(), "domain.create", attrs("notified")); err != nil {
			t.Error(err)
		}
		notified := map[string]any{"match": []any{[]any{"name", "=", "notified"}}, "return": []string{"name"}}
		modeltest.Until(t, "notified", func() bool { // the client does not wait until a notification has been processed
			if err := call("domain.search", notified, &found); err != nil {
				t.Fatal(err, found)
			}
			return len(found.Rows) == 1
		})
		// A caller without permission has none here either.
		low := s.agent(t, `"name":"low","permissions":"domain/search"`)
		as.id, as.secret = low.id, low.secret
		if err := call("domain.search", notified, &found); err != nil || len(found.Rows) != 1 {
			t.Error(err, found)
		}
		if err := call("domain.create", attrs("low"), nil); err == nil || err.Code != 5 {
			t.Error(err)
		}
		s.do(t, "audit/verify", `{}`)
	})
}

// A body that is not a request gets a response that a client can read, and nothing else happens.
func TestJSONRPCRefusals(t *testing.T) {
	t.Parallel()
	s := newService(t, storetest.SQLite(t), func(c *dispatch.Config) { c.LargeBody = 3 << 20 })
	for body, want := range map[string]int{
		`{`: -32700, `{"jsonrpc":"2.0","jsonrpc":"2.0","method":"domain.search","id":1}`: -32700, "\xff": -32700, ``: -32700,
		`[]`: -32600, `[{"jsonrpc":"2.0","method":"domain.search","id":1}]`: -32600, `7`: -32600,
		`{"jsonrpc":"1.0","method":"domain.search","id":1}`: -32600, `{"method":"domain.search","id":1}`: -32600,
		`{"jsonrpc":"2.0","method":7,"id":1}`: -32600, `{"jsonrpc":"1.0"}`: -32600, `{"jsonrpc":2.0,"method":"domain.search"}`: -32600, `{"JSONRPC":"2.0","Method":"domain.search"}`: -32600, `{"jsonrpc":"2.0","method":"domain.search","params":"x","id":1}`: 2,
		`{"jsonrpc":"2.0","method":"domain.search","id":"` + strings.Repeat("x", 1<<20) + `"}`: 6,
	} {
		status, reply := s.post("/jsonrpc", body)
		var r struct {
			JSONRPC string
			Error   *struct {
				Code    int
				Message string
			}
			ID *json.RawMessage
		}
		if err := json.Unmarshal([]byte(reply), &r); err != nil || status != 200 || r.JSONRPC != "2.0" || r.Error == nil || r.Error.Code != want || r.Error.Message == "" {
			t.Errorf("%.100s: %d %.300s", body, status, reply)
		}
	}
	if status, reply := s.post("/jsonrpc", strings.Repeat("x", 4<<20)); status != 413 || !strings.HasPrefix(reply, `{"error":6`) {
		t.Errorf("%d %s", status, reply)
	}
	if status, reply := s.post("/jsonrpc", `{"jsonrpc":"2.0","method":"domain.search","id":1}`, "Authorization", ""); status != 401 || !strings.HasPrefix(reply, `{"error":4`) {
		t.Errorf("%d %s", status, reply)
	}
	r := httptest.NewRequest(http.MethodPost, "/jsonrpc", strings.NewReader("{}"))
	r.SetBasicAuth(s.id, s.key)
	w := httptest.NewRecorder()
	s.AuthOnly().ServeHTTP(w, r)
	if w.Code != 404 {
		t.Errorf("the listener of auth/* alone: %d %s", w.Code, w.Body)
	}
	if strings.Contains(s.log.String(), "xxxx") {
		t.Error("a body shows in the log")
	}
}
