package rpc_test

import (
	"bufio"
	"crypto/rand"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tokensmith/model"
	"tokensmith/model/modeltest"
	"tokensmith/store/storetest"
)

// device creates a device and returns its id and client token.
func (s *service) device(t testing.TB, attrs string) (id, token string) {
	t.Helper()
	made := s.do(t, "device/create", `{"attrs":{`+attrs+`}}`).(map[string]any)
	return made["id"].(string), made["clientToken"].(string)
}

// connect returns the code of the reply to a device, and the reply.
func (s *service) connect(token string) (int, string) {
	_, reply := s.post("/device/connect", `{"token":"`+token+`"}`, "Authorization", "")
	return codeIn(reply), reply
}

// TestSeatsAreNeverExceeded: 200 concurrent callers in two processes, or three with PostgreSQL, for the last 10 seats: exactly 10
// succeed. A deleted device frees its seat.
func TestSeatsAreNeverExceeded(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		one := newService(t, url)
		many := one.together(t)
		one.do(t, "license/create", `{"attrs":{"name":"l","seats":12}}`)
		first, _ := one.device(t, `"name":"first","license.name":"l"`)
		one.device(t, `"name":"second","license.name":"l"`)
		var codes [600]atomic.Int32
		var all sync.WaitGroup
		for i := range 200 {
			all.Go(func() {
				method, params := "device/create", fmt.Sprintf(`{"attrs":{"name":"d%d","license.name":"l"}}`, i)
				if i%10 == 0 {
					method, params = "device/createMany", fmt.Sprintf(`{"attrs":{"label":"m%d","quantity":1,"licenses":[%q]}}`, i, one.license(t, "l"))
				}
				_, reply := many[i%len(many)].post("/"+method, params)
				codes[codeIn(reply)].Add(1)
			})
		}
		all.Wait()
		if got, full := codes[0].Load(), codes[506].Load(); got != 10 || full != 190 {
			t.Errorf("%d got a seat, %d were told that there is none", got, full)
		}
		one.do(t, "device/delete", `{"id":"`+first+`"}`)
		one.device(t, `"name":"again","license.name":"l"`)
		if code, _ := one.post("/device/create", `{"attrs":{"name":"no more","license.name":"l"}}`); code != 200 {
			t.Fatal(code)
		}
		found := one.do(t, "license/get", `{"license":{"name":"l"},"return":["seatsUsed",{"devices":["id"]}]}`).(map[string]any)
		if used, devices := found["seatsUsed"].(float64), len(found["devices"].([]any)); used != 12 || devices != 12 {
			t.Errorf("%v seats used by %d devices", used, devices)
		}
	})
}

func (s *service) license(t testing.TB, name string) string {
	return s.do(t, "license/get", `{"license":{"name":"`+name+`"}}`).(map[string]any)["id"].(string)
}

// TestGenerateTokenOnce: two administrators replace the same token at the same time. One succeeds, and the other is told.
func TestGenerateTokenOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		one := newService(t, url)
		both := []*service{one, one.second(t)}
		id, token := one.device(t, `"name":"d"`)
		for range 10 {
			hint := token[len(token)-4:]
			replies := make([]string, 2)
			var all sync.WaitGroup
			for i, s := range both {
				all.Go(func() {
					_, replies[i] = s.post("/device/generateToken", fmt.Sprintf(`{"id":%q,"expect":%q}`, id, hint))
				})
			}
			all.Wait()
			if codeIn(replies[0]) != 0 {
				replies[0], replies[1] = replies[1], replies[0]
			}
			if codeIn(replies[0]) != 0 || codeIn(replies[1]) != 16 {
				t.Fatal(replies)
			}
			old := token
			token = regexp.MustCompile(`tsc_\w+`).FindString(replies[0])
			if code, _ := both[1].connect(old); code != 512 {
				t.Errorf("the old token: %d", code)
			}
			if code, _ := both[1].connect(token); code != 0 {
				t.Errorf("the new token: %d", code)
			}
		}
	})
}

