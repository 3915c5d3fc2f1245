package logon

import (
	"math"
	"net/http"
	"slices"
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

// What a front end asks before it logs a user on: the steps of the application and what passes them. The replies are the same for
// all users, so that they do not reveal who has an account.

// Asked is the receiver of the methods by which a front end asks that.
type Asked struct{ Server *dispatch.Server }

// AuthArgs are the parameters of authentication methods that take a user and what to return.
type AuthArgs struct {
	object.Selection
	Application wire.Named  `json:"application"`
	Return      wire.Return `json:"return"`
}

// fixed is an object that is not stored: its members in their order.
type fixed []fact

// fact is one member of a fixed object: JSON, or a list of objects.
type fact struct {
	name  string
	alias string
	json  string
	many  []fixed
	list  bool // it is a list of objects, many, which may be empty
}

// quotedOrNull is quoted, or null for an empty text.
func quotedOrNull(name, text string) fact {
	if text == "" {
		return fact{name: name, json: "null"}
	}
	return quoted(name, text)
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
				if !m.list {
					add(m.name, m.json)
				}
			}
			continue
		}
		head, rest, dotted := strings.Cut(item.Name, ".")
		m := f.find(head)
		if m == nil || !m.list && dotted {
			return model.AttrErrorf(model.UnknownAttr, "return", "%s has no attribute %q", noun, item.Name)
		}
		switch {
		case !m.list && item.Nested != nil:
			return model.AttrErrorf(model.Invalid, "return", "%q has no attributes of its own", item.Name)
		case !m.list:
			add(item.Name, m.json)
		case dotted:
			var values []string
			for _, element := range m.many {
				v := element.find(rest)
				if v == nil || v.list {
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

// list sets a plan with a list of objects, made from the steps of the application, as reply. Only for a user with an unknown domain
// is the reply an error.
func (a *AuthArgs) list(c *dispatch.Call, plan *dispatch.Plan, noun string, objects func([]model.Step) ([]fixed, error), otherwise ...string) error {
	reply := func(steps []model.Step) (any, error) {
		all, err := objects(steps)
		if err != nil {
			return nil, err
		}
		array, err := rows(noun, all, a.Return.Or(wire.ReturnNames(otherwise...)))
		return jsontext.Value(`{"total":` + strconv.Itoa(len(all)) + `,"rows":[` + array + `]}`), err
	}
	var result any
	if err := a.constant(plan, &result); err != nil {
		return err
	}
	return PlanWithRealm(c, a.Application, plan, func(tx store.ReadTx, application string) error {
		steps, err := Steps(tx, application)
		if err == nil {
			result, err = reply(steps)
		}
		return err
	})
}

// constant sets a plan with a reply that does not depend on the user. Only for a user with an unknown domain is the reply an error.
func (a *AuthArgs) constant(plan *dispatch.Plan, result *any) error {
	user, err := a.Selector("user", people.UserType, false)
	if err != nil {
		return err
	}
	plan.View = func(tx store.ReadTx) (any, error) { return *result, object.UndefinedDomain(tx, user) }
	if user == nil {
		plan.Reads = dispatch.NoStatement
	}
	return nil
}

// authenticators returns the kinds of credential that pass a step, of those that this server can check.
func (m *Asked) authenticators(codes []string) []fixed {
	_, sms := m.Server.Config.Senders[model.SMS]
	_, mail := m.Server.Config.Senders[model.SMTP]
	var all []fixed
	for _, a := range model.Authenticators() {
		if !slices.Contains(codes, a.Code) || a.Code == model.OnDemandCode && !sms && !(mail && people.ProfileOf(m.Server).Mail) {
			continue
		}
		all = append(all, fixed{quoted("code", a.Code), quoted("name", a.Name)})
	}
	return all
}

// StepArgs are the parameters of auth/listAuthenticators.
type StepArgs struct {
	AuthArgs
	Step wire.Int `json:"step"`
}

// ListAuthenticators returns the kinds of credential that pass a step of a logon. The default is the first step.
func (m *Asked) ListAuthenticators(r *http.Request, args *StepArgs, plan *dispatch.Plan) error {
	return args.list(dispatch.CallFrom(r.Context()), plan, "authenticator", func(steps []model.Step) ([]fixed, error) {
		_, codes, err := StepOf(steps, &args.Step)
		return m.authenticators(codes), err
	}, "code", "name")
}

// StepOf returns the step of a logon that a caller names by its number, by default the first, and the codes of what may answer it.
func StepOf(steps []model.Step, number *wire.Int) (model.Step, []string, error) {
	passed := 0
	if number.Given {
		passed = int(min(max(number.Value, 0), math.MaxInt32)) - 1
	}
	step, codes, ok := model.NextStep(steps, passed)
	if !ok {
		return step, nil, model.AttrErrorf(model.Invalid, "step", "there is no such step: the logon has %d", max(1, len(steps)))
	}
	return step, codes, nil
}

// GetLogonSteps returns the steps by which users log on. Any of its authenticators passes a step.
func (m *Asked) GetLogonSteps(r *http.Request, args *AuthArgs, plan *dispatch.Plan) error {
	return args.list(dispatch.CallFrom(r.Context()), plan, "logon step", func(steps []model.Step) (all []fixed, _ error) {
		for passed := 0; ; passed++ {
			step, codes, ok := model.NextStep(steps, passed)
			if !ok {
				return all, nil
			}
			all = append(all, fixed{
				{name: "step", json: strconv.Itoa(passed + 1)},
				quoted("name", step.Name),
				quotedOrNull("description", step.Description),
				{name: "challengResponse", alias: "challengeResponse", json: strconv.FormatBool(step.Challenge)}, // spelled as in the documentation of the original API
				{name: "checkStaticPass", json: strconv.FormatBool(step.StaticPassword)},
				{name: "authenticators", list: true, many: m.authenticators(codes)},
			})
		}
	}, "name", "challengResponse", "checkStaticPass", "authenticators")
}

// Logout ends a logon. It does nothing, because there are no sessions.
func (m *Asked) Logout(r *http.Request, args *AuthArgs, plan *dispatch.Plan) error {
	return args.nothing(dispatch.CallFrom(r.Context()), plan)
}

// ResetLogon cancels a logon in steps. It does nothing, because nothing is kept between the steps.
func (m *Asked) ResetLogon(r *http.Request, args *AuthArgs, plan *dispatch.Plan) error {
	return args.nothing(dispatch.CallFrom(r.Context()), plan)
}

// nothing sets a plan with an empty reply.
func (a *AuthArgs) nothing(c *dispatch.Call, plan *dispatch.Plan) error {
	if err := a.constant(plan, new(any)); err != nil {
		return err
	}
	return PlanWithRealm(c, a.Application, plan, nil)
}
