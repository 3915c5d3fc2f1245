package rpc_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/md5"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2869"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/store"
	"tokensmith/store/storetest"
)

const radiusSecret = "correct-horse-battery"

// nas plays a client of RADIUS with an address.
type nas struct {
	t      testing.TB
	s      *service
	from   string
	secret string
	bare   bool // sends no Message-Authenticator
}

// newNAS makes a client with an address, of an application, and returns one who plays it. attrs are further attributes.
func newNAS(t testing.TB, s *service, address, application, attrs string) *nas {
	t.Helper()
	s.do(t, "radiusClient/create", fmt.Sprintf(`{"attrs":{"name":"client %s","address":"%[1]s","application":{"name":"%s"},"secret":"%s"%s}}`, address, application, radiusSecret, attrs))
	return &nas{t: t, s: s, from: address + ":1645", secret: radiusSecret}
}

// asking returns an Access-Request for a user with a password of PAP, and more attributes.
func (n *nas) asking(user, password string, more ...*radius.AVP) *radius.Packet {
	p := radius.New(radius.CodeAccessRequest, []byte(n.secret))
	p.Add(rfc2865.UserName_Type, radius.Attribute(user))
	hidden, err := radius.NewUserPassword([]byte(password), p.Secret, p.Authenticator[:])
	if err != nil {
		n.t.Fatal(err)
	}
	p.Add(rfc2865.UserPassword_Type, hidden)
	p.Attributes = append(p.Attributes, more...)
	return p
}

// signed returns a packet as it is sent, with a Message-Authenticator.
func (n *nas) signed(p *radius.Packet) []byte {
	if !n.bare {
		ma := make(radius.Attribute, md5.Size)
		p.Add(rfc2869.MessageAuthenticator_Type, ma)
		unsigned, err := p.MarshalBinary()
		if err != nil {
			n.t.Fatal(err)
		}
		mac := hmac.New(md5.New, p.Secret)
		mac.Write(unsigned)
		mac.Sum(ma[:0])
	}
	b, err := p.Encode()
	if err != nil {
		n.t.Fatal(err)
	}
	return b
}

// raw sends a datagram and returns the reply; nil if there is none.
func (n *nas) raw(b []byte) []byte {
	return n.s.Radius().Handle(n.t.Context(), netip.MustParseAddrPort(n.from), b).Packet
}

// ask sends a request and returns the reply, which must be authentic.
func (n *nas) ask(p *radius.Packet) *radius.Packet {
	n.t.Helper()
	request := n.signed(p)
	return n.read(request, n.raw(request))
}

// read returns the reply to a request. It must be authentic: with a Message-Authenticator, as its first attribute.
func (n *nas) read(request, reply []byte) *radius.Packet {
	n.t.Helper()
	if reply == nil {
		n.t.Fatalf("no reply\n%s", n.s.log)
	}
	secret := []byte(n.secret)
	if !radius.IsAuthenticResponse(reply, request, secret) {
		n.t.Fatalf("the reply is not authentic: %x", reply)
	}
	if len(reply) < 38 || radius.Type(reply[20]) != rfc2869.MessageAuthenticator_Type || reply[21] != 18 {
		n.t.Fatalf("a reply does not begin with a Message-Authenticator: %x", reply)
	}
	zeroed := bytes.Clone(reply)
	copy(zeroed[4:20], request[4:20])
	clear(zeroed[22:38])
	mac := hmac.New(md5.New, secret)
	mac.Write(zeroed)
	if !hmac.Equal(mac.Sum(nil), reply[22:38]) {
		n.t.Fatalf("the Message-Authenticator of a reply is not valid: %x", reply)
	}
	p, err := radius.Parse(reply, secret)
	if err != nil {
		n.t.Fatal(err)
	}
	return p
}

