package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tokensmith/model"
	"tokensmith/model/otp"
	"tokensmith/store"
	"tokensmith/store/keyring"
	"tokensmith/store/storetest"
)

// The load measures a whole server over loopback HTTP with persistent connections. In the same run it measures the floors, which
// are what the machine can do at best. make bench runs it; LOAD_TOKENS sets the sizes of the databases.

// loads are the kinds of calls, each made with 1, 8 and 64 connections.
var loads = []loadCall{
	{name: "empty call", quick: true, call: func(l *loadWorld) func(int) (string, string) {
		return func(int) (string, string) { return "auth/logout", "{}" }
	}},
	{name: "token/get", quick: true, call: func(l *loadWorld) func(int) (string, string) { return l.get }},
	{name: "token/search", call: func(l *loadWorld) func(int) (string, string) { return l.search }, most: 500},
	{name: "auth/verify soft", call: func(l *loadWorld) func(int) (string, string) { return l.verify(0) }, durable: true},
	{name: "auth/verify hardware", call: func(l *loadWorld) func(int) (string, string) { return l.verify(1) }, durable: true},
	{name: "token/create", call: func(l *loadWorld) func(int) (string, string) { return l.create }, durable: true},
	{name: "80 % verify, 20 % get", durable: true, call: func(l *loadWorld) func(int) (string, string) {
		verify := l.verify(0)
		return func(i int) (string, string) {
			if i%5 == 0 {
				return l.get(i)
			}
			return verify(i)
		}
	}},
}

const (
	emptyHandlerFloor = "empty handler"
	durableInsert     = "insert with fsync"
)

var loadConnections = []int{1, 8, 64}

// figure is one line of the table.
type figure struct {
	What        string  `json:"what"`
	Tokens      int     `json:"tokens,omitempty"`
	Connections int     `json:"connections,omitempty"`
	Rate        float64 `json:"perSecond"`
	P50         float64 `json:"p50ms,omitempty"`
	P99         float64 `json:"p99ms,omitempty"`
	P999        float64 `json:"p999ms,omitempty"`
	CPU         float64 `json:"serverCPUmicros,omitempty"`
	RSS         float64 `json:"serverRSSmegabytes,omitempty"`
	Floor       string  `json:"floor,omitempty"`
	Ratio       float64 `json:"ratio,omitempty"`
}

// BenchmarkLoad prints the table, and writes it to the file in LOAD_JSON.
func BenchmarkLoad(b *testing.B) {
	sizes := []int{10_000}
	if given := os.Getenv("LOAD_TOKENS"); given != "" {
		sizes = nil
		for _, s := range strings.Split(given, ",") {
			n, err := strconv.Atoi(s)
			if err != nil || n < 1000 {
				b.Fatal("LOAD_TOKENS: numbers from 1000, comma-separated")
			}
			sizes = append(sizes, n)
		}
	}
	// The client shares the machine with the server, so it must not collect its garbage all the time.
	defer debug.SetGCPercent(debug.SetGCPercent(gcPercent))
	t := &loadTable{}
	t.floors(b)
	t.imports(b)
	for _, tokens := range sizes {
		l := newLoadWorld(b, filepath.Join(b.TempDir(), "db"), tokens)
		t.add(figure{What: "start", Tokens: tokens, P50: l.took(), RSS: l.rss(b)})
		for _, load := range loads {
			for _, connections := range loadConnections {
				b.Run(fmt.Sprintf("%s/tokens=%d/connections=%d", strings.ReplaceAll(load.name, " ", "-"), tokens, connections), func(b *testing.B) {
					empty := t.empty
					disk := load.durable && connections == 1 // then the disk is the limit
					if disk {
						empty = nil
					}
					f := drive(b, load.calls(b), &l.process, l.authorization, connections, load.call(l), empty)
					f.What, f.Tokens = load.name, tokens
					if disk {
						f.of(t.find(durableInsert, 0, 0))
					}
					t.add(f)
				})
			}
			b.Run(fmt.Sprintf("%s/tokens=%d/wrk", strings.ReplaceAll(load.name, " ", "-"), tokens), func(b *testing.B) {
				floor := driveWrk(b, quickCalls*b.N, t.empty, "none", nothing)
				floor.What = emptyHandlerFloor + byWrk
				f := driveWrk(b, load.calls(b), &l.process, l.authorization, load.call(l))
				f.What, f.Tokens = load.name+byWrk, tokens
				f.of(&floor)
				t.add(f)
			})
		}
		l.kill()
	}
	t.postgres(b)
	t.print(b)
}

