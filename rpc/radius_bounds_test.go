package rpc_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"regexp"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2869"

	"tokensmith/model/modeltest"
	"tokensmith/rpc/dispatch"
	"tokensmith/store"
	"tokensmith/store/storetest"
)

// halted is a store whose logins wait until they are let go.
type halted struct {
	store.Store
	waiting atomic.Int64
	free    atomic.Pointer[chan struct{}] // nil: nobody waits
}

func (h *halted) halt() (let func()) {
	c := make(chan struct{})
	h.free.Store(&c)
	return func() {
		h.free.Store(nil)
		close(c)
	}
}

func (h *halted) UpdateShared(ctx context.Context, fn func(store.Tx) error) error {
	if c := h.free.Load(); c != nil {
		h.waiting.Add(1)
		<-*c
		h.waiting.Add(-1)
	}
	return h.Store.UpdateShared(ctx, fn)
}

// dropped returns how many requests were dropped for a reason.
func (s *service) dropped(reason string) (n int) {
	found := regexp.MustCompile(`tokensmith_radius_dropped_total\{reason="` + reason + `"\} (\d+)`).FindStringSubmatch(metricsOf(s))
	if found != nil {
		n, _ = strconv.Atoi(found[1])
	}
	return n
}

// overUDP serves a socket until the test ends, and returns its address.
func (s *service) overUDP(t *testing.T, network, address string) netip.AddrPort {
	t.Helper()
	at, err := net.ResolveUDPAddr(network, address)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.ListenUDP(network, at)
	if err != nil {
		modeltest.Missing(t, "%v", err) // such as no IPv6
	}
	conn.SetReadBuffer(4 << 20)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Radius().ServeUDP(ctx, conn) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// TestRadiusFullQueue: what the workers (128) and the queue (1,024) have no room for is dropped and counted, and is never answered;
// all that was taken is answered, once.
func TestRadiusFullQueue(t *testing.T) {
	t.Parallel()
	const room, more = 128 + 1024, 40
	h := &halted{}
	s := newService(t, storetest.SQLite(t), func(c *dispatch.Config) { h.Store, c.Store = c.Store, h })
	s.do(t, "domain/create", `{"attrs":{"name":"corp.example"}}`)
	n := newNAS(t, s, "127.0.0.1", "tokensmith", "")
	at := s.overUDP(t, "udp4", "127.0.0.1:0")
	conn, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(at))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetReadBuffer(4 << 20)
	let := h.halt()
	send := func(number int) {
		label := make(radius.Attribute, 4)
		binary.BigEndian.PutUint32(label, uint32(number))
		if _, err := conn.Write(n.signed(n.asking("nobody", "000000", &radius.AVP{Type: rfc2865.ProxyState_Type, Attribute: label}))); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 128 { // one for each worker, so that none of them is counted to the queue
		send(i)
		modeltest.Until(t, "a worker", func() bool { return h.waiting.Load() == int64(i+1) })
	}
	for i := 128; i < room; i++ {
		send(i)
		if i%50 == 0 {
			time.Sleep(5 * time.Millisecond) // or the kernel drops some
		}
	}
	time.Sleep(100 * time.Millisecond)
	if got := s.dropped("overload"); got != 0 {
		let()
		t.Fatalf("%d are dropped while there is room", got)
	}
	for i := room; i < room+more; i++ {
		send(i)
	}
	began := time.Now()
	for s.dropped("overload") < more && time.Since(began) < 20*time.Second {
		time.Sleep(10 * time.Millisecond)
	}
	got := s.dropped("overload")
	let()
	if got != more {
		t.Fatalf("%d are dropped, not %d", got, more)
	}
	answered := map[uint32]int{}
	b := make([]byte, radius.MaxPacketLength)
	for range room {
		conn.SetReadDeadline(time.Now().Add(modeltest.Patience))
		size, err := conn.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		p, err := radius.Parse(b[:size], []byte(n.secret))
		if err != nil || p.Code != reject {
			t.Fatalf("%v %v", p, err)
		}
		answered[binary.BigEndian.Uint32(p.Get(rfc2865.ProxyState_Type))]++
	}
	conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	if size, err := conn.Read(b); err == nil {
		t.Errorf("one reply too many: %x", b[:size])
	}
	for i := range uint32(room) {
		if answered[i] != 1 {
			t.Fatalf("request %d is answered %d times", i, answered[i])
		}
	}
}

// TestRadiusLocalAddresses: a reply leaves from the address that the request was sent to, whichever of its addresses a machine is asked at.
func TestRadiusLocalAddresses(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		modeltest.Missing(t, "the address that a datagram was sent to is known on Linux")
	}
	s := newService(t, storetest.SQLite(t))
	s.do(t, "domain/create", `{"attrs":{"name":"corp.example"}}`)
	n := newNAS(t, s, "127.0.0.1", "tokensmith", "")
	for network, address := range map[string]string{"udp4": "0.0.0.0:0", "udp": "[::]:0"} {
		t.Run(network, func(t *testing.T) {
			port := s.overUDP(t, network, address).Port()
			conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			for _, to := range []string{"127.0.0.1", "127.0.0.9", "127.7.7.7"} {
				request, asked := n.signed(n.asking("nobody", "000000")), netip.AddrPortFrom(netip.MustParseAddr(to), port)
				if _, err := conn.WriteToUDPAddrPort(request, asked); err != nil {
					t.Fatal(err)
				}
				conn.SetReadDeadline(time.Now().Add(modeltest.Patience))
				b := make([]byte, radius.MaxPacketLength)
				size, from, err := conn.ReadFromUDPAddrPort(b)
				if err != nil || from != asked {
					t.Fatalf("asked at %v, it answers from %v: %v", asked, from, err)
				}
				n.read(request, b[:size])
			}
		})
	}
}

