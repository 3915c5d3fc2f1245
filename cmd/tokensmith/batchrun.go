package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"tokensmith/model"
	"tokensmith/model/seedfile"
	"tokensmith/rpc"
	"tokensmith/rpc/wire"
)

const (
	maxLine   = 256 << 20 // longest line in bytes, the size of the largest call
	maxBad    = 100       // how many bad lines are reported
	aheadEach = 4         // how many lines are read ahead for each parallel call
	maxTry    = 90 * time.Second
	tryWait   = 100 * time.Millisecond // wait before the second try of a call, doubling up to tryMaxGap
	tryMaxGap = 5 * time.Second
)

// batchLine is one call in a file.
type batchLine struct {
	ID     json.RawMessage `json:"id,omitempty"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
}

// batchJob is a call that is waiting or running.
type batchJob struct {
	batchLine
	number int
	reply  []byte
	err    error
	done   chan struct{}
}

// batchRun is the run of a file of calls.
type batchRun struct {
	env     *env
	flags   *batchFlags
	file    *os.File
	bar     *progress
	results *results
	call    callFunc

	sum   string // SHA-256 of the file, in hex
	lines int    // including blank lines
	calls int
}

// each calls see with every line of the file that is not blank.
func (b *batchRun) each(ctx context.Context, see func(number int, line []byte) error) error {
	if _, err := b.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	sum := sha256.New()
	text, err := seedfile.NewReader(io.TeeReader(b.file, sum), "")
	if err != nil {
		return err
	}
	in := bufio.NewScanner(text)
	in.Buffer(make([]byte, 64<<10), maxLine)
	n := 0
	for in.Scan() {
		n++
		if err := ctx.Err(); err != nil {
			return errors.New("interrupted")
		}
		if line := bytes.TrimSpace(in.Bytes()); len(line) > 0 {
			if err := see(n, line); err != nil {
				return err
			}
		}
	}
	if errors.Is(in.Err(), bufio.ErrTooLong) {
		return fmt.Errorf("line %d is longer than %d bytes", n+1, maxLine)
	}
	if in.Err() != nil {
		return in.Err()
	}
	read := hex.EncodeToString(sum.Sum(nil))
	if b.sum == "" {
		b.sum, b.lines = read, n
	} else if read != b.sum {
		return errors.New("the file was changed while it was carried out")
	}
	return nil
}

// check reads the whole file before the first call is made.
func (b *batchRun) check(ctx context.Context) error {
	device := map[string]bool{}
	for _, m := range rpc.Methods() {
		device[m.Path] = m.Device
	}
	bad := 0
	err := b.each(ctx, func(number int, line []byte) error {
		b.calls++
		l, err := readLine(line)
		if err == nil && (strings.HasPrefix(l.Method, "auth/") || strings.HasPrefix(l.Method, "oauth/") || device[l.Method]) {
			err = fmt.Errorf("%s cannot be repeated safely, so it is not allowed in a batch", l.Method)
		}
		if err != nil {
			if bad++; bad <= maxBad {
				fmt.Fprintf(b.env.stderr, "line %d: %v\n", number, err)
			}
		}
		return nil
	})
	if err == nil && bad > 0 {
		err = fmt.Errorf("%d lines cannot be read, nothing was done", bad)
	}
	return err
}

// readLine parses a call. Its error does not quote the line, which may contain a secret.
func readLine(line []byte) (l batchLine, err error) {
	// Find what the server would refuse as unreadable before the first call is made: bytes that are not UTF-8, also as escapes.
	// Duplicate names are left to the method.
	if err := wire.Strict(line); err != nil {
		return l, err
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return l, fmt.Errorf("it is not {\"method\":...,\"params\":{...}}, byte %d", d.InputOffset())
	}
	if _, err := d.Token(); err != io.EOF {
		return l, errors.New("more follows the call")
	}
	l.Method = strings.TrimPrefix(l.Method, "/")
	if object, verb, ok := strings.Cut(l.Method, "/"); !ok || object == "" || verb == "" || strings.ContainsAny(l.Method, " ?#%\\") || strings.Contains(verb, "/") {
		return l, errors.New("its method must look like token/create")
	}
	if l.Params == nil {
		l.Params = json.RawMessage("{}")
	}
	if l.Params[0] != '{' {
		return l, errors.New("its params must be an object")
	}
	return l, nil
}

// run makes the calls that are not done yet, and writes the results in order.
func (b *batchRun) run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	jobs := make(chan *batchJob)
	ordered := make(chan *batchJob, b.flags.parallel*aheadEach)
	read := make(chan error, 1)
	from := b.results.last
	for range b.flags.parallel {
		go func() {
			for j := range jobs {
				j.reply, j.err = b.send(ctx, j)
				close(j.done)
			}
		}()
	}
	go func() {
		defer close(ordered)
		defer close(jobs)
		read <- b.each(ctx, func(number int, line []byte) error {
			if number <= from {
				return nil
			}
			l, err := readLine(bytes.Clone(line))
			if err != nil {
				return err
			}
			j := &batchJob{batchLine: l, number: number, done: make(chan struct{})}
			for _, to := range []chan *batchJob{ordered, jobs} {
				select {
				case to <- j:
				case <-ctx.Done():
					return errors.New("interrupted")
				}
			}
			return nil
		})
	}()
	b.bar.start()
	b.bar.from = b.results.done
	for j := range ordered {
		select {
		case <-j.done:
		case <-ctx.Done():
			return errors.New("interrupted")
		}
		if j.err == nil {
			j.err = b.results.write(j)
		}
		if j.err != nil {
			return fmt.Errorf("line %d: %w", j.number, j.err)
		}
		b.bar.calls(b.results.done, b.calls, b.results.refused)
	}
	return <-read
}

// send makes one call, and repeats it while the server is unavailable or busy.
func (b *batchRun) send(ctx context.Context, j *batchJob) ([]byte, error) {
	began := time.Now()
	for wait := tryWait; ; wait = min(2*wait, tryMaxGap) {
		reply, err := b.call(ctx, j.Method, fmt.Sprintf("%s-%d", b.sum, j.number), j.Params)
		code := -1
		if err == nil {
			code, err = codeOf(reply)
		}
		switch {
		case ctx.Err() != nil:
			return nil, errors.New("interrupted")
		case err == nil && code == wire.Code(model.NotAuthentic):
			return nil, errors.New("the caller is not authenticated")
		case err == nil && !wire.Retryable(code):
			return reply, nil
		case time.Since(began) > maxTry && err != nil:
			return nil, err
		case time.Since(began) > maxTry:
			return nil, fmt.Errorf("the service answers error %d", code)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, errors.New("interrupted")
		}
	}
}

// codeOf returns the error code of an envelope.
func codeOf(reply []byte) (int, error) {
	var e struct{ Error *int }
	if err := json.Unmarshal(reply, &e); err != nil || e.Error == nil {
		return -1, errors.New("the reply is not an envelope: is the server a tokensmith, and the address complete?")
	}
	return *e.Error, nil
}

// poolFor returns a client that keeps one connection for each parallel call.
func poolFor(parallel int) *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 0, parallel
	return &http.Client{Transport: t}
}
