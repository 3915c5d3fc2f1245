package rpc_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"layeh.com/radius"

	"tokensmith/model"
	"tokensmith/model/modeltest"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/sender"
	"tokensmith/store"
	"tokensmith/store/storetest"
)

// TestRadiusPasscodeBehindACode: what stands for an OTP in one step, an emergency code or a passcode that was sent, is followed by a
// passcode as an OTP is.
func TestRadiusPasscodeBehindACode(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		post := make(letterbox, 100)
		s := newService(t, url, func(c *dispatch.Config) { c.Senders = map[string]sender.Sender{model.SMS: post} })
		s.do(t, "domain/create", `{"attrs":{"name":"corp.example","passcodeChannels":["SMS"]}}`)
		withSteps(t, s, "lost", "OTP OTPoD", "OTPoD")
		n := newNAS(t, s, "192.0.2.1", "lost", "")
		queued := func() float64 {
			return s.do(t, "delivery/search", `{"match":[["template","=","passcode"]],"max":0}`).(map[string]any)["total"].(float64)
		}
		for _, pin := range []string{"", "482915"} {
			user := "ada" + pin
			withUser(t, s, user, `,"mobile":"+49170"`)
			s.do(t, "tokenAssignment/set", `{"tokenAssignment":{"token.serial":"`+user+`"},"attrs":{"pin":"`+pin+`"}}`)
			code := s.do(t, "tempPass/create", `{"attrs":{"user":{"loginName":"`+user+`"}},"return":["password"]}`).(map[string]any)["password"].(string)
			before := queued()
			if _, text := n.asked(user, pin+code); !strings.Contains(text, "sent to you") {
				t.Errorf("%q", text)
			}
			if got := queued() - before; got != 1 {
				t.Errorf("with the PIN %q: %v passcodes are sent behind an emergency code", pin, got)
			}
		}
	})
}

// TestRadiusEmptyPasswordDuringRotation: an empty password, which PAM sends to be asked, is read with the secret that hid it.
func TestRadiusEmptyPasswordDuringRotation(t *testing.T) {
	t.Parallel()
	s := newService(t, storetest.SQLite(t))
	n := newNAS(t, s, "192.0.2.9", "tokensmith", `,"requireMessageAuthenticator":false`)
	n.bare = true
	next := s.do(t, "radiusClient/rotateSecret", `{"radiusClient":{"name":"client 192.0.2.9"}}`).(map[string]any)["secret"].(string)
	for _, secret := range []string{radiusSecret, next} {
		n.secret = secret
		for range 20 {
			p := n.asking("nobody", "")
			request := n.signed(p)
			if reply := n.raw(request); !radius.IsAuthenticResponse(reply, request, p.Secret) {
				t.Fatal("an empty password is answered with the other secret")
			}
		}
	}
}

// countedShares is a store that counts the transactions that its logins share with others.
type countedShares struct {
	store.Store
	n int
}

func (c *countedShares) UpdateShared(ctx context.Context, fn func(store.Tx) error) error {
	c.n++
	return c.Store.UpdateShared(ctx, fn)
}

// TestRadiusSendsAlone: a turn that may send a passcode has a transaction of its own. In a shared one of PostgreSQL it would make all
// others run again.
func TestRadiusSendsAlone(t *testing.T) {
	t.Parallel()
	shares := &countedShares{}
	s := newService(t, storetest.SQLite(t), func(c *dispatch.Config) { shares.Store, c.Store = c.Store, shares })
	for i, c := range []struct {
		steps []string
		want  int
	}{{nil, 1}, {[]string{"OTP"}, 1}, {[]string{"OTP OTPoD"}, 0}, {[]string{"OTPoD"}, 0}, {[]string{"OTP", "OTPoD"}, 0}} {
		application := "tokensmith"
		if c.steps != nil {
			application = fmt.Sprint("a", i)
			withSteps(t, s, application, c.steps...)
		}
		n := newNAS(t, s, fmt.Sprintf("192.0.2.%d", i+1), application, "")
		shares.n = 0
		n.ask(n.asking("nobody", "000000"))
		if shares.n != c.want {
			t.Errorf("%v: %d shared transactions, not %d", c.steps, shares.n, c.want)
		}
	}
}

// TestRadiusFloodRecorded: the record says that a user's credential was not looked at, and a client's lastReason does.
func TestRadiusFloodRecorded(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		s.do(t, "domain/create", `{"attrs":{"name":"corp.example","maxFailures":0,"lockoutThreshold":0}}`)
		withUser(t, s, "ada", "")
		n := newNAS(t, s, "192.0.2.1", "tokensmith", "")
		for range 21 {
			n.tries(reject, "ada", "000000")
		}
		for code, want := range map[int]float64{201: 20, 7: 1} {
			got := s.do(t, "audit/search", fmt.Sprintf(`{"match":[["agent","=","radius:client 192.0.2.1"],["outcome","=",%d]],"max":0}`, code)).(map[string]any)["total"]
			if got != want {
				t.Errorf("%v rows of %d, not %v", got, code, want)
			}
		}
		if err := s.Radius().Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(s.do(t, "radiusClient/get", `{"radiusClient":{"name":"client 192.0.2.1"},"return":["lastReason"]}`)); !strings.Contains(got, "too many") {
			t.Error(got)
		}
	})
}

// udpFrom returns a socket that sends from an address to another.
func udpFrom(t *testing.T, from string, to netip.AddrPort) *net.UDPConn {
	t.Helper()
	conn, err := net.DialUDP("udp4", &net.UDPAddr{IP: net.ParseIP(from)}, net.UDPAddrFromAddrPort(to))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(modeltest.Patience))
	return conn
}

// TestRadiusPasswordsLeaveRoom: however many passwords wait for their comparison, an OTP of another client is decided on.
func TestRadiusPasswordsLeaveRoom(t *testing.T) {
	t.Parallel()
	s := newService(t, storetest.SQLite(t))
	s.do(t, "domain/create", `{"attrs":{"name":"corp.example"}}`)
	withUser(t, s, "ada", "")
	withSteps(t, s, "passwords", "SPASS")
	guesser, n := newNAS(t, s, "127.0.0.1", "passwords", ""), newNAS(t, s, "127.0.0.2", "tokensmith", "")
	at := s.overUDP(t, "udp4", "127.0.0.1:0")
	send := udpFrom(t, "127.0.0.1", at)
	const many = 600
	for i := range many {
		if _, err := send.Write(guesser.signed(guesser.asking("nobody", "wrong password"))); err != nil {
			t.Fatal(err)
		}
		if i%50 == 49 {
			time.Sleep(5 * time.Millisecond) // or the kernel drops some
		}
	}
	other := udpFrom(t, "127.0.0.2", at)
	request := n.signed(n.asking("ada", hotps[0]))
	if _, err := other.Write(request); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, radius.MaxPacketLength)
	size, err := other.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	if got := n.read(request, b[:size]).Code; got != accept {
		t.Error(got)
	}
	if got := s.dropped("overload"); got < many-200 {
		t.Errorf("only %d of %d passwords are dropped before an OTP is decided on: it waited behind the others", got, many)
	}
}
