package rpc_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tokensmith/model"
	"tokensmith/model/modeltest"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/sender"
	"tokensmith/store/storetest"
)

// emergencyCode makes an emergency code of a user, and returns its id.
func (g *guarded) emergencyCode(login, code string, more ...string) string {
	g.t.Helper()
	return g.do(g.t, "tempPass/create", fmt.Sprintf(`{"attrs":{"user.loginName":%q,"password":%q%s}}`, login, code, strings.Join(more, ""))).(map[string]any)["id"].(string)
}

// date returns an attribute with a time from now.
func (g *guarded) date(name string, in time.Duration) string {
	return fmt.Sprintf(`,%q:%q`, name, g.clock.now().Add(in).Format(time.RFC3339))
}

// usedTimes returns how often an emergency code was used.
func (g *guarded) usedTimes(id string) string {
	return g.get("tempPass", `[["id","=","`+id+`"]]`, "usedTimes")
}

// An emergency code logs in instead of an OTP, with any token named or none, as often as it says and as long as it says. The PIN
// stands before it where the domain says so.
func TestEmergencyCodes(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		g := newGuarded(t, url)
		g.user("u", "SE 1")
		g.user("other", "SE 2")
		g.user("pin", "SE 3 1234", "SE 4 8765", "SE 5")
		g.user("none")
		id := g.emergencyCode("u", "11111111", `,"usageLimit":3`)
		g.want(201, g.verify("other", "11111111"), "of somebody else")
		g.want(201, g.verify("u", "1111111"), "a part of it")
		g.want(201, g.verify("u", "111111111"), "more than it")
		g.want(0, g.verify("u", "11111111"), "alone")
		g.want(0, g.verify("u", "11111111", `,"token":{"serial":"1"}`), "with the token")
		g.want(0, g.verify("u", "11111111", `,"token":{"serial":"2"}`), "with somebody else's token")
		g.want(208, g.verify("u", "11111111"), "used up")
		g.want(208, g.verify("u", "11111111", `,"token":{"serial":"nothing"}`), "used up, with no token")
		if used := g.usedTimes(id); used != "3" {
			t.Errorf("used %s times", used)
		}
		g.want(0, g.verify("u", g.at(hotp, "1", 0)), "the token works as before")
		g.emergencyCode("u", "11111111")
		g.want(0, g.verify("u", "11111111"), "a new one with the text of one that is used up")
		g.want(208, g.verify("u", "11111111"), "both used up")

		// Each of several.
		var codes []string
		for _, row := range g.do(t, "tempPass/create", `{"attrs":{"user.loginName":"other","usageLimit":2},"count":3,"return":["password"]}`).([]any) {
			codes = append(codes, row.(map[string]any)["password"].(string))
		}
		for range 2 {
			for _, code := range codes {
				g.want(0, g.verify("other", code), "each of three, twice")
			}
		}
		for _, code := range codes {
			g.want(208, g.verify("other", code), "each of three, a third time")
		}
		if slices.Sort(codes); len(codes) != 3 || len(slices.Compact(codes)) != 3 || !regexp.MustCompile(`^[0-9]{8} [0-9]{8} [0-9]{8}$`).MatchString(strings.Join(codes, " ")) {
			t.Errorf("made: %q", codes)
		}

		// Times.
		g.emergencyCode("u", "22222222", g.date("starts", time.Hour), g.date("expires", 2*time.Hour), `,"usageLimit":0`)
		g.want(204, g.verify("u", "22222222"), "too early")
		g.clock.advance(time.Hour)
		for range 20 {
			g.want(0, g.verify("u", "22222222"), "in time, any number of times")
		}
		g.clock.advance(time.Hour)
		g.want(204, g.verify("u", "22222222"), "too late")
		deleted := g.emergencyCode("u", "33333333")
		g.do(t, "tempPass/delete", `{"id":"`+deleted+`"}`)
		g.want(201, g.verify("u", "33333333"), "deleted")

		// Refused credentials count once, and a right code that does not log in is none.
		before := g.get("user", `[["loginName","=","u"]]`, "failCount")
		g.want(204, g.verify("u", "22222222"), "too late")
		g.want(208, g.verify("u", "11111111"), "used up")
		if now := g.get("user", `[["loginName","=","u"]]`, "failCount"); now != before {
			t.Errorf("%s failures, and then %s", before, now)
		}
		g.want(201, g.verify("u", "99999999"), "wrong")
		if now := g.get("user", `[["loginName","=","u"]]`, "failCount"); now != "2" || before != "1" { // 33333333 was wrong as well
			t.Errorf("%s failures, and then %s", before, now)
		}

		// With the PIN, any of the user's, or without.
		g.emergencyCode("pin", "44444444", `,"usageLimit":0`)
		g.emergencyCode("none", "44444444", `,"usageLimit":0`)
		g.want(201, g.verify("pin", "44444444"), "without the PIN")
		g.want(201, g.verify("pin", "432144444444"), "with a wrong one")
		g.want(201, g.verify("pin", "444444441234"), "behind it")
		g.want(0, g.verify("pin", "123444444444"), "with one of them")
		g.want(0, g.verify("pin", "876544444444", `,"token":{"serial":"5"}`), "with another")
		g.want(201, g.verify("none", "123444444444"), "a PIN where there is none")
		g.want(0, g.verify("none", "44444444"), "where there is none, of a user without a token")
		g.do(t, "domain/set", `{"domain":{"name":"d"},"attrs":{"emergencyCodeNeedsPin":false}}`)
		g.want(0, g.verify("pin", "44444444"), "without the PIN, which is not needed")
		g.want(201, g.verify("pin", "123444444444"), "with it: the whole text counts")
		g.do(t, "domain/set", `{"domain":{"name":"d"},"attrs":{"emergencyCodeNeedsPin":true}}`)

		// Users who are not active, and who are locked.
		for status, want := range map[string]int{"DISABLED": 203, "INACTIVE": 203, "LOCKED": 202} {
			g.do(t, "user/set", `{"user":{"loginName":"none"},"attrs":{"status":"`+status+`"}}`)
			g.want(want, g.verify("none", "44444444"), status)
			g.want(map[int]int{202: 202, 203: 201}[want], g.verify("none", "55555555"), status+", a wrong one")
		}
		g.do(t, "user/set", `{"user":{"loginName":"none"},"attrs":{"status":"ACTIVE"}}`)

		// It is an OTP for the steps of a logon, and neither a passcode nor a password, nor one of two OTPs.
		g.do(t, "logonProcedure/create", `{"attrs":{"name":"p"}}`)
		g.do(t, "logonStep/create", `{"attrs":{"logonProcedure.name":"p","authenticators":["OTPoD","SPASS"]}}`)
		g.do(t, "logonStep/create", `{"attrs":{"logonProcedure.name":"p","authenticators":["OTP"]}}`)
		g.do(t, "application/create", `{"attrs":{"name":"portal","logonProcedures":["p"]}}`)
		for _, c := range []struct {
			method, more, credential string
			want                     int
		}{
			{"auth/logon", `,"application":{"name":"portal"},"step":2`, `{"otp":"44444444"}`, 0},
			{"auth/logon", `,"application":{"name":"portal"},"step":1`, `{"otp":"44444444"}`, 11},
			{"auth/logon", ``, `{"method":"OTP","otp":"44444444"}`, 0},
			{"auth/verify", ``, `"44444444"`, 0},
			{"auth/verify", ``, `{"method":"OTPoD","otp":"44444444"}`, 201},
			{"auth/verify", ``, `{"method":"SPASS","password":"44444444"}`, 201},
			{"auth/syncToken", `,"token":{"serial":"1"}`, `"44444444,44444444"`, 205},
		} {
			if _, reply := g.post("/"+c.method, `{"user":{"loginName":"none"},"credential":`+c.credential+c.more+`}`); codeIn(reply) != c.want {
				t.Errorf("%s %s%s: %s", c.method, c.credential, c.more, reply)
			}
		}

		// It does not open the console.
		g.do(t, "user/set", `{"user":{"loginName":"u"},"attrs":{"password":"correct horse battery","permissions":"token/search"}}`)
		g.emergencyCode("u", "66666666", `,"usageLimit":0`)
		v := &visitor{s: g.service}
		if _, reply := v.post("signIn", `{"loginName":"u","password":"correct horse battery","otp":"66666666"}`); codeIn(reply) != 201 {
			t.Error("the console: ", reply)
		}
		if _, reply := v.post("signIn", `{"loginName":"u","password":"correct horse battery","otp":"`+g.at(hotp, "1", 1)+`"}`); codeIn(reply) != 0 {
			t.Error("the console by an OTP: ", reply)
		}
		g.do(t, "audit/verify", `{}`)
	})
}

