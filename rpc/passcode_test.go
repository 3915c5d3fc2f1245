package rpc_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/sender"
	"tokensmith/store"
	"tokensmith/store/keyring"
	"tokensmith/store/storetest"
)

// A passcode is sent only through the channels of the user's domain, in their order, whatever the call asks for. A user gets at
// most three within an hour. The reply is always the same.
func TestPasscodesWithinBounds(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url, func(c *dispatch.Config) {
			c.Senders = map[string]sender.Sender{model.SMTP: make(letterbox, 1), model.SMS: make(letterbox, 1)}
		})
		s.do(t, "domain/create", `{"attrs":{"name":"d"}}`)
		s.do(t, "domain/create", `{"attrs":{"name":"e","passcodeChannels":["SMS"]}}`)
		s.do(t, "user/create", `{"attrs":{"domain.name":"d","loginName":"ute","email":"ute@mail.example","mobile":"+491700000000"}}`)
		s.do(t, "user/create", `{"attrs":{"domain.name":"d","loginName":"max","mobile":"+491700000001"}}`)
		s.do(t, "user/create", `{"attrs":{"domain.name":"e","loginName":"kim","email":"kim@mail.example","mobile":"+491700000002"}}`)
		seen := 0
		sent := func(want, user, more string) {
			t.Helper()
			if got := fmt.Sprint(s.do(t, "auth/sendOTP", `{"user":{"loginName":"`+user+`"}`+more+`}`)); got != "<nil>" {
				t.Errorf("the answer is %s", got)
			}
			rows := s.do(t, "delivery/search", `{"return":["channel"],"sort":"id"}`).(map[string]any)["rows"].([]any)
			got := ""
			for _, row := range rows[seen:] {
				got += fmt.Sprint(row.(map[string]any)["channel"])
			}
			if seen = len(rows); got != want {
				t.Errorf("to %s %s: %q went, not %q", user, more, got, want)
			}
		}
		hour := func() { s.clock.advance(time.Hour) }
		channels := func(list string) {
			s.do(t, "domain/set", `{"domain":{"name":"d"},"attrs":{"passcodeChannels":`+list+`}}`)
		}

		sent("SMTP", "ute", "")
		sent("SMS", "max", "")
		sent("SMS", "kim", "")
		hour()
		sent("SMS", "ute", `,"channel":"SMS"`)
		sent("", "kim", `,"channel":"SMTP"`)
		hour()
		channels(`["SMS","SMTP"]`)
		sent("SMS", "ute", "")
		hour()
		channels(`"SMTP"`)
		sent("", "ute", `,"channel":"SMS"`)
		sent("SMTP", "ute", `,"channel":"SMTP"`)
		sent("", "max", "")
		channels(`[]`)
		hour()
		sent("", "ute", "")
		sent("", "ute", `,"channel":"SMTP"`)
		for _, bad := range []string{`["EMAIL"]`, `"SMTP,sms"`, `["SMTP","TWITTER"]`, `null`} {
			if _, reply := s.post("/domain/set", `{"domain":{"name":"d"},"attrs":{"passcodeChannels":`+bad+`}}`); codeIn(reply) != 11 || !strings.Contains(reply, "attrs.passcodeChannels") {
				t.Errorf("%s: %s", bad, reply)
			}
		}

		channels(`"SMTP,SMS"`)
		for range 3 {
			sent("SMTP", "ute", "")
			s.clock.advance(time.Minute)
		}
		for range 56 {
			sent("", "ute", "")
			s.clock.advance(time.Minute)
		}
		s.do(t, "user/unlock", `{"user":{"loginName":"ute"}}`)
		sent("", "ute", "")
		sent("SMS", "max", "")
		s.clock.advance(time.Minute)
		sent("SMTP", "ute", "")
		s.clock.advance(30 * time.Second)
		sent("", "ute", "")
		hour()
		sent("SMTP", "ute", "")
	})
}

// A person who has only one OTP cannot set a first PIN with it, because the owner would be locked out. To change an existing PIN,
// the caller must know it.
func TestAnOTPSetsNoPIN(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		g := newGuarded(t, url)
		g.user("u", "SE 1")
		g.want(201, g.verify("u", g.at(hotp, "1", 0)+"87658765"), "an OTP and a PIN twice")
		g.want(0, g.verify("u", g.at(hotp, "1", 0)), "the OTP is unused, and there is no PIN")
		g.do(t, "tokenAssignment/set", `{"tokenAssignment":{"token.serial":"1"},"attrs":{"mustChangePin":true}}`)
		g.want(201, g.verify("u", g.at(hotp, "1", 1)+"87658765"), "where one must be set")
		g.want(207, g.verify("u", g.at(hotp, "1", 1)), "an administrator must give one")
		g.do(t, "tokenAssignment/set", `{"tokenAssignment":{"token.serial":"1"},"attrs":{"pin":"4321","mustChangePin":true}}`)
		g.want(207, g.verify("u", "4321"+g.at(hotp, "1", 2)), "to be changed")
		g.want(201, g.verify("u", g.at(hotp, "1", 3)+"87658765"), "without the PIN")
		g.want(0, g.verify("u", "4321"+g.at(hotp, "1", 3)+"87658765"), "changed")
		g.want(0, g.verify("u", "8765"+g.at(hotp, "1", 4)), "the new one")
	})
}

