package rpc_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"tokensmith/model/modeltest/promise"
	"tokensmith/model/otp"
	"tokensmith/rpc"
	"tokensmith/rpc/apidoc"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/object"
)

// generator makes a call of a seed: of any method, with parameters of the kinds that it takes, and attributes as the declarations have
// them. What it names is mostly there; now and then it is not.
type generator struct {
	*rand.Rand
	w     *simulation
	about int // see about
}

func newGenerator(w *simulation, seed uint32, about int) *generator {
	return &generator{rand.New(rand.NewPCG(uint64(seed), 2)), w, about}
}

// once says true in one of so many cases.
func (g *generator) once(in int) bool { return g.IntN(in) == 0 }

func pick[T any](g *generator, of []T) T { return of[g.IntN(len(of))] }

// call makes a call.
func (g *generator) call(number int) *simulated {
	if len(g.w.kept) > 0 && g.once(15) { // the same again
		before := pick(g, g.w.kept)
		if before.called == g.w.steps {
			before = &simulated{path: before.path, body: before.body, by: before.by, inner: before.inner} // without its key: it is another call
		} else {
			before.called = g.w.steps
		}
		c := &simulated{number: number, path: before.path, body: before.body, key: before.key, by: before.by, inner: before.inner, again: before}
		switch {
		case before.key == "", g.w.now() >= before.until, !before.changed():
			c.again = nil // what it was answered is forgotten, or need not be kept
		case g.once(5):
			c.again, c.by = nil, pick(g, g.w.agents) // another caller, whose key it is not
			if g.w.keyed[c.key+" "+c.by.id] {
				c.key = "" // this caller has used it as well
			}
		case g.once(5):
			c.again, c.other, c.body = nil, before, strings.Replace(c.body, "{", `{"return":[],`, 1) // with the same key another call
		}
		return c
	}
	if g.once(30) || g.about == aboutCallers && g.once(6) {
		c := g.console()
		c.number = number
		return c
	}
	m := g.method()
	c := g.callOf(m)
	c.number = number
	changes := promise.Changes(m.Path) || slices.ContainsFunc(c.inner, func(c *simulated) bool { return promise.Changes(c.path) })
	if changes && !m.Device && !strings.HasPrefix(m.Path, "auth/") && g.once(5) {
		c.key = fmt.Sprintf("key %d", number)
	}
	return c
}

// console signs in to the console or, if somebody did, maybe out.
func (g *generator) console() *simulated {
	if len(g.w.people) > 0 && g.once(4) {
		return &simulated{path: "console/signOut", body: "{}", by: pick(g, g.w.people)}
	}
	password := rightPassword
	if g.once(5) {
		password = wrongPassword
	}
	return &simulated{path: "console/signIn", body: fmt.Sprintf(`{"loginName":"a%d","password":%q}`, 1+g.IntN(2), password)}
}

// weighted are the methods, each as often as it is called beside others.
var weighted = sync.OnceValue(func() (list []*apidoc.MethodInfo) {
	all := rpc.Methods()
	for i := range all {
		for range weightOf(all[i].Path) {
			list = append(list, &all[i])
		}
	}
	return list
})

func (g *generator) method() *apidoc.MethodInfo {
	if g.about > 0 && !g.once(3) {
		return methodOf()[pick(g, about[g.about-1])]
	}
	return pick(g, weighted())
}

var methodOf = sync.OnceValue(func() map[string]*apidoc.MethodInfo {
	byPath := map[string]*apidoc.MethodInfo{}
	for _, m := range weighted() {
		byPath[m.Path] = m
	}
	return byPath
})