// An emergency code that comes several times at the same moment, to several servers, lets in as many as it allows. The others are told
// that it is used up.
func TestEmergencyCodesAtOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		g := newGuarded(t, url)
		many := g.together(t)
		for i := range 20 {
			user, limit := fmt.Sprint("u", i), 1+i%3
			g.user(user)
			id := g.emergencyCode(user, "12345678", fmt.Sprintf(`,"usageLimit":%d`, limit))
			codes := make([]int, 8)
			var race sync.WaitGroup
			for k := range codes {
				race.Go(func() {
					_, reply := many[k%len(many)].post("/auth/verify", `{"user":{"loginName":"`+user+`"},"credential":{"otp":"12345678"}}`)
					codes[k] = codeIn(reply)
				})
			}
			race.Wait()
			slices.Sort(codes)
			want := append(make([]int, limit), slices.Repeat([]int{208}, len(codes)-limit)...)
			if used := g.usedTimes(id); !slices.Equal(codes, want) || used != fmt.Sprint(limit) {
				t.Errorf("of a code for %d logins: %v, and it was used %s times", limit, codes, used)
			}
		}
	})
}

// Failures in a row lock a user until an administrator unlocks the user, or makes an emergency code: one that was made after the lock
// logs in and ends it. Ten wrong credentials are compared with it at most. No other lock is opened, and by no older code.
func TestEmergencyCodeOfALockedUser(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		g := newGuarded(t, url)
		g.do(t, "domain/set", `{"domain":{"name":"d"},"attrs":{"maxFailures":4}}`)
		locked := func(login string) {
			t.Helper()
			g.user(login, "SE "+login+" 1234")
			g.emergencyCode(login, "11111111", `,"usageLimit":0`)
			for range 4 {
				g.clock.advance(time.Minute)
				g.want(201, g.verify(login, "000000"), "a failure")
			}
			g.clock.advance(time.Minute)
			g.want(202, g.verify(login, "123411111111"), "a code from before the lock")
			g.want(202, g.verify(login, "1234"+g.at(hotp, login, 0)), "an OTP")
		}
		spent := func(login string) int {
			login = g.get("user", `[["loginName","=","`+login+`"]]`, "id")
			n := 0
			for _, row := range storetest.Rows(t, url) {
				if strings.Contains(row, "user_id="+login+"\t") && strings.HasPrefix(row, "user_states\t") {
					fmt.Sscan(regexp.MustCompile(`guessed_until=(\d+)`).FindStringSubmatch(row)[1], &n)
				}
			}
			return n
		}

		locked("1")
		id := g.emergencyCode("1", "22222222")
		before := spent("1")
		for range 9 {
			g.want(202, g.verify("1", "123433333333"), "a wrong one")
			g.clock.advance(10 * time.Second)
		}
		if spent("1") <= before {
			t.Error("wrong ones cost nothing of the budget for guesses")
		}
		g.want(202, g.verify("1", "22222222"), "without the PIN")
		g.want(202, g.verify("1", "123422222222"), "the right one, after ten wrong ones")
		if used := g.usedTimes(id); used != "0" {
			t.Errorf("it was used %s times", used)
		}
		g.do(t, "user/unlock", `{"user":{"loginName":"1"}}`)
		g.want(0, g.verify("1", "123422222222"), "the right one, after an unlock")

		locked("2")
		g.emergencyCode("2", "22222222")
		for range 9 {
			g.want(202, g.verify("2", "123433333333"), "a wrong one")
			g.clock.advance(10 * time.Second)
		}
		g.want(202, g.verify("2", "1234"+g.at(hotp, "2", 0)), "an OTP is not looked at")
		g.do(t, "user/unlock", `{"user":{"loginName":"2"}}`)
		g.want(0, g.verify("2", "1234"+g.at(hotp, "2", 0)), "the OTP is unused")

		locked("3")
		g.emergencyCode("3", "22222222", g.date("starts", time.Hour))
		for range 11 { // nothing that is good now is compared with, so none of these counts
			g.want(202, g.verify("3", "123422222222"), "one that is not good yet")
			g.clock.advance(10 * time.Second)
		}
		used := g.emergencyCode("3", "44444444")
		g.want(0, g.verify("3", "123444444444"), "the right one")
		if status := g.get("user", `[["loginName","=","3"]]`, "status"); status != "ACTIVE" {
			t.Errorf("the user is %s", status)
		}
		g.want(208, g.verify("3", "123444444444"), "again")
		g.want(0, g.verify("3", "1234"+g.at(hotp, "3", 0)), "an OTP afterwards")
		if n := g.usedTimes(used); n != "1" {
			t.Errorf("it was used %s times", n)
		}
		for range 4 {
			g.clock.advance(time.Minute)
			g.want(201, g.verify("3", "000000"), "a failure")
		}
		g.clock.advance(time.Hour)
		g.want(202, g.verify("3", "123422222222"), "made before the second lock")

		// A lock for a while, one by an administrator, one of who is disabled.
		g.do(t, "domain/set", `{"domain":{"name":"d"},"attrs":{"maxFailures":100}}`)
		g.user("4")
		for range 10 {
			g.clock.advance(time.Minute)
			g.want(201, g.verify("4", "000000"), "a failure")
		}
		g.emergencyCode("4", "22222222")
		g.want(202, g.verify("4", "22222222"), "a lock that ends by itself")
		g.clock.advance(16 * time.Minute)
		g.want(0, g.verify("4", "22222222"), "when it has ended")
		g.user("5")
		g.do(t, "user/set", `{"user":{"loginName":"5"},"attrs":{"status":"LOCKED"}}`)
		g.emergencyCode("5", "22222222")
		g.want(202, g.verify("5", "22222222"), "an administrator's lock")
	})
}

