package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"
)

// lists are the requests for the largest lists in the console: the first page, a search, a sort, a filter.
var lists = []struct{ name, method, params string }{
	{"tokens", "token/search", `{"sort":"serial"`},
	{"tokens-search", "token/search", `{"sort":"serial","match":[["serial",">>","0012"]]`},
	{"tokens-sort", "token/search", `{"sort":"-status"`},
	{"tokens-status", "token/search", `{"sort":"id","match":[["status","=","ACTIVE"]]`},
	{"tokens-user", "token/search", `{"sort":"serial","match":[["user.loginName","=","u7"]]`},
	{"devices", "device/search", `{"sort":"name"`},
	{"devices-search", "device/search", `{"sort":"name","match":[["name",">>","hall-05"]]`},
	{"devices-sort", "device/search", `{"sort":"-lastSeen"`},
	{"devices-token", "device/search", `{"sort":"name","match":[["tokenState","=","ISSUED"]]`},
	{"devices-group", "device/search", `{"sort":"name","match":[["groups.name","=","hall"]]`},
	{"audit", "audit/search", `{"sort":"-time"`},
}

var listReturns = map[string]string{
	"token/search":  `["id","serial","status","product.name","product.kind","confined","lastUsed",{"users":["id","loginName"]},{"tokenAssignments":["id","status"]}]`,
	"device/search": `["id","name","status","online","license.name","user.loginName",{"groups":["id","name"]},"lastSeen","tokenHint","tokenState"]`,
	"audit/search":  `["*"]`,
}

// BenchmarkConsoleLists measures the console's lists with 1,000,000 tokens and 100,000 devices: medians of whole calls over HTTP.
func BenchmarkConsoleLists(b *testing.B) {
	dir := b.TempDir()
	p := &process{t: b, args: []string{"--db", filepath.Join(dir, "db")}, out: filepath.Join(dir, "out")}
	p.start()
	b.Cleanup(p.kill)
	c := &agentCaller{}
	c.id, c.secret = p.first()
	for part := range 20 {
		var file strings.Builder
		file.WriteString("serial,seed,type,period\n")
		for i := part * 50_000; i < (part+1)*50_000; i++ {
			fmt.Fprintf(&file, "%08d,%040x,totp,60\n", i, i+1)
		}
		c.result(b, p.url, "token/import", attrsOf("product.productCode", "ST", "data", file.String()))
	}
	c.result(b, p.url, "device/createMany", attrsOf("label", "Hall", "quantity", 100_000, "allowUnlicensed", true))
	c.result(b, p.url, "user/create", attrsOf("domain.name", "local", "loginName", "u7"))
	c.result(b, p.url, "tokenAssignment/create", attrsOf("token.serial", "00000007", "user.loginName", "u7"))
	took := map[string][]time.Duration{}
	b.ResetTimer()
	for range max(b.N, 7) {
		for _, l := range lists {
			var params any
			if err := json.Unmarshal([]byte(l.params+`,"return":`+listReturns[l.method]+`,"max":25,"cursor":""}`), &params); err != nil {
				b.Fatal(l.params, err)
			}
			began := time.Now()
			c.result(b, p.url, l.method, params)
			took[l.name] = append(took[l.name], time.Since(began))
		}
	}
	b.StopTimer()
	for name, times := range took {
		sort.Slice(times, func(i, j int) bool { return times[i] < times[j] })
		b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, "ms-"+name)
	}
	if info, err := os.Stat(filepath.Join(dir, "db")); err == nil {
		b.ReportMetric(float64(info.Size()>>20), "MB-database")
	}
}
