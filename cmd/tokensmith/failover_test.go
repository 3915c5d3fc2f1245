package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tokensmith/model/modeltest"
	"tokensmith/store/storetest"
)

// events opens the event stream of a device and waits for the first event.
func events(t *testing.T, url, clientToken string) *bufio.Reader {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/das5/rest/device/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+clientToken)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	stream := bufio.NewReader(resp.Body)
	if !until(stream, "event: ping") {
		t.Fatal("no ping")
	}
	return stream
}

// reply is how a call ended, and when.
type reply struct {
	at   time.Time
	code int // -1 if there was no reply
}

// siege keeps several processes busy with calls, and records each reply.
type siege struct {
	c       *agentCaller
	all     []*process
	stop    atomic.Bool
	mu      sync.Mutex
	replies []reply
}

// call posts to one of the processes.
func (s *siege) call(n int, method string, params any) int {
	code, err := s.c.post(s.all[n%len(s.all)].url, method, params)
	if err != nil {
		code = -1
		time.Sleep(10 * time.Millisecond) // the caller tries again, and a process that starts needs the processor
	}
	s.mu.Lock()
	s.replies = append(s.replies, reply{time.Now(), code})
	s.mu.Unlock()
	return code
}

// answered counts the replies after a time.
func (s *siege) answered(after time.Time) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.replies {
		if r.at.After(after) && r.code != 8 && r.code != -1 {
			n++
		}
	}
	return n
}

// offered is the result for one OTP.
type offered struct {
	user     int
	accepted int  // how often it was accepted
	used     bool // a process replied that it was used
}

// verify sends OTPs of the users from first on, each to two processes at the same time, until each was decided.
func (s *siege) verify(t *testing.T, first, users int) (all []offered) {
	for counter := uint64(0); ; counter++ {
		for user := first; user < first+users; user++ {
			if s.stop.Load() {
				return all
			}
			o := offered{user: user}
			for !o.used && o.accepted == 0 {
				codes := make(chan int, 2)
				at := rand.IntN(len(s.all))
				for n := range 2 {
					go func() { codes <- s.call(at+n, "auth/verify", loginOf(user, counter)) }()
				}
				for range 2 {
					switch code := <-codes; code {
					case 0:
						o.accepted++
					case 206:
						o.used = true
					case 8, -1:
					default:
						t.Errorf("a right OTP is answered with %d", code)
						return all
					}
				}
			}
			all = append(all, o)
		}
	}
}

// create creates tokens and returns the serial numbers of those that exist.
func (s *siege) create(t *testing.T, worker int) (serials []string) {
	for i := 0; !s.stop.Load(); i++ {
		serial := fmt.Sprintf("w%d-%d", worker, i)
		for unknown := false; ; unknown = true {
			code := s.call(worker+i, "token/create", attrs("product.productCode", "SE", "serial", serial))
			if code == 8 || code == -1 {
				continue
			}
			if code != 0 && !(code == 13 && unknown) {
				t.Errorf("token/create is answered with %d", code)
				return serials
			}
			serials = append(serials, serial)
			break
		}
	}
	return serials
}

