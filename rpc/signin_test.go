package rpc_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"tokensmith/model/otp"
	"tokensmith/store/storetest"
)

// knock signs in from an address and returns the reply. Because wrong sign-ins have a rate limit, it moves the clock.
func (s *service) knock(from, login, password, more string) (reply string) {
	s.clock.advance(10 * time.Second)
	return s.knockNow(from, login, password, more)
}

func (s *service) knockNow(from, login, password, more string) (reply string) {
	r := httptest.NewRequest(http.MethodPost, "/console/signIn", strings.NewReader(fmt.Sprintf(`{"loginName":%q,"password":%q%s}`, login, password, more)))
	r.RemoteAddr = from + ":4711"
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Body.String()
}

// The console treats a user who is not an administrator as unknown, whatever is sent and however often, and counts no failures
// for that user. So nobody learns there who has an account, and nobody can lock a user's tokens from there.
func TestConsoleKnowsAdministratorsAlone(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := administered(t, url)
		s.do(t, "user/create", `{"attrs":{"domain.name":"d","loginName":"bob","password":"battery staple"}}`)
		for _, login := range []string{"ada", "bob"} {
			s.do(t, "token/create", fmt.Sprintf(`{"attrs":{"product.productCode":"SE","serial":"%s","seed":"%x","user.loginName":"%[1]s"}}`, login, seedOf(login)))
		}
		// An administrator is found even if a user who is not an administrator has the same name.
		s.do(t, "domain/create", `{"attrs":{"name":"e"}}`)
		s.do(t, "user/create", `{"attrs":{"domain.name":"e","loginName":"ada","password":"correct horse"}}`)
		g := &guarded{s, t}
		if reply := s.knock("192.0.2.9", "ada", "correct horse", `,"otp":"`+g.at(hotp, "ada", 0)+`"`); codeIn(reply) != 0 {
			t.Fatal(reply)
		}
		before := contents(t, url)
		unknown := s.knock("192.0.2.1", "nobody", "x", "")
		for i := range 12 {
			for _, c := range []struct{ login, password string }{{"bob", "wrong"}, {"bob", "battery staple"}, {`d\bob`, "battery staple"}, {"bob@d", ""}, {`e\ada`, "correct horse"}} {
				from := fmt.Sprintf("192.0.2.%d", i+10)
				if reply := s.knock(from, c.login, c.password, `,"otp":"`+g.at(hotp, "bob", 0)+`"`); reply != unknown || codeIn(reply) != 201 {
					t.Fatalf("try %d of %s: %s, nobody sees %s", i, c.login, reply, unknown)
				}
			}
		}
		if after := contents(t, url); after != before {
			t.Error("something was counted for somebody who is no administrator")
		}
		if n := s.recorded(t, `["method","=","console/signIn"],["object","!=",""]`); n != 1 {
			t.Errorf("%d rows of the record name somebody", n)
		}
		if _, reply := s.post("/auth/verify", `{"user":{"domain.name":"d","loginName":"bob"},"credential":{"otp":"`+g.at(hotp, "bob", 0)+`"}}`); codeIn(reply) != 0 {
			t.Errorf("his OTP then: %s", reply)
		}
	})
}

