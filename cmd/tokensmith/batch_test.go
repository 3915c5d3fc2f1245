package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tokensmith/store/storetest"
)

// batchFile writes a batch in which every line that is left out or repeated is noticed: it creates objects, some without a name,
// some of which are refused, and later lines change them.
func batchFile(t *testing.T, path string, users int) (lines int) {
	t.Helper()
	var b bytes.Buffer
	line := func(method, format string, args ...any) {
		lines++
		fmt.Fprintf(&b, `{"id":%d,"method":"%s","params":{%s}}`+"\n", lines, method, fmt.Sprintf(format, args...))
	}
	line("domain/create", `"attrs":{"name":"d"}`)
	for i := range users {
		line("user/create", `"attrs":{"domain.name":"d","loginName":"u%d"}`, i)
		line("token/create", `"attrs":{"product.productCode":"SE","user":{"domain.name":"d","loginName":"u%d"},"pin":"1234"}`, i)
		line("user/create", `"attrs":{"domain.name":"d","loginName":"U%d"}`, i/2) // refused
		line("user/set", `"user":{"domain.name":"d","loginName":"u%d"},"attrs":{"description":"line %d"}`, i/3, lines)
		b.WriteString("\n") // a blank line counts as a line
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return lines
}

var madeID = regexp.MustCompile(`[0-9a-f]{32}`)

// endState returns the end state after a batch: its results without ids, the objects, and how often each method changed
// something.
func endState(t *testing.T, results, agent string, db ...string) string {
	t.Helper()
	text, err := os.ReadFile(results)
	if err != nil {
		t.Fatal(err)
	}
	state := string(madeID.ReplaceAll(text, []byte("ID")))
	for _, call := range [][2]string{
		{"user/search", `{"match":[["domain.name","=","d"]],"sort":"loginName","max":10000,"return":["loginName","description",{"tokenAssignments":["isOwner","status"]}]}`},
		{"token/search", `{"max":0}`}, {"domain/search", `{"max":0,"match":[["name","=","d"]]}`}, {"audit/verify", `{}`},
		{"audit/search", `{"max":0,"match":[["method","=","user/set"]]}`}, {"audit/search", `{"max":0,"match":[["method","=","token/create"]]}`},
		// A server creates an administrator of its own.
		{"audit/search", `{"max":0,"match":[["method","=","user/create"],["agent","=","` + agent + `"]]}`},
	} {
		var out bytes.Buffer
		if err := run(t.Context(), append([]string{"call", call[0], call[1]}, db...), func(string) string { return "" }, nil, &out, &out); err != nil {
			t.Fatal(err, out.String())
		}
		if call[0] == "audit/verify" {
			continue // it is enough that it succeeds
		}
		state += out.String()
	}
	return state
}

// TestBatchKilledAndResumed: a batch that is killed with kill -9 at random moments, and resumed each time, ends like an
// undisturbed run. It runs in-process, and over HTTP with servers that are killed too, also if three of them are behind one
// address.
func TestBatchKilledAndResumed(t *testing.T) {
	t.Parallel()
	const users, kills = 500, 12
	exe := binary(t)
	undisturbed := sync.OnceValue(func() string {
		dir := t.TempDir()
		file := filepath.Join(dir, "batch.jsonl")
		batchFile(t, file, users)
		db, out := filepath.Join(dir, "t.db"), filepath.Join(dir, "out")
		if text, err := exec.Command(exe, "batch", file, "--out", out, "--db", db).CombinedOutput(); err == nil || !bytes.Contains(text, []byte(fmt.Sprintf("%d refused", users))) {
			t.Fatalf("%v: %s", err, text)
		}
		return endState(t, out, "operator", "--db", db)
	})
	for _, mode := range []string{"in-process", "server", "three servers"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			file := filepath.Join(dir, "batch.jsonl")
			lines := batchFile(t, file, users)
			out := filepath.Join(dir, "out")
			args := []string{"batch", file, "--out", out, "--resume"}
			db := []string{"--db", filepath.Join(dir, "t.db"), "--key-file", filepath.Join(dir, "key")}
			if mode == "three servers" {
				db[1] = storetest.Postgres(t)
			}
			var servers []*process
			agent := "operator"
			if mode == "in-process" {
				args = append(args, db...)
			} else {
				agent = "first"
				var c *agentCaller
				servers, c = processes(t, map[string]int{"server": 1, "three servers": 3}[mode], db...)
				for _, p := range servers {
					p.args = append(slices.Clone(p.args), "--listen", strings.TrimPrefix(p.url, "http://")) // where it was, when it is started again
				}
				args = append(args, "--server", front(t, servers)+"/das5/rest", "--client-id", c.id, "--client-secret", c.secret)
			}
			killed := 0
			for {
				cmd := exec.Command(exe, args...)
				var said bytes.Buffer
				cmd.Stderr = &said
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				ended := make(chan error, 1)
				go func() { ended <- cmd.Wait() }()
				var after <-chan time.Time
				if killed < kills {
					after = time.After(time.Duration(30+rand.IntN(120)) * time.Millisecond)
				}
				select {
				case err := <-ended:
					if err == nil || !strings.Contains(said.String(), fmt.Sprintf("%d calls, %d refused", lines, users)) {
						t.Fatalf("%v: %s", err, said.String())
					}
					if killed < 10 {
						t.Fatalf("only %d kills: the batch is too short", killed)
					}
					for _, p := range servers {
						p.kill()
					}
					if got, want := endState(t, out, agent, db...), undisturbed(); got != want {
						t.Errorf("it ended elsewhere: %s", firstLineApart(got, want))
					}
					return
				case <-after:
					cmd.Process.Signal(syscall.SIGKILL)
					<-ended
					killed++
					if servers != nil && killed%3 == 0 {
						p := servers[killed/3%len(servers)]
						p.kill()
						p.start()
					}
				}
			}
		})
	}
}

