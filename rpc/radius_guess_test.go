package rpc_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"layeh.com/radius"
	"layeh.com/radius/rfc2865"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/sender"
	"tokensmith/store"
	"tokensmith/store/storetest"
)

// TestRadiusFlood: after many wrong tries a user is asked for the same as one who does not exist, with every kind of steps and from one
// address or several.
func TestRadiusFlood(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		post := make(letterbox, 100)
		s := newService(t, url, func(c *dispatch.Config) { c.Senders = map[string]sender.Sender{model.SMTP: post, model.SMS: post} })
		s.do(t, "domain/create", `{"attrs":{"name":"corp.example","maxFailures":0,"lockoutThreshold":0}}`)
		withSteps(t, s, "two", "SPASS", "OTP")
		withSteps(t, s, "either", "OTP OTPoD")
		withSteps(t, s, "sent", "SPASS", "OTPoD")
		withUser(t, s, "ada", `,"password":"correct horse, battery","email":"ada@mail.example"`)
		for i, application := range []string{"tokensmith", "two", "either", "sent"} {
			n := newNAS(t, s, "192.0.2."+string(rune('1'+i)), application, "")
			tries := 3
			if i == 0 {
				tries = 25 // more than a user may have refused within a minute
			}
			for k := range tries {
				known, unknown := n.ask(n.asking("ada", "wrong")), n.ask(n.asking("nobody", "wrong"))
				for known.Code == radius.CodeAccessChallenge && unknown.Code == known.Code { // to the end of the logon
					if a, b := known.Get(rfc2865.ReplyMessage_Type), unknown.Get(rfc2865.ReplyMessage_Type); string(a) != string(b) {
						t.Fatalf("%s, try %d: %q, and for nobody %q", application, k+1, a, b)
					}
					state := func(p *radius.Packet) *radius.AVP {
						return &radius.AVP{Type: rfc2865.State_Type, Attribute: p.Get(rfc2865.State_Type)}
					}
					known, unknown = n.ask(n.asking("ada", "1", state(known))), n.ask(n.asking("nobody", "1", state(unknown)))
				}
				if known.Code != unknown.Code {
					t.Fatalf("%s, try %d: %v, and for nobody %v", application, k+1, known.Code, unknown.Code)
				}
			}
		}
		// A right password is not looked at while there are too many.
		n := &nas{t: t, s: s, from: "192.0.2.2:1645", secret: radiusSecret}
		state, _ := n.asked("ada", "correct horse, battery")
		n.tries(reject, "ada", hotps[0], state)
		s.clock.advance(2 * time.Minute)
		n.tries(accept, "ada", "correct horse, battery,"+hotps[0])
		if len(post) > 0 {
			t.Errorf("%d messages were sent", len(post))
		}
	})
}

