package rpc_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"tokensmith/rpc"
	"tokensmith/rpc/wire"
	"tokensmith/store/storetest"
)

// get reads a page.
func (s *service) get(path string, header ...string) (int, http.Header, string) {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Code, w.Header(), w.Body.String()
}

// TestOpenAPI: the OpenAPI document is valid and contains every method with its parameters. Every example matches its schema.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	s := newService(t, storetest.SQLite(t))
	status, header, text := s.get("/das5/rest/openapi.json")
	if status != 200 || !strings.HasPrefix(header.Get("Content-Type"), "application/json") {
		t.Fatal(status, header)
	}
	doc, err := openapi3.NewLoader().LoadFromData([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context(), openapi3.EnableExamplesValidation()); err != nil {
		t.Fatal(err)
	}
	if doc.OpenAPI != "3.1.0" || doc.Paths.Len() != len(rpc.Methods()) {
		t.Errorf("OpenAPI %s with %d paths", doc.OpenAPI, doc.Paths.Len())
	}
	for _, m := range rpc.Methods() {
		op := doc.Paths.Value("/" + m.Path).Post
		body := op.RequestBody.Value.Content["application/json"].Schema.Value
		for _, p := range m.Parameters {
			in := body
			name, isAttr := strings.CutPrefix(p.Name, "attrs.")
			if isAttr {
				in = body.Properties["attrs"].Value
			}
			if in.Properties[name] == nil {
				t.Errorf("%s: %s is missing", m.Path, p.Name)
			}
		}
		var example any
		if err := json.Unmarshal([]byte(m.Example), &example); err != nil {
			t.Fatalf("%s: %v", m.Path, err)
		}
		if err := body.VisitJSON(example, openapi3.EnableJSONSchema2020()); err != nil {
			t.Errorf("%s: the example does not fit: %v", m.Path, err)
		}
	}
	// Wrong parameters do not match.
	for path, wrong := range map[string]string{"user/create": `{"attrs":{"firstName":7}}`, "token/search": `{"max":"many"}`, "domain/create": `{"attrs":{}}`} {
		var v any
		if err := json.Unmarshal([]byte(wrong), &v); err != nil {
			t.Fatal(err)
		}
		if err := doc.Paths.Value("/" + path).Post.RequestBody.Value.Content["application/json"].Schema.Value.VisitJSON(v, openapi3.EnableJSONSchema2020()); err == nil {
			t.Errorf("%s fits %s", wrong, path)
		}
	}
}

// TestOpenAPIErrors: the document contains each error code with its meaning, and no other code matches.
func TestOpenAPIErrors(t *testing.T) {
	t.Parallel()
	text, err := rpc.OpenAPI("/", "test")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		t.Fatal(err)
	}
	envelope := doc.Components.Schemas["Envelope"].Value
	values := envelope.Properties["error"].Value.OneOf
	errors := wire.Errors()
	if len(values) != len(errors) {
		t.Fatalf("%d values, not %d", len(values), len(errors))
	}
	for i, e := range errors {
		v := values[i].Value
		if fmt.Sprint(v.Const) != fmt.Sprint(e.Code) || v.Description != e.Meaning {
			t.Errorf("%v %q, not %d %q", v.Const, v.Description, e.Code, e.Meaning)
		}
		if err := envelope.VisitJSON(map[string]any{"error": float64(e.Code)}, openapi3.EnableJSONSchema2020()); err != nil {
			t.Errorf("%d does not fit: %v", e.Code, err)
		}
	}
	if err := envelope.VisitJSON(map[string]any{"error": float64(9)}, openapi3.EnableJSONSchema2020()); err == nil {
		t.Error("a code that is none fits")
	}
}

// TestExamplesAreRead: every method accepts the parameters of its example: none is missing, unknown or of the wrong kind. Objects
// need not be found.
func TestExamplesAreRead(t *testing.T) {
	t.Parallel()
	s := newService(t, storetest.SQLite(t))
	s.do(t, "domain/create", `{"attrs":{"name":"example.com"}}`)
	for _, m := range rpc.Methods() {
		_, reply := s.post("/"+m.Path, m.Example)
		var e struct{ Error *int }
		if err := json.Unmarshal([]byte(reply), &e); m.Path != "device/events" && (err != nil || e.Error == nil) {
			t.Errorf("%s: %s", m.Path, reply)
			continue
		}
		for _, code := range []int{1, 2, 3, 10, 11, 12} {
			if e.Error != nil && *e.Error == code && !strings.Contains(reply, "is not set up") {
				t.Errorf("%s %s: %s", m.Path, m.Example, reply)
			}
		}
	}
}