// TestFailover: the primary is killed under load, and its synchronous standby is promoted. Three processes continue by
// themselves. Everything that was acknowledged exists, every OTP was accepted at most once, and no update was lost.
func TestFailover(t *testing.T) {
	t.Parallel()
	const verifiers, users, creators = 8, 150, 4
	cluster := storetest.NewCluster(t)
	all, c := processes(t, 3, "--db", cluster.URL())
	guard(t, c, all[0].url, verifiers*users)
	device := c.result(t, all[0].url, "device/create", map[string]any{"attrs": map[string]any{"name": "d"}})
	stream := events(t, all[0].url, device["clientToken"].(string))
	s := &siege{c: c, all: all}
	var otps [verifiers][]offered
	var made [creators][]string
	var group sync.WaitGroup
	for n := range verifiers {
		group.Go(func() { otps[n] = s.verify(t, n*users, users) })
	}
	for n := range creators {
		group.Go(func() { made[n] = s.create(t, n) })
	}
	time.Sleep(2 * time.Second)
	modeltest.Until(t, "calls are answered", func() bool { return s.answered(time.Time{}) >= 100 })
	killed := time.Now()
	cluster.KillPrimary(t)
	time.Sleep(time.Second) // time until somebody notices
	cluster.Promote(t)
	promoted := time.Now()
	time.Sleep(3 * time.Second)
	modeltest.Until(t, "the service goes on", func() bool { return s.answered(promoted) >= 100 })
	s.stop.Store(true)
	group.Wait()
	s.report(t, killed, promoted)

	// An event stream that was open all the time is told about a change by another process.
	c.result(t, all[1].url, "device/generateToken", map[string]any{"id": device["id"]})
	if !until(stream, "event: loggedOut") {
		t.Error("a device's stream is not told that it is logged out")
	}

	// An OTP that was accepted is not accepted again.
	consumed := 0
	var again sync.WaitGroup
	for n := range verifiers {
		counters := map[int]uint64{}
		consumed += len(otps[n])
		again.Go(func() {
			for i, o := range otps[n] {
				if o.accepted > 1 {
					t.Errorf("an OTP of user %d was accepted %d times", o.user, o.accepted)
				}
				counter := counters[o.user]
				counters[o.user]++
				if len(otps[n])-i > 2*users {
					continue // the last two of each user, because the number of refusals is limited
				}
				if code := s.call(i, "auth/verify", loginOf(o.user, counter)); code != 206 {
					t.Errorf("an OTP that was used is answered with %d", code)
				}
			}
		})
	}
	again.Wait()
	var serials, there []string
	for n := range creators {
		serials = append(serials, made[n]...)
	}
	for cursor := ""; ; {
		page := c.result(t, all[1].url, "token/search", map[string]any{"max": 10000, "cursor": cursor, "count": false, "return": []string{"serial"},
			"match": []any{[]string{"serial", "like", "w%"}}})
		for _, row := range page["rows"].([]any) {
			there = append(there, row.(map[string]any)["serial"].(string))
		}
		if cursor, _ = page["next"].(string); cursor == "" {
			break
		}
	}
	slices.Sort(serials)
	slices.Sort(there)
	if !slices.Equal(serials, there) {
		t.Errorf("%d tokens were acknowledged, %d are there", len(serials), len(there))
	}
	uses := 0
	for cursor := ""; ; {
		page := c.result(t, all[2].url, "tokenAssignment/search", map[string]any{"max": 10000, "cursor": cursor, "count": false, "return": []string{"usageCount"}})
		for _, row := range page["rows"].([]any) {
			uses += int(row.(map[string]any)["usageCount"].(float64))
		}
		if cursor, _ = page["next"].(string); cursor == "" {
			break
		}
	}
	recorded := func(method string) int {
		found := c.result(t, all[0].url, "audit/search", map[string]any{"max": 0, "match": []any{[]any{"method", "=", method}, []any{"outcome", "=", 0}}})
		return int(found["total"].(float64))
	}
	if n := recorded("auth/verify"); n != consumed || uses != consumed {
		t.Errorf("%d OTPs were used up; the record has %d and the assignments count %d", consumed, n, uses)
	}
	if n := recorded("token/create"); n != len(serials) {
		t.Errorf("%d tokens were made; the record has %d", len(serials), n)
	}
	for _, p := range all {
		c.result(t, p.url, "audit/verify", map[string]any{})
	}
}

// report logs how callers experienced the failover.
func (s *siege) report(t *testing.T, killed, promoted time.Time) {
	slices.SortFunc(s.replies, func(a, b reply) int { return a.at.Compare(b.at) })
	counts := map[int]int{}
	var firstError, lastError, last time.Time
	var gap time.Duration // the longest time without a reply
	for _, r := range s.replies {
		counts[r.code]++
		if r.code == 8 || r.code == -1 {
			if firstError.IsZero() {
				firstError = r.at
			}
			lastError = r.at
			continue
		}
		if !last.IsZero() {
			gap = max(gap, r.at.Sub(last))
		}
		last = r.at
	}
	if counts[-1] > 0 {
		t.Errorf("%d calls were not answered", counts[-1])
	}
	text, _ := json.Marshal(counts)
	t.Logf("replies by code: %s; the standby was promoted %s after the kill; no call was answered for %s; error 8 was seen for %s",
		text, promoted.Sub(killed).Round(time.Millisecond), gap.Round(time.Millisecond), lastError.Sub(firstError).Round(time.Millisecond))
}
