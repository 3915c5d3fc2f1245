package people

import (
	"regexp"
	"slices"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/object"
)

// permission is the form of a permission.
var permission = regexp.MustCompile(`^(\*|[A-Za-z]+/([A-Za-z]+|\*))$`)

// namesMethod says whether a permission opens anything: a method of the table, or the page of metrics. One that does not is a slip of
// the pen, which would show only when a call is refused.
func namesMethod(table []dispatch.Method, permission string) bool {
	one := []string{permission}
	return model.Permits(one, dispatch.MetricsPermission, false) ||
		slices.ContainsFunc(table, func(m dispatch.Method) bool { return model.Permits(one, m.Path, m.Reveals) })
}

// MayGrant refuses permissions that are given, where one of them is none, or the caller does not have it himself. What was
// stored before, perhaps by a version with other methods, stays as it is until permissions are given anew.
func MayGrant(c *dispatch.Call, d *object.Decoded, permissions model.List) error {
	if !d.Has("permissions") {
		return nil
	}
	for _, p := range permissions.Items() {
		if !permission.MatchString(p) {
			return model.AttrErrorf(model.Invalid, d.Place+".permissions", "%q is neither object/method, nor object/*, nor *", p)
		}
		if !namesMethod(c.Server.Methods, p) {
			return model.AttrErrorf(model.Invalid, d.Place+".permissions", "%q names no method", p)
		}
	}
	// Permissions that are given are good in every domain.
	if c.Scope != nil && permissions != "" || !model.Covers(c.Agent.Permissions.Items(), permissions.Items(), c.Server.Reveals) {
		return model.AttrErrorf(model.NotPermitted, d.Place+".permissions", "nobody grants what he lacks")
	}
	return nil
}
