package main

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"tokensmith/model/modeltest"
	"tokensmith/store"
	"tokensmith/store/storetest"
)

// TestLoginsWaitLittle: a login does not wait long, whatever other callers request. One that is answered 8 is repeated, as clients
// do, and has waited for all of its tries: on a database server that other tests use as well, PostgreSQL may find a conflict
// between logins that have none (see CLUSTER.md, Limits).
func TestLoginsWaitLittle(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		all, c := processes(t, 1, "--db", url)
		p := all[0]
		many, most := 10_000, 100_000
		if store.IsPostgres(url) { // nobody waits there, and each call takes ten times as long
			many, most = modeltest.Size(many, 1000), modeltest.Size(most, 5000)
		}
		for _, made := range []struct {
			method string
			params any
		}{{"domain/create", attrs("name", "logins")}, {"user/create", attrs("domain.name", "logins", "loginName", "u0")},
			{"token/create", attrs("product.productCode", "SE", "serial", "s0", "seed", fmt.Sprintf("%x", seedOf(0)), "user.loginName", "u0")}} {
			if code, err := c.post(p.url, made.method, made.params); code != 0 || err != nil {
				t.Fatal(made.method, code, err)
			}
		}
		owned(t, p, c, many)
		counter := uint64(0)
		for _, w := range disturbances(many, most) {
			waited, took, n, repeated := time.Duration(0), time.Duration(0), 0, 0
			ended := make(chan time.Duration, 1)
			go func() {
				began := time.Now()
				var each sync.WaitGroup
				for _, params := range w.calls {
					each.Go(func() {
						if code, err := c.post(p.url, w.method, params); (code != 0 && (code != 6 || !w.mayEnd)) || err != nil {
							t.Errorf("%s: %d %v", w.what, code, err)
						}
					})
				}
				each.Wait()
				ended <- time.Since(began)
			}()
			for took == 0 {
				select {
				case took = <-ended:
				case <-time.After(2 * time.Millisecond):
					asked := time.Now()
					code, err := c.post(p.url, "auth/verify", loginOf(0, counter))
					for ; code == 8 && err == nil && time.Since(asked) < modeltest.Patience; repeated++ {
						code, err = c.post(p.url, "auth/verify", loginOf(0, counter))
					}
					if code != 0 || err != nil {
						t.Errorf("a login beside %s: %d %v", w.what, code, err)
						took = <-ended // one of them logs it
					}
					waited = max(waited, time.Since(asked))
					counter++
					n++
				}
			}
			t.Logf("%-46s took %5.2f s; %4d logins beside it, which waited %4.0f ms at most; %d repeated", w.what, took.Seconds(), n, waited.Seconds()*1e3, repeated)
			if waited > min(10*w.most, modeltest.Patience) {
				t.Errorf("beside %s: %v", w.what, waited)
			}
		}
	})
}

// disturbance is what other callers request beside a login: parallel calls of one method.
type disturbance struct {
	what   string
	most   time.Duration // longest wait of a login on an idle machine; the test allows ten times as much
	method string
	calls  []any
	mayEnd bool // it is one transaction, and may be refused because it takes too long on a busy machine
}

