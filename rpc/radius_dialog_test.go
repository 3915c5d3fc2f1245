package rpc_test

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"layeh.com/radius"
	"layeh.com/radius/rfc2865"

	"tokensmith/model"
	"tokensmith/model/otp"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/sender"
	"tokensmith/store/storetest"
)

// otpAt returns the OTP of the seed of RFC 4226 for a counter.
func otpAt(counter uint64) string {
	return otp.Generate([]byte("12345678901234567890"), counter, otp.Params{Algorithm: otp.HOTP}.WithDefaults())
}

// withSteps makes an application with a procedure, whose steps are passed by these codes.
func withSteps(t testing.TB, s *service, name string, steps ...string) {
	t.Helper()
	s.do(t, "logonProcedure/create", `{"attrs":{"name":"`+name+`"}}`)
	for i, codes := range steps {
		s.do(t, "logonStep/create", fmt.Sprintf(`{"attrs":{"name":"step %d","logonProcedure.name":"%s","authenticators":["%s"]}}`, i+1, name, strings.ReplaceAll(codes, " ", `","`)))
	}
	s.do(t, "application/create", `{"attrs":{"name":"`+name+`","logonProcedures":["`+name+`"]}}`)
}

// asked sends a request that must be answered by a challenge, and returns its State and its text.
func (n *nas) asked(user, password string, more ...*radius.AVP) (state *radius.AVP, text string) {
	n.t.Helper()
	got := n.ask(n.asking(user, password, more...))
	if got.Code != radius.CodeAccessChallenge || len(got.Get(rfc2865.State_Type)) != 16 {
		n.t.Fatalf("%s: %v, not a challenge\n%s", user, got.Code, lastLines(n.s.log.String(), 3))
	}
	return &radius.AVP{Type: rfc2865.State_Type, Attribute: got.Get(rfc2865.State_Type)}, string(got.Get(rfc2865.ReplyMessage_Type))
}

// failures returns how many credentials of a user were refused in a row.
func (s *service) failures(t testing.TB, login string) float64 {
	t.Helper()
	return s.do(t, "user/get", `{"user":{"loginName":"`+login+`"},"return":["failCount"]}`).(map[string]any)["failCount"].(float64)
}

const accept, reject = radius.CodeAccessAccept, radius.CodeAccessReject

