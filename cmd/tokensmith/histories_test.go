package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"tokensmith/model/modeltest"
	"tokensmith/model/otp"
	"tokensmith/store/storetest"
)

// A history consists of the calls that callers made to several processes, their replies, and the times. It is linearizable if
// each call can be assigned one moment between its request and its reply, such that all replies are those of a single process
// that carries out the calls one after the other in this order. The models below say what such a process replies.

// asked is a call in a history.
type asked struct {
	key   string // the object of the call; calls with different objects do not depend on each other
	op    string
	n     int    // the OTP's counter, or the number of a nonce
	token string // a client token
}

// told is how a call ended.
type told struct {
	code  int    // code of the envelope, or noReply
	token string // the client token in the reply
}

const (
	noReply     = -1 // the connection ended: the call may be carried out at any later time, or never
	notSent     = -2 // there was no connection
	unavailable = 8  // it was carried out or not, and will not be carried out later
)

// history records calls.
type history struct {
	began time.Time
	mu    sync.Mutex
	calls []porcupine.Operation
}

// record makes a call and records it.
func (h *history) record(in asked, call func() told) told {
	from := time.Since(h.began)
	out := call()
	until := time.Since(h.began)
	switch out.code {
	case noReply:
		until = math.MaxInt64
	case notSent:
		time.Sleep(10 * time.Millisecond)
		return out
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, porcupine.Operation{Input: in, Call: int64(from), Output: out, Return: int64(until)})
	return out
}

