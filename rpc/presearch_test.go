package rpc_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/store"
	"tokensmith/store/storetest"
)

// watched is a store that notes which tables the writing transactions scan.
type watched struct {
	store.Store
	through func(conds []store.Cond)
}

type watchedTx struct {
	store.Tx
	through func(conds []store.Cond)
}

func (w watched) Update(ctx context.Context, fn func(store.Tx) error) error {
	return w.Store.Update(ctx, func(tx store.Tx) error { return fn(watchedTx{tx, w.through}) })
}

func (w watched) UpdateLong(ctx context.Context, fn func(store.Tx) error) error {
	return w.Store.UpdateLong(ctx, func(tx store.Tx) error { return fn(watchedTx{tx, w.through}) })
}

func (w watchedTx) Try(fn func(store.Tx) error) error {
	return w.Tx.Try(func(tx store.Tx) error { return fn(watchedTx{tx, w.through}) })
}

func (w watchedTx) Find(q *store.Query) ([]store.Row, error) {
	w.through(q.Where)
	return w.Tx.Find(q)
}

func (w watchedTx) Logins(user []store.Cond) ([]model.Login, error) {
	w.through(user)
	return w.Tx.Logins(user)
}

// No change scans a table to find what it names by an attribute without an index, because all logins would wait.
func TestNoChangeLooksThroughATable(t *testing.T) {
	t.Parallel()
	var found []string
	s := newService(t, storetest.NewSQLite(t).URL, func(c *dispatch.Config) {
		c.Store = watched{c.Store, func(conds []store.Cond) {
			byID := func(c store.Cond) bool {
				return c.Column == "id" || c.Column == "user_id" || c.Column == "login_name_folded"
			}
			if !slices.ContainsFunc(conds, byID) {
				found = append(found, fmt.Sprint(conds))
			}
		}}
	})
	s.do(t, "domain/create", `{"attrs":{"name":"d"}}`)
	s.do(t, "user/create", `{"attrs":{"domain.name":"d","loginName":"u","mobile":"+1"}}`)
	s.do(t, "token/create", `{"attrs":{"product.id":"`+fmt.Sprint(s.do(t, "product/get", `{"match":[["productCode","=","GT"]],"return":["id"]}`).(map[string]any)["id"])+`","description":"x"}}`)
	found = nil
	for _, call := range []string{
		`user/set {"user":{"mobile":"+1"},"attrs":{"firstName":"U"}}`, `user/set {"match":[["domain.name","=","d"],["firstName","~=","%x%"]],"attrs":{"firstName":"U"}}`,
		`user/unlock {"user":{"mobile":"+1"}}`, `token/reset {"match":[["status","=","ACTIVE"],["description","=","x"]]}`,
		`tokenAssignment/create {"attrs":{"token":{"description":"x"},"user":{"mobile":"+1"}}}`, `tokenAssignment/set {"match":[["user.mobile","=","+1"]],"attrs":{"priority":1}}`,
		`token/delete {"token":{"description":"x"},"user":{"mobile":"+1"}}`, `auth/verify {"user":{"mobile":"+1"},"credential":{"otp":"000000"}}`,
		`auth/sendOTP {"user":{"canonicalName":"x"}}`, `auth/syncToken {"user":{"mobile":"+1"},"token":{"serial":"1"},"credential":"000000,111111"}`,
		`auth/activateTokenAssignment {"user":{"mobile":"+1"},"code":"00000000"}`,
		`batch/execute {"calls":[{"method":"user/set","params":{"user":{"mobile":"+1"},"attrs":{"telephone":"+2"}}},{"method":"user/set","params":{"user":{"telephone":"+2"},"attrs":{"firstName":"C"}}}]}`,
	} {
		method, params, _ := strings.Cut(call, " ")
		_, reply := s.post("/"+method, params)
		if codeIn(reply) == 1 || codeIn(reply) == 11 {
			t.Errorf("%s: %s", call, reply)
		}
		if found != nil {
			t.Errorf("%s looks through a table by %s", call, found)
		}
		found = nil
	}
}

