package rpc_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tokensmith/model"
	"tokensmith/model/otp"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/sender"
	"tokensmith/store/storetest"
)

// guarded is a service with one domain and users, for whose tokens the test can make OTPs.
type guarded struct {
	*service
	t *testing.T
}

var (
	totp = otp.Params{Algorithm: otp.TOTP, Digits: 6, Period: 30, Hash: otp.HmacSHA1}
	slow = otp.Params{Algorithm: otp.TOTP, Digits: 6, Period: 60, Hash: otp.HmacSHA1}
	hotp = otp.Params{Algorithm: otp.HOTP, Digits: 6, Hash: otp.HmacSHA1}
)

func newGuarded(t *testing.T, url string) *guarded {
	g := &guarded{newService(t, url), t}
	g.do(t, "domain/create", `{"attrs":{"name":"d"}}`)
	return g
}

// user creates a user with tokens, each given as "PRODUCT SERIAL [PIN]".
func (g *guarded) user(login string, tokens ...string) {
	g.do(g.t, "user/create", fmt.Sprintf(`{"attrs":{"domain.name":"d","loginName":%q}}`, login))
	for _, token := range tokens {
		words := strings.Fields(token)
		pin := ""
		if len(words) == 3 {
			pin = fmt.Sprintf(`,"pin":%q`, words[2])
		}
		g.do(g.t, "token/create", fmt.Sprintf(`{"attrs":{"product.productCode":%q,"serial":%q,"seed":"%x","user.loginName":%q%s}}`,
			words[0], words[1], seedOf(words[1]), login, pin))
	}
}

// seedOf returns the seed of a test's token.
func seedOf(serial string) []byte { return []byte(fmt.Sprintf("%020s", serial)) }

// at returns the OTP of a token at a counter, or at a time step relative to now.
func (g *guarded) at(p otp.Params, serial string, n int64) string {
	if p.Algorithm == otp.TOTP {
		n += p.Step(g.clock.now().Unix())
	}
	return otp.Generate(seedOf(serial), uint64(n), p)
}

// verify returns the code of the reply to a credential.
func (g *guarded) verify(login, credential string, more ...string) int {
	_, reply := g.post("/auth/verify", fmt.Sprintf(`{"user":{"loginName":%q},"credential":{"otp":%q}%s}`, login, credential, strings.Join(more, "")))
	return codeIn(reply)
}

func codeIn(reply string) int {
	var e struct{ Error *int }
	if err := json.Unmarshal([]byte(reply), &e); err != nil || e.Error == nil {
		return -1
	}
	return *e.Error
}

func (g *guarded) want(code, got int, what string) {
	g.t.Helper()
	if code != got {
		g.t.Errorf("%s: code %d, not %d", what, got, code)
	}
}

// get returns one attribute.
func (g *guarded) get(object, match, attr string) string {
	g.t.Helper()
	v := g.do(g.t, object+"/get", fmt.Sprintf(`{"match":%s,"return":[%q]}`, match, attr)).(map[string]any)[attr]
	return fmt.Sprint(v)
}

// TestMistypingLocksNobody: a person who mistypes five times a day is never locked, even if each entry is tried on up to five
// tokens. The person sometimes has to enter a second OTP, because the tokens share the probability of one guess.
func TestMistypingLocksNobody(t *testing.T) {
	t.Parallel()
	for what, tokens := range map[string][]string{"one": {"MT 1"}, "two": {"MT 1", "ST 2"}, "three": {"ST 1", "SE 2", "MT 3"},
		"five": {"MT 1", "MT 2", "ST 3", "ST 4", "SE 5"}, "two, and a passcode was sent": {"MT 1", "MT 2"}} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			senders := func(c *dispatch.Config) { c.Senders = map[string]sender.Sender{model.SMS: make(letterbox, 1)} }
			g := &guarded{newService(t, storetest.SQLite(t), senders), t}
			g.do(t, "domain/create", `{"attrs":{"name":"d"}}`)
			g.user("u", tokens...)
			g.do(t, "user/set", `{"user":{"loginName":"u"},"attrs":{"mobile":"1"}}`)
			p := totp
			if strings.HasPrefix(tokens[0], "ST") {
				p = slow
			}
			asked := 0
			for d := range 150 {
				if strings.Contains(what, "passcode") {
					g.do(t, "auth/sendOTP", `{"user":{"loginName":"u"}}`)
				}
				for i := range 5 {
					g.want(201, g.verify("u", fmt.Sprintf("%06d", 7*d+i)), fmt.Sprintf("day %d, a mistyped one", d))
					g.clock.advance(10 * time.Second)
				}
				late := int64(-d % 2) // typed at its end or at its beginning
				code := g.verify("u", g.at(p, "1", late))
				if code == 205 {
					asked++
					g.clock.advance(time.Duration(p.Period) * time.Second)
					code = g.verify("u", g.at(p, "1", late))
				}
				if g.want(0, code, fmt.Sprintf("day %d, the right one", d)); code != 0 {
					t.Fatal("shut out")
				}
				g.clock.advance(23 * time.Hour)
			}
			t.Logf("asked for a second OTP on %d of 150 days", asked)
		})
	}
}

