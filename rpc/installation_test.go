package rpc_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"tokensmith/model"
	"tokensmith/rpc"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/sender"
	"tokensmith/store/storetest"
)

// installing is a server with a domain, a user and a license.
func installing(t testing.TB, url string, change ...func(*dispatch.Config)) *service {
	s := newService(t, url, change...)
	s.do(t, "domain/create", `{"attrs":{"name":"d"}}`)
	s.do(t, "user/create", `{"attrs":{"domain.name":"d","loginName":"desk","email":"desk@mail.example"}}`)
	return s
}

// code makes an installation code and returns its id.
func (s *service) code(t testing.TB, attrs string) string {
	t.Helper()
	return s.do(t, "installationCode/create", `{"attrs":{`+attrs+`}}`).(map[string]any)["id"].(string)
}

// redeem sends a redemption from an address and returns the code, the result and the HTTP status of the reply.
func (s *service) redeem(from, code, nonce, more string) (int, map[string]any, int) {
	return s.byDevice(from, "installationCode/redeem", fmt.Sprintf(`{"code":%q,"nonce":"nonce-%020s"%s}`, code, nonce, more))
}

// byDevice calls a method that needs no agent.
func (s *service) byDevice(from, method, params string) (int, map[string]any, int) {
	r := httptest.NewRequest(http.MethodPost, "/"+method, strings.NewReader(params))
	r.RemoteAddr = from + ":1"
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	var e struct {
		Error  int
		Result map[string]any
	}
	if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil {
		return -1, nil, w.Code
	}
	return e.Error, e.Result, w.Code
}

// total returns the number of objects of a type.
func (s *service) total(t testing.TB, object, match string) int {
	t.Helper()
	return int(s.do(t, object+"/search", `{"max":0,"match":[`+match+`]}`).(map[string]any)["total"].(float64))
}

// 200 concurrent clients on two processes (three on PostgreSQL) redeem a code with 50 uses: there are exactly 50 redemptions,
// devices, tokens and accounts.
func TestRedeemRace(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		one := installing(t, url)
		many := one.together(t)
		const limit, racers = 50, 200
		id := one.code(t, fmt.Sprintf(`"code":"race-code","action":"CREATE_ACCOUNT_AND_DEVICE","usernamePrefix":"r","domain.name":"d","usageLimit":%d`, limit))
		var mu sync.Mutex
		codes, devices, users, tokens := map[int]int{}, map[any]bool{}, map[any]bool{}, map[string]bool{}
		var all sync.WaitGroup
		for i := range racers {
			all.Go(func() {
				code, got, _ := many[i%len(many)].redeem("192.0.2.1", "race-code", fmt.Sprint(i), `,"device":{"name":"d"}`)
				mu.Lock()
				defer mu.Unlock()
				codes[code]++
				if code == 0 {
					devices[got["device.id"]], users[got["user.id"]], tokens[got["clientToken"].(string)] = true, true, true
				}
			})
		}
		all.Wait()
		if !maps.Equal(codes, map[int]int{0: limit, 503: racers - limit}) || len(devices) != limit || len(users) != limit || len(tokens) != limit {
			t.Errorf("replies %v; %d devices, %d users, %d tokens", codes, len(devices), len(users), len(tokens))
		}
		for token := range tokens {
			if code, reply := many[1].connect(token); code != 0 {
				t.Error(reply)
			}
		}
		uses := one.do(t, "installationCode/listUses", `{"id":"`+id+`","max":0}`).(map[string]any)["total"].(float64)
		used := one.do(t, "installationCode/get", `{"id":"`+id+`"}`).(map[string]any)["timesUsed"].(float64)
		if n := one.total(t, "device", ""); n != limit || uses != limit || used != limit || one.total(t, "user", `["loginName",">>","r"]`) != limit {
			t.Errorf("%d devices, %v uses, used %v times", n, uses, used)
		}
		// The numbers of the accounts are 1 to 50, each used once.
		for i := range limit {
			if one.total(t, "user", fmt.Sprintf(`["loginName","=","r%d"]`, i+1)) != 1 {
				t.Errorf("no account r%d", i+1)
			}
		}
	})
}

