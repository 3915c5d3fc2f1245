package rpc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	gorilla "github.com/gorilla/rpc/v2"
	"github.com/gorilla/rpc/v2/json2"
	"github.com/rs/zerolog/hlog"

	"tokensmith/model"
	"tokensmith/store"
)

// core takes calls from the socket to the committed reply. It knows methods by the table it is given, and no object. It is safe for
// concurrent use.
type core struct {
	cfg     Config
	methods []method // the table
	byPath  map[string]*method
	events  map[string]func(http.ResponseWriter, *http.Request, *call) // the methods that answer with events, by path
	keys    *store.Keyring
	tokens  *store.Signer // of access tokens
	limits  *limits
	gorilla *gorilla.Server
	metrics *metrics

	spool             *spools
	bodies, strangers bodies        // of known callers, and of others
	large             chan struct{} // held while a large body is in memory
	heavy             chan struct{} // held while a reply is made that takes much memory
	reading           chan struct{} // held while what may be long is read, so that short reads have connections left
	hashing           chan struct{} // held while a password is hashed or a key derived
	aside             chan struct{} // held beside it by what is no login, so that this never waits for much of that
	freeing           atomic.Bool   // memory will be given back in a moment
}

// newCore makes a core for a table of methods. Their receivers are registered before the first call.
func newCore(cfg Config, table []method) *core {
	cfg.complete()
	s := &core{cfg: cfg, methods: table, byPath: map[string]*method{}, events: map[string]func(http.ResponseWriter, *http.Request, *call){},
		keys: cfg.Store.Keys(), tokens: cfg.Store.Keys().Signer("access token"), limits: newLimits(), gorilla: gorilla.NewServer(),
		spool: newSpools(cfg.Spool, cfg.Rand), large: make(chan struct{}, 1), heavy: make(chan struct{}, min(4, max(2, runtime.GOMAXPROCS(0)))),
		reading: make(chan struct{}, longReads(cfg.Store.Readers())), hashing: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)), aside: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/4))}
	for i := range table {
		s.byPath[table[i].path] = &table[i]
	}
	s.bodies.most, s.strangers.most = bodiesKnown, bodiesStranger
	s.metrics = newMetrics(s)
	s.gorilla.RegisterCodec(codec{}, "application/json")
	s.gorilla.RegisterCodec(jsonrpcCodec{json2.NewCodec()}, jsonrpcType)
	return s
}

// register gives the methods their receivers, by the names in the table, and those that answer with events their handlers, by path.
func (s *core) register(receivers map[string]any, events map[string]func(http.ResponseWriter, *http.Request, *call)) error {
	for name, receiver := range receivers {
		if err := s.gorilla.RegisterService(receiver, name); err != nil {
			return err
		}
	}
	s.events = events
	for _, m := range s.methods {
		// gorilla skips a method of the wrong shape in silence.
		if m.stream && events[m.path] == nil || !m.stream && !s.gorilla.HasMethod(m.target) {
			return fmt.Errorf("rpc: %s has no method %s", m.path, m.target)
		}
	}
	return nil
}

// wrap puts around a handler what every request needs: its call, its line in the log, and an envelope where it panics.
func (s *core) wrap(h http.Handler) http.Handler {
	return s.begin(hlog.AccessHandler(logCall)(s.recoverer(h)))
}

// longReads is how many of the store's readers may read what takes long.
func longReads(readers int) int { return max(1, readers-max(2, readers/3)) }

type authOnlyKey struct{}

// authOnly returns a handler whose calls come to the listener of auth/* and access tokens alone.
func authOnly(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), authOnlyKey{}, true)))
	})
}

// begin gives the request its call, which later steps fill, and watches over its body.
func (s *core) begin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{s: s, request: request{id: s.cfg.NewID(), now: model.At(s.cfg.Now()), remote: remoteOf(r, s.cfg.Proxies),
			conn: connectionOf(r.Context()), began: time.Now()}}
		w.Header().Set("X-Request-Id", c.id)
		_, c.authOnly = r.Context().Value(authOnlyKey{}).(bool)
		body := s.arrive(w, r, c)
		r = r.WithContext(context.WithValue(r.Context(), callKey{}, c))
		if body != nil {
			r.Body = body
		}
		next.ServeHTTP(w, r)
		if c.proven() {
			c.conn.known(c.began)
		}
		if body != nil {
			body.leave(r)
		}
	})
}

// answerWithin is how long the reader of an answer may take. A writer that has no deadlines, as in a test, has none here.
func answerWithin(w http.ResponseWriter, most time.Duration) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(most))
}

// logCall writes the one line a call leaves: never a body, nor a path that is not a method's.
func logCall(r *http.Request, status, size int, took time.Duration) {
	c := callOf(r.Context())
	e := c.s.cfg.Log.Info()
	if c.cause != nil {
		e = c.s.cfg.Log.Error().Err(c.cause)
	}
	name := "unknown"
	if c.method != nil {
		name = c.method.path
	}
	if c.page != "" {
		name = c.page
	}
	c.s.metrics.ended(name, c, took)
	e.Str("request", c.id).Str("method", name).Str("agent", c.name()).Int("code", c.code).Int("status", status).Int("bytes", size).
		Dur("ms", took).Str("remote", c.remote).Msg("call")
}

