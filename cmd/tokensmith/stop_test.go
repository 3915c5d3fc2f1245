package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"tokensmith/model/modeltest"
	"tokensmith/store/storetest"
)

// load keeps callers busy that create tokens, and records the result of each call by serial number.
type load struct {
	mu    sync.Mutex
	codes map[string]int // codes of the replies by serial number; -1 if there was no reply
	stop  atomic.Bool
	all   sync.WaitGroup
}

// run starts callers. A caller that gets no reply ends, unless goOn is set.
func (l *load) run(url string, c *agentCaller, callers int, goOn bool, name string) {
	l.codes = map[string]int{}
	for n := range callers {
		l.all.Go(func() {
			for i := 0; !l.stop.Load(); i++ {
				serial := fmt.Sprintf("%s%d-%d", name, n, i)
				// The description makes the database grow.
				code, err := c.post(url, "token/create", attrs("product.productCode", "SE", "serial", serial, "description", fmt.Sprintf("%01000d", i)))
				if err != nil {
					code = -1
				}
				l.mu.Lock()
				l.codes[serial] = code
				l.mu.Unlock()
				if err != nil && !goOn {
					return
				}
			}
		})
	}
}

// counted returns how many calls ended with a code.
func (l *load) counted(code int) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.codes {
		if c == code {
			n++
		}
	}
	return n
}

// await waits until that many calls ended with a code.
func (l *load) await(t *testing.T, code, many int) {
	t.Helper()
	modeltest.Until(t, fmt.Sprintf("%d calls end with %d", many, code), func() bool { return l.counted(code) >= many })
}

// inProcess calls a method on a database that no server uses.
func inProcess(t *testing.T, args []string, method, params string, result any) {
	t.Helper()
	var out bytes.Buffer
	if err := run(t.Context(), append([]string{"call", method, params}, args...), func(string) string { return "" }, nil, &out, &out); err != nil {
		t.Fatalf("%s: %v %s", method, err, out.String())
	}
	var envelope struct{ Result json.RawMessage }
	err := json.Unmarshal(out.Bytes(), &envelope)
	if err == nil && result != nil {
		err = json.Unmarshal(envelope.Result, result)
	}
	if err != nil {
		t.Fatal(err, out.String())
	}
}

// same compares what was acknowledged with the contents of a database that no server uses, and with the audit log.
func same(t *testing.T, args []string, codes map[string]int) {
	t.Helper()
	have := map[string]bool{}
	cursor := ""
	for {
		var page struct {
			Rows []struct{ Serial string }
			Next string
		}
		inProcess(t, args, "token/search", fmt.Sprintf(`{"max":10000,"cursor":"%s","count":false,"return":["serial"]}`, cursor), &page)
		for _, r := range page.Rows {
			have[r.Serial] = true
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	acknowledged := 0
	for serial, code := range codes {
		if code == 0 {
			acknowledged++
		}
		if (code == 0) != have[serial] {
			t.Errorf("%s ended with %d and its token is there: %v", serial, code, have[serial])
		}
	}
	var record struct{ Total int }
	inProcess(t, args, "audit/search", `{"max":0,"match":[["method","=","token/create"]]}`, &record)
	if acknowledged == 0 || record.Total != acknowledged {
		t.Errorf("%d calls were acknowledged, the record has %d", acknowledged, record.Total)
	}
	inProcess(t, args, "audit/verify", `{}`, nil)
}

// TestStopUnderLoad: after SIGTERM under load the server ends normally. Every acknowledged call took effect once, and no other
// call did.
func TestStopUnderLoad(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		dir := t.TempDir()
		args := []string{"--db", url, "--key-file", filepath.Join(dir, "key")}
		p := &process{t: t, args: args, out: filepath.Join(dir, "out")}
		c := &agentCaller{}
		all := map[string]int{}
		for round := range 4 {
			p.start()
			t.Cleanup(func() { p.cmd.Process.Kill() })
			if round == 0 {
				c.id, c.secret = p.first()
			}
			l := &load{}
			l.run(p.url, c, 16, false, fmt.Sprintf("r%d-", round))
			l.await(t, 0, 100)
			if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if err := p.cmd.Wait(); err != nil {
				t.Errorf("it ended with %v", err)
			}
			l.all.Wait()
			for serial, code := range l.codes {
				all[serial] = code
			}
		}
		same(t, args, all)
	})
}

// ready returns the status of /readyz.
func ready(t *testing.T, url string) (status int) {
	t.Helper()
	r, err := http.Get(url + "/das5/rest/readyz")
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	return r.StatusCode
}

// TestDiskFull: on a full disk, writes are refused with error 8, and /readyz says so. Reads continue, and so do writes after
// there is room again. Nothing that was acknowledged is lost, even if the process is killed then.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	dir, elsewhere := t.TempDir(), t.TempDir()
	room := modeltest.SmallDisk(t, dir, "64m", 60<<20) // without the fill there is room for the longest write-ahead log (32 MB)
	args := []string{"--db", filepath.Join(dir, "tokensmith.db"), "--key-file", filepath.Join(elsewhere, "key")}
	p := &process{t: t, args: args, out: filepath.Join(elsewhere, "out")}
	p.start()
	t.Cleanup(func() { p.kill() })
	c := &agentCaller{}
	c.id, c.secret = p.first()
	l := &load{}
	l.run(p.url, c, 8, true, "s")
	l.await(t, 8, 50)
	// Others read while the disk is full.
	for range 20 {
		if code, err := c.post(p.url, "token/search", map[string]any{"max": 10}); code != 0 || err != nil {
			t.Errorf("reading: %d, %v", code, err)
		}
	}
	if status := ready(t, p.url); status != http.StatusServiceUnavailable {
		t.Errorf("/readyz gives %d while the disk is full", status)
	}
	before := l.counted(0)
	room()
	l.await(t, 0, before+100)
	l.stop.Store(true)
	l.all.Wait()
	modeltest.Until(t, "ready when there is room", func() bool { return ready(t, p.url) == http.StatusOK })
	p.kill()
	for serial, code := range l.codes {
		if code != 0 && code != 8 {
			t.Errorf("%s ended with %d", serial, code)
		}
	}
	same(t, args, l.codes)
}