// tries sends a user's password and fails the test unless the reply has a code. It returns the State of a challenge.
func (n *nas) tries(want radius.Code, user, password string, more ...*radius.AVP) *radius.AVP {
	n.t.Helper()
	got := n.ask(n.asking(user, password, more...))
	if got.Code != want {
		n.t.Fatalf("%s: %v, not %v: %q\n%s", user, got.Code, want, got.Get(rfc2865.ReplyMessage_Type), lastLines(n.s.log.String(), 3))
	}
	if state := got.Get(rfc2865.State_Type); state != nil {
		return &radius.AVP{Type: rfc2865.State_Type, Attribute: state}
	}
	return nil
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// OTPs of the seed of RFC 4226, by counter.
var hotps = []string{"755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"}

// withUser makes a domain, and in it a user with an event-based token whose OTPs are hotps.
func withUser(t testing.TB, s *service, login, attrs string) {
	t.Helper()
	s.do(t, "user/create", `{"attrs":{"domain.name":"corp.example","loginName":"`+login+`"`+attrs+`}}`)
	s.do(t, "token/create", `{"attrs":{"product.productCode":"SE","serial":"`+login+`","seed":"`+worldSeed+`","user":{"loginName":"`+login+`"}}}`)
}

// TestRadiusPAP: a client whose application has no procedure logs users on with OTPs.
func TestRadiusPAP(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		s.do(t, "domain/create", `{"attrs":{"name":"corp.example","netbiosName":"CORP"}}`)
		withUser(t, s, "ada", `,"userPrincipalName":"ada.l@corp.example","password":"correct horse battery"`)
		n := newNAS(t, s, "192.0.2.1", "tokensmith", `,"attributes":"Class={login}\nstaff/Filter-Id=for staff\nothers/Filter-Id=for others\nCisco-AVPair=shell:priv-lvl=15\nService-Type=Login-User"`)
		s.do(t, "group/create", `{"attrs":{"name":"Staff","domain.name":"corp.example","users":[{"loginName":"ada"}]}}`)
		got := n.ask(n.asking("ada", hotps[0], &radius.AVP{Type: rfc2865.ProxyState_Type, Attribute: radius.Attribute("one")},
			&radius.AVP{Type: rfc2865.ProxyState_Type, Attribute: radius.Attribute("two")}))
		if got.Code != radius.CodeAccessAccept {
			t.Fatalf("%v\n%s", got.Code, s.log)
		}
		var seen []string
		for _, a := range got.Attributes[1:] {
			seen = append(seen, fmt.Sprintf("%d=%q", a.Type, a.Attribute))
		}
		want := `25="ada" 11="for staff" 26="\x00\x00\x00\t\x01\x13shell:priv-lvl=15" 6="\x00\x00\x00\x01" 33="one" 33="two"`
		if strings.Join(seen, " ") != want {
			t.Errorf("it carries %s, not %s", strings.Join(seen, " "), want)
		}
		n.tries(radius.CodeAccessReject, "ada", hotps[0])
		n.tries(radius.CodeAccessAccept, `CORP\ada`, hotps[1])
		n.tries(radius.CodeAccessAccept, `corp.example/ada`, hotps[2])
		n.tries(radius.CodeAccessAccept, "ADA.L@corp.example", hotps[3])
		n.tries(radius.CodeAccessReject, "ada", "correct horse battery") // a password alone passes only a step that names it
		n.tries(radius.CodeAccessReject, "ada", "correct horse battery,"+hotps[4])
		n.tries(radius.CodeAccessReject, "nobody", hotps[4])
		n.tries(radius.CodeAccessReject, "CORP\\", hotps[4])
		n.tries(radius.CodeAccessReject, "a\x00da\xff", hotps[4])
		n.tries(radius.CodeAccessReject, `NOSUCH\ada`, hotps[4])
		n.tries(radius.CodeAccessAccept, "ada", hotps[4])
		s.do(t, "tokenAssignment/set", `{"tokenAssignment":{"token.serial":"ada"},"attrs":{"pin":"1234"}}`)
		n.tries(radius.CodeAccessReject, "ada", hotps[5])
		n.tries(radius.CodeAccessAccept, "ada", "1234"+hotps[5])
		if log := s.log.String(); !strings.Contains(log, `"method":"auth/logon","agent":"radius:client 192.0.2.1","code":0`) || strings.Contains(log, hotps[5]) {
			t.Errorf("the log:\n%s", log)
		}
		// How often it asked.
		if err := s.Radius().Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		row := s.do(t, "radiusClient/get", `{"radiusClient":{"name":"client 192.0.2.1"}}`).(map[string]any)
		if row["accepted"] != 6.0 || row["refused"] != 8.0 || row["lastReason"] != "wrong credential" || row["lastUsed"] == nil {
			t.Errorf("counted: %v", row)
		}
	})
}