// Emergency codes are sent in one message, to the user or, by who may see them, to anybody, through the channels that the domain
// allows. What is not sent changes nothing.
func TestSendingEmergencyCodes(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		post := make(letterbox, 20)
		senders := map[string]sender.Sender{model.SMTP: post, model.SMS: post}
		g := &guarded{newService(t, url, func(c *dispatch.Config) { c.Senders = senders }), t}
		g.do(t, "domain/create", `{"attrs":{"name":"d"}}`)
		g.do(t, "user/create", `{"attrs":{"domain.name":"d","loginName":"u","email":"U@mail.example","mobile":"+49170","personalEmail":"me@home.example","personalMobile":"+49171"}}`)
		g.do(t, "user/create", `{"attrs":{"domain.name":"d","loginName":"v"}}`)
		g.do(t, "user/create", `{"attrs":{"domain.name":"d","loginName":"smith","personalEmail":"smith@home.example"}}`)
		one, two := g.emergencyCode("u", "11111111"), g.emergencyCode("u", "22222222", g.date("expires", 2*time.Hour))
		spent, of := g.emergencyCode("u", "33333333"), g.emergencyCode("v", "44444444")
		smith := g.emergencyCode("smith", "55555555")
		g.want(0, g.verify("u", "33333333"), "a use")
		some := g.agent(t, `"name":"some","permissions":"tempPass/*"`)
		all := g.agent(t, `"name":"all","permissions":"tempPass/send"`)
		send := func(c caller, ids, message string) (code int, seen string) {
			t.Helper()
			return g.answer(c, "tempPass/send", `{"ids":[`+ids+`],"message":`+message+`}`)
		}
		quoted := func(ids ...string) string { return `"` + strings.Join(ids, `","`) + `"` }
		letters := func() (list []string) {
			g.carry(t, post, func(m sender.Message) { list = append(list, m.To+": "+m.Text) })
			return list
		}
		for name, c := range map[string]struct {
			by           caller
			ids, message string
			to, text     string
		}{
			"e-mail":               {some, quoted(one), `{"type":"EMAIL"}`, "U@mail.example", "11111111\nIt can be used until 2026-01-02 00:00 UTC."},
			"SMTP":                 {some, quoted(one), `{"type":"SMTP"}`, "U@mail.example", "11111111\n"},
			"SMS":                  {some, quoted(one), `{"type":"SMS"}`, "+49170", "11111111\n"},
			"several, one twice":   {some, quoted(one, two, one), `{"type":"EMAIL"}`, "U@mail.example", "11111111, 22222222\nIt can be used until 2026-01-01 02:00 UTC."},
			"his address":          {some, quoted(two), `{"type":"EMAIL","to":"u@MAIL.example"}`, "U@mail.example", "22222222\n"},
			"a long s for an s":    {some, quoted(smith), `{"type":"EMAIL","to":"\u017fmith@home.example"}`, "smith@home.example", "55555555\n"},
			"another of his":       {some, quoted(two), `{"type":"EMAIL","to":"me@home.example"}`, "me@home.example", "22222222\n"},
			"another number":       {some, quoted(two), `{"type":"SMS","to":"+49171"}`, "+49171", "22222222\n"},
			"another's address":    {all, quoted(two), `{"type":"EMAIL","to":"ops@mail.example"}`, "ops@mail.example", "22222222\n"},
			"of who has none":      {all, quoted(of), `{"type":"EMAIL","to":"ops@mail.example"}`, "ops@mail.example", "44444444\n"},
			"another's number":     {all, quoted(one), `{"type":"SMS","to":"+1 555 0100"}`, "+1 555 0100", "11111111\n"},
			"no address, but null": {some, quoted(one), `{"type":"EMAIL","to":null}`, "U@mail.example", "11111111\n"},
		} {
			if code, seen := send(c.by, c.ids, c.message); code != 0 {
				t.Errorf("%s: %s", name, seen)
				continue
			}
			if got := letters(); len(got) != 1 || !strings.HasPrefix(got[0], c.to+": Enter this in place of a one-time password: "+c.text) {
				t.Errorf("%s: %q went", name, got)
			}
		}
		for id, want := range map[string]string{one: "6", two: "5", of: "1", spent: "0"} {
			if got := g.get("tempPass", `[["id","=","`+id+`"]]`, "sentTimes"); got != want {
				t.Errorf("sent %s times, not %s", got, want)
			}
		}
		rows := fmt.Sprint(g.do(t, "audit/search", `{"match":[["method","=","tempPass/send"],["object","~=","another address"]],"return":["object"]}`))
		if strings.Count(rows, "sent to another address") != 3 {
			t.Errorf("the record has %s", rows)
		}

		before := contents(t, url)
		refused := func(want int, place string, c caller, ids, message string) {
			t.Helper()
			if code, seen := send(c, ids, message); code != want || !strings.Contains(seen, place) {
				t.Errorf("%s %s: %s, not %d", ids, message, seen, want)
			}
			if contents(t, url) != before {
				t.Fatalf("%s %s changed something", ids, message)
			}
		}
		refused(5, "message.to", some, quoted(one), `{"type":"EMAIL","to":"ops@mail.example"}`)
		refused(5, "message.to", some, quoted(one), `{"type":"SMS","to":"+1 555 0100"}`)
		refused(5, "message.to", some, quoted(of), `{"type":"EMAIL","to":"u@mail.example"}`)
		refused(11, "message.to", some, quoted(of), `{"type":"EMAIL"}`)
		refused(304, "ids.1", some, quoted(one, spent), `{"type":"EMAIL"}`)
		refused(11, "ids", some, quoted(one, of), `{"type":"EMAIL"}`)
		refused(119, "", some, quoted(one, "nothing"), `{"type":"EMAIL"}`)
		refused(10, "ids", some, "", `{"type":"EMAIL"}`)
		for _, to := range []string{"nobody", "a@b, c@d", "A <a@b.example>", `a@b.example\nBcc: c@d.example`, strings.Repeat("a", 320) + "@b.example"} {
			refused(11, "message.to", all, quoted(one), `{"type":"EMAIL","to":"`+to+`"}`)
		}
		refused(11, "message.to", all, quoted(one), `{"type":"SMS","to":"a@b.example"}`)
		var many []string
		for i := range 101 {
			many = append(many, fmt.Sprint(i))
		}
		refused(11, "ids", all, quoted(many...), `{"type":"EMAIL"}`)

		g.do(t, "domain/set", `{"domain":{"name":"d"},"attrs":{"passcodeChannels":"SMS"}}`)
		before = contents(t, url)
		refused(11, "message.type", all, quoted(one), `{"type":"EMAIL"}`)
		g.do(t, "domain/set", `{"domain":{"name":"d"},"attrs":{"passcodeChannels":"SMTP,SMS"}}`)
		strict := &guarded{&service{url: url, clock: g.clock, log: g.log, keyFile: g.keyFile, id: g.id, key: g.key}, t}
		strict.open(t, 3, func(c *dispatch.Config) { c.Profile, c.Senders = "nist", senders })
		for kind, want := range map[string]int{"EMAIL": 11, "SMS": 0} {
			if _, reply := strict.post("/tempPass/send", `{"ids":["`+one+`"],"message":{"type":"`+kind+`"}}`); codeIn(reply) != want {
				t.Errorf("with the profile nist, %s: %s", kind, reply)
			}
		}
	})
}