// An administrator's failures lock only the console, for a longer time after each lock. The lock does not apply to addresses
// where the administrator signed in lately, and ends if the administrator is unlocked. The replies do not show the lock to
// strangers.
func TestConsoleLocksItself(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := administered(t, url)
		s.do(t, "token/create", fmt.Sprintf(`{"attrs":{"product.productCode":"SE","serial":"1","seed":"%x","user.loginName":"ada"}}`, seedOf("1")))
		g := &guarded{s, t}
		next := int64(0)
		right := func(from string) string {
			otp := g.at(hotp, "1", next)
			reply := s.knock(from, "ada", "correct horse", `,"otp":"`+otp+`"`)
			if codeIn(reply) == 0 {
				next++
			}
			return reply
		}
		var wrong string
		n := 0
		guess := func(times int) {
			t.Helper()
			for range times {
				n++
				if wrong = s.knock(fmt.Sprintf("198.51.100.%d", n%250), "ada", "wrong", `,"otp":"000000"`); codeIn(wrong) != 201 {
					t.Fatal(wrong)
				}
			}
		}
		locked := func(what string, is bool) {
			t.Helper()
			if reply := right("203.0.113.1"); is && reply != wrong || !is && codeIn(reply) != 0 {
				t.Errorf("%s: %s", what, reply)
			}
		}
		fresh := func() { // forget the locks and the addresses where she signed in
			t.Helper()
			s.clock.advance(100 * 24 * time.Hour)
			s.do(t, "user/unlock", `{"user":{"loginName":"ada"}}`)
		}
		if reply := right("192.0.2.7"); codeIn(reply) != 0 {
			t.Fatal(reply)
		}
		guess(9)
		locked("below the threshold", false)
		fresh()
		if reply := right("192.0.2.7"); codeIn(reply) != 0 {
			t.Fatal(reply)
		}
		guess(10)
		locked("at the threshold", true)
		if rows := s.recorded(t, `["method","=","console/signIn"],["outcome","=",202]`); rows != 1 {
			t.Errorf("the record has %d rows of a lock", rows)
		}
		if reply := right("192.0.2.7"); codeIn(reply) != 0 {
			t.Errorf("where she signed in lately: %s", reply)
		}
		if got := fmt.Sprint(s.do(t, "user/get", `{"user":{"loginName":"ada"},"return":["status","failCount"]}`)); got != "map[failCount:0 status:ACTIVE]" {
			t.Error(got)
		}
		if _, reply := s.post("/auth/verify", `{"user":{"loginName":"ada"},"credential":{"otp":"`+g.at(hotp, "1", next)+`"}}`); codeIn(reply) != 0 {
			t.Errorf("her OTP elsewhere: %s", reply)
		}
		next++
		// Each lock lasts twice as long as the one before, and three failures are enough for it.
		for _, minutes := range []int{15, 30, 60, 120, 240, 480, 960, 1440, 1440} {
			s.clock.advance(time.Duration(minutes)*time.Minute - time.Minute)
			locked(fmt.Sprint("nearly ", minutes, " minutes later"), true)
			s.clock.advance(time.Minute)
			guess(3)
			locked("after three more", true)
		}
		s.do(t, "user/unlock", `{"user":{"loginName":"ada"}}`)
		locked("unlocked", false)
		// Failures from an address where she signed in have their own count.
		for range 10 {
			if reply := s.knock("192.0.2.7", "ada", "wrong", ""); codeIn(reply) != 201 {
				t.Fatal(reply)
			}
		}
		if reply := right("192.0.2.7"); reply != wrong {
			t.Errorf("where she is known, after ten failures there: %s", reply)
		}
		locked("elsewhere", false)
		// The domain never locks, or locks until the user is unlocked.
		fresh()
		s.do(t, "domain/set", `{"domain":{"name":"d"},"attrs":{"lockoutThreshold":0,"lockoutMinutes":0}}`)
		guess(10)
		s.clock.advance(1000 * 24 * time.Hour)
		locked("until unlocked", true)
		s.do(t, "user/unlock", `{"user":{"loginName":"ada"}}`)
		locked("unlocked again", false)
	})
}

