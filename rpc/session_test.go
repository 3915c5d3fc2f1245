package rpc_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/sender"
	"tokensmith/store/storetest"
)

// visitor is a browser that uses the console.
type visitor struct {
	s      *service
	cookie string
}

// post sends a request and keeps the cookie of the reply.
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

func administered(t *testing.T, url string, change ...func(*dispatch.Config)) *service {
	s := newService(t, url, change...)
	s.do(t, "domain/create", `{"attrs":{"name":"d"}}`)
	s.do(t, "user/create", `{"attrs":{"domain.name":"d","loginName":"ada","password":"correct horse","permissions":"device/*"}}`)
	return s
}

const adaSignsIn = `{"loginName":"ada","password":"correct horse"}`

// A session ends when it is idle too long, when it is too old, and when its user may no longer have it.
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
			"locked by others":      {func() { set(`"status":"LOCKED"`) }, true, func() { set(`"status":"ACTIVE"`) }},
			"disabled":              {func() { set(`"status":"DISABLED"`) }, false, func() { set(`"status":"ACTIVE"`) }},
			"no administrator more": {func() { set(`"permissions":[]`) }, false, func() { set(`"permissions":"device/*"`) }},
			"fewer permissions":     {func() { set(`"permissions":"deviceGroup/*"`) }, false, func() { set(`"permissions":"device/*"`) }},
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
		// Even if it is used all the time, it ends after twelve hours.
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
		// A deleted user has no session.
		v.post("signIn", adaSignsIn)
		s.do(t, "user/delete", `{"user":{"loginName":"ada"}}`)
		if v.signedIn() {
			t.Error("somebody who was deleted is signed in")
		}
	})
}

// An administrator with a token signs in with both the right password and an unused OTP.
func TestSignInNeedsBoth(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		g := &guarded{administered(t, url), t}
		g.do(t, "token/create", fmt.Sprintf(`{"attrs":{"product.productCode":"SE","serial":"1","seed":"%x","user.loginName":"ada"}}`, seedOf("1")))
		try := func(password, otp string) int {
			g.clock.advance(time.Minute) // wrong sign-ins have a rate limit
			_, reply := (&visitor{s: g.service}).post("signIn", fmt.Sprintf(`{"loginName":"ada","password":%q,"otp":%q}`, password, otp))
			return codeIn(reply)
		}
		first := g.at(hotp, "1", 0)
		g.want(201, try("correct horse", ""), "without an OTP")
		g.want(201, try("wrong", first), "a wrong password")
		g.want(201, try("correct horse", "000000"), "a wrong OTP")
		g.want(0, try("correct horse", first), "both right: the wrong password has not used the OTP up")
		g.want(206, try("correct horse", first), "the OTP again")
		// A person who knows the password and guesses OTPs is locked out at the threshold of the domain.
		for i := range 10 {
			g.want(201, try("correct horse", "000000"), fmt.Sprint("guess ", i))
		}
		g.want(201, try("correct horse", g.at(hotp, "1", 1)), "locked, which is not told")
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
		// The reply to a user who is not an administrator is the same, whatever the password is.
		g.do(t, "user/create", `{"attrs":{"domain.name":"d","loginName":"bob","password":"battery staple"}}`)
		_, reply := (&visitor{s: g.service}).post("signIn", `{"loginName":"bob","password":"battery staple"}`)
		g.want(201, codeIn(reply), "no administrator")
		// d\ada means this administrator, as the console names her.
		g.clock.advance(time.Hour)
		_, reply = (&visitor{s: g.service}).post("signIn", fmt.Sprintf(`{"loginName":"d\\ADA","password":"correct horse","otp":%q}`, g.at(hotp, "1", 2)))
		g.want(0, codeIn(reply), "with her domain")
		// A password that must be changed does not make the OTP unnecessary.
		g.do(t, "user/set", `{"user":{"loginName":"ada"},"attrs":{"mustChangePassword":true}}`)
		g.want(201, try("correct horse", ""), "to be changed, without an OTP")
		g.clock.advance(time.Minute)
		_, reply = (&visitor{s: g.service}).post("signIn", fmt.Sprintf(`{"loginName":"ada","password":"correct horse","otp":%q}`, g.at(hotp, "1", 3)))
		if codeIn(reply) != 207 || !strings.Contains(reply, `"attribute":"newPassword"`) {
			t.Errorf("to be changed, with one: %s", reply)
		}
		_, reply = (&visitor{s: g.service}).post("signIn", fmt.Sprintf(`{"loginName":"ada","password":"wrong","newPassword":"mine now","otp":%q}`, g.at(hotp, "1", 4)))
		g.want(201, codeIn(reply), "changed with a wrong one")
		_, reply = (&visitor{s: g.service}).post("signIn", fmt.Sprintf(`{"loginName":"ada","password":"correct horse","newPassword":"fresh horse","otp":%q}`, g.at(hotp, "1", 4)))
		g.want(0, codeIn(reply), "changed")
		g.want(0, try("fresh horse", g.at(hotp, "1", 5)), "the new one")
	})
}