// Only the reply to the call that makes a code contains it, only if the caller asks for it by name and has the permission of the exact
// name, and the record says so.
func TestWhoSeesEmergencyCodes(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		g := newGuarded(t, url)
		g.user("u")
		some := g.agent(t, `"name":"some","permissions":"tempPass/*,user/get,batch/execute"`)
		all := g.agent(t, `"name":"all","permissions":"tempPass/create,user/get,batch/execute"`)
		const shown = `"password":"[0-9]{8}"`
		rows := func() int {
			return strings.Count(fmt.Sprint(g.do(t, "audit/search", `{"match":[["method","=","tempPass/create"]],"return":["object"]}`)), " shown")
		}
		for _, c := range []struct {
			by           caller
			ret          string
			want, unlike string
			rows         int
		}{
			{some, `["id","password"]`, `"password":null`, shown, 0},
			{some, `["*"]`, `"password":"\*{4}"`, shown, 0},
			{all, `["*"]`, `"password":"\*{4}"`, shown, 0},
			{all, `["id"]`, `"id"`, `password`, 0},
			{all, `["id",["password"]]`, shown, `\*`, 1},
			{all, `["*","password"]`, shown, `\*`, 1},
			{all, `[{"user":[{"tempPasses":["id","password"]}]},"user.tempPasses.password"]`, `\*{4}`, shown, 0},
		} {
			for _, call := range []string{`{"attrs":{"user.loginName":"u","expires":"2026-01-02"},"return":` + c.ret + `}`} {
				for way, params := range map[string]string{"tempPass/create": call, "batch/execute": `{"calls":[{"method":"/tempPass/create","params":` + call + `}]}`} {
					before := rows()
					code, seen := g.answer(c.by, way, params)
					if code != 0 || !regexp.MustCompile(c.want).MatchString(seen) || regexp.MustCompile(c.unlike).MatchString(seen) {
						t.Errorf("%s by %s: %s", way, c.ret, seen)
					}
					if n := rows() - before; n != c.rows {
						t.Errorf("%s by %s: the record has %d rows, not %d", way, c.ret, n, c.rows)
					}
					g.do(t, "domain/set", `{"domain":{"name":"d"},"attrs":{"emergencyCodesMost":0}}`)
				}
			}
		}
		for _, method := range []string{"tempPass/get", "tempPass/search"} {
			params := map[string]string{"tempPass/get": `{"match":[["usageLimit","=",7]],"return":["password","*"]}`, "tempPass/search": `{"return":["password"]}`}[method]
			g.do(t, "tempPass/create", `{"attrs":{"user.loginName":"u","usageLimit":7,"password":"MARKED-code"}}`)
			_, reply := g.post("/"+method, params)
			if codeIn(reply) != 0 || !strings.Contains(reply, `"password":"****"`) || regexp.MustCompile(shown+"|MARKED").MatchString(reply) {
				t.Errorf("%s: %s", method, reply)
			}
			g.do(t, "tempPass/delete", `{"match":[["usageLimit","=",7]]}`)
		}
		// A repeated reply shows it again, and is recorded again.
		var first string
		for i := range 2 {
			_, reply := g.post("/tempPass/create", `{"attrs":{"user.loginName":"u"},"count":2,"return":["password"]}`, "Idempotency-Key", "again")
			if i == 0 {
				first = reply
			} else if reply != first || !regexp.MustCompile(shown).MatchString(reply) {
				t.Errorf("again: %s, not %s", reply, first)
			}
		}
		if again := fmt.Sprint(g.do(t, "audit/search", `{"match":[["method","=","tempPass/create"],["object","~=","answered again"]],"return":["object"]}`)); strings.Count(again, "shown answered again") != 2 {
			t.Errorf("the record has %s", again)
		}
	})
}