// Failures at auth/* lock an administrator there, but not at the console, and a sign-in to the console does not end that lock. A
// lock that an administrator set applies everywhere.
func TestLocksElsewhereLeaveTheConsoleOpen(t *testing.T) {
	t.Parallel()
	for _, minutes := range []int{15, 0} {
		storetest.Each(t, func(t *testing.T, url string) {
			s := administered(t, url)
			g := &guarded{s, t}
			s.do(t, "domain/set", fmt.Sprintf(`{"domain":{"name":"d"},"attrs":{"lockoutMinutes":%d}}`, minutes))
			s.do(t, "token/create", fmt.Sprintf(`{"attrs":{"product.productCode":"SE","serial":"1","seed":"%x","user.loginName":"ada"}}`, seedOf("1")))
			signsIn := func(n int64) int {
				return codeIn(s.knock("192.0.2.1", "ada", "correct horse", `,"otp":"`+g.at(hotp, "1", n)+`"`))
			}
			for range 10 {
				g.want(201, g.verify("ada", "000000"), "a guess")
			}
			g.want(202, g.verify("ada", g.at(hotp, "1", 0)), "locked")
			g.want(0, signsIn(0), "at the console, from where nobody knows her")
			g.want(202, g.verify("ada", g.at(hotp, "1", 1)), "still locked there")
			g.want(201, codeIn(s.knock("192.0.2.2", "ada", "wrong", "")), "a wrong one at the console")
			g.want(202, g.verify("ada", g.at(hotp, "1", 1)), "still locked there")
			s.do(t, "token/reset", `{"token":{"serial":"1"}}`)
			g.want(0, signsIn(1), "at the console, when her failures are cleared")
			if minutes > 0 {
				s.clock.advance(15 * time.Minute)
				g.want(0, g.verify("ada", g.at(hotp, "1", 2)), "when the lock has ended")
			}
			s.do(t, "user/set", `{"user":{"loginName":"ada"},"attrs":{"status":"LOCKED"}}`)
			g.want(201, signsIn(3), "at the console, locked by an administrator")
			g.want(202, g.verify("ada", g.at(hotp, "1", 3)), "locked by an administrator")
			s.do(t, "user/unlock", `{"user":{"loginName":"ada"}}`)
			g.want(0, signsIn(3), "at the console, unlocked")
			for range 10 {
				g.verify("ada", "000000")
			}
			s.do(t, "user/set", `{"user":{"loginName":"ada"},"attrs":{"status":"LOCKED"}}`)
			s.clock.advance(time.Hour)
			g.want(202, g.verify("ada", g.at(hotp, "1", 4)), "locked by an administrator whom failures had locked")
			g.want(201, signsIn(4), "at the console too")
		})
	}
}

// When many clients share an address, their attempts do not use up those of an administrator who signed in from there lately, and
// nobody learns from the replies who that administrator is.
func TestSharedAddressAtTheConsole(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := administered(t, url, quiet)
		if reply := s.knockNow("192.0.2.1", "ada", "correct horse", ""); codeIn(reply) != 0 {
			t.Fatal(reply)
		}
		for range 7 {
			s.knockNow("192.0.2.1", "nobody", "x", "")
			s.knockNow("192.0.2.2", "nobody", "x", "")
		}
		s.do(t, "user/create", `{"attrs":{"domain.name":"d","loginName":"eve","password":"battery staple","permissions":"device/*"}}`)
		for from, want := range map[string][2]int{"192.0.2.1": {0, 201}, "192.0.2.2": {7, 7}} {
			if reply := s.knockNow(from, "ada", "correct horse", ""); codeIn(reply) != want[0] {
				t.Errorf("ada from %s: %s", from, reply)
			}
			wrong := s.knockNow(from, "nobody", "x", "")
			for _, who := range [][2]string{{"ada", "wrong"}, {"eve", "wrong"}, {"eve", "battery staple"}, {`d\ada`, "wrong"}} { // eve never signed in from there
				if reply := s.knockNow(from, who[0], who[1], ""); reply != wrong || codeIn(reply) != want[1] {
					t.Errorf("%s from %s: %s, nobody sees %s", who, from, reply, wrong)
				}
			}
		}
		// Guesses at her password from there are no faster than one address may be, which the replies do not show. Guesses at
		// others do not fill the record.
		rows := func(more string) int {
			return s.recorded(t, `["method","=","console/signIn"],["outcome","=",201]`+more)
		}
		looked := rows(`,["object","!=",""]`)
		before := rows("")
		for range 10 {
			for _, who := range []string{"ada", "eve", "nobody"} {
				if reply := s.knockNow("192.0.2.1", who, "wrong", ""); codeIn(reply) != 201 {
					t.Fatalf("%s: %s", who, reply)
				}
			}
		}
		if all, hers := rows("")-before, rows(`,["object","!=",""]`)-looked; all != hers || looked != 2 || hers != 3 {
			t.Errorf("of 30 wrong ones at once %d were recorded, %d of them looked at, after %d", all, hers, looked)
		}
		if reply := s.knockNow("192.0.2.1", "ada", "correct horse", ""); codeIn(reply) != 201 {
			t.Errorf("ada, after five wrong ones: %s", reply)
		}
	})
}

