package rpc_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"tokensmith/model/modeltest"
	"tokensmith/rpc/conn"
	"tokensmith/rpc/dispatch"
	"tokensmith/store/storetest"
)

// counted starts a service that counts its connections.
func counted(t *testing.T, l conn.ConnectionLimits, secure bool) (*service, *httptest.Server) {
	n := conn.NewConnections(l)
	s := newService(t, storetest.SQLite(t), func(c *dispatch.Config) { c.Connections = n })
	web := httptest.NewUnstartedServer(s)
	web.Config.ConnContext, web.Config.ConnState = n.Context, n.State
	web.Config.ReadHeaderTimeout, web.Config.ReadTimeout, web.Config.WriteTimeout = dispatch.HeadTime, dispatch.ReadTime, dispatch.AnswerTime
	if secure {
		web.EnableHTTP2 = true
		web.StartTLS()
	} else {
		web.Listener = n.Listen(web.Listener, nil)
		web.Start()
	}
	t.Cleanup(web.Close)
	t.Cleanup(web.CloseClientConnections)
	t.Cleanup(s.EndEvents)
	return s, web
}

// from connects from an address of this machine.
func from(t *testing.T, address string, web *httptest.Server) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	conn, err := d.DialContext(t.Context(), "tcp", web.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(modeltest.Patience))
	return conn
}

// busy begins a request that does not end.
func busy(t *testing.T, address string, web *httptest.Server) net.Conn {
	conn := from(t, address, web)
	io.WriteString(conn, "POST /device/connect HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n{")
	return conn
}

// status sends a request as the service's agent or as an unknown caller, and returns the status.
func status(t *testing.T, conn net.Conn, s *service, keep bool) int {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/healthz", nil)
	if s != nil {
		r = httptest.NewRequest(http.MethodPost, "/domain/search", strings.NewReader(`{"max":1}`))
		r.SetBasicAuth(s.id, s.key)
	}
	r.Close = !keep
	if err := r.Write(conn); err != nil {
		return 0
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), r)
	if err != nil {
		return 0
	}
	io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// turnedAway counts how many of the connections are told that there is no room.
func turnedAway(t *testing.T, conns []net.Conn) (n int) {
	t.Helper()
	for _, c := range conns {
		c.SetReadDeadline(time.Now().Add(4 * time.Second))
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err == nil && resp.StatusCode == http.StatusServiceUnavailable {
			text, _ := io.ReadAll(resp.Body)
			if !strings.HasPrefix(string(text), `{"error":8,`) || resp.Header.Get("Retry-After") == "" {
				t.Errorf("%s", text)
			}
			n++
		}
	}
	return n
}

// TestConnectionsLeaveRoom: an address has a limited number of connections, unknown callers together leave room for known ones,
// and a client for which there is no room is told so.
func TestConnectionsLeaveRoom(t *testing.T) {
	t.Parallel()
	s, web := counted(t, conn.ConnectionLimits{All: 40, Address: 6}, false)
	if got := status(t, from(t, "127.0.0.2", web), s, false); got != http.StatusOK {
		t.Fatal(got)
	}
	var one, many []net.Conn
	for range 9 {
		one = append(one, busy(t, "127.0.0.3", web))
	}
	for i := range 30 {
		many = append(many, busy(t, fmt.Sprintf("127.0.1.%d", 1+i), web))
	}
	began := time.Now()
	if got := status(t, from(t, "127.0.0.2", web), s, false); got != http.StatusOK {
		t.Errorf("a known caller is answered %d", got)
	}
	if got := status(t, from(t, "127.0.0.9", web), nil, false); got != http.StatusServiceUnavailable {
		t.Errorf("a stranger is answered %d", got)
	}
	t.Logf("both are answered within %v", time.Since(began))
	if a, b := turnedAway(t, one), turnedAway(t, many); a != 3 || b != 6 {
		t.Errorf("%d of 9 of one address, and %d of 30 of others, are turned away, not 3 and 6", a, b)
	}
	// The connections end, and there is room again.
	modeltest.Until(t, "a stranger is answered", func() bool { return status(t, from(t, "127.0.0.9", web), nil, false) == http.StatusOK })
}

