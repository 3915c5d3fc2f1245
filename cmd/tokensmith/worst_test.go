package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tokensmith/model/modeltest"
)

// owned fills a server with users who have one token each.
func owned(t *testing.T, p *process, c *agentCaller, n int) {
	t.Helper()
	users, tokens, owners := &strings.Builder{}, &strings.Builder{}, &strings.Builder{}
	users.WriteString("domain,loginName,firstName,lastName,email,description\n")
	tokens.WriteString("<data><header><manufacturerCode>DN</manufacturerCode><productCode>ST</productCode><encode>HEX</encode>" +
		"<encrypt>NONE</encrypt><digits>6</digits><timeWindow>60</timeWindow><crypto>HmacSHA1</crypto></header><tokens>")
	owners.WriteString("domain,loginName,manufacturerCode,productCode,serial\n")
	for i := range n {
		fmt.Fprintf(users, "d,user%d,First%d,Last%d,user%d@example.com,%s\n", i, i, i, i, strings.Repeat("x", 200))
		fmt.Fprintf(tokens, "<token><serial>%08d</serial><seed>%040X</seed></token>", i, i+1)
		fmt.Fprintf(owners, "d,user%d,DN,ST,%08d\n", i, i)
	}
	tokens.WriteString("</tokens></data>")
	for _, step := range []struct {
		method string
		attrs  map[string]any
	}{{"domain/create", map[string]any{"name": "d"}}, {"user/import", map[string]any{"csv": users.String()}},
		{"token/import", map[string]any{"data": tokens.String()}}, {"token/batchAssignTokens", map[string]any{"csv": owners.String()}}} {
		if code, err := c.post(p.url, step.method, map[string]any{"attrs": step.attrs}); code != 0 || err != nil {
			t.Fatal(step.method, code, err)
		}
	}
}

// TestWorstCallers: 64 callers request the largest possible replies and do not read them. The process stays small, its memory is
// returned, and others get replies meanwhile.
func TestWorstCallers(t *testing.T) {
	t.Parallel()
	p, c := servedAlone(t)
	owned(t, p, c, 10_000)
	nested := map[string]any{"max": 10_000, "return": []any{"*", map[string]any{"tokens": []string{"*"}}, map[string]any{"tokenAssignments": []string{"*", "token.serial"}},
		map[string]any{"domain": []string{"*"}}, map[string]any{"devices": []string{"*"}}}}
	var conditions [][]string
	for range 20_000 {
		conditions = append(conditions, []string{"loginName", "!=", "a"})
	}
	asked := []struct {
		method string
		params any
	}{{"user/search", nested}, {"user/search", map[string]any{"match": conditions[:100], "max": 1}}, {"user/search", map[string]any{"match": conditions}},
		{"token/export", map[string]any{"attrs": map[string]any{"password": "a password"}}}, {"user/search", map[string]any{"max": 10_000}},
		{"batch/execute", map[string]any{"calls": []any{map[string]any{"method": "user/search", "params": nested}}}}}
	var peak atomic.Int64
	stop := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
				peak.Store(max(peak.Load(), memory(t, p.cmd.Process.Pid)))
			}
		}
	})
	before := memory(t, p.cmd.Process.Pid)
	began := time.Now()
	var all sync.WaitGroup
	var mu sync.Mutex
	statuses := map[string]int{}
	var slowest atomic.Int64
	for i := range 64 {
		all.Go(func() {
			for _, a := range asked[i%2:] {
				body, _ := json.Marshal(a.params)
				conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
				if err != nil {
					t.Error(err)
					return
				}
				r, _ := http.NewRequest(http.MethodPost, p.url+"/"+a.method, strings.NewReader(string(body)))
				r.SetBasicAuth(c.id, c.secret)
				r.Close = true
				r.Write(conn)
				start := make([]byte, 4096) // and read no more for a while
				n, err := io.ReadAtLeast(conn, start, 40)
				reply := string(start[:n])
				if _, rest, ok := strings.Cut(reply, "\r\n\r\n"); ok {
					reply = rest
				}
				mu.Lock()
				statuses[fmt.Sprintf("%s %.110s %v", a.method, reply, err)]++
				mu.Unlock()
				time.AfterFunc(3*time.Second, func() { conn.Close() })
			}
		})
	}
	ended := make(chan struct{})
	go func() { all.Wait(); close(ended) }()
	for done := false; !done; {
		select {
		case <-ended:
			done = true
		case <-time.After(50 * time.Millisecond):
			asked := time.Now()
			if code, err := c.post(p.url, "domain/get", map[string]any{"domain": map[string]any{"name": "d"}}); code != 0 || err != nil {
				t.Errorf("meanwhile: %d %v", code, err)
			}
			slowest.Store(max(slowest.Load(), int64(time.Since(asked))))
		}
	}
	took := time.Since(began)
	modeltest.Until(t, "memory comes back", func() bool { return memory(t, p.cmd.Process.Pid) < before+100<<20 })
	close(stop)
	watch.Wait()
	t.Logf("before %d MB, at most %d MB, and %d MB again after %v; the calls took %v, a small one beside them at most %v", before>>20, peak.Load()>>20,
		memory(t, p.cmd.Process.Pid)>>20, time.Since(began)-took, took, time.Duration(slowest.Load()))
	t.Logf("%v", statuses)
	if peak.Load() > 512<<20 {
		t.Errorf("%d MB", peak.Load()>>20)
	}
}
