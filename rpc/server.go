// Package rpc is the wire: the method envelope over HTTP, the methods of every object, and who may call them. A
// method prepares (reads its parameters, hashes, seals) without holding anything, and leaves a Plan, which the
// dispatcher runs inside one transaction together with its audit row.
package rpc

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"tokensmith/model"
)

// Server answers method calls. It is safe for concurrent use.
type Server struct {
	core    *core
	auth    *Auth
	devices *Device
	pages   *pages
	handler http.Handler
}

// New makes the handler of all methods and puts the built-in products and repository into a new database.
func New(ctx context.Context, cfg Config) (*Server, error) {
	if !IsProfile(cfg.Profile) {
		return nil, fmt.Errorf("there is no profile %q: there is nist", cfg.Profile)
	}
	s := &Server{core: newCore(cfg, methods)}
	s.auth, s.devices = newAuth(s.core), newDevice(s.core)
	s.pages = &pages{s: s.core, auth: s.auth, docs: documented()}
	if err := s.core.register(receivers(s.core, s.auth, s.devices), map[string]func(http.ResponseWriter, *http.Request, *call){"device/events": s.devices.events}); err != nil {
		return nil, err
	}
	s.handler = s.core.wrap(sameOrigin(http.HandlerFunc(s.route)))
	return s, s.bootstrap(ctx)
}

// receivers are what gorilla calls methods on, by the names in the table of methods.
func receivers(s *core, auth *Auth, devices *Device) map[string]any {
	all := map[string]any{"Batch": &Batch{s}}
	for _, room := range []map[string]any{messageReceivers(s), peopleReceivers(s), tokenReceivers(s), seedReceivers(s), loginReceivers(auth),
		deviceReceivers(s), installationReceivers(s, devices), adminReceivers(s)} {
		maps.Copy(all, room)
	}
	return all
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// AuthOnly returns the handler of a listener that serves auth/* and access tokens alone.
func (s *Server) AuthOnly() http.Handler { return authOnly(s) }

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

// route tells what a browser gets from calls of methods.
func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	c := callOf(r.Context())
	if !c.authOnly {
		if link, ok := strings.CutPrefix(r.URL.Path, linkPath); ok {
			s.pages.provision(w, r, c, link)
			return
		}
		if rest, ok := strings.CutPrefix(r.URL.Path, consolePath); ok {
			s.pages.console(w, r, c, rest)
			return
		}
		if r.URL.Path == strings.TrimSuffix(consolePath, "/") || r.URL.Path == "/" && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
			http.Redirect(w, r, consolePath, http.StatusFound)
			return
		}
		if r.URL.Path == codePath {
			s.pages.landing(w, r, c)
			return
		}
	}
	if !s.pages.serve(w, r, c) {
		s.core.serve(w, r, c)
	}
}

// documented describes the methods, without a server.
var documented = sync.OnceValue(func() *Docs { return newDocs(methods, receivers(&core{}, &Auth{}, &Device{})) })

// Methods lists all methods, in the table's order.
func Methods() []MethodInfo { return documented().Methods() }

// MethodTable returns the table of methods in Markdown, a row a method.
func MethodTable() string { return documented().MethodTable() }

// AttributeTables returns every object's attributes in Markdown.
func AttributeTables() string { return documented().AttributeTables() }

// OpenAPI returns the OpenAPI 3.1 document of all methods, for a server at a URL or prefix.
func OpenAPI(server, version string) ([]byte, error) { return documented().OpenAPI(server, version) }

// Call calls a method in-process, as the operator, and returns the reply's envelope.
func (s *Server) Call(ctx context.Context, path string, params []byte) []byte {
	return s.core.Call(ctx, path, params)
}

// CallOnce is Call with an idempotency key; "" is none.
func (s *Server) CallOnce(ctx context.Context, path, key string, params []byte) []byte {
	return s.core.CallOnce(ctx, path, key, params)
}

// DropAnswers removes the answers to calls with an idempotency key whose time is over.
func (s *Server) DropAnswers(ctx context.Context) error { return s.core.DropAnswers(ctx) }

// Deliver sends queued messages until ctx ends.
func (s *Server) Deliver(ctx context.Context) { s.core.Deliver(ctx) }

// Follow tells devices with an event stream here, until ctx ends, when they are logged out.
func (s *Server) Follow(ctx context.Context) { s.devices.Follow(ctx) }

// EndEvents closes every event stream: the server stops.
func (s *Server) EndEvents() { s.devices.EndEvents() }

// WatchGuessing looks, until ctx ends, whether refused credentials stand out over all users.
func (s *Server) WatchGuessing(ctx context.Context) { s.auth.WatchGuessing(ctx) }

// LookForSpraying is one look of WatchGuessing.
func (s *Server) LookForSpraying(ctx context.Context) error { return s.auth.LookForSpraying(ctx) }

// Warnings says what is there already and falls short of the profile, one sentence each, for the log at the start.
func (s *Server) Warnings(ctx context.Context) ([]string, error) { return s.core.Warnings(ctx) }

// PruneAudit removes rows of the record from before a time.
func (s *Server) PruneAudit(ctx context.Context, before time.Time) (removed int64, err error) {
	return s.core.PruneAudit(ctx, before)
}

// Watch keeps the head of the record, until ctx ends.
func (s *Server) Watch(ctx context.Context) { s.core.Watch(ctx) }

// NameFaults hands over every text that its rule takes no more, of all objects, and counts them.
func (s *Server) NameFaults(ctx context.Context, see func(NameFault)) (n int, err error) {
	return s.core.NameFaults(ctx, see)
}

// CountNames says in the log how many texts their rule takes no more.
func (s *Server) CountNames(ctx context.Context) error { return s.core.CountNames(ctx) }
