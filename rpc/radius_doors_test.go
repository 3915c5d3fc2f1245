package rpc_test

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"layeh.com/radius"
	"layeh.com/radius/rfc2865"

	"tokensmith/model/modeltest"
	"tokensmith/store/storetest"
)

// TestBothDoors: who guesses by HTTP and by RADIUS at once has one budget: the failures add up, lock the user at both, and stand in one
// record. An OTP that is sent to both at once is accepted by one.
func TestBothDoors(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		s.do(t, "domain/create", `{"attrs":{"name":"corp.example","lockoutThreshold":10}}`)
		withUser(t, s, "ada", "")
		n := newNAS(t, s, "192.0.2.1", "tokensmith", "")
		calling := &radius.AVP{Type: rfc2865.CallingStationID_Type, Attribute: radius.Attribute("203.0.113.9")}
		byHTTP := func(otp string) int {
			_, reply := s.post("/auth/logon", `{"user":{"loginName":"ada"},"remoteIp":"203.0.113.9","credential":{"otp":"`+otp+`"}}`)
			return codeIn(reply)
		}
		byRADIUS := func(otp string) radius.Code {
			request := n.signed(n.asking("ada", otp, calling))
			return n.read(request, n.raw(request)).Code
		}
		var accepted atomic.Int64
		for i := range modeltest.Size(9, 5) {
			var group sync.WaitGroup
			for range 2 {
				group.Go(func() {
					if byHTTP(hotps[i]) == 0 {
						accepted.Add(1)
					}
				})
				group.Go(func() {
					if byRADIUS(hotps[i]) == accept {
						accepted.Add(1)
					}
				})
			}
			group.Wait()
			if got := accepted.Swap(0); got != 1 {
				t.Errorf("an OTP is accepted %d times", got)
			}
			s.clock.advance(modeltest.Patience)
		}
		var group sync.WaitGroup
		for i := range 10 {
			group.Go(func() {
				if i%2 == 0 {
					byHTTP("wrong")
				} else {
					byRADIUS("wrong")
				}
			})
		}
		group.Wait()
		if got := s.failures(t, "ada"); got != 10 {
			t.Errorf("%v failures", got)
		}
		if code := byHTTP(hotps[9]); code != 202 {
			t.Errorf("by HTTP: %d", code)
		}
		if code := byRADIUS(hotps[9]); code != reject {
			t.Errorf("by RADIUS: %v", code)
		}
		for agent, want := range map[string]float64{"first": 5, "radius:client 192.0.2.1": 5} {
			rows := s.do(t, "audit/search", fmt.Sprintf(`{"match":[["method","=","auth/logon"],["agent","=","%s"],["outcome","=",201]],"return":["remote"]}`, agent)).(map[string]any)
			if rows["total"] != want {
				t.Errorf("%s: %v refusals in the record", agent, rows["total"])
			}
			if remote := rows["rows"].([]any)[0].(map[string]any)["remote"].(string); !strings.HasPrefix(remote, "203.0.113.9 by ") {
				t.Errorf("the record names %q", remote)
			}
		}
		s.do(t, "user/unlock", `{"user":{"loginName":"ada"}}`)
		if code := byRADIUS(hotps[9]); code != accept {
			t.Errorf("unlocked: %v", code)
		}
		if code, reply := s.post("/audit/verify", `{}`); codeIn(reply) != 0 {
			t.Error(code, reply)
		}
	})
}