func TestMethodsPage(t *testing.T) {
	t.Parallel()
	s := newService(t, storetest.SQLite(t))
	status, header, text := s.get("/methods")
	if status != 200 || !strings.Contains(header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Error(status, header)
	}
	for _, m := range rpc.Methods() {
		if !strings.Contains(text, fmt.Sprintf(`<h2 id="%s">`, m.Path)) {
			t.Errorf("%s is not on the page", m.Path)
		}
	}
	if !strings.Contains(text, "<td>attrs.serial</td>") {
		t.Error("parameters are not on the page")
	}
}

// TestMetricsAndProbes: calls are counted by method and code. Only a caller with the permission can read the metrics. The probes
// need no caller.
func TestMetricsAndProbes(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url, sendsMail)
		w := newWorld(t, s, 1)
		s.do(t, "tokenAssignment/sendActivationCode", `{"id":"`+w.Sleeping+`","channel":"SMTP"}`)
		s.do(t, "token/create", `{"attrs":{"product.productCode":"SE"}}`)
		s.post("/token/get", `{"id":"ghost"}`)
		s.post("/no/such/MARKED", `{}`)
		basic := func(c caller) string {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.SetBasicAuth(c.id, c.secret)
			return r.Header.Get("Authorization")
		}
		scraper := s.agent(t, `"name":"scraper","permissions":"metrics/get"`)
		low := s.agent(t, `"name":"low","permissions":"token/*"`)
		status, _, text := s.get("/metrics", "Authorization", basic(scraper))
		for _, want := range []string{`tokensmith_calls_total{code="102",method="token/get"} 1`, `tokensmith_calls_total{code="3",method="unknown"} 1`,
			`tokensmith_call_seconds_count{method="token/create"} `, "tokensmith_writer_queue ", `tokensmith_deliveries{status="QUEUED"} 1`,
			"tokensmith_database_bytes ", "go_goroutines "} {
			if status != 200 || !strings.Contains(text, want) {
				t.Errorf("%d: %s is missing", status, want)
			}
		}
		if strings.Contains(text, "MARKED") || strings.Contains(text, "tokensmith_database_bytes 0") {
			t.Error("a path that is no method's is counted by its name, or the database has no size")
		}
		for who, header := range map[string]string{"nobody": "", "wrong": basic(caller{id: low.id, secret: "x"})} {
			if status, _, text := s.get("/metrics", "Authorization", header); status != 401 || !strings.HasPrefix(text, `{"error":4`) {
				t.Errorf("%s: %d %.100s", who, status, text)
			}
		}
		if status, _, text := s.get("/metrics", "Authorization", basic(low)); status != 403 || !strings.HasPrefix(text, `{"error":5`) {
			t.Errorf("%d %.100s", status, text)
		}
		if status, reply := s.post("/metrics", "{}"); status != 405 {
			t.Errorf("%d %s", status, reply)
		}
		for path, want := range map[string]string{"/healthz": "ok\n", "/readyz": "ready\n"} {
			if status, _, text := s.get(path); status != 200 || text != want {
				t.Errorf("%s: %d %q", path, status, text)
			}
		}
		r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
		r.Header.Set("Authorization", basic(scraper))
		auth := httptest.NewRecorder()
		s.AuthOnly().ServeHTTP(auth, r)
		if auth.Code != 404 {
			t.Errorf("on the listener of auth/* alone: %d", auth.Code)
		}
		if err := s.store.Close(); err != nil {
			t.Fatal(err)
		}
		for path, want := range map[string]int{"/healthz": 200, "/readyz": 503} {
			if status, _, _ := s.get(path); status != want {
				t.Errorf("closed, %s: %d", path, status)
			}
		}
	})
}
