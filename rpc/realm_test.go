package rpc_test

import (
	"fmt"
	"strings"
	"testing"

	"tokensmith/store/storetest"
)

// TestRealmsDecideWhoIsMeant: through an application, a login name means the user of its realm, for a static password as for an
// OTP, whoever else has that name. A name that nobody in the realm has is refused like a wrong password.
func TestRealmsDecideWhoIsMeant(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		s.do(t, "domain/create", `{"attrs":{"name":"north"}}`)
		s.do(t, "domain/create", `{"attrs":{"name":"south","isDefault":true}}`)
		for _, domain := range []string{"north", "south"} {
			s.do(t, "user/create", fmt.Sprintf(`{"attrs":{"domain.name":%q,"loginName":"jdoe","password":"the password of %[1]s"}}`, domain))
		}
		s.do(t, "user/create", `{"attrs":{"domain.name":"south","loginName":"outside","password":"the password of south"}}`)
		s.do(t, "realm/create", `{"attrs":{"name":"northern","domains":["north"]}}`)
		s.do(t, "application/create", `{"attrs":{"name":"portal","realm":{"name":"northern"}}}`)
		front := s.agent(t, `"name":"front","permissions":"auth/*","applications":["portal"]`)
		logon := func(name, password string) (code int) {
			code, _ = s.answer(front, "auth/logon", fmt.Sprintf(`{"user":{"loginName":%q},"credential":{"method":"SPASS","password":%q}}`, name, password))
			return code
		}
		if code := logon("jdoe", "the password of north"); code != 0 {
			t.Errorf("the realm's user: %d", code)
		}
		for _, c := range [][2]string{{"jdoe", "the password of south"}, {"jdoe", "wrong"}, {"outside", "the password of south"}, {"nobody", "wrong"}} {
			if code := logon(c[0], c[1]); code != 201 {
				t.Errorf("%s with %q: %d", c[0], c[1], code)
			}
		}
		if _, row := s.post("/user/get", `{"user":{"loginName":"jdoe","domain.name":"north"},"return":["failCount"]}`); !strings.Contains(row, `"failCount":2`) {
			t.Errorf("refusals are not counted: %s", row)
		}
	})
}

// TestProceduresWithoutSteps: a procedure that has no step yet lets nobody in.
func TestProceduresWithoutSteps(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		s.do(t, "domain/create", `{"attrs":{"name":"d"}}`)
		s.do(t, "user/create", `{"attrs":{"domain.name":"d","loginName":"ada","password":"correct horse battery"}}`)
		s.do(t, "application/create", `{"attrs":{"name":"portal"}}`)
		front := s.agent(t, `"name":"front","permissions":"auth/*","applications":["portal"]`)
		logon := func(want int) {
			t.Helper()
			code, seen := s.answer(front, "auth/logon", `{"user":{"loginName":"ada"},"credential":{"method":"SPASS","password":"correct horse battery"}}`)
			if code != want {
				t.Errorf("%s, not %d", seen, want)
			}
		}
		logon(0)
		s.do(t, "logonProcedure/create", `{"attrs":{"name":"by OTP"}}`)
		s.do(t, "application/set", `{"application":{"name":"portal"},"attrs":{"logonProcedures":["by OTP"]}}`)
		logon(11)
		s.do(t, "logonStep/create", `{"attrs":{"logonProcedure":{"name":"by OTP"},"name":"one","authenticators":["SPASS"]}}`)
		logon(0)
		s.do(t, "logonStep/delete", `{"logonStep":{"logonProcedure.name":"by OTP","name":"one"}}`)
		logon(11)
	})
}

// TestHeldAgentsLeaveRealmsAlone: who is held to applications cannot change who logs on to them, and how.
func TestHeldAgentsLeaveRealmsAlone(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		s.do(t, "realm/create", `{"attrs":{"name":"r","domains":[]}}`)
		s.do(t, "logonProcedure/create", `{"attrs":{"name":"p"}}`)
		s.do(t, "logonStep/create", `{"attrs":{"logonProcedure":{"name":"p"},"name":"one","authenticators":["OTP"]}}`)
		s.do(t, "application/create", `{"attrs":{"name":"portal","realm":{"name":"r"},"logonProcedures":["p"]}}`)
		held := s.agent(t, `"name":"held","permissions":"*","applications":["portal"]`)
		for _, call := range []string{
			`application/set {"application":{"name":"portal"},"attrs":{"realm":null}}`,
			`application/set {"application":{"name":"portal"},"attrs":{"logonProcedures":[]}}`,
			`application/create {"attrs":{"name":"another"}}`,
			`realm/set {"realm":{"name":"r"},"attrs":{"domains":["local"]}}`,
			`realm/create {"attrs":{"name":"another"}}`,
			`logonProcedure/set {"logonProcedure":{"name":"p"},"attrs":{"description":"x"}}`,
			`logonStep/set {"logonStep":{"logonProcedure.name":"p","name":"one"},"attrs":{"authenticators":["SPASS"]}}`,
			`logonStep/create {"attrs":{"logonProcedure":{"name":"p"},"authenticators":["SPASS"]}}`,
			`logonStep/delete {"logonStep":{"logonProcedure.name":"p","name":"one"}}`,
		} {
			method, params, _ := strings.Cut(call, " ")
			if code, seen := s.answer(held, method, params); code != 5 {
				t.Errorf("%s: %s", call, seen)
			}
		}
		if code, seen := s.answer(held, "agent/listApplications", `{"return":[{"agents":["name"]}]}`); code != 11 {
			t.Errorf("agent/listApplications leads to other agents: %s", seen)
		}
	})
}
