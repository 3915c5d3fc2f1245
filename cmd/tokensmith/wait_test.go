package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tokensmith/model/modeltest"
)

// What writes as a login does waits little behind whatever others ask for.
func TestLoginsWaitLittle(t *testing.T) {
	t.Parallel()
	p, c := servedAlone(t)
	owned(t, p, c, 10_000)
	calls := func(n int, method string, params func(i int) any) map[string]any {
		list := make([]any, n)
		for i := range list {
			list[i] = map[string]any{"method": method, "params": params(i)}
		}
		return map[string]any{"calls": list}
	}
	search := func(i int) any {
		return map[string]any{"max": 20, "sort": "description", "match": [][]any{{"description", "~=", "x"}, {"email", "~=", fmt.Sprint(i % 10)}}}
	}
	create := func(name string) func(int) any {
		return func(i int) any {
			return map[string]any{"attrs": map[string]any{"product.productCode": "SE", "serial": fmt.Sprintf("%s%d", name, i)}}
		}
	}
	mixed := calls(100, "user/search", search)
	mixed["calls"] = append(mixed["calls"].([]any), calls(1, "token/create", create("m"))["calls"].([]any)...)
	atomic := calls(2000, "token/create", create("a"))
	atomic["atomic"] = true
	tokens := func(n, from int) map[string]any {
		b := &strings.Builder{}
		b.WriteString("<data><header><manufacturerCode>DN</manufacturerCode><productCode>ST</productCode><encode>HEX</encode>" +
			"<encrypt>NONE</encrypt><digits>6</digits><timeWindow>60</timeWindow><crypto>HmacSHA1</crypto></header><tokens>")
		for i := range n {
			fmt.Fprintf(b, "<token><serial>%08d</serial><seed>%040X</seed></token>", from+i, i+1)
		}
		return map[string]any{"attrs": map[string]any{"data": b.String() + "</tokens></data>"}}
	}
	devices := func(label string, n int) map[string]any {
		return map[string]any{"attrs": map[string]any{"label": label, "quantity": n, "csv": true, "allowUnlicensed": true}}
	}
	for _, w := range []struct {
		what, method string
		params       any
		most         time.Duration // on a machine that does nothing else; a test allows ten times as much
	}{
		{"a batch of 300 searches", "batch/execute", calls(300, "user/search", search), time.Second},
		{"a batch of 100 searches and a change", "batch/execute", mixed, time.Second},
		{"a batch of 10,000 changes", "batch/execute", calls(10_000, "token/create", create("b")), time.Second},
		{"an atomic batch of 2,000 changes", "batch/execute", atomic, time.Second},
		{"an import of 10,000 tokens", "token/import", tokens(10_000, 20_000_000), time.Second},
		{"an export of 10,000 tokens", "token/export", map[string]any{"attrs": map[string]any{"password": "p"}, "max": 10_000, "cursor": ""}, time.Second},
		{"10,000 devices", "device/createMany", devices("few", 10_000), time.Second},
		{"an import of 100,000 tokens", "token/import", tokens(100_000, 30_000_000), 5 * time.Second},
		{"100,000 devices", "device/createMany", devices("many", 100_000), 5 * time.Second},
	} {
		ended := make(chan time.Duration)
		go func() {
			began := time.Now()
			if code, err := c.post(p.url, w.method, w.params); code != 0 || err != nil {
				t.Errorf("%s: %d %v", w.what, code, err)
			}
			ended <- time.Since(began)
		}()
		var most, took time.Duration
		n := 0
		for took == 0 {
			select {
			case took = <-ended:
			case <-time.After(2 * time.Millisecond):
				asked := time.Now()
				code, err := c.post(p.url, "user/set", map[string]any{"user": map[string]any{"loginName": "user1"}, "attrs": map[string]any{"firstName": fmt.Sprint(n)}})
				if code != 0 || err != nil {
					t.Errorf("beside %s: %d %v", w.what, code, err)
				}
				most = max(most, time.Since(asked))
				n++
			}
		}
		t.Logf("%-37s took %5.2f s; %4d changes beside it, which waited %4.0f ms at most", w.what, took.Seconds(), n, most.Seconds()*1e3)
		if most > min(10*w.most, modeltest.Patience) {
			t.Errorf("beside %s: %v", w.what, most)
		}
	}
}
