package rpc_test

import (
	"strings"
	"testing"

	"tokensmith/rpc"
	"tokensmith/rpc/object"
	"tokensmith/store/storetest"
)

// TestCollectionsAreGivenOnce: a collection that is named twice, under its own name or its other one, is refused. Otherwise what is
// checked would be one list, and what is stored the other.
func TestCollectionsAreGivenOnce(t *testing.T) {
	t.Parallel()
	s := newService(t, storetest.SQLite(t))
	tried := 0
	for _, m := range rpc.Methods() {
		noun, verb, _ := strings.Cut(m.Path, "/")
		o := object.Types[noun]
		if o == nil || verb != "create" && verb != "set" {
			continue
		}
		for _, c := range o.Collections {
			if on := map[string]object.When{"create": object.OnCreate, "set": object.OnSet}[verb]; c.When&on == 0 {
				continue
			}
			for _, second := range []string{c.Name, c.Written} {
				if second == "" {
					continue
				}
				tried++
				params := `{"id":"x","attrs":[{"` + c.Name + `":["a"]},{"` + second + `":["b"]}]}`
				if _, reply := s.post("/"+m.Path, params); codeIn(reply) != 11 || !strings.Contains(reply, "attrs."+second+": is given twice") {
					t.Errorf("%s %s: %s", m.Path, params, reply)
				}
			}
		}
	}
	if tried < 20 {
		t.Errorf("only %d were tried", tried)
	}
	// An element that is named twice is one.
	s.do(t, "logonProcedure/create", `{"attrs":{"name":"p"}}`)
	s.do(t, "application/create", `{"attrs":{"name":"desk","logonProcedures":["p",{"name":"P"}]}}`)
	// An agent that is held to an application makes none that is held to another.
	s.do(t, "application/create", `{"attrs":{"name":"portal"}}`)
	held := s.agent(t, `"name":"held","permissions":"*","applications":["portal"]`)
	if code, seen := s.answer(held, "agent/create", `{"attrs":[{"name":"free","permissions":"auth/*","applications":["portal"]},{"applications":["tokensmith"]}]}`); code != 11 {
		t.Error(seen)
	}
}
