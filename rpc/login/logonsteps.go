package login

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/object"
	"tokensmith/rpc/people"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// What a front end asks before it logs a user on. This server is the only application. A logon has one step, which any of the
// authenticators passes. The replies are the same for all users, so that they do not reveal who has an account.

// fixed is an object that is not stored: its members in their order.
type fixed []fact

// fact is one member of a fixed object: JSON, or a list of objects.
type fact struct {
	name  string
	alias string
	json  string
	many  []fixed
}

func quoted(name, text string) fact {
	b, _ := jsontext.AppendQuote(nil, text)
	return fact{name: name, json: string(b)}
}

// find returns a member by its name or alias; nil if there is none.
func (f fixed) find(name string) *fact {
	for i := range f {
		if f[i].name == name || f[i].alias == name && name != "" {
			return &f[i]
		}
	}
	return nil
}

// rows writes the wanted members of each object, separated by commas. noun names an object in error messages.
func rows(noun string, all []fixed, ret wire.Return) (string, error) {
	var b strings.Builder
	for i, f := range all {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := f.write(&b, noun, ret); err != nil {
			return "", err
		}
	}
	return b.String(), nil
}

// write writes the wanted members, in the order and with the names of the Return.
func (f fixed) write(b *strings.Builder, noun string, ret wire.Return) error {
	seen := map[string]bool{}
	add := func(name, json string) {
		if seen[name] {
			return
		}
		if len(seen) > 0 {
			b.WriteByte(',')
		}
		seen[name] = true
		label, _ := jsontext.AppendQuote(nil, name)
		b.Write(label)
		b.WriteString(":" + json)
	}
	b.WriteByte('{')
	for _, item := range ret {
		if item.Name == "*" && item.Nested == nil {
			for _, m := range f {
				if m.many == nil {
					add(m.name, m.json)
				}
			}
			continue
		}
		head, rest, dotted := strings.Cut(item.Name, ".")
		m := f.find(head)
		if m == nil || m.many == nil && dotted {
			return model.AttrErrorf(model.UnknownAttr, "return", "%s has no attribute %q", noun, item.Name)
		}
		switch {
		case m.many == nil && item.Nested != nil:
			return model.AttrErrorf(model.Invalid, "return", "%q has no attributes of its own", item.Name)
		case m.many == nil:
			add(item.Name, m.json)
		case dotted:
			var values []string
			for _, element := range m.many {
				v := element.find(rest)
				if v == nil || v.many != nil {
					return model.AttrErrorf(model.UnknownAttr, "return", "%s has no attribute %q", strings.TrimSuffix(head, "s"), rest)
				}
				values = append(values, v.json)
			}
			add(item.Name, "["+strings.Join(values, ",")+"]")
		default:
			array, err := rows(strings.TrimSuffix(head, "s"), m.many, item.Nested.Or(wire.ReturnNames("*")))
			if err != nil {
				return err
			}
			array = "[" + array + "]"
			if item.Elements {
				array = `{"elements":` + array + "}"
			}
			add(item.Name, array)
		}
	}
	b.WriteByte('}')
	return nil
}

// list sets a plan with a constant list of objects as reply. Only for a user with an unknown domain is the reply an error.
func (a *AuthArgs) list(plan *dispatch.Plan, noun string, all []fixed, otherwise ...string) error {
	array, err := rows(noun, all, a.Return.Or(wire.ReturnNames(otherwise...)))
	if err != nil {
		return err
	}
	return a.constant(plan, jsontext.Value(`{"total":`+strconv.Itoa(len(all))+`,"rows":[`+array+`]}`))
}

// constant sets a plan with a constant reply. Only for a user with an unknown domain is the reply an error.
func (a *AuthArgs) constant(plan *dispatch.Plan, result any) error {
	user, err := a.Selector("user", people.UserType, false)
	if err != nil {
		return err
	}
	plan.View = func(tx store.ReadTx) (any, error) { return result, object.UndefinedDomain(tx, user) }
	if user == nil {
		plan.Reads = dispatch.NoStatement
	}
	return nil
}

// ListApplications returns the applications that users can log in to. This server is the only one.
func (m *Auth) ListApplications(_ *http.Request, args *AuthArgs, plan *dispatch.Plan) error {
	all := []fixed{{quoted("id", "tokensmith"), quoted("name", "tokensmith"), {name: "description", json: "null"}}}
	return args.list(plan, "application", all, "id", "name")
}

// authenticators returns the kinds of credential that pass the step.
func (m *Auth) authenticators() []fixed {
	all := []fixed{{quoted("code", otpMethod), quoted("name", "One-Time Password")}}
	_, sms := m.Server.Config.Senders[model.SMS]
	if _, mail := m.Server.Config.Senders[model.SMTP]; sms || mail && people.ProfileOf(m.Server).Mail {
		all = append(all, fixed{quoted("code", onDemandMethod), quoted("name", "On-Demand Password")})
	}
	return append(all, fixed{quoted("code", staticMethod), quoted("name", "Static Password")})
}

// StepArgs are the parameters of auth/listAuthenticators.
type StepArgs struct {
	AuthArgs
	Step wire.Int `json:"step"`
}

// ListAuthenticators returns the kinds of credential that pass a step of a logon. The default is the first step.
func (m *Auth) ListAuthenticators(_ *http.Request, args *StepArgs, plan *dispatch.Plan) error {
	if args.Step.Given && args.Step.Value != 1 {
		return model.AttrErrorf(model.Invalid, "step", "there is no such step: a logon has only one")
	}
	return args.list(plan, "authenticator", m.authenticators(), "code", "name")
}

// GetLogonSteps returns how users log on: in one step, with any of the authenticators.
func (m *Auth) GetLogonSteps(_ *http.Request, args *AuthArgs, plan *dispatch.Plan) error {
	step := fixed{
		{name: "step", json: "1"},
		quoted("name", "step 1"),
		{name: "description", json: "null"},
		{name: "challengResponse", alias: "challengeResponse", json: "false"}, // spelled as in the documentation of the original API
		{name: "checkStaticPass", json: "true"},
		{name: "authenticators", many: m.authenticators()},
	}
	return args.list(plan, "logon step", []fixed{step}, "name", "challengResponse", "checkStaticPass", "authenticators")
}

// Logout ends a logon. It does nothing, because there are no sessions.
func (m *Auth) Logout(_ *http.Request, args *AuthArgs, plan *dispatch.Plan) error {
	return args.constant(plan, nil)
}

// ResetLogon cancels a logon in steps. It does nothing, because there are no sessions.
func (m *Auth) ResetLogon(_ *http.Request, args *AuthArgs, plan *dispatch.Plan) error {
	return args.constant(plan, nil)
}