// A passcode replaces an OTP, not the PIN: a user who has a PIN, with any token, must also enter it before a passcode. A wrong
// PIN does not use up the passcode.
func TestAPasscodeNeedsThePIN(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		post := make(letterbox, 10)
		g := &guarded{newService(t, url, func(c *dispatch.Config) { c.Senders = map[string]sender.Sender{model.SMS: post} }), t}
		g.do(t, "domain/create", `{"attrs":{"name":"d"}}`)
		g.user("none", "MT 1")
		g.user("one", "MT 2 1234")
		g.user("two", "MT 3 4321", "SE 4 8765", "SE 5")
		passcode := func(login string) string {
			t.Helper()
			g.clock.advance(time.Hour)
			g.do(t, "user/set", `{"user":{"loginName":"`+login+`"},"attrs":{"mobile":"1"}}`)
			g.do(t, "auth/sendOTP", `{"user":{"loginName":"`+login+`"}}`)
			return g.passcodeOf(login)
		}
		code := passcode("none")
		g.want(201, g.verify("none", "1234"+code), "a PIN where there is none")
		g.want(0, g.verify("none", code), "where there is none")
		g.want(201, g.verify("none", code), "again")
		code = passcode("one")
		g.want(201, g.verify("one", code), "without the PIN")
		g.want(201, g.verify("one", "4321"+code), "with a wrong one")
		g.want(201, g.verify("one", code+"1234"), "behind it")
		g.want(201, g.verify("one", "1234"), "the PIN alone")
		g.want(0, g.verify("one", "1234"+code), "with it")
		g.want(201, g.verify("one", "1234"+code), "again")
		code = passcode("two")
		g.want(201, g.verify("two", code), "without a PIN, although a token has none")
		g.want(0, g.verify("two", "4321"+code), "with one of them")
		code = passcode("two")
		g.want(0, g.verify("two", "8765"+code), "with the other")
		g.do(t, "tokenAssignment/set", `{"tokenAssignment":{"token.serial":"2"},"attrs":{"status":"DISABLED"}}`)
		code = passcode("one")
		g.want(201, g.verify("one", code), "without the PIN of a token that is lost")
		g.want(0, g.verify("one", "1234"+code), "with it")
	})
}

// A passcode that was sent for a token is valid if the login names that token or no token. With method OTPoD, only a passcode is
// valid. It is sent through the requested channel, and only for a token of the user.
func TestAPasscodeForAToken(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		post := make(letterbox, 10)
		g := &guarded{newService(t, url, func(c *dispatch.Config) { c.Senders = map[string]sender.Sender{model.SMS: post, model.SMTP: post} }), t}
		g.do(t, "domain/create", `{"attrs":{"name":"d"}}`)
		g.user("u", "SE 1", "SE 2")
		g.user("other", "SE 3")
		g.do(t, "user/set", `{"user":{"loginName":"u"},"attrs":{"mobile":"1"}}`)
		sent := 0
		send := func(want int, more string) {
			t.Helper()
			g.clock.advance(time.Hour)
			if got := g.do(t, "auth/sendOTP", `{"user":{"loginName":"u"}`+more+`}`); got != nil {
				t.Errorf("%s: %v", more, got)
			}
			total := int(g.do(t, "delivery/search", `{"max":0}`).(map[string]any)["total"].(float64))
			if total-sent != want {
				t.Errorf("%s: %d went", more, total-sent)
			}
			sent = total
		}
		const one, two = `,"token":{"serial":"1"}`, `,"token":{"serial":"2"}`

		send(1, one)
		code := g.passcodeOf("u")
		g.want(201, g.verify("u", code, two), "with another token")
		g.want(201, g.verify("u", code, `,"token":{"serial":"3"}`), "with a token of somebody else")
		g.want(0, g.verify("u", code, one), "with the token")
		g.want(201, g.verify("u", code, one), "again")
		send(1, one+`,"options":{"channel":"SMS"}`)
		g.want(0, g.verify("u", g.passcodeOf("u")), "with no token")
		send(1, "")
		code = g.passcodeOf("u")
		g.want(201, g.verify("u", code, one), "with a token, and sent for none")
		g.want(0, g.verify("u", code), "with none, and sent for none")

		send(0, one+`,"options":{"channel":"SMTP"}`) // the user has no address for this channel
		send(0, `,"token":{"serial":"3"}`)
		send(0, `,"token":{"serial":"none"}`)
		send(1, `,"options":{"channel":null,"colour":"blue"}`)
		for options, want := range map[string]string{`{"channel":"TWITTER"}`: "options.channel: must be", `{"channel":"SMTP"},"channel":"SMS"`: "options.channel: is another", `{"channel":{}}`: "options.channel"} {
			if _, reply := g.post("/auth/sendOTP", `{"user":{"loginName":"u"},"options":`+options+`}`); codeIn(reply) != 11 || !strings.Contains(reply, want) {
				t.Errorf("%s: %s", options, reply)
			}
		}

		code = g.passcodeOf("u")
		by := func(method, otp string) int {
			_, reply := g.post("/auth/logon", `{"application":"tokensmith","user":{"loginName":"u"},"credential":{"method":"`+method+`","otp":"`+otp+`"}}`)
			return codeIn(reply)
		}
		g.want(201, by("OTPoD", g.at(hotp, "1", 0)), "an OTP where a passcode is asked for")
		g.want(0, by("OTPoD", code), "a passcode where one is asked for")
		g.want(201, by("OTPoD", code), "again")
		g.want(0, by("OTP", g.at(hotp, "1", 0)), "the OTP is unused")
		if got := fmt.Sprint(g.do(t, "auth/listAuthenticators", `{"return":["code"]}`).(map[string]any)["rows"]); got != "[map[code:OTP] map[code:OTPoD] map[code:SPASS]]" {
			t.Error(got)
		}
	})
}

