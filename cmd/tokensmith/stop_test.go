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

// load keeps callers busy making tokens, and knows of each serial what became of its call.
type load struct {
	mu    sync.Mutex
	codes map[string]int // by serial; -1 = no answer
	stop  atomic.Bool
	all   sync.WaitGroup
}

// run starts callers; one that gets no answer ends, unless it is to go on.
func (l *load) run(url string, c *caller, callers int, goOn bool, name string) {
	l.codes = map[string]int{}
	for n := range callers {
		l.all.Go(func() {
			for i := 0; !l.stop.Load(); i++ {
				serial := fmt.Sprintf("%s%d-%d", name, n, i)
				// A description makes the database grow.
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

// await waits until so many calls ended with a code.
func (l *load) await(t *testing.T, code, many int) {
	t.Helper()
	modeltest.Until(t, fmt.Sprintf("%d calls end with %d", many, code), func() bool { return l.counted(code) >= many })
}

// inProcess calls a method on a database that nobody serves.
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

// same compares what was acknowledged with what a database that nobody serves holds, and how often the record says it
// was made.
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

// SIGTERM under load: the service ends well, every call that was acknowledged is there, once, and none that was not.
func TestStopUnderLoad(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		dir := t.TempDir()
		args := []string{"--db", url, "--key-file", filepath.Join(dir, "key")}
		p := &process{t: t, args: args, out: filepath.Join(dir, "out")}
		c := &caller{}
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

// ready asks whether calls can be served.
func ready(t *testing.T, url string) (status int) {
	t.Helper()
	r, err := http.Get(url + "/das5/rest/readyz")
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	return r.StatusCode
}

// A full disk: writes are refused with error 8 and /readyz says so, reads go on, and so do writes once there is room; nothing that was
// acknowledged is lost, also when the process is killed then.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	dir, elsewhere := t.TempDir(), t.TempDir()
	room := modeltest.SmallDisk(t, dir, "64m", 60<<20) // without what fills it the write-ahead log at its longest (32 MB) has room
	args := []string{"--db", filepath.Join(dir, "tokensmith.db"), "--key-file", filepath.Join(elsewhere, "key")}
	p := &process{t: t, args: args, out: filepath.Join(elsewhere, "out")}
	p.start()
	t.Cleanup(func() { p.kill() })
	c := &caller{}
	c.id, c.secret = p.first()
	l := &load{}
	l.run(p.url, c, 8, true, "s")
	l.await(t, 8, 50)
	// Others read while it is full.
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
