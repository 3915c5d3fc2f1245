package rpc_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"math"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"tokensmith/model"
	"tokensmith/model/modeltest"
	"tokensmith/model/otp"
	"tokensmith/rpc/dispatch"
	"tokensmith/store"
	"tokensmith/store/storetest"
)

// allocated returns how many bytes a call allocates, and its reply.
func (s *service) allocated(t *testing.T, method, params string) (bytes uint64, reply string) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, reply = s.post("/"+method, params)
	runtime.ReadMemStats(&after)
	if codeIn(reply) != 0 {
		t.Fatalf("%s: %.300s", method, reply)
	}
	return after.TotalAlloc - before.TotalAlloc, reply
}

// TestLargeGroup: adding users to a large group, a page of a search in it and a login that asks for the user's groups take no more
// memory than with a small one.
func TestLargeGroup(t *testing.T) { // nothing of it is parallel, because the memory of other tests would count
	for name, url := range map[string]func(testing.TB) string{
		"sqlite": func(t testing.TB) string { return filepath.Join(t.TempDir(), "db") }, "postgres": storetest.Postgres,
	} {
		t.Run(name, func(t *testing.T) { largeGroup(t, url(t)) })
	}
}

func largeGroup(t *testing.T, url string) {
	const part = 1000
	most := modeltest.Size(100_000, 10_000)
	s := newService(t, url)
	domain := s.do(t, "domain/create", `{"attrs":{"name":"d"}}`).(map[string]any)["id"].(string)
	group := s.do(t, "group/create", `{"attrs":{"name":"large","domain.name":"d"}}`).(map[string]any)["id"].(string)
	s.do(t, "group/create", `{"attrs":{"name":"other","domain.name":"d"}}`)
	s.do(t, "user/create", `{"attrs":{"domain.name":"d","loginName":"ada","groups":["other","large"]}}`)
	s.do(t, "token/create", `{"attrs":{"product.productCode":"SE","serial":"1","seed":"`+worldSeed+`","user.loginName":"ada"}}`)
	id := func(i int) string { return fmt.Sprintf("user%06d", i) }
	fill := func(from, to int) {
		var users []model.User
		var states []model.UserState
		for i := from; i < to; i++ {
			users = append(users, model.User{ID: id(i), DomainID: domain, LoginName: id(i), LoginNameFolded: id(i), Status: model.Active})
			states = append(states, model.UserState{UserID: id(i)})
		}
		err := s.store.UpdateLong(t.Context(), func(tx store.Tx) error {
			if _, err := tx.InsertMany(users, false); err != nil {
				return err
			}
			_, err := tx.InsertMany(states, false)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	calls := func(from int) (add, byName, search, login uint64) {
		fill(from, from+2*part)
		var ids, names []string
		for i := range part {
			ids = append(ids, `{"id":"`+id(from+i)+`"}`)
			names = append(names, `"`+id(from+part+i)+`"`)
		}
		add, _ = s.allocated(t, "group/addUsers", `{"id":"`+group+`","users":[`+strings.Join(ids, ",")+`]}`)
		byName, _ = s.allocated(t, "group/addUsers", `{"id":"`+group+`","users":[`+strings.Join(names, ",")+`]}`)
		search, reply := s.allocated(t, "user/search", `{"match":[["group.id","=","`+group+`"]],"return":["loginName"],"sort":"loginName","max":100,"cursor":""}`)
		if want := fmt.Sprintf(`{"total":%d,"rows":[{"loginName":"ada"},`, from+2*part+1); !strings.Contains(reply, want) {
			t.Errorf("%.200s, not %s", reply, want)
		}
		otp := []string{"755224", "287082", "359152"}[min(from, 1)]
		login, reply = s.allocated(t, "auth/verify", `{"user":{"loginName":"ada"},"credential":{"otp":"`+otp+`"},"return":["groups.name"]}`)
		if !strings.Contains(reply, `{"groups.name":["large","other"]}`) {
			t.Error(reply)
		}
		return add, byName, search, login
	}
	var small, large [4]uint64
	small[0], small[1], small[2], small[3] = calls(0)
	for from := 2 * part; from < most-2*part; from += 10 * part {
		to := min(from+10*part, most-2*part)
		fill(from, to)
		var names []string
		for i := from; i < to; i++ {
			names = append(names, `"`+id(i)+`"`)
		}
		s.do(t, "group/addUsers", `{"id":"`+group+`","users":[`+strings.Join(names, ",")+`]}`)
	}
	large[0], large[1], large[2], large[3] = calls(most - 2*part)
	for i, what := range []string{"adding by id", "adding by name", "a search", "a login"} {
		t.Logf("%s: %d bytes in a group of %d, %d in one of %d", what, small[i], 2*part, large[i], most)
		if large[i] > small[i]+small[i]/2+1<<20 {
			t.Errorf("%s: %d bytes in a small group, %d in a large one", what, small[i], large[i])
		}
	}
	s.do(t, "group/delete", `{"id":"`+group+`"}`)
}

// TestManyGroups: a user is in no more groups than a login may ask for, groups lie in each other in no more levels than are looked
// through, and a list is refused for its length before it is looked at.
func TestManyGroups(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		domain := s.do(t, "domain/create", `{"attrs":{"name":"d"}}`).(map[string]any)["id"].(string)
		var groups []model.Group
		for i := range model.MaxGroupsOfUser + 1 {
			name := fmt.Sprintf("group%04d", i)
			groups = append(groups, model.Group{ID: name, DomainID: domain, Name: name, NameFolded: name})
		}
		if err := s.store.UpdateLong(t.Context(), func(tx store.Tx) error {
			_, err := tx.InsertMany(groups, false)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		names := func(n int) string {
			var all []string
			for _, g := range groups[:n] {
				all = append(all, `"`+g.Name+`"`)
			}
			return strings.Join(all, ",")
		}
		refused := func(method, params, message string) {
			t.Helper()
			if _, reply := s.post("/"+method, params); codeIn(reply) != 11 || !strings.Contains(reply, message) {
				t.Errorf("%s: %.300s", method, reply)
			}
		}
		s.do(t, "user/create", `{"attrs":{"domain.name":"d","loginName":"ada","groups":[`+names(model.MaxGroupsOfUser)+`]}}`)
		s.do(t, "user/create", `{"attrs":{"domain.name":"d","loginName":"bob"}}`)
		for i := range model.MaxLevels - 2 {
			s.do(t, "group/set", `{"id":"`+groups[i+1].ID+`","attrs":{"parents":["`+groups[i].Name+`"]}}`)
		}
		s.do(t, "group/set", `{"id":"group0500","attrs":{"members":["group0000"]}}`) // now there are as many as there may be
		refused("group/set", `{"id":"group0500","attrs":{"parents":["group0600"]}}`, `\"group0500\" would be one of more than 32 levels`)
		refused("group/set", `{"id":"group0600","attrs":{"parents":["group0030"]}}`, "more than 32 levels")
		refused("group/set", `{"id":"group0500","attrs":{"parents":["group0030"]}}`, `\"group0500\" would lie within itself`)
		s.do(t, "group/set", `{"id":"group0600","attrs":{"parents":["group0029","group0000"]}}`)

		last := groups[model.MaxGroupsOfUser].ID
		refused("group/addUsers", `{"id":"`+last+`","users":["bob","ada"]}`, "more than 1000 groups")
		refused("group/set", `{"id":"`+last+`","attrs":{"users":["ada"]}}`, "more than 1000 groups")
		refused("user/set", `{"user":{"loginName":"bob"},"attrs":{"groups":[`+names(model.MaxGroupsOfUser+1)+`]}}`, "at most 1000")
		refused("group/set", `{"id":"`+last+`","attrs":{"users":[`+strings.Repeat(`"x",`, 1000)+`"x"]}}`, "at most 1000")
		refused("group/addUsers", `{"id":"`+last+`","users":[`+strings.Repeat(`"x",`, 10_000)+`"x"]}`, "at most 10000")
		reply := s.do(t, "group/search", `{"match":[["users.id","!=",null]],"return":["users.loginName"],"max":1000}`).(map[string]any)
		if fmt.Sprint(reply["total"]) != fmt.Sprint(model.MaxGroupsOfUser) || strings.Contains(fmt.Sprint(reply), "bob") {
			t.Errorf("%.300v", reply)
		}
	})
}

// TestListsOfUnindexedNames: a list names so few objects by attributes without an index that its look-up takes a few searches, and one
// that names more is refused before any. Names that an index serves are not counted.
func TestListsOfUnindexedNames(t *testing.T) {
	t.Parallel()
	var searches atomic.Int64
	s := newService(t, storetest.SQLite(t), func(c *dispatch.Config) { c.Store = &viewed{c.Store, &searches} })
	s.do(t, "domain/create", `{"attrs":{"name":"d"}}`)
	s.do(t, "group/create", `{"attrs":{"name":"g","domain.name":"d"}}`)
	const few, many = 20, 300
	var mobiles, names []string
	for i := range many {
		s.do(t, "user/create", fmt.Sprintf(`{"attrs":{"domain.name":"d","loginName":"user%d","mobile":"+%[1]d"}}`, i))
		mobiles, names = append(mobiles, fmt.Sprintf(`{"mobile":"+%d"}`, i)), append(names, fmt.Sprintf(`{"domain.name":"d","loginName":"user%d"}`, i))
	}
	for _, c := range []struct {
		method, params string
		list           []string
		want           int
	}{
		{"group/addUsers", `{"group":{"name":"g"},"users":[%s]}`, mobiles, 11},
		{"group/removeUsers", `{"group":{"name":"g"},"users":[%s]}`, mobiles[:few+1], 11},
		{"group/set", `{"group":{"name":"g"},"attrs":{"users":[%s]}}`, mobiles, 11},
		{"group/create", `{"attrs":{"name":"h","domain.name":"d","users":[%s]}}`, mobiles, 11},
		{"user/set", `{"user":{"loginName":"user0"},"attrs":{"groups":[%s]}}`, slices.Repeat([]string{`{"description":"x"}`}, few+1), 11},
		{"device/create", `{"attrs":{"name":"x","groups":[%s]}}`, slices.Repeat([]string{`{"description":"x"}`}, few+1), 11},
		{"group/addUsers", `{"group":{"name":"g"},"users":[%s]}`, mobiles[:few], 0},
		{"group/addUsers", `{"group":{"name":"g"},"users":[%s]}`, slices.Concat(names, mobiles[:few]), 0},
		{"group/removeUsers", `{"group":{"name":"g"},"users":[%s]}`, names, 0},
	} {
		searches.Store(0)
		_, reply := s.post("/"+c.method, fmt.Sprintf(c.params, strings.Join(c.list, ",")))
		most := int64(few + 2)
		if c.want != 0 {
			most = 1 // the caller's own row
		}
		if n := searches.Load(); codeIn(reply) != c.want || n > most {
			t.Errorf("%s: %.200s after %d searches", c.method, reply, n)
		}
	}
}

// viewed is a store that counts its Views.
type viewed struct {
	store.Store
	count *atomic.Int64
}

func (v *viewed) View(ctx context.Context, fn func(store.ReadTx) error) error {
	v.count.Add(1)
	return v.Store.View(ctx, fn)
}

// TestGroupsCostALoginNothing: a login of a user of many groups takes the round trips of one of a user without any, unless it asks
// for the groups, which is one more.
func TestGroupsCostALoginNothing(t *testing.T) {
	t.Parallel()
	c, through := newCounting(t, storetest.Postgres(t))
	s := newService(t, through)
	s.do(t, "domain/create", `{"attrs":{"name":"d"}}`)
	s.do(t, "user/create", `{"attrs":{"domain.name":"d","loginName":"ada"}}`)
	s.do(t, "token/create", `{"attrs":{"product.productCode":"SE","serial":"1","seed":"`+worldSeed+`","user.loginName":"ada"}}`)
	seed, err := hex.DecodeString(worldSeed)
	if err != nil {
		t.Fatal(err)
	}
	counter := uint64(0)
	// least is the lowest number of round trips of some logins: one on a connection without a prepared statement takes more.
	least := func(more string) int64 {
		low := int64(math.MaxInt64)
		for range 8 {
			code := otp.Generate(seed, counter, otp.Params{Algorithm: otp.HOTP, Digits: 6, Hash: otp.HmacSHA1})
			counter++
			before := c.trips.Load()
			s.do(t, "auth/verify", `{"user":{"loginName":"ada"},"credential":{"otp":"`+code+`"}`+more+`}`)
			low = min(low, c.trips.Load()-before)
		}
		return low
	}
	none, asked := least(""), least(`,"return":["loginName","groups.name"]`)
	var names []string
	for i := range 100 {
		name := fmt.Sprintf(`"group%d"`, i)
		names = append(names, name)
		s.do(t, "group/create", `{"attrs":{"name":`+name+`,"domain.name":"d"}}`)
	}
	s.do(t, "user/set", `{"user":{"loginName":"ada"},"attrs":{"groups":[`+strings.Join(names, ",")+`]}}`)
	if many := least(""); many != none {
		t.Errorf("a login of a user of 100 groups takes %d round trips, and %d without groups", many, none)
	}
	if many := least(`,"return":["loginName","groups.name"]`); many != asked || many > none+2 {
		t.Errorf("a login that asks for 100 groups takes %d round trips, for none %d, and %d without asking", many, asked, none)
	}
}