// One request that is sent many times at once, as by an impatient client, takes one use and makes one device.
func TestRedeemRetryRace(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		one := installing(t, url)
		many := one.together(t)
		id := one.code(t, `"code":"retry-code","action":"CREATE_DEVICE","user.loginName":"desk"`)
		var mu sync.Mutex
		devices := map[any]bool{}
		var tokens []string
		var all sync.WaitGroup
		for i := range 40 {
			all.Go(func() {
				code, got, _ := many[i%len(many)].redeem("192.0.2.1", "retry-code", "same", `,"device":{"name":"d","hardwareId":"h"}`)
				mu.Lock()
				defer mu.Unlock()
				if code != 0 {
					t.Error(code)
					return
				}
				devices[got["device.id"]] = true
				tokens = append(tokens, got["clientToken"].(string))
			})
		}
		all.Wait()
		good := 0
		for _, token := range tokens {
			if code, _ := one.connect(token); code == 0 {
				good++
			}
		}
		used := one.do(t, "installationCode/get", `{"id":"`+id+`"}`).(map[string]any)["timesUsed"]
		if len(devices) != 1 || good != 1 || used != 1.0 || one.total(t, "device", "") != 1 {
			t.Errorf("%d devices, %d tokens that are good, %v uses", len(devices), good, used)
		}
	})
}

// A repeated nonce returns the same device within 15 minutes, from the same hardware, as long as the token was never used and the
// code is neither disabled nor deleted. Otherwise it is refused.
func TestRedeemAgain(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := installing(t, url)
		const device = `,"device":{"name":"d","hardwareId":"h"}`
		first := func(code string) (id string, token, device string) {
			id = s.code(t, fmt.Sprintf(`"code":%q,"action":"CREATE_DEVICE","user.loginName":"desk","usageLimit":1`, code))
			c, got, _ := s.redeem("192.0.2.1", code, code, `,"device":{"name":"d","hardwareId":"h"}`)
			if c != 0 {
				t.Fatal(code, c)
			}
			return id, got["clientToken"].(string), got["device.id"].(string)
		}
		again := func(what, code string, want int, more string) map[string]any {
			t.Helper()
			c, got, _ := s.redeem("192.0.2.1", code, code, more)
			if c != want {
				t.Errorf("%s: %d, not %d", what, c, want)
			}
			return got
		}
		_, token, id := first("code-one")
		got := again("used up", "code-one", 0, device)
		if got["device.id"] != id || got["clientToken"] == token {
			t.Errorf("%v for the device %s", got, id)
		}
		if code, _ := s.connect(token); code != 512 {
			t.Errorf("the token that may be lost: %d", code)
		}
		s.clock.advance(15 * time.Minute)
		got = again("after 15 minutes", "code-one", 0, device)
		again("from other hardware", "code-one", 507, `,"device":{"name":"d","hardwareId":"i"}`)
		again("from unnamed hardware", "code-one", 507, `,"device":{"name":"d"}`)
		if code, reply := s.connect(got["clientToken"].(string)); code != 0 {
			t.Error(reply)
		}
		again("after its use", "code-one", 507, device)
		s.clock.advance(time.Millisecond)
		first("code-two")
		s.clock.advance(15*time.Minute + time.Millisecond)
		again("too late", "code-two", 507, device)
		three, _, _ := first("code-three")
		c, _, _ := s.redeem("192.0.2.1", "code-two", "code-three", device)
		if c != 507 {
			t.Errorf("the nonce of another code: %d", c)
		}
		s.do(t, "installationCode/set", `{"id":"`+three+`","attrs":{"enabled":false}}`)
		again("disabled", "code-three", 507, device)
		s.do(t, "installationCode/set", `{"id":"`+three+`","attrs":{"enabled":true,"expires":"2020-01-01"}}`)
		again("expired", "code-three", 0, device)
		s.do(t, "installationCode/delete", `{"id":"`+three+`"}`)
		again("deleted", "code-three", 501, device)
		_, _, id = first("code-four")
		s.do(t, "device/delete", `{"id":"`+id+`"}`)
		again("its device is gone", "code-four", 507, device)
		_, _, id = first("code-five")
		s.do(t, "device/generateToken", `{"id":"`+id+`"}`)
		again("its device has a newer token", "code-five", 507, device)
	})
}

