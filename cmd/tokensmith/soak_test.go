package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/time/rate"
	"layeh.com/radius"

	"tokensmith/model/modeltest"
	"tokensmith/model/modeltest/promise"
	"tokensmith/model/otp"
	"tokensmith/store"
	"tokensmith/store/storetest"
)

// freeAddress returns an address on which nobody listens, by TCP or UDP. Its port is none that the system gives to connections, so that
// a process which was killed can have it again.
func freeAddress(t testing.TB) string {
	t.Helper()
	for range 1000 {
		address := fmt.Sprint("127.0.0.1:", 20000+rand.IntN(12000))
		tcp, err := net.Listen("tcp", address)
		if err != nil {
			continue
		}
		tcp.Close()
		udp, err := net.ListenPacket("udp", address)
		if err != nil {
			continue
		}
		udp.Close()
		return address
	}
	t.Fatal("no port is free")
	return ""
}

// severable returns a URL of a PostgreSQL database by way of a proxy, and what resets all connections through it.
func severable(t testing.TB, url string) (through string, cut func()) {
	var mu sync.Mutex
	var conns []net.Conn
	through, _ = storetest.Proxy(t, url, func(client, server net.Conn) {
		mu.Lock()
		conns = append(conns, client, server)
		mu.Unlock()
		go func() {
			defer client.Close()
			io.Copy(client, server)
		}()
		defer server.Close()
		io.Copy(server, client)
	})
	return through, func() {
		mu.Lock()
		defer mu.Unlock()
		for _, c := range conns {
			c.(*net.TCPConn).SetLinger(0) // a reset
			c.Close()
		}
		conns = nil
	}
}

// taken is what a process holds at one moment.
type taken struct{ heap, goroutines, files, resident float64 }

func takenBy(t testing.TB, p *process, c *agentCaller) taken {
	t.Helper()
	return taken{metric(t, p, c, "go_memstats_heap_inuse_bytes"), metric(t, p, c, "go_goroutines"), metric(t, p, c, "process_open_fds"), float64(memory(t, p.cmd.Process.Pid))}
}

// soak is a load of logins and new tokens on two processes.
type soak struct {
	t                          *testing.T
	c                          *agentCaller
	urls                       [2]string
	radius                     [2]*net.UDPAddr
	pace                       *rate.Limiter
	stop                       atomic.Bool
	decided, refused, doubtful atomic.Int64 // logins that are over; those of them that were asked again; calls that had no answer, or 8
	made                       atomic.Int64 // tokens
}

// login sends an OTP to one of the processes, by HTTP or RADIUS, until it is known that it is used up.
func (s *soak) login(user int, counter uint64) {
	for doubt := false; !s.t.Failed(); {
		at := rand.IntN(2)
		if rand.IntN(3) == 0 {
			conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
			if err != nil {
				s.t.Error(err)
				return
			}
			request := accessRequest(s.t, fmt.Sprint("u", user), otp.Generate(seedOf(user), counter, hotp))
			reply := exchange(s.t, conn, request, s.radius[at])[s.radius[at].String()]
			conn.Close()
			if len(reply) > 0 && radius.Code(reply[0]) == radius.CodeAccessAccept {
				s.decided.Add(1)
				return
			}
			// Its first answer may have been lost with the process. By HTTP it is told why.
			doubt = true
			s.refused.Add(1)
		}
		code, err := s.c.post(s.urls[at], "auth/verify", loginOf(user, counter))
		switch {
		case err != nil || code == 8:
			s.doubtful.Add(1)
			doubt = true
		case code == 0, code == 206 && doubt:
			s.decided.Add(1)
			return
		default:
			s.t.Errorf("a right OTP is answered with %d", code)
			return
		}
	}
}

// create makes a token, and looks for it at the other process.
func (s *soak) create(serial string) {
	for unknown := false; !s.t.Failed(); unknown = true {
		at := rand.IntN(2)
		code, err := s.c.post(s.urls[at], "token/create", attrs("product.productCode", "SE", "serial", serial))
		if err != nil || code == 8 {
			s.doubtful.Add(1)
			continue
		}
		if code != 0 && !(code == 13 && unknown) {
			s.t.Errorf("token/create is answered with %d", code)
			return
		}
		s.made.Add(1)
		if code, err := s.c.post(s.urls[1-at], "token/get", map[string]any{"token": map[string]string{"serial": serial}}); err == nil && code != 0 && code != 8 {
			s.t.Errorf("a token that was made is answered with %d at the other process", code)
		}
		return
	}
}

// run logs in with users from first on, and makes a token now and then, until it is told to stop.
func (s *soak) run(worker, first, users int) {
	for i := 0; !s.stop.Load() && !s.t.Failed(); i++ {
		if err := s.pace.Wait(s.t.Context()); err != nil {
			return
		}
		if i%10 == 0 {
			s.create(fmt.Sprintf("w%d-%d", worker, i))
			continue
		}
		n := i - i/10 - 1 // of this worker's logins
		s.login(first+n%users, uint64(n/users))
	}
}

