// Package apidoc describes the methods for people and programs: the tables of the documentation, the page /methods, and the
// OpenAPI document. It derives everything from the table of methods, the Go types of their arguments, and the declarations of
// objects.
package apidoc

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/object"
	"tokensmith/rpc/wire"
)

// The parameters of a method come from the Go type of its arguments and from the declaration of its object, and so does its
// example. Only the examples that cannot be derived from these are listed here.

// Parameter is one parameter of a method.
type Parameter struct {
	Name     string // "max", or "attrs.serial"
	Type     string // for readers
	Required bool
	About    string

	schema schema
}

// schema is a JSON schema or a part of one.
type schema = map[string]any

// attrsOf returns the declaration of the attributes that a method takes, and in which situation it takes them.
func attrsOf(path string) (*object.Type, object.When) {
	if o := object.Arguments[path]; o != nil {
		return o, object.OnCreate
	}
	noun, verb, _ := strings.Cut(path, "/")
	switch verb {
	case "create":
		return object.Types[noun], object.OnCreate
	case "set":
		return object.Types[noun], object.OnSet
	}
	return nil, 0
}

// selectable returns the objects that a selector of a method may name.
func selectable(m *dispatch.Method) []string {
	if m.Selects != nil {
		return m.Selects
	}
	noun, _, _ := strings.Cut(m.Path, "/")
	return []string{noun}
}

// Docs describes the methods of a table.
type Docs struct {
	table []dispatch.Method
	args  map[string]reflect.Type // of each method, by path
}

// New returns the description of a table of methods. receivers are used only for their types.
func New(table []dispatch.Method, receivers map[string]any) *Docs {
	d := &Docs{table, map[string]reflect.Type{}}
	for _, m := range table {
		receiver, name, _ := strings.Cut(m.Target, ".")
		if m.Stream {
			continue
		}
		if f, ok := reflect.TypeOf(receivers[receiver]).MethodByName(name); ok {
			d.args[m.Path] = f.Type.In(2).Elem()
		}
	}
	return d
}

func (d *Docs) parameters(m *dispatch.Method) (list []Parameter) {
	var fields func(t reflect.Type)
	fields = func(t reflect.Type) {
		for i := range t.NumField() {
			f := t.Field(i)
			name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			switch {
			case f.Anonymous:
				fields(f.Type)
			case strings.Contains(options, "embed"):
				for _, noun := range selectable(m) {
					list = append(list, Parameter{Name: noun, Type: "selector", About: "which " + object.Types[noun].Noun, schema: schema{"$ref": "#/components/schemas/Selector"}})
				}
			case f.Type == reflect.TypeFor[wire.Members]():
				list = append(list, attributes(m, name)...)
			case name != "":
				kind, sch := typeOf(f.Type)
				list = append(list, Parameter{Name: name, Type: kind, schema: sch})
			}
		}
	}
	if t := d.args[m.Path]; t != nil {
		fields(t)
	}
	return list
}

// typeOf returns the name and the JSON schema of a Go type on the wire.
func typeOf(t reflect.Type) (kind string, sch schema) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t {
	case reflect.TypeFor[wire.Text]():
		return "string", schema{"type": "string"}
	case reflect.TypeFor[wire.Named]():
		return "selector", schema{"type": []string{"object", "string", "null"}, "description": "by id or name; a text is a name"}
	case reflect.TypeFor[wire.Int]():
		return "integer", schema{"type": "integer"}
	case reflect.TypeFor[bool]():
		return "boolean", schema{"type": "boolean"}
	case reflect.TypeFor[wire.Match](), reflect.TypeFor[wire.Return]():
		return strings.ToLower(t.Name()), schema{"$ref": "#/components/schemas/" + t.Name()}
	case reflect.TypeFor[wire.Names]():
		return "list", schema{"type": []string{"array", "string"}, "items": schema{"type": "string"}}
	}
	if t.Kind() == reflect.Slice && t != reflect.TypeFor[jsontext.Value]() {
		kind, items := typeOf(t.Elem())
		return "array of " + kind, schema{"type": "array", "items": items}
	}
	return "any", schema{}
}