func (g *generator) callOf(m *apidoc.MethodInfo) *simulated {
	c := &simulated{path: m.Path}
	if !m.Device {
		c.by = g.w.agents[0]
		switch {
		case g.once(4), (m.Path == dispatch.ExecutePath || g.about == aboutCallers) && g.once(2):
			c.by = pick(g, g.w.agents)
		case len(g.w.people) > 0 && g.once(6):
			c.by = pick(g, g.w.people)
		}
	}
	params := map[string]any{}
	var text *typed
	if slices.Contains([]string{"auth/verify", "auth/logon", "auth/syncToken", "token/syncToken"}, m.Path) {
		text = g.credential(strings.HasSuffix(m.Path, "syncToken"))
	}
	object, _, _ := strings.Cut(m.Path, "/")
	attrs, some := map[string]any{}, []string{}
	for _, p := range m.Parameters {
		if name, ok := strings.CutPrefix(p.Name, "attrs."); ok {
			g.attribute(m.Path, name, attrs, 3)
			some = append(some, name)
		} else if v := g.parameter(m, object, p, text, c); v != nil {
			params[p.Name] = v
		}
	}
	for try := 0; try < 9 && len(some) > 0 && len(attrs) == 0; try++ { // a change of nothing is refused
		g.attribute(m.Path, pick(g, some), attrs, 1)
	}
	if len(some) > 0 {
		g.fit(m.Path, attrs)
	}
	if len(attrs) > 0 {
		params["attrs"] = attrs
	}
	body, err := json.Marshal(params)
	if err != nil {
		panic(err)
	}
	c.body, c.otp = string(body), text
	if text != nil && params["credential"] == nil {
		c.otp = nil
	}
	return c
}

// parameter gives a value to a parameter that is no attribute; nil = none.
func (g *generator) parameter(m *apidoc.MethodInfo, noun string, p apidoc.Parameter, text *typed, c *simulated) any {
	switch p.Type {
	case "selector":
		return g.selector(m.Path, noun, p.Name, text)
	case "match":
		switch {
		case m.Path == "attribute/get":
			return []any{[]string{"objectName", "=", "token"}, []string{"name", "=", "serial"}}
		case m.Path == "attribute/search":
			return []any{[]string{"objectName", "=", "token"}}
		case strings.HasSuffix(m.Path, "/search"), m.Path == "token/export":
			return []any{}
		}
		return nil
	case "return":
		if noun == "installationCode" && g.once(3) { // "*" is not its secret
			return []string{"id", "code"}
		}
		return map[bool]any{true: []string{"*"}}[g.once(4)]
	case "boolean":
		return map[bool]any{true: g.once(2)}[g.once(2)]
	case "object":
		if p.Name == "expect" {
			return g.expect(noun)
		}
		return g.members(p.Name)
	case "integer":
		if p.Name == "count" && noun == "tempPass" {
			return map[bool]any{true: 1 + g.IntN(4)}[g.once(3)]
		}
		return map[bool]any{true: 1 + g.IntN(50)}[g.once(2)]
	}
	switch p.Name {
	case "id", "cursor", "sort", "order", "return", "application", "expectHead", "acHash":
		return nil
	case "credential":
		if text == nil {
			return "000000"
		}
		return text.text
	case "remoteIp":
		return map[bool]any{true: fmt.Sprintf("198.51.100.%d", g.IntN(3))}[g.once(3)]
	case "channel":
		return pick(g, []string{"SMTP", "SMS"})
	case "nonce":
		return fmt.Sprintf("a nonce of a device %d", g.IntN(6))
	case "expect":
		return nil
	case "password":
		return nil
	case "users":
		return []any{g.object("user")}
	case "ids": // of one user
		table := object.Types[noun].Table
		rows := g.w.rows[table]
		ids := g.w.rows.Sorted(table)
		if len(ids) == 0 {
			return ids
		}
		user := rows[pick(g, ids)].Text("user_id")
		return slices.DeleteFunc(ids, func(id string) bool { return rows[id].Text("user_id") != user })
	case "clientToken":
		if !g.once(4) {
			return nil
		}
	case "atomic":
		return g.once(2)
	case "calls":
		var calls []any
		for range 1 + g.IntN(3) {
			inner := g.method()
			if inner.Device || inner.Path == dispatch.ExecutePath {
				continue
			}
			ic := g.callOf(inner)
			c.inner = append(c.inner, ic)
			calls = append(calls, map[string]any{"method": "/" + inner.Path, "params": json.RawMessage(ic.body)})
		}
		return calls
	}
	// A text that a reply had, such as a code, or a client token.
	name := p.Name
	if name == "token" {
		name = "clientToken"
	}
	if known := g.w.told[name]; len(known) > 0 && !g.once(8) {
		return pick(g, known)
	}
	return map[bool]any{true: "KEY-0001", false: "unknown 1"}[name == "code"]
}

