package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"tokensmith/model"
	"tokensmith/model/modeltest"
	"tokensmith/store/storetest"
)

// result posts a call that must succeed and returns its result.
func (c *agentCaller) result(t testing.TB, url, method string, params any) map[string]any {
	t.Helper()
	body, err := json.Marshal(params)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequest(http.MethodPost, url+"/das5/rest/"+method, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(c.id, c.secret)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var e struct {
		Error  int
		Result map[string]any
	}
	if err := json.NewDecoder(resp.Body).Decode(&e); err != nil || e.Error != 0 {
		t.Fatal(method, e.Error, err)
	}
	return e.Result
}

// TestKilledWhileMakingManyDevices: a process that is killed while it creates 100,000 devices leaves none of them, no taken seat,
// and not the group.
func TestKilledWhileMakingManyDevices(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		dir := t.TempDir()
		p := &process{t: t, args: []string{"--db", url, "--key-file", filepath.Join(dir, "key")}, out: filepath.Join(dir, "out")}
		p.start()
		t.Cleanup(func() { p.kill() })
		c := &agentCaller{}
		c.id, c.secret = p.first()
		license := c.result(t, p.url, "license/create", map[string]any{"attrs": map[string]any{"name": "l", "seats": 1000}})["id"]
		params := map[string]any{"attrs": map[string]any{"label": "m", "quantity": 100_000, "csv": true, "allowUnlicensed": true, "licenses": []any{license}}}
		ended, enough := 0, modeltest.Size(5, 2)
		for wait := 100 * time.Millisecond; ended < enough; wait += time.Duration(rand.IntN(300)) * time.Millisecond {
			answered := make(chan int, 1)
			go func() {
				code, err := c.post(p.url, "device/createMany", params)
				if err != nil {
					code = -1
				}
				answered <- code
			}()
			time.Sleep(wait)
			p.kill()
			code := <-answered
			p.start()
			devices := c.result(t, p.url, "device/search", map[string]any{"max": 0})["total"]
			groups := c.result(t, p.url, "deviceGroup/search", map[string]any{"max": 0})["total"]
			used := c.result(t, p.url, "license/get", map[string]any{"id": license})["seatsUsed"]
			switch got := fmt.Sprint(devices, groups, used); {
			case got == "0 0 0" && code == -1:
				ended++
			case got == "100000 1 1000":
				if ended == 0 {
					t.Fatal("it was done before it was killed")
				}
				return // the wait is long enough now
			default:
				t.Fatalf("after an answer of %d there are devices, groups, used seats: %s", code, got)
			}
		}
	})
}

// memory returns the resident memory of a process in bytes.
func memory(t testing.TB, pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	var kb int64
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	fmt.Sscan(rest, &kb)
	return kb << 10
}

// BenchmarkEventStreams: one process holds 10,000 event streams. Each device that is logged out is told, and the others are not.
func BenchmarkEventStreams(b *testing.B) {
	const n, loggedOut = 10_000, 50
	for range b.N {
		dir := b.TempDir()
		p := &process{t: b, args: []string{"--db", filepath.Join(dir, "db"), "--log-format", "json"}, out: filepath.Join(dir, "out")}
		p.start()
		c := &agentCaller{}
		c.id, c.secret = p.first()
		made := c.result(b, p.url, "device/createMany", map[string]any{"attrs": map[string]any{"label": "m", "quantity": n, "csv": true, "allowUnlicensed": true}})
		tokens := regexp.MustCompile(model.ClientTokenPattern).FindAllString(made["csv"].(string), -1)
		before := memory(b, p.cmd.Process.Pid)
		host := strings.TrimPrefix(p.url, "http://")
		conns := make([]*bufio.Reader, n)
		var all sync.WaitGroup
		gate := make(chan struct{}, 64)
		start := time.Now()
		for i, token := range tokens {
			gate <- struct{}{}
			all.Go(func() {
				defer func() { <-gate }()
				conn, err := net.Dial("tcp", host)
				if err != nil {
					b.Error(err)
					return
				}
				b.Cleanup(func() { conn.Close() })
				fmt.Fprintf(conn, "GET /device/events HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n\r\n", host, token)
				conns[i] = bufio.NewReaderSize(conn, 512)
				if !until(conns[i], "event: ping") {
					b.Error("no ping")
				}
			})
		}
		all.Wait()
		b.ReportMetric(float64(n)/time.Since(start).Seconds(), "streams/s")
		b.ReportMetric(float64(memory(b, p.cmd.Process.Pid)-before)/n, "B/stream")
		at := time.Now()
		for i := range loggedOut {
			c.result(b, p.url, "device/generateToken", map[string]any{"device": map[string]string{"name": fmt.Sprintf("m-%05d", i+1)}})
		}
		for i := range loggedOut {
			if !until(conns[i], "event: loggedOut") || until(conns[i], "event: ") {
				b.Fatal("a stream is not logged out, or goes on")
			}
		}
		told := time.Since(at)
		b.ReportMetric(float64(told.Milliseconds()), "ms-to-log-50-out")
		if told > 3*time.Second { // one second, plus what a busy machine needs
			b.Errorf("they were told after %v", told)
		}
		for i := loggedOut; i < n; i++ {
			if conns[i].Buffered() > 16 { // at most the end of a chunk
				b.Fatal("another stream was told something")
			}
		}
		p.kill()
	}
}

// until reads until a line starts with text. It returns false if the stream ends before.
func until(r *bufio.Reader, text string) bool {
	for {
		line, err := r.ReadString('\n')
		if strings.HasPrefix(line, text) {
			return true
		}
		if err != nil {
			return false
		}
	}
}

// TestManyDevicesTakeTurns: many callers each create many devices at the same time. The memory does not grow with the number of
// calls.
func TestManyDevicesTakeTurns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := &process{t: t, args: []string{"--db", filepath.Join(dir, "db")}, out: filepath.Join(dir, "out")}
	p.start()
	t.Cleanup(func() { p.kill() })
	c := &agentCaller{}
	c.id, c.secret = p.first()
	var all sync.WaitGroup
	for i := range 6 {
		all.Go(func() {
			params := map[string]any{"attrs": map[string]any{"label": fmt.Sprint("m", i), "quantity": modeltest.Size(60_000, 20_000), "csv": true, "allowUnlicensed": true}}
			if code, err := c.post(p.url, "device/createMany", params); err != nil || code != 0 {
				t.Error(code, err)
			}
		})
	}
	all.Wait()
	if used := memory(t, p.cmd.Process.Pid) >> 20; used > 400 {
		t.Errorf("%d MB", used)
	} else {
		t.Logf("%d MB", used)
	}
}
