package rpc_test

import (
	"crypto/rand"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"tokensmith/store/storetest"
)

// BenchmarkImport measures token/import as a client uses it, including sealing and audit, in tokens per second. It compares that
// with a plain loop of prepared INSERTs of the same rows into the same tables and indexes. It fails if the method is less than
// half as fast over three or more runs.
func BenchmarkImport(b *testing.B) {
	csv := func(n int) string {
		var text strings.Builder
		text.WriteString("serial,seed,type,digits,period,manufacturer,model\n")
		for i := range n {
			fmt.Fprintf(&text, "%08d,%040x,totp,6,60,DN,ST\n", i, i+1)
		}
		return text.String()
	}
	for _, c := range []struct {
		format string
		n      int
		file   func(int) string
	}{{"vendor", 1000, vendorFile}, {"vendor", 50_000, vendorFile}, {"oath-csv", 50_000, csv}} {
		n := c.n
		b.Run(fmt.Sprint(c.format, "/", n), func(b *testing.B) {
			params := importParams(b, c.file(n))
			var method, bare time.Duration
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				s := newService(b, storetest.SQLite(b))
				bare += bareInserts(b, n)
				b.StartTimer()
				begin := time.Now()
				status, reply := s.post("/token/import", params)
				method += time.Since(begin)
				if want := fmt.Sprintf(`{"error":0,"result":{"total":%d,`, n); status != 200 || !strings.HasPrefix(reply, want) {
					b.Fatalf("%d %.300s", status, reply)
				}
			}
			perSecond := func(d time.Duration) float64 { return float64(n) * float64(b.N) / d.Seconds() }
			b.ReportMetric(perSecond(method), "tokens/s")
			b.ReportMetric(perSecond(bare), "bare/s")
			ratio := perSecond(method) / perSecond(bare)
			b.ReportMetric(ratio, "ratio")
			if n >= 50_000 && b.N >= 3 && ratio < 0.5 { // with fewer runs, noise of the machine dominates
				b.Errorf("importing is %.2f times as fast as bare inserts, less than half", ratio)
			}
		})
	}
}

// bareInserts inserts n rows like those of an import, each with a prepared statement, in one transaction. It uses a new database
// that is opened as the store opens it.
func bareInserts(b *testing.B, n int) time.Duration {
	b.Helper()
	url := storetest.SQLite(b)
	s := newService(b, url)
	var product, repository string
	product = fmt.Sprint(s.do(b, "product/get", `{"match":[["productCode","=","ST"]]}`).(map[string]any)["id"])
	repository = fmt.Sprint(s.do(b, "repository/get", `{"match":[["name","=","default"]]}`).(map[string]any)["id"])
	if err := s.store.Close(); err != nil {
		b.Fatal(err)
	}
	db, err := sql.Open("sqlite3", "file:"+url+"?_journal_mode=WAL&_synchronous=FULL&_foreign_keys=on&_cache_size=-65536&_txlock=immediate")
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	seed := make([]byte, 52) // a sealed seed of 20 bytes
	rand.Read(seed)
	begin := time.Now()
	check := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	tx, err := db.Begin()
	check(err)
	token, err := tx.Prepare("INSERT INTO tokens (id, product_id, repository_id, serial, identifier, status, description, seed, confined, " +
		"downloads, last_download, date_created, last_updated, seed_index) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
	check(err)
	state, err := tx.Prepare("INSERT INTO token_states (token_id, counter, drift, last_used, resync_step, resync_until) VALUES (?, ?, ?, ?, ?, ?)")
	check(err)
	now := begin.UnixMilli()
	index := make([]byte, 16)
	for i := range n {
		rand.Read(index)
		id, serial := fmt.Sprintf("%032x", i), fmt.Sprintf("%08d", i)
		_, err = token.Exec(id, product, repository, serial, serial, "ACTIVE", "", seed, false, 0, 0, now, now, index)
		check(err)
		_, err = state.Exec(id, 0, 0, 0, 0, 0)
		check(err)
	}
	check(tx.Commit())
	return time.Since(begin)
}