func firstLineApart(a, b string) string {
	as, bs := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(as), len(bs)) {
		if as[i] != bs[i] {
			return fmt.Sprintf("line %d: %.300s\nand %.300s", i+1, as[i], bs[i])
		}
	}
	return fmt.Sprintf("%d lines and %d", len(as), len(bs))
}

// TestBatchParallel: parallel calls give results in the order of the file, on both databases and beside a server.
func TestBatchParallel(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		dir := t.TempDir()
		file, out := filepath.Join(dir, "batch.jsonl"), filepath.Join(dir, "out")
		var b bytes.Buffer
		const lines = 400
		for i := range lines {
			fmt.Fprintf(&b, `{"method":"/domain/create","params":{"attrs":{"name":"d%d"}}}`+"\n", i)
		}
		if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		p := &process{t: t, args: []string{"--db", url, "--key-file", filepath.Join(dir, "key")}, out: filepath.Join(dir, "serve")}
		p.start()
		t.Cleanup(p.kill)
		id, secret := p.first()
		var said bytes.Buffer
		// The batch runs twice with different files for the results. The second run gets the replies of the first.
		for _, out := range []string{out, out + "2"} {
			err := run(t.Context(), []string{"batch", file, "--parallel", "16", "--out", out, "--server", p.url + "/das5/rest", "--client-id", id, "--client-secret", secret},
				func(string) string { return "" }, nil, &said, &said)
			if err != nil {
				t.Fatal(err, said.String())
			}
		}
		first, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		second, err := os.ReadFile(out + "2")
		if err != nil || !bytes.Equal(first, second) {
			t.Errorf("the answers differ the second time: %v %s", err, firstLineApart(string(first), string(second)))
		}
		for i, text := range strings.Split(strings.TrimSpace(string(first)), "\n") {
			var l resultLine
			if err := json.Unmarshal([]byte(text), &l); err != nil || l.Line != i+1 || !bytes.HasPrefix(l.Reply, []byte(`{"error":0,`)) {
				t.Fatalf("result %d: %s", i+1, text)
			}
		}
	})
}

// TestBatchRefused: a batch that cannot be carried out exactly once, read, or resumed is refused before anything is done.
func TestBatchRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := filepath.Join(dir, "t.db")
	batch := func(text string, args ...string) (string, error) {
		file := filepath.Join(dir, "batch.jsonl")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var said bytes.Buffer
		err := run(t.Context(), append([]string{"batch", file, "--db", db}, args...), func(string) string { return "" }, nil, &said, &said)
		return said.String(), err
	}
	good := `{"method":"domain/create","params":{"attrs":{"name":"d"}}}` + "\n"
	for _, bad := range []string{`{"method":"auth/verify","params":{}}`, `{"method":"device/connect"}`, `{"method":"oauth/token"}`, `{"params":{"pin":"MARKED"}}`,
		`{"method":"token","params":{}}`, `{"method":"token/create","params":["MARKED"]}`, `{"method":"token/create"}{}`, `MARKED`, `{"method":"token/create","colour":"MARKED"}`,
		`{"method":"token/../create"}`, `[]`} {
		said, err := batch(good + "\n" + bad + "\n")
		if err == nil || !strings.Contains(said, "line 3: ") || strings.Contains(said+err.Error(), "MARKED") {
			t.Errorf("%s: %v: %s", bad, err, said)
		}
	}
	if _, err := os.Stat(db); err == nil {
		t.Error("something was done")
	}
	out := filepath.Join(dir, "out")
	if said, err := batch(good, "--out", out); err != nil {
		t.Fatal(err, said)
	}
	if _, err := batch(good, "--out", out); err == nil || !strings.Contains(err.Error(), "exists already") {
		t.Error(err)
	}
	if said, err := batch(good, "--out", out, "--resume"); err != nil {
		t.Error("nothing is left to do: ", err, said)
	}
	if _, err := batch(good+"\n", "--out", out, "--resume"); err == nil || !strings.Contains(err.Error(), "another file") {
		t.Error(err)
	}
	old := time.Now().Add(-24 * time.Hour)
	if err := os.Chtimes(out, old, old); err != nil {
		t.Fatal(err)
	}
	if _, err := batch(good, "--out", out, "--resume"); err == nil || !strings.Contains(err.Error(), "24h0m0s ago") {
		t.Error(err)
	}
	// Killed after creating the file for the results, before or while FILE.batch was written.
	begun := filepath.Join(dir, "begun")
	for _, noted := range []string{"none", "", `{"sha2`} {
		if err := errors.Join(os.WriteFile(begun, nil, 0o600), os.RemoveAll(begun+".batch")); err != nil {
			t.Fatal(err)
		}
		if noted != "none" {
			if err := os.WriteFile(begun+".batch", []byte(noted), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		said, err := batch(`{"method":"domain/search"}`+"\n", "--out", begun, "--resume")
		if text, _ := os.ReadFile(begun); err != nil || !strings.Contains(string(text), `"error":0`) {
			t.Errorf("%q: %v: %s%s", noted, err, said, text)
		}
	}
	if err := os.Remove(begun + ".batch"); err != nil {
		t.Fatal(err)
	}
	if _, err := batch(good, "--out", begun, "--resume"); err == nil {
		t.Error("went on with results of it is not known what")
	}
	if _, err := batch(good, "--resume"); err == nil {
		t.Error("resumed without results")
	}
	if _, err := batch(good, "--parallel", "0"); err == nil {
		t.Error("nothing at a time")
	}
}