// Who types a code knows it. So that takes the permission of the exact name, as seeing a code does, and the record says so.
func TestWhoTypesEmergencyCodes(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		g := newGuarded(t, url)
		g.user("u")
		some := g.agent(t, `"name":"some","permissions":"tempPass/*,batch/execute"`)
		exact := g.agent(t, `"name":"exact","permissions":"tempPass/create,batch/execute"`)
		const call = `{"attrs":{"user.loginName":"u","password":"11111111"}}`
		before := contents(t, url)
		if code, seen := g.answer(some, "tempPass/create", call); code != 5 || !strings.Contains(seen, "attrs.password") {
			t.Errorf("by tempPass/*: %s", seen)
		}
		if _, seen := g.answer(some, "batch/execute", `{"calls":[{"method":"tempPass/create","params":`+call+`}]}`); !strings.Contains(seen, `"result":[{"error":5,`) {
			t.Errorf("by tempPass/* in a batch: %s", seen)
		}
		if contents(t, url) != before {
			t.Error("a refused call changed something")
		}
		g.want(201, g.verify("u", "11111111"), "refused")
		if code, seen := g.answer(exact, "tempPass/create", call); code != 0 {
			t.Errorf("by tempPass/create: %s", seen)
		}
		g.want(0, g.verify("u", "11111111"), "made")
		if rows := fmt.Sprint(g.do(t, "audit/search", `{"match":[["method","=","tempPass/create"]],"return":["object"]}`)); strings.Count(rows, "typed by the caller") != 1 {
			t.Errorf("the record: %s", rows)
		}
	})
}