// TestRadiusCommaCostsAGuess: a wrong password costs the same of the user's budget whether or not an OTP stands behind it.
func TestRadiusCommaCostsAGuess(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		s.do(t, "domain/create", `{"attrs":{"name":"corp.example","maxFailures":0,"lockoutThreshold":0}}`)
		withSteps(t, s, "two", "SPASS", "OTP")
		n := newNAS(t, s, "192.0.2.1", "two", "")
		spent := map[string]model.Time{} // when the budget will have recovered
		for user, text := range map[string]string{"ada": "wrong", "bob": "wrong," + hotps[0]} {
			withUser(t, s, user, `,"password":"correct horse battery"`)
			n.ask(n.asking(user, text))
			id := s.do(t, "user/get", `{"user":{"loginName":"`+user+`"},"return":["id"]}`).(map[string]any)["id"].(string)
			err := s.store.View(t.Context(), func(tx store.ReadTx) error {
				login, err := tx.Login(id)
				spent[user] = login.GuessedUntil
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if spent["ada"] != spent["bob"] || spent["ada"] == 0 {
			t.Errorf("a wrong password costs until %v, and until %v with an OTP behind it", spent["ada"], spent["bob"])
		}
		n.tries(accept, "bob", "correct horse battery,"+hotps[0]) // it stayed good
	})
}

// TestRadiusPINAlone: whether a text is the user's PIN does not show before the passcode, however the PIN looks and whatever step comes
// next.
func TestRadiusPINAlone(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		post := make(letterbox, 100)
		s := newService(t, url, func(c *dispatch.Config) { c.Senders = map[string]sender.Sender{model.SMTP: post} })
		s.do(t, "domain/create", `{"attrs":{"name":"corp.example","maxFailures":0,"lockoutThreshold":0}}`)
		withUser(t, s, "ada", `,"password":"correct horse battery","email":"ada@mail.example"`)
		s.do(t, "tokenAssignment/set", `{"tokenAssignment":{"token.serial":"ada"},"attrs":{"pin":"83190274"}}`)
		withSteps(t, s, "one", "OTP OTPoD")
		withSteps(t, s, "two", "OTP OTPoD", "SPASS")
		for i, application := range []string{"one", "two"} {
			n := newNAS(t, s, "192.0.2."+string(rune('1'+i)), application, "")
			_, right := n.asked("ada", "83190274")
			for _, wrong := range []string{"83190275", "wrong", "9999999999999999"} {
				for _, user := range []string{"ada", "nobody"} {
					state, text := n.asked(user, wrong)
					if text != right {
						t.Errorf("%s: %s is asked %q for %s, and for the PIN %q", application, user, text, wrong, right)
					}
					n.tries(reject, user, "123456", state)
				}
			}
		}
	})
}

// TestRadiusPasscodeBehindOTP: where a passcode follows an OTP, it is sent, and is taken without the PIN that was typed with the OTP.
func TestRadiusPasscodeBehindOTP(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		post := make(letterbox, 100)
		s := newService(t, url, func(c *dispatch.Config) { c.Senders = map[string]sender.Sender{model.SMTP: post} })
		s.do(t, "domain/create", `{"attrs":{"name":"corp.example"}}`)
		withSteps(t, s, "sent", "OTP", "OTPoD")
		n := newNAS(t, s, "192.0.2.1", "sent", "")
		for i, user := range []string{"ada", "bob"} { // who share a seed
			pin := []string{"1234", ""}[i]
			withUser(t, s, user, `,"email":"`+user+`@mail.example"`)
			if pin != "" {
				s.do(t, "tokenAssignment/set", `{"tokenAssignment":{"token.serial":"`+user+`"},"attrs":{"pin":"`+pin+`"}}`)
			}
			state, _ := n.asked(user, pin+hotps[i])
			if s.do(t, "delivery/search", `{"match":[["status","=","QUEUED"]],"max":0}`).(map[string]any)["total"] != 1.0 {
				t.Fatalf("%s is sent no passcode", user)
			}
			code := ""
			s.carry(t, post, func(m sender.Message) {
				if found := regexp.MustCompile(`passcode is (\d{6})\n`).FindStringSubmatch(m.Text); found != nil {
					code = found[1]
				}
			})
			n.tries(accept, user, code, state)
		}
	})
}

// TestRadiusDisabledClient: the address of a disabled client is answered by nobody, though it lies in another client's range.
func TestRadiusDisabledClient(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		s.do(t, "domain/create", `{"attrs":{"name":"corp.example"}}`)
		withUser(t, s, "ada", "")
		n := newNAS(t, s, "198.51.100.7", "tokensmith", "")
		s.do(t, "radiusClient/create", `{"attrs":{"name":"wide","address":"198.51.100.0/24","application.name":"tokensmith","secret":"`+radiusSecret+`"}}`)
		n.tries(accept, "ada", hotps[0])
		s.do(t, "radiusClient/set", `{"radiusClient":{"name":"client 198.51.100.7"},"attrs":{"status":"DISABLED"}}`)
		if reply := n.raw(n.signed(n.asking("ada", hotps[1]))); reply != nil {
			t.Errorf("a disabled client is answered: code %d", reply[0])
		}
		if m := metricsOf(s); !strings.Contains(m, `tokensmith_radius_dropped_total{reason="disabled client"} 1`) {
			t.Error("the drop is not counted as that of a disabled client")
		}
		if _, err := s.Radius().Play(t.Context(), "client 198.51.100.7", ""); err == nil {
			t.Error("a disabled client is played")
		}
		(&nas{t: t, s: s, from: "198.51.100.8:1", secret: radiusSecret}).tries(accept, "ada", hotps[1])
		s.do(t, "radiusClient/set", `{"radiusClient":{"name":"client 198.51.100.7"},"attrs":{"status":"ACTIVE"}}`)
		n.tries(accept, "ada", hotps[2])
	})
}

