package main

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tokensmith/model/modeltest"
)

// servedAlone starts a server on a new SQLite database.
func servedAlone(t testing.TB, args ...string) (*process, *agentCaller) {
	return servedWith(t, nil, args...)
}

// servedWith is servedAlone with further environment variables.
func servedWith(t testing.TB, env []string, args ...string) (*process, *agentCaller) {
	dir := t.TempDir()
	p := &process{t: t, env: env, args: append([]string{"--db", filepath.Join(dir, "db")}, args...), out: filepath.Join(dir, "out")}
	p.start()
	t.Cleanup(p.kill)
	c := &agentCaller{}
	c.id, c.secret = p.first()
	return p, c
}

// begun sends the head of a request and the beginning of its body.
func begun(t testing.TB, p *process, head, body string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "%s\r\nHost: x\r\n\r\n%s", strings.ReplaceAll(head, "\n", "\r\n"), body)
	return conn
}

// TestSilentBodies: a body that stops, or arrives one byte at a time, ends with a reply and the end of the connection, whoever
// sends it and whether or not anybody needs it.
func TestSilentBodies(t *testing.T) {
	t.Parallel()
	p, c := servedAlone(t)
	basic := "\nAuthorization: Basic " + base64.StdEncoding.EncodeToString([]byte(c.id+":"+c.secret))
	const announced = "\nContent-Length: 65000"
	const generous = 90 * time.Second
	var all sync.WaitGroup
	for _, head := range []string{
		"POST /device/connect HTTP/1.1" + announced, "POST /installationCode/redeem HTTP/1.1" + announced, "POST /console/signIn HTTP/1.1" + announced,
		"POST /oauth/token HTTP/1.1\nContent-Type: application/x-www-form-urlencoded" + announced, "POST /p/no HTTP/1.1" + announced,
		"POST /token/get HTTP/1.1" + announced + basic, "POST /token/import HTTP/1.1\nContent-Length: 200000000" + basic, "POST /jsonrpc HTTP/1.1" + announced + basic,
		"POST /token/get HTTP/1.1\nTransfer-Encoding: chunked" + basic, "POST /device/events HTTP/1.1" + announced,
		"POST /token/get HTTP/1.1" + announced, "POST /no/method HTTP/1.1" + announced, "PUT /token/get HTTP/1.1" + announced, "POST /healthz HTTP/1.1" + announced,
		"GET /healthz HTTP/1.1" + announced, "GET /console/ HTTP/1.1" + announced,
		"POST /das5/rest/token/get HTTP/1.1" + announced + basic, "POST /console/signOut HTTP/1.1" + announced, "POST /console/whoami HTTP/1.1" + announced,
		"POST /console/api/token/get HTTP/1.1" + announced,
	} {
		for _, trickles := range []bool{false, true} {
			all.Go(func() {
				name, _, _ := strings.Cut(head, " HTTP")
				body := "{"
				if strings.Contains(head, "chunked") {
					body = "1\r\n{\r\n"
				}
				began := time.Now()
				conn := begun(t, p, head, body)
				if trickles {
					go func() {
						for time.Since(began) < generous {
							if _, err := io.WriteString(conn, strings.ReplaceAll(body, "{", " ")); err != nil {
								return
							}
							time.Sleep(time.Second)
						}
					}()
				}
				conn.SetReadDeadline(began.Add(generous))
				reply, err := io.ReadAll(conn)
				first, _, _ := strings.Cut(string(reply), "\r\n")
				t.Logf("%-35s trickles %-5v: closed after %4.1f s: %s", name, trickles, time.Since(began).Seconds(), first)
				if e, ok := err.(net.Error); ok && e.Timeout() {
					t.Errorf("%s: still open after %v", name, generous)
				}
				if !strings.HasPrefix(first, "HTTP/1.1 ") {
					t.Errorf("%s: answered %q, %v", name, first, err)
				}
			})
		}
	}
	all.Wait()
}

// healthz sends a request on a new connection and returns the status. A connection that is closed without a reply counts as 503,
// because of many at the same time not all get a reply. It does not use net/http, which treats a reply before the request as an
// error.
func healthz(t testing.TB, p *process) int {
	t.Helper()
	conn := begun(t, p, "GET /healthz HTTP/1.1\nConnection: close", "")
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(modeltest.Patience))
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	var timeout net.Error
	switch {
	case err == nil:
		resp.Body.Close()
		return resp.StatusCode
	case errors.As(err, &timeout) && timeout.Timeout():
		t.Fatal("no answer: ", err)
	}
	return http.StatusServiceUnavailable
}

// TestManyConnections: headers that do not arrive, and connections without data, end too. Connections beyond the number of files
// that the process may open do not keep others from getting replies for long, even from the same address.
func TestManyConnections(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := &process{t: t, out: filepath.Join(dir, "out")}
	p.run(exec.Command("sh", "-c", `ulimit -n 1024; exec "$0" "$@"`, binary(t), "serve", "--listen", "127.0.0.1:0", "--show-first-secret", "--db", filepath.Join(dir, "db")))
	t.Cleanup(p.kill)
	c := &agentCaller{}
	c.id, c.secret = p.first()
	if code, err := c.post(p.url, "token/search", map[string]any{"max": 1}); code != 0 || err != nil {
		t.Fatal(code, err)
	}
	const sockets = 1500
	for _, head := range []string{"POST /device/connect HTTP/1.1\nContent-Length: 65000", ""} {
		began := time.Now()
		for range sockets {
			begun(t, p, head, "{")
		}
		opened := time.Since(began)
		tries := 0
		modeltest.Until(t, "healthz answers", func() bool {
			asked := time.Now()
			status := healthz(t, p)
			took := time.Since(asked)
			tries++
			if took > 30*time.Second || status != http.StatusOK && status != http.StatusServiceUnavailable {
				t.Fatalf("answered %d after %v", status, took)
			}
			time.Sleep(100 * time.Millisecond)
			return status == http.StatusOK
		})
		t.Logf("%d sockets with %q, opened in %v: healthz says 200 after %v, at try %d", sockets, head, opened, time.Since(began)-opened, tries)
	}
}

