package rpc_test

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"tokensmith/rpc/dispatch"
	"tokensmith/store/storetest"
)

// TestCountsComeFirst: a request for too much is refused because of its number, before work is done for it.
func TestCountsComeFirst(t *testing.T) { // not parallel, because the memory of other tests would count
	s := newService(t, storetest.SQLite(t))
	repeat := func(text string, n int) string { return strings.TrimSuffix(strings.Repeat(text+",", n), ",") }
	names := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"n%d"`, i)
		}
		return b.String()[1:]
	}
	members := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"n%d":1,`, i)
		}
		return "{" + strings.TrimSuffix(b.String(), ",") + "}"
	}
	// One more than there may be.
	const collections = "tokens.id tokens.serial tokens.identifier tokens.status tokens.description tokens.counter tokens.drift tokens.confined tokens.downloads tokens.lastUsed " +
		"tokens.dateCreated tokens.lastUpdated groups.id groups.name groups.description devices.id devices.name tokenAssignments.id tokenAssignments.status tokenAssignments.priority tokens.lastDownload"
	for name, c := range map[string]struct {
		method, params string
		code           int
	}{
		"conditions":         {"user/search", `{"match":[` + repeat(`["loginName","!=","a"]`, 20_000) + `]}`, 11},
		"as many as may be":  {"user/search", `{"match":[` + repeat(`["loginName","!=","a"]`, 100) + `]}`, 0},
		"equalities":         {"user/search", `{"match":` + members(60_000) + `}`, 11},
		"attributes":         {"user/create", `{"attrs":` + members(60_000) + `}`, 11},
		"a selector":         {"user/get", `{"user":` + members(60_000) + `}`, 11},
		"values":             {"user/search", `{"match":[` + repeat(`["loginName","in",[`+repeat(`"a"`, 2000)+`]]`, 50) + `]}`, 11},
		"a sort":             {"user/search", `{"sort":[` + names(60_000) + `]}`, 11},
		"a list":             {"agent/create", `{"attrs":{"name":"a","permissions":[` + names(60_000) + `]}}`, 11},
		"a return":           {"user/search", `{"return":[` + repeat(`"loginName"`, 60_000) + `]}`, 11},
		"collections":        {"user/search", `{"return":["` + strings.ReplaceAll(collections, " ", `","`) + `"]}`, 11},
		"one, often":         {"user/search", `{"return":[` + repeat(`{"tokens":["id"]}`, 400) + `]}`, 0},
		"a pattern":          {"user/search", `{"match":[["loginName","like","%` + strings.Repeat("x", 60_000) + `%"]]}`, 11},
		"an escaped pattern": {"user/search", `{"match":[["loginName","<<","` + strings.Repeat("_", 30_000) + `"]]}`, 11},
		"a long beginning":   {"user/search", `{"match":[["loginName","like","` + strings.Repeat("x", 60_000) + `%"]]}`, 0},
		"a long text":        {"user/search", `{"match":[["loginName","=","` + strings.Repeat("x", 60_000) + `"]]}`, 0},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		began := time.Now()
		_, reply := s.post("/"+c.method, c.params)
		took := time.Since(began)
		runtime.ReadMemStats(&after)
		t.Logf("%-18s %7d bytes: %6.1f ms, %5.1f MB: %.90s", name, len(c.params), took.Seconds()*1e3, float64(after.TotalAlloc-before.TotalAlloc)/(1<<20), reply)
		if codeIn(reply) != c.code && !(c.code == 0 && strings.HasPrefix(reply, `{"error":0`)) {
			t.Errorf("%s: %.300s", name, reply)
		}
		if got := after.TotalAlloc - before.TotalAlloc; got > 64<<20 {
			t.Errorf("%s: %d MB", name, got>>20)
		}
	}
}