func TestVerifyRules(t *testing.T) {
	t.Parallel()
	rules := map[string]func(g *guarded){
		"an OTP is accepted once, and nothing before it": func(g *guarded) {
			g.user("u", "MT 1")
			g.want(0, g.verify("u", g.at(totp, "1", 0)), "the current step")
			g.want(206, g.verify("u", g.at(totp, "1", 0)), "again")
			g.want(206, g.verify("u", g.at(totp, "1", -1)), "the step before")
			g.want(0, g.verify("u", g.at(totp, "1", 1)), "the next step")
			g.clock.advance(-time.Hour)
			g.want(206, g.verify("u", g.at(totp, "1", 0)), "an hour back")
			g.clock.advance(time.Hour)
			g.do(g.t, "token/reset", `{"token":{"serial":"1"}}`)
			g.want(206, g.verify("u", g.at(totp, "1", 1)), "after a reset")
		},
		"a counter is accepted once, and nothing before it": func(g *guarded) {
			g.user("u", "SE 1")
			g.want(0, g.verify("u", g.at(hotp, "1", 9)), "the last of the auto window")
			g.want(206, g.verify("u", g.at(hotp, "1", 9)), "again")
			g.want(206, g.verify("u", g.at(hotp, "1", 3)), "passed over")
			g.want(0, g.verify("u", g.at(hotp, "1", 10)), "the next")
			g.want(201, g.verify("u", g.at(hotp, "1", 11+50)), "behind the check window")
		},
		"one message for everything that is wrong": func(g *guarded) {
			g.user("u", "MT 1 1234")
			g.do(g.t, "domain/create", `{"attrs":{"name":"e"}}`)
			g.do(g.t, "user/create", `{"attrs":{"domain.name":"e","loginName":"twin"}}`)
			g.user("twin")
			want := `{"error":201,"message":"wrong credential"}`
			right := "1234" + g.at(totp, "1", 0)
			for what, body := range map[string]string{
				"wrong OTP":          `{"user":{"loginName":"u"},"credential":{"otp":"1234000000"}}`,
				"wrong PIN":          `{"user":{"loginName":"u"},"credential":{"otp":"4321` + g.at(totp, "1", 0) + `"}}`,
				"no PIN":             `{"user":{"loginName":"u"},"credential":{"otp":"` + g.at(totp, "1", 0) + `"}}`,
				"empty":              `{"user":{"loginName":"u"},"credential":"1"}`,
				"unknown user":       `{"user":{"loginName":"x"},"credential":{"otp":"` + right + `"}}`,
				"of another domain":  `{"user":{"loginName":"u","domain.name":"e"},"credential":{"otp":"` + right + `"}}`,
				"a name in two":      `{"user":{"loginName":"twin"},"credential":{"otp":"` + right + `"}}`,
				"unknown token":      `{"user":{"loginName":"u"},"token":{"serial":"2"},"credential":{"otp":"` + right + `"}}`,
				"no token":           `{"user":{"loginName":"twin","domain.name":"d"},"credential":{"otp":"000000"}}`,
				"no password":        `{"user":{"loginName":"u"},"credential":{"method":"SPASS","password":"x"}}`,
				"password of nobody": `{"user":{"loginName":"x"},"credential":{"method":"SPASS","password":"x"}}`,
			} {
				if status, reply := g.post("/auth/verify", body); status != 200 || reply != want {
					g.t.Errorf("%s: %d %s", what, status, reply)
				}
			}
			g.want(0, g.verify("u", right), "none of these used the OTP up")
		},
		"a wrong PIN leaves the OTP unused, a right credential of a disabled token uses it up": func(g *guarded) {
			g.user("u", "MT 1 1234")
			g.do(g.t, "token/set", `{"token":{"serial":"1"},"attrs":{"status":"DISABLED"}}`)
			named := `,"token":{"serial":"1"}`
			g.want(201, g.verify("u", "1235"+g.at(totp, "1", 0), named), "wrong PIN")
			g.want(203, g.verify("u", "1234"+g.at(totp, "1", 0), named), "right")
			g.want(206, g.verify("u", "1234"+g.at(totp, "1", 0), named), "again")
			g.want(201, g.verify("u", "1234"+g.at(totp, "1", 1)), "a disabled token is not tried unless it is named")
		},
		"what only a right credential is told": func(g *guarded) {
			g.user("u", "MT 1")
			named := `,"token":{"serial":"1"}`
			step := int64(0)
			for _, c := range []struct {
				attrs string
				code  int
			}{
				{`{"status":"INACTIVE"}`, 203}, {`{"status":"DISABLED"}`, 203}, {`{"status":"LOCKED"}`, 202},
				{`{"status":"ACTIVE","starts":"2027-01-01"}`, 204}, {`{"starts":null,"expires":"2025-01-01"}`, 204},
				{`{"expires":null,"mustChangePin":true}`, 207}, {`{"mustChangePin":false,"usageLimit":1}`, 0}, {`{}`, 208}, {`{"usageLimit":2}`, 0},
			} {
				if c.attrs != "{}" {
					g.do(g.t, "tokenAssignment/set", `{"tokenAssignment":{"token.serial":"1"},"attrs":`+c.attrs+`}`)
				}
				g.clock.advance(3 * time.Minute)
				g.want(201, g.verify("u", "000000", named), c.attrs+" wrong OTP")
				g.want(c.code, g.verify("u", g.at(totp, "1", step), named), c.attrs)
				if c.code != 0 {
					g.want(206, g.verify("u", g.at(totp, "1", step), named), c.attrs+" again")
				}
				g.do(g.t, "user/unlock", `{"user":{"loginName":"u"}}`)
			}
			if n := g.get("tokenAssignment", `[["token.serial","=","1"]]`, "usageCount"); n != "2" {
				g.t.Errorf("usageCount is %s", n)
			}
			g.do(g.t, "user/set", `{"user":{"loginName":"u"},"attrs":{"status":"DISABLED"}}`)
			g.clock.advance(3 * time.Minute)
			g.want(203, g.verify("u", g.at(totp, "1", 0)), "disabled user")
		},
		"validity to the millisecond": func(g *guarded) {
			g.user("u", "SE 1")
			g.do(g.t, "tokenAssignment/set", `{"tokenAssignment":{"token.serial":"1"},"attrs":{"starts":"2026-01-01T00:00:10Z","expires":"2026-01-01T00:00:20Z"}}`)
			g.clock.advance(10*time.Second - time.Millisecond)
			g.want(204, g.verify("u", g.at(hotp, "1", 0)), "before starts")
			g.clock.advance(time.Millisecond)
			g.want(0, g.verify("u", g.at(hotp, "1", 1)), "at starts")
			g.clock.advance(10*time.Second - time.Millisecond)
			g.want(0, g.verify("u", g.at(hotp, "1", 2)), "before expires")
			g.clock.advance(time.Millisecond)
			g.want(204, g.verify("u", g.at(hotp, "1", 3)), "at expires")
		},
		"lockout": func(g *guarded) {
			g.do(g.t, "domain/set", `{"domain":{"name":"d"},"attrs":{"lockoutThreshold":3,"lockoutMinutes":15}}`)
			g.user("u", "SE 1")
			g.want(201, g.verify("u", "000000"), "first")
			g.want(201, g.verify("u", "000000"), "second")
			g.want(0, g.verify("u", g.at(hotp, "1", 0)), "success resets")
			g.want(206, g.verify("u", g.at(hotp, "1", 0)), "a replay does not count")
			for range 2 {
				g.want(201, g.verify("u", "000000"), "wrong")
			}
			if s := g.get("user", `[["loginName","=","u"]]`, "status"); s != "ACTIVE" {
				g.t.Errorf("status is %s before the threshold", s)
			}
			g.want(201, g.verify("u", "000000"), "the one that locks")
			if s := g.get("user", `[["loginName","=","u"]]`, "status"); s != "LOCKED" {
				g.t.Errorf("status is %s at the threshold", s)
			}
			g.want(202, g.verify("u", g.at(hotp, "1", 1)), "a right OTP of a locked user")
			g.want(202, g.verify("u", "000000"), "a wrong one")
			g.clock.advance(15*time.Minute - time.Millisecond)
			g.want(202, g.verify("u", g.at(hotp, "1", 1)), "just before the end")
			g.clock.advance(time.Millisecond)
			g.want(0, g.verify("u", g.at(hotp, "1", 1)), "the lock has ended, and it left the OTP unused")
			if s := g.get("user", `[["loginName","=","u"]]`, "failCount"); s != "0" {
				g.t.Errorf("failCount is %s", s)
			}
			g.do(g.t, "domain/set", `{"domain":{"name":"d"},"attrs":{"lockoutThreshold":1,"lockoutMinutes":0}}`)
			g.want(201, g.verify("u", "000000"), "locks until unlocked")
			g.clock.advance(1000 * time.Hour)
			g.want(202, g.verify("u", g.at(hotp, "1", 2)), "still locked")
			g.do(g.t, "user/unlock", `{"user":{"loginName":"u"}}`)
			g.want(0, g.verify("u", g.at(hotp, "1", 2)), "unlocked")
			g.do(g.t, "domain/set", `{"domain":{"name":"d"},"attrs":{"lockoutThreshold":0}}`)
			for range 15 {
				g.want(201, g.verify("u", "000000"), "no threshold")
			}
		},
		"a failed synchronisation counts": func(g *guarded) {
			g.do(g.t, "domain/set", `{"domain":{"name":"d"},"attrs":{"lockoutThreshold":3}}`)
			g.user("u", "SE 1")
			sync := `{"user":{"loginName":"u"},"token":{"serial":"1"},"credential":"000000,000001"}`
			for _, path := range []string{"/auth/syncToken", "/token/syncToken", "/auth/syncToken"} {
				_, reply := g.post(path, sync)
				g.want(205, codeIn(reply), path)
			}
			g.want(202, g.verify("u", g.at(hotp, "1", 0)), "locked")
			g.do(g.t, "user/unlock", `{"user":{"loginName":"u"}}`)
			_, reply := g.post("/auth/syncToken", fmt.Sprintf(`{"user":{"loginName":"u"},"token":{"serial":"1"},"credential":"%s,%s"}`, g.at(hotp, "1", 100), g.at(hotp, "1", 101)))
			g.want(0, codeIn(reply), "synchronised")
			g.want(206, g.verify("u", g.at(hotp, "1", 101)), "the second of the two is used")
			g.want(0, g.verify("u", g.at(hotp, "1", 102)), "the next is not")
			_, reply = g.post("/auth/syncToken", `{"user":{"loginName":"nobody"},"token":{"serial":"1"},"credential":"000000,000001"}`)
			g.want(205, codeIn(reply), "unknown user")
			_, reply = g.post("/auth/syncToken", `{"user":{"loginName":"u"},"token":{"serial":"2"},"credential":"000000,000001"}`)
			g.want(205, codeIn(reply), "unknown token")
			g.do(g.t, "user/set", `{"user":{"loginName":"u"},"attrs":{"status":"DISABLED"}}`)
			_, reply = g.post("/auth/syncToken", fmt.Sprintf(`{"user":{"loginName":"u"},"token":{"serial":"1"},"credential":"%s,%s"}`, g.at(hotp, "1", 110), g.at(hotp, "1", 111)))
			g.want(203, codeIn(reply), "right, of a disabled user")
		},
		"twenty refusals a minute": func(g *guarded) {
			g.do(g.t, "domain/set", `{"domain":{"name":"d"},"attrs":{"lockoutThreshold":0}}`)
			g.user("u", "SE 1")
			for i := range 20 {
				g.want(201, g.verify("u", "000000"), fmt.Sprint("refusal ", i+1))
				g.clock.advance(time.Second)
			}
			g.want(7, g.verify("u", g.at(hotp, "1", 0)), "the next is not looked at")
			g.clock.advance(40 * time.Second)
			g.want(0, g.verify("u", g.at(hotp, "1", 0)), "when the first is a minute old")
			g.want(201, g.verify("u", "000000"), "one is free")
			g.want(7, g.verify("u", "000000"), "and no more")
		},
		"the auto window counts for a token's first use, the narrow one around its drift then": func(g *guarded) {
			g.user("u", "ST 1")
			g.want(0, g.verify("u", g.at(slow, "1", 28)), "28 ahead")
			if d := g.get("token", `[["serial","=","1"]]`, "drift"); d != "28" {
				g.t.Errorf("drift is %s", d)
			}
			g.clock.advance(time.Hour)
			g.want(205, g.verify("u", g.at(slow, "1", 28+3)), "3 ahead of that")
			g.want(0, g.verify("u", g.at(slow, "1", 28+2)), "2 ahead of that")
			g.clock.advance(time.Hour)
			g.want(0, g.verify("u", g.at(slow, "1", 30-2)), "2 behind that")
			g.want(201, g.verify("u", g.at(slow, "1", 28+61)), "behind the check window")
			g.clock.advance(100 * 24 * time.Hour)
			g.want(205, g.verify("u", g.at(slow, "1", 28+10)), "10 ahead, after 100 days")
			g.want(0, g.verify("u", g.at(slow, "1", 28+9)), "9 ahead, after 100 days")
			g.clock.advance(time.Hour)
			g.do(g.t, "token/reset", `{"token":{"serial":"1"}}`)
			g.want(0, g.verify("u", g.at(slow, "1", 30)), "the auto window counts after a reset")
			g.do(g.t, "product/set", `{"product":{"productCode":"ST"},"attrs":{"narrowWindow":4}}`)
			g.want(0, g.verify("u", g.at(slow, "1", 30+4)), "4 ahead, where the product says so")
		},
		"the same for counters": func(g *guarded) {
			g.user("u", "SE 1")
			g.want(0, g.verify("u", g.at(hotp, "1", 9)), "the last of the auto window")
			g.want(205, g.verify("u", g.at(hotp, "1", 15)), "behind the narrow window")
			g.want(0, g.verify("u", g.at(hotp, "1", 14)), "the last of the narrow window")
			g.clock.advance(15 * 24 * time.Hour)
			g.want(205, g.verify("u", g.at(hotp, "1", 22)), "behind it, two weeks later")
			g.want(0, g.verify("u", g.at(hotp, "1", 21)), "the last of it, two weeks later")
		},
		"who guesses much finds narrow windows": func(g *guarded) {
			g.user("u", "ST 1", "ST 2")
			for range 3 {
				g.want(201, g.verify("u", "000000"), "a guess at 122 codes")
			}
			g.want(205, g.verify("u", g.at(slow, "1", 3)), "3 ahead")
			g.want(0, g.verify("u", g.at(slow, "1", 4)), "and the next")
			g.want(205, g.verify("u", g.at(slow, "2", 1)), "1 ahead, at the token that has less of the window both share")
			g.want(0, g.verify("u", g.at(slow, "2", 2), `,"token":{"serial":"2"}`), "2 ahead, where the token is named")
			g.do(g.t, "user/unlock", `{"user":{"loginName":"u"}}`)
			g.do(g.t, "token/reset", `{"token":{"serial":"2"}}`)
			g.want(0, g.verify("u", g.at(slow, "2", 30)), "forgiven")
		},
		"an OTP that answered 205 never logs in alone": func(g *guarded) {
			g.user("u", "ST 1", "SE 2")
			g.want(0, g.verify("u", g.at(slow, "1", 0)), "in use")
			ahead := g.at(slow, "1", 5)
			later := g.at(slow, "1", 7)
			g.want(205, g.verify("u", ahead), "5 ahead")
			g.want(205, g.verify("u", later), "7 ahead")
			g.clock.advance(5 * time.Minute)
			g.want(205, g.verify("u", ahead), "at its time")
			g.want(0, g.verify("u", g.at(slow, "1", 1)), "the one behind it")
			g.clock.advance(2 * time.Minute)
			g.want(205, g.verify("u", later), "at its time")
			g.clock.advance(11 * time.Minute)
			g.want(0, g.verify("u", g.at(slow, "1", 0)), "one nobody asked for")
			g.want(206, g.verify("u", later), "passed over")
			g.want(0, g.verify("u", g.at(hotp, "2", 0)), "the other token in use")
			g.want(205, g.verify("u", g.at(hotp, "2", 7)), "6 ahead")
			g.want(0, g.verify("u", g.at(hotp, "2", 4)), "3 ahead")
			g.want(205, g.verify("u", g.at(hotp, "2", 7)), "2 ahead")
			g.want(0, g.verify("u", g.at(hotp, "2", 8)), "the one behind it")
		},
		"an OTP that answered 205 is remembered where the window has moved on": func(g *guarded) {
			g.user("u", "ST 1")
			g.want(0, g.verify("u", g.at(slow, "1", 20)), "in use")
			ahead := g.at(slow, "1", 75)
			g.want(205, g.verify("u", ahead), "55 ahead of its drift")
			g.do(g.t, "token/reset", `{"token":{"serial":"1"}}`)
			g.want(205, g.verify("u", g.at(slow, "1", 45)), "another, from where the first is too far")
			g.clock.advance(75 * time.Minute)
			g.want(205, g.verify("u", ahead), "at its time")
		},
		"no more than eight OTPs are remembered": func(g *guarded) {
			g.do(g.t, "domain/set", `{"domain":{"name":"d"},"attrs":{"lockoutThreshold":0}}`)
			g.user("u", "SE 1")
			g.want(0, g.verify("u", g.at(hotp, "1", 0)), "in use")
			for i := range int64(8) {
				g.want(205, g.verify("u", g.at(hotp, "1", 10+2*i)), "one more")
			}
			g.want(201, g.verify("u", g.at(hotp, "1", 30)), "a ninth")
			g.want(205, g.verify("u", g.at(hotp, "1", 12)), "one of the eight")
			g.want(0, g.verify("u", g.at(hotp, "1", 13)), "and the one behind it")
			g.want(205, g.verify("u", g.at(hotp, "1", 30)), "there is room again")
		},
		"an address that fails with many users": func(g *guarded) {
			from := func(address string) string { return `,"remoteIp":"` + address + `"` }
			g.user("old", "ST 1")
			g.want(0, g.verify("old", g.at(slow, "1", 0), from("192.0.2.1")), "a user who comes from there")
			g.clock.advance(2 * time.Minute)
			g.user("fresh", "ST 2", "SE 3")
			for i := range 199 {
				g.want(201, g.verify(fmt.Sprint("nobody", i), "000000", from("192.0.2.1")), "a try with nobody")
				if i == 30 {
					g.want(205, g.verify("fresh", g.at(slow, "2", 5), from("192.0.2.1")), "windows are narrow there")
					g.want(0, g.verify("fresh", g.at(hotp, "3", 9), from("192.0.2.2")), "and wide elsewhere")
				}
			}
			g.user("new", "ST 4")
			for _, login := range []string{"new", "nobody", "fresh"} {
				_, reply := g.post("/auth/verify", fmt.Sprintf(`{"user":{"loginName":%q},"credential":{"otp":"000000"},"remoteIp":"192.0.2.1"}`, login))
				if want := `{"error":7,"message":"too many refused credentials from this address today","result":{"retryAfter":86280}}`; reply != want {
					g.t.Errorf("%s: %s", login, reply)
				}
			}
			g.want(0, g.verify("new", g.at(slow, "4", 0), from("192.0.2.2")), "from elsewhere")
			g.want(0, g.verify("new", g.at(slow, "4", 1)), "from nobody knows where")
			g.want(201, g.verify("old", "000000", from("192.0.2.1")), "who comes from there is not held back")
			g.want(0, g.verify("old", g.at(slow, "1", 0), from("192.0.2.1")), "nor held to the others' failures")
			g.want(201, g.verify("nobody", "000000", from("2001:db8::1")), "another address")
			g.clock.advance(24 * time.Hour)
			g.want(201, g.verify("new", "000000", from("192.0.2.1")), "the next day")
			g.clock.advance(91 * 24 * time.Hour)
			for i := range 200 { // once on each day
				g.want(201, g.verify(fmt.Sprint("nobody", i), "000000", from("192.0.2.1")), "a try with nobody")
			}
			g.want(7, g.verify("old", g.at(slow, "1", 0), from("192.0.2.1")), "who did not come from there for 90 days")
		},
		"an address finds no more codes of many tokens than of one": func(g *guarded) {
			from := `,"remoteIp":"192.0.2.1"`
			g.user("one", "ST 1")
			g.user("two", "ST 2", "ST 3")
			g.user("three", "ST 4", "ST 5", "ST 6")
			g.user("known", "ST 7", "ST 8")
			g.want(0, g.verify("one", g.at(slow, "1", 30), from), "one token: 30 ahead")
			g.want(205, g.verify("two", g.at(slow, "2", 16), from), "two: 16 ahead")
			g.want(0, g.verify("two", g.at(slow, "3", 14), from), "two: 14 ahead")
			g.want(205, g.verify("three", g.at(slow, "4", 11), from), "three: 11 ahead")
			g.want(0, g.verify("three", g.at(slow, "5", 9), from), "three: 9 ahead")
			g.want(0, g.verify("three", g.at(slow, "6", 30)), "from nobody knows where: 30 ahead")
			g.want(0, g.verify("known", g.at(slow, "7", 0), from), "who comes from there")
			for i := range 20 {
				g.want(201, g.verify(fmt.Sprint("nobody", i), "000000", from), "a try with nobody")
			}
			g.want(0, g.verify("known", g.at(slow, "8", 30), from), "who comes from there: 30 ahead")
			g.user("last", "ST 10", "ST 11")
			g.want(205, g.verify("last", g.at(slow, "11", 1), from), "the second of two, after many failures: 1 ahead")
			g.want(0, g.verify("last", g.at(slow, "10", 1), from), "the first of two: 1 ahead")
		},
		"locks grow, and a success does not end that": func(g *guarded) {
			g.do(g.t, "domain/set", `{"domain":{"name":"d"},"attrs":{"lockoutThreshold":4,"lockoutMinutes":15}}`)
			g.user("u", "SE 1")
			lock := func(tries int, length time.Duration, n int64) {
				for range tries {
					g.want(201, g.verify("u", "000000"), "a try")
				}
				g.clock.advance(length - time.Millisecond)
				g.want(202, g.verify("u", g.at(hotp, "1", n)), "at the end of a lock of "+length.String())
				g.clock.advance(time.Millisecond)
				g.want(0, g.verify("u", g.at(hotp, "1", n)), "behind a lock of "+length.String())
			}
			lock(4, 15*time.Minute, 0)
			lock(3, time.Hour, 1)
			lock(3, 4*time.Hour, 2)
			g.clock.advance(5 * 24 * time.Hour)
			lock(4, 15*time.Minute, 3)
		},
		"failures in a row end at maxFailures": func(g *guarded) {
			g.do(g.t, "domain/set", `{"domain":{"name":"d"},"attrs":{"lockoutThreshold":0,"maxFailures":5}}`)
			g.user("u", "SE 1")
			for range 4 {
				g.want(201, g.verify("u", "000000"), "a try")
			}
			g.want(0, g.verify("u", g.at(hotp, "1", 0)), "a success")
			for range 5 {
				g.want(201, g.verify("u", "000000"), "a try")
			}
			g.clock.advance(1000 * 24 * time.Hour)
			g.want(202, g.verify("u", g.at(hotp, "1", 1)), "locked until unlocked")
			g.do(g.t, "user/unlock", `{"user":{"loginName":"u"}}`)
			g.want(0, g.verify("u", g.at(hotp, "1", 1)), "unlocked")
		},
		"two consecutive OTPs within the check window complete": func(g *guarded) {
			g.user("u", "SE 1")
			g.want(205, g.verify("u", g.at(hotp, "1", 20)), "the first")
			g.want(205, g.verify("u", g.at(hotp, "1", 22)), "not the next: a new first")
			g.want(205, g.verify("u", g.at(hotp, "1", 21)), "backwards")
			g.want(205, g.verify("u", g.at(hotp, "1", 22)), "one that answered that it is right: no second of two")
			g.want(0, g.verify("u", g.at(hotp, "1", 23)), "the next")
			g.want(206, g.verify("u", g.at(hotp, "1", 23)), "used")
			g.want(205, g.verify("u", g.at(hotp, "1", 40)), "the first again")
			g.clock.advance(10*time.Minute + time.Millisecond)
			g.want(205, g.verify("u", g.at(hotp, "1", 41)), "too late")
			g.clock.advance(10 * time.Minute)
			g.want(0, g.verify("u", g.at(hotp, "1", 42)), "just in time")
			g.want(205, g.verify("u", g.at(hotp, "1", 60)), "the first")
			g.do(g.t, "token/reset", `{"token":{"serial":"1"}}`)
			g.want(205, g.verify("u", g.at(hotp, "1", 61)), "a reset forgets it")
			g.want(205, g.verify("u", g.at(hotp, "1", 43+49)), "the last of the check window")
			g.want(0, g.verify("u", g.at(hotp, "1", 43+50)), "the next, behind the window")
		},
		"every active token is tried, one failure is counted": func(g *guarded) {
			g.user("u", "SE 1", "SE 2", "MT 3")
			g.want(0, g.verify("u", g.at(totp, "3", 0)), "the third")
			g.want(0, g.verify("u", g.at(hotp, "2", 0)), "the second")
			g.want(206, g.verify("u", g.at(hotp, "2", 0)), "the best answer")
			g.want(205, g.verify("u", g.at(hotp, "1", 30)), "the best answer")
			g.want(201, g.verify("u", "000000"), "wrong on all")
			if n := g.get("user", `[["loginName","=","u"]]`, "failCount"); n != "2" {
				g.t.Errorf("failCount is %s", n)
			}
			if c := g.get("token", `[["serial","=","1"]]`, "counter"); c != "0" {
				g.t.Errorf("the first token's counter is %s", c)
			}
		},
		"the order of priority": func(g *guarded) {
			g.user("u", "SE 1", "SE 2")
			g.do(g.t, "token/create", fmt.Sprintf(`{"attrs":{"product.productCode":"GT","serial":"x","seed":"%s","user.loginName":"u"}}`, hex.EncodeToString(seedOf("1"))))
			ids := map[string]string{}
			for _, row := range g.do(g.t, "tokenAssignment/search", `{"return":["id","token.serial"]}`).(map[string]any)["rows"].([]any) {
				r := row.(map[string]any)
				ids[fmt.Sprint(r["token.serial"])] = fmt.Sprint(r["id"])
			}
			g.do(g.t, "tokenAssignment/sort", fmt.Sprintf(`{"ids":[%q,%q]}`, ids["2"], ids["x"]))
			rows := g.do(g.t, "tokenAssignment/search", `{"sort":"priority","return":["token.serial","priority"]}`).(map[string]any)["rows"]
			if got := fmt.Sprint(rows); got != "[map[priority:1 token.serial:2] map[priority:2 token.serial:x] map[priority:3 token.serial:1]]" {
				g.t.Error(got)
			}
		},
		"the PIN is changed by [PIN][OTP][new][new]": func(g *guarded) {
			g.user("u", "SE 1 1234")
			g.do(g.t, "tokenAssignment/set", `{"tokenAssignment":{"token.serial":"1"},"attrs":{"mustChangePin":true}}`)
			g.want(207, g.verify("u", "1234"+g.at(hotp, "1", 0)), "must be changed")
			g.want(201, g.verify("u", "1234"+g.at(hotp, "1", 1)+"56785679"), "not twice the same")
			g.want(201, g.verify("u", "1234"+g.at(hotp, "1", 1)+"12341234"), "the old one")
			g.want(201, g.verify("u", "1234"+g.at(hotp, "1", 1)+"567567"), "too short")
			g.want(201, g.verify("u", "9999"+g.at(hotp, "1", 1)+"56785678"), "wrong PIN")
			g.want(0, g.verify("u", "1234"+g.at(hotp, "1", 1)+"a-9Z!a-9Z!"), "changed")
			g.want(201, g.verify("u", "1234"+g.at(hotp, "1", 2)), "the old PIN")
			g.want(0, g.verify("u", "a-9Z!"+g.at(hotp, "1", 2)), "the new PIN")
		},
		"static passwords": func(g *guarded) {
			g.user("u")
			spass := func(password, more string) int {
				_, reply := g.post("/auth/verify", fmt.Sprintf(`{"user":{"loginName":"u"},"credential":{"method":"SPASS","password":%q%s}}`, password, more))
				return codeIn(reply)
			}
			g.do(g.t, "user/set", `{"user":{"loginName":"u"},"attrs":{"password":"correct horse"}}`)
			g.want(0, spass("correct horse", ""), "right")
			g.want(0, spass("correct horse", ""), "again")
			g.want(201, spass("wrong horse", ""), "wrong")
			made := g.do(g.t, "user/resetPassword", `{"user":{"loginName":"u"}}`).(map[string]any)["password"].(string)
			g.want(201, spass("correct horse", ""), "the old one")
			g.want(207, spass(made, ""), "must be changed")
			g.want(201, spass("wrong", `,"newPassword":"battery staple"`), "changing needs the old one")
			g.want(201, spass(made, fmt.Sprintf(`,"newPassword":%q`, made)), "the old one is no new one")
			g.want(0, spass(made, `,"newPassword":"battery staple"`), "changed")
			g.want(0, spass("battery staple", ""), "the new one")
			if n := g.get("user", `[["loginName","=","u"]]`, "failCount"); n != "0" {
				g.t.Errorf("failCount is %s", n)
			}
		},
		"an import that changes a status decides on the lock": func(g *guarded) {
			g.do(g.t, "domain/set", `{"domain":{"name":"d"},"attrs":{"lockoutThreshold":2}}`)
			g.user("u", "SE 1")
			g.want(201, g.verify("u", "000000"), "first")
			g.want(201, g.verify("u", "000000"), "locks")
			g.do(g.t, "user/import", `{"attrs":{"csv":"domain,loginName,status\nd,u,ACTIVE\n"}}`)
			g.want(201, g.verify("u", "000000"), "does not lock at once")
			g.want(0, g.verify("u", g.at(hotp, "1", 0)), "active")
			g.do(g.t, "user/import", `{"attrs":{"csv":"domain,loginName,status\nd,u,LOCKED\n"}}`)
			g.clock.advance(1000 * time.Hour)
			g.want(202, g.verify("u", g.at(hotp, "1", 1)), "locked until unlocked")
		},
		"return": func(g *guarded) {
			g.user("u", "SE 1")
			_, reply := g.post("/auth/verify", fmt.Sprintf(`{"user":{"loginName":"u"},"credential":%q,"remoteIp":"203.0.113.9","return":["loginName","domain.name","lastLogin","token.serial","token.product.name","token.counter","tokenAssignment.usageCount"]}`, g.at(hotp, "1", 0)))
			if want := `{"error":0,"result":{"loginName":"u","domain.name":"d","lastLogin":"2026-01-01T00:00:00Z","token.serial":"1","token.product.name":"SafeID event-based","token.counter":1,"tokenAssignment.usageCount":1}}`; reply != want {
				g.t.Errorf("%s", reply)
			}
		},
	}
	for name, rule := range rules {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, url string) { rule(newGuarded(t, url)) })
		})
	}
}