// This test checks the limit, the grace period after it and the rules for edits with the server's clock, to the second.
func TestUsageLimitDelay(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := installing(t, url)
		id := s.code(t, `"code":"grace-code","action":"CREATE_DEVICE","user.loginName":"desk","usageLimit":2,"usageLimitDelay":60`)
		n := 0
		want := func(code int, state string, used int) {
			t.Helper()
			n++
			got, _, _ := s.redeem("192.0.2.1", "grace-code", fmt.Sprint(n), `,"device":{"name":"d"}`)
			found := s.do(t, "installationCode/get", `{"id":"`+id+`"}`).(map[string]any)
			if got != code || found["state"] != state || found["timesUsed"] != float64(used) {
				t.Errorf("use %d: %d, state %v, used %v times; not %d %s %d", n, got, found["state"], found["timesUsed"], code, state, used)
			}
		}
		set := func(attrs string) { s.do(t, "installationCode/set", `{"id":"`+id+`","attrs":{`+attrs+`}}`) }
		want(0, "active", 1)
		want(0, "grace", 2)
		want(0, "grace", 3) // above the limit, only because of the grace period
		s.clock.advance(60*time.Second + 999*time.Millisecond)
		want(0, "grace", 4)
		s.clock.advance(time.Millisecond)
		want(503, "exhausted", 4)
		set(`"usageLimit":5`)
		want(0, "grace", 5) // the grace period begins again, because the limit was raised
		s.clock.advance(61 * time.Second)
		want(503, "exhausted", 5)
		set(`"usageLimit":null`)
		want(0, "active", 6)
		set(`"usageLimit":3`)
		want(0, "grace", 7)
		s.clock.advance(61 * time.Second)
		want(503, "exhausted", 7)
		set(`"usageLimitDelay":0,"usageLimit":8`)
		want(0, "exhausted", 8) // a hard limit
		want(503, "exhausted", 8)
		set(`"usageLimit":9,"expires":"2026-01-01T00:00:00Z"`)
		want(502, "expired", 8)
	})
}

// Account numbers skip names that are taken, and no number is used twice.
func TestUsernamesAreNumbered(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := installing(t, url, func(c *dispatch.Config) { c.CodeAccounts = 5 })
		s.do(t, "user/create", `{"attrs":{"domain.name":"d","loginName":"GUEST2"}}`)
		for _, code := range []string{"code-aa", "code-bb"} {
			s.code(t, fmt.Sprintf(`"code":%q,"action":"CREATE_ACCOUNT_AND_DEVICE","usernamePrefix":"Guest","domain.name":"d"`, code))
		}
		n := 0
		next := func(code string) string {
			t.Helper()
			n++
			c, got, _ := s.redeem("192.0.2.1", code, fmt.Sprint(n), `,"device":{"name":"d"}`)
			if c != 0 {
				return fmt.Sprint(c)
			}
			return s.do(t, "user/get", fmt.Sprintf(`{"id":%q}`, got["user.id"])).(map[string]any)["loginName"].(string)
		}
		var got []string
		got = append(got, next("code-aa"), next("code-bb"), next("code-aa"))
		// The last account is deleted, but its number stays used.
		s.do(t, "device/delete", `{"device":{"user.loginName":"Guest4"}}`)
		s.do(t, "user/delete", `{"user":{"loginName":"Guest4"}}`)
		got = append(got, next("code-bb"))
		// 600 names in sequence are taken.
		var csv strings.Builder
		csv.WriteString("domain,loginName\n")
		for i := 6; i < 606; i++ {
			fmt.Fprintf(&csv, "d,guest%d\n", i)
		}
		s.do(t, "user/import", fmt.Sprintf(`{"attrs":{"csv":%q}}`, csv.String()))
		got = append(got, next("code-aa"))
		// One code makes at most five accounts an hour.
		got = append(got, next("code-aa"), next("code-aa"), next("code-aa"), next("code-bb"))
		s.clock.advance(time.Hour)
		got = append(got, next("code-aa"))
		if want := "Guest1 Guest3 Guest4 Guest5 Guest606 Guest607 Guest608 7 Guest609 Guest610"; strings.Join(got, " ") != want {
			t.Errorf("%v\nwant %s", got, want)
		}
	})
}