// TestRadiusSecretsStaySecret: neither a secret of a client, nor a password, OTP, PIN, passcode or State is in the log or, in clear text, in
// the database, whatever becomes of the request.
func TestRadiusSecretsStaySecret(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		s.do(t, "domain/create", `{"attrs":{"name":"corp.example","lockoutThreshold":0,"maxFailures":0}}`)
		withUser(t, s, "ada", `,"password":"MARKEDpassword"`)
		s.do(t, "tokenAssignment/set", `{"tokenAssignment":{"token.serial":"ada"},"attrs":{"pin":"MARKEDpin","mustChangePin":true}}`)
		withSteps(t, s, "two", "SPASS", "OTP")
		var marks []string
		mark := func(all ...string) { marks = append(marks, all...) }
		mark("MARKED", hotps[0], hotps[1], hotps[2])
		secret := func(name, address, application string) *nas {
			s.do(t, "radiusClient/create", fmt.Sprintf(`{"attrs":{"name":"%s","address":"%s","application.name":"%s","secret":"MARKEDsecret-%[1]s"}}`, name, address, application))
			s.post("/radiusClient/create", fmt.Sprintf(`{"attrs":{"name":"%s","address":"%s","application.name":"%s","secret":"MARKEDsecret-%[1]s"}}`, name, address, application))
			return &nas{t: t, s: s, from: address + ":1", secret: "MARKEDsecret-" + name}
		}
		n, two := secret("one", "192.0.2.1", "tokensmith"), secret("second", "192.0.2.2", "two")
		made := s.do(t, "radiusClient/create", `{"attrs":{"name":"third","address":"192.0.2.3","application.name":"two"}}`).(map[string]any)
		mark(made["secret"].(string))
		made = s.do(t, "radiusClient/rotateSecret", `{"radiusClient":{"name":"third"}}`).(map[string]any)
		mark(made["secret"].(string))
		stated := func(state *radius.AVP) *radius.AVP {
			mark(string(state.Attribute), hex.EncodeToString(state.Attribute))
			return state
		}
		ask := func(n *nas, user, password string, more ...*radius.AVP) *radius.AVP {
			got := n.ask(n.asking(user, password, more...))
			if state := got.Get(rfc2865.State_Type); state != nil {
				return stated(&radius.AVP{Type: rfc2865.State_Type, Attribute: state})
			}
			return nil
		}
		state := ask(n, "ada", "MARKEDpin"+hotps[0])
		state = ask(n, "ada", "MARKEDnewpin", state)
		ask(n, "ada", "MARKEDnewpin", state)
		ask(n, "ada", "MARKEDnewpin"+hotps[1])
		ask(n, "nobody", "MARKEDpassword")
		ask(n, "ada", "MARKEDpassword", &radius.AVP{Type: rfc2865.State_Type, Attribute: radius.Attribute("MARKEDstate")})
		ask(n, "ada", "MARKEDpassword", &radius.AVP{Type: rfc2865.CHAPPassword_Type, Attribute: radius.Attribute("MARKEDchap")})
		state = ask(two, "ada", "MARKEDpassword")
		ask(two, "ada", "MARKEDwrong", state)
		state = ask(two, "ada", "MARKEDwrong")
		ask(two, "ada", "MARKEDnewpin"+hotps[2], state)
		wrong := *n
		wrong.secret = "MARKEDsecret-other"
		wrong.raw(wrong.signed(wrong.asking("ada", "MARKEDpassword")))
		for _, b := range [][]byte{[]byte("MARKEDgarbage"), []byte(strings.Repeat("MARKED", 900)), []byte("\x01\x01\x00\x20" + strings.Repeat("MARKED", 5))} {
			n.raw(b)
			s.Radius().Handle(t.Context(), netip.MustParseAddrPort("198.51.100.1:1"), b)
		}
		if log := s.log.String(); strings.Count(log, "auth/logon") < 6 {
			t.Fatalf("the log has too little:\n%s", log)
		}
		stored := dump(t, s, url)
		for _, m := range marks {
			for where, text := range map[string]string{"log": s.log.String(), "database": stored} {
				if i := strings.Index(text, m); i >= 0 {
					t.Errorf("%q is in the %s: %.200q", m, where, text[max(0, i-80):])
				}
			}
		}
	})
}

// FuzzRadius: any datagram gets one datagram at most, from a client and from others, and the server goes on.
func FuzzRadius(f *testing.F) {
	s := newService(f, storetest.SQLite(f))
	s.do(f, "domain/create", `{"attrs":{"name":"corp.example"}}`)
	withUser(f, s, "ada", "")
	n := newNAS(f, s, "192.0.2.1", "tokensmith", `,"requireMessageAuthenticator":false`)
	n.bare = true
	f.Add(n.signed(n.asking("ada", "000000")))
	f.Add(n.signed(n.asking("nobody", strings.Repeat("x", 128), &radius.AVP{Type: rfc2865.State_Type, Attribute: radius.Attribute("x")})))
	f.Add(n.signed(radius.New(radius.CodeAccountingRequest, []byte(radiusSecret))))
	n.bare = false
	f.Add(n.signed(n.asking("ada\\", "")))
	f.Add(n.signed(radius.New(radius.CodeStatusServer, []byte(radiusSecret))))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		s.clock.advance(modeltest.Patience)
		for _, from := range []string{"192.0.2.1:1", "[2001:db8::1]:1"} {
			reply := s.Radius().Handle(t.Context(), netip.MustParseAddrPort(from), b)
			if reply.Packet != nil && (reply.Times != 1 || len(reply.Packet) < 20 || from != "192.0.2.1:1") {
				t.Fatalf("%d replies to %s: %x", reply.Times, from, reply.Packet)
			}
		}
		if log := s.log.String(); strings.Contains(log, "panic") || strings.Contains(log, `"code":1,`) {
			t.Fatal(lastLines(log, 3))
		}
	})
}