// TestMistypedTokenNeedsNoDatabase: a malformed token is refused without a look-up, and so even without a database.
func TestMistypedTokenNeedsNoDatabase(t *testing.T) {
	t.Parallel()
	s := newService(t, storetest.SQLite(t))
	_, token := s.device(t, `"name":"d"`)
	if err := s.store.Close(); err != nil {
		t.Fatal(err)
	}
	if code, reply := s.connect("tsc_x" + token[5:]); code != 511 {
		t.Error(reply)
	}
	if code, reply := s.connect(token); code != 8 {
		t.Error(reply)
	}
}

// TestGuessedTokens: wrong tokens are counted by address, and the address then has to wait. A valid token is not affected, and
// neither is one that has ended.
func TestGuessedTokens(t *testing.T) {
	t.Parallel()
	s := newService(t, storetest.SQLite(t))
	_, token := s.device(t, `"name":"d"`)
	wrong, _, err := model.NewClientToken(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	codes := map[int]int{}
	for range 50 {
		status, reply := s.post("/device/connect", `{"token":"`+string(wrong)+`"}`)
		codes[codeIn(reply)]++
		if codeIn(reply) == 7 && status != http.StatusTooManyRequests {
			t.Errorf("%d %s", status, reply)
		}
	}
	if codes[511] != 30 || codes[7] != 20 {
		t.Error(codes)
	}
	if code, reply := s.connect(token); code != 0 {
		t.Error(reply)
	}
	s.do(t, "device/revokeToken", `{"device":{"name":"d"}}`)
	for range 50 {
		if code, reply := s.connect(token); code != 512 {
			t.Fatal(reply)
		}
	}
	if n := s.recorded(t, `["method","=","device/connect"],["outcome","=",511]`); n != 30 {
		t.Errorf("%d refusals are recorded", n)
	}
	// Refusals beyond the rate of an address are only counted, so they do not hide the refusals of others.
	if n := s.recorded(t, `["method","=","device/connect"],["outcome","=",512]`); n > 5 {
		t.Errorf("%d refusals of one that has ended are recorded", n)
	}
	s.clock.advance(3 * time.Second)
	s.connect(token)
	if n := s.recorded(t, `["object","~=","more refused before"]`); n != 1 {
		t.Error("the refusals that were not recorded are not counted")
	}
}

// TestLastSeenIsWrittenOnceAMinute: the first use is recorded in the audit log. The last use is saved once a minute and not
// recorded.
func TestLastSeenIsWrittenOnceAMinute(t *testing.T) {
	t.Parallel()
	s := newService(t, storetest.SQLite(t))
	id, token := s.device(t, `"name":"d"`)
	seen := func() string {
		d := s.do(t, "device/get", `{"id":"`+id+`","return":["lastSeen","tokenLastUsed","tokenFirstUsed","online"]}`).(map[string]any)
		return fmt.Sprint(d["lastSeen"], d["tokenLastUsed"], d["tokenFirstUsed"], d["online"])
	}
	want := func(at, online string) {
		t.Helper()
		if got := seen(); got != at+at+"2026-01-01T00:00:00Z"+online {
			t.Error(got)
		}
	}
	for range 60 {
		if code, reply := s.connect(token); code != 0 {
			t.Fatal(reply)
		}
		want("2026-01-01T00:00:00Z", "true")
		s.clock.advance(time.Second)
	}
	s.connect(token)
	want("2026-01-01T00:01:00Z", "true")
	s.clock.advance(15 * time.Minute)
	want("2026-01-01T00:01:00Z", "true")
	s.clock.advance(time.Second)
	want("2026-01-01T00:01:00Z", "false")
	if n := s.recorded(t, `["method","=","device/connect"]`); n != 1 {
		t.Errorf("%d rows of the record", n)
	}
}

// listening is the event stream of a device.
type listening struct {
	resp  *http.Response
	lines *bufio.Scanner
}

// listen opens the event stream of a device and reads its first ping.
func listen(t testing.TB, url, method, token string) *listening {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url+"/das5/rest/device/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	l := &listening{resp, bufio.NewScanner(resp.Body)}
	if ct := resp.Header.Get("Content-Type"); ct != "text/event-stream" {
		t.Fatal(resp.StatusCode, ct)
	}
	if name, _ := l.event(); name != "ping" {
		t.Fatalf("the first event is %q", name)
	}
	return l
}

// event reads the next event; "" if the stream has ended.
func (l *listening) event() (name, data string) {
	for l.lines.Scan() {
		switch line := l.lines.Text(); {
		case strings.HasPrefix(line, "event: "):
			name = line[7:]
		case strings.HasPrefix(line, "data: "):
			data = line[6:]
		case line == "":
			return name, data
		}
	}
	return "", ""
}

// TestStreamsOpenedWhileLoggedOut: the tokens of devices are replaced while these open streams. Each device is told, or is
// refused at once.
func TestStreamsOpenedWhileLoggedOut(t *testing.T) {
	t.Parallel()
	s := newService(t, storetest.SQLite(t))
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	t.Cleanup(s.EndEvents)
	go s.Follow(t.Context())
	var all sync.WaitGroup
	for i := range 40 {
		id, token := s.device(t, fmt.Sprintf(`"name":"d%d"`, i))
		all.Go(func() {
			time.Sleep(time.Duration(i*7) * time.Millisecond)
			s.post("/device/generateToken", `{"id":"`+id+`"}`)
		})
		all.Go(func() {
			time.Sleep(time.Duration(i*7) * time.Millisecond)
			r, _ := http.NewRequestWithContext(t.Context(), "GET", web.URL+"/device/events", nil)
			r.Header.Set("Authorization", "Bearer "+token)
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			l := &listening{resp, bufio.NewScanner(resp.Body)}
			for name, data := "ping", ""; resp.StatusCode == 200 && name == "ping"; {
				if name, data = l.event(); name != "ping" && (name != "loggedOut" || !strings.Contains(data, "512")) {
					t.Errorf("%q %s", name, data)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(modeltest.Patience):
		t.Error("a device was not told that it is logged out")
		s.EndEvents()
		<-done
	}
}

// TestFirstUseIsRecordedOnce: of many simultaneous first calls, one is recorded.
func TestFirstUseIsRecordedOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		_, token := s.device(t, `"name":"d"`)
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if code, reply := s.connect(token); code != 0 {
					t.Error(reply)
				}
			})
		}
		all.Wait()
		if n := s.recorded(t, `["method","=","device/connect"]`); n != 1 {
			t.Errorf("%d rows of the record", n)
		}
	})
}