// A change finds an object that it names by an attribute without an index, and no other object.
func TestPresearchedIDs(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		g := newGuarded(t, url)
		g.user("u", "GT 1")
		g.user("v")
		g.do(t, "domain/create", `{"attrs":{"name":"e"}}`)
		g.do(t, "user/create", `{"attrs":{"domain.name":"e","loginName":"w","mobile":"+2","description":"both"}}`)
		g.do(t, "user/set", `{"user":{"loginName":"u"},"attrs":{"mobile":"+1","userPrincipalName":"u@upn","description":"both"}}`)
		limited := g.agent(t, `"name":"limited","permissions":"*","domains":"e"`)
		for _, c := range []struct {
			call string
			want int
		}{
			{`user/set {"user":{"mobile":"+1"},"attrs":{"firstName":"U"}}`, 0},
			{`user/set {"user":{"mobile":"+3"},"attrs":{"firstName":"U"}}`, 101},
			{`user/set {"user":{"mobile":"+1","domain.name":"none"},"attrs":{"firstName":"U"}}`, 242},
			{`user/set {"match":[["description","=","both"]],"attrs":{"firstName":"U"}}`, 15},
			{`user/set {"match":[["description","~=","bot"],["firstName","=","U"]],"attrs":{"description":"one"}}`, 0},
			{`token/create {"attrs":{"product.productCode":"SE","serial":"2","user":{"mobile":"+1"}}}`, 0},
			{`token/create {"attrs":{"product.productCode":"SE","serial":"3","user":{"mobile":"+3"}}}`, 101},
			{`token/delete {"token":{"serial":"2"},"user":{"userPrincipalName":"u@upn"}}`, 0},
			{`tokenAssignment/set {"match":[["user.mobile","=","+1"]],"attrs":{"priority":7}}`, 0},
			{`auth/verify {"user":{"mobile":"+1"},"credential":{"otp":"` + g.at(totp, "1", 0) + `"}}`, 0},
			{`auth/verify {"user":{"userPrincipalName":"u@upn"},"credential":{"otp":"` + g.at(totp, "1", 0) + `"}}`, 206},
			{`auth/verify {"user":{"mobile":"+3"},"credential":{"otp":"000000"}}`, 201},
			{`auth/sendOTP {"user":{"mobile":"+3"}}`, 0},
			{`batch/execute {"atomic":true,"calls":[{"method":"user/create","params":{"attrs":{"domain.name":"d","loginName":"x","mobile":"+9"}}},
				{"method":"user/set","params":{"user":{"mobile":"+9"},"attrs":{"firstName":"X"}}}]}`, 0},
			{`batch/execute {"calls":[{"method":"user/set","params":{"user":{"mobile":"+9"},"attrs":{"mobile":"+8"}}},
				{"method":"user/set","params":{"user":{"mobile":"+8"},"attrs":{"mobile":"+7"}}}, {"method":"user/set","params":{"user":{"mobile":"+9"},"attrs":{"mobile":"+6"}}},
				{"method":"user/set","params":{"user":{"mobile":"+7"},"attrs":{"lastName":"Y"}}}]}`, 0},
		} {
			method, params, _ := strings.Cut(c.call, " ")
			if _, reply := g.post("/"+method, params); codeIn(reply) != c.want {
				t.Errorf("%s: %s", c.call, reply)
			}
		}
		for attrs, want := range map[string]int{`{"user":{"mobile":"+1"},"attrs":{"firstName":"L"}}`: 101, `{"user":{"mobile":"+2"},"attrs":{"firstName":"L"}}`: 0} {
			if code, seen := g.answer(limited, "user/set", attrs); code != want {
				t.Errorf("%s by one who is held to a domain: %s", attrs, seen)
			}
		}
		rows := fmt.Sprint(g.do(t, "user/search", `{"match":[["loginName","in",["u","v","w","x"]]],"return":["loginName","firstName","lastName","mobile","description"],"sort":["loginName"]}`).(map[string]any)["rows"])
		if want := "[map[description:one firstName:U lastName:<nil> loginName:u mobile:+1] map[description:<nil> firstName:<nil> lastName:<nil> loginName:v mobile:<nil>] " +
			"map[description:both firstName:L lastName:<nil> loginName:w mobile:+2] map[description:<nil> firstName:X lastName:Y loginName:x mobile:+7]]"; rows != want {
			t.Errorf("the users are %s", rows)
		}
	})
}