// attributes returns the attributes that a method takes.
func attributes(m *dispatch.Method, place string) (list []Parameter) {
	o, at := attrsOf(m.Path)
	if o == nil || place != "attrs" {
		return []Parameter{{Name: place, Type: "object", schema: schema{"type": "object"}}}
	}
	for i := range o.Attrs {
		a := &o.Attrs[i]
		if a.When&at == 0 {
			continue
		}
		list = append(list, Parameter{Name: place + "." + a.Name, Type: typeName(a), Required: a.Required && at == object.OnCreate && a.Initial == nil,
			About: strings.Join(notes(a), "; "), schema: attrSchema(a)})
	}
	for _, c := range o.Collections {
		if c.When&at != 0 {
			list = append(list, Parameter{Name: place + "." + c.Name, Type: plural(c.Object), About: "names or selectors",
				schema: schema{"type": "array", "items": schema{"type": []string{"string", "object"}}}})
		}
	}
	return list
}

// attrSchema returns an attribute's JSON schema.
func attrSchema(a *object.Attr) schema {
	s := schema{}
	switch a.Kind {
	case object.Text, object.Secret:
		s["type"], s["maxLength"] = []string{"string", "null"}, a.Max
		s["writeOnly"] = a.Kind == object.Secret
	case object.Integer:
		s["type"], s["minimum"] = []string{"integer", "null"}, a.Min
		if a.Max > 0 {
			s["maximum"] = a.Max
		}
	case object.Boolean:
		s["type"] = "boolean"
	case object.Date:
		s["type"], s["format"] = []string{"string", "null"}, "date-time"
	case object.Enum:
		values := []any{nil}
		for _, v := range a.Values {
			values = append(values, v)
		}
		s["enum"] = values
	case object.List:
		s["type"], s["items"] = "array", schema{"type": "string"}
	case object.Ref:
		return schema{"$ref": "#/components/schemas/Selector"}
	}
	if about := strings.Join(notes(a), "; "); about != "" {
		s["description"] = about
	}
	return s
}