// loadCall is one kind of call.
type loadCall struct {
	name    string
	call    func(l *loadWorld) func(i int) (method, body string)
	durable bool // each call waits for the disk
	most    int  // limit for the number of calls, if each takes long; 0 for no limit
	quick   bool // make quickCalls times as many calls as of the others
}

// quickCalls is how many fast calls are made for each other one, so that the rate is measured over some time.
const quickCalls = 8

// nothing returns the call for the empty handler.
func nothing(int) (method, body string) { return "nothing", "{}" }

// of computes the ratio of a figure to a floor.
func (f *figure) of(floor *figure) {
	if floor != nil {
		f.Floor, f.Ratio = floor.What, f.Rate/floor.Rate
	}
}

func (l *loadCall) calls(b *testing.B) int {
	if l.most > 0 {
		return min(b.N, l.most)
	}
	if l.quick {
		return quickCalls * b.N
	}
	return b.N
}

// loadTable collects the figures. A later figure replaces an earlier one of the same name, because Go runs a benchmark once to
// warm up.
type loadTable struct {
	rows  []figure
	empty *process // runs the empty handler
}

func (t *loadTable) find(what string, tokens, connections int) *figure {
	for i := range t.rows {
		if r := &t.rows[i]; r.What == what && r.Tokens == tokens && r.Connections == connections {
			return r
		}
	}
	return nil
}

func (t *loadTable) add(f figure) {
	if old := t.find(f.What, f.Tokens, f.Connections); old != nil {
		*old = f
		return
	}
	t.rows = append(t.rows, f)
}