// TestSoak has two processes on one database answer logins over HTTP and RADIUS and make tokens, first as fast as they can, then at half
// of that rate, while one of them is killed and started again, connections to PostgreSQL are cut, and strangers leave connections half
// open and send rubbish. The other process holds no more memory, goroutines and files in the last third of that time than in the
// first, and gives back what it held for the load. Each OTP is used up once, and the database is whole. SOAK is how long the load is
// on each database (make soak).
func TestSoak(t *testing.T) {
	t.Parallel()
	modeltest.NotShort(t)
	length := time.Duration(modeltest.Size(60, 12)) * time.Second
	if given := os.Getenv("SOAK"); given != "" {
		var err error
		if length, err = time.ParseDuration(given); err != nil || length < 10*time.Second {
			t.Fatalf("SOAK=%s: a time from 10s, such as 10m (%v)", given, err)
		}
	}
	storetest.Each(t, func(t *testing.T, url string) {
		const workers = 8
		users := modeltest.Size(250, 50) // of each
		database, cut := url, func() {}
		if store.IsPostgres(url) {
			url, cut = severable(t, url)
		}
		dir := t.TempDir()
		key := filepath.Join(dir, "key")
		s := &soak{t: t, c: &agentCaller{}, pace: rate.NewLimiter(rate.Inf, 1)}
		var all [2]*process
		for n := range all {
			p := &process{t: t, args: []string{"--key-file", key, "--db", url, "--listen", freeAddress(t), "--radius-listen", freeAddress(t)}, out: filepath.Join(dir, fmt.Sprint("out", n))}
			p.start()
			t.Cleanup(func() { p.kill() })
			at, err := net.ResolveUDPAddr("udp", p.radiusAt())
			if err != nil {
				t.Fatal(err)
			}
			all[n], s.urls[n], s.radius[n] = p, p.url, at
		}
		s.c.id, s.c.secret = all[0].first()
		guard(t, s.c, s.urls[0], workers*users)
		radiusClient(t, s.c, s.urls[0], "local", "127.0.0.0/8")
		idle := takenBy(t, all[0], s.c)

		var group sync.WaitGroup
		began := time.Now()
		for n := range workers {
			group.Go(func() { s.run(n, n*users, users) })
		}
		warm := length / 6
		time.Sleep(warm)
		modeltest.Until(t, "logins are answered", func() bool { return s.decided.Load() > 20 || t.Failed() })
		top := float64(s.decided.Load()+s.made.Load()) / time.Since(began).Seconds()
		s.pace.SetLimit(rate.Limit(top / 2))

		var samples []taken
		faults := 0
		for next := warm; time.Since(began) < length && !t.Failed(); time.Sleep(length / 100) {
			samples = append(samples, takenBy(t, all[0], s.c))
			if time.Since(began) < next {
				continue
			}
			next += length / 15
			switch faults++; faults % 3 {
			case 0:
				all[1].kill()
				all[1].start()
			case 1:
				cut()
			case 2:
				s.strangers(all[0])
			}
		}
		s.stop.Store(true)
		group.Wait()
		if t.Failed() {
			return
		}
		third := len(samples) / 3
		if third < 3 || faults < 3 {
			t.Fatalf("only %d samples and %d faults", len(samples), faults)
		}
		before, after := samples[:third], samples[2*third:]
		for _, held := range []struct {
			what string
			of   func(s taken) float64
			more float64 // than before, by chance
		}{
			{"bytes of heap", func(s taken) float64 { return s.heap }, 16 << 20},
			{"bytes of memory", func(s taken) float64 { return s.resident }, 48 << 20},
			{"goroutines", func(s taken) float64 { return s.goroutines }, 20},
			{"files", func(s taken) float64 { return s.files }, 20},
		} {
			compare := func(a, b taken) int { return int(held.of(a) - held.of(b)) }
			most, least := held.of(slices.MaxFunc(before, compare)), held.of(slices.MinFunc(after, compare))
			t.Logf("%s: at most %.0f in the first third, at least %.0f in the last", held.what, most, least)
			if least > most+held.more {
				t.Errorf("%s grow: from at most %.0f to at least %.0f", held.what, most, least)
			}
		}
		t.Logf("%v: %.0f calls/s at the top; %d logins and %d tokens, %d of the logins asked again, %d calls without an answer, %d faults",
			time.Since(began).Round(time.Second), top, s.decided.Load(), s.made.Load(), s.refused.Load(), s.doubtful.Load(), faults)
		http.DefaultClient.CloseIdleConnections()
		modeltest.Until(t, "what the load took is given back", func() bool {
			now := takenBy(t, all[0], s.c)
			return now.goroutines <= idle.goroutines+40 && now.files <= idle.files+40 // connections to the database stay
		})

		for _, p := range all {
			s.c.result(t, p.url, "audit/verify", map[string]any{})
			p.stop()
		}
		st, err := store.Open(t.Context(), database, key)
		if err != nil {
			t.Fatal(err)
		}
		defer st.Close()
		var dump bytes.Buffer
		if _, err := st.Dump(context.Background(), &dump); err != nil {
			t.Fatal(err)
		}
		rows, err := new(promise.Reader).Read(&dump)
		if err != nil {
			t.Fatal(err)
		}
		for _, broken := range promise.Whole(rows) {
			t.Error(broken)
		}
		uses, made := int64(0), int64(0)
		for _, a := range rows["token_assignments"] {
			uses += a.Int("usage_count")
		}
		for _, token := range rows["tokens"] {
			if strings.HasPrefix(token.Text("serial"), "w") {
				made++
			}
		}
		if uses != s.decided.Load() || made != s.made.Load() {
			t.Errorf("%d OTPs were used up, %d uses are counted; %d tokens were made, %d are there", s.decided.Load(), uses, s.made.Load(), made)
		}
	})
}

// strangers open connections of which nothing more comes, and send datagrams that are no packets.
func (s *soak) strangers(p *process) {
	for range 50 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
		if err != nil {
			continue // there are limits for them
		}
		io.WriteString(conn, "POST /das5/rest/token/get HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
		conn.Close()
	}
	conn, err := net.DialUDP("udp", nil, s.radius[0])
	if err != nil {
		s.t.Error(err)
		return
	}
	defer conn.Close()
	for i := range 200 {
		conn.Write(bytes.Repeat([]byte{byte(i)}, i))
	}
}
