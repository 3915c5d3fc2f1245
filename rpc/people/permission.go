package people

import (
	"regexp"
	"slices"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/object"
)

var permission = regexp.MustCompile(`^(\*|[A-Za-z]+/([A-Za-z]+|\*)|role:[a-z-]+)$`)

// namesMethod returns whether a permission allows anything: a method of the table, or the page /metrics. One that allows nothing
// is a typing error, which otherwise would be noticed only when a call is refused.
func namesMethod(table []dispatch.Method, permission string) bool {
	one := []string{permission}
	return model.Permits(one, dispatch.MetricsPermission, false) ||
		slices.ContainsFunc(table, func(m dispatch.Method) bool { return model.Permits(one, m.Path, m.Reveals) })
}

// MayGrant returns an error if one of the permissions that are being set is not valid, or the caller does not have it. Stored
// permissions, perhaps from a version with other methods, stay valid until permissions are set again.
func MayGrant(c *dispatch.Call, d *object.Decoded, permissions model.List) error {
	if !d.Has("permissions") {
		return nil
	}
	for _, p := range permissions.Items() {
		if !permission.MatchString(p) {
			return model.AttrErrorf(model.Invalid, d.Place+".permissions", "%q must be object/method, object/*, role:name or *", p)
		}
		if !namesMethod(c.Server.Methods, p) {
			what := "method"
			if model.IsRole(p) {
				what = "role"
			}
			return model.AttrErrorf(model.Invalid, d.Place+".permissions", "%q is not a %s", p, what)
		}
	}
	// Permissions apply to every domain.
	if c.Scope != nil && permissions != "" || !model.Covers(c.Agent.Permissions.Items(), permissions.Items(), c.Server.Reveals) {
		return model.AttrErrorf(model.NotPermitted, d.Place+".permissions", "not permitted: the caller lacks some of these permissions")
	}
	return nil
}
