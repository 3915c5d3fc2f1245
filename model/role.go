package model

import (
	"slices"
	"strings"
)

// Role is a permission that stands for others. Permissions keep its name and not what it stands for, so that whoever has it also gets
// what a later version adds.
type Role struct {
	Permission string   // its text in a list of permissions, which begins with "role:"
	Label      string   // what people call it
	About      string   // what it is for, as a sentence
	Patterns   []string // what it permits: methods and "object/*", as in a list of permissions
}

// Roles are all roles. To do everything is no role but the permission "*".
var Roles = []Role{
	{"role:help-desk", "Help desk", "Finds people and their tokens, unlocks, assigns, synchronises, resets, sends links, passwords and emergency codes.",
		[]string{"user/get", "user/search", "user/unlock", "user/resetPassword", "group/search", "unit/search", "domain/search", "product/search", "repository/search",
			"token/get", "token/search", "token/set", "token/reset", "token/syncToken", "token/confine", "token/release", "token/getDownloadUrl", "tokenAssignment/*",
			"tempPass/*", "device/get", "device/search", "audit/history", "audit/overview", "delivery/search"}},
	{"role:device-manager", "Device manager", "Devices with their groups and client tokens, licenses and installation codes.",
		[]string{"device/*", "device/revealToken", "device/generateToken", "deviceGroup/*", "license/*", "installationCode/*", "installationCode/get",
			"installationCode/search", "installationCode/getQRCode", "user/search", "domain/search", "batch/execute", "audit/history", "audit/overview"}},
	{"role:auditor", "Auditor", "Reads everything, and changes and shows nothing.",
		[]string{"audit/*", "attribute/*", "user/get", "user/search", "group/get", "group/search", "unit/get", "unit/search", "domain/get", "domain/search",
			"domain/estimateGuessing", "identitySource/get", "identitySource/search", "product/get", "product/search", "repository/get", "repository/search",
			"token/get", "token/search", "tokenAssignment/get", "tokenAssignment/search", "tempPass/get", "tempPass/search", "device/get", "device/search",
			"deviceGroup/get", "deviceGroup/search", "license/get", "license/search", "agent/get", "agent/search", "agent/listApplications", "agent/listTypes",
			"application/get", "application/search", "application/selfTest", "realm/get", "realm/search", "logonProcedure/get", "logonProcedure/search",
			"logonStep/get", "logonStep/search", "radiusClient/get", "radiusClient/search", "delivery/get", "delivery/search", "template/get", "template/search"}},
}

// IsRole returns whether a permission is, or looks like, the name of a role.
func IsRole(permission string) bool { return strings.HasPrefix(permission, "role:") }

// permitted returns the patterns of a permission that is a role; nil for any other.
func permitted(permission string) []string {
	if !IsRole(permission) {
		return nil
	}
	at := slices.IndexFunc(Roles, func(r Role) bool { return r.Permission == permission })
	if at < 0 {
		return nil
	}
	return Roles[at].Patterns
}