// TestRadiusWhoIsAnswered: only a request that a known client has proven is answered; all others are dropped in silence.
func TestRadiusWhoIsAnswered(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		s.do(t, "domain/create", `{"attrs":{"name":"corp.example"}}`)
		withUser(t, s, "ada", "")
		n := newNAS(t, s, "192.0.2.1", "tokensmith", "")
		lax := newNAS(t, s, "192.0.2.2", "tokensmith", `,"requireMessageAuthenticator":false`)
		used := 0
		otp := func() string { used++; return hotps[used-1] }
		silent := func(what string, b []byte, of *nas) {
			t.Helper()
			if reply := of.raw(b); reply != nil {
				t.Errorf("%s is answered: %x", what, reply)
			}
		}
		next := hotps[0]
		silent("an unknown address", n.signed(n.asking("ada", next)), &nas{t: t, s: s, from: "192.0.2.9:1"})
		bare := *n
		bare.bare = true
		silent("no Message-Authenticator", bare.signed(bare.asking("ada", next)), n)
		wrong := *n
		wrong.secret = "another-horse-battery"
		silent("another secret", wrong.signed(wrong.asking("ada", next)), n)
		silent("another secret, of a client that needs none", wrong.signed(wrong.asking("ada", next)), lax)
		good := n.signed(n.asking("ada", next))
		changed := bytes.Clone(good)
		changed[22] ^= 1 // the name
		silent("a changed packet", changed, n)
		silent("a packet that is cut off", good[:len(good)-1], n)
		silent("an empty datagram", nil, n)
		silent("a long datagram", make([]byte, radius.MaxPacketLength+1), n)
		twice := n.asking("ada", next)
		twice.Add(rfc2869.MessageAuthenticator_Type, make(radius.Attribute, md5.Size))
		silent("two Message-Authenticators", n.signed(twice), n)
		many := n.asking("ada", next)
		for range 200 {
			many.Add(rfc2865.Class_Type, radius.Attribute("x"))
		}
		silent("too many attributes", n.signed(many), n)
		proxied := n.asking("ada", next)
		for range 10 {
			proxied.Add(rfc2865.ProxyState_Type, make(radius.Attribute, 253))
		}
		silent("too much of Proxy-State", n.signed(proxied), n)
		for _, code := range []radius.Code{radius.CodeAccessAccept, radius.CodeAccessChallenge, radius.CodeStatusClient, radius.CodeDisconnectRequest, radius.CodeCoARequest} {
			p := n.asking("ada", next)
			p.Code = radius.CodeAccessRequest
			b := n.signed(p)
			b[0] = byte(code)
			silent(code.String(), b, n)
		}
		lax.bare = true
		if got := lax.raw(lax.signed(lax.asking("ada", otp()))); got == nil || radius.Code(got[0]) != radius.CodeAccessAccept {
			t.Errorf("a client that needs no Message-Authenticator: %x", got)
		}
		// What follows the packet in a datagram is padding (RFC 2865, section 3).
		request := n.signed(n.asking("ada", otp()))
		if got := n.read(request, n.raw(append(bytes.Clone(request), 1, 2, 3))); got.Code != radius.CodeAccessAccept {
			t.Errorf("padding: %v", got.Code)
		}
		// CHAP, MS-CHAP and EAP are refused, and the log says why.
		for name, a := range map[string]*radius.AVP{"CHAP": {Type: rfc2865.CHAPPassword_Type, Attribute: make(radius.Attribute, 17)},
			"MS-CHAP": {Type: rfc2865.VendorSpecific_Type, Attribute: append(binary.BigEndian.AppendUint32(nil, 311), 25, 3, 0)},
			"EAP":     {Type: rfc2869.EAPMessage_Type, Attribute: radius.Attribute("\x02\x01\x00\x08\x01ada")}} {
			n.tries(radius.CodeAccessReject, "ada", next, a)
			nextSecond()
			if n.tries(radius.CodeAccessReject, "ada", next, a); !strings.Contains(s.log.String(), name+" is not taken") {
				t.Errorf("the log does not say why %s is refused", name)
			}
		}
		// Status-Server (RFC 5997) and accounting.
		status := radius.New(radius.CodeStatusServer, []byte(n.secret))
		if got := n.ask(status); got.Code != radius.CodeAccessAccept || len(got.Attributes) != 1 {
			t.Errorf("Status-Server: %v", got)
		}
		lone := *lax
		silent("Status-Server without a Message-Authenticator", lone.signed(radius.New(radius.CodeStatusServer, []byte(n.secret))), &lone)
		accounting := radius.New(radius.CodeAccountingRequest, []byte(n.secret))
		accounting.Add(rfc2865.UserName_Type, radius.Attribute("ada"))
		asked, err := accounting.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if got := n.raw(asked); !radius.IsAuthenticResponse(got, asked, []byte(n.secret)) || radius.Code(got[0]) != radius.CodeAccountingResponse {
			t.Errorf("accounting: %x", got)
		}
		asked[len(asked)-1] ^= 1
		silent("accounting with another secret", asked, n)
		// A new secret, beside the old one for a while.
		s.do(t, "radiusClient/rotateSecret", `{"radiusClient":{"name":"client 192.0.2.1"},"secret":"a-new-correct-horse","overlap":60}`)
		n.tries(radius.CodeAccessAccept, "ada", otp())
		fresh := *n
		fresh.secret = "a-new-correct-horse"
		fresh.tries(radius.CodeAccessAccept, "ada", otp())
		s.clock.advance(time.Minute)
		silent("the old secret", n.signed(n.asking("ada", hotps[used])), n)
		fresh.tries(radius.CodeAccessAccept, "ada", otp())
		// Of two clients the one with the smaller range is meant, and a disabled one is unknown.
		s.do(t, "radiusClient/create", `{"attrs":{"name":"net","address":"192.0.2.0/24","application.name":"tokensmith","secret":"another-horse-battery"}}`)
		wrong.from = "192.0.2.77:1"
		wrong.tries(radius.CodeAccessAccept, "ada", otp())
		fresh.tries(radius.CodeAccessAccept, "ada", otp())
		s.do(t, "radiusClient/set", `{"radiusClient":{"name":"net"},"attrs":{"status":"DISABLED"}}`)
		silent("a disabled client", wrong.signed(wrong.asking("ada", hotps[used])), &wrong)
		metrics := metricsOf(s)
		for _, want := range []string{`tokensmith_radius_dropped_total{reason="no Message-Authenticator"} 2`, `tokensmith_radius_dropped_total{reason="wrong secret"}`,
			`tokensmith_radius_dropped_total{reason="unknown client"} 1`, `tokensmith_radius_dropped_total{reason="disabled client"} 1`, `tokensmith_radius_answers_total{reply="accept"}`} {
			if !strings.Contains(metrics, want) {
				t.Errorf("/metrics has no %s", want)
			}
		}
		if n := strings.Count(s.log.String(), "a RADIUS request is dropped"); n == 0 || n > 10 {
			t.Errorf("%d lines about dropped requests", n)
		}
	})
}

