// Package rpc is the API over HTTP: the table of methods, and the rooms that carry them out, put together behind the paths of HTTP. What a
// room is for stands in its package comment; each imports only those before it: dialect, wire, conn, limit, sender, dispatch, batch, object,
// message, people, token, seeds, login, device, installation, admin, apidoc, console, page. How a call goes through them is pictured in
// package dispatch.
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
	"tokensmith/rpc/admin"
	"tokensmith/rpc/apidoc"
	"tokensmith/rpc/batch"
	"tokensmith/rpc/device"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/installation"
	"tokensmith/rpc/login"
	"tokensmith/rpc/message"
	"tokensmith/rpc/object"
	"tokensmith/rpc/page"
	"tokensmith/rpc/people"
	"tokensmith/rpc/seeds"
	"tokensmith/rpc/token"
)

// Server answers method calls. It is safe for concurrent use.
type Server struct {
	core    *dispatch.Server
	auth    *login.Auth
	devices *device.Device
	pages   *page.Pages
	handler http.Handler
}

// New makes the handler of all methods and puts the built-in products and repository into a new database.
func New(ctx context.Context, cfg dispatch.Config) (*Server, error) {
	if !people.IsProfile(cfg.Profile) {
		return nil, fmt.Errorf("there is no profile %q: there is nist", cfg.Profile)
	}
	s := &Server{core: dispatch.New(cfg, methods)}
	s.auth, s.devices = login.New(s.core), device.New(s.core)
	s.pages = &page.Pages{Server: s.core, Auth: s.auth, Docs: documented()}
	if err := s.core.Register(receivers(s.core, s.auth, s.devices), map[string]func(http.ResponseWriter, *http.Request, *dispatch.Call){"device/events": s.devices.Events}); err != nil {
		return nil, err
	}
	s.handler = s.core.Wrap(sameOrigin(http.HandlerFunc(s.route)))
	return s, s.bootstrap(ctx)
}

// receivers are what gorilla calls methods on, by the names in the table of methods.
func receivers(s *dispatch.Server, auth *login.Auth, devices *device.Device) map[string]any {
	all := map[string]any{"Batch": &batch.Batch{Server: s}}
	for _, room := range []map[string]any{message.Receivers(s), people.Receivers(s), token.Receivers(s), seeds.Receivers(s), login.Receivers(auth),
		device.Receivers(s), installation.Receivers(s, devices), admin.Receivers(s)} {
		maps.Copy(all, room)
	}
	return all
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// AuthOnly returns the handler of a listener that serves auth/* and access tokens alone.
func (s *Server) AuthOnly() http.Handler { return dispatch.AuthOnly(s) }

// sameOrigin refuses what another site's page makes a browser send.
func sameOrigin(h http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	// A provisioning link is its own permission; its page, which tells no referrer, posts with the origin "null".
	protection.AddInsecureBypassPattern("POST " + token.LinkPath + "{link}")
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		dispatch.CallFrom(r.Context()).Fail(w, model.Errorf(model.NotPermitted, "not permitted: the request comes from another site's page"), false)
	}))
	return protection.Handler(h)
}

// route tells what a browser gets from calls of methods.
func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	c := dispatch.CallFrom(r.Context())
	if !c.AuthOnly {
		if link, ok := strings.CutPrefix(r.URL.Path, token.LinkPath); ok {
			s.pages.Provision(w, r, c, link)
			return
		}
		if rest, ok := strings.CutPrefix(r.URL.Path, login.ConsolePath); ok {
			s.pages.Console(w, r, c, rest)
			return
		}
		if r.URL.Path == strings.TrimSuffix(login.ConsolePath, "/") || r.URL.Path == "/" && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
			http.Redirect(w, r, login.ConsolePath, http.StatusFound)
			return
		}
		if r.URL.Path == installation.CodePath {
			s.pages.Landing(w, r, c)
			return
		}
	}
	if !s.pages.Serve(w, r, c) {
		s.core.Serve(w, r, c)
	}
}

// documented describes the methods, without a server.
var documented = sync.OnceValue(func() *apidoc.Docs {
	return apidoc.New(methods, receivers(&dispatch.Server{}, &login.Auth{}, &device.Device{}))
})

// Methods lists all methods, in the table's order.
func Methods() []apidoc.MethodInfo { return documented().Methods() }

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

// CallIdempotent is Call with an idempotency key; "" is none.
func (s *Server) CallIdempotent(ctx context.Context, path, key string, params []byte) []byte {
	return s.core.CallIdempotent(ctx, path, key, params)
}

// DropAnswers removes the answers to calls with an idempotency key whose time is over.
func (s *Server) DropAnswers(ctx context.Context) error { return s.core.DropAnswers(ctx) }

// Deliver sends queued messages until ctx ends.
func (s *Server) Deliver(ctx context.Context) { message.Deliver(ctx, s.core) }

// Follow tells devices with an event stream here, until ctx ends, when they are logged out.
func (s *Server) Follow(ctx context.Context) { s.devices.Follow(ctx) }

// EndEvents closes every event stream: the server stops.
func (s *Server) EndEvents() { s.devices.EndEvents() }

// WatchGuessing looks, until ctx ends, whether refused credentials stand out over all users.
func (s *Server) WatchGuessing(ctx context.Context) { s.auth.WatchGuessing(ctx) }

// LookForSpraying is one look of WatchGuessing.
func (s *Server) LookForSpraying(ctx context.Context) error { return s.auth.LookForSpraying(ctx) }

// Warnings says what is there already and falls short of the profile, one sentence each, for the log at the start.
func (s *Server) Warnings(ctx context.Context) ([]string, error) { return people.Warnings(ctx, s.core) }

// PruneAudit removes rows of the record from before a time.
func (s *Server) PruneAudit(ctx context.Context, before time.Time) (removed int64, err error) {
	return admin.PruneAudit(ctx, s.core, before)
}

// Watch keeps the head of the record, until ctx ends.
func (s *Server) Watch(ctx context.Context) { admin.Watch(ctx, s.core) }

// NameFaults hands over every text that its rule takes no more, of all objects, and counts them.
func (s *Server) NameFaults(ctx context.Context, see func(object.NameFault)) (n int, err error) {
	return object.NameFaults(ctx, s.core, see)
}

// CountNames says in the log how many texts their rule takes no more.
func (s *Server) CountNames(ctx context.Context) error { return object.CountNames(ctx, s.core) }
