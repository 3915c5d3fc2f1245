package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"fmt"
	"net"
	"os"
	"regexp"
	"sync"
	"testing"
	"time"

	"layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2869"

	"tokensmith/model/modeltest"
	"tokensmith/model/otp"
	"tokensmith/store/storetest"
)

const radiusSecret = "correct-horse-battery"

// radiusAt returns the address on which a process answers RADIUS.
func (p *process) radiusAt() string {
	p.t.Helper()
	text, err := os.ReadFile(p.out)
	if err != nil {
		p.t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^answering RADIUS on udp://(\S+)$`).FindSubmatch(text)
	if m == nil {
		p.t.Fatalf("no RADIUS in %q", text)
	}
	return string(m[1])
}

// radiusClient makes a client of RADIUS, of the built-in application.
func radiusClient(t testing.TB, c *agentCaller, url, name, address string) {
	t.Helper()
	code, err := c.post(url, "radiusClient/create", attrs("name", name, "address", address, "application.name", "tokensmith", "secret", radiusSecret))
	if err != nil || code != 0 {
		t.Fatal("radiusClient/create", code, err)
	}
}

// accessRequest returns an Access-Request with a Message-Authenticator.
func accessRequest(t testing.TB, user, password string) []byte {
	t.Helper()
	p := radius.New(radius.CodeAccessRequest, []byte(radiusSecret))
	p.Add(rfc2865.UserName_Type, radius.Attribute(user))
	hidden, err := radius.NewUserPassword([]byte(password), p.Secret, p.Authenticator[:])
	if err != nil {
		t.Fatal(err)
	}
	p.Add(rfc2865.UserPassword_Type, hidden)
	ma := make(radius.Attribute, md5.Size)
	p.Add(rfc2869.MessageAuthenticator_Type, ma)
	unsigned, err := p.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(md5.New, p.Secret)
	mac.Write(unsigned)
	mac.Sum(ma[:0])
	b, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// exchange sends a request to several servers from one socket, and returns a reply of each. What gets no reply is sent again.
func exchange(t testing.TB, conn *net.UDPConn, request []byte, servers ...*net.UDPAddr) map[string][]byte {
	replies, b := map[string][]byte{}, make([]byte, radius.MaxPacketLength)
	for began := time.Now(); len(replies) < len(servers); {
		if time.Since(began) > modeltest.Patience {
			t.Error("a request gets no reply")
			return replies
		}
		for _, to := range servers {
			if replies[to.String()] == nil {
				if _, err := conn.WriteToUDP(request, to); err != nil {
					t.Error(err)
					return replies
				}
			}
		}
		conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		for len(replies) < len(servers) {
			n, from, err := conn.ReadFromUDP(b)
			if err != nil {
				break
			}
			if !radius.IsAuthenticResponse(b[:n], request, []byte(radiusSecret)) {
				continue // the reply to a request before
			}
			if before := replies[from.String()]; before != nil && !bytes.Equal(before, b[:n]) {
				t.Errorf("one server sends %x and %x", before, b[:n])
			}
			replies[from.String()] = bytes.Clone(b[:n])
		}
	}
	return replies
}

// TestRadiusRace: each OTP is sent 16 times at once, from four sources, to two processes, in equal packets and in different ones. It is
// accepted once, and equal packets get equal replies.
func TestRadiusRace(t *testing.T) {
	t.Parallel()
	modeltest.NotShort(t)
	storetest.Each(t, func(t *testing.T, url string) {
		many := modeltest.Size(1000, 60)
		all, c := processes(t, 2, "--db", url, "--radius-listen", "127.0.0.1:0")
		guard(t, c, all[0].url, many)
		radiusClient(t, c, all[0].url, "local", "127.0.0.0/8")
		var servers []*net.UDPAddr
		for _, p := range all {
			at, err := net.ResolveUDPAddr("udp", p.radiusAt())
			if err != nil {
				t.Fatal(err)
			}
			servers = append(servers, at)
		}
		places := make(chan struct{}, 8)
		var group sync.WaitGroup
		for i := range many {
			places <- struct{}{}
			group.Go(func() {
				defer func() { <-places }()
				user, password := fmt.Sprint("u", i), otp.Generate(seedOf(i), 0, hotp)
				var mu sync.Mutex
				accepted := 0
				count := func(reply []byte) {
					mu.Lock()
					defer mu.Unlock()
					if len(reply) > 0 && radius.Code(reply[0]) == radius.CodeAccessAccept {
						accepted++
					}
				}
				var senders sync.WaitGroup
				for source := range 4 {
					from := &net.UDPAddr{IP: net.IPv4(127, 0, 0, byte(1+source))}
					send := func(check func(replies map[string][]byte), to ...*net.UDPAddr) {
						conn, err := net.ListenUDP("udp4", from)
						if err != nil {
							t.Error(err)
							return
						}
						request := accessRequest(t, user, password)
						senders.Go(func() {
							defer conn.Close()
							check(exchange(t, conn, request, to...))
						})
					}
					// The same packet to both, and another one to each.
					send(func(replies map[string][]byte) {
						first, second := replies[servers[0].String()], replies[servers[1].String()]
						if !bytes.Equal(first, second) {
							t.Errorf("%s: one packet gets %x and %x", user, first, second)
						}
						count(first)
					}, servers...)
					for n := range servers {
						send(func(replies map[string][]byte) { count(replies[servers[n].String()]) }, servers[n])
					}
				}
				senders.Wait()
				if accepted != 1 {
					t.Errorf("%s: accepted %d times", user, accepted)
				}
			})
		}
		group.Wait()
	})
}
