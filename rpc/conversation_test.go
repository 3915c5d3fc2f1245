package rpc_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"tokensmith/model"
	"tokensmith/rpc"
	"tokensmith/rpc/dispatch"
	"tokensmith/store"
	"tokensmith/store/storetest"
)

var update = flag.Bool("update", false, "rewrite the replies of testdata/rpc")

const conversations = "../testdata/rpc/*.txt"

// A conversation is a file of requests and their exact replies:
//
//	# a comment
//	>>> POST /das5/rest/token/create
//	>>> Content-Type: text/plain
//	{"attrs":{...}}
//	<<< 200
//	{"error":0,"result":{"id":"{token}"}}
//	--- let token = result.id
//
// {name} stands for a value that let stored. In a reply, {id} stands for any other id and {clientToken} for any other client
// token. "--- clock 30s" advances the clock. "--- as ID SECRET" changes the caller, as do "--- as nobody" and "--- as first".
func TestConversations(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(conversations)
	if err != nil || len(files) == 0 {
		t.Fatal("no conversations", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			storetest.Each(t, func(t *testing.T, url string) {
				got := newTalk(t, newService(t, url)).play(string(text))
				if *update && !store.IsPostgres(url) {
					if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
						t.Fatal(err)
					}
				} else if diff := cmp.Diff(strings.Split(string(text), "\n"), strings.Split(got, "\n")); diff != "" {
					t.Errorf("the conversation differs (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestEveryMethodIsSpoken: every method has a conversation.
func TestEveryMethodIsSpoken(t *testing.T) {
	t.Parallel()
	files, _ := filepath.Glob(conversations)
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	for _, m := range rpc.Methods() {
		if !regexp.MustCompile(`(?m)^>>> POST (/das5/rest)?/` + m.Path + `$`).MatchString(all.String()) {
			t.Errorf("%s has no conversation in testdata/rpc", m.Path)
		}
	}
}

// TestEveryMethodIsInMethods: every method has a row in METHODS.md.
func TestEveryMethodIsInMethods(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("METHODS.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range rpc.Methods() {
		if !bytes.Contains(text, []byte("| `"+m.Path+"` |")) {
			t.Errorf("%s has no row in METHODS.md", m.Path)
		}
	}
}

// service is a server under test with its own clock, predictable ids and a caller that may do everything.
type service struct {
	*rpc.Server
	store   store.Store
	url     string
	keyFile string
	clock   *clock
	log     *logBuffer
	id      string
	key     string
}

type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time { return time.UnixMilli(c.at.Load()).UTC() }

func (c *clock) advance(d time.Duration) { c.at.Add(d.Milliseconds()) }

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newService(t testing.TB, url string, change ...func(*dispatch.Config)) *service {
	t.Helper()
	s := &service{url: url, clock: &clock{}, log: &logBuffer{}, keyFile: filepath.Join(t.TempDir(), "key")}
	s.clock.at.Store(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli())
	s.open(t, 0, change...)
	first, err := s.FirstAgent(t.Context(), func(rpc.FirstAgent) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	s.id, s.key = first.ClientID, first.ClientSecret
	return s
}

// second returns another server on the same database, with the same clock and caller, like another process.
func (s *service) second(t testing.TB) *service {
	t.Helper()
	return s.another(t, 1)
}

// another is second for several servers. Their ids begin with n.
func (s *service) another(t testing.TB, n uint64) *service {
	t.Helper()
	other := &service{url: s.url, clock: s.clock, log: s.log, keyFile: s.keyFile, id: s.id, key: s.key}
	other.open(t, n)
	return other
}

// together returns s and one more server on its database, or two more with PostgreSQL.
func (s *service) together(t testing.TB) []*service {
	t.Helper()
	all := []*service{s, s.second(t)}
	if store.IsPostgres(s.url) {
		all = append(all, s.another(t, 2))
	}
	return all
}

// open opens the database. The ids begin with n.
func (s *service) open(t testing.TB, n uint64, change ...func(*dispatch.Config)) {
	t.Helper()
	st, err := store.Open(t.Context(), s.url, s.keyFile)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	s.store = st
	var ids atomic.Uint64
	cfg := dispatch.Config{Store: st, Now: s.clock.now, Prefix: "/das5/rest", Rand: &repeating{of: byte(n)},
		Log: zerolog.New(s.log).Level(zerolog.DebugLevel),
		NewID: func() string {
			var b [16]byte
			binary.BigEndian.PutUint64(b[:], n)
			binary.BigEndian.PutUint64(b[8:], ids.Add(1))
			return hex.EncodeToString(b[:])
		}}
	for _, c := range change {
		c(&cfg)
	}
	if s.Server, err = rpc.New(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
}

// repeating is a source of random bytes that are the same in each run, and different for each server.
type repeating struct {
	of  byte
	mu  sync.Mutex
	rng *rand.ChaCha8
}

func (r *repeating) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rng == nil {
		r.rng = rand.NewChaCha8([32]byte{r.of})
	}
	return r.rng.Read(p)
}

// post sends a request through the whole handler.
func (s *service) post(path, body string, header ...string) (int, string) {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.SetBasicAuth(s.id, s.key)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// do calls a method that must succeed and returns its result.
func (s *service) do(t testing.TB, method, params string) any {
	t.Helper()
	_, reply := s.post("/"+method, params)
	var e struct {
		Error  *int
		Result any
	}
	if err := json.Unmarshal([]byte(reply), &e); err != nil || e.Error == nil || *e.Error != 0 {
		t.Fatalf("%s %.300s: %.500s", method, params, reply)
	}
	return e.Result
}

// talk plays a conversation.
type talk struct {
	t     *testing.T
	s     *service
	names map[string]string
	user  [2]string
	last  string
}

func newTalk(t *testing.T, s *service) *talk {
	return &talk{t: t, s: s, names: map[string]string{}, user: [2]string{s.id, s.key}}
}

// play returns the conversation as it took place.
func (k *talk) play(text string) string {
	var out, body strings.Builder
	var request []string
	inBody, inReply := false, false
	for _, line := range strings.SplitAfter(text, "\n") {
		bare := strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, ">>> "):
			if !inBody {
				request = nil
				body.Reset()
			}
			inBody, inReply = true, false
			request = append(request, strings.TrimPrefix(bare, ">>> "))
		case strings.HasPrefix(line, "<<<"):
			status, reply := k.send(request, strings.TrimSuffix(body.String(), "\n"))
			fmt.Fprintf(&out, "<<< %d\n%s\n", status, reply)
			inBody, inReply = false, true
			continue
		case strings.HasPrefix(line, "--- "):
			inReply = false
			k.directive(strings.Fields(strings.TrimPrefix(bare, "--- ")))
		case inBody:
			body.WriteString(line)
		case inReply && bare != "":
			continue
		}
		if bare == "" {
			inReply = inReply && inBody
		}
		out.WriteString(line)
	}
	return out.String()
}

func (k *talk) directive(words []string) {
	switch {
	case words[0] == "let" && len(words) == 4:
		var v any
		if err := json.Unmarshal([]byte(k.last), &v); err != nil {
			k.t.Fatalf("let %s: %v", words[1], err)
		}
		for _, part := range strings.Split(words[3], ".") {
			switch x := v.(type) {
			case map[string]any:
				v = x[part]
			case []any:
				var i int
				fmt.Sscan(part, &i)
				if i >= len(x) {
					k.t.Fatalf("let %s: no element %s in %s", words[1], part, k.last)
				}
				v = x[i]
			}
		}
		if v == nil {
			k.t.Fatalf("let %s: no %s in %s", words[1], words[3], k.last)
		}
		k.names[words[1]] = fmt.Sprint(v)
	case words[0] == "clock" && len(words) == 2:
		d, err := time.ParseDuration(words[1])
		if err != nil {
			k.t.Fatal(err)
		}
		k.s.clock.advance(d)
	case words[0] == "as" && words[1] == "nobody":
		k.user = [2]string{}
	case words[0] == "as" && len(words) == 2 && words[1] == "first":
		k.user = [2]string{k.s.id, k.s.key}
	case words[0] == "as" && len(words) == 3:
		k.user = [2]string{k.fill(words[1]), k.fill(words[2])}
	default:
		k.t.Fatalf("unknown directive %v", words)
	}
}

func (k *talk) fill(s string) string {
	for name, value := range k.names {
		s = strings.ReplaceAll(s, "{"+name+"}", value)
	}
	return s
}

var (
	anyID          = regexp.MustCompile(`\b[0-9a-f]{32}\b`)
	anyClientToken = regexp.MustCompile(model.ClientTokenPattern)
	anyPlace       = regexp.MustCompile(`"next":"MT[\w-]+"`) // a place in the record, whose chains have random names
)

// send sends a request and returns its status and reply, with ids replaced by their names. A body line "base64:..." is decoded
// before it is sent.
func (k *talk) send(request []string, body string) (int, string) {
	method, path, _ := strings.Cut(k.fill(request[0]), " ")
	body = k.fill(body)
	if coded, ok := strings.CutPrefix(body, "base64:"); ok {
		raw, err := base64.StdEncoding.DecodeString(coded)
		if err != nil {
			k.t.Fatal(err)
		}
		body = string(raw)
	}
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for _, h := range request[1:] {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, k.fill(value))
	}
	if k.user[0] != "" {
		r.SetBasicAuth(k.user[0], k.user[1])
	}
	w := httptest.NewRecorder()
	k.s.ServeHTTP(w, r)
	reply, err := io.ReadAll(w.Result().Body)
	if err != nil {
		k.t.Fatal(err)
	}
	k.last = string(reply)
	if ct := w.Result().Header.Get("Content-Type"); ct != "application/json; charset=utf-8" {
		k.t.Errorf("%s: Content-Type is %q", path, ct)
	}
	shown := k.last
	for name, value := range k.names {
		if anyID.MatchString(value) || anyClientToken.MatchString(value) {
			shown = strings.ReplaceAll(shown, value, "{"+name+"}")
		}
	}
	return w.Code, anyPlace.ReplaceAllString(anyClientToken.ReplaceAllString(anyID.ReplaceAllString(shown, "{id}"), "{clientToken}"), `"next":"{place}"`)
}
