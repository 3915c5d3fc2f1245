package rpc_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tokensmith/rpc"
	"tokensmith/store/storetest"
)

// visitor is a browser at the console.
type visitor struct {
	s      *service
	cookie string
}

// post sends a request and keeps the cookie that comes back.
func (v *visitor) post(path, body string) (status int, reply string) {
	r := httptest.NewRequest(http.MethodPost, "/console/"+path, strings.NewReader(body))
	if v.cookie != "" {
		r.Header.Set("Cookie", v.cookie)
	}
	w := httptest.NewRecorder()
	v.s.ServeHTTP(w, r)
	if set := w.Header().Get("Set-Cookie"); set != "" {
		v.cookie, _, _ = strings.Cut(set, ";")
	}
	return w.Code, w.Body.String()
}

func (v *visitor) signedIn() bool {
	status, _ := v.post("api/device/search", "{}")
	return status == http.StatusOK
}

func administered(t *testing.T, url string, change ...func(*rpc.Config)) *service {
	s := newService(t, url, change...)
	s.do(t, "domain/create", `{"attrs":{"name":"d"}}`)
	s.do(t, "user/create", `{"attrs":{"domain.name":"d","loginName":"ada","password":"correct horse","permissions":"device/*"}}`)
	return s
}

const adaSignsIn = `{"loginName":"ada","password":"correct horse"}`

// A session ends when it is idle, when it is old, and when its user may not have it any more.
func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := administered(t, url)
		set := func(attrs string) { s.do(t, "user/set", `{"user":{"loginName":"ada"},"attrs":{`+attrs+`}}`) }
		for name, c := range map[string]struct {
			before func()
			good   bool
			after  func()
		}{
			"at once":               {func() {}, true, nil},
			"nearly idle":           {func() { s.clock.advance(30*time.Minute - time.Millisecond) }, true, nil},
			"idle":                  {func() { s.clock.advance(30 * time.Minute) }, false, nil},
			"password changed":      {func() { s.clock.advance(time.Second); set(`"password":"other horse"`) }, false, func() { set(`"password":"correct horse"`) }},
			"disabled":              {func() { set(`"status":"DISABLED"`) }, false, func() { set(`"status":"ACTIVE"`) }},
			"no administrator more": {func() { set(`"permissions":[]`) }, false, func() { set(`"permissions":"device/*"`) }},
			"fewer permissions":     {func() { set(`"permissions":"group/*"`) }, false, func() { set(`"permissions":"device/*"`) }},
		} {
			v := &visitor{s: s}
			if _, reply := v.post("signIn", adaSignsIn); codeIn(reply) != 0 {
				t.Fatal(name, reply)
			}
			c.before()
			if v.signedIn() != c.good {
				t.Errorf("%s: signed in is %v", name, !c.good)
			}
			if c.after != nil {
				c.after()
			}
		}
		// Used all the time, it ends after twelve hours all the same.
		v := &visitor{s: s}
		v.post("signIn", adaSignsIn)
		for range 36 {
			s.clock.advance(20*time.Minute - time.Second)
			if !v.signedIn() {
				t.Fatal("a session that is used has ended")
			}
		}
		s.clock.advance(time.Minute)
		if v.signedIn() {
			t.Error("a session is older than twelve hours")
		}
		// Deleted, he has none.
		v.post("signIn", adaSignsIn)
		s.do(t, "user/delete", `{"user":{"loginName":"ada"}}`)
		if v.signedIn() {
			t.Error("somebody who was deleted is signed in")
		}
	})
}

// What an administrator with a token signs in with: both, right, and the OTP unused.
func TestSignInNeedsBoth(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		g := &guarded{administered(t, url), t}
		g.do(t, "token/create", fmt.Sprintf(`{"attrs":{"product.productCode":"SE","serial":"1","seed":"%x","user.loginName":"ada"}}`, seedOf("1")))
		try := func(password, otp string) int {
			g.clock.advance(time.Minute) // wrong ones are held to a rate
			_, reply := (&visitor{s: g.service}).post("signIn", fmt.Sprintf(`{"loginName":"ada","password":%q,"otp":%q}`, password, otp))
			return codeIn(reply)
		}
		first := g.at(hotp, "1", 0)
		g.want(201, try("correct horse", ""), "without an OTP")
		g.want(201, try("wrong", first), "a wrong password")
		g.want(201, try("correct horse", "000000"), "a wrong OTP")
		g.want(0, try("correct horse", first), "both right: the wrong password has not used the OTP up")
		g.want(206, try("correct horse", first), "the OTP again")
		// Who has the password and guesses OTPs is locked out, at the domain's threshold.
		for i := range 10 {
			g.want(201, try("correct horse", "000000"), fmt.Sprint("guess ", i))
		}
		g.want(202, try("correct horse", g.at(hotp, "1", 1)), "locked")
		g.do(t, "user/unlock", `{"user":{"loginName":"ada"}}`)
		g.want(0, try("correct horse", g.at(hotp, "1", 1)), "unlocked")
		g.want(201, try("correct horse", strings.Repeat("9", 300)), "a long OTP")
		for login, want := range map[string]int{`d\ada`: 0, `D\ADA`: 0, `e\ada`: 201, `nobody`: 201, ``: 201} {
			g.clock.advance(time.Minute)
			g.do(t, "token/delete", `{"token":{"serial":"1"},"user":{"loginName":"ada"}}`)
			_, reply := (&visitor{s: g.service}).post("signIn", fmt.Sprintf(`{"loginName":%q,"password":"correct horse"}`, login))
			g.want(want, codeIn(reply), login)
			g.do(t, "tokenAssignment/create", `{"attrs":{"token.serial":"1","user.loginName":"ada"}}`)
		}
		// Somebody who is no administrator is told so, if his password is right.
		g.do(t, "user/create", `{"attrs":{"domain.name":"d","loginName":"bob","password":"battery staple"}}`)
		_, reply := (&visitor{s: g.service}).post("signIn", `{"loginName":"bob","password":"battery staple"}`)
		g.want(5, codeIn(reply), "no administrator")
	})
}

// Behind TLS the cookie is the host's alone, and what is done is recorded under the person's name.
func TestSessionCookieAndRecord(t *testing.T) {
	t.Parallel()
	s := administered(t, storetest.SQLite(t), func(c *rpc.Config) { c.PublicURL = "https://tokens.example" })
	v := &visitor{s: s}
	v.post("signIn", adaSignsIn)
	if !strings.HasPrefix(v.cookie, "__Host-tokensmith=") {
		t.Error(v.cookie)
	}
	v.post("api/device/create", `{"attrs":{"name":"x"}}`)
	if n := s.recorded(t, `["method","=","device/create"],["agent","=","ada@d"]`); n != 1 {
		t.Errorf("%d rows of the record", n)
	}
	if n := s.recorded(t, `["method","=","console/signIn"]`); n != 1 {
		t.Errorf("%d rows of signing in", n)
	}
	if status, reply := v.post("api/agent/create", `{"attrs":{"name":"x","permissions":"*"}}`); status != 403 {
		t.Error(status, reply)
	}
	for where, text := range map[string]string{"log": s.log.String(), "database": dump(t, s, s.url)} {
		if _, key, _ := strings.Cut(v.cookie, "="); strings.Contains(text, key) || strings.Contains(text, "correct horse") {
			t.Errorf("a secret shows in the %s", where)
		}
	}
}