// Redemptions of unknown codes are counted by address. Known codes are not counted, but are delayed as well. All addresses
// together are delayed but never refused.
func TestGuessingCodes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, guessCodes) // the delayed replies take minutes
}

func guessCodes(t *testing.T) {
	s := installing(t, storetest.SQLite(t), quiet)
	s.code(t, `"code":"right-code","action":"CREATE_DEVICE","user.loginName":"desk"`)
	n := 0
	redeem := func(from, code string) (int, int) {
		n++
		c, _, status := s.redeem(from, code, fmt.Sprint(n), `,"device":{"name":"d"}`)
		return c, status
	}
	for range 30 {
		if c, _ := redeem("2001:db8::1", "right-code"); c != 0 {
			t.Fatal(c)
		}
	}
	for i := range 10 {
		if c, status := redeem("2001:db8::1", fmt.Sprint("wrong-code-", i)); c != 501 || status != 200 {
			t.Fatal(i, c, status)
		}
	}
	for _, from := range []string{"2001:db8::1", "2001:db8::ffff"} { // both in one /64
		for _, code := range []string{"wrong-code", "right-code"} {
			if c, status := redeem(from, code); c != 7 || status != http.StatusTooManyRequests {
				t.Errorf("%s from %s: %d %d", code, from, c, status)
			}
		}
	}
	if c, _ := redeem("2001:db8:0:1::1", "right-code"); c != 0 {
		t.Errorf("another network: %d", c)
	}
	s.clock.advance(10 * time.Second)
	if c, _ := redeem("2001:db8::1", "right-code"); c != 0 {
		t.Errorf("after a while: %d", c)
	}
	// Concurrent requests get no further than sequential ones.
	var all sync.WaitGroup
	var mu sync.Mutex
	codes := map[int]int{}
	for i := range 300 {
		all.Go(func() {
			c, _, _ := s.redeem("192.0.2.50", fmt.Sprint("wrong-code-", i), fmt.Sprint("p", i), `,"device":{"name":"d"}`)
			mu.Lock()
			defer mu.Unlock()
			codes[c]++
		})
	}
	all.Wait()
	if codes[501] != 10 || codes[7] != 290 {
		t.Errorf("of 300 wrong codes at once: %v", codes)
	}
	// check counts like redeem.
	for i := range 12 {
		want := 501
		if i >= 10 {
			want = 7
		}
		if c, _, _ := s.byDevice("192.0.2.7", "installationCode/check", `{"code":"no-such-code"}`); c != want {
			t.Errorf("check %d: %d", i, c)
		}
	}
	// Now with many addresses.
	began := time.Now()
	for i := range 210 {
		if c, _ := redeem(fmt.Sprintf("198.51.100.%d", i), "wrong-code"); c != 501 {
			t.Fatalf("address %d: %d", i, c)
		}
	}
	slow := time.Now()
	if c, _ := redeem("203.0.113.1", "right-code"); c != 0 {
		t.Errorf("while others guess: %d", c)
	}
	if took := time.Since(slow); took < 50*time.Millisecond || took > 2*time.Second {
		t.Errorf("while others guess an answer took %v; the guesses took %v", took, slow.Sub(began))
	}
}