// TestVerifyRace: 16 callers send one OTP to two servers on one database, or three with PostgreSQL. Each OTP is accepted exactly
// once, and no single correct OTP is refused.
func TestVerifyRace(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		const tokens, callers = 200, 16
		g := newGuarded(t, url)
		var csv, seeds strings.Builder
		csv.WriteString("domain,loginName,manufacturerCode,productCode,serial\n")
		var users strings.Builder
		users.WriteString("domain,loginName\n")
		seeds.WriteString("serial,seed\n")
		for i := range tokens {
			fmt.Fprintf(&users, "d,u%d\n", i)
			fmt.Fprintf(&seeds, "%d,%x\n", i, seedOf(fmt.Sprint(i)))
			fmt.Fprintf(&csv, "d,u%d,DN,MT,%d\n", i, i)
		}
		g.do(t, "user/import", fmt.Sprintf(`{"attrs":{"csv":%q}}`, users.String()))
		g.do(t, "token/import", fmt.Sprintf(`{"attrs":{"product.productCode":"MT","data":%q}}`, seeds.String()))
		g.do(t, "token/batchAssignTokens", fmt.Sprintf(`{"attrs":{"csv":%q}}`, csv.String()))
		many := g.together(t)
		var wrong atomic.Int64
		var work sync.WaitGroup
		jobs := make(chan int)
		for range 4 {
			work.Add(1)
			go func() {
				defer work.Done()
				for i := range jobs {
					code := g.at(totp, fmt.Sprint(i), 0)
					var accepted, replayed atomic.Int64
					var race sync.WaitGroup
					for k := range callers {
						race.Add(1)
						go func() {
							defer race.Done()
							_, reply := many[k%len(many)].post("/auth/verify", fmt.Sprintf(`{"user":{"loginName":"u%d"},"credential":{"otp":%q}}`, i, code))
							switch codeIn(reply) {
							case 0:
								accepted.Add(1)
							case 206:
								replayed.Add(1)
							default:
								t.Errorf("token %d: %s", i, reply)
							}
						}()
					}
					race.Wait()
					if accepted.Load() != 1 || replayed.Load() != callers-1 {
						wrong.Add(1)
					}
				}
			}()
		}
		for i := range tokens {
			jobs <- i
		}
		close(jobs)
		work.Wait()
		if n := wrong.Load(); n != 0 {
			t.Errorf("%d of %d tokens were not accepted exactly once", n, tokens)
		}
	})
}

// TestRefusalCountsWhenTheCallerHangsUp: a refused credential is counted even if the client has disconnected.
func TestRefusalCountsWhenTheCallerHangsUp(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		g := newGuarded(t, url)
		g.user("u", "SE 1")
		ctx, hangUp := context.WithCancel(t.Context())
		r := httptest.NewRequestWithContext(ctx, "POST", "/auth/verify", nil)
		r.SetBasicAuth(g.id, g.key)
		// The client disconnects after its body was read: after the authentication and before the transaction.
		r.ContentLength = -1
		r.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"user":{"loginName":"u"},"credential":"000000"}`), &atEnd{hangUp}))
		g.ServeHTTP(httptest.NewRecorder(), r)
		if n := g.get("user", `[["loginName","=","u"]]`, "failCount"); n != "1" {
			t.Errorf("failCount is %s", n)
		}
	})
}

// atEnd is an empty reader that calls a function when it is read.
type atEnd struct{ do func() }

func (a *atEnd) Read([]byte) (int, error) {
	a.do()
	return 0, io.EOF
}