// check checks that the calls of one kind, which is the beginning of their key, agree with a model: which replies are possible in
// each state, and which states may follow. done returns the states after a call that is carried out without a reply.
func check[S comparable](t *testing.T, h *history, kind string, begin S, step func(s S, in asked, out told) []S, done func(s S, in asked) []S) {
	t.Helper()
	byKey := map[string][]porcupine.Operation{}
	for _, o := range h.calls {
		if key := o.Input.(asked).key; strings.HasPrefix(key, kind) {
			byKey[key] = append(byKey[key], o)
		}
	}
	m := (&porcupine.NondeterministicModel{
		Init: func() []any { return []any{begin} },
		Step: func(state, input, output any) (next []any) {
			s, in, out := state.(S), input.(asked), output.(told)
			var states []S
			if out.code == noReply || out.code == unavailable {
				states = append(done(s, in), s)
			} else {
				states = step(s, in, out)
			}
			for _, s := range states {
				next = append(next, s)
			}
			return next
		},
		Equal:             func(a, b any) bool { return a == b },
		DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v: %+v", in, out) },
		DescribeState:     func(s any) string { return fmt.Sprintf("%+v", s) },
	}).ToModel()
	codes := map[int]int{}
	calls := 0
	for key, ops := range byKey {
		for _, o := range ops {
			codes[o.Output.(told).code]++
			calls++
		}
		if result := porcupine.CheckOperationsTimeout(m, ops, modeltest.Patience); result != porcupine.Ok {
			slices.SortFunc(ops, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
			var text strings.Builder
			for _, o := range ops {
				fmt.Fprintf(&text, "\n%12v to %12v  %+v: %+v", time.Duration(o.Call), time.Duration(o.Return), o.Input, o.Output)
			}
			t.Errorf("the history of %s is not one call after the other (%s):%s", key, result, text.String())
		}
	}
	t.Logf("%s: %d histories with %d calls, by code %v", kind, len(byKey), calls, codes)
	if codes[0] == 0 {
		t.Errorf("%s: nothing was carried out", kind)
	}
}

// tokenState is an event-based token from the view of a verifier.
type tokenState struct {
	exists bool
	next   int     // the counter of the next OTP
	used   int     // the counter after the last accepted OTP; a new token with the seed begins with it
	asked  otpList // the OTPs that were answered with "out of sync"; they log in only as the first of two
}

// otpList is a set of counters of OTPs.
type otpList [4]uint64

func (l otpList) has(n int) bool { return n >= 0 && l[n/64]&(1<<(n%64)) != 0 }

func (l otpList) with(n int) otpList {
	l[n/64] |= 1 << (n % 64)
	return l
}

// window is how far ahead a single OTP may be to be accepted.
const window = 10

func (s tokenState) accepts(in asked) bool {
	switch {
	case !s.exists || in.n < s.next:
		return false
	case in.op == "sync":
		return true
	}
	return s.asked.has(in.n-1) || in.n <= s.next+window && !s.asked.has(in.n)
}

func stepToken(s tokenState, in asked, out told) []tokenState {
	ok := false
	switch out.code {
	case 0:
		switch in.op {
		case "verify", "sync":
			ok = s.accepts(in)
		case "reset", "delete":
			ok = s.exists
		case "create":
			ok = !s.exists
		}
		if ok {
			return doneToken(s, in)
		}
	case 7: // too many refusals within a minute: it was not checked
		ok = in.op == "verify"
	case 206: // used before
		ok = in.op == "verify" && s.exists && in.n < s.next
	case 201:
		ok = in.op == "verify" && (!s.exists || in.n != s.next)
	case 205:
		switch {
		case in.op == "verify" && s.exists && in.n > s.next-1 && (in.n > s.next || s.asked.has(in.n)):
			s.asked = s.asked.with(in.n)
			ok = true
		case in.op == "sync": // not two consecutive unused OTPs
			ok = !s.exists || in.n < s.next || s.asked.has(in.n+1)
		}
	case 102: // there is none
		ok = in.op != "verify" && in.op != "create" && !s.exists
	case 13: // there is one
		ok = in.op == "create" && s.exists
	}
	if ok {
		return []tokenState{s}
	}
	return nil
}

// doneToken returns the states that may follow if the call is carried out.
func doneToken(s tokenState, in asked) []tokenState {
	switch {
	case in.op == "create" && !s.exists:
		s.exists = true
		again := s
		again.next, again.asked = s.used, otpList{}
		return []tokenState{s, again}
	case in.op == "verify" && s.accepts(in):
		return []tokenState{{true, in.n + 1, in.n + 1, s.asked}}
	case in.op == "sync" && s.accepts(in):
		return []tokenState{{true, in.n + 2, in.n + 2, s.asked}}
	case in.op == "reset" && s.exists:
		return []tokenState{{true, in.n, s.used, s.asked}, {true, in.n, s.used, otpList{}}}
	case in.op == "delete" && s.exists:
		s.exists = false
		return []tokenState{s}
	}
	return nil
}

// codeState is an installation code: the nonces that it was used with.
type codeState struct {
	uses int
	by   [nonces]bool
}

const (
	nonces   = 12
	maxUses  = 5
	unknown  = "?" // a client token that nobody saw
	loggedIn = "in"
)

func stepCode(s codeState, in asked, out told) []codeState {
	ok := false
	switch out.code {
	case 0:
		return doneCode(s, in)
	case 503: // exhausted
		ok = !s.by[in.n] && s.uses >= maxUses
	case 507: // completed already
		ok = s.by[in.n]
	}
	if ok {
		return []codeState{s}
	}
	return nil
}

func doneCode(s codeState, in asked) []codeState {
	if s.by[in.n] {
		return []codeState{s} // the same device
	}
	if s.uses >= maxUses {
		return nil
	}
	s.by[in.n] = true
	s.uses++
	return []codeState{s}
}

// stepDevice: the state of a device is the client token with which it can connect; "" if it is deleted.
func stepDevice(s string, in asked, out told) []string {
	ok := false
	switch {
	case in.op == "connect" && out.code == 0:
		ok = s != "" && in.token == s
	case in.op == "connect" && (out.code == 511 || out.code == 512):
		ok = in.token != s
	case in.op == "generate" && out.code == 0:
		if s != "" {
			return []string{out.token}
		}
	case in.op == "delete" && out.code == 0:
		if s != "" {
			return []string{""}
		}
	case out.code == 107: // there is none
		ok = s == ""
	case out.code == 7:
		ok = true
	}
	if ok {
		return []string{s}
	}
	return nil
}

func doneDevice(s string, in asked) []string {
	switch {
	case s == "" || in.op == "delete":
		return []string{""}
	case in.op == "generate":
		return []string{unknown}
	}
	return []string{s}
}

// stepSession: the state of a session is whether it is signed in.
func stepSession(s string, in asked, out told) []string {
	switch {
	case in.op == "signIn" && out.code == 0:
		return []string{loggedIn}
	case in.op == "signOut" && out.code == 0:
		return []string{""}
	case in.op == "call" && (out.code == 0) == (s == loggedIn):
		return []string{s}
	}
	return nil
}

func doneSession(s string, in asked) []string {
	switch in.op {
	case "signIn":
		return []string{loggedIn}
	case "signOut":
		return []string{""}
	}
	return []string{s}
}

// betweenTroubles is how many calls are answered before the next trouble: some twenty times in a run.
const betweenTroubles = 60

// site is several processes on one database, which are killed and restarted while others call them.
type site struct {
	t    *testing.T
	c    *agentCaller
	all  []*process
	mu   sync.RWMutex
	urls []string

	password string       // password of the first administrator
	answered atomic.Int64 // how many calls were answered
}

func newSite(t *testing.T, many int, args ...string) *site {
	s := &site{t: t}
	s.all, s.c = processes(t, many, args...)
	for _, p := range s.all {
		s.urls = append(s.urls, p.url)
	}
	s.password = s.all[0].password()
	return s
}

func (s *site) url(n int) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.urls[n%len(s.urls)]
}