// TestEventStreams: a device's stream is told that the device is logged out, and is closed, whatever logged it out and in
// whichever process.
func TestEventStreams(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		one := newService(t, url)
		two := one.second(t)
		web := httptest.NewServer(one)
		t.Cleanup(web.Close)
		t.Cleanup(one.EndEvents)
		go one.Follow(t.Context())
		for i, c := range []struct{ method, params, code, rest string }{
			{"device/generateToken", `{"id":"%s"}`, "512", `,"result":{"reason":"superseded"}}`},
			{"device/revokeToken", `{"id":"%s"}`, "512", `,"result":{"reason":"revoked"}}`},
			{"device/delete", `{"id":"%s"}`, "511", "}"},
			{"device/set", `{"id":"%s","attrs":{"status":"INACTIVE"}}`, "513", "}"},
		} {
			for j, by := range []*service{one, two} {
				id, token := one.device(t, fmt.Sprintf(`"name":"d%d%d"`, i, j))
				_, bystander := one.device(t, fmt.Sprintf(`"name":"b%d%d"`, i, j))
				stream := listen(t, web.URL, []string{"GET", "POST"}[j], token)
				other := listen(t, web.URL, "GET", bystander)
				by.do(t, c.method, fmt.Sprintf(c.params, id))
				name, data := stream.event()
				var e struct{ Error json.Number }
				if err := json.Unmarshal([]byte(data), &e); err != nil || name != "loggedOut" || e.Error.String() != c.code || !strings.HasSuffix(data, c.rest) {
					t.Errorf("%s: %q %s %v", c.method, name, data, err)
				}
				if name, _ := stream.event(); name != "" {
					t.Errorf("%s: the stream goes on with %q", c.method, name)
				}
				if code, _ := two.connect(bystander); code != 0 {
					t.Error("the bystander is logged out")
				}
				other.resp.Body.Close()
			}
		}
		// One token has a few streams. A further one ends the oldest.
		_, token := one.device(t, `"name":"greedy"`)
		oldest := listen(t, web.URL, "GET", token)
		for range 8 {
			listen(t, web.URL, "GET", token)
		}
		if name, data := oldest.event(); name != "" {
			t.Error(name, data)
		}
		// The streams end with the server.
		last := listen(t, web.URL, "GET", func() string { _, token := one.device(t, `"name":"last"`); return token }())
		one.EndEvents()
		if name, data := last.event(); name != "" {
			t.Error(name, data)
		}
	})
}