// examples are the examples that cannot be derived from the declarations.
var examples = map[string]string{
	"user/import":                  `{"attrs":{"csv":"domain,loginName,firstName\nexample.com,john.smith,John\n"}}`,
	"user/create":                  `{"attrs":{"domain.name":"example.com","loginName":"john.smith"}}`,
	"domain/deployTokens":          `{"attrs":{"domain.name":"example.com","product":{"manufacturerCode":"DN","productCode":"GT"}}}`,
	"unit/create":                  `{"attrs":{"name":"operations","domain.name":"example.com"}}`,
	"group/create":                 `{"attrs":{"name":"staff","domain.name":"example.com"}}`,
	"group/addUsers":               `{"group":{"name":"staff","domain.name":"example.com"},"users":["john.smith",{"id":"0198c1f2a5b37c1e8f0d2b4a6c8e0f12"}]}`,
	"group/removeUsers":            `{"group":{"name":"staff","domain.name":"example.com"},"users":["john.smith"]}`,
	"token/batchAssignTokens":      `{"attrs":{"csv":"domain,loginName,manufacturerCode,productCode,serial,status,pin\nexample.com,john.smith,DN,SE,10000000,ACTIVE,1234\n","charset":"UTF-8"}}`,
	"token/import":                 `{"attrs":{"product.productCode":"SE","data":"serial,seed\n10000000,3132333435363738393031323334353637383930\n"}}`,
	"token/create":                 `{"attrs":{"product":{"manufacturerCode":"DN","productCode":"SE"},"user":{"domain.name":"example.com","loginName":"john.smith"},"pin":"1234"}}`,
	"token/export":                 `{"match":[["product.productCode","=","SE"]],"attrs":{"password":"correct horse"}}`,
	"token/reset":                  `{"token":{"serial":"10000000"},"attrs":{"counter":0}}`,
	"token/syncToken":              `{"token":{"serial":"10000000"},"credential":"755224,287082"}`,
	"tokenAssignment/activate":     `{"user":{"loginName":"john.smith"},"token":{"serial":"10000000"},"code":"12345678"}`,
	"tokenAssignment/sort":         `{"ids":["0198c1f2a5b37c1e8f0d2b4a6c8e0f12"]}`,
	"audit/histogram":              `{"match":[["outcome","!=",0]],"from":"2026-01-01T00:00:00Z","until":"2026-01-02T00:00:00Z","parts":24}`,
	"audit/history":                `{"objects":["token 0198c1f2a5b37c1e8f0d2b4a6c8e0f12"],"max":50}`,
	"tokenAssignment/create":       `{"attrs":{"token":{"serial":"10000000"},"user":{"loginName":"john.smith"},"pin":"1234"}}`,
	"tempPass/create":              `{"attrs":{"user":{"loginName":"john.smith"},"usageLimit":5},"count":3,"return":["id","password","expires"]}`,
	"tempPass/search":              `{"match":[["user.loginName","=","john.smith"]],"return":["id","expires","usageLimit","usedTimes"]}`,
	"tempPass/send":                `{"ids":["0198c1f2a5b37c1e8f0d2b4a6c8e0f12"],"message":{"type":"EMAIL"}}`,
	"auth/verify":                  `{"user":{"domain.name":"example.com","loginName":"john.smith"},"credential":{"otp":"1234755224"}}`,
	"auth/logon":                   `{"user":{"loginName":"john.smith"},"credential":{"method":"SPASS","password":"correct horse"},"application":{"name":"portal"}}`,
	"auth/syncToken":               `{"user":{"loginName":"john.smith"},"token":{"serial":"10000000"},"credential":"755224,287082"}`,
	"auth/sendOTP":                 `{"user":{"loginName":"john.smith"},"token":{"serial":"10000000"},"options":{"channel":"SMTP"}}`,
	"auth/listAuthenticators":      `{"step":1,"application":{"name":"portal"}}`,
	"auth/getLogonSteps":           `{"application":{"name":"portal"},"return":["name","challengResponse","authenticators"]}`,
	"auth/listApplications":        `{"return":["id","name"]}`,
	"auth/listDomains":             `{"application":{"name":"portal"},"return":["id","name"]}`,
	"auth/activateTokenAssignment": `{"user":{"loginName":"john.smith"},"token":{"serial":"10000000"},"code":"12345678"}`,
	"device/connect":               `{"token":"tsc_..."}`,
	"device/events":                `{}`,
	"installationCode/create":      `{"attrs":{"action":"CREATE_ACCOUNT_AND_DEVICE","usernamePrefix":"kiosk","domain.name":"example.com","usageLimit":100}}`,
	"installationCode/redeem":      `{"code":"K7QF3-9TMXW","nonce":"5f0c8a1e9b7d4c36","device":{"name":"kiosk-1","platform":"linux"}}`,
	"installationCode/check":       `{"code":"K7QF3-9TMXW"}`,
	"installationCode/send":        `{"id":"0198c1f2a5b37c1e8f0d2b4a6c8e0f12","channel":"SMTP"}`,
	"template/set":                 `{"template":{"name":"passcode"},"attrs":{"text":"Your passcode is {code}"}}`,
	"agent/create":                 `{"attrs":{"name":"batch","permissions":["token/*","auth/verify"]}}`,
	"agent/rotateSecret":           `{"agent":{"name":"batch"},"overlap":3600}`,
	"radiusClient/create":          `{"attrs":{"name":"vpn","address":"192.0.2.7","application":{"name":"tokensmith"},"attributes":"Class={login}"}}`,
	"radiusClient/rotateSecret":    `{"radiusClient":{"name":"vpn"},"overlap":3600}`,
	"agent/addApplication":         `{"agent":{"name":"batch"},"application":{"name":"portal"}}`,
	"agent/removeApplication":      `{"agent":{"name":"batch"},"application":{"name":"portal"}}`,
	"logonStep/create":             `{"attrs":{"name":"token","logonProcedure":{"name":"two steps"},"authenticators":["OTP","OTPoD"]}}`,
	"attribute/get":                `{"match":[["objectName","=","user"],["name","=","loginName"]]}`,
	"attribute/search":             `{"match":[["objectName","=","user"]],"return":["name","type"],"sort":"name"}`,
	"audit/search":                 `{"match":[["time",">","2026-01-31T00:00:00Z"]],"sort":"-time","max":100}`,
	dispatch.ExecutePath:           `{"atomic":true,"calls":[{"method":"/domain/create","params":{"attrs":{"name":"example.com"}}},{"method":"/domain/search"}]}`,
}