// disturbances returns calls with many rows, and with the largest possible number. They must run in this order, because some
// change what others have created.
func disturbances(many, most int) []disturbance {
	of := func(what string) string { return fmt.Sprintf(what, many) }
	list := func(n int, method string, params func(i int) any) (calls []any) {
		for i := range n {
			calls = append(calls, map[string]any{"method": method, "params": params(i)})
		}
		return calls
	}
	batch := func(atomic bool, calls ...any) []any { return []any{map[string]any{"calls": calls, "atomic": atomic}} }
	search := func(i int) any {
		return map[string]any{"max": 20, "sort": "description", "match": [][]any{{"description", "~=", "x"}, {"email", "~=", fmt.Sprint(i % 10)}}}
	}
	create := func(name string) func(int) any {
		return func(i int) any { return attrs("product.productCode", "SE", "serial", fmt.Sprintf("%s%d", name, i)) }
	}
	tokens := func(n, from int) any {
		b := &strings.Builder{}
		b.WriteString("<data><header><manufacturerCode>DN</manufacturerCode><productCode>ST</productCode><encode>HEX</encode>" +
			"<encrypt>NONE</encrypt><digits>6</digits><timeWindow>60</timeWindow><crypto>HmacSHA1</crypto></header><tokens>")
		for i := range n {
			fmt.Fprintf(b, "<token><serial>%08d</serial><seed>%040X</seed></token>", from+i, from+i)
		}
		return attrs("data", b.String()+"</tokens></data>")
	}
	lines := func(head string, n int, line func(i int) string) string {
		b := &strings.Builder{}
		b.WriteString(head + "\n")
		for i := range n {
			b.WriteString(line(i) + "\n")
		}
		return b.String()
	}
	users := func(name, about string, n int) any {
		return attrs("csv", lines("domain,loginName,email,description", n, func(i int) string { return fmt.Sprintf("d,%s%d,%s%d@example.com,%s", name, i, name, i, about) }))
	}
	given := func(n int) any {
		file := lines("upn,serial number,secret key,time interval,manufacturer,model", n, func(i int) string {
			seed := strings.Map(func(digit rune) rune { return digit - '0' + 'A' }, fmt.Sprintf("%06o", i))
			return fmt.Sprintf("more%d,given%d,GEZDGNBVGY3TQOJQGEZDGNBVGY%s,60,DN,ST", i, i, seed)
		})
		return map[string]any{"attrs": map[string]any{"product.productCode": "ST", "assign": true, "data": file}}
	}
	devices := func(label string, n int) []any {
		return []any{map[string]any{"attrs": map[string]any{"label": label, "quantity": n, "csv": true, "allowUnlicensed": true}}}
	}
	var eight []any
	for i := range 8 {
		eight = append(eight, tokens(many, 40_000_000+i*many))
	}
	return []disturbance{
		{"a batch of 300 searches", time.Second, "batch/execute", batch(false, list(300, "user/search", search)...), true},
		{"a batch of 100 searches and a change", time.Second, "batch/execute", batch(false, append(list(100, "user/search", search), list(1, "token/create", create("m"))...)...), false},
		{"an atomic batch of 300 searches and a change", time.Second, "batch/execute", batch(true, append(list(300, "user/search", search), list(1, "token/create", create("n"))...)...), true},
		{of("a batch of %d changes"), time.Second, "batch/execute", batch(false, list(many, "token/create", create("b"))...), false},
		{"an atomic batch of 500 changes", time.Second, "batch/execute", batch(true, list(500, "token/create", create("a"))...), true},
		{of("an atomic batch of %d changes"), time.Second, "batch/execute", batch(true, list(many, "token/create", create("c"))...), true},
		{of("an import of %d users"), time.Second, "user/import", []any{users("more", "a", many)}, false},
		{"the same again, which changes them", time.Second, "user/import", []any{users("more", "b", many)}, false},
		{of("an import of %d tokens"), time.Second, "token/import", []any{tokens(many, 20_000_000)}, false},
		{of("an import of %d tokens to their users"), time.Second, "token/import", []any{given(many)}, false},
		{of("8 imports of %d tokens at once"), time.Second, "token/import", eight, false},
		{of("%d assignments"), time.Second, "token/batchAssignTokens", []any{attrs("csv", lines("domain,loginName,manufacturerCode,productCode,serial", many,
			func(i int) string { return fmt.Sprintf("d,more%d,DN,ST,%08d", i, 20_000_000+i) }))}, false},
		{of("an export of %d tokens"), time.Second, "token/export", []any{map[string]any{"attrs": map[string]any{"password": "p"}, "max": many, "cursor": ""}}, false},
		{of("%d devices"), time.Second, "device/createMany", devices("few", many), false},
		{fmt.Sprintf("an import of %d tokens", most), 5 * time.Second, "token/import", []any{tokens(most, 30_000_000)}, false},
		{fmt.Sprintf("%d devices", most), 5 * time.Second, "device/createMany", devices("many", most), false},
		{fmt.Sprintf("an import of %d users", most), 5 * time.Second, "user/import", []any{users("most", "a", most)}, false},
	}
}
