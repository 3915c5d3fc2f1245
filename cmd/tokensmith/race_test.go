package main

import (
	"bytes"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tokensmith/model/modeltest"
	"tokensmith/model/otp"
	"tokensmith/store"
	"tokensmith/store/storetest"
)

// process is a running "tokensmith serve".
type process struct {
	t    testing.TB
	args []string
	env  []string // in addition to the test's own environment
	out  string
	cmd  *exec.Cmd
	url  string

	started, listens time.Time
}

// built is the path of the program that is built for the tests and deleted afterwards.
var built string

var build = sync.OnceValues(func() (file string, err error) {
	if built, err = os.MkdirTemp("", "tokensmith-test-"); err != nil {
		return "", err
	}
	file = filepath.Join(built, "tokensmith")
	out, err := exec.Command("go", "build", "-o", file, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return file, nil
})

// binary builds the program once, for tests that need separate processes.
func binary(t testing.TB) (file string) {
	t.Helper()
	modeltest.NotShort(t)
	file, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func (p *process) start() {
	p.t.Helper()
	p.run(exec.Command(binary(p.t), append([]string{"serve", "--listen", "127.0.0.1:0", "--show-first-secret"}, p.args...)...))
}

// run starts a command that prints where it listens, and waits until it does.
func (p *process) run(cmd *exec.Cmd) {
	p.t.Helper()
	out, err := os.Create(p.out)
	if err != nil {
		p.t.Fatal(err)
	}
	defer out.Close()
	p.cmd = cmd
	p.cmd.Stdout = out
	p.cmd.Env = append(os.Environ(), p.env...)
	p.started = time.Now()
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	modeltest.Until(p.t, "the service listens", func() bool {
		text, err := os.ReadFile(p.out)
		if err != nil {
			p.t.Fatal(err)
		}
		_, rest, ok := bytes.Cut(text, []byte("listening on "))
		if ok = ok && bytes.Contains(rest, []byte("\n")); ok {
			p.listens = time.Now()
			p.url = strings.TrimSpace(string(rest))
		}
		return ok
	})
}

// kill ends the process as a power failure would.
func (p *process) kill() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

// first returns the first agent's client id and secret, which the process printed.
func (p *process) first() (id, secret string) {
	text, err := os.ReadFile(p.out)
	if err != nil {
		p.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "curl -u '")
	id, rest, _ = strings.Cut(rest, ":")
	secret, _, ok := strings.Cut(rest, "'")
	if !ok {
		p.t.Fatalf("no first agent in %q", text)
	}
	return id, secret
}

// agentCaller posts to processes as one agent.
type agentCaller struct{ id, secret string }

func (c *agentCaller) post(url, method string, params any) (int, error) {
	body, err := json.Marshal(params)
	if err != nil {
		return 0, err
	}
	r, err := http.NewRequest(http.MethodPost, url+"/das5/rest/"+method, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	r.SetBasicAuth(c.id, c.secret)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	reply, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	var e struct{ Error *int }
	if err := json.Unmarshal(reply, &e); err != nil || e.Error == nil {
		return 0, fmt.Errorf("no envelope: %s", reply)
	}
	return *e.Error, nil
}

func attrs(pairs ...string) map[string]any {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return map[string]any{"attrs": m}
}

var hotp = otp.Params{Algorithm: otp.HOTP, Digits: 6, Hash: otp.HmacSHA1}

func seedOf(i int) []byte { return fmt.Appendf(nil, "%020d", i) }

// guard creates the users u0, u1, ... with one token each.
func guard(t testing.TB, c *agentCaller, url string, many int) {
	t.Helper()
	var users, seeds, batch strings.Builder
	users.WriteString("domain,loginName\n")
	seeds.WriteString("serial,seed\n")
	batch.WriteString("domain,loginName,manufacturerCode,productCode,serial\n")
	for i := range many {
		fmt.Fprintf(&users, "d,u%d\n", i)
		fmt.Fprintf(&seeds, "s%d,%x\n", i, seedOf(i))
		fmt.Fprintf(&batch, "d,u%d,DN,SE,s%d\n", i, i)
	}
	for _, call := range []struct {
		method string
		params any
	}{
		{"domain/create", attrs("name", "d")}, {"user/import", attrs("csv", users.String())},
		{"token/import", attrs("product.productCode", "SE", "data", seeds.String())},
		{"token/batchAssignTokens", attrs("csv", batch.String())},
	} {
		if code, err := c.post(url, call.method, call.params); err != nil || code != 0 {
			t.Fatal(call.method, code, err)
		}
	}
}

// loginOf returns the parameters of auth/verify with an OTP of a user.
func loginOf(i int, counter uint64) map[string]any {
	return map[string]any{"user": map[string]string{"loginName": fmt.Sprint("u", i)},
		"credential": map[string]string{"otp": otp.Generate(seedOf(i), counter, hotp)}}
}

// processes starts several processes on one database.
func processes(t testing.TB, many int, args ...string) (all []*process, c *agentCaller) {
	t.Helper()
	dir := t.TempDir()
	args = append([]string{"--key-file", filepath.Join(dir, "key")}, args...) // a later flag overrides an earlier one
	for n := range many {
		p := &process{t: t, args: args, out: filepath.Join(dir, fmt.Sprint("out", n))}
		p.start()
		t.Cleanup(p.kill)
		all = append(all, p)
	}
	c = &agentCaller{}
	c.id, c.secret = all[0].first()
	return all, c
}

// front returns one address before several processes. It distributes connections to them in turn, like a proxy that knows nothing
// about the protocol.
func front(t *testing.T, all []*process) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	var hosts []string
	for _, p := range all {
		hosts = append(hosts, strings.TrimPrefix(p.url, "http://"))
	}
	go func() {
		for n := 0; ; n++ {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer in.Close()
				for try := range hosts {
					out, err := net.Dial("tcp", hosts[(n+try)%len(hosts)])
					if err != nil {
						continue // the process was killed
					}
					go func() {
						io.Copy(out, in)
						out.Close()
					}()
					io.Copy(in, out)
					return
				}
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

// howMany returns how many processes a test runs on a database.
func howMany(url string) int {
	if store.IsPostgres(url) {
		return 3
	}
	return 2
}

// TestOneAcceptAcrossProcesses: 16 callers send the same OTP to two processes, or three with PostgreSQL, for 1,000 tokens (120
// without the long tests), while the processes are killed between requests and restarted, one after the other. Each OTP is
// accepted exactly once, and no single correct OTP is refused.
func TestOneAcceptAcrossProcesses(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		const callers = 16
		tokens := modeltest.Size(1000, 120)
		killEvery := tokens / 8
		all, c := processes(t, howMany(url), "--db", url)
		guard(t, c, all[0].url, tokens)
		for i := range tokens {
			if i > 0 && i%killEvery == 0 {
				p := all[i/killEvery%len(all)]
				p.kill()
				p.start()
			}
			credential := loginOf(i, 0)
			var mu sync.Mutex
			codes := map[int]int{}
			var group sync.WaitGroup
			for k := range callers {
				group.Go(func() {
					code, err := c.post(all[k%len(all)].url, "auth/verify", credential)
					mu.Lock()
					defer mu.Unlock()
					if err != nil {
						t.Error(err)
					}
					codes[code]++
				})
			}
			group.Wait()
			if codes[0] != 1 || codes[206] != callers-1 {
				t.Fatalf("token %d: replies by code: %v", i, codes)
			}
		}
	})
}

// TestSeatsAndUsesAcrossProcesses: 200 concurrent callers to these processes for 10 seats, and 200 for 50 uses of an installation
// code. Exactly so many succeed.
func TestSeatsAndUsesAcrossProcesses(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		const racers, seats, uses = 200, 10, 50
		all, c := processes(t, howMany(url), "--db", url)
		c.result(t, all[0].url, "domain/create", attrs("name", "d"))
		c.result(t, all[0].url, "license/create", map[string]any{"attrs": map[string]any{"name": "l", "seats": seats}})
		code := c.result(t, all[0].url, "installationCode/create", map[string]any{"return": []string{"code"}, "attrs": map[string]any{
			"action": "CREATE_ACCOUNT_AND_DEVICE", "usernamePrefix": "r", "domain.name": "d", "usageLimit": uses}})["code"]
		for _, race := range []struct {
			method   string
			params   func(i int) any
			get, not int // error code of the others
		}{
			{"device/create", func(i int) any { return attrs("name", fmt.Sprint("s", i), "license.name", "l") }, seats, 506},
			{"installationCode/redeem", func(i int) any {
				return map[string]any{"code": code, "nonce": fmt.Sprintf("%016d", i), "device": map[string]string{"name": fmt.Sprint("r", i)}}
			}, uses, 503},
		} {
			var mu sync.Mutex
			codes := map[int]int{}
			var group sync.WaitGroup
			for i := range racers {
				group.Go(func() {
					code, err := c.post(all[i%len(all)].url, race.method, race.params(i))
					if err != nil {
						t.Error(err)
					}
					mu.Lock()
					codes[code]++
					mu.Unlock()
				})
			}
			group.Wait()
			if codes[0] != race.get || codes[race.not] != racers-race.get {
				t.Errorf("%s: replies by code %v", race.method, codes)
			}
		}
		devices := c.result(t, all[1].url, "device/search", map[string]any{"max": 0})["total"]
		used := c.result(t, all[1].url, "license/get", map[string]any{"license": map[string]string{"name": "l"}, "return": []string{"seatsUsed"}})["seatsUsed"]
		if devices != float64(seats+uses) || used != float64(seats) {
			t.Errorf("%v devices, %v seats used", devices, used)
		}
		c.result(t, all[len(all)-1].url, "audit/verify", map[string]any{})
	})
}

// TestProcessesBeginTogether: processes that are started on one new or older PostgreSQL database at the same moment wait for each
// other. All of them serve, what a version brings is there once, and one of them has made the first agent of the new one.
func TestProcessesBeginTogether(t *testing.T) {
	t.Parallel()
	const many = 8
	for _, c := range []struct {
		number int    // of the schema; 0 = none
		gate   string // the table that they wait for: where they look what is to be done, or where they add what a version brings
	}{{0, "templates"}, {11, "meta"}, {12, "meta"}, {12, "templates"}} {
		t.Run(fmt.Sprint(c.number, " ", c.gate), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			url, key := storetest.Postgres(t), filepath.Join(dir, "key")
			if c.number > 0 {
				text, err := os.ReadFile(fmt.Sprintf("../../testdata/schema/%04d.sql", c.number))
				if err != nil {
					t.Fatal(err)
				}
				old := storetest.SQLite(t)
				storetest.Exec(t, old, string(text))
				storetest.CopySchema(t, old, url, "../../store/migrations", c.number)
				sealed := sha256.Sum256(fmt.Append(nil, "tokensmith test: schema ", c.number))
				if err := os.WriteFile(key, fmt.Appendf(nil, "tokensmith-key-1 %x\n", sealed), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if c.gate == "templates" {
				st, err := store.Open(t.Context(), url, key) // which migrates
				if err != nil {
					t.Fatal(err)
				}
				if err := st.Close(); err != nil {
					t.Fatal(err)
				}
			}
			db, err := sql.Open("pgx", url)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			gate, err := db.Begin()
			if err == nil {
				_, err = gate.Exec("LOCK TABLE " + c.gate + " IN ACCESS EXCLUSIVE MODE")
			}
			if err != nil {
				t.Fatal(err)
			}
			defer gate.Rollback()
			// All of them wait at the gate, and go on at the same moment.
			type begun struct {
				out   string
				ended chan struct{}
			}
			var all []begun
			for n := range many {
				b := begun{filepath.Join(dir, fmt.Sprint("out", n)), make(chan struct{})}
				out, err := os.Create(b.out)
				if err != nil {
					t.Fatal(err)
				}
				defer out.Close()
				cmd := exec.Command(binary(t), "serve", "--listen", "127.0.0.1:0", "--db", url, "--key-file", key)
				cmd.Stdout, cmd.Stderr = out, out
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				go func() {
					cmd.Wait()
					close(b.ended)
				}()
				t.Cleanup(func() {
					cmd.Process.Kill()
					<-b.ended
				})
				all = append(all, b)
			}
			seen := 0 // how many times in a row all of them waited; before, they wait for each other now and then
			modeltest.Until(t, "all processes wait", func() bool {
				waiting := 0
				if err := db.QueryRow("SELECT COUNT(DISTINCT pid) FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())").Scan(&waiting); err != nil {
					t.Fatal(err)
				}
				if seen++; waiting < many {
					seen = 0
				}
				return seen == 50
			})
			if err := gate.Commit(); err != nil {
				t.Fatal(err)
			}
			made := 0
			for _, b := range all {
				var text []byte
				modeltest.Until(t, "a process listens, or has ended", func() bool {
					text, _ = os.ReadFile(b.out)
					select {
					case <-b.ended:
						t.Errorf("a process has ended: %s", text)
						return true
					default:
						return bytes.Contains(text, []byte("listening on "))
					}
				})
				made += bytes.Count(text, []byte("a new database: its first agent"))
			}
			if want := map[bool]int{true: 1}[c.number == 0]; made != want {
				t.Errorf("%d have made the first agent", made)
			}
			for method, want := range map[string]string{"application/search": `"rows":[{"name":"tokensmith"}]`, "identitySource/search": `"rows":[{"name":"internal"}]`} {
				out, err := exec.Command(binary(t), "call", method, `{"return":["name"]}`, "--db", url, "--key-file", key).CombinedOutput()
				if err != nil || !bytes.Contains(out, []byte(want)) {
					t.Errorf("%s: %v %s", method, err, out)
				}
			}
		})
	}
}
