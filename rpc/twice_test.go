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

// TestNamesInReturnCountOnce: what a return names again is shown once, and counts once; what is wrong in it is still refused.
func TestNamesInReturnCountOnce(t *testing.T) {
	t.Parallel()
	s := newService(t, storetest.SQLite(t))
	w := newWorld(t, s, 1)
	for again, want := range map[string]string{
		`"groups.name"`:                          `"groups.name":["`, // further names of it: as it is
		`{"groups":["name"]}`:                    `"groups":[{"name":"`,
		`{"tokens":["serial",{"users":["id"]}]}`: `"tokens":[{"serial":"`,
		`"*","domain.name"`:                      `"domain.name":"w1"`,
		`{"domain":["*"]}`:                       `"domain":{"id":"`,
	} {
		many := strings.Repeat(again+",", 99) + again
		if _, reply := s.post("/user/get", `{"id":"`+w.User+`","return":[`+many+`]}`); codeIn(reply) != 0 || strings.Count(reply, want) != 1 {
			t.Errorf("%s: %.500s", again, reply)
		}
	}
	if _, reply := s.post("/auth/verify", `{"user":{"id":"`+w.User+`"},"credential":{"otp":"755224"},"return":["loginName"`+strings.Repeat(`,"groups.name","loginName"`, 40)+`]}`); !strings.HasPrefix(reply, `{"error":0,"result":{"loginName":"user1","groups.name":[`) || strings.Count(reply, "groups.name") != 1 {
		t.Error(reply)
	}
	for _, wrong := range []string{`"groups.name","groups.colour"`, `"groups",{"groups":["colour"]}`, `"domain",{"domain":["colour"]}`} {
		if _, reply := s.post("/user/get", `{"id":"`+w.User+`","return":[`+wrong+`]}`); codeIn(reply) != 12 {
			t.Errorf("%s: %s", wrong, reply)
		}
	}
	var names []string
	for i := range 21 { // different ones are counted
		names = append(names, `{"groups`+strings.Repeat(`":[{"users":[{"groups`, i)+`":["id"]}`+strings.Repeat(`]}]}`, i))
	}
	if _, reply := s.post("/user/get", `{"id":"`+w.User+`","return":[`+names[9]+`,{"tokens":[{"users":[`+names[5]+`]}]},{"devices":[{"user":["groups.name","tokens.serial"]}]}]}`); codeIn(reply) != 11 {
		t.Error(reply)
	}
}