// kill ends a process as a power failure would, and restarts it.
func (s *site) kill(n int) {
	n %= len(s.all)
	s.all[n].kill()
	s.all[n].start()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.urls[n] = s.all[n].url
}

// call posts to a process and returns the code and one member of the result.
func (s *site) call(client *http.Client, url string, params any, member string) (out told, err error) {
	body, err := json.Marshal(params)
	if err != nil {
		return out, err
	}
	r, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return out, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if client == http.DefaultClient {
		r.SetBasicAuth(s.c.id, s.c.secret)
	}
	resp, err := client.Do(r)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return told{code: notSent}, nil
	}
	if err != nil {
		return told{code: noReply}, nil
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return told{code: noReply}, nil
	}
	var e struct {
		Error  *int
		Result map[string]any
	}
	if err := json.Unmarshal(text, &e); err != nil || e.Error == nil {
		return out, fmt.Errorf("no envelope: %s", text)
	}
	s.answered.Add(1)
	out.code = *e.Error
	out.token, _ = e.Result[member].(string)
	return out, nil
}

// post calls a method of any of the processes.
func (s *site) post(h *history, in asked, method string, params any, member string) told {
	return h.record(in, func() told {
		out, err := s.call(http.DefaultClient, s.url(rand.Int())+"/das5/rest/"+method, params, member)
		if err != nil {
			s.t.Error(err)
		}
		return out
	})
}

// pause waits between two calls of a caller, so that several failures happen before all have ended.
func (s *site) pause() { time.Sleep(time.Duration(rand.IntN(150)) * time.Millisecond) }