// TestStrangersLeaveKnownCallersTheirs: a connection that waits for its next request, or has waited too long for its first, makes
// room. A quarter stays for known callers, even if their connections wait for a request and unknown callers take all they can
// get.
func TestStrangersLeaveKnownCallersTheirs(t *testing.T) {
	t.Parallel()
	s, web := counted(t, conn.ConnectionLimits{All: 12, Address: 4}, false)
	var mine []net.Conn
	for range 6 {
		conn := from(t, "127.0.0.1", web)
		if got := status(t, conn, s, true); got != http.StatusOK {
			t.Fatalf("a known caller gets %d", got)
		}
		mine = append(mine, conn)
	}
	for i := range 20 { // from five addresses
		busy(t, fmt.Sprintf("127.0.1.%d", 1+i/4), web)
	}
	open := 0
	for _, conn := range mine {
		if status(t, conn, s, true) == http.StatusOK {
			open++
		}
	}
	if open < 3 {
		t.Errorf("%d of a known caller's 6 connections are left, of a quarter of 12 that is kept", open)
	}
	if got := status(t, from(t, "127.0.0.1", web), s, false); got != http.StatusOK {
		t.Errorf("a new connection of a known caller gets %d", got)
	}
}

func TestConnectionsThatWaitMakeRoom(t *testing.T) {
	t.Parallel()
	_, web := counted(t, conn.ConnectionLimits{All: 100, Address: 5}, false)
	for i := range 30 {
		modeltest.Until(t, "there is room", func() bool {
			conn := from(t, "127.0.0.3", web)
			got := status(t, conn, nil, true)
			if got != http.StatusOK && got != http.StatusServiceUnavailable {
				t.Fatalf("call %d is answered %d", i, got)
			}
			return got == http.StatusOK
		})
	}
	for range 5 {
		from(t, "127.0.0.3", web)
	}
	began := time.Now()
	modeltest.Until(t, "there is room", func() bool { return status(t, from(t, "127.0.0.3", web), nil, true) == http.StatusOK })
	t.Logf("silent connections made room after %v", time.Since(began))
}