// TestManyDevices: 100,000 devices in one call, or 5,000 without the long tests: all are created, in limited memory, and the CSV
// file can be read by a reader for RFC 4180.
func TestManyDevices(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		n := modeltest.Size(100_000, 5_000)
		name := func(i int) string { return fmt.Sprintf("-l-%0*d", len(fmt.Sprint(n)), i) }
		s.do(t, "license/create", fmt.Sprintf(`{"attrs":{"name":"=1+1","seats":%d}}`, n-1))
		s.do(t, "device/create", `{"attrs":{"name":"`+name(2)+`"}}`)
		params := fmt.Sprintf(`{"attrs":{"label":"-l","quantity":%d,"csv":true,"licenses":[%q]`, n, s.license(t, "=1+1"))
		if _, reply := s.post("/device/createMany", params+`}}`); codeIn(reply) != 506 {
			t.Fatalf("%.300s", reply)
		}
		if total := s.do(t, "device/search", `{"max":0}`).(map[string]any)["total"].(float64); total != 1 {
			t.Fatalf("%v devices are there", total)
		}
		before := heap()
		var most atomic.Uint64
		done := make(chan struct{})
		var watch sync.WaitGroup
		watch.Go(func() {
			for {
				select {
				case <-done:
					return
				case <-time.After(20 * time.Millisecond):
					var m runtime.MemStats
					runtime.ReadMemStats(&m)
					most.Store(max(most.Load(), m.HeapAlloc))
				}
			}
		})
		made := s.do(t, "device/createMany", params+`,"allowUnlicensed":true}}`).(map[string]any)
		close(done)
		watch.Wait()
		t.Logf("%d MB of heap at most", (most.Load()-before)>>20)
		file := made["csv"].(string)
		if strings.Count(file, "\r\n") != n+1 {
			t.Error("lines do not end in CRLF")
		}
		rows, err := csv.NewReader(strings.NewReader(file)).ReadAll()
		if err != nil || len(rows) != n+1 {
			t.Fatal(len(rows), err)
		}
		first, last := rows[1], rows[n]
		if strings.Join(rows[0], ",") != "name,id,license,clientToken" || first[0] != "'"+name(1) || first[2] != "'=1+1" ||
			rows[2][0] != "'"+name(3) || last[0] != "'"+name(n+1) || last[2] != "" {
			t.Error(rows[0], first, rows[2], last)
		}
		if code, reply := s.connect(last[3]); code != 0 || !strings.Contains(reply, `"name":"`+name(n+1)+`","groups":["-l"]`) {
			t.Error(reply)
		}
		used := s.do(t, "license/get", `{"license":{"name":"=1+1"},"return":["seatsUsed"]}`).(map[string]any)["seatsUsed"]
		if fmt.Sprint(used) != fmt.Sprint(n-1) {
			t.Error(used, "seats are used")
		}
	})
}

