// Package rpc is the wire: the method envelope over HTTP, the methods of every object, and who may call them. A
// method prepares (reads its parameters, hashes, seals) without holding anything, and leaves a Plan, which the
// dispatcher runs inside one transaction together with its audit row.
package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	gorilla "github.com/gorilla/rpc/v2"
	"github.com/gorilla/rpc/v2/json2"
	"github.com/rs/xid"
	"github.com/rs/zerolog"
	"github.com/rs/zerolog/hlog"

	"tokensmith/model"
	"tokensmith/rpc/courier"
	"tokensmith/store"
)

// LargeBody is how many bytes a file or a batch has at most, unless a Config says otherwise.
const LargeBody = 256 << 20

const (
	deviceBody = 64 << 10 // of one whose sender is not known yet
	smallBody  = 1 << 20

	importRows = 100_000
)

// Config is what a Server needs from outside. Clock, ids and randomness come in here, so that nothing inside makes
// its own.
type Config struct {
	Store        store.Store
	Now          func() time.Time
	NewID        func() string // 32 lower-case hex digits, later ones greater
	Rand         io.Reader     // for seeds, serials and client secrets
	Log          zerolog.Logger
	Prefix       string                     // in front of /object/method, besides none; "/das5/rest"
	StrictJSON   bool                       // refuse the documented dialect
	PublicURL    string                     // gives links their host
	LargeBody    int64                      // bytes of a file or batch; 0 = 256 MiB
	Spool        []string                   // folders for what is too large for memory, the first that takes it; none = the system's for temporary files
	Connections  *Connections               // of the listeners; nil = they are not counted
	LargeWait    time.Duration              // how long a call that needs much memory waits for the others; 0 = as long as one of them may take
	AgentRate    int                        // calls a second of an agent without a limit of its own; 0 = any
	Proxies      []netip.Prefix             // whose X-Forwarded-For is believed
	Couriers     map[string]courier.Courier // by channel, SMTP and SMS; none = it is not set up
	ImportRows   int                        // rows of one file; 0 = 100,000
	Version      string                     // of the program, for documents
	CheckIn      time.Duration              // how often devices are asked to check in; 0 = 5 minutes
	CodeExpiry   time.Duration              // of automatic installation codes; 0 = 7 days
	CodeAccounts int                        // accounts that one installation code makes within an hour; 0 = 100
	TimeZone     *time.Location             // of a date that is a day alone; nil = UTC
	Profile      string                     // what new passwords, PINs and products must be: "", or "nist" for NIST SP 800-63B-4, AAL2
}

// Server answers method calls. It is safe for concurrent use.
type Server struct {
	cfg     Config
	keys    *store.Keyring
	tokens  *store.Signer // of access tokens
	limits  *limits
	gorilla *gorilla.Server
	handler http.Handler
	streams *streams
	metrics *metrics
	profile profile

	document          func() ([]byte, error) // OpenAPI's
	spool             *spools
	bodies, strangers bodies        // of known callers, and of others
	large             chan struct{} // held while a large body is in memory
	heavy             chan struct{} // held while a reply is made that takes much memory
	reading           chan struct{} // held while what may be long is read, so that short reads have connections left
	hashing           chan struct{} // held while a password is hashed or a key derived
	aside             chan struct{} // held beside it by what is no login, so that this never waits for much of that
	freeing           atomic.Bool   // memory will be given back in a moment

	addresses *store.Signer // chooses their slots
	spraying  spraying

	lastLogin atomic.Value // id of the user whose credential was checked last: a string
	lastAdmin atomic.Value // id of the administrator who signed in to the console last
}

// New makes the handler of all methods and puts the built-in products and repository into a new database.
func New(ctx context.Context, cfg Config) (*Server, error) {
	if cfg.LargeBody == 0 {
		cfg.LargeBody = LargeBody
	}
	if cfg.ImportRows == 0 {
		cfg.ImportRows = importRows
	}
	if cfg.Version == "" {
		cfg.Version = "development"
	}
	if cfg.CheckIn == 0 {
		cfg.CheckIn = checkInDefault
	}
	if cfg.CodeExpiry == 0 {
		cfg.CodeExpiry = codeExpiryDefault
	}
	if cfg.LargeWait == 0 {
		cfg.LargeWait = store.DefaultBulkTimeout
	}
	if cfg.CodeAccounts == 0 {
		cfg.CodeAccounts = accountsPerHour
	}
	demands, known := profiles[cfg.Profile]
	if !known {
		return nil, fmt.Errorf("there is no profile %q: there is nist", cfg.Profile)
	}
	cfg.Prefix = strings.TrimRight(cfg.Prefix, "/")
	s := &Server{cfg: cfg, profile: demands, keys: cfg.Store.Keys(), tokens: cfg.Store.Keys().Signer("access token"),
		addresses: cfg.Store.Keys().Signer("address"), limits: newLimits(), gorilla: gorilla.NewServer(),
		streams: newStreams(cfg.Connections.Streams()), spool: newSpools(cfg.Spool, cfg.Rand), large: make(chan struct{}, 1),
		heavy: make(chan struct{}, min(4, max(2, runtime.GOMAXPROCS(0)))), reading: make(chan struct{}, longReads(cfg.Store.Readers())),
		hashing: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)), aside: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/4))}
	s.bodies.most, s.strangers.most = bodiesKnown, bodiesStranger
	s.metrics, s.document = newMetrics(s), s.documentOf()
	s.gorilla.RegisterCodec(codec{}, "application/json")
	s.gorilla.RegisterCodec(jsonrpcCodec{json2.NewCodec()}, jsonrpcType)
	for name, service := range s.services() {
		if err := s.gorilla.RegisterService(service, name); err != nil {
			return nil, err
		}
	}
	for _, m := range methods {
		// gorilla skips a method of the wrong shape in silence.
		if !m.stream && !s.gorilla.HasMethod(m.target) {
			return nil, fmt.Errorf("rpc: %s has no method %s", m.path, m.target)
		}
	}
	var h http.Handler = http.HandlerFunc(s.serve)
	h = sameOrigin(h)
	h = s.recoverer(h)
	h = hlog.AccessHandler(logCall)(h)
	h = s.begin(h)
	s.handler = h
	return s, s.bootstrap(ctx)
}