// Only callers who may reveal secrets see a code, and each time is recorded.
func TestWhoSeesCodes(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := installing(t, url)
		id := s.code(t, `"code":"Secret-Code","action":"CREATE_DEVICE","user.loginName":"desk"`)
		few := s.agent(t, `"name":"few","permissions":"installationCode/*"`)
		exact := s.agent(t, `"name":"exact","permissions":"installationCode/get"`)
		for _, c := range []struct {
			who      caller
			method   string
			params   string
			code     int
			shows    bool
			recorded int
		}{
			{few, "get", `{"id":"` + id + `"}`, 0, false, 0},
			{few, "search", `{}`, 0, false, 0},
			{few, "search", `{"return":["code","state"]}`, 0, false, 0},
			{few, "search", `{"return":["code"]}`, 0, false, 0},
			{few, "get", `{"id":"` + id + `","return":"code"}`, 0, false, 0},
			{few, "getQRCode", `{"id":"` + id + `"}`, 5, false, 0},
			{exact, "get", `{"id":"` + id + `"}`, 0, true, 1},
			{exact, "get", `{"id":"` + id + `","return":["description"]}`, 0, false, 1}, // as before
			{exact, "search", `{}`, 5, false, 0},
			{caller{id: s.id, secret: s.key}, "search", `{}`, 0, true, 1},
		} {
			code, seen := s.answer(c.who, "installationCode/"+c.method, c.params)
			if code != c.code || strings.Contains(seen, "Secret-Code") != c.shows || !c.shows && code == 0 && strings.Contains(c.params, "code") && !strings.Contains(seen, `"code":null`) {
				t.Errorf("%s %s: %s", c.method, c.params, seen)
			}
			if n := s.recorded(t, `["method","=","installationCode/`+c.method+`"],["outcome","=",0],["object","=","installation code `+id+`"]`); n != c.recorded {
				t.Errorf("%s %s: %d rows of the record", c.method, c.params, n)
			}
		}
		limited := s.agent(t, `"name":"limited","permissions":"*","domains":"d"`)
		for _, m := range rpc.Methods() {
			if strings.HasPrefix(m.Path, "installationCode/") && !m.Device {
				if code, seen := s.answer(limited, m.Path, `{"id":"`+id+`"}`); code != 5 {
					t.Errorf("%s by an agent limited to a domain: %s", m.Path, seen)
				}
			}
		}
	})
}

// The database holds only a keyed hash and a sealed copy of a code, and the log nothing, whatever is done with the code.
func TestCodesAreSealed(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := installing(t, url, func(c *dispatch.Config) { c.PublicURL = "https://tokens.example" })
		id := s.code(t, `"code":"MARKED-code-1","action":"CREATE_DEVICE","user.loginName":"desk"`)
		qr := s.do(t, "installationCode/getQRCode", `{"id":"`+id+`"}`).(string)
		s.redeem("192.0.2.1", "marked code 1", "MARKEDnonce", `,"device":{"name":"d"}`)
		s.redeem("192.0.2.1", "MARKED-code-2", "MARKEDnonce", `,"device":{"name":"d"}`)
		s.byDevice("192.0.2.1", "installationCode/check", `{"code":"MARKED-code-1"}`)
		s.post("/i?c=MARKED-code-1", "", "Authorization", "Bearer MARKED-code-1")
		s.post("/installationCode/create", `{"attrs":{"code":"MARKED-code-1","action":"CREATE_DEVICE","user.loginName":"desk"}}`)
		s.post("/installationCode/search", `{"match":[["code","=","MARKED-code-1"]]}`)
		s.do(t, "installationCode/set", `{"id":"`+id+`","attrs":{"code":"MARKED-code-3"}}`)
		s.do(t, "installationCode/get", `{"id":"`+id+`"}`)
		stored := dump(t, s, url)
		for where, text := range map[string]string{"database": stored, "log": s.log.String()} {
			for _, mark := range []string{"marked", "MARKEDC0DE1", qr[:200]} {
				if i := strings.Index(strings.ToLower(text), strings.ToLower(mark)); i >= 0 {
					t.Errorf("%.20q shows in the %s: %.200q", mark, where, text[max(0, i-80):])
				}
			}
		}
	})
}

