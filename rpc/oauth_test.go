package rpc_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"tokensmith/store/storetest"
)

// ask posts a form to the token endpoint.
func (s *service) ask(path, form string, basic ...string) (*httptest.ResponseRecorder, map[string]any) {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if len(basic) == 2 {
		r.SetBasicAuth(basic[0], basic[1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	var reply map[string]any
	json.Unmarshal(w.Body.Bytes(), &reply)
	return w, reply
}

func (s *service) withBearer(token string) int {
	r := httptest.NewRequest(http.MethodPost, "/das5/rest/token/search", strings.NewReader(`{"max":0}`))
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Code
}

// This test checks RFC 6749, sections 4.4, 5.1 and 5.2.
func TestAccessTokens(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url_ string) {
		s := newService(t, url_)
		a := s.agent(t, `"name":"a","permissions":"token/*"`)
		posted := url.Values{"grant_type": {"client_credentials"}, "client_id": {a.id}, "client_secret": {a.secret}}.Encode()
		w, reply := s.ask("/oauth/token", posted)
		token, _ := reply["access_token"].(string)
		if w.Code != 200 || token == "" || reply["token_type"] != "Bearer" || reply["expires_in"] != 3600.0 ||
			w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Pragma") != "no-cache" {
			t.Fatal(w.Code, w.Header(), w.Body)
		}
		for _, process := range s.together(t) { // whichever process made it
			if code := process.withBearer(token); code != 200 {
				t.Error(code)
			}
		}
		for _, c := range []struct {
			form   string
			basic  []string
			status int
			err    string
		}{
			{"grant_type=client_credentials", nil, 401, "invalid_client"},
			{"grant_type=client_credentials", []string{a.id, "wrong"}, 401, "invalid_client"},
			{"grant_type=client_credentials", []string{"nobody", "wrong"}, 401, "invalid_client"},
			{"grant_type=password", []string{a.id, a.secret}, 400, "unsupported_grant_type"},
			{"", []string{a.id, a.secret}, 400, "invalid_request"},
			{posted, []string{a.id, a.secret}, 400, "invalid_request"},
			{"grant_type=client_credentials&grant_type=x", []string{a.id, a.secret}, 400, "invalid_request"},
			{"grant_type=%zz", []string{a.id, a.secret}, 400, "invalid_request"},
			{strings.Repeat("x", 100_000), []string{a.id, a.secret}, 400, "invalid_request"},
		} {
			w, reply := s.ask("/das5/rest/oauth/token", c.form, c.basic...)
			if w.Code != c.status || reply["error"] != c.err || w.Header().Get("Cache-Control") != "no-store" || len(reply) > 2 {
				t.Errorf("%.60s: %d %s", c.form, w.Code, w.Body)
			}
			if (w.Header().Get("WWW-Authenticate") != "") != (c.status == 401) {
				t.Errorf("%.60s: WWW-Authenticate is %q", c.form, w.Header().Get("WWW-Authenticate"))
			}
		}
		// The server does not take the secret of the form from the query.
		if w, _ := s.ask("/oauth/token?client_id="+a.id+"&client_secret="+a.secret, "grant_type=client_credentials"); w.Code != 401 {
			t.Error(w.Code, w.Body)
		}
		// These tokens differ slightly from a valid one.
		for _, bad := range []string{"", "x", token + "x", token[1:], strings.Replace(token, ".1.", ".2.", 1), "first" + token[32:], strings.ToUpper(token)} {
			if code := s.withBearer(bad); code != 401 {
				t.Errorf("%q: %d", bad, code)
			}
		}
		// A rotation of the secret ends the token at the end of the overlap, a disabled agent ends it at once, and otherwise it
		// ends after an hour.
		s.do(t, "agent/rotateSecret", `{"agent":{"name":"a"},"overlap":600}`)
		before, after := s.withBearer(token), 0
		s.clock.advance(601 * time.Second)
		if after = s.withBearer(token); before != 200 || after != 401 {
			t.Errorf("over the rotation: %d, then %d", before, after)
		}
		_, reply = s.ask("/oauth/token", "grant_type=client_credentials", s.id, s.key)
		token = reply["access_token"].(string)
		s.clock.advance(time.Hour - time.Millisecond)
		before = s.withBearer(token)
		s.clock.advance(time.Millisecond)
		if after = s.withBearer(token); before != 200 || after != 401 {
			t.Errorf("over its end: %d, then %d", before, after)
		}
		b := s.agent(t, `"name":"b","permissions":"token/*"`)
		_, reply = s.ask("/oauth/token", "grant_type=client_credentials", b.id, b.secret)
		token = reply["access_token"].(string)
		s.do(t, "agent/set", `{"agent":{"name":"b"},"attrs":{"status":"DISABLED"}}`)
		if code := s.withBearer(token); code != 401 {
			t.Errorf("of a disabled agent: %d", code)
		}
		if log := s.log.String(); strings.Contains(log, token) || strings.Contains(log, b.secret) || !strings.Contains(log, "oauth/token") {
			t.Error("the log shows a token, or no request for one")
		}
	})
}

// The server refuses requests that another site's page makes a browser send, on every listener and route. The listener that
// serves only auth/* has no other routes.
func TestListenersAndOrigins(t *testing.T) {
	t.Parallel()
	s := newService(t, storetest.SQLite(t))
	for name, h := range map[string]http.Handler{"main": s, "auth": s.AuthOnly()} {
		for _, path := range []string{"/token/search", "/das5/rest/token/search", "/oauth/token", "/das5/rest/oauth/token", "/auth/verify", "/nothing"} {
			send := func(header ...string) int {
				r := httptest.NewRequest(http.MethodPost, path, strings.NewReader("grant_type=client_credentials"))
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				for i := 0; i < len(header); i += 2 {
					r.Header.Set(header[i], header[i+1])
				}
				r.SetBasicAuth(s.id, s.key)
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				return w.Code
			}
			if code := send("Sec-Fetch-Site", "cross-site"); code != 403 {
				t.Errorf("%s %s from another site: %d", name, path, code)
			}
			if code := send("Origin", "https://evil.example"); code != 403 {
				t.Errorf("%s %s from another origin: %d", name, path, code)
			}
			if code := send(); (code == 404) != (path == "/nothing" || name == "auth" && strings.HasSuffix(path, "token/search")) && !strings.HasPrefix(path, "/auth/") {
				t.Errorf("%s %s: %d", name, path, code)
			}
		}
	}
}