// TestDevicesOfADomain: a caller that is limited to domains sees only the devices of their users, also in groups.
func TestDevicesOfADomain(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		for _, d := range []string{"here", "there"} {
			s.do(t, "domain/create", `{"attrs":{"name":"`+d+`"}}`)
			s.do(t, "user/create", `{"attrs":{"domain.name":"`+d+`","loginName":"u`+d+`"}}`)
		}
		s.do(t, "deviceGroup/create", `{"attrs":{"name":"g"}}`)
		s.device(t, `"name":"mine","user.loginName":"uhere","groups":["g"]`)
		s.device(t, `"name":"theirs","user.loginName":"uthere","groups":["g"]`)
		s.device(t, `"name":"nobody's","groups":["g"]`)
		limited := s.agent(t, `"name":"limited","permissions":"*","domains":"here"`)
		for _, c := range []struct {
			method, params string
			code           int
			sees           string
		}{
			{"device/search", `{"return":["name"]}`, 0, `{"total":1,"rows":[{"name":"mine"}]}`},
			{"deviceGroup/get", `{"deviceGroup":{"name":"g"},"return":[{"devices":["name"]}]}`, 0, `{"devices":[{"name":"mine"}]}`},
			{"device/search", `{"match":[["groups.name","=","g"]],"return":["name"]}`, 0, `{"total":1,"rows":[{"name":"mine"}]}`},
			{"user/search", `{"return":["loginName",{"devices":["name"]}]}`, 0, `[{"loginName":"uhere","devices":[{"name":"mine"}]}]`},
			{"device/create", `{"attrs":{"name":"x"}}`, 10, ""},
			{"device/create", `{"attrs":{"name":"x","user.loginName":"uthere"}}`, 101, ""},
			{"device/create", `{"attrs":{"name":"x","user.loginName":"uhere","groups":["g"]}}`, 0, ""},
			{"device/set", `{"device":{"name":"x"},"attrs":{"user":null}}`, 10, ""},
			{"device/generateToken", `{"device":{"name":"theirs"}}`, 107, ""},
			{"device/createMany", `{"attrs":{"label":"m","quantity":1,"allowUnlicensed":true}}`, 5, ""},
			{"deviceGroup/set", `{"deviceGroup":{"name":"g"},"attrs":{"name":"h"}}`, 5, ""},
			{"license/create", `{"attrs":{"name":"l","seats":1}}`, 5, ""},
		} {
			if code, seen := s.answer(limited, c.method, c.params); code != c.code || !strings.Contains(seen, c.sees) {
				t.Errorf("%s %s: %s", c.method, c.params, seen)
			}
		}
	})
}

// TestClientTokensAreSealed: the database contains only the public id, a hash and a sealed copy of a client token, and the log
// contains nothing of it.
func TestClientTokensAreSealed(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		id, token := s.device(t, `"name":"d"`)
		tokens := []string{token}
		s.connect(token)
		s.connect(token + "x")
		s.do(t, "device/revealToken", `{"id":"`+id+`"}`)
		tokens = append(tokens, s.do(t, "device/generateToken", `{"id":"`+id+`"}`).(map[string]any)["clientToken"].(string))
		s.connect(token)
		s.post("/device/events", "", "Authorization", "Bearer "+token)
		s.post("/device/events?token="+token, "", "Authorization", "Basic "+token)
		s.post("/token/search", `{"match":[["serial","=","`+token+`"]]}`, "Authorization", "Bearer "+token)
		s.post("/device/set", `{"id":"`+token+`","attrs":{"description":"x"}}`)
		csv := s.do(t, "device/createMany", `{"attrs":{"label":"m","quantity":20,"csv":true,"allowUnlicensed":true}}`).(map[string]any)["csv"].(string)
		tokens = append(tokens, regexp.MustCompile(model.ClientTokenPattern).FindAllString(csv, -1)...)
		s.do(t, "device/revokeToken", `{"device":{"name":"m-001"}}`)
		s.do(t, "device/delete", `{"device":{"name":"m-002"}}`)
		if len(tokens) != 22 {
			t.Fatal(tokens)
		}
		stored := dump(t, s, url)
		for _, token := range tokens {
			if id := token[4:14]; token != tokens[3] && !strings.Contains(stored, id) {
				t.Errorf("the dump does not show the token %s", id)
			}
			for where, text := range map[string]string{"database": stored, "log": s.log.String()} {
				if strings.Contains(text, token[14:44]) {
					t.Errorf("the secret of a client token shows in the %s", where)
				}
			}
		}
	})
}