// members are what a device says of itself and its user, or how a message is sent.
func (g *generator) members(name string) any {
	switch name {
	case "message":
		return map[string]any{"type": pick(g, []string{"EMAIL", "SMS", "SMS"})}
	case "messasge":
		return nil
	}
	if name == "user" {
		return map[bool]any{true: map[string]any{"firstName": "Ada", "email": "m1@example.com"}}[g.once(3)]
	}
	return map[string]any{"name": fmt.Sprintf("device%d", 1+g.IntN(3)), "hardwareId": fmt.Sprintf("h%d", g.IntN(2))}
}

// expect is what a caller saw of an object that it changes, which may have changed since.
func (g *generator) expect(noun string) any {
	if o := object.Types[noun]; o == nil || o.ByName["description"] == nil || !g.once(4) {
		return nil
	}
	return map[string]any{"description": pick(g, []string{"", noun + "1", noun + "2"})}
}

// selector names an object that is there, or is not.
func (g *generator) selector(path, noun, name string, text *typed) any {
	if noun == "auth" {
		switch {
		case text != nil && name == "user":
			if g.once(2) {
				return map[string]any{"id": text.user}
			}
			u := g.w.rows["users"][text.user]
			return map[string]any{"loginName": u.Text("login_name"), "domain.name": g.w.rows["domains"][u.Text("domain_id")].Text("name")}
		case text != nil && name == "token":
			return map[bool]any{true: map[string]any{"id": text.token}}[text.named || path == "auth/syncToken"]
		case name == "user":
			return g.object(name)
		case name == "token":
			return map[bool]any{true: g.object(name)}[g.once(3)]
		}
		return nil
	}
	switch {
	case text != nil && name == "token":
		return map[string]any{"id": text.token}
	case name == "application":
		return g.object(name)
	case name != noun:
		return map[bool]any{true: g.object(name)}[path == "token/delete" && g.once(2)]
	}
	return g.object(name)
}

// object is the id of one of a type; the caller himself is left in peace, or nobody could go on.
func (g *generator) object(noun string) any {
	ids := slices.DeleteFunc(g.w.rows.Sorted(object.Types[noun].Table), func(id string) bool { return id == g.w.agents[0].id })
	if len(ids) == 0 || g.once(25) {
		return map[string]any{"id": strings.Repeat("0", 32)}
	}
	return map[string]any{"id": pick(g, ids)}
}

// declared is the declaration of what a method takes as attributes, and when.
func declared(path string) (*object.Type, object.When) {
	if o := object.Arguments[path]; o != nil {
		return o, object.OnCreate
	}
	noun, verb, _ := strings.Cut(path, "/")
	if verb == "set" {
		return object.Types[noun], object.OnSet
	}
	return object.Types[noun], object.OnCreate
}

// attribute gives a value to an attribute in one of so many cases, or leaves it out.
func (g *generator) attribute(path, name string, attrs map[string]any, in int) {
	o, at := declared(path)
	a := o.ByName[name]
	if a == nil { // a collection
		if c := o.Collection(name, false); c != nil && g.once(in) && g.some(c.Object) {
			attrs[name] = []any{g.object(c.Object)}
		}
		return
	}
	if a.Kind == object.Ref && !a.Required && !g.some(a.Object) {
		return
	}
	if !(a.Required && at == object.OnCreate) && !g.once(in) {
		return
	}
	if v := g.value(path, a); v != nil {
		attrs[name] = v
	}
}

// some says whether to name one of a type: where there are none, rarely.
func (g *generator) some(noun string) bool {
	return len(g.w.rows[object.Types[noun].Table]) > 0 || g.once(8)
}