// An atomic batch searches inside its transaction, and on SQLite all logins wait for it. So its searches together get little time,
// and the rest of the batch does not lose any to them.
func TestSearchesOfAnAtomicBatch(t *testing.T) {
	t.Parallel()
	s := newService(t, storetest.NewSQLite(t).URL)
	s.guarded(t, "GT", 1)
	var users strings.Builder
	users.WriteString("domain,loginName,mobile,description\n")
	for i := range 1000 {
		fmt.Fprintf(&users, "d,many%d,+%d,%s\n", i, i, strings.Repeat("a", 400))
	}
	s.do(t, "user/import", fmt.Sprintf(`{"attrs":{"csv":%q}}`, users.String()))
	s.do(t, "user/set", `{"user":{"loginName":"many1"},"attrs":{"description":"`+strings.Repeat("a", 400)+`b"}}`)
	slow := `{"method":"user/search","params":{"max":1,"match":[["description","~=","%` + strings.Repeat("a", 100) + `b%"]]}}`
	read := `{"method":"user/search","params":{"match":[["loginName","=","many1"]]}}`
	change := `{"method":"user/set","params":{"user":{"loginName":"many1"},"attrs":{"firstName":"%s"}}}`
	named := `{"method":"user/set","params":{"match":[["description","~=","%` + strings.Repeat("a", 100) + `b%"]],"attrs":{"firstName":"x"}}}`
	for _, c := range []struct {
		what, calls string
		atomic      bool
		want        int
	}{
		{"searches by index and changes", strings.Repeat(read+","+fmt.Sprintf(change, "a")+",", 20) + read, true, 0},
		{"long searches and a change, not atomic", strings.Repeat(slow+",", 3) + fmt.Sprintf(change, "b"), false, 0},
		{"long searches alone, which are a snapshot", strings.Repeat(slow+",", 3) + slow, true, 0},
		{"long searches and a change", strings.Repeat(slow+",", 300) + fmt.Sprintf(change, "c"), true, 6},
		{"changes whose object is searched for long", strings.Repeat(named+",", 300) + read, true, 6},
	} {
		began := time.Now()
		ended := make(chan string, 1)
		go func() {
			_, reply := s.post("/batch/execute", fmt.Sprintf(`{"atomic":%v,"calls":[%s]}`, c.atomic, c.calls))
			ended <- reply
		}()
		var waited time.Duration
		n := 0
		for reply := ""; reply == ""; {
			select {
			case reply = <-ended:
				if codeIn(reply) != c.want || c.want == 6 && !strings.Contains(reply, "searches of an atomic batch") {
					t.Errorf("%s: %.300s", c.what, reply)
				}
			default:
				asked := time.Now()
				s.post("/auth/verify", `{"user":{"domain.name":"d","loginName":"u0"},"credential":{"otp":"000000"}}`)
				waited = max(waited, time.Since(asked))
				n++
			}
		}
		t.Logf("%-42s took %4.0f ms; %d logins beside it waited %3.0f ms at most", c.what, time.Since(began).Seconds()*1e3, n, waited.Seconds()*1e3)
	}
	if seen := fmt.Sprint(s.do(t, "user/get", `{"user":{"loginName":"many1"},"return":["firstName"]}`)); !strings.Contains(seen, "firstName:b") {
		t.Errorf("a refused batch changed something, or one that was carried out did not: %s", seen)
	}
}

// A call that names very many objects by an attribute without an index would read their table as many times.
func TestManyNamedWithoutAnIndex(t *testing.T) {
	t.Parallel()
	s := newService(t, storetest.NewSQLite(t).URL)
	s.do(t, "domain/create", `{"attrs":{"name":"d"}}`)
	s.do(t, "group/create", `{"attrs":{"name":"g","domain.name":"d"}}`)
	var users strings.Builder
	users.WriteString("domain,loginName,mobile\n")
	for i := range 150 {
		fmt.Fprintf(&users, "d,u%d,+%d\n", i, i)
	}
	s.do(t, "user/import", fmt.Sprintf(`{"attrs":{"csv":%q}}`, users.String()))
	for _, c := range []struct {
		attr string
		many int
		want int
	}{{"mobile", 150, 11}, {"mobile", 21, 11}, {"mobile", 20, 0}, {"loginName", 150, 0}} {
		var list []string
		for i := range c.many {
			list = append(list, fmt.Sprintf(`{%q:"%s%d"}`, c.attr, map[string]string{"mobile": "+", "loginName": "u"}[c.attr], i))
		}
		if _, reply := s.post("/group/addUsers", `{"group":{"name":"g"},"users":[`+strings.Join(list, ",")+`]}`); codeIn(reply) != c.want {
			t.Errorf("%d by %s: %s", c.many, c.attr, reply)
		}
	}
}
