package rpc_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"tokensmith/model"
	"tokensmith/store"
	"tokensmith/store/storetest"
)

// treeOf says how objects of a kind lie within each other.
type treeOf struct {
	object string
	attrs  string // further attributes of a new one
	parent string // the attribute that puts one into another, for fmt
	none   string // the same, which puts it into none
}

var trees = []treeOf{
	{"unit", `,"domain.name":"d"`, `"parent":{"id":%q}`, `"parent":null`}, {"repository", "", `"parent":{"id":%q}`, `"parent":null`},
	{"deviceGroup", "", `"parent":{"id":%q}`, `"parent":null`}, {"group", `,"domain.name":"d"`, `"parents":[{"id":%q}]`, `"parents":[]`},
}

func (k treeOf) make(t *testing.T, s *service, name string) string {
	t.Helper()
	return s.do(t, k.object+"/create", `{"attrs":{"name":"`+name+`"`+k.attrs+`}}`).(map[string]any)["id"].(string)
}

// within puts an object into another, and returns the reply.
func (k treeOf) within(s *service, id, parent string) string {
	_, reply := s.post("/"+k.object+"/set", `{"id":"`+id+`","attrs":{`+fmt.Sprintf(k.parent, parent)+`}}`)
	return reply
}

// top takes an object out of the one it lies in, and returns the reply.
func (k treeOf) top(s *service, id string) string {
	_, reply := s.post("/"+k.object+"/set", `{"id":"`+id+`","attrs":{`+k.none+`}}`)
	return reply
}

// levels returns how many objects lie within each other above and including one; more than there may be if it lies within itself.
func (k treeOf) levels(t *testing.T, s *service, id string) int {
	up := map[bool]string{true: "parents.id", false: "parent.id"}[k.object == "group"]
	for n := 1; ; n++ {
		above := s.do(t, k.object+"/get", `{"id":"`+id+`","return":["`+up+`"]}`).(map[string]any)[up]
		if many, ok := above.([]any); ok {
			if above = nil; len(many) > 0 {
				above = many[0]
			}
		}
		if above == nil || n > model.MaxLevels {
			return n
		}
		id = above.(string)
	}
}

// TestTreesHaveABottom: units, repositories, groups and device groups lie within each other in 32 levels at most, and none within
// itself, whether one is made at the bottom or what is below it is moved. What is deeper from before is kept, and can be changed.
func TestTreesHaveABottom(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		s.do(t, "domain/create", `{"attrs":{"name":"d"}}`)
		for _, k := range trees {
			var ids []string
			for i := range model.MaxLevels + 2 {
				ids = append(ids, k.make(t, s, fmt.Sprint("level", i)))
			}
			put := func(id, parent int, want string) {
				t.Helper()
				if reply := k.within(s, ids[id], ids[parent]); !strings.Contains(reply, want) {
					t.Errorf("%s %d in %d: %s", k.object, id, parent, reply)
				}
			}
			for i := 1; i < model.MaxLevels/2; i++ { // a chain from 0 on
				put(i, i-1, `{"error":0}`)
			}
			for i := model.MaxLevels/2 + 1; i < model.MaxLevels; i++ { // and another one
				put(i, i-1, `{"error":0}`)
			}
			put(model.MaxLevels/2, model.MaxLevels/2-1, `{"error":0}`) // one below the other: as deep as can be
			put(0, model.MaxLevels-1, "itself")
			put(0, 0, "itself")
			put(0, 1, "itself")
			put(model.MaxLevels, model.MaxLevels-1, fmt.Sprintf("more than %d levels", model.MaxLevels))
			put(0, model.MaxLevels, "levels")
			put(1, model.MaxLevels, `{"error":0}`) // without 0 above it, under another
			put(model.MaxLevels, model.MaxLevels+1, "levels")
			if n := k.levels(t, s, ids[model.MaxLevels-1]); n != model.MaxLevels {
				t.Errorf("%s: %d levels", k.object, n)
			}
			if _, reply := s.post("/"+k.object+"/create", `{"attrs":{"name":"below"`+k.attrs+`,`+fmt.Sprintf(k.parent, ids[model.MaxLevels-1])+`}}`); codeIn(reply) != 11 {
				t.Errorf("%s at the bottom: %s", k.object, reply)
			}
		}
		if err := s.store.Update(t.Context(), func(tx store.Tx) error {
			var parent *string
			for i := range model.MaxLevels + 2 {
				id := fmt.Sprint("old", i)
				if err := tx.Insert(&model.Repository{ID: id, Name: id, ParentID: parent}); err != nil {
					return err
				}
				parent = &id
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		last := fmt.Sprint("old", model.MaxLevels+1)
		s.do(t, "repository/set", `{"id":"`+last+`","attrs":{"description":"kept","parent":{"name":"old`+fmt.Sprint(model.MaxLevels)+`"}}}`)
		s.do(t, "repository/set", `{"id":"`+last+`","attrs":{"parent":{"name":"old1"}}}`)
	})
}

// TestTreesUnderRaces: callers of several servers move objects into each other at the same time. None ends within itself, and no
// tree is too deep.
func TestTreesUnderRaces(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		s.do(t, "domain/create", `{"attrs":{"name":"d"}}`)
		all := s.together(t)
		for _, k := range trees {
			var ids []string
			for i := range 6 {
				ids = append(ids, k.make(t, s, fmt.Sprint("racer", i)))
			}
			// And three chains of a third of the levels: one may be below another one, but not all three below each other.
			var first, last [3]string
			for n := range first {
				for i := range model.MaxLevels/3 + 1 {
					id := k.make(t, s, fmt.Sprint("chain", n, "of", i))
					if i == 0 {
						first[n] = id
					} else if reply := k.within(s, id, last[n]); codeIn(reply) != 0 {
						t.Fatal(reply)
					}
					last[n] = id
				}
			}
			var group sync.WaitGroup
			for n := range first {
				server, rng := all[n%len(all)], rand.New(rand.NewPCG(uint64(n), 1))
				group.Go(func() {
					for i := range 12 {
						replies := []string{k.within(server, ids[rng.IntN(len(ids))], ids[rng.IntN(len(ids))])}
						if i%3 == 1 {
							replies = append(replies, k.top(server, first[n]))
						} else {
							replies = append(replies, k.within(server, first[n], last[(n+1)%len(last)]))
						}
						for _, reply := range replies {
							if code := codeIn(reply); code != 0 && code != 11 {
								t.Errorf("%s: %s", k.object, reply)
							}
						}
					}
				})
			}
			group.Wait()
			for _, id := range append(ids, last[:]...) {
				if n := k.levels(t, s, id); n > model.MaxLevels {
					t.Errorf("%s %s lies in more than %d levels, or within itself", k.object, id, model.MaxLevels)
				}
			}
		}
	})
}