// metric returns one number of a process's metrics.
func metric(t testing.TB, p *process, c *agentCaller, name string) (value float64) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, p.url+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(c.id, c.secret)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	_, rest, ok := strings.Cut(string(text), "\n"+name+" ")
	if _, failed := fmt.Sscan(rest, &value); err != nil || !ok || failed != nil {
		t.Fatal(name, err, failed)
	}
	return value
}

// heap returns how much memory of Go's heap a process uses, touched or not.
func heap(t testing.TB, p *process, c *agentCaller) (bytes float64) {
	t.Helper()
	return metric(t, p, c, "go_memstats_heap_inuse_bytes")
}

// TestAnnouncedBodies: an announced body needs no memory before it arrives.
func TestAnnouncedBodies(t *testing.T) {
	t.Parallel()
	// Only live memory counts, and not garbage.
	p, c := servedWith(t, []string{"GOGC=25"}, "--connections", "6000", "--address-connections", "3000")
	before, resident := heap(t, p, c), memory(t, p.cmd.Process.Pid)
	const bodies = 3000
	peak := before
	for i := range bodies {
		begun(t, p, "POST /device/connect HTTP/1.1\nContent-Length: 64000", "{")
		if i%100 == 99 {
			peak = max(peak, heap(t, p, c))
		}
	}
	modeltest.Until(t, "all are read", func() bool {
		now := heap(t, p, c)
		grows := now > peak
		peak = max(peak, now)
		return !grows
	})
	peak -= before
	t.Logf("%d announced bodies of 64 kB: %.0f kB of heap each, %d MB more resident", bodies, peak/1024/bodies, (memory(t, p.cmd.Process.Pid)-resident)>>20)
	if peak > bodies*48<<10 {
		t.Errorf("%.0f MB", peak/(1<<20))
	}
}

// TestTooMuchIsTold: a client that sends too much, and reads nothing before it has sent everything, still gets the reason for the
// refusal.
func TestTooMuchIsTold(t *testing.T) {
	t.Parallel()
	p, c := servedAlone(t)
	basic := "\nAuthorization: Basic " + base64.StdEncoding.EncodeToString([]byte(c.id+":"+c.secret))
	const much = 20 << 20
	for head, want := range map[string]string{
		"POST /token/get HTTP/1.1" + basic + fmt.Sprintf("\nContent-Length: %d", much): "413",
		"POST /token/get HTTP/1.1" + basic + "\nTransfer-Encoding: chunked":            "413",
		"POST /device/connect HTTP/1.1" + fmt.Sprintf("\nContent-Length: %d", much):    "413",
		"POST /token/import HTTP/1.1" + fmt.Sprintf("\nContent-Length: %d", much):      "401",
		"POST /no/such HTTP/1.1" + fmt.Sprintf("\nContent-Length: %d", much):           "404",
	} {
		for range 5 {
			conn := begun(t, p, head, "")
			piece := strings.Repeat(" ", 64<<10)
			if strings.Contains(head, "chunked") {
				piece = "10000\r\n" + piece + "\r\n"
			}
			for range much / (64 << 10) {
				if _, err := io.WriteString(conn, piece); err != nil {
					t.Errorf("%.40q: sending: %v", head, err)
					break
				}
			}
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Errorf("%.40q: %v", head, err)
				continue
			}
			text, err := io.ReadAll(resp.Body)
			if !strings.HasPrefix(resp.Status, want) || !strings.HasPrefix(string(text), `{"error":`) || err != nil {
				t.Errorf("%.40q: %s %s %v", head, resp.Status, text, err)
			}
		}
	}
}

// TestSlowImports: large bodies that arrive slowly do not block the bodies of others.
func TestSlowImports(t *testing.T) {
	t.Parallel()
	p, c := servedAlone(t, "--bulk-timeout", "3s")
	basic := "\nAuthorization: Basic " + base64.StdEncoding.EncodeToString([]byte(c.id+":"+c.secret))
	conn := begun(t, p, "POST /token/import HTTP/1.1\nContent-Length: 9000000"+basic, strings.Repeat(" ", 2<<20))
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(100 * time.Millisecond):
				io.WriteString(conn, " ")
			}
		}
	}()
	time.Sleep(500 * time.Millisecond)
	began := time.Now()
	code, err := c.post(p.url, "token/create", map[string]any{"attrs": map[string]any{"product.productCode": "SE"}, "note": strings.Repeat("x", 2<<20)})
	t.Logf("a large body beside a slow one: %v", time.Since(began))
	if code != 0 || err != nil {
		t.Errorf("%d, %v", code, err)
	}
}