// An agent that is limited to domains makes, sees and sends the codes of their users, and of nobody else.
func TestEmergencyCodesOfOtherDomains(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		post := make(letterbox, 20)
		g := &guarded{newService(t, url, func(c *dispatch.Config) { c.Senders = map[string]sender.Sender{model.SMTP: post} }), t}
		ids := map[string]string{}
		for _, d := range []string{"d", "e"} {
			g.do(t, "domain/create", `{"attrs":{"name":"`+d+`"}}`)
			g.do(t, "user/create", `{"attrs":{"domain.name":"`+d+`","loginName":"of`+d+`","email":"x@mail.example"}}`)
			ids[d] = g.emergencyCode("of"+d, "11111111")
		}
		limited := g.agent(t, `"name":"limited","permissions":"*","domains":"d"`)
		for _, c := range []struct{ method, params string }{
			{"tempPass/create", `{"attrs":{"user.loginName":"of{}"}}`},
			{"tempPass/get", `{"id":"{id}"}`},
			{"tempPass/set", `{"id":"{id}","attrs":{"usageLimit":2}}`},
			{"tempPass/send", `{"ids":["{id}"],"message":{"type":"EMAIL"}}`},
			{"tempPass/delete", `{"id":"{id}"}`},
		} {
			before := contents(t, url)
			for _, d := range []string{"e", "d"} {
				code, seen := g.answer(limited, c.method, strings.NewReplacer("{id}", ids[d], "{}", d).Replace(c.params))
				if want := map[string]int{"d": 0, "e": 119}[d]; code != want && !(d == "e" && code == 101 && c.method == "tempPass/create") {
					t.Errorf("%s of %s: %s", c.method, d, seen)
				}
				if d == "e" && contents(t, url) != before {
					t.Errorf("%s of %s changed something", c.method, d)
				}
			}
		}
		if _, seen := g.answer(limited, "tempPass/search", `{"match":[["user.loginName","=","ofe"]]}`); !strings.Contains(seen, `"total":0`) {
			t.Error(seen)
		}
		if _, seen := g.answer(limited, "tempPass/search", `{"match":[["user.loginName","=","ofd"]]}`); !strings.Contains(seen, `"total":1`) {
			t.Error(seen)
		}
	})
}