// tokens makes two callers use one user's token.
func (s *site) tokens(h *history, user, calls int) {
	var next atomic.Int64
	key, serial := fmt.Sprint("token of u", user), map[string]string{"serial": fmt.Sprint("s", user)}
	created := map[string]any{"product.productCode": "SE", "serial": serial["serial"], "seed": fmt.Sprintf("%x", seedOf(user)), "user.loginName": fmt.Sprint("u", user)}
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			for range calls {
				n := int(next.Add(1) - 1)
				s.pause()
				switch rand.IntN(20) {
				case 0:
					in := asked{key: key, op: "sync", n: n + 1}
					next.Add(2)
					code := func(n int) string { return otp.Generate(seedOf(user), uint64(n), hotp) }
					s.post(h, in, "token/syncToken", map[string]any{"token": serial, "credential": code(n+1) + "," + code(n+2)}, "")
				case 1:
					next.Add(3)
					s.post(h, asked{key: key, op: "reset", n: n + 3}, "token/reset", map[string]any{"token": serial, "attrs": map[string]any{"counter": n + 3}}, "")
				case 2:
					s.post(h, asked{key: key, op: "delete"}, "token/delete", map[string]any{"token": serial}, "")
					s.post(h, asked{key: key, op: "create"}, "token/create", map[string]any{"attrs": created}, "")
				default:
					s.post(h, asked{key: key, op: "verify", n: n}, "auth/verify", loginOf(user, uint64(n)), "")
				}
			}
		})
	}
	both.Wait()
}

// codes makes three callers redeem one installation code.
func (s *site) codes(h *history, code string) {
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			for _, n := range rand.Perm(nonces) {
				s.pause()
				s.post(h, asked{key: "code " + code, op: "redeem", n: n}, "installationCode/redeem", map[string]any{"code": code,
					"nonce": fmt.Sprintf("%s-nonce-%06d", code, n), "device": map[string]string{"name": fmt.Sprint(code, n), "hardwareId": fmt.Sprint("h", n)}}, "")
			}
		})
	}
	all.Wait()
}

// device makes callers connect a device while others give it new client tokens.
func (s *site) device(h *history, name, token string, calls int) {
	var last atomic.Value
	last.Store(token)
	selected := map[string]any{"device": map[string]string{"name": name}}
	var all sync.WaitGroup
	for n := range 3 {
		all.Go(func() {
			mine := token
			for range calls {
				s.pause()
				if n == 0 && rand.IntN(3) == 0 {
					if out := s.post(h, asked{key: "device " + name, op: "generate"}, "device/generateToken", selected, "clientToken"); out.code == 0 {
						last.Store(out.token)
					}
				}
				if rand.IntN(2) == 0 {
					mine = last.Load().(string)
				}
				s.post(h, asked{key: "device " + name, op: "connect", token: mine}, "device/connect", map[string]string{"token": mine}, "")
			}
			if n == 0 {
				s.post(h, asked{key: "device " + name, op: "delete"}, "device/delete", selected, "")
			}
		})
	}
	all.Wait()
	s.post(h, asked{key: "device " + name, op: "connect", token: last.Load().(string)}, "device/connect", map[string]string{"token": last.Load().(string)}, "")
}

// copiedCookie is a jar that keeps the cookie which it was given first, as who has copied it does: a browser forgets it when it signs out.
type copiedCookie struct{ kept atomic.Pointer[http.Cookie] }

func (j *copiedCookie) SetCookies(_ *url.URL, cookies []*http.Cookie) {
	for _, c := range cookies {
		j.kept.CompareAndSwap(nil, c)
	}
}

func (j *copiedCookie) Cookies(*url.URL) []*http.Cookie {
	if c := j.kept.Load(); c != nil {
		return []*http.Cookie{c}
	}
	return nil
}

// session signs in and returns what has three callers use the session, of which one signs out.
func (s *site) session(h *history, name string, calls int) (use func()) {
	client := &http.Client{Jar: &copiedCookie{}}
	post := func(op, path string, params any) told {
		return h.record(asked{key: "session " + name, op: op}, func() told {
			out, err := s.call(client, s.url(rand.Int())+"/console/"+path, params, "")
			if err != nil {
				s.t.Error(err)
			}
			return out
		})
	}
	if out := post("signIn", "signIn", map[string]string{"loginName": "admin", "password": s.password}); out.code != 0 {
		s.t.Fatalf("the sign-in is answered with %d", out.code)
	}
	return func() {
		var all sync.WaitGroup
		for n := range 3 {
			all.Go(func() {
				for i := range calls {
					s.pause()
					if n == 0 && i == calls/2 {
						post("signOut", "signOut", map[string]any{})
					}
					post("call", "api/device/search", map[string]any{"max": 1})
				}
			})
		}
		all.Wait()
	}
}