func (t *loadTable) print(b *testing.B) {
	var out bytes.Buffer
	out.WriteString("\n| what | tokens | connections | per second | p50 ms | p99 ms | p99.9 ms | CPU µs | RSS MB | of its floor |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	number := func(format string, v float64) string {
		if v == 0 {
			return ""
		}
		return fmt.Sprintf(format, v)
	}
	for _, r := range t.rows {
		of := ""
		if r.Ratio > 0 {
			of = fmt.Sprintf("%.0f %% (%s)", 100*r.Ratio, r.Floor)
		}
		fmt.Fprintf(&out, "| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", r.What, number("%.0f", float64(r.Tokens)), number("%.0f", float64(r.Connections)),
			number("%.0f", r.Rate), number("%.2f", r.P50), number("%.2f", r.P99), number("%.2f", r.P999), number("%.0f", r.CPU), number("%.0f", r.RSS), of)
	}
	fmt.Println(out.String())
	if file := os.Getenv("LOAD_JSON"); file != "" {
		text, err := json.MarshalIndent(t.rows, "", " ")
		if err == nil {
			err = os.WriteFile(file, text, 0o666)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

// driver makes calls over persistent connections.
type driver struct {
	client        *http.Client
	connections   int
	authorization string
	requests      []struct{ url, body string }
	took          []time.Duration // duration of each call
	elapsed       time.Duration
}

func newDriver(n int, p *process, authorization string, connections int, next func(i int) (method, body string)) *driver {
	d := &driver{connections: connections, authorization: authorization, took: make([]time.Duration, n),
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections, DisableCompression: true}}}
	for i := range n {
		method, body := next(i)
		d.requests = append(d.requests, struct{ url, body string }{p.url + "/das5/rest/" + method, body})
	}
	return d
}

// part makes one of several equal parts of the calls.
func (d *driver) part(b *testing.B, part, parts int) {
	var at atomic.Int64
	from, to := part*len(d.requests)/parts, (part+1)*len(d.requests)/parts
	at.Store(int64(from))
	var all sync.WaitGroup
	errs := make(chan error, d.connections)
	began := time.Now()
	for range d.connections {
		all.Go(func() {
			reply := new(bytes.Buffer)
			for {
				i := int(at.Add(1)) - 1
				if i >= to {
					return
				}
				start := time.Now()
				r, err := http.NewRequest(http.MethodPost, d.requests[i].url, strings.NewReader(d.requests[i].body))
				if err == nil {
					r.Header.Set("Authorization", d.authorization)
					r.Header.Set("Content-Type", "application/json")
					var resp *http.Response
					if resp, err = d.client.Do(r); err == nil {
						reply.Reset()
						_, err = io.Copy(reply, resp.Body)
						resp.Body.Close()
					}
				}
				d.took[i] = time.Since(start)
				if err == nil && !bytes.HasPrefix(reply.Bytes(), []byte(`{"error":0`)) {
					err = fmt.Errorf("%s %s: %s", d.requests[i].url, d.requests[i].body, reply)
				}
				if err != nil {
					errs <- err
					return
				}
			}
		})
	}
	all.Wait()
	d.elapsed += time.Since(began)
	select {
	case err := <-errs:
		b.Fatal(err)
	default:
	}
}

func (d *driver) rate() float64 { return float64(len(d.requests)) / d.elapsed.Seconds() }

// figure returns the rate and the times of all calls.
func (d *driver) figure() figure {
	slices.Sort(d.took)
	within := func(part float64) float64 {
		return float64(d.took[min(len(d.took)-1, int(part*float64(len(d.took))))].Microseconds()) / 1000
	}
	return figure{Connections: d.connections, Rate: d.rate(), P50: within(.5), P99: within(.99), P999: within(.999)}
}

// driveParts is the number of parts in which the calls are made. Each part is followed by one of the floor, so that both are
// measured on the same machine state.
const driveParts = 8

// drive makes n calls over that many connections and measures them. If an empty handler is given, it is the floor.
func drive(b *testing.B, n int, p *process, authorization string, connections int, next func(i int) (method, body string), empty *process) figure {
	d := newDriver(n, p, authorization, connections, next)
	defer d.client.CloseIdleConnections()
	floor, parts := &driver{}, 1
	if empty != nil {
		floor, parts = newDriver(quickCalls*b.N, empty, "none", connections, nothing), driveParts
		defer floor.client.CloseIdleConnections()
	}
	cpu := p.cpu(b)
	b.ResetTimer()
	for i := range parts {
		d.part(b, i, parts)
		if empty != nil {
			floor.part(b, i, parts)
		}
	}
	b.StopTimer()
	f := d.figure()
	f.CPU, f.RSS = float64((p.cpu(b)-cpu).Microseconds())/float64(n), p.rss(b)
	if empty != nil {
		f.of(&figure{What: emptyHandlerFloor, Rate: floor.rate()})
		b.ReportMetric(f.Ratio, "of-floor")
	}
	b.ReportMetric(f.Rate, "calls/s")
	b.ReportMetric(f.P50, "ms-p50")
	b.ReportMetric(f.P99, "ms-p99")
	b.ReportMetric(f.CPU, "µs-CPU/call")
	b.ReportMetric(f.RSS, "MB-RSS")
	return f
}

// byWrk marks figures that wrk measures, with as many connections as the largest number.
const byWrk = ", wrk"

// wrkScript sends each line of a file as one request. It prints, in one line, the number of replies, how many of them failed, the
// duration in microseconds, and the 50th, 99th and 99.9th percentile of the latencies.
const wrkScript = `
local ffi = require("ffi")
ffi.cdef("int getpid(void); int kill(int pid, int signal); typedef struct { long s, us; } moment; int gettimeofday(moment *m, void *zone);")
local requests, sent, began = {}, 0, 0
local function now() -- in seconds
	local m = ffi.new("moment")
	ffi.C.gettimeofday(m, nil)
	return tonumber(m.s) + tonumber(m.us) / 1e6
end
bad = 0
local threads = {}
function setup(thread) table.insert(threads, thread) end
function init(args)
	local headers = {["Authorization"] = args[2], ["Content-Type"] = "application/json"}
	for line in io.lines(args[1]) do
		local method, body = line:match("^(%S+)\t(.*)$")
		requests[#requests + 1] = wrk.format("POST", "/das5/rest/" .. method, headers, body)
	end
	extra = wrk.format("POST", "/das5/rest/auth/logout", headers, "{}")
end
function request()
	sent = sent + 1
	if sent == 1 then began = now() end
	if sent > #requests then
		-- As Ctrl-C does; else it would go on for its duration. When it has just begun it does not listen to that yet.
		if (sent - #requests) % 100 == 1 and now() - began > 0.1 then ffi.C.kill(ffi.C.getpid(), 2) end
		return extra
	end
	return requests[sent]
end
function response(status, headers, body)
	if body:sub(1, 10) ~= '{"error":0' then bad = bad + 1 end
end
function done(summary, latency, requests)
	io.write(string.format("figures %d %d %d %d %d %d\n", summary.requests, threads[1]:get("bad"), summary.duration,
		latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
`

// driveWrk is drive with wrk. It continues for at least a tenth of a second, with empty calls after n.
func driveWrk(b *testing.B, n int, p *process, authorization string, next func(i int) (method, body string)) figure {
	dir, connections := b.TempDir(), loadConnections[len(loadConnections)-1]
	script, file := filepath.Join(dir, "load.lua"), filepath.Join(dir, "requests")
	var requests bytes.Buffer
	for i := range max(n, connections) {
		method, body := next(i)
		fmt.Fprintf(&requests, "%s\t%s\n", method, body)
	}
	err := os.WriteFile(script, []byte(wrkScript), 0o600)
	if err == nil {
		err = os.WriteFile(file, requests.Bytes(), 0o600)
	}
	if err != nil {
		b.Fatal(err)
	}
	signal.Ignore(os.Interrupt) // wrk inherits this until it handles the signal itself
	defer signal.Reset(os.Interrupt)
	cpu := p.cpu(b)
	b.ResetTimer()
	out, err := exec.Command("wrk", "-t1", "-c"+strconv.Itoa(connections), "-d10m", "-s", script, p.url, "--", file, authorization).CombinedOutput()
	b.StopTimer()
	_, line, found := strings.Cut(string(out), "figures ")
	var answered, bad, micros, p50, p99, p999 float64
	if err == nil && found {
		_, err = fmt.Sscan(line, &answered, &bad, &micros, &p50, &p99, &p999)
	}
	if err != nil || !found || bad > 0 {
		b.Fatalf("wrk: %v, %.0f of %.0f without success\n%s", err, bad, answered, out)
	}
	f := figure{Connections: connections, Rate: answered / micros * 1e6, P50: p50 / 1000, P99: p99 / 1000, P999: p999 / 1000,
		CPU: float64((p.cpu(b) - cpu).Microseconds()) / answered, RSS: p.rss(b)}
	b.ReportMetric(f.Rate, "calls/s")
	return f
}

// cpu returns the CPU time of the process, in user mode and in the kernel (proc(5); a tick is 10 ms).
func (p *process) cpu(b *testing.B) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	user, err1 := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	if err1 != nil || err2 != nil {
		b.Fatal(err1, err2)
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}

// rss returns the resident memory of the process in MB.
func (p *process) rss(b *testing.B) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				b.Fatal(err)
			}
			return float64(kb) / 1024
		}
	}
	b.Fatal("no VmRSS")
	return 0
}