// A user has as many open codes as the domain allows, and no two of one text; a code that has ended opens again only within that. All
// codes of a user together are limited whatever the domain says.
func TestHowManyEmergencyCodes(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		g := newGuarded(t, url)
		g.do(t, "domain/set", `{"domain":{"name":"d"},"attrs":{"emergencyCodesMost":2}}`)
		g.user("u")
		one := g.emergencyCode("u", "11111111")
		g.want(0, g.verify("u", "11111111"), "a use")
		g.emergencyCode("u", "11111111")
		refused := func(want int, method, params string) {
			t.Helper()
			before := contents(t, url)
			if _, reply := g.post("/"+method, params); codeIn(reply) != want {
				t.Errorf("%s %s: %s", method, params, reply)
			}
			if contents(t, url) != before {
				t.Errorf("%s %s changed something", method, params)
			}
		}
		refused(13, "tempPass/set", `{"id":"`+one+`","attrs":{"usageLimit":2}}`)
		refused(13, "tempPass/create", `{"attrs":{"user.loginName":"u","password":"11111111"}}`)
		two := g.emergencyCode("u", "22222222", `,"usageLimit":0`)
		refused(11, "tempPass/create", `{"attrs":{"user.loginName":"u"}}`)
		g.do(t, "tempPass/set", `{"id":"`+two+`","attrs":{"expires":"2025-12-31"}}`) // ends it
		g.want(204, g.verify("u", "22222222"), "ended")
		three := g.emergencyCode("u", "33333333")
		refused(11, "tempPass/set", `{"id":"`+two+`","attrs":{"expires":"2026-01-02"}}`)
		g.do(t, "tempPass/delete", `{"id":"`+three+`"}`)
		g.do(t, "tempPass/set", `{"id":"`+two+`","attrs":{"expires":"2026-01-02"}}`)
		g.want(0, g.verify("u", "22222222"), "open again")
		refused(11, "tempPass/set", `{"id":"`+two+`","attrs":{"starts":"2026-01-04"}}`)

		g.do(t, "domain/set", `{"domain":{"name":"d"},"attrs":{"emergencyCodesMost":0,"emergencyCodeLength":6}}`)
		g.user("many")
		made := map[string]bool{}
		for range 5 {
			for _, row := range g.do(t, "tempPass/create", `{"attrs":{"user.loginName":"many"},"count":100,"return":["password"]}`).([]any) {
				made[row.(map[string]any)["password"].(string)] = true
			}
		}
		if len(made) != 500 {
			t.Errorf("%d different codes of 500", len(made))
		}
		refused(11, "tempPass/create", `{"attrs":{"user.loginName":"many"}}`)
		for code := range made {
			g.want(0, g.verify("many", code), "one of 500")
			break
		}

		// Two calls at the same time make no more together.
		g.do(t, "domain/set", `{"domain":{"name":"d"},"attrs":{"emergencyCodesMost":10}}`)
		g.user("both")
		var race sync.WaitGroup
		for _, s := range g.together(t) {
			race.Go(func() { s.post("/tempPass/create", `{"attrs":{"user.loginName":"both"},"count":6}`) })
		}
		race.Wait()
		if n := len(g.do(t, "tempPass/search", `{"match":[["user.loginName","=","both"]]}`).(map[string]any)["rows"].([]any)); n != 6 {
			t.Errorf("%d codes are there", n)
		}
	})
}

// Codes are kept for thirty days after they expire, so that the answer says why they do not log in, and are then deleted. One that
// never expires stays, as nobody knows when it was used up. With a user, all codes go.
func TestEmergencyCodesEnd(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		g := newGuarded(t, url)
		g.do(t, "domain/set", `{"domain":{"name":"d"},"attrs":{"emergencyCodeHours":0,"emergencyCodeHoursMost":0}}`)
		g.user("u")
		g.user("gone")
		g.emergencyCode("gone", "11111111")
		g.emergencyCode("u", "11111111", g.date("expires", time.Hour))
		g.emergencyCode("u", "22222222", `,"usageLimit":1`)
		g.emergencyCode("u", "33333333", `,"usageLimit":2`)
		g.want(0, g.verify("u", "22222222"), "used up")
		left := func() string {
			var codes []string
			for code, name := range map[int]string{201: "-", 0: "open", 204: "204", 208: "208"} {
				for _, text := range []string{"11111111", "22222222"} {
					if g.verify("u", text) == code {
						codes = append(codes, text[:1]+name)
					}
				}
				g.clock.advance(time.Minute)
				g.do(t, "user/unlock", `{"user":{"loginName":"u"}}`)
			}
			slices.Sort(codes)
			return strings.Join(slices.Compact(codes), " ")
		}
		// A kept reply whose day is over goes after the codes.
		keep := func() { g.post("/user/unlock", `{"user":{"loginName":"u"}}`, "Idempotency-Key", "a key") }
		look := func() {
			ctx, stop := context.WithCancel(t.Context())
			var done sync.WaitGroup
			done.Go(func() { g.Maintain(ctx) })
			defer done.Wait()
			defer stop()
			modeltest.Until(t, "kept replies are deleted", func() bool {
				return !slices.ContainsFunc(storetest.Rows(t, url), func(row string) bool { return strings.HasPrefix(row, "idempotency_keys\t") })
			})
		}
		keep()
		g.clock.advance(30 * 24 * time.Hour)
		look()
		if got := left(); got != "1204 2208" {
			t.Errorf("within thirty days: %s", got)
		}
		keep()
		g.clock.advance(25 * time.Hour)
		look()
		if got := left(); got != "1- 2208" {
			t.Errorf("after thirty days: %s", got)
		}
		g.want(0, g.verify("u", "33333333"), "one that is open stays")
		g.do(t, "user/delete", `{"user":{"loginName":"gone"}}`)
		if n := g.do(t, "tempPass/search", `{"max":0}`).(map[string]any)["total"]; fmt.Sprint(n) != "2" {
			t.Errorf("%v codes are left", n)
		}
	})
}