// A device that is made for an owner who can receive messages gets an installation code, which is sent to the owner.
func TestAutomaticCode(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		post := make(letterbox, 10)
		s := installing(t, url, func(c *dispatch.Config) {
			c.Senders, c.PublicURL = map[string]sender.Sender{model.SMTP: post}, "https://tokens.example/ts"
		})
		s.do(t, "user/create", `{"attrs":{"domain.name":"d","loginName":"silent"}}`)
		s.device(t, `"name":"nobody's"`)
		s.device(t, `"name":"unreached","user.loginName":"silent"`)
		s.device(t, `"name":"unwanted","user.loginName":"desk","installationCode":false`)
		if n := s.total(t, "installationCode", ""); n != 0 {
			t.Fatalf("%d codes", n)
		}
		id, token := s.device(t, `"name":"wanted","user.loginName":"desk"`)
		got := s.do(t, "installationCode/get", `{"match":[["device.id","=","`+id+`"]],"return":["code","action","usageLimit","usageLimitDelay","expires","state"]}`).(map[string]any)
		code := got["code"].(string)
		delete(got, "code")
		if want := `{"action":"USE_EXISTING_DEVICE","expires":"2026-01-08T00:00:00Z","state":"active","usageLimit":1,"usageLimitDelay":0}`; toJSON(got) != want {
			t.Errorf("%s", toJSON(got))
		}
		if !regexp.MustCompile(`^[0-9A-HJKMNP-TV-Z]{5}-[0-9A-HJKMNP-TV-Z]{5}$`).MatchString(code) {
			t.Error(code)
		}
		s.carry(t, post, func(m sender.Message) {
			if m.To != "desk@mail.example" || !strings.Contains(m.Text, code) || !strings.Contains(m.Text, "https://tokens.example/ts/i#c="+code+"\n") ||
				!strings.Contains(m.Text, "2026-01-08 00:00 UTC") {
				t.Errorf("%+v", m)
			}
		})
		c, _, _ := s.redeem("192.0.2.1", code, "1", "")
		if old, _ := s.connect(token); c != 0 || old != 512 {
			t.Error(c, old)
		}
		if c, _, _ := s.redeem("192.0.2.1", code, "2", ""); c != 503 {
			t.Error(c)
		}
	})
}

func toJSON(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

// A code that made devices for an existing account, and is later changed to make accounts, attaches no new device to the existing
// account.
func TestCodeStaysWithItsAccounts(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := installing(t, url)
		s.do(t, "domain/create", `{"attrs":{"name":"e"}}`)
		id := s.code(t, `"code":"changing","action":"CREATE_DEVICE","user.loginName":"desk"`)
		n := 0
		redeem := func(token string) (int, map[string]any) {
			n++
			c, got, _ := s.redeem("192.0.2.1", "changing", fmt.Sprint(n), `,"device":{"name":"d"},"clientToken":"`+token+`"`)
			return c, got
		}
		set := func(attrs string) { s.do(t, "installationCode/set", `{"id":"`+id+`","attrs":{`+attrs+`}}`) }
		_, got := redeem("")
		desk := got["clientToken"].(string)
		set(`"action":"CREATE_ACCOUNT_AND_DEVICE","usernamePrefix":"g","domain.name":"d"`)
		if c, got := redeem(desk); c != 511 {
			t.Error(c, got)
		}
		_, got = redeem("")
		guest, account := got["clientToken"].(string), got["user.id"]
		if c, got := redeem(guest); c != 0 || got["user.id"] != account {
			t.Error(c, got)
		}
		set(`"domain.name":"e"`)
		if c, got := redeem(guest); c != 511 {
			t.Error(c, got)
		}
		// A device of the account that was made by hand was not installed with the code.
		set(`"domain.name":"d"`)
		_, own := s.device(t, fmt.Sprintf(`"name":"own","user.id":%q`, account))
		if c, got := redeem(own); c != 511 {
			t.Error(c, got)
		}
	})
}