// run runs many callers while trouble is called repeatedly, and checks their histories.
func (s *site) run(trouble func(n int)) {
	t := s.t
	users, calls := modeltest.Size(30, 20), 30
	const devices, codes, sessions = 4, 4, 3
	guard(t, s.c, s.url(0), users)
	s.c.result(t, s.url(0), "domain/set", map[string]any{"domain": map[string]string{"name": "d"}, "attrs": map[string]any{"lockoutThreshold": 0}})
	tokens, texts := make([]string, devices), make([]string, codes)
	for i := range tokens {
		tokens[i] = s.c.result(t, s.url(0), "device/create", attrs("name", fmt.Sprint("d", i)))["clientToken"].(string)
	}
	for i := range texts {
		texts[i] = s.c.result(t, s.url(0), "installationCode/create", map[string]any{"return": []string{"code"}, "attrs": map[string]any{
			"action": "CREATE_DEVICE", "user.loginName": fmt.Sprint("u", i), "usageLimit": maxUses}})["code"].(string)
	}
	h := &history{began: time.Now()}
	var uses [sessions]func()
	for i := range uses {
		uses[i] = s.session(h, fmt.Sprint(i), calls)
	}
	var all sync.WaitGroup
	for i := range users {
		all.Go(func() { s.tokens(h, i, calls) })
	}
	for i := range devices {
		all.Go(func() { s.device(h, fmt.Sprint("d", i), tokens[i], calls) })
	}
	for i := range codes {
		all.Go(func() { s.codes(h, texts[i]) })
	}
	for i := range sessions {
		all.Go(uses[i])
	}
	ended := make(chan struct{})
	go func() {
		all.Wait()
		close(ended)
	}()
	// Trouble waits until enough calls were answered since the last one: a slow machine takes long to start a process again.
	n, answered := 0, int64(0)
	for going := true; going; {
		select {
		case <-ended:
			going = false
		case <-time.After(600 * time.Millisecond):
			if s.answered.Load() >= answered+betweenTroubles {
				trouble(n)
				n, answered = n+1, s.answered.Load()
			}
		}
	}
	if n < 2 {
		t.Error("the callers ended before there was trouble twice")
	}
	check(t, h, "token", tokenState{exists: true}, stepToken, doneToken)
	check(t, h, "code", codeState{}, stepCode, doneCode)
	for i := range devices {
		check(t, h, fmt.Sprint("device d", i), tokens[i], stepDevice, doneDevice)
	}
	check(t, h, "session", "", stepSession, doneSession)
	for n := range s.all {
		s.c.result(t, s.url(n), "audit/verify", map[string]any{})
	}
}

// TestHistoriesWhenKilled: calls to two processes, or three with PostgreSQL, which are killed one after the other.
func TestHistoriesWhenKilled(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newSite(t, howMany(url), "--db", url)
		s.run(s.kill)
	})
}

// TestHistoriesWhenCut: calls to three processes whose connections to PostgreSQL are cut at any moment.
func TestHistoriesWhenCut(t *testing.T) {
	t.Parallel()
	through, cut := severable(t, storetest.Postgres(t))
	s := newSite(t, 3, "--db", through)
	s.run(func(int) { cut() })
}

// TestHistoriesWhenPromoted: calls to three processes while the primary is killed and its synchronous standby is promoted.
func TestHistoriesWhenPromoted(t *testing.T) {
	t.Parallel()
	cluster := storetest.NewCluster(t)
	s := newSite(t, 3, "--db", cluster.URL())
	s.run(func(n int) {
		if n == 1 {
			cluster.KillPrimary(t)
			cluster.Promote(t)
		}
	})
}
