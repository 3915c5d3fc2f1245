// Package dispatch takes one call from the socket to its committed reply. A method has two steps. Its prepare step reads the
// parameters, hashes and seals; it holds no lock and no transaction, and returns a Plan. Only the dispatcher opens the transaction.
// It runs the plan in it, together with the call's row of the audit log and the reply that is stored for an idempotency key. A
// transaction may run again after a conflict. Therefore what a run did is kept in Effects, which each run begins empty.
//
//	socket ─ conn: counted, limited in time and size
//	  │
//	begin: request id, remote address ─ log line, recovery
//	  │
//	Serve: method by path ─ authentication ─ permission ─ body ─ dialect → strict JSON
//	  │
//	gorilla: codec → arguments ─ the method's prepare step ─ Plan      (nothing is held)
//	  │
//	Run: store.Update { guard ─ idempotency ─ plan ─ audit row }       (one transaction, which may run more than once)
//	  │
//	group commit ─ fsync ─ envelope
//
// Package caller says who calls, what the caller may do, and guards the transaction. If a method refuses, it returns an error and
// changes nothing. The exception is a CommittedRefusal: a refused credential must be counted, so its transaction commits.
package dispatch

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
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
	"tokensmith/rpc/caller"
	"tokensmith/rpc/conn"
	"tokensmith/rpc/dialect"
	"tokensmith/rpc/limit"
	"tokensmith/rpc/wire"
	"tokensmith/store/keyring"
)

// RecordPanic must be deferred in the function of a transaction. It records where a panic came from, because the function may run
// on another call's goroutine.
func (c *Call) RecordPanic() {
	if p := recover(); p != nil {
		c.place = panicPlace()
		panic(p)
	}
}

// Server processes calls from the socket to the committed reply. It knows the methods from the table it is given, and knows
// nothing about objects. It is safe for concurrent use.
type Server struct {
	Config  Config
	Methods []Method // the table
	byPath  map[string]*Method
	events  map[string]func(http.ResponseWriter, *http.Request, *Call) // handlers of the methods that reply with events, by path
	Keys    *keyring.Keyring
	callers *caller.Callers
	Limits  *limit.Limits
	gorilla *gorilla.Server
	Metrics *Metrics

	spool                 *conn.Spools
	bodies, unknownBodies *limit.Bodies // memory for bodies of authenticated callers, and of others
	large                 chan struct{} // held while a large body is in memory
	heavy                 chan struct{} // slots for calls that need much memory for their reply
	reading               chan struct{} // slots for reads that may take long, so that short reads have connections left
	hashing               chan struct{} // slots for hashing passwords and deriving keys
	nonLogin              chan struct{} // slots for such work that is not a login, so that logins do not wait for much of it
	freeing               atomic.Bool   // freeSoon has been called and has not run yet
}

// New returns a server for a table of methods. Register must be called before the first call.
func New(cfg Config, table []Method) *Server {
	cfg.complete()
	s := &Server{Config: cfg, Methods: table, byPath: map[string]*Method{}, events: map[string]func(http.ResponseWriter, *http.Request, *Call){},
		Keys: cfg.Store.Keys(), Limits: limit.New(), gorilla: gorilla.NewServer(),
		spool: conn.NewSpools(cfg.Spool, cfg.Rand), large: make(chan struct{}, 1), heavy: make(chan struct{}, min(4, max(2, runtime.GOMAXPROCS(0)))),
		reading: make(chan struct{}, longReads(cfg.Store.Readers())), hashing: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)), nonLogin: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/4))}
	for i := range table {
		s.byPath[table[i].Path] = &table[i]
	}
	s.bodies, s.unknownBodies = limit.NewBodies(limit.MaxKnownBodies), limit.NewBodies(limit.MaxUnknownBodies)
	s.callers = caller.New(cfg.Store, s.Limits, cfg.Now, s.Reveals, s.Limited)
	s.Metrics = newMetrics(s)
	s.gorilla.RegisterCodec(codec{}, "application/json")
	s.gorilla.RegisterCodec(jsonrpcCodec{json2.NewCodec()}, jsonrpcType)
	return s
}

// Register sets the receivers of the methods, by the names in the table, and the handlers of the methods that reply with events,
// by path.
func (s *Server) Register(receivers map[string]any, events map[string]func(http.ResponseWriter, *http.Request, *Call)) error {
	for name, receiver := range receivers {
		if err := s.gorilla.RegisterService(receiver, name); err != nil {
			return err
		}
	}
	s.events = events
	for _, m := range s.Methods {
		// gorilla ignores, without an error, a method with the wrong signature.
		if m.Stream && events[m.Path] == nil || !m.Stream && !s.gorilla.HasMethod(m.Target) {
			return fmt.Errorf("dispatch: %s has no method %s", m.Path, m.Target)
		}
	}
	return nil
}