// A call that changes an assignment returns its id to an agent, but not to the user who logs in.
func TestTheAssignmentIsTold(t *testing.T) {
	t.Parallel()
	post := make(letterbox, 10)
	g := &guarded{newService(t, storetest.SQLite(t), func(c *dispatch.Config) { c.Senders = map[string]sender.Sender{model.SMS: post} }), t}
	g.do(t, "domain/create", `{"attrs":{"name":"d"}}`)
	g.user("u", "MT 1")
	g.do(t, "user/set", `{"user":{"loginName":"u"},"attrs":{"mobile":"1"}}`)
	id := g.get("tokenAssignment", `[["token.serial","=","1"]]`, "id")
	want := fmt.Sprint(map[string]any{"id": id})
	told := func(want, method, more string) {
		t.Helper()
		if got := fmt.Sprint(g.do(t, method, `{"user":{"loginName":"u"},"token":{"serial":"1"}`+more+`}`)); got != want {
			t.Errorf("%s: %s", method, got)
		}
	}
	code := func() string {
		t.Helper()
		g.do(t, "tokenAssignment/set", `{"id":"`+id+`","attrs":{"status":"INACTIVE"}}`)
		told(want, "tokenAssignment/sendActivationCode", `,"channel":"SMS"`)
		code, _ := g.carry(t, post)
		return code
	}
	told(want, "tokenAssignment/activate", `,"code":"`+code()+`"`)
	told("<nil>", "auth/activateTokenAssignment", `,"application":"tokensmith","code":"`+code()+`"`)
	told(want, "tokenAssignment/sendDownloadUrl", `,"channel":"SMS"`)
}

// A passcode that comes several times at the same moment lets one in, also where the transactions of the others, which found it good at
// first, have to run again.
func TestPasscodesAtOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		g := &guarded{newService(t, url, func(c *dispatch.Config) { c.Senders = map[string]sender.Sender{model.SMS: make(letterbox, 100)} }), t}
		g.do(t, "domain/create", `{"attrs":{"name":"d"}}`)
		many := g.together(t)
		for i := range 20 {
			user := fmt.Sprint("u", i)
			g.do(t, "user/create", `{"attrs":{"domain.name":"d","loginName":"`+user+`","mobile":"1"}}`)
			g.do(t, "auth/sendOTP", `{"user":{"loginName":"`+user+`"}}`)
			code := g.passcodeOf(user)
			var in atomic.Int64
			var race sync.WaitGroup
			for k := range 8 {
				race.Go(func() {
					_, reply := many[k%len(many)].post("/auth/verify", `{"user":{"loginName":"`+user+`"},"credential":{"otp":"`+code+`"}}`)
					switch codeIn(reply) {
					case 0:
						in.Add(1)
					case 201:
					default:
						t.Errorf("%s: %s", user, reply)
					}
				})
			}
			race.Wait()
			if n := in.Load(); n != 1 {
				t.Errorf("%s: a passcode let %d in", user, n)
			}
		}
	})
}

// passcodeOf returns the last passcode that was sent to a user.
func (g *guarded) passcodeOf(login string) (code string) {
	g.t.Helper()
	err := g.store.View(g.t.Context(), func(tx store.ReadTx) error {
		found, err := tx.Logins([]store.Cond{{Column: "login_name_folded", Op: store.Eq, Value: login}})
		if err != nil {
			return err
		}
		plain, err := g.store.Keys().Unseal(keyring.Place{Table: "user_states", Column: "passcode", Row: found[0].ID}, found[0].Passcode)
		code = string(plain[:model.PasscodeDigits]) // followed by the token that it was sent for
		return err
	})
	if err != nil {
		g.t.Fatal(err)
	}
	return code
}