func (g *generator) value(path string, a *object.Attr) any {
	switch a.Kind {
	case object.Integer:
		if a.Min == 0 && a.Max == 0 {
			return g.IntN(6)
		}
		return min(a.Min+int64(pick(g, []int{0, 1, 1, 2, 3, 5})), max(a.Max, a.Min))
	case object.Boolean:
		return g.once(2)
	case object.Date:
		in := pick(g, []time.Duration{-time.Hour, time.Minute, time.Hour, 100 * time.Hour})
		return time.UnixMilli(g.w.now()).Add(in).UTC().Format(time.RFC3339)
	case object.Enum:
		if a.Name == "encode" {
			return "HEX"
		}
		return a.Values[g.IntN(len(a.Values))]
	case object.Ref:
		return g.object(a.Object)
	case object.List:
		return g.list(a)
	case object.Secret:
		switch {
		case a.Name == "seed":
			return fmt.Sprintf("%x", seedNumber(g.IntN(5)))
		case strings.Contains(strings.ToLower(a.Name), "pin"):
			return promise.PIN
		case a.Name == "password" && g.once(8):
			return rightPassword
		}
		return nil
	}
	return g.text(path, a.Name)
}

func (g *generator) list(a *object.Attr) any {
	switch {
	case len(a.Values) > 0:
		return a.Values[:g.IntN(len(a.Values)+1)]
	case a.Name == "permissions":
		return pick(g, [][]string{{"auth/*"}, {"token/*", "user/get"}, {"user/*", "device/*"}, {"*"}})
	case a.Name == "licenses":
		return g.w.rows.Sorted("licenses")
	case a.Name == "domains":
		return []string{pick(g, []string{"d1", "d2"})}
	}
	return nil
}

func (g *generator) text(path, name string) any {
	n := 1 + g.IntN(4)
	switch name {
	case "serial":
		return fmt.Sprintf("%d-%d", g.IntN(5), g.IntN(4))
	case "code":
		return fmt.Sprintf("KEY-000%d", n)
	case "email", "personalEmail":
		return fmt.Sprintf("m%d@example.com", n)
	case "usernamePrefix":
		return "kiosk"
	case "text":
		return fmt.Sprintf("A text %d", n)
	case "csv":
		user := "u" + fmt.Sprint(n)
		if path == "user/import" {
			return "domain,loginName,firstName\nd1," + user + ",Ada\nd2,v" + fmt.Sprint(n) + ",Bob\n"
		}
		return fmt.Sprintf("domain,loginName,manufacturerCode,productCode,serial,status,pin\nd%d,%s,DN,MT,%d-%d,ACTIVE,%s\n", 1+g.IntN(2), user, g.IntN(4), g.IntN(2), promise.PIN)
	case "data":
		k := g.IntN(5)
		return fmt.Sprintf("serial,seed\n%d-%d,%x\n", k, 4+g.IntN(4), seedNumber(k))
	case "charset", "encode", "preSharedKey", "password", "format", "keyId":
		return nil
	}
	noun, _, _ := strings.Cut(path, "/")
	return fmt.Sprintf("%s%d", noun, n)
}

