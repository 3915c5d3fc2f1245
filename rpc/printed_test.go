package rpc_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"tokensmith/model"
	"tokensmith/rpc"
	"tokensmith/rpc/object"
	"tokensmith/store"
	"tokensmith/store/storetest"
)

// Every login method accepts the application parameter as the manual prints it. Those that take a user report an unknown domain
// as such.
func TestLoginsInTheDocumentedShape(t *testing.T) {
	t.Parallel()
	s := newService(t, storetest.SQLite(t))
	if err := s.store.Update(t.Context(), func(tx store.Tx) error {
		return tx.Insert(&model.Application{ID: "app1", Name: "portal", NameFolded: "portal"})
	}); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, m := range rpc.Methods() {
		if !strings.HasPrefix(m.Path, "auth/") {
			continue
		}
		var codes []int
		for _, application := range []string{"", `"application":{"id":"app1"}`, `"application":["name":portal]`, `"application":"tokensmith"`, `"application":null`} {
			n++
			w := newWorld(t, s, n)
			params := strings.ReplaceAll(w.fill(tried[m.Path]), "{Code}", "12345678")
			if application != "" {
				params = strings.Replace("{"+application+","+params[1:], ",}", "}", 1)
			}
			status, reply := s.post("/"+m.Path, params)
			if codes = append(codes, codeIn(reply)); status != http.StatusOK || codeIn(reply) != codes[0] {
				t.Errorf("%s %s: %d %s, not code %d", m.Path, params, status, reply, codes[0])
			}
		}
		for _, user := range []string{`{"loginName":"user1","domain.name":"nosuch.example"}`, `{"loginName":"nobody","domain.id":"nosuch"}`, `{"loginName":"nosuch\\user1"}`,
			`{"loginName":"user1","domain.netbiosName":"nosuch"}`, `{"loginName":"user1","domain":{"dnsName":null}}`, `{"loginName":"user1","domain.name":null}`} {
			params := `{"user":` + user + `,"token":{"serial":"serial001"},"credential":"755224,287082","code":"12345678"}`
			if _, reply := s.post("/"+m.Path, params); codeIn(reply) != 242 {
				t.Errorf("%s %s: %s", m.Path, params, reply)
			}
		}
	}
}

// For every relation of an object, a match with null finds the objects whose return shows none, and != null finds the others. A
// dotted name through a collection returns the same as the nested form.
func TestNullFindsWhatReturnShows(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		newWorld(t, s, 1)
		newWorld(t, s, 2)
		s.do(t, "device/create", `{"attrs":{"name":"unowned","groups":["group1"]}}`)
		s.do(t, "repository/create", `{"attrs":{"name":"below","parent":{"name":"w1"}}}`)
		s.do(t, "deviceGroup/create", `{"attrs":{"name":"below","parent":{"name":"group1"}}}`)
		none, some := 0, 0
		for _, m := range rpc.Methods() {
			noun, verb, _ := strings.Cut(m.Path, "/")
			o := object.Types[noun]
			if verb != "search" || o == nil {
				continue
			}
			var names []string
			for i := range o.Attrs {
				if a := &o.Attrs[i]; a.Kind == object.Ref && a.Column != "-" {
					names = append(names, a.Name)
				}
			}
			for i := range o.Collections {
				names = append(names, o.Collections[i].Name)
			}
			for _, name := range names {
				isNone := func(v any) bool { return v == nil || fmt.Sprint(v) == "[]" }
				search := func(match, ret string) []any {
					return s.do(t, m.Path, `{"match":[`+match+`],"return":[`+ret+`],"sort":"id"}`).(map[string]any)["rows"].([]any)
				}
				var want [2][]string
				for _, row := range search("", `"id",{"`+name+`":["id"]},"`+name+`.id"`) {
					r := row.(map[string]any)
					which := 1
					if isNone(r[name]) {
						which = 0
					}
					want[which] = append(want[which], r["id"].(string))
					if elements, ok := r[name].([]any); ok {
						var ids []any
						for _, e := range elements {
							ids = append(ids, e.(map[string]any)["id"])
						}
						if got := r[name+".id"]; fmt.Sprint(got) != fmt.Sprint(ids) {
							t.Errorf("%s: %s.id is %v, and %s is %v", m.Path, name, got, name, r[name])
						}
					}
				}
				for which, op := range []string{"=", "!="} {
					var got []string
					for _, row := range search(`["`+name+`.id","`+op+`",null]`, `"id"`) {
						got = append(got, row.(map[string]any)["id"].(string))
					}
					if !slices.Equal(got, want[which]) {
						t.Errorf("%s: %s.id %s null finds %q, not %q", m.Path, name, op, got, want[which])
					}
				}
				none, some = none+len(want[0]), some+len(want[1])
			}
		}
		if none < 20 || some < 20 {
			t.Errorf("only %d have none of something, and %d have some", none, some)
		}
	})
}