// Wrap adds to a handler what every request needs: its Call, its log line, and an envelope if it panics.
func (s *Server) Wrap(h http.Handler) http.Handler {
	return s.begin(hlog.AccessHandler(logCall)(s.recoverer(h)))
}

// longReads returns how many of the store's readers may be used for long reads.
func longReads(readers int) int { return max(1, readers-max(2, readers/3)) }

type authOnlyKey struct{}

// AuthOnly returns a handler for the listener that serves only auth/* and access tokens.
func AuthOnly(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), authOnlyKey{}, true)))
	})
}

// begin creates the request's Call, which later steps fill in, and sets the deadlines for its body.
func (s *Server) begin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &Call{Server: s, Caller: s.callers.Unknown(), Request: Request{id: s.Config.NewID(), Now: model.At(s.Config.Now()), Remote: conn.RemoteOf(r, s.Config.Proxies),
			Conn: conn.ConnectionOf(r.Context()), began: time.Now()}}
		w.Header().Set("X-Request-Id", c.id)
		_, c.AuthOnly = r.Context().Value(authOnlyKey{}).(bool)
		body := s.watchBody(w, r, c)
		r = r.WithContext(context.WithValue(r.Context(), callKey{}, c))
		if body != nil {
			r.Body = body
		}
		next.ServeHTTP(w, r)
		if c.proven() {
			c.Conn.MarkKnown(c.began)
		}
		if body != nil {
			body.Drain(r)
		}
	})
}

// answerWithin sets the deadline for sending a reply. A writer without deadlines, as in a test, has none.
func answerWithin(w http.ResponseWriter, most time.Duration) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(most))
}

// logCall writes the log line of a call. It never contains a body, or a path that is not a method's.
func logCall(r *http.Request, status, size int, took time.Duration) {
	CallFrom(r.Context()).log(status, size, took)
}

// log writes the log line of a call and counts it. A call that did not come by HTTP has neither a status nor a size.
func (c *Call) log(status, size int, took time.Duration) {
	e := c.Server.Config.Log.Info()
	if c.Cause != nil {
		e = c.Server.Config.Log.Error().Err(c.Cause)
	}
	name := "unknown"
	if c.Method != nil {
		name = c.Method.Path
	}
	if c.Page != "" {
		name = c.Page
	}
	c.Server.Metrics.ended(name, c, took)
	e.Str("request", c.id).Str("method", name).Str("agent", c.name()).Int("code", c.Code)
	if status != 0 {
		e.Int("status", status).Int("bytes", size)
	}
	e.Dur("ms", took).Str("remote", c.Remote).Msg("call")
}

// recoverer replies to a panic with an envelope. It wraps gorilla, which does not recover panics.
func (s *Server) recoverer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler {
					panic(p)
				}
				// The text of a panic may contain data, so only its type and place are logged.
				c := CallFrom(r.Context())
				if c.place == "" {
					c.place = panicPlace()
				}
				c.Fail(w, fmt.Errorf("panic of type %T at %s", p, c.place), false)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// Serve makes all decisions that precede a method, and passes the rest to gorilla.
func (s *Server) Serve(w http.ResponseWriter, r *http.Request, c *Call) {
	path := r.URL.Path
	if rest, ok := strings.CutPrefix(path, s.Config.Prefix+"/"); ok {
		path = rest
	}
	path = strings.TrimPrefix(path, "/")
	if path == TokenPath {
		c.Method = &tokenMethod
		s.serveToken(w, r, c)
		return
	}
	if path == jsonrpcPath {
		c.Method = &jsonrpcMethod
	} else {
		c.Method = s.Method(path)
	}
	if c.Method == nil || c.AuthOnly && !strings.HasPrefix(path, "auth/") {
		c.Method = nil
		c.Fail(w, model.Errorf(model.NoMethod, "no such method"), false)
		return
	}
	if r.Method != http.MethodPost && !(c.Method.Stream && r.Method == http.MethodGet) {
		c.NotAllowed(w, http.MethodPost, "methods are called by POST")
		return
	}
	if c.Method.Stream {
		c.Agent = caller.Device
		s.events[c.Method.Path](w, r, c)
		return
	}
	s.ServeCall(w, r, c, func() error { return s.Authenticate(w, r, c) })
}

