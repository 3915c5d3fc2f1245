package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"tokensmith/model/modeltest"
	"tokensmith/store/storetest"
)

// firstReleased is the commit of v0.1.0.
const firstReleased = "e44ec56047c6"

// builtFrom builds the program of an earlier commit.
func builtFrom(t *testing.T, commit string) (file string) {
	t.Helper()
	modeltest.NotShort(t)
	if err := exec.Command("git", "cat-file", "-e", commit).Run(); err != nil {
		modeltest.Missing(t, "the program of %s: its commit is not in this clone: git fetch --unshallow", commit)
	}
	dir := t.TempDir()
	file = filepath.Join(dir, "tokensmith")
	// Nothing else is taken from its files: what it is built with is in the build cache by now.
	modeltest.Run(t, "bash", "-o", "pipefail", "-ec", `git -C "$(git rev-parse --show-toplevel)" archive "$0" go.mod go.sum cmd rpc store model | tar -x -C "$1"
cd "$1"; go build -buildvcs=false -o "$2" ./cmd/tokensmith`, commit, dir, file)
	return file
}

// TestUpgrade follows packaging/CLUSTER.md from the first release to this one: three of its processes on one PostgreSQL are stopped,
// replaced and started one after the other, while callers log in at all of them and make tokens. Between them old and new ones serve one
// database. Each right OTP is accepted exactly once, and nothing that was acknowledged is lost. Where the new one brings a new schema,
// the old ones answer 8 until they are replaced, and no other error.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	const verifiers, users, creators = 4, 200, 2
	old := builtFrom(t, firstReleased)
	url, dir := storetest.Postgres(t), t.TempDir()
	var all []*process
	asked := &siege{c: &agentCaller{}}
	for n := range 3 {
		p := &process{t: t, args: []string{"--key-file", filepath.Join(dir, "key"), "--db", url, "--listen", freeAddress(t)}, out: filepath.Join(dir, fmt.Sprint("out", n))}
		p.run(exec.Command(old, append([]string{"serve", "--show-first-secret"}, p.args...)...))
		t.Cleanup(func() { p.kill() })
		all = append(all, p)
		asked.all = append(asked.all, &process{url: p.url}) // its own, as the other is changed by each start
	}
	asked.c.id, asked.c.secret = all[0].first()
	guard(t, asked.c, all[0].url, verifiers*users)
	var otps [verifiers][]offered
	var made [creators][]string
	var group sync.WaitGroup
	for n := range verifiers {
		group.Go(func() { otps[n] = asked.verify(t, n*users, users) })
	}
	for n := range creators {
		group.Go(func() { made[n] = asked.create(t, n) })
	}
	serves := func(what string) {
		t.Helper()
		began := time.Now()
		modeltest.Until(t, what, func() bool { return asked.answered(began) >= 60 })
	}
	serves("the old ones serve")
	for n, p := range all {
		p.stop()
		p.start()
		modeltest.Until(t, "the new one is ready", func() bool {
			resp, err := http.Get(p.url + "/readyz")
			if err != nil {
				return false
			}
			defer resp.Body.Close()
			text, _ := io.ReadAll(resp.Body)
			return string(text) == "ready" || string(text) == "ready\n"
		})
		serves(fmt.Sprintf("%d of the three are new", n+1))
	}
	asked.stop.Store(true)
	group.Wait()

	accepted, lost := 0, 0
	for n := range otps {
		for _, o := range otps[n] {
			switch {
			case o.accepted == 1:
				accepted++
			case o.accepted > 1:
				t.Errorf("an OTP of user %d was accepted %d times", o.user, o.accepted)
			default:
				lost++
			}
		}
	}
	codes := map[int]int{}
	for _, r := range asked.replies {
		codes[r.code]++
	}
	t.Logf("%d OTPs were accepted, of %d the answer was lost; replies by code (-1: no connection): %v", accepted, lost, codes)
	if lost > 0 {
		t.Errorf("the answers of %d logins were lost", lost)
	}
	recorded := func(method string) int {
		found := asked.c.result(t, all[0].url, "audit/search", map[string]any{"max": 0, "match": []any{[]any{"method", "=", method}, []any{"outcome", "=", 0}}})
		return int(found["total"].(float64))
	}
	if n := recorded("auth/verify"); n != accepted {
		t.Errorf("%d OTPs were accepted, the record has %d", accepted, n)
	}
	serials := 0
	for n := range made {
		serials += len(made[n])
	}
	if n := recorded("token/create"); n != serials || serials == 0 {
		t.Errorf("%d tokens were made, the record has %d", serials, n)
	}
	for _, p := range all {
		asked.c.result(t, p.url, "audit/verify", map[string]any{})
		if exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", p.cmd.Process.Pid)); err != nil || exe != binary(t) {
			t.Errorf("behind the upgrade %s runs (%v)", exe, err)
		}
	}
}