// metricsOf returns what /metrics tells.
func metricsOf(s *service) string {
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	r.SetBasicAuth(s.id, s.key)
	_, _, text := s.get("/metrics", "Authorization", r.Header.Get("Authorization"))
	return text
}

// nextSecond waits until another second of the log has begun.
func nextSecond() {
	time.Sleep(1100 * time.Millisecond)
}

// TestRadiusRetransmission: a request that is sent again gets the same bytes and spends no second OTP, at another process as well, at
// the same time and later. The same OTP in another request is refused.
func TestRadiusRetransmission(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		s.do(t, "domain/create", `{"attrs":{"name":"corp.example"}}`)
		withUser(t, s, "ada", "")
		all := s.together(t)
		n := newNAS(t, s, "192.0.2.1", "tokensmith", "")
		for _, otp := range []string{hotps[0], hotps[1], "000000"} {
			request := n.signed(n.asking("ada", otp))
			var group sync.WaitGroup
			var mu sync.Mutex
			var replies [][]byte
			for i := range 16 {
				at := *n
				at.s = all[i%len(all)]
				group.Go(func() {
					reply := at.s.Radius().Handle(t.Context(), netip.MustParseAddrPort(at.from), request)
					mu.Lock()
					defer mu.Unlock()
					for range reply.Times {
						replies = append(replies, reply.Packet)
					}
				})
			}
			group.Wait()
			if len(replies) != 16 {
				t.Fatalf("%d of 16 requests were answered\n%s", len(replies), lastLines(s.log.String(), 20))
			}
			want := radius.CodeAccessAccept
			if otp == "000000" {
				want = radius.CodeAccessReject
			}
			for _, reply := range replies {
				if radius.Code(reply[0]) != want || !bytes.Equal(reply, replies[0]) {
					t.Fatalf("%s: replies differ: %x and %x", otp, reply, replies[0])
				}
			}
			s.clock.advance(29 * time.Second)
			if later := n.raw(request); !bytes.Equal(later, replies[0]) {
				t.Errorf("later: %x", later)
			}
			other := *n
			other.from = "192.0.2.1:1646"
			if got := radius.Code(other.raw(request)[0]); got != radius.CodeAccessReject {
				t.Errorf("from another port: %v", got)
			}
			n.tries(radius.CodeAccessReject, "ada", otp)
			s.clock.advance(2 * time.Second)
			if again := n.raw(request); radius.Code(again[0]) != radius.CodeAccessReject {
				t.Errorf("much later: %x", again)
			}
		}
		rows := s.do(t, "user/get", `{"user":{"loginName":"ada"},"return":["failCount"]}`).(map[string]any)
		if rows["failCount"] != 4.0 { // 000000 once for the request, the port, another request, and much later
			t.Errorf("%v failures", rows["failCount"])
		}
		if err := s.Radius().DropNotes(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.clock.advance(time.Minute)
		if err := s.Radius().DropNotes(t.Context()); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(contents(t, url), "radius_notes") {
			t.Error("notes are left")
		}
	})
}