// TestRadiusSteps: the steps of a procedure are asked for one after the other, or in one packet. Whoever gets the first wrong is asked
// for the second nevertheless, and so is a user who does not exist.
func TestRadiusSteps(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		s.do(t, "domain/create", `{"attrs":{"name":"corp.example","maxFailures":0,"lockoutThreshold":0}}`)
		withUser(t, s, "ada", `,"password":"correct horse, battery"`)
		withSteps(t, s, "two", "SPASS", "OTP")
		n := newNAS(t, s, "192.0.2.1", "two", "")
		other := newNAS(t, s, "192.0.2.2", "two", "")
		const password = "correct horse, battery"

		// One step after the other.
		state, text := n.asked("ada", password)
		if text != "Enter your one-time password, behind your PIN if you have one:" {
			t.Errorf("the prompt: %q", text)
		}
		// A State of another client, and one of another user, are not taken.
		other.tries(reject, "ada", hotps[0], state)
		request := n.signed(n.asking("ada", hotps[0], state))
		reply := n.raw(request)
		if got := n.read(request, reply); got.Code != accept {
			t.Fatalf("the second step: %v", got.Code)
		}
		if again := n.raw(request); !bytes.Equal(again, reply) {
			t.Error("the second step sent again gets another reply")
		}
		n.tries(reject, "ada", hotps[1], state) // it is good once
		if n := s.failures(t, "ada"); n != 0 {
			t.Errorf("%v failures", n)
		}

		// Whoever gets the first step wrong learns no more than a user who does not exist.
		for _, user := range []string{"ada", "nobody"} {
			state, wrong := n.asked(user, "wrong")
			if wrong != text {
				t.Errorf("%s is asked %q", user, wrong)
			}
			n.tries(reject, user, hotps[1], state)
		}
		if n := s.failures(t, "ada"); n != 1 {
			t.Errorf("%v failures for a wrong password", n)
		}
		// A wrong answer ends it, and counts.
		state, _ = n.asked("ada", password)
		n.tries(reject, "ada", "000000", state)
		n.tries(reject, "ada", hotps[1], state)
		if n := s.failures(t, "ada"); n != 2 {
			t.Errorf("%v failures for a wrong OTP", n)
		}
		// A step that is passed forgives no failure; the last one does.
		state, _ = n.asked("ada", password)
		if n := s.failures(t, "ada"); n != 2 {
			t.Errorf("%v failures behind the first step", n)
		}
		s.clock.advance(model.RadiusDialogTime * time.Millisecond)
		n.tries(reject, "ada", hotps[1], state) // too late
		s.do(t, "user/create", `{"attrs":{"domain.name":"corp.example","loginName":"bob","password":"correct horse, battery"}}`)
		state, _ = n.asked("bob", password)
		n.tries(reject, "ada", hotps[1], state) // another user

		// Both in one packet, the password with a comma in it.
		n.tries(accept, "ada", password+","+hotps[1])
		if n := s.failures(t, "ada"); n != 0 {
			t.Errorf("%v failures", n)
		}
		state, _ = n.asked("ada", password+",000000") // the OTP is wrong
		n.tries(reject, "ada", hotps[2], state)
		state, _ = n.asked("ada", "wrong,"+hotps[2]) // the password is: the OTP stays good
		n.tries(reject, "ada", hotps[2], state)
		if n := s.failures(t, "ada"); n != 2 {
			t.Errorf("%v failures, one for each packet", n)
		}
		n.tries(accept, "ada", password+","+hotps[2])

		// Steps that are changed in between.
		state, _ = n.asked("ada", password)
		s.do(t, "logonStep/set", `{"logonStep":{"name":"step 2"},"attrs":{"authenticators":["SPASS"]}}`)
		n.tries(reject, "ada", password, state) // they were counted in the steps of before
		state, _ = n.asked("ada", password)
		s.do(t, "radiusClient/set", `{"radiusClient":{"name":"client 192.0.2.1"},"attrs":{"application.name":"tokensmith"}}`)
		n.tries(reject, "ada", hotps[3], state) // of another application
		s.do(t, "radiusClient/set", `{"radiusClient":{"name":"client 192.0.2.1"},"attrs":{"application.name":"two"}}`)
		s.do(t, "logonStep/create", `{"attrs":{"name":"step 3","logonProcedure.name":"two","authenticators":["OTP"]}}`)
		state, _ = n.asked("ada", password)
		state, _ = n.asked("ada", password, state)
		n.tries(accept, "ada", hotps[3], state)
		// The wrong second of three is refused at once, whether or not the first was right.
		for _, first := range []string{password, "wrong"} {
			state, _ = n.asked("ada", first)
			n.tries(reject, "ada", "wrong", state)
		}
	})
}

// TestRadiusEither: a step that an OTP or a password passes takes either, and counts one failure for a text that is neither.
func TestRadiusEither(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		s.do(t, "domain/create", `{"attrs":{"name":"corp.example"}}`)
		withUser(t, s, "ada", `,"password":"correct horse battery"`)
		withSteps(t, s, "either", "OTP SPASS")
		withSteps(t, s, "backward", "OTP", "SPASS")
		withSteps(t, s, "nothing")
		n := newNAS(t, s, "192.0.2.1", "either", "")
		n.tries(accept, "ada", "correct horse battery")
		n.tries(accept, "ada", hotps[0])
		n.tries(reject, "ada", "neither")
		n.tries(reject, "ada", "correct horse battery,"+hotps[1])
		if n := s.failures(t, "ada"); n != 2 {
			t.Errorf("%v failures", n)
		}
		back := newNAS(t, s, "192.0.2.2", "backward", "")
		state, text := back.asked("ada", hotps[1])
		if text != "Enter your password:" {
			t.Errorf("the prompt: %q", text)
		}
		back.tries(accept, "ada", "correct horse battery", state)
		back.tries(accept, "ada", "correct horse battery,"+hotps[2])
		// A procedure without steps lets nobody in, and locks nobody.
		newNAS(t, s, "192.0.2.3", "nothing", "").tries(reject, "ada", hotps[3])
		if n := s.failures(t, "ada"); n != 0 {
			t.Errorf("%v failures", n)
		}
	})
}

