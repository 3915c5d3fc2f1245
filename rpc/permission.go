package rpc

import (
	"regexp"
	"slices"

	"tokensmith/model"
)

// permission is the form of a permission.
var permission = regexp.MustCompile(`^(\*|[A-Za-z]+/([A-Za-z]+|\*))$`)

// namesMethod says whether a permission opens anything: a method of the table, or the page of metrics. One that does not is a slip of
// the pen, which would show only when a call is refused.
func namesMethod(table []method, permission string) bool {
	one := []string{permission}
	return model.Permits(one, metricsPermission, false) ||
		slices.ContainsFunc(table, func(m method) bool { return model.Permits(one, m.path, m.reveals) })
}

// mayGrant refuses permissions that are given, where one of them is none, or the caller does not have it himself. What was
// stored before, perhaps by a version with other methods, stays as it is until permissions are given anew.
func (c *call) mayGrant(d *decoded, permissions model.List) error {
	if !d.has("permissions") {
		return nil
	}
	for _, p := range permissions.Items() {
		if !permission.MatchString(p) {
			return model.AttrErrorf(model.Invalid, d.place+".permissions", "%q is neither object/method, nor object/*, nor *", p)
		}
		if !namesMethod(c.s.methods, p) {
			return model.AttrErrorf(model.Invalid, d.place+".permissions", "%q names no method", p)
		}
	}
	// Permissions that are given are good in every domain.
	if c.scope != nil && permissions != "" || !model.Covers(c.agent.Permissions.Items(), permissions.Items(), c.s.reveals) {
		return model.AttrErrorf(model.NotPermitted, d.place+".permissions", "nobody grants what he lacks")
	}
	return nil
}