// Authenticate authenticates the caller of a request.
func (s *Server) Authenticate(w http.ResponseWriter, r *http.Request, c *Call) error {
	err := s.authenticate(r.Context(), c, caller.ClaimOf(r))
	if err != nil && wire.ClientError(err).Kind == model.NotAuthentic {
		w.Header().Add("WWW-Authenticate", `Basic realm="tokensmith", charset="UTF-8"`)
		w.Header().Add("WWW-Authenticate", `Bearer realm="tokensmith"`)
	}
	return err
}

// ServeCall runs a method for a POST request, after it has authenticated the caller and checked the permission.
func (s *Server) ServeCall(w http.ResponseWriter, r *http.Request, c *Call, authenticate func() error) {
	if c.Method.Device {
		c.Agent = caller.Device
	} else {
		err := authenticate()
		if err == nil && c.Method != &jsonrpcMethod { // its method is in the body
			err = c.Allowed()
		}
		if err != nil {
			c.Fail(w, err, false)
			return
		}
	}
	defer c.RunAtEnd()
	if err := wire.PlainBody(r); err != nil {
		w.Header().Set("Accept-Encoding", "identity")
		c.Code = wire.CodeOf(err).Number
		wire.WriteEnvelope(w, http.StatusUnsupportedMediaType, wire.Failure(err))
		return
	}
	body, err := s.ReadBody(w, r, c)
	if err != nil {
		c.Fail(w, err, false)
		return
	}
	if c.Method == &jsonrpcMethod {
		s.serveJSONRPC(w, r, c, body)
		return
	}
	s.dispatch(w, r, c, body, r.Header.Get("Content-Type"))
}

// Allowed returns an error if the caller has no permission that opens the method.
func (c *Call) Allowed() error {
	for _, path := range append([]string{c.Method.Path}, c.Method.AlsoOpenedBy...) {
		if c.Permits(path) {
			return nil
		}
	}
	return c.Need(c.Method.Path)
}

// dispatch reads the parameters and lets gorilla call the method.
func (s *Server) dispatch(w http.ResponseWriter, r *http.Request, c *Call, body []byte, contentType string) {
	err := c.setKey(r.Header.Get(keyHeader), body)
	if err == nil {
		body, err = wire.DecodeCharset(body, contentType)
	}
	if err == nil {
		c.Params, err = dialect.ReadParams(body, s.Config.StrictJSON)
	}
	if err != nil {
		var syntax *dialect.SyntaxError
		if errors.As(err, &syntax) {
			err = &model.Error{Kind: model.Unreadable, Msg: syntax.Error(), Detail: position{syntax.Line, syntax.Column}}
		}
		c.Fail(w, err, false)
		return
	}
	if c.Params.Kind() != '{' {
		c.Fail(w, model.Errorf(model.Unreadable, "the parameters must be an object"), false)
		return
	}
	// Whatever Content-Type the client sent, the body is JSON now.
	r.Header.Set("Content-Type", "application/json")
	s.gorilla.ServeHTTP(w, r)
}

// position is the detail of the error for a request that cannot be read. Line and Column start at 1.
type position struct {
	Line   int `json:"line"`
	Column int `json:"column"`
}

// RunExpensive runs work for a login that is slow on purpose. Only a few run at the same time, so that they leave CPU time for
// the rest.
func (s *Server) RunExpensive(ctx context.Context, work func()) error {
	return withSlot(ctx, s.hashing, work)
}

// RunExpensiveAside is RunExpensive for work that is not a login. It waits for a slot of its own first. So such work uses at most
// half of the slots of RunExpensive or, if there is only one slot, takes turns with logins.
func (s *Server) RunExpensiveAside(ctx context.Context, work func()) error {
	var err error
	waited := withSlot(ctx, s.nonLogin, func() { err = s.RunExpensive(ctx, work) })
	return cmp.Or(waited, err)
}

// withSlot waits for a slot and runs work. Slots are given in the order of arrival.
func withSlot(ctx context.Context, places chan struct{}, work func()) error {
	select {
	case places <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-places }()
	work()
	return nil
}

// panicPlace returns the first place in our code on the stack of a panic.
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

// Plan has a method prepare a call whose parameters are already read, and returns the Plan.
func (s *Server) Plan(ctx context.Context, c *Call) (*Plan, error) {
	c.planOnly = true
	r, err := http.NewRequestWithContext(context.WithValue(ctx, callKey{}, c), http.MethodPost, "/"+c.Method.Path, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	s.gorilla.ServeHTTP(&recorder{header: http.Header{}}, r)
	return c.plan, c.refusal
}

// Random returns n random bytes.
func (s *Server) Random(n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := io.ReadFull(s.Config.Rand, b)
	return b, err
}

// RandomText returns n random bytes in base64url.
func (s *Server) RandomText(n int) (string, error) {
	b, err := s.Random(n)
	return base64.RawURLEncoding.EncodeToString(b), err
}