// TestRadiusOutOfSync: a token that is out of sync is asked for its next OTP; one whose PIN must be changed for a new one.
func TestRadiusOutOfSync(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		s.do(t, "domain/create", `{"attrs":{"name":"corp.example"}}`)
		withUser(t, s, "ada", "")
		n := newNAS(t, s, "192.0.2.1", "tokensmith", `,"attributes":"Class={login}"`)
		state, text := n.asked("ada", otpAt(30))
		if !strings.HasPrefix(text, "Wait until your token shows another") {
			t.Errorf("the prompt: %q", text)
		}
		n.tries(accept, "ada", otpAt(31), state)
		state, _ = n.asked("ada", otpAt(60))
		n.tries(reject, "ada", otpAt(62), state)
		n.tries(reject, "ada", otpAt(61), state)
		state, _ = n.asked("ada", otpAt(65))
		n.tries(accept, "ada", otpAt(66), state)

		// The PIN was right with the first of the two; it may be typed again.
		s.do(t, "tokenAssignment/set", `{"tokenAssignment":{"token.serial":"ada"},"attrs":{"pin":"1234"}}`)
		n.tries(reject, "ada", otpAt(90))
		state, _ = n.asked("ada", "1234"+otpAt(90))
		n.tries(accept, "ada", otpAt(91), state)
		state, _ = n.asked("ada", "1234"+otpAt(120))
		n.tries(accept, "ada", "1234"+otpAt(121), state)
		n.tries(reject, "ada", otpAt(122)) // without a State the PIN is needed

		// A PIN that must be changed.
		s.do(t, "tokenAssignment/set", `{"tokenAssignment":{"token.serial":"ada"},"attrs":{"mustChangePin":true}}`)
		state, text = n.asked("ada", "1234"+otpAt(122))
		if text != "Your PIN must be changed. Enter a new PIN:" {
			t.Errorf("the prompt: %q", text)
		}
		state, text = n.asked("ada", "5678", state)
		if text != "Enter the new PIN again:" {
			t.Errorf("the prompt: %q", text)
		}
		before := s.failures(t, "ada")
		n.tries(reject, "ada", "5679", state)
		if n := s.failures(t, "ada"); n != before+1 {
			t.Errorf("%v failures, before %v", n, before)
		}
		state, _ = n.asked("ada", "1234"+otpAt(123))
		n.tries(reject, "ada", "1", state) // too short
		state, _ = n.asked("ada", "1234"+otpAt(124))
		n.tries(reject, "ada", "1234", state) // the same
		state, _ = n.asked("ada", "1234"+otpAt(125))
		state, _ = n.asked("ada", "5678", state)
		n.tries(accept, "ada", "5678", state)
		n.tries(accept, "ada", "5678"+otpAt(126))
		n.tries(reject, "ada", "1234"+otpAt(127))
	})
}