// authority signs certificates for tests.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	a := &authority{pool: x509.NewCertPool()}
	a.certify(t)
	a.pool.AddCert(a.cert)
	return a
}

// certify returns a new certificate, and the hash of its public key.
func (a *authority) certify(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: a.cert == nil, BasicConstraintsValid: true}
	parent, by := a.cert, a.key
	if parent == nil {
		parent, by = c, key
	}
	made, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	read, err := x509.ParseCertificate(made)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert == nil {
		a.cert, a.key = read, key
	}
	sum := sha256.Sum256(read.RawSubjectPublicKeyInfo)
	return tls.Certificate{Certificate: [][]byte{made}, PrivateKey: key}, hex.EncodeToString(sum[:])
}

// TestRadiusLimitsOverTLS: a certificate has 32 connections, and a connection 64 requests that are decided on. Further requests wait, and
// further connections are closed and counted, until there is room. Strangers, however many networks they have, take no room of clients.
func TestRadiusLimitsOverTLS(t *testing.T) {
	t.Parallel()
	h := &halted{}
	s := newService(t, storetest.SQLite(t), func(c *dispatch.Config) { h.Store, c.Store = c.Store, h })
	s.do(t, "domain/create", `{"attrs":{"name":"corp.example"}}`)
	a := newAuthority(t)
	own, _ := a.certify(t)
	client, hash := a.certify(t)
	s.do(t, "radiusClient/create", `{"attrs":{"name":"branch","certificate":"`+hash+`","application.name":"tokensmith"}}`)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- s.Radius().ServeTLS(ctx, listener, &tls.Config{Certificates: []tls.Certificate{own}, ClientCAs: a.pool})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	n := &nas{t: t, s: s, secret: "radsec"}
	dial := func(from string) net.Conn {
		t.Helper()
		conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		conn.SetDeadline(time.Now().Add(modeltest.Patience))
		return conn
	}
	open := func() *tls.Conn {
		t.Helper()
		return tls.Client(dial("127.0.0.1"), &tls.Config{Certificates: []tls.Certificate{client}, RootCAs: a.pool, ServerName: "127.0.0.1"})
	}
	// reply returns the next reply; nil if the connection is closed.
	reply := func(conn net.Conn) []byte {
		head := make([]byte, 4)
		if _, err := io.ReadFull(conn, head); err != nil {
			return nil
		}
		b := make([]byte, binary.BigEndian.Uint16(head[2:]))
		copy(b, head)
		if _, err := io.ReadFull(conn, b[4:]); err != nil {
			return nil
		}
		return b
	}
	answered := func(conn net.Conn) bool {
		request := n.signed(n.asking("nobody", "000000"))
		if _, err := conn.Write(request); err != nil {
			return false
		}
		b := reply(conn)
		return b != nil && n.read(request, b).Code == reject
	}

	var conns []*tls.Conn
	for range 32 {
		conn := open()
		if !answered(conn) {
			t.Fatalf("connection %d of a certificate is closed", len(conns)+1)
		}
		conns = append(conns, conn)
	}
	before := s.dropped("overload")
	if answered(open()) {
		t.Error("a certificate has any number of connections")
	}
	if got := s.dropped("overload") - before; got != 1 {
		t.Errorf("%d are counted", got)
	}
	conns[31].Close()
	modeltest.Until(t, "room", func() bool { return answered(open()) })

	// More requests than a connection may have in work.
	const many = 64 + 30
	let := h.halt()
	var requests [][]byte
	for range many {
		request := n.signed(n.asking("nobody", "000000"))
		requests = append(requests, request)
		if _, err := conns[0].Write(request); err != nil {
			t.Fatal(err)
		}
	}
	modeltest.Until(t, "64 requests in work", func() bool { return h.waiting.Load() >= 64 })
	time.Sleep(300 * time.Millisecond)
	if got := h.waiting.Load(); got != 64 {
		t.Errorf("%d requests of one connection are in work", got)
	}
	let()
	for range many {
		b := reply(conns[0])
		found := -1
		for i, request := range requests {
			if b != nil && radius.IsAuthenticResponse(b, request, []byte("radsec")) {
				found = i
			}
		}
		if found < 0 {
			t.Fatalf("a reply to none of the requests: %x", b)
		}
		requests = append(requests[:found], requests[found+1:]...)
	}

	// Strangers of many networks, who prove nothing: there is room for 128, of whom the oldest give way.
	before = s.dropped("overload")
	first := dial("127.0.1.1")
	for i := range 20 {
		for range 32 {
			dial(fmt.Sprintf("127.0.1.%d", i+1))
		}
	}
	modeltest.Until(t, "connections that are closed", func() bool { return s.dropped("overload")-before >= 1+20*32-128 })
	if _, err := first.Read(make([]byte, 1)); err == nil {
		t.Error("the oldest stays open")
	}
	conns[1].Close()
	modeltest.Until(t, "room for a client", func() bool { return answered(open()) })
	if !answered(conns[2]) {
		t.Error("a client's connection was closed for a stranger's")
	}
}