// A caller who may make codes can make only codes that do what the caller may do.
func TestNobodyInstallsWhatHeMayNot(t *testing.T) {
	t.Parallel()
	s := installing(t, storetest.SQLite(t))
	s.device(t, `"name":"safe"`)
	id := s.code(t, `"code":"existing","action":"CREATE_DEVICE","user.loginName":"desk"`)
	maker := s.agent(t, `"name":"maker","permissions":"installationCode/create,installationCode/set,device/create"`)
	for _, c := range []struct {
		method, params string
		code           int
	}{
		{"create", `{"attrs":{"action":"CREATE_DEVICE","user.loginName":"desk"}}`, 0},
		{"create", `{"attrs":{"action":"USE_EXISTING_DEVICE","device.name":"safe"}}`, 5},
		{"create", `{"attrs":{"action":"CREATE_ACCOUNT_AND_DEVICE","usernamePrefix":"g","domain.name":"d"}}`, 5},
		{"set", `{"id":"` + id + `","attrs":{"description":"x","usageLimit":3}}`, 0},
		{"set", `{"id":"` + id + `","attrs":{"action":"USE_EXISTING_DEVICE","device.name":"safe"}}`, 5},
		{"set", `{"id":"` + id + `","attrs":{"code":"of-my-own"}}`, 0},
	} {
		if code, seen := s.answer(maker, "installationCode/"+c.method, c.params); code != c.code {
			t.Errorf("%s %s: %s", c.method, c.params, seen)
		}
	}
}

// Names that are taken get a number, however many and however long they are.
func TestTakenDeviceNames(t *testing.T) {
	t.Parallel()
	s := installing(t, storetest.SQLite(t))
	s.code(t, `"code":"names-code","action":"CREATE_DEVICE","user.loginName":"desk"`)
	n := 0
	redeem := func(name string) string {
		n++
		_, got, _ := s.redeem("192.0.2.1", "names-code", fmt.Sprint(n), fmt.Sprintf(`,"device":{"name":%q}`, name))
		return s.do(t, "device/get", fmt.Sprintf(`{"id":%q}`, got["device.id"])).(map[string]any)["name"].(string)
	}
	for i := range 40 {
		want := "Phone"
		if i > 0 {
			want = fmt.Sprint("Phone-", i+1)
		}
		if got := redeem("Phone"); got != want {
			t.Fatalf("device %d is called %s", i+1, got)
		}
	}
	s.do(t, "device/delete", `{"device":{"name":"Phone-17"}}`)
	if got := redeem("PHONE"); got != "PHONE-17" && got != "PHONE-41" {
		t.Error(got)
	}
	long := strings.Repeat("é", 127) + "x"
	for range 12 {
		if got := redeem(long); len(got) > 255 || !utf8.ValidString(got) {
			t.Errorf("%d bytes: %s", len(got), got)
		}
	}
	for _, device := range []string{`{"name":"x","hardwareId":"a\r\nb"}`, `{"name":"a\u202eb"}`, `{"name":"x","platform":"\u0000"}`} {
		if c, _, _ := s.redeem("192.0.2.1", "names-code", "bad", `,"device":`+device); c != 11 {
			t.Errorf("%s: %d", device, c)
		}
	}
}

// A code for an object that was deleted is not shown as usable.
func TestCodeWithoutTarget(t *testing.T) {
	t.Parallel()
	s := installing(t, storetest.SQLite(t))
	id, _ := s.device(t, `"name":"gone"`)
	codes := []string{s.code(t, `"code":"device-gone","action":"USE_EXISTING_DEVICE","device.name":"gone"`), s.code(t, `"code":"account-gone","action":"CREATE_DEVICE","user.loginName":"desk"`)}
	s.do(t, "device/delete", `{"id":"`+id+`"}`)
	s.do(t, "user/set", `{"user":{"loginName":"desk"},"attrs":{"status":"DISABLED"}}`)
	for i, text := range []string{"device-gone", "account-gone"} {
		for _, method := range []string{"getQRCode", "send"} {
			if _, reply := s.post("/installationCode/"+method, `{"id":"`+codes[i]+`","channel":"SMTP"}`); codeIn(reply) != 505 {
				t.Errorf("%s: %s", method, reply)
			}
		}
		if c, _, _ := s.byDevice("192.0.2.1", "installationCode/check", `{"code":"`+text+`"}`); c != 505 {
			t.Errorf("check: %d", c)
		}
	}
}

