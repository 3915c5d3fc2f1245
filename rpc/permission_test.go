package rpc_test

import (
	"fmt"
	"strings"
	"testing"

	"tokensmith/store/storetest"
)

// The database may contain permissions that were stored without a check, or by a version with other methods. They are read, have
// no effect and do not prevent other changes. New permissions must name methods.
func TestStoredPermissionsStay(t *testing.T) {
	t.Parallel()
	url := storetest.SQLite(t)
	s := newService(t, url)
	s.do(t, "domain/create", `{"attrs":{"name":"d"}}`)
	s.do(t, "user/create", `{"attrs":{"domain.name":"d","loginName":"old","permissions":"token/search"}}`)
	old := s.agent(t, `"name":"old","permissions":"token/search"`)
	for _, table := range []string{"users", "agents"} {
		storetest.Exec(t, url, `UPDATE `+table+` SET permissions = 'token/search,tokn/search' WHERE permissions = 'token/search'`)
	}
	for object, name := range map[string]string{"user": "loginName", "agent": "name"} {
		one := fmt.Sprintf(`"%s":{"%s":"old"}`, object, name)
		stored := func() {
			t.Helper()
			got := s.do(t, object+"/get", `{`+one+`,"return":["permissions"]}`)
			if want := "map[permissions:[token/search tokn/search]]"; fmt.Sprint(got) != want {
				t.Errorf("%s: %v", object, got)
			}
		}
		stored()
		s.do(t, object+"/set", `{`+one+`,"attrs":{"status":"DISABLED"}}`)
		s.do(t, object+"/set", `{`+one+`,"attrs":{"status":"ACTIVE"}}`)
		for _, given := range []string{"tokn/search", "token/search,tokn/search", "user/get,tokn/search"} {
			_, reply := s.post("/"+object+"/set", `{`+one+`,"attrs":{"permissions":"`+given+`"}}`)
			want := `{"error":11,"message":"attrs.permissions: \"tokn/search\" is not a method","result":{"attribute":"attrs.permissions"}}`
			if reply != want {
				t.Errorf("%s: %s", object, reply)
			}
		}
		stored()
	}
	s.do(t, "user/import", `{"attrs":{"csv":"domain,loginName,firstName\nd,old,Old\n"}}`)
	for method, want := range map[string]int{"token/search": 0, "token/get": 5} {
		if code, seen := s.answer(old, method, `{}`); code != want {
			t.Errorf("%s: %s", method, seen)
		}
	}
	s.do(t, "agent/set", `{"agent":{"name":"old"},"attrs":{"permissions":"token/search"}}`)
	if got := fmt.Sprint(s.do(t, "agent/search", `{"return":["permissions"]}`)); strings.Contains(got, "tokn") {
		t.Error(got)
	}
}