// TestRadiusKeyRotation: a request that is sent again after the key of the database was rotated gets the reply that was kept before, and
// a State from before is good.
func TestRadiusKeyRotation(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		s.do(t, "domain/create", `{"attrs":{"name":"corp.example"}}`)
		withUser(t, s, "ada", `,"password":"correct horse battery"`)
		withSteps(t, s, "two", "SPASS", "OTP")
		all := s.together(t)
		n, two := newNAS(t, s, "192.0.2.1", "tokensmith", ""), newNAS(t, s, "192.0.2.2", "two", "")
		request := n.signed(n.asking("ada", hotps[0]))
		kept := n.raw(request)
		if got := n.read(request, kept).Code; got != accept {
			t.Fatal(got)
		}
		state, _ := two.asked("ada", "correct horse battery")
		if r, err := s.store.Rotate(t.Context(), s.clock.now()); err != nil || r.Values == 0 {
			t.Fatalf("%+v %v", r, err)
		}
		for i, process := range all {
			at := *n
			at.s = process
			if again := at.raw(request); !bytes.Equal(again, kept) {
				t.Errorf("process %d: after a rotation, the same request gets another reply: %x", i, again)
			}
		}
		last := *two
		last.s = all[len(all)-1]
		last.tries(accept, "ada", hotps[1], state)
	})
}

// TestRadiusMemory: whatever comes from a client, dropped or decided on, takes 64 kB at most (but for the comparison of a password).
func TestRadiusMemory(t *testing.T) {
	s := newService(t, storetest.SQLite(t)) // not at the same time as other tests, which allocate as well
	s.do(t, "domain/create", `{"attrs":{"name":"corp.example","maxFailures":0,"lockoutThreshold":0}}`)
	withUser(t, s, "ada", "")
	n := newNAS(t, s, "192.0.2.1", "tokensmith", `,"attributes":"Class={login}"`)
	repeated := func(typ radius.Type, value, times int) (all []*radius.AVP) {
		for range times {
			all = append(all, &radius.AVP{Type: typ, Attribute: make(radius.Attribute, value)})
		}
		return all
	}
	empty := append([]byte{1, 0, 16, 0}, make([]byte, 16)...)
	for name, make := range map[string]func() []byte{
		"an OTP":            func() []byte { return n.signed(n.asking("ada", "000000")) },
		"nobody":            func() []byte { return n.signed(n.asking("nobody", "000000")) },
		"a long password":   func() []byte { return n.signed(n.asking("ada", string(bytes.Repeat([]byte{'1'}, 128)))) },
		"190 attributes":    func() []byte { return n.signed(n.asking("ada", "000000", repeated(rfc2865.Class_Type, 4, 190)...)) },
		"as long as can be": func() []byte { return n.signed(n.asking("ada", "000000", repeated(rfc2865.Class_Type, 253, 15)...)) },
		"as much to return": func() []byte {
			return n.signed(n.asking("ada", "000000", repeated(rfc2865.ProxyState_Type, 248, 6)...))
		},
		"too much to return": func() []byte {
			return n.signed(n.asking("ada", "000000", repeated(rfc2865.ProxyState_Type, 253, 15)...))
		},
		"a State": func() []byte { return n.signed(n.asking("ada", "000000", repeated(rfc2865.State_Type, 253, 1)...)) },
		"EAP": func() []byte {
			return n.signed(n.asking("ada", "000000", repeated(rfc2869.EAPMessage_Type, 253, 12)...))
		},
		"as many attributes as can":   func() []byte { return append(bytes.Clone(empty), bytes.Repeat([]byte{1, 2}, 2038)...) },
		"longer than a packet can be": func() []byte { return append(bytes.Clone(empty), bytes.Repeat([]byte{1, 2}, 2039)...) },
	} {
		least := uint64(1 << 62)
		for range 12 {
			s.clock.advance(time.Minute) // so that none is refused because there were many
			b := make()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			n.s.Radius().Handle(t.Context(), netip.MustParseAddrPort(n.from), b)
			runtime.ReadMemStats(&after)
			least = min(least, after.TotalAlloc-before.TotalAlloc)
		}
		t.Logf("%-28s %6d bytes", name, least)
		if least > 64<<10 {
			t.Errorf("%s: it took %d bytes", name, least)
		}
	}
}