// The number of stored addresses from which administrators signed in has a limit.
func TestKnownAddressesAreBounded(t *testing.T) {
	t.Parallel()
	s := administered(t, storetest.SQLite(t))
	rows := func() (n int) {
		for _, row := range storetest.Rows(t, s.url) {
			if strings.HasPrefix(row, "sign_ins") {
				n++
			}
		}
		return n
	}
	for i := range 25 {
		from := fmt.Sprintf("192.0.2.%d", i)
		s.knock(from, "ada", "wrong", "")
		if reply := s.knock(from, "ada", "correct horse", ""); codeIn(reply) != 0 {
			t.Fatal(i, reply)
		}
	}
	if n := rows(); n != 17 {
		t.Errorf("%d rows", n)
	}
	s.clock.advance(91 * 24 * time.Hour)
	if reply := s.knock("192.0.2.24", "ada", "correct horse", ""); codeIn(reply) != 0 {
		t.Fatal(reply)
	}
	if n := rows(); n != 2 {
		t.Errorf("%d rows after three months", n)
	}
}

// BenchmarkSignInRefusal measures the refusals of the console that must take the same time: their medians may differ by a fifth
// at most. The administrator who signs in has a token, as has the user whose tokens are tried in place of an unknown user's.
func BenchmarkSignInRefusal(b *testing.B) {
	s := newService(b, storetest.SQLite(b), quiet)
	s.do(b, "domain/create", `{"attrs":{"name":"d","lockoutThreshold":1000}}`)
	for login, permissions := range map[string]string{"ada": "*", "eve": "*", "bob": ""} {
		s.do(b, "user/create", fmt.Sprintf(`{"attrs":{"domain.name":"d","loginName":%q,"password":"right horse","permissions":%q}}`, login, permissions))
		s.do(b, "token/create", fmt.Sprintf(`{"attrs":{"product.productCode":"SE","serial":%q,"seed":"%x","user.loginName":%[1]q}}`, login, seedOf(login)))
	}
	if reply := s.knock("192.0.2.1", "ada", "right horse", `,"otp":"`+otp.Generate(seedOf("ada"), 0, hotp)+`"`); codeIn(reply) != 0 {
		b.Fatal(reply)
	}
	s.do(b, "user/set", `{"user":{"loginName":"eve"},"attrs":{"status":"LOCKED"}}`)
	for _, c := range []struct{ name, login, password string }{
		{"nobody", "x", "right horse"}, {"no administrator", "bob", "right horse"}, {"wrong password", "ada", "wrong"}, {"locked", "eve", "right horse"}} {
		b.Run(c.name, func(b *testing.B) {
			var took []time.Duration
			for n := 0; b.Loop(); n++ {
				s.clock.advance(24 * time.Hour)
				start := time.Now()
				reply := s.knockNow(fmt.Sprintf("198.51.100.%d", n%250), c.login, c.password, `,"otp":"000000"`)
				took = append(took, time.Since(start))
				if codeIn(reply) != 201 {
					b.Fatal(reply)
				}
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "median-µs")
		})
	}
}
