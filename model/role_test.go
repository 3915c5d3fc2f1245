package model_test

import (
	"testing"

	"tokensmith/model"
)

// TestRoles: a role permits what it stands for and nothing else, and is given only by who has it, or everything.
func TestRoles(t *testing.T) {
	t.Parallel()
	desk := []string{"role:help-desk"}
	for method, want := range map[string]bool{"user/unlock": true, "tokenAssignment/set": true, "user/set": false, "agent/create": false, "role:help-desk": true} {
		if got := model.Permits(desk, method, false); got != want {
			t.Errorf("the help desk, %s: %v", method, got)
		}
	}
	if model.Permits(desk, "tokenAssignment/getTokenQRCode", true) {
		t.Error("tokenAssignment/* of a role permits what shows a secret")
	}
	reveals := func(string) bool { return false }
	for _, c := range []struct {
		held, asked []string
		want        bool
	}{
		{[]string{"*"}, desk, true},
		{desk, desk, true},
		{desk, []string{"user/unlock", "tokenAssignment/*"}, true},
		{desk, []string{"user/set"}, false},
		{desk, []string{"*"}, false},
		{desk, []string{"role:auditor"}, false},
		{desk, []string{"user/*"}, false},
		{model.Roles[0].Patterns, desk, false}, // it may stand for more later
		{[]string{"user/*", "role:auditor"}, desk, false},
		{[]string{"role:none"}, []string{"user/get"}, false},
	} {
		if got := model.Covers(c.held, c.asked, reveals); got != c.want {
			t.Errorf("%q covers %q: %v", c.held, c.asked, got)
		}
	}
}