// A restored database does not know which codes were used since the backup. So none of those that it knows is good again.
func TestEmergencyCodesAfterRestore(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		g := newGuarded(t, url)
		g.user("u")
		for i, more := range []string{``, `,"usageLimit":0`, `,"usageLimit":5`} {
			g.emergencyCode("u", fmt.Sprint(11111111*(i+1)), more)
		}
		g.emergencyCode("u", "44444444")
		g.want(0, g.verify("u", "44444444"), "used before the backup")
		r, err := g.store.AfterRestore(t.Context(), g.clock.now(), 0, nil)
		if err != nil || r.Codes != 3 {
			t.Errorf("%+v, %v", r, err)
		}
		for _, code := range []string{"11111111", "22222222", "33333333"} {
			g.want(204, g.verify("u", code), "after the restore")
		}
		g.want(208, g.verify("u", "44444444"), "used before the backup")
		g.emergencyCode("u", "11111111")
		g.want(0, g.verify("u", "11111111"), "made after the restore")
	})
}

// A metric counts logins by emergency codes, and nothing else.
func TestEmergencyCodesAreCounted(t *testing.T) {
	t.Parallel()
	g := newGuarded(t, storetest.SQLite(t))
	g.user("u", "SE 1")
	g.emergencyCode("u", "11111111", `,"usageLimit":2`)
	used := func(want string) {
		t.Helper()
		r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
		r.SetBasicAuth(g.id, g.key)
		_, _, text := g.service.get("/metrics", "Authorization", r.Header.Get("Authorization"))
		if !strings.Contains(text, "\ntokensmith_emergency_codes_used_total "+want+"\n") {
			t.Errorf("not %s", want)
		}
	}
	used("0")
	for _, credential := range []string{"11111111", g.at(hotp, "1", 0), "22222222", "11111111", "11111111"} {
		g.verify("u", credential)
	}
	used("2")
	var reply struct {
		Result struct{ Rows []struct{ Object string } }
	}
	_, text := g.post("/audit/search", `{"match":[["object","~=","emergency code"],["method","=","auth/verify"],["outcome","=",0]],"return":["object"]}`)
	if err := json.Unmarshal([]byte(text), &reply); err != nil || len(reply.Result.Rows) != 2 || strings.Contains(text, "1111") {
		t.Errorf("the record: %s %v", text, err)
	}
}

// By RADIUS an emergency code passes a step that an OTP passes. Behind a wrong password it does not, and stays unused; nor does it end
// a lock inside a logon of several steps.
func TestEmergencyCodesByRadius(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		g := &guarded{s, t}
		s.do(t, "domain/create", `{"attrs":{"name":"corp.example"}}`)
		withUser(t, s, "ada", `,"password":"correct horse battery"`)
		withSteps(t, s, "two", "SPASS", "OTP")
		withSteps(t, s, "sent", "OTPoD")
		withSteps(t, s, "one", "OTP")
		n := newNAS(t, s, "192.0.2.1", "two", "")
		id := g.emergencyCode("ada", "11111111", `,"usageLimit":3`)
		used := func(want string) {
			t.Helper()
			if got := g.usedTimes(id); got != want {
				t.Errorf("used %s times, not %s", got, want)
			}
		}
		n.tries(accept, "ada", "correct horse battery,11111111")
		used("1")
		state, _ := n.asked("ada", "another horse battery,11111111")
		n.tries(reject, "ada", "11111111", state)
		used("1")
		state, _ = n.asked("ada", "correct horse battery")
		n.tries(accept, "ada", "11111111", state)
		used("2")
		newNAS(t, s, "192.0.2.2", "sent", "").asked("ada", "11111111")
		used("2")
		g.want(0, g.verify("ada", "11111111"), "what was wrong is forgotten")

		s.do(t, "domain/set", `{"domain":{"name":"corp.example"},"attrs":{"maxFailures":2,"lockoutThreshold":0}}`)
		for range 2 {
			g.want(201, g.verify("ada", "000000"), "a failure")
		}
		s.clock.advance(time.Minute)
		id = g.emergencyCode("ada", "22222222")
		for range 11 {
			n.ask(n.asking("ada", "correct horse battery,22222222"))
			s.clock.advance(10 * time.Second)
		}
		used("0")
		newNAS(t, s, "192.0.2.3", "sent", "").asked("ada", "22222222")
		used("0")
		newNAS(t, s, "192.0.2.4", "one", "").tries(accept, "ada", "22222222") // the tries in several steps do not count
		used("1")
	})
}