// TestRepliesInFiles: a reply that is too large for memory is sent from a file, and is the same as from memory: for a single
// call, in a batch, and over JSON-RPC. No file is left.
func TestRepliesInFiles(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		folder := t.TempDir()
		s := newService(t, url, func(c *dispatch.Config) { c.Spool = []string{"/no/such/folder", folder} })
		s.do(t, "domain/create", `{"attrs":{"name":"d"}}`)
		const n = 2300
		users, devices := "domain,loginName,description\n", ""
		for i := range n {
			users += fmt.Sprintf("d,user%04d,%s\n", i, strings.Repeat("x", 400+i%50))
			if i%100 == 0 {
				devices += fmt.Sprintf(`,{"method":"device/create","params":{"attrs":{"name":"of%d","user":{"loginName":"user%04d"}}}}`, i, i)
			}
		}
		s.do(t, "user/import", params(t, map[string]any{"csv": users}))
		s.do(t, "batch/execute", `{"calls":[`+devices[1:]+`]}`)
		const asks = `"return":["loginName","description",{"devices":["name"]},{"tokens":[{"users":["id"]}]}],"sort":"loginName","match":[["loginName",">>","user"]]`
		var rows []any
		for at := 0; at < n; at += 50 {
			rows = append(rows, s.do(t, "user/search", fmt.Sprintf(`{%s,"max":50,"offset":%d}`, asks, at)).(map[string]any)["rows"].([]any)...)
		}
		want, err := json.Marshal(map[string]any{"total": n, "rows": rows})
		if err != nil {
			t.Fatal(err)
		}
		same := func(what, reply string, find func(v map[string]any) any) {
			t.Helper()
			var v map[string]any
			if err := json.Unmarshal([]byte(reply), &v); err != nil {
				t.Fatalf("%s: %v %.200s", what, err, reply)
			}
			got, err := json.Marshal(find(v))
			if err != nil || string(got) != string(want) {
				t.Errorf("%s: %d bytes, not %d: %.300s", what, len(got), len(want), reply)
			}
		}
		if len(want) < 1<<20 || strings.Count(string(want), `"name":"of`) != n/100 {
			t.Fatalf("%d bytes: %.300s", len(want), want)
		}
		_, reply := s.post("/user/search", `{`+asks+`}`)
		same("a search", reply, func(v map[string]any) any { return v["result"] })
		_, reply = s.post("/batch/execute", `{"calls":[{"method":"user/search","params":{`+asks+`}}]}`)
		same("a batch", reply, func(v map[string]any) any { return v["result"].([]any)[0].(map[string]any)["result"] })
		_, reply = s.post("/jsonrpc", `{"jsonrpc":"2.0","method":"user.search","id":"a","params":{`+asks+`}}`)
		same("JSON-RPC", reply, func(v map[string]any) any {
			if v["id"] != "a" || v["jsonrpc"] != "2.0" {
				t.Errorf("%v %v", v["id"], v["jsonrpc"])
			}
			return v["result"]
		})
		same("in process", string(s.Call(t.Context(), "user/search", []byte(`{`+asks+`}`))), func(v map[string]any) any { return v["result"] })
		if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
			t.Errorf("%v %v", left, err)
		}
		// One object with all its attributes.
		of := params(t, map[string]any{"label": "m", "quantity": 30_000, "allowUnlicensed": true})
		if _, reply := s.post("/device/createMany", of); !strings.HasPrefix(reply, `{"error":0`) {
			t.Fatalf("%.300s", reply)
		}
		_, reply = s.post("/deviceGroup/get", `{"deviceGroup":{"name":"m"},"return":["name",{"devices":["*"]}]}`)
		if !strings.HasPrefix(reply, `{"error":0`) || len(reply) < 5<<20 || strings.Count(reply, `"dateCreated"`) != 30_000 {
			t.Errorf("%d bytes: %.300s", len(reply), reply)
		}
		// If no file can be written, no partial reply is sent.
		nowhere := newService(t, storetest.SQLite(t), func(c *dispatch.Config) { c.Spool = []string{"/no/such/folder"} })
		nowhere.do(t, "domain/create", `{"attrs":{"name":"d"}}`)
		nowhere.post("/user/import", params(t, map[string]any{"csv": users[:900_000] + "\n"}))
		if code, reply := nowhere.post("/user/search", `{"return":["*"]}`); !strings.HasPrefix(reply, `{"error":8,`) {
			t.Errorf("%d %.200s", code, reply)
		}
	})
}