// fit makes of attributes a whole that a method takes, where chance would hardly find one.
func (g *generator) fit(path string, attrs map[string]any) {
	switch path {
	case "token/create", "token/import":
		delete(attrs, "data")
		if path == "token/import" {
			attrs["data"] = g.text(path, "data")
			attrs["product.productCode"] = pick(g, []string{"MT", "SE"})
			delete(attrs, "product")
			return
		}
		k := g.IntN(5)
		attrs["serial"], attrs["seed"] = fmt.Sprintf("%d-%d", k, g.IntN(4)), fmt.Sprintf("%x", seedNumber(k))
		delete(attrs, "status")
	case "token/set":
		if s, ok := attrs["serial"].(string); ok && len(s) > 0 {
			delete(attrs, "serial") // it tells the seed
		}
	case "token/export":
		attrs["password"] = rightPassword
	case "tokenAssignment/create", "tokenAssignment/set":
		if g.once(2) {
			delete(attrs, "expires")
			delete(attrs, "starts")
			delete(attrs, "status")
		}
	case "product/create":
		attrs["digits"] = 6
	case "product/set":
		delete(attrs, "digits")
		delete(attrs, "algorithm")
	case "installationCode/create", "installationCode/set":
		switch attrs["action"] {
		case "CREATE_ACCOUNT_AND_DEVICE":
			attrs["usernamePrefix"], attrs["domain"] = "kiosk", g.object("domain")
			delete(attrs, "user")
			delete(attrs, "device")
		case "CREATE_DEVICE":
			attrs["user"] = g.object("user")
			delete(attrs, "device")
			delete(attrs, "domain")
			delete(attrs, "usernamePrefix")
		case "USE_EXISTING_DEVICE":
			attrs["device"] = g.object("device")
			for _, other := range []string{"user", "domain", "usernamePrefix", "license", "groups"} {
				delete(attrs, other)
			}
		}
		if attrs["code"] == nil && path == "installationCode/create" {
			attrs["code"] = g.text(path, "code")
		}
	case "group/create", "unit/create":
		if attrs["parents"] == nil && attrs["parent"] == nil {
			attrs["domain"] = g.object("domain")
		}
	case "radiusClient/create", "radiusClient/set":
		for _, other := range []string{"certificate", "secret", "attributes"} {
			delete(attrs, other)
		}
		attrs["address"] = fmt.Sprintf("192.0.2.%d/32", g.IntN(4))
		if attrs["application"] == nil && path == "radiusClient/create" {
			attrs["application"] = g.object("application")
		}
	case "template/set":
		delete(attrs, "subject")
		attrs["text"] = fmt.Sprintf("A text %d %s", g.IntN(3), pick(g, []string{"{code}", "{url}", "{loginName}"}))
	}
}

// typed is what somebody types who has a token.
type typed struct {
	user, token string
	named       bool // the token is named
	text        string
	factor      int64
}

// credential is what somebody types: mostly the OTP that the token shows.
func (g *generator) credential(two bool) *typed {
	rows := g.w.rows
	ids := rows.Sorted("token_assignments")
	if len(ids) == 0 {
		return nil
	}
	as := rows["token_assignments"][pick(g, ids)]
	for _, id := range ids { // rather who was sent a passcode
		if a := rows["token_assignments"][id]; rows["user_states"][a.Text("user_id")].Has("passcode") && g.once(3) {
			as = a
			break
		}
	}
	token := rows["tokens"][as.Text("token_id")]
	seed := seedOfToken(token)
	if seed == nil {
		return nil
	}
	p := promise.Params(rows, token)
	n := promise.Expected(rows, token, g.w.now())
	switch g.IntN(10) {
	case 0, 1: // an old one, or the last
		n -= int64(1 + g.IntN(2))
	case 2:
		n += int64(1 + g.IntN(3))
	case 3:
		n += int64(g.IntN(60))
	}
	n = max(0, n)
	t := &typed{user: as.Text("user_id"), token: as.Text("token_id"), named: g.once(3), factor: n, text: otp.Generate(seed, uint64(n), p)}
	if state := rows["user_states"][t.user]; state.Has("passcode") && g.once(2) && !two {
		t.text, _ = g.w.passcode(t.user, state)
	}
	if !two && g.once(3) {
		for _, id := range rows.Sorted("temp_passes") {
			if c := rows["temp_passes"][id]; c.Text("user_id") == t.user && (t.text == "" || g.once(2)) {
				t.text = g.w.codeText(id, c)
			}
		}
	}
	if g.once(4) {
		t.text = fmt.Sprintf("%0*d", p.Digits, g.IntN(1_000_000))
	}
	if two {
		t.text += "," + otp.Generate(seed, uint64(n+1), p)
	} else if as.Has("pin") && !g.once(10) {
		t.text = promise.PIN + t.text
	}
	return t
}
