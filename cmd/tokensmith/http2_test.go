package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tokensmith/model/modeltest"
)

// TestSilentBodiesOverHTTP2: over HTTP/2 a caller cannot have more unfinished bodies than the limits for connections and their
// streams allow, and each of them ends.
func TestSilentBodiesOverHTTP2(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := &process{t: t, args: []string{"--db", filepath.Join(dir, "db"), "--tls-self", "--address-connections", "4"}, out: filepath.Join(dir, "out")}
	p.start()
	t.Cleanup(p.kill)
	client := &http.Client{Timeout: modeltest.Patience, Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	const bodies = 400
	var all sync.WaitGroup
	var mu sync.Mutex
	ended := map[string]int{}
	began := time.Now()
	for range bodies {
		all.Go(func() {
			silent, end := io.Pipe()
			defer end.Close()
			// A client that gets its reply over HTTP/1 before its body has ended waits for the end of the body first.
			defer time.AfterFunc(modeltest.Patience/4, func() { end.CloseWithError(io.ErrUnexpectedEOF) }).Stop()
			r, err := http.NewRequest(http.MethodPost, p.url+"/device/connect", struct {
				io.Reader
				io.Closer
			}{io.MultiReader(strings.NewReader("{"), silent), silent})
			if err != nil {
				t.Error(err)
				return
			}
			what := "closed"
			if resp, err := client.Do(r); err == nil {
				text, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				what = fmt.Sprintf("HTTP/%d %d %.20s", resp.ProtoMajor, resp.StatusCode, text)
			}
			mu.Lock()
			ended[what]++
			mu.Unlock()
		})
	}
	all.Wait()
	t.Logf("%d bodies ended within %v: %v", bodies, time.Since(began), ended)
	taken := 0
	for what, n := range ended {
		if strings.HasPrefix(what, "HTTP/2 200") {
			taken += n
		}
	}
	if taken == 0 || taken > 4*maxStreams*2 {
		t.Errorf("%d were on their way", taken)
	}
	resp, err := client.Get(p.url + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Error(resp.Status)
	}
}