// A passcode that was sent replaces an OTP, not a password.
func TestSignInByPasscode(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		post := make(letterbox, 10)
		s := administered(t, url, func(c *dispatch.Config) { c.Senders = map[string]sender.Sender{model.SMTP: post} })
		s.do(t, "user/set", `{"user":{"loginName":"ada"},"attrs":{"email":"ada@mail.example"}}`)
		s.do(t, "token/create", `{"attrs":{"product.productCode":"SE","user.loginName":"ada"}}`)
		s.do(t, "auth/sendOTP", `{"user":{"loginName":"ada"}}`)
		var sent string
		s.carry(t, post, func(m sender.Message) { sent = regexp.MustCompile(`\b\d{6}\b`).FindString(m.Text) })
		for _, c := range []struct {
			password, more string
			want           int
		}{{"wrong", "", 201}, {"wrong", `,"newPassword":"mine now"`, 201}, {"", "", 201}, {"correct horse", "", 0}, {"correct horse", "", 201}} {
			_, reply := (&visitor{s: s}).post("signIn", fmt.Sprintf(`{"loginName":"ada","password":%q,"otp":%q%s}`, c.password, sent, c.more))
			if codeIn(reply) != c.want {
				t.Errorf("%q %s: %s", c.password, c.more, reply)
			}
		}
	})
}

// Wrong sign-ins that are sent at once get no further than sequential ones. A sign-in counts even if its browser closes the
// connection.
func TestSignInsAtOnce(t *testing.T) {
	t.Parallel()
	s := administered(t, storetest.SQLite(t), quiet)
	s.do(t, "domain/set", `{"domain":{"name":"d"},"attrs":{"lockoutThreshold":0}}`)
	gone, hangUp := context.WithCancel(t.Context())
	hangUp()
	r := httptest.NewRequestWithContext(gone, http.MethodPost, "/console/signIn", strings.NewReader(`{"loginName":"ada","password":"wrong"}`))
	s.ServeHTTP(httptest.NewRecorder(), r)
	var all sync.WaitGroup
	var mu sync.Mutex
	codes := map[int]int{}
	for range 40 {
		all.Go(func() {
			_, reply := (&visitor{s: s}).post("signIn", `{"loginName":"ada","password":"wrong"}`)
			mu.Lock()
			defer mu.Unlock()
			codes[codeIn(reply)]++
		})
	}
	all.Wait()
	if codes[201] != 4 || codes[7] != 36 {
		t.Errorf("of 40 wrong sign-ins after one: %v", codes)
	}
}

// Behind TLS the cookie is limited to the host. The audit record names the person for every change.
func TestSessionCookieAndRecord(t *testing.T) {
	t.Parallel()
	s := administered(t, storetest.SQLite(t), func(c *dispatch.Config) { c.PublicURL = "https://tokens.example" })
	v := &visitor{s: s}
	v.post("signIn", adaSignsIn)
	if !strings.HasPrefix(v.cookie, "__Host-tokensmith=") {
		t.Error(v.cookie)
	}
	v.post("api/device/create", `{"attrs":{"name":"x"}}`)
	if n := s.recorded(t, `["method","=","device/create"],["agent","=","d\\ada"]`); n != 1 {
		t.Errorf("%d rows of the record", n)
	}
	for _, method := range []string{"console/signIn", "console/signOut"} {
		if method == "console/signOut" {
			(&visitor{s: s, cookie: v.cookie}).post("signOut", "{}")
		}
		if n := s.recorded(t, `["method","=","`+method+`"],["agent","=","d\\ada"]`); n != 1 {
			t.Errorf("%d rows of %s", n, method)
		}
	}
	// A new sign-in ends the session before it.
	v.post("signIn", adaSignsIn)
	old := &visitor{s: s, cookie: v.cookie}
	v.post("signIn", adaSignsIn)
	if old.signedIn() || !v.signedIn() {
		t.Error("a session stays behind a newer one of the same browser")
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