// undone is a store whose logins can be made to fail at their end, as if the database had gone.
type undone struct {
	store.Store
	fails atomic.Bool
}

func (u *undone) UpdateShared(ctx context.Context, fn func(store.Tx) error) error {
	if !u.fails.Load() {
		return u.Store.UpdateShared(ctx, fn)
	}
	gone := model.UnavailableError(errors.New("gone"))
	return u.Update(ctx, func(tx store.Tx) error { return cmp.Or(fn(tx), error(gone)) })
}

// TestRadiusRetransmissionOfAPassword: the reply that is kept is looked for before a password is compared, which is slow on purpose.
func TestRadiusRetransmissionOfAPassword(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		s.do(t, "domain/create", `{"attrs":{"name":"corp.example"}}`)
		withUser(t, s, "ada", `,"password":"correct horse battery"`)
		withSteps(t, s, "two", "SPASS", "OTP")
		n := newNAS(t, s, "192.0.2.1", "two", "")
		request := n.signed(n.asking("ada", "correct horse battery"))
		reply := n.raw(request)
		id := s.do(t, "user/get", `{"user":{"loginName":"ada"},"return":["id"]}`).(map[string]any)["id"].(string)
		err := s.store.Update(t.Context(), func(tx store.Tx) error { return tx.SetPassword(id, []byte("cannot be unsealed"), false, 0) })
		if err != nil {
			t.Fatal(err)
		}
		if other := n.raw(n.signed(n.asking("ada", "correct horse battery"))); other != nil {
			t.Fatalf("a password that cannot be compared is answered: code %d", other[0])
		}
		if again := n.raw(request); reply == nil || !bytes.Equal(again, reply) {
			t.Errorf("sent again, it gets another reply: %x, not %x", again, reply)
		}
	})
}

// TestRadiusUncommitted: what was not committed is not answered. The client sends its request again, and is accepted then.
func TestRadiusUncommitted(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		u := &undone{}
		s := newService(t, url, func(c *dispatch.Config) { u.Store, c.Store = c.Store, u })
		s.do(t, "domain/create", `{"attrs":{"name":"corp.example"}}`)
		withUser(t, s, "ada", "")
		n := newNAS(t, s, "192.0.2.1", "tokensmith", "")
		for otp, want := range map[string]radius.Code{hotps[0]: accept, "000000": reject} {
			request := n.signed(n.asking("ada", otp))
			u.fails.Store(true)
			if reply := n.raw(request); reply != nil {
				t.Errorf("what was not committed is answered: %x", reply)
			}
			u.fails.Store(false)
			if got := n.read(request, n.raw(request)).Code; got != want {
				t.Errorf("sent again: %v, not %v", got, want)
			}
		}
	})
}