// A failure inside the action returns the use to the code and changes nothing.
func TestRedeemIsAllOrNothing(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := installing(t, url)
		s.do(t, "license/create", `{"attrs":{"name":"l","seats":1}}`)
		s.do(t, "license/create", `{"attrs":{"name":"old","seats":1,"expires":"2020-01-01"}}`)
		s.device(t, `"name":"takes the seat","license.name":"l"`)
		s.do(t, "user/create", `{"attrs":{"domain.name":"d","loginName":"gone","status":"DISABLED"}}`)
		s.device(t, `"name":"asleep","status":"INACTIVE"`)
		for _, c := range []struct {
			attrs, device string
			want          int
		}{
			{`"action":"CREATE_ACCOUNT_AND_DEVICE","usernamePrefix":"p","domain.name":"d","license.name":"l"`, `{"name":"d"}`, 506},
			{`"action":"CREATE_ACCOUNT_AND_DEVICE","usernamePrefix":"p","domain.name":"d","license.name":"old"`, `{"name":"d"}`, 508},
			{`"action":"CREATE_ACCOUNT_AND_DEVICE","usernamePrefix":"p","domain.name":"d"`, `{}`, 10},
			{`"action":"CREATE_ACCOUNT_AND_DEVICE","usernamePrefix":"p","domain.name":"d"`, `{"name":" d"}`, 11},
			{`"action":"CREATE_DEVICE","user.loginName":"gone"`, `{"name":"d"}`, 505},
			{`"action":"USE_EXISTING_DEVICE","device.name":"asleep"`, `{"name":"d"}`, 505},
		} {
			id := s.code(t, `"code":"code-0001","usageLimit":1,`+c.attrs)
			before := contents(t, url)
			if code, _, _ := s.redeem("192.0.2.1", "code-0001", "1", `,"device":`+c.device); code != c.want {
				t.Errorf("%s: %d, not %d", c.attrs, code, c.want)
			}
			if after := contents(t, url); after != before {
				t.Errorf("%s: something changed: %s", c.attrs, changed(before, after))
			}
			s.do(t, "installationCode/delete", `{"id":"`+id+`"}`)
		}
	})
}

// changed returns the lines of after that are not in before.
func changed(before, after string) string {
	was := strings.Split(before, "\n")
	return strings.Join(slices.DeleteFunc(strings.Split(after, "\n"), func(line string) bool { return slices.Contains(was, line) }), "\n")
}

// BenchmarkUnknownCode alternates between an unknown code and known codes that are refused. Their median times must be alike.
func BenchmarkUnknownCode(b *testing.B) {
	s := installing(b, storetest.SQLite(b), quiet)
	s.code(b, `"code":"used-code","action":"CREATE_DEVICE","user.loginName":"desk","usageLimit":1`)
	s.redeem("192.0.2.1", "used-code", "first", `,"device":{"name":"d"}`)
	s.code(b, `"code":"disabled-code","action":"CREATE_DEVICE","user.loginName":"desk","enabled":false`)
	took := map[string][]time.Duration{}
	b.ResetTimer()
	for i := range b.N {
		s.clock.advance(time.Minute)
		for _, code := range []string{"unknown-code", "used-code", "disabled-code"} {
			began := time.Now()
			s.redeem("192.0.2.1", code, fmt.Sprint(i, code), `,"device":{"name":"d"}`)
			took[code] = append(took[code], time.Since(began))
		}
	}
	for code, times := range took {
		sort.Slice(times, func(i, j int) bool { return times[i] < times[j] })
		b.ReportMetric(float64(times[len(times)/2].Microseconds()), "us-median-"+code)
	}
}