// TestRadiusPasscode: a passcode is sent behind a PIN or a password, by the channel that the user chooses, and to nobody else, who is
// asked for the same.
func TestRadiusPasscode(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		post := make(letterbox, 100)
		s := newService(t, url, func(c *dispatch.Config) { c.Senders = map[string]sender.Sender{model.SMTP: post, model.SMS: post} })
		s.do(t, "domain/create", `{"attrs":{"name":"corp.example","maxFailures":0,"lockoutThreshold":0}}`)
		withUser(t, s, "ada", `,"password":"correct horse battery","email":"ada@mail.example","mobile":"+15550100"`)
		withSteps(t, s, "sent", "SPASS", "OTPoD")
		withSteps(t, s, "either", "OTP OTPoD")
		// sent returns the recipient of the only message that was sent, and the passcode in it.
		sent := func() (to, code string) {
			t.Helper()
			total := 0
			s.carry(t, post, func(m sender.Message) {
				total++
				if found := regexp.MustCompile(`passcode is (\d{6})\n`).FindStringSubmatch(m.Text); found != nil {
					to, code = m.To, found[1]
				}
			})
			if total > 1 {
				t.Errorf("%d messages were sent", total)
			}
			return to, code
		}
		n := newNAS(t, s, "192.0.2.1", "sent", "")
		state, text := n.asked("ada", "correct horse battery")
		if text != "How should your passcode be sent? Enter 1 (e-mail) or 2 (SMS):" {
			t.Errorf("the prompt: %q", text)
		}
		state, text = n.asked("ada", "2", state)
		if text != "Enter the passcode that was sent to you:" {
			t.Errorf("the prompt: %q", text)
		}
		to, code := sent()
		if to != "+15550100" {
			t.Errorf("it was sent to %q", to)
		}
		n.tries(accept, "ada", code, state)
		n.tries(reject, "ada", code, state)

		// The same for a wrong password, and for nobody: nothing is sent, and no answer is right.
		for _, user := range []string{"ada", "nobody"} {
			state, text := n.asked(user, "wrong")
			if text != "How should your passcode be sent? Enter 1 (e-mail) or 2 (SMS):" {
				t.Errorf("%s is asked %q", user, text)
			}
			state, text = n.asked(user, "SMS", state)
			if text != "Enter the passcode that was sent to you:" {
				t.Errorf("%s is asked %q", user, text)
			}
			n.tries(reject, user, "123456", state)
			state, _ = n.asked(user, "wrong")
			n.tries(reject, user, "3", state) // there is no such channel
		}
		state, _ = n.asked("ada", "correct horse battery")
		n.tries(reject, "ada", "3", state)
		if len(post) > 0 {
			t.Errorf("%d messages were sent", len(post))
		}

		// Behind a PIN alone, where an OTP or a passcode passes.
		s.do(t, "tokenAssignment/set", `{"tokenAssignment":{"token.serial":"ada"},"attrs":{"pin":"1234"}}`)
		e := newNAS(t, s, "192.0.2.2", "either", "")
		s.clock.advance(time.Minute)
		e.tries(accept, "ada", "1234"+hotps[0])
		e.asked("ada", hotps[1]) // without the PIN: for a passcode that is not sent
		state, _ = e.asked("ada", "1234")
		state, _ = e.asked("ada", "mail", state)
		if to, code = sent(); to != "ada@mail.example" {
			t.Errorf("it was sent to %q", to)
		}
		e.tries(accept, "ada", code, state)
		for _, user := range []string{"ada", "nobody"} {
			before := s.failures(t, "ada")
			state, _ = e.asked(user, "4321")
			state, _ = e.asked(user, "1", state)
			e.tries(reject, user, "1234567", state)
			if n := s.failures(t, "ada"); user == "ada" && n != before+1 {
				t.Errorf("%v failures, before %v", n, before)
			}
		}
		// Three an hour, as by HTTP; whoever gets none is asked for the same.
		for i := range 4 {
			s.clock.advance(time.Minute)
			state, _ = e.asked("ada", "1234")
			_, text = e.asked("ada", "1", state)
			if text != "Enter the passcode that was sent to you:" {
				t.Errorf("the prompt: %q", text)
			}
			if _, code := sent(); (code != "") != (i < 1) {
				t.Errorf("a passcode more, after %d: %q", i+2, code)
			}
		}
		if log := s.log.String(); strings.Contains(log, code) || strings.Contains(log, "correct horse") {
			t.Error("a passcode or password is in the log")
		}
	})
}