// longReads is how many of the store's readers may read what takes long.
func longReads(readers int) int { return max(1, readers-max(2, readers/3)) }

// services are the receivers of gorilla's methods, by the names in the table of methods.
func (s *Server) services() map[string]any {
	return map[string]any{
		"Domain":           &Domain{crud{s, domainObject}},
		"User":             &User{crud{s, userObject}},
		"Product":          &Product{crud{s, productObject}},
		"Repository":       &Repository{crud{s, repositoryObject}},
		"Token":            &Token{crud{s, tokenObject}},
		"TokenAssignment":  &TokenAssignment{crud{s, assignmentObject}},
		"Device":           &Device{crud{s, deviceObject}},
		"License":          &License{crud{s, licenseObject}},
		"Group":            &Group{crud{s, groupObject}},
		"InstallationCode": &InstallationCode{crud{s, installationObject}},
		"Agent":            &Agent{crud{s, agentObject}},
		"Auth":             &Auth{s},
		"Template":         &Template{crud{s, templateObject}},
		"Delivery":         &Delivery{crud{s, deliveryObject}},
		"Batch":            &Batch{s},
		"Audit":            &Audit{crud{s, auditObject}},
	}
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

type authOnlyKey struct{}

// AuthOnly gives the handler of a listener that serves auth/* and access tokens alone.
func (s *Server) AuthOnly() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), authOnlyKey{}, true)))
	})
}

// sameOrigin refuses what another site's page makes a browser send.
func sameOrigin(h http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	// A provisioning link is its own permission; its page, which tells no referrer, posts with the origin "null".
	protection.AddInsecureBypassPattern("POST " + linkPath + "{link}")
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		callOf(r.Context()).fail(w, model.Errorf(model.NotPermitted, "not permitted: the request comes from another site's page"), false)
	}))
	return protection.Handler(h)
}

// begin gives the request its call, which later steps fill, and watches over its body.
func (s *Server) begin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{s: s, id: xid.New().String(), now: model.At(s.cfg.Now()), remote: remoteOf(r, s.cfg.Proxies), conn: connectionOf(r.Context()), began: time.Now()}
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
	name, agent := "unknown", ""
	if c.method != nil {
		name = c.method.path
	}
	if c.page != "" {
		name = c.page
	}
	if c.agent != nil {
		agent = c.agent.Name
	}
	c.s.metrics.ended(name, c, took)
	e.Str("request", c.id).Str("method", name).Str("agent", agent).Int("code", c.code).Int("status", status).Int("bytes", size).
		Dur("ms", took).Str("remote", c.remote).Msg("call")
}

// recoverer turns a panic into an envelope. It stands outside gorilla, which lets panics through.
func (s *Server) recoverer(next http.Handler) http.Handler {
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
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	c := callOf(r.Context())
	if link, ok := strings.CutPrefix(r.URL.Path, linkPath); ok && !c.authOnly {
		s.provision(w, r, c, link)
		return
	}
	if rest, ok := strings.CutPrefix(r.URL.Path, consolePath); ok && !c.authOnly {
		s.console(w, r, c, rest)
		return
	}
	if (r.URL.Path == strings.TrimSuffix(consolePath, "/") || r.URL.Path == "/" && (r.Method == http.MethodGet || r.Method == http.MethodHead)) && !c.authOnly {
		http.Redirect(w, r, consolePath, http.StatusFound)
		return
	}
	if r.URL.Path == codePath && !c.authOnly {
		s.landing(w, r, c)
		return
	}
	if s.servePage(w, r, c) {
		return
	}
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
		c.method = methodOf(path)
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
		s.events(w, r, c)
		return
	}
	s.called(w, r, c, func() error { return s.proven(w, r, c) })
}

// proven authenticates a caller by what the request carries.
func (s *Server) proven(w http.ResponseWriter, r *http.Request, c *call) error {
	err := s.authenticate(r.Context(), c, claimOf(r))
	if err != nil && wireError(err).Kind == model.NotAuthentic {
		w.Header().Add("WWW-Authenticate", `Basic realm="tokensmith", charset="UTF-8"`)
		w.Header().Add("WWW-Authenticate", `Bearer realm="tokensmith"`)
	}
	return err
}

// called runs a method by POST, once its caller is known and may call it.
func (s *Server) called(w http.ResponseWriter, r *http.Request, c *call, authenticate func() error) {
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
func (s *Server) dispatch(w http.ResponseWriter, r *http.Request, c *call, body []byte, contentType string) {
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