// loadWorld is a server on a database of users with one token each, alternately of the soft and of the hardware product.
type loadWorld struct {
	process
	tokens        int
	authorization string

	used    []int64 // by token: one more than the last time step that was sent; 0 if none was
	turn    [2]int  // by product: how many OTPs of its tokens were sent
	created int     // tokens created by calls
}

// loadProducts contains the codes of the products, their periods, and how many steps an OTP may differ from the clock.
var loadProducts = [2]struct {
	code        string
	period, off int64
}{{"GT", 30, 1}, {"ST", 60, 3}}

// loadStride is the step between tokens that are used one after the other, so that they are in different places of the database.
const loadStride = 7919

func loadSeed(i int) []byte {
	sum := sha1.Sum([]byte(strconv.Itoa(i)))
	return sum[:]
}

// newLoadWorld returns a server on a new database: a file or a URL.
func newLoadWorld(b *testing.B, db string, tokens int) *loadWorld {
	dir := b.TempDir()
	key := filepath.Join(dir, "key")
	l := &loadWorld{process: process{t: b, args: []string{"--db", db, "--key-file", key}, out: filepath.Join(dir, "out")}, tokens: tokens, used: make([]int64, tokens)}
	l.start()
	id, secret := l.first()
	l.authorization = "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))
	c := &agentCaller{id: id, secret: secret}
	domain := c.result(b, l.url, "domain/create", attrs("name", "load"))["id"].(string)
	l.stop()
	l.fill(b, db, key, domain)
	l.start()
	b.Cleanup(l.kill)
	return l
}