// TestRadiusSecretGuessed: while two secrets are good, a request without a Message-Authenticator is read with the one that it was made with.
func TestRadiusSecretGuessed(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		n := newNAS(t, s, "192.0.2.9", "tokensmith", `,"requireMessageAuthenticator":false`)
		n.bare = true
		s.do(t, "radiusClient/rotateSecret", `{"radiusClient":{"name":"client 192.0.2.9"}}`)
		for i := range 600 { // of which 6 were read with the other secret when only the text before the first NUL was looked at
			p := radius.New(radius.CodeAccessRequest, []byte(n.secret))
			hidden, err := radius.NewUserPassword([]byte("1234567"), p.Secret, p.Authenticator[:])
			if err != nil {
				t.Fatal(err)
			}
			p.Add(rfc2865.UserPassword_Type, hidden)
			p.Add(rfc2865.CHAPPassword_Type, radius.Attribute("refused before anything is decided on"))
			request := n.signed(p)
			if reply := n.raw(request); !radius.IsAuthenticResponse(reply, request, p.Secret) {
				t.Fatalf("request %d is answered with the other secret", i+1)
			}
		}
	})
}

// TestRadiusRoundTrips: a wrong text costs as many round trips to the database for a user as for nobody.
func TestRadiusRoundTrips(t *testing.T) {
	t.Parallel()
	c, through := newCounting(t, storetest.Postgres(t))
	post := make(letterbox, 100)
	s := newService(t, through, func(c *dispatch.Config) { c.Senders = map[string]sender.Sender{model.SMTP: post, model.SMS: post} })
	s.do(t, "domain/create", `{"attrs":{"name":"corp.example","maxFailures":0,"lockoutThreshold":0}}`)
	withUser(t, s, "ada", `,"password":"correct horse battery","email":"ada@mail.example"`)
	s.do(t, "tokenAssignment/set", `{"tokenAssignment":{"token.serial":"ada"},"attrs":{"pin":"1234"}}`)
	withSteps(t, s, "either", "OTP OTPoD")
	withSteps(t, s, "two", "SPASS", "OTP")
	withSteps(t, s, "back", "OTP", "SPASS")
	kinds := []string{"ada wrong", "ada 1234", "nobody wrong"} // 1234 is a right PIN
	for i, application := range []string{"tokensmith", "either", "two", "back"} {
		n := newNAS(t, s, "192.0.2."+string(rune('1'+i)), application, "")
		least := map[string][]int64{} // of the first text, and of the second
		// A transaction that PostgreSQL refuses, since others run beside it, runs again: the least of some rounds counts, of more where they differ.
		differ := func() bool {
			return slices.ContainsFunc(kinds, func(kind string) bool { return !slices.Equal(least[kind], least["nobody wrong"]) })
		}
		for round := 0; round < 6 || round < 60 && differ(); round++ {
			s.clock.advance(time.Minute)
			for _, kind := range kinds {
				var trips []int64
				user, text, _ := strings.Cut(kind, " ")
				before := c.trips.Load()
				got := n.ask(n.asking(user, text))
				trips = append(trips, c.trips.Load()-before)
				if got.Code == radius.CodeAccessChallenge {
					before = c.trips.Load()
					n.ask(n.asking(user, "wrong", &radius.AVP{Type: rfc2865.State_Type, Attribute: got.Get(rfc2865.State_Type)}))
					trips = append(trips, c.trips.Load()-before)
				}
				for k, count := range trips {
					if k == len(least[kind]) {
						least[kind] = append(least[kind], count)
					}
					least[kind][k] = min(least[kind][k], count)
				}
			}
		}
		if differ() {
			t.Errorf("%s: round trips, of the first text and of the second, are %v", application, least)
		}
	}
}