// example returns valid parameters for a method.
func (d *Docs) example(m *dispatch.Method) string {
	if e, ok := examples[m.Path]; ok {
		return e
	}
	noun, verb, _ := strings.Cut(m.Path, "/")
	o := object.Types[noun]
	if o == nil {
		if t := d.args[m.Path]; t != nil && m.Selects != nil {
			return `{"user":{"loginName":"john.smith"}}`
		}
		return "{}"
	}
	var parts []string
	selection := `"id":"0198c1f2a5b37c1e8f0d2b4a6c8e0f12"`
	if len(o.Keys) > 0 && len(o.Keys[0]) == 1 && o.ByName[o.Keys[0][0]].Derive == nil {
		selection = fmt.Sprintf(`"%s":{"%s":%s}`, o.Name, o.Keys[0][0], sample(o.ByName[o.Keys[0][0]]))
	}
	has := map[string]bool{}
	for _, p := range d.parameters(m) {
		has[p.Name] = true
	}
	if has[o.Name] {
		parts = append(parts, selection)
	}
	if has["channel"] {
		parts = append(parts, `"channel":"SMTP"`)
	}
	if attrs := sampleAttrs(m); attrs != "" {
		parts = append(parts, `"attrs":`+attrs)
	}
	if verb == "search" {
		i := 1
		for ; !o.Attrs[i].Simple() || o.Attrs[i].Derive != nil; i++ {
		}
		name := o.Attrs[i].Name
		parts = append(parts, fmt.Sprintf(`"match":[["%s","=",%s]]`, name, sample(&o.Attrs[i])), fmt.Sprintf(`"return":["id","%s"]`, name), `"max":100`)
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// sampleAttrs returns an example of attrs: the required attributes or, for a change, the first that may be set.
func sampleAttrs(m *dispatch.Method) string {
	o, at := attrsOf(m.Path)
	if o == nil {
		return ""
	}
	var parts []string
	for i := range o.Attrs {
		a := &o.Attrs[i]
		if a.When&at == 0 || at == object.OnCreate && !a.Required || at == object.OnSet && (a.Kind == object.Ref || a.Kind == object.Secret) {
			continue
		}
		parts = append(parts, fmt.Sprintf(`"%s":%s`, a.Name, sample(a)))
		if at == object.OnSet && len(parts) == 1 {
			break
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// sample returns a valid value for an attribute.
func sample(a *object.Attr) string {
	switch a.Kind {
	case object.Integer:
		return fmt.Sprint(max(a.Min, 1))
	case object.Boolean:
		return "true"
	case object.Date:
		return `"2026-01-31T10:00:00Z"`
	case object.Enum:
		return `"` + a.Values[0] + `"`
	case object.List:
		return `["example"]`
	case object.Ref:
		o := object.Types[a.Object]
		if len(o.Keys) > 0 {
			return fmt.Sprintf(`{"%s":%s}`, o.Keys[0][0], sample(o.ByName[o.Keys[0][0]]))
		}
		return `{"id":"0198c1f2a5b37c1e8f0d2b4a6c8e0f12"}`
	}
	for part, value := range map[string]string{"loginName": "john.smith", "email": "john.smith@example.com", "serial": "10000000", "name": "example"} {
		if a.Name == part {
			text, _ := json.Marshal(value)
			return string(text)
		}
	}
	return `"` + a.Name + `"`
}

// MethodInfo describes a method for readers.
type MethodInfo struct {
	Path    string // "token/create"
	About   string
	Reveals bool
	Device  bool // called by devices, without an agent

	Parameters []Parameter
	Example    string // valid parameters
}

// Methods returns all methods in the order of the table.
func (d *Docs) Methods() []MethodInfo {
	list := make([]MethodInfo, len(d.table))
	for i := range d.table {
		m := &d.table[i]
		list[i] = MethodInfo{m.Path, m.About, m.Reveals, m.Device, d.parameters(m), d.example(m)}
	}
	return list
}