// TestConnectionsOfProxiesAndStreams: a trusted proxy may have all connections, and event streams do not count as connections.
func TestConnectionsOfProxiesAndStreams(t *testing.T) {
	t.Parallel()
	s, web := counted(t, conn.ConnectionLimits{All: 40, Address: 2, Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.7/32")}}, false)
	for range 25 {
		busy(t, "127.0.0.7", web)
	}
	if got := status(t, from(t, "127.0.0.7", web), nil, false); got != http.StatusOK {
		t.Errorf("a proxy is answered %d", got)
	}
	const devices = 60
	for i := range devices {
		_, token := s.device(t, fmt.Sprintf(`"name":"d%d"`, i))
		conn := from(t, "127.0.0.8", web)
		fmt.Fprintf(conn, "POST /device/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 2\r\n\r\n{}", token)
		line, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil || !strings.Contains(line, "200") {
			t.Fatalf("stream %d: %q %v", i, line, err)
		}
	}
	if got := status(t, from(t, "127.0.0.8", web), nil, false); got != http.StatusOK {
		t.Errorf("beside the streams: %d", got)
	}
}

// TestConnectionsOverTLS: over TLS, a client for which there is no room is told so too.
func TestConnectionsOverTLS(t *testing.T) {
	t.Parallel()
	_, donor := counted(t, conn.ConnectionLimits{}, true) // provides its certificate
	n := conn.NewConnections(conn.ConnectionLimits{All: 8, Address: 2})
	web := httptest.NewUnstartedServer(http.NotFoundHandler())
	web.Config.ConnContext, web.Config.ConnState = n.Context, n.State
	config := &tls.Config{Certificates: donor.TLS.Certificates}
	web.Listener = n.Listen(web.Listener, config)
	web.TLS = config.Clone()
	web.StartTLS()
	t.Cleanup(web.Close)
	for range 2 {
		conn := tls.Client(from(t, "127.0.0.1", web), &tls.Config{InsecureSkipVerify: true})
		io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n{")
	}
	resp, err := web.Client().Get(web.URL)
	if err != nil {
		t.Fatal(err)
	}
	if text, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusServiceUnavailable || !strings.HasPrefix(string(text), `{"error":8,`) {
		t.Errorf("%s %s", resp.Status, text)
	}
}

// TestSilentBodyOverHTTP2: over HTTP/2 a body that stops arriving ends too, and does not affect the other calls on its
// connection.
func TestSilentBodyOverHTTP2(t *testing.T) {
	t.Parallel()
	s, web := counted(t, conn.ConnectionLimits{}, true)
	call := func(path string, body io.Reader) (int, string) {
		ctx, cancel := context.WithTimeout(t.Context(), modeltest.Patience)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, web.URL+path, body)
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth(s.id, s.key)
		resp, err := web.Client().Do(r)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			return 0, ""
		}
		defer resp.Body.Close()
		if resp.ProtoMajor != 2 {
			t.Fatal(resp.Proto)
		}
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
		return resp.StatusCode, string(text)
	}
	for _, path := range []string{"/domain/search", "/device/connect", "/token/import"} {
		silent, never := io.Pipe()
		defer never.Close()
		began := time.Now()
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, reply := call(path, struct {
				io.Reader
				io.Closer // closed so that the client's goroutine ends
			}{io.MultiReader(strings.NewReader("{"), silent), silent})
			t.Logf("%s: after %v: %s", path, time.Since(began), reply)
			if codeIn(reply) != 2 {
				t.Error(reply)
			}
		}()
		if code, reply := call("/domain/search", strings.NewReader(`{"max":1}`)); code != http.StatusOK || codeIn(reply) != 0 {
			t.Errorf("%d %s", code, reply)
		}
		<-done
	}
}

// TestBodiesOfStrangers: unfinished bodies of unknown callers use a limited amount of memory, and none that is for known callers.
func TestBodiesOfStrangers(t *testing.T) {
	t.Parallel()
	s := newService(t, storetest.SQLite(t))
	const many = 1500
	codes := make(chan int, many)
	var ends []io.Closer
	for range many {
		silent, end := io.Pipe()
		ends = append(ends, end)
		r := httptest.NewRequest(http.MethodPost, "/device/connect", io.MultiReader(strings.NewReader(strings.Repeat(" ", 60_000)), silent))
		r.ContentLength = 64_000
		go func() {
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			codes <- w.Code
		}()
	}
	// Some bodies are refused; the others then wait.
	refused := 0
	modeltest.Until(t, "some are refused", func() bool {
		select {
		case code := <-codes:
			if code != http.StatusServiceUnavailable {
				t.Fatal(code)
			}
			refused++
		default:
		}
		return refused >= many-48<<20/56_000
	})
	if code, reply := s.post("/domain/search", `{"max":1,"note":"`+strings.Repeat("x", 60_000)+`"}`); code != http.StatusOK || !strings.HasPrefix(reply, `{"error":0`) {
		t.Errorf("a known caller: %d %.100s", code, reply)
	}
	for _, end := range ends {
		end.Close()
	}
	for range many - refused {
		<-codes
	}
	t.Logf("%d of %d are refused", refused, many)
	// There is room again.
	if code, reply := s.post("/device/connect", `{"note":"`+strings.Repeat("x", 60_000)+`"}`); code == http.StatusServiceUnavailable {
		t.Errorf("%d %.100s", code, reply)
	}
}