// took returns the milliseconds from the start of the process until it listened.
func (p *process) took() float64 { return float64(p.listens.Sub(p.started).Microseconds()) / 1000 }

// stop ends the process as a service manager does.
func (p *process) stop() {
	p.t.Helper()
	p.cmd.Process.Signal(syscall.SIGTERM)
	if err := p.cmd.Wait(); err != nil {
		p.t.Fatal(err)
	}
}

// fill inserts the users and their tokens, as token/import and token/batchAssignTokens would, and users without a token.
func (l *loadWorld) fill(b *testing.B, db, key, domain string) {
	s, err := store.Open(context.Background(), db, key)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	now := model.At(time.Now())
	const part = 50_000
	for from := 0; from < l.tokens; from += part {
		err := s.Update(context.Background(), func(tx store.Tx) error {
			var products [2]model.Product
			// A repository has at most 100,000 tokens, so that a search for a repository finds at most so many.
			repository := model.Repository{ID: fmt.Sprintf("0198000e%024x", from/loadRepository), Name: fmt.Sprint("load ", from/loadRepository)}
			var err error
			if from%loadRepository == 0 {
				err = tx.Insert(&repository)
			}
			if err == nil {
				products[0], err = tx.ProductByCodes("GG", loadProducts[0].code)
			}
			if err == nil {
				products[1], err = tx.ProductByCodes("DN", loadProducts[1].code)
			}
			if err != nil {
				return err
			}
			var users []model.User
			var userStates []model.UserState
			var tokens []model.Token
			var states []model.TokenState
			var assignments []model.Assignment
			for i := from; i < min(from+part, l.tokens); i++ {
				user := func(name string, id string) {
					users = append(users, model.User{ID: id, DomainID: domain, LoginName: name, LoginNameFolded: name, Status: model.Active})
					userStates = append(userStates, model.UserState{UserID: id})
				}
				id := func(kind string) string { return fmt.Sprintf("0198%s%024x", kind, i) }
				user(fmt.Sprint("u", i), id("000a"))
				if i%10 == 0 {
					user(fmt.Sprint("c", i/10), id("000d"))
				}
				token := id("000b")
				tokens = append(tokens, model.Token{ID: token, ProductID: products[i%2].ID, RepositoryID: repository.ID, Serial: fmt.Sprintf("%08d", i), Identifier: fmt.Sprintf("%08d", i),
					Status: model.Active, Seed: s.Keys().Seal(keyring.Place{Table: "tokens", Column: "seed", Row: token}, loadSeed(i)), DateCreated: now, LastUpdated: now})
				store.IndexSeed(s.Keys(), &tokens[len(tokens)-1], loadSeed(i), products[i%2].Crypto)
				states = append(states, model.TokenState{TokenID: token})
				assignments = append(assignments, model.Assignment{ID: id("000c"), TokenID: token, UserID: id("000a"), IsOwner: true, Status: model.Active, PINNeverExpires: true, DateCreated: now, LastUpdated: now})
			}
			_, err = tx.InsertMany(users, false)
			for _, more := range []func() (int64, error){
				func() (int64, error) { return tx.InsertMany(userStates, false) },
				func() (int64, error) { return tx.InsertMany(tokens, false) },
				func() (int64, error) { return tx.InsertMany(states, false) },
				func() (int64, error) { return tx.InsertMany(assignments, false) },
			} {
				if err == nil {
					_, err = more()
				}
			}
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// imports measures the start with an empty database, an import into it, and logins during an import.
func (t *loadTable) imports(b *testing.B) {
	l := newLoadWorld(b, filepath.Join(b.TempDir(), "db"), 10_000)
	empty := &process{t: b, args: []string{"--db", filepath.Join(b.TempDir(), "db")}, out: filepath.Join(b.TempDir(), "out")}
	empty.start()
	time.Sleep(time.Second)
	t.add(figure{What: "start on nothing, then idle", P50: empty.took(), RSS: empty.rss(b)})
	empty.kill()
	imported := 0
	file := func() string {
		var text strings.Builder
		text.WriteString(`serial,seed,type,period\n`)
		for range loadImport {
			imported++
			fmt.Fprintf(&text, `i%08d,%x,totp,60\n`, imported, loadSeed(imported))
		}
		return `{"attrs":{"product.productCode":"ST","data":"` + text.String() + `"},"return":["id"]}`
	}
	b.Run("token/import", func(b *testing.B) {
		f := drive(b, min(b.N, 3), &l.process, l.authorization, 1, func(int) (string, string) { return "token/import", file() }, nil)
		f.What, f.Rate, f.CPU = fmt.Sprintf("token/import of %d, tokens", loadImport), f.Rate*loadImport, f.CPU/loadImport
		t.add(f)
	})
	measured := false
	b.Run("verify-beside-import", func(b *testing.B) {
		if measured {
			return // the import is done once, whatever b.N is
		}
		measured = true
		verify, sent := l.verify(0), 0
		f := drive(b, 5000, &l.process, l.authorization, 8, func(int) (string, string) {
			if sent++; sent == 2 {
				return "token/import", file()
			}
			return verify(0)
		}, nil)
		f.What, f.Tokens = "auth/verify beside an import", 0
		t.add(f)
	})
}

// postgres measures logins on PostgreSQL. Their floor is what pgbench does meanwhile, with as many clients: one statement that finds
// a user by a join, changes a row and inserts a short one.
func (t *loadTable) postgres(b *testing.B) {
	const tokens = 10_000
	url := storetest.DurablePostgres(b)
	l := newLoadWorld(b, url, tokens)
	bench := newPgbench(b, url, tokens)
	for _, connections := range []int{1, 8, 24, 64} {
		b.Run(fmt.Sprintf("auth-verify-soft/postgres/connections=%d", connections), func(b *testing.B) {
			d := newDriver(b.N, &l.process, l.authorization, connections, l.verify(0))
			defer d.client.CloseIdleConnections()
			floor, cpu := 0.0, l.cpu(b)
			b.ResetTimer()
			for i := range pgbenchParts {
				d.part(b, i, pgbenchParts)
				floor += bench.seconds(b, connections, max(1, b.N/pgbenchParts/connections))
			}
			b.StopTimer()
			f := d.figure()
			f.CPU, f.RSS = float64((l.cpu(b)-cpu).Microseconds())/float64(b.N), l.rss(b)
			f.What = "auth/verify soft, PostgreSQL"
			f.of(&figure{What: "pgbench, one statement", Rate: float64(pgbenchParts*connections*max(1, b.N/pgbenchParts/connections)) / floor})
			b.ReportMetric(f.Rate, "calls/s")
			b.ReportMetric(f.Ratio, "of-floor")
			b.ReportMetric(f.P99, "ms-p99")
			t.add(f)
		})
	}
	l.kill()
}

// pgbenchParts is driveParts for pgbench, which takes some time to begin.
const pgbenchParts = 4

// pgbench runs PostgreSQL's own load program.
type pgbench struct{ program, url, script string }

func newPgbench(b *testing.B, url string, rows int) *pgbench {
	programs, err := filepath.Glob("/usr/lib/postgresql/*/bin/pgbench")
	if err != nil || len(programs) == 0 {
		b.Fatal("pgbench is not in /usr/lib/postgresql/*/bin: ", err)
	}
	p := &pgbench{programs[len(programs)-1], url, filepath.Join(b.TempDir(), "script")}
	db, err := sql.Open("pgx", url)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	for _, statement := range []string{
		"CREATE TABLE bench_users (id BIGINT PRIMARY KEY, name TEXT UNIQUE)",
		"CREATE TABLE bench_states (user_id BIGINT PRIMARY KEY, counter BIGINT)",
		"CREATE TABLE bench_rows (time TIMESTAMPTZ, mac BYTEA)",
		fmt.Sprintf("INSERT INTO bench_users SELECT n, 'u' || n FROM generate_series(1, %d) AS n", rows),
		"INSERT INTO bench_states SELECT id, 0 FROM bench_users",
		"ANALYZE bench_users, bench_states",
	} {
		if _, err := db.Exec(statement); err != nil {
			b.Fatal(statement, err)
		}
	}
	text := fmt.Sprintf(`\set n random(1, %d)
WITH found AS (SELECT s.user_id FROM bench_users u JOIN bench_states s ON s.user_id = u.id WHERE u.name = 'u' || :n),
changed AS (UPDATE bench_states s SET counter = counter + 1 FROM found WHERE s.user_id = found.user_id RETURNING s.counter)
INSERT INTO bench_rows SELECT now(), decode(md5(counter::text) || md5(counter::text), 'hex') FROM changed;
`, rows)
	if err := os.WriteFile(p.script, []byte(text), 0o644); err != nil {
		b.Fatal(err)
	}
	return p
}

// seconds returns how long the transactions took, that many for each client.
func (p *pgbench) seconds(b *testing.B, clients, each int) float64 {
	out, err := exec.Command(p.program, "--no-vacuum", "--protocol=prepared", "--client", strconv.Itoa(clients), "--jobs", strconv.Itoa(min(2, clients)),
		"--transactions", strconv.Itoa(each), "--file", p.script, p.url).CombinedOutput()
	var rate float64
	_, line, found := strings.Cut(string(out), "tps = ")
	if err == nil && found {
		_, err = fmt.Sscan(line, &rate)
	}
	if err != nil || rate == 0 {
		b.Fatalf("pgbench: %v\n%s", err, out)
	}
	return float64(clients*each) / rate
}

const loadRepository = 100_000

const loadImport = 100_000

func (l *loadWorld) get(i int) (method, body string) {
	return "token/get", fmt.Sprintf(`{"match":[["serial","=","%08d"]],"return":["id","serial","status","product.name"]}`, i*loadStride%l.tokens)
}

// search finds all tokens, at most 100,000, and requests twenty of them and their number.
func (l *loadWorld) search(i int) (method, body string) {
	return "token/search", fmt.Sprintf(`{"match":[["repository.name","=","load %d"]],"return":["id","serial","status"],"max":20}`, i%max(1, l.tokens/loadRepository))
}

// verify sends the next OTP of each token. A token that is as far ahead of the clock as allowed waits for the clock. A code that
// a nearby step also has would count for that step, so it is skipped.
func (l *loadWorld) verify(product int) func(int) (method, body string) {
	p := loadProducts[product]
	params := otp.Params{Algorithm: otp.TOTP, Digits: 6, Period: p.period, Hash: otp.HmacSHA1}
	return func(int) (method, body string) {
		for {
			i := 2*(l.turn[product]*loadStride%(l.tokens/2)) + product
			l.turn[product]++
			now := time.Now().Unix() / p.period
			step := max(l.used[i], now-p.off)
			if step > now+p.off {
				time.Sleep(time.Until(time.Unix((step-p.off)*p.period, 0)))
				now = step - p.off
			}
			l.used[i] = step + 1
			code, alone := otp.Generate(loadSeed(i), uint64(step), params), true
			for near := now - 2*p.off; near <= now+2*p.off; near++ {
				alone = alone && (near == step || otp.Generate(loadSeed(i), uint64(near), params) != code)
			}
			if alone {
				return "auth/verify", fmt.Sprintf(`{"user":{"domain.name":"load","loginName":"u%d"},"credential":{"otp":"%s"}}`, i, code)
			}
		}
	}
}

func (l *loadWorld) create(int) (method, body string) {
	l.created++
	return "token/create", fmt.Sprintf(`{"attrs":{"product.productCode":"SE","serial":"n%d","seed":"%x","user":{"domain.name":"load","loginName":"c%d"}}}`,
		l.created, loadSeed(-l.created), l.created%(l.tokens/10))
}

// floors measures what the machine can do at best: an empty handler, durable transactions with one row, inserting the rows of an
// import with their indexes, and HMACs.
func (t *loadTable) floors(b *testing.B) {
	p := &process{t: b, out: filepath.Join(b.TempDir(), "out")}
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	p.run(&exec.Cmd{Path: self, Args: []string{"emptyhandler"}})
	b.Cleanup(p.kill)
	t.empty = p
	for _, connections := range loadConnections {
		b.Run(fmt.Sprintf("empty-handler/connections=%d", connections), func(b *testing.B) {
			f := drive(b, quickCalls*b.N, p, "none", connections, nothing, nil)
			f.What = emptyHandlerFloor
			t.add(f)
		})
	}
	b.Run("empty-handler/wrk", func(b *testing.B) {
		f := driveWrk(b, quickCalls*b.N, p, "none", nothing)
		f.What = emptyHandlerFloor + byWrk
		t.add(f)
	})
	b.Run("HMAC-SHA-1", func(b *testing.B) {
		mac := hmac.New(sha1.New, loadSeed(0))
		for b.Loop() {
			mac.Reset()
			mac.Write(loadSeed(0)[:8])
			mac.Sum(nil)
		}
		t.add(figure{What: "HMAC-SHA-1", Rate: float64(b.N) / b.Elapsed().Seconds()})
	})
	b.Run("durable-insert", func(b *testing.B) {
		db := bare(b)
		insert, err := db.Prepare("INSERT INTO bare (id, time, agent, method, object, outcome, remote, mac) VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
		if err != nil {
			b.Fatal(err)
		}
		defer insert.Close()
		mac := make([]byte, 32)
		b.ResetTimer()
		for i := range b.N {
			if _, err := insert.Exec(fmt.Sprintf("%032x", i), i, "first", "auth/verify", "user 0198000a000000000000000000000000", 0, "127.0.0.1", mac); err != nil {
				b.Fatal(err)
			}
		}
		b.StopTimer()
		t.add(figure{What: durableInsert, Rate: float64(b.N) / b.Elapsed().Seconds()})
	})
}

// bare opens a new SQLite database with the server's settings for durability, and one table.
func bare(b *testing.B) *sql.DB {
	db, err := sql.Open("sqlite3", filepath.Join(b.TempDir(), "bare")+"?_journal_mode=WAL&_synchronous=FULL&_mutex=no")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(1)
	if _, err := db.Exec("CREATE TABLE bare (id TEXT PRIMARY KEY, time BIGINT, agent TEXT, method TEXT, object TEXT, outcome BIGINT, remote TEXT, mac BLOB)"); err != nil {
		b.Fatal(err)
	}
	return db
}

// emptyHandler serves the shortest possible reply.
func emptyHandler() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Printf("listening on http://%s\n", l.Addr())
	panic(http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		io.WriteString(w, `{"error":0}`)
	})))
}
