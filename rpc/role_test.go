package rpc_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"tokensmith/model"
	"tokensmith/rpc"
	"tokensmith/rpc/apidoc"
)

// forAdministrators are the methods that no role has: whoever calls them changes who may do what, how logins are decided, or takes seeds
// along.
var forAdministrators = []string{
	"domain/create", "domain/set", "domain/delete", "domain/deployTokens", "user/create", "user/set", "user/delete", "user/import",
	"group/create", "group/set", "group/delete", "group/addUsers", "group/removeUsers", "unit/create", "unit/set", "unit/delete",
	"identitySource/create", "identitySource/set", "identitySource/delete", "product/create", "product/set", "product/delete",
	"repository/create", "repository/set", "repository/delete", "token/create", "token/delete", "token/retrieveCredential",
	"token/import", "token/export", "token/batchAssignTokens", "tokenAssignment/getTokenQRCode",
	"auth/verify", "auth/logon", "auth/sendOTP", "auth/syncToken", "auth/listTokens", "auth/listTokenAssignments",
	"auth/listDomains", "auth/listApplications", "auth/listAuthenticators", "auth/getLogonSteps", "auth/activateTokenAssignment",
	"auth/logout", "auth/resetLogon", "template/set", "agent/create", "agent/set", "agent/delete", "agent/addApplication",
	"agent/removeApplication", "agent/rotateSecret", "application/create", "application/set", "application/delete",
	"realm/create", "realm/set", "realm/delete", "logonProcedure/create", "logonProcedure/set", "logonProcedure/delete",
	"logonStep/create", "logonStep/set", "logonStep/delete", "radiusClient/create", "radiusClient/set", "radiusClient/delete",
	"radiusClient/rotateSecret",
}

var reading = regexp.MustCompile(`/(get|search|list[A-Za-z]+|verify|history|histogram|overview|estimateGuessing|selfTest)$`)

// TestRolesKnowEachMethod: of each method it is decided whether a role has it, and what a role names exists.
func TestRolesKnowEachMethod(t *testing.T) {
	t.Parallel()
	has := func(r model.Role, m apidoc.MethodInfo) bool { return model.Permits(r.Patterns, m.Path, m.Reveals) }
	for _, m := range rpc.Methods() {
		if m.Device {
			continue // needs no permission
		}
		some := slices.ContainsFunc(model.Roles, func(r model.Role) bool { return has(r, m) })
		if listed := slices.Contains(forAdministrators, m.Path); some == listed {
			t.Errorf("%s: a role has it: %v, no role has it: %v", m.Path, some, listed)
		}
	}
	for _, r := range model.Roles {
		for _, p := range r.Patterns {
			object, all := strings.CutSuffix(p, "/*")
			if !slices.ContainsFunc(rpc.Methods(), func(m apidoc.MethodInfo) bool { return m.Path == p || all && strings.HasPrefix(m.Path, object+"/") }) {
				t.Errorf("%s names %s, which is none", r.Permission, p)
			}
		}
	}
	auditor := model.Roles[2]
	for _, m := range rpc.Methods() {
		if has(auditor, m) && (m.Reveals || !reading.MatchString(m.Path)) {
			t.Errorf("%s may %s", auditor.Label, m.Path)
		}
	}
}
