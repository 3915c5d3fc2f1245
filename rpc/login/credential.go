package login

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/object"
	"tokensmith/rpc/people"
	"tokensmith/rpc/token"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// The methods of a credential.
const (
	otpMethod      = model.OTPCode
	onDemandMethod = model.OnDemandCode
	staticMethod   = model.StaticCode
)

// credential decodes {"otp":...}, {"method":"OTPoD","otp":...}, {"method":"SPASS","password":...,"newPassword":...}, or an OTP
// alone.
func (v *verification) credential(raw jsontext.Value) (err error) {
	switch raw.Kind() {
	case '"', '0':
		v.text, err = wire.TextOf("credential", raw)
		v.text = model.CleanPasted(v.text)
		return err
	case '{':
	default:
		return model.AttrErrorf(model.Missing, "credential", "is required: {\"otp\":...} or {\"method\":\"SPASS\",\"password\":...}")
	}
	m, err := wire.MembersOf("credential", raw)
	if err != nil {
		return err
	}
	fields := map[string]string{}
	for _, f := range m {
		switch f.Name {
		case "method", "otp", "password", "newPassword":
			if fields[f.Name], err = wire.TextOf("credential."+f.Name, f.Value); err != nil {
				return err
			}
		case "cc": // for challenges, which this server does not have
			if string(f.Value) != `""` && f.Value.Kind() != 'n' {
				return model.AttrErrorf(model.UnknownAttr, "credential.cc", "this server has no challenges")
			}
		default:
			return model.AttrErrorf(model.UnknownAttr, "credential."+f.Name, "is not a member of a credential")
		}
	}
	switch method := fields["method"]; {
	case method == staticMethod:
		if fields["password"] == "" {
			return model.AttrErrorf(model.Missing, "credential.password", "is required")
		}
		v.static, v.password = true, model.Secret(fields["password"])
		if len(v.password) > people.MaxPassword || len(fields["newPassword"]) > people.MaxPassword {
			return model.AttrErrorf(model.Invalid, "credential", "a password is longer than %d bytes", people.MaxPassword)
		}
		if v.newHash, v.newPasswordAttr = fields["newPassword"], "credential.newPassword"; v.newHash != "" {
			return people.CheckPassword(v.c.Server, v.newPasswordAttr, model.Secret(v.newHash))
		}
	case method != "" && method != otpMethod && method != onDemandMethod:
		return model.AttrErrorf(model.Invalid, "credential.method", "must be OTP, OTPoD or SPASS")
	case model.CleanPasted(fields["otp"]) == "":
		return model.AttrErrorf(model.Missing, "credential.otp", "is required")
	case fields["password"] != "" || fields["newPassword"] != "":
		return model.AttrErrorf(model.Invalid, "credential.password", "is only allowed with method SPASS")
	default:
		v.text, v.sent = model.CleanPasted(fields["otp"]), method == onDemandMethod
	}
	return nil
}

// project compiles what the caller wants to know about the user who logged in: attributes of the user, groups.* of the user's
// groups, and token.* and tokenAssignment.* of the token that was used. The last two are null if no token was used.
func project(c *dispatch.Call, ret wire.Names, byToken bool) (*object.Projection, error) {
	p := object.NewProjection(c)
	for _, name := range ret {
		head, rest, dotted := strings.Cut(name, ".")
		obj, path, attrName := people.UserType, []store.Step{store.ToUser}, name
		if dotted && head == "tokenAssignment" {
			obj, path, attrName = token.AssignmentType, nil, rest
		} else if dotted && head == "token" {
			obj, path, attrName = token.TokenType, []store.Step{store.ToToken}, rest
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
