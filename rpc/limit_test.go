package rpc_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"tokensmith/model/modeltest"
	"tokensmith/rpc/dispatch"
	"tokensmith/store/storetest"
)

func quiet(c *dispatch.Config) { c.Log = zerolog.Nop() }

// from sends a call from an address, with the right or a wrong secret.
func (s *service) from(address, secret string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/token/search", strings.NewReader(`{"max":0}`))
	r.RemoteAddr = address
	r.SetBasicAuth(s.id, secret)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func (s *service) recorded(t *testing.T, match string) int {
	t.Helper()
	return int(s.do(t, "audit/search", `{"max":0,"match":[`+match+`]}`).(map[string]any)["total"].(float64))
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// 100,000 refused calls from one address, and as many from one address each, neither use more and more memory nor fill the
// database.
func TestRefusedCallsCostNothing(t *testing.T) {
	s := newService(t, storetest.SQLite(t), quiet)
	calls := 100_000
	if testing.Short() {
		calls /= 10
	}
	s.from("192.0.2.9:1", "wrong")
	before := heap()
	limited := 0
	for range calls {
		switch w := s.from("192.0.2.9:1", "wrong"); w.Code {
		case http.StatusTooManyRequests:
			limited++
			if after := w.Header().Get("Retry-After"); after != "3" {
				t.Fatalf("Retry-After is %q", after)
			}
		case http.StatusUnauthorized:
		default:
			t.Fatal(w.Code, w.Body)
		}
	}
	if grown := int64(heap()) - int64(before); grown > 1<<20 {
		t.Errorf("memory grew by %d bytes", grown)
	}
	if n := s.recorded(t, `["outcome","=",4]`); n > 30 || limited < calls-30 {
		t.Errorf("%d recorded, %d told to wait", n, limited)
	}
	// An agent with the right secret is not delayed by others at its address. Refusals that were not recorded are still counted.
	if w := s.from("192.0.2.9:1", s.key); w.Code != http.StatusOK {
		t.Error(w.Code, w.Body)
	}
	s.clock.advance(3 * time.Second)
	s.from("192.0.2.9:1", "wrong")
	if n := s.recorded(t, fmt.Sprintf(`["object","=","%d more refused before"]`, limited)); n != 1 {
		t.Error("the refusals that were not recorded are not counted")
	}

	for i := range calls {
		s.from(fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255), "wrong")
	}
	if grown := int64(heap()) - int64(before); grown > 16<<20 {
		t.Errorf("memory grew by %d bytes", grown)
	}
	if n := s.recorded(t, `["outcome","=",4]`); n > 1100 {
		t.Errorf("%d recorded", n)
	}
}

// This test checks from which proxies the server accepts X-Forwarded-For, and which of its addresses it uses.
func TestAddressBehindProxies(t *testing.T) {
	t.Parallel()
	s := newService(t, storetest.SQLite(t), func(c *dispatch.Config) {
		c.Proxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:ffff::/48")}
	})
	for i, c := range []struct {
		from, want string
		header     []string
	}{
		{"192.0.2.1:5", "192.0.2.1", []string{"198.51.100.1"}},
		{"10.0.0.1:5", "10.0.0.1", nil},
		{"10.0.0.1:5", "198.51.100.1", []string{"198.51.100.1"}},
		{"10.0.0.1:5", "198.51.100.2", []string{"203.0.113.1, 198.51.100.2"}},
		{"10.0.0.1:5", "198.51.100.2", []string{"203.0.113.1", "198.51.100.2, 10.1.1.1"}},
		{"10.0.0.1:5", "10.2.2.2", []string{"10.2.2.2, 10.1.1.1"}},
		{"10.0.0.1:5", "10.1.1.1", []string{"198.51.100.1, unknown, 10.1.1.1"}},
		{"10.0.0.1:5", "198.51.100.7", []string{"198.51.100.7:4711"}},
		{"[2001:db8:ffff::1]:5", "2001:db8::7", []string{"203.0.113.1, 2001:db8::7"}},
		{"[2001:db8:ffff::1]:5", "2001:db8::7", []string{"[2001:db8::7]:99"}},
		{"[::ffff:10.0.0.1]:5", "198.51.100.1", []string{"198.51.100.1"}},
		{"[2001:db8::1]:5", "2001:db8::1", []string{"198.51.100.1"}},
	} {
		var header []string
		for _, h := range c.header {
			header = append(header, "X-Forwarded-For", h)
		}
		s.from(c.from, "wrong", header...)
		if n := s.recorded(t, `["outcome","=",4]`); n != i+1 {
			t.Fatalf("%d refusals recorded, not %d", n, i+1)
		}
		row := s.do(t, "audit/search", `{"sort":"-sequence","max":1,"match":[["outcome","=",4]],"return":["remote","agent"]}`).(map[string]any)["rows"].([]any)[0].(map[string]any)
		if row["remote"] != c.want || row["agent"] != "first" {
			t.Errorf("%s %v: recorded as %v", c.from, c.header, row)
		}
		s.clock.advance(time.Minute)
	}
}

// The time of an agent's last call is stored after the call, at most once a minute.
func TestLastUse(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url, quiet)
		began := s.clock.now()
		used := func() any {
			return s.do(t, "agent/get", `{"agent":{"name":"first"},"return":["lastUsed"]}`).(map[string]any)["lastUsed"]
		}
		becomes := func(want time.Time) {
			t.Helper()
			modeltest.Until(t, fmt.Sprint("last used ", want), func() bool { return used() == want.Format(time.RFC3339) })
		}
		becomes(began)
		s.clock.advance(59 * time.Second)
		for range 20 {
			becomes(began)
		}
		s.clock.advance(time.Second)
		used()
		becomes(began.Add(time.Minute))
	})
}