// recoverer turns a panic into an envelope. It stands outside gorilla, which lets panics through.
func (s *core) recoverer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler {
					panic(p)
				}
				// A panic's text may quote data, so only its type and place are logged.
				c := callOf(r.Context())
				if c.place == "" {
					c.place = panicPlace()
				}
				c.fail(w, fmt.Errorf("panic of type %T at %s", p, c.place), false)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// serve decides everything that is decided before a method runs, and hands the rest to gorilla.
func (s *core) serve(w http.ResponseWriter, r *http.Request, c *call) {
	path := r.URL.Path
	if rest, ok := strings.CutPrefix(path, s.cfg.Prefix+"/"); ok {
		path = rest
	}
	path = strings.TrimPrefix(path, "/")
	if path == tokenPath {
		c.method = &tokenMethod
		s.serveToken(w, r, c)
		return
	}
	if path == jsonrpcPath {
		c.method = &jsonrpcMethod
	} else {
		c.method = s.method(path)
	}
	if c.method == nil || c.authOnly && !strings.HasPrefix(path, "auth/") {
		c.method = nil
		c.fail(w, model.Errorf(model.NoMethod, "no such method"), false)
		return
	}
	if r.Method != http.MethodPost && !(c.method.stream && r.Method == http.MethodGet) {
		w.Header().Set("Allow", http.MethodPost)
		c.code = codes[model.NoMethod].number
		writeEnvelope(w, http.StatusMethodNotAllowed, failure(model.Errorf(model.NoMethod, "methods are called by POST")))
		return
	}
	if c.method.stream {
		c.agent = deviceCaller
		s.events[c.method.path](w, r, c)
		return
	}
	s.called(w, r, c, func() error { return s.proven(w, r, c) })
}

// proven authenticates a caller by what the request carries.
func (s *core) proven(w http.ResponseWriter, r *http.Request, c *call) error {
	err := s.authenticate(r.Context(), c, claimOf(r))
	if err != nil && wireError(err).Kind == model.NotAuthentic {
		w.Header().Add("WWW-Authenticate", `Basic realm="tokensmith", charset="UTF-8"`)
		w.Header().Add("WWW-Authenticate", `Bearer realm="tokensmith"`)
	}
	return err
}

// called runs a method by POST, once its caller is known and may call it.
func (s *core) called(w http.ResponseWriter, r *http.Request, c *call, authenticate func() error) {
	if c.method.device {
		c.agent = deviceCaller
	} else {
		err := authenticate()
		if err == nil && c.method != &jsonrpcMethod { // whose body says what it calls
			err = c.allowed()
		}
		if err != nil {
			c.fail(w, err, false)
			return
		}
	}
	defer c.ended()
	if err := plainBody(r); err != nil {
		w.Header().Set("Accept-Encoding", "identity")
		c.code = codeOf(err).number
		writeEnvelope(w, http.StatusUnsupportedMediaType, failure(err))
		return
	}
	body, err := s.readBody(w, r, c)
	if err != nil {
		c.fail(w, err, false)
		return
	}
	if c.method == &jsonrpcMethod {
		s.serveJSONRPC(w, r, c, body)
		return
	}
	s.dispatch(w, r, c, body, r.Header.Get("Content-Type"))
}

// allowed refuses a caller whose permissions do not open the method.
func (c *call) allowed() error {
	for _, path := range append([]string{c.method.path}, c.method.either...) {
		if c.permits(path) {
			return nil
		}
	}
	return c.need(c.method.path)
}

// dispatch reads the parameters and lets gorilla call the method.
func (s *core) dispatch(w http.ResponseWriter, r *http.Request, c *call, body []byte, contentType string) {
	err := c.carry(r.Header.Get(keyHeader), body)
	if err == nil {
		body, err = decodeCharset(body, contentType)
	}
	if err == nil {
		c.params, err = readParams(body, s.cfg.StrictJSON)
	}
	if err != nil {
		var syntax *syntaxError
		if errors.As(err, &syntax) {
			err = &model.Error{Kind: model.Unreadable, Msg: syntax.Error(), Detail: position{syntax.Line, syntax.Column}}
		}
		c.fail(w, err, false)
		return
	}
	if c.params.Kind() != '{' {
		c.fail(w, model.Errorf(model.Unreadable, "the parameters must be an object"), false)
		return
	}
	// Whatever the client called its content, it is parameters now.
	r.Header.Set("Content-Type", "application/json")
	s.gorilla.ServeHTTP(w, r)
}

// position is the detail of a request that cannot be read; both count from 1.
type position struct {
	Line   int `json:"line"`
	Column int `json:"column"`
}

// slowly runs work that is slow on purpose for a login; few run at once, so that it cannot starve the rest.
func (s *core) slowly(ctx context.Context, work func()) error {
	return inPlace(ctx, s.hashing, work)
}

// slowlyAside is slowly for what is no login. Such work waits for itself first: however much of it there is, it has half of the
// places at most, or the only one in turn with logins.
func (s *core) slowlyAside(ctx context.Context, work func()) error {
	var err error
	waited := inPlace(ctx, s.aside, func() { err = s.slowly(ctx, work) })
	return cmp.Or(waited, err)
}

// inPlace runs work when it has one of the places, which go to whoever waits first.
func inPlace(ctx context.Context, places chan struct{}, work func()) error {
	select {
	case places <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-places }()
	work()
	return nil
}

// panicPlace gives the first place of ours on a panicking stack.
func panicPlace() string {
	pcs := make([]uintptr, 32)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs)])
	for {
		f, more := frames.Next()
		if strings.HasPrefix(f.Function, "tokensmith/") || !more {
			return f.Function + ":" + strconv.Itoa(f.Line)
		}
	}
}
