package token

import (
	"strings"

	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/object"
	"tokensmith/rpc/people"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// ProjectLogin compiles what the caller wants to know about the user who logged in: attributes of the user, groups.* of the user's
// groups, and token.* and tokenAssignment.* of the token that was used. The last two are null if no token was used.
func ProjectLogin(c *dispatch.Call, ret wire.Names, byToken bool) (*object.Projection, error) {
	p := object.NewProjection(c)
	for _, name := range ret {
		head, rest, dotted := strings.Cut(name, ".")
		obj, path, attrName := people.UserType, []store.Step{store.ToUser}, name
		if dotted && head == "tokenAssignment" {
			obj, path, attrName = AssignmentType, nil, rest
		} else if dotted && head == "token" {
			obj, path, attrName = TokenType, []store.Step{store.ToToken}, rest
		}
		if !byToken {
			path = nil
		}
		if always := obj.Nothing(attrName); always != "" {
			p.AddField(name, object.Field{Always: always})
			continue
		}
		// Of the collections only this one leads to no other users. What it gives is bounded: MaxGroupsOfUser names.
		if name == "groups" || name == "groups.id" || name == "groups.name" {
			if err := p.AddCollection(name, path, people.UserType.Collection(head, false), rest, "return"); err != nil {
				return nil, err
			}
			continue
		}
		known := func(attrName, label string) error {
			steps, a, err := obj.Resolve("return", attrName, false)
			if err != nil {
				return err
			}
			if !byToken && obj != people.UserType {
				p.AddField(label, object.Field{Kind: a.Kind, Column: -1})
				return nil
			}
			p.AddField(label, p.Value(object.Join(path, steps), a))
			return nil
		}
		if attrName != "*" {
			if err := known(attrName, name); err != nil {
				return nil, err
			}
			continue
		}
		for i := range obj.Attrs {
			if a := &obj.Attrs[i]; a.Simple() {
				if err := known(a.Name, strings.TrimSuffix(name, "*")+a.Name); err != nil {
					return nil, err
				}
			}
		}
	}
	return p, nil
}
