// Package rpc is the API over HTTP. It contains the table of methods, connects the packages that carry them out, and routes the
// HTTP paths to them. Each package below rpc describes itself in its package comment. Each imports only those before it in this
// list: dialect, wire, conn, limit, sender, caller, dispatch, batch, object, tree, message, people, logon, token, emergency, seeds,
// session, guessing, login, device, installation, admin, radius, apidoc, console, page. The comment of package dispatch shows the way
// of a call through them.
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
	"tokensmith/rpc/emergency"
	"tokensmith/rpc/installation"
	"tokensmith/rpc/login"
	"tokensmith/rpc/logon"
	"tokensmith/rpc/message"
	"tokensmith/rpc/object"
	"tokensmith/rpc/page"
	"tokensmith/rpc/people"
	"tokensmith/rpc/radius"
	"tokensmith/rpc/seeds"
	"tokensmith/rpc/session"
	"tokensmith/rpc/token"
)

// Server serves method calls and pages. It is safe for concurrent use.
type Server struct {
	core    *dispatch.Server
	auth    *login.Auth
	devices *device.Device
	radius  *radius.Server
	pages   *page.Pages
	handler http.Handler
}

// New returns the server for all methods. It inserts what a database lacks of the built-in products, templates, authenticators and
// the like; see bootstrap.
func New(ctx context.Context, cfg dispatch.Config) (*Server, error) {
	if !people.IsProfile(cfg.Profile) {
		return nil, fmt.Errorf("there is no profile %q, only nist", cfg.Profile)
	}
	s := &Server{core: dispatch.New(cfg, methods)}
	s.auth, s.devices = login.New(s.core), device.New(s.core)
	s.radius = radius.New(s.core, s.auth)
	s.pages = &page.Pages{Server: s.core, Auth: s.auth, Docs: documented()}
	if err := s.core.Register(receivers(s.core, s.auth, s.devices), map[string]func(http.ResponseWriter, *http.Request, *dispatch.Call){"device/events": s.devices.Events}); err != nil {
		return nil, err
	}
	s.handler = s.core.Wrap(sameOrigin(http.HandlerFunc(s.route)))
	return s, s.bootstrap(ctx)
}

// receivers returns the receivers that gorilla calls methods on, by their names in the table of methods.
func receivers(s *dispatch.Server, auth *login.Auth, devices *device.Device) map[string]any {
	all := map[string]any{"Batch": &batch.Batch{Server: s}}
	for _, room := range []map[string]any{message.Receivers(s), people.Receivers(s), logon.Receivers(s), token.Receivers(s), emergency.Receivers(s), seeds.Receivers(s),
		login.Receivers(auth), device.Receivers(s), installation.Receivers(s, devices), admin.Receivers(s), radius.Receivers(s)} {
		maps.Copy(all, room)
	}
	return all
}

// ServeHTTP serves one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// AuthOnly returns the handler for a listener that serves only auth/* and access tokens.
func (s *Server) AuthOnly() http.Handler { return dispatch.AuthOnly(s) }

// sameOrigin refuses requests that a page of another site makes a browser send.
func sameOrigin(h http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	// A provisioning link needs no further permission. Its page has the referrer policy no-referrer, so the browser posts with
	// the origin "null".
	protection.AddInsecureBypassPattern("POST " + token.LinkPath + "{link}")
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		dispatch.CallFrom(r.Context()).Fail(w, model.Errorf(model.NotPermitted, "not permitted: the request comes from "+
			"another site's page"), false)
	}))
	return protection.Handler(h)
}

// route sends requests of browsers to the pages, and calls of methods to the dispatcher.
func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	c := dispatch.CallFrom(r.Context())
	if !c.AuthOnly {
		if link, ok := strings.CutPrefix(r.URL.Path, token.LinkPath); ok {
			s.pages.Provision(w, r, c, link)
			return
		}
		if rest, ok := strings.CutPrefix(r.URL.Path, session.ConsolePath); ok {
			s.pages.Console(w, r, c, rest)
			return
		}
		if r.URL.Path == strings.TrimSuffix(session.ConsolePath, "/") || r.URL.Path == "/" && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
			http.Redirect(w, r, session.ConsolePath, http.StatusFound)
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

// documented is the description of the methods. It needs no running server.
var documented = sync.OnceValue(func() *apidoc.Docs {
	return apidoc.New(methods, receivers(&dispatch.Server{}, &login.Auth{}, &device.Device{}))
})

// Methods returns all methods in the order of the table.
func Methods() []apidoc.MethodInfo { return documented().Methods() }

// MethodTable returns the table of methods in Markdown, with one row for each method.
func MethodTable() string { return documented().MethodTable() }

// AttributeTables returns the attributes of all objects in Markdown.
func AttributeTables() string { return documented().AttributeTables() }

// OpenAPI returns the OpenAPI 3.1 document of all methods, for a server at a URL or path prefix.
func OpenAPI(server, version string) ([]byte, error) { return documented().OpenAPI(server, version) }

// Call calls a method in-process, as the operator, and returns the envelope of the reply.
func (s *Server) Call(ctx context.Context, path string, params []byte) []byte {
	return s.core.Call(ctx, path, params)
}

// CallIdempotent is Call with an idempotency key; "" means none.
func (s *Server) CallIdempotent(ctx context.Context, path, key string, params []byte) []byte {
	return s.core.CallIdempotent(ctx, path, key, params)
}

// DropReplies deletes expired replies of calls with an idempotency key.
func (s *Server) DropReplies(ctx context.Context) error { return s.core.DropReplies(ctx) }

// Deliver sends queued messages until ctx ends.
func (s *Server) Deliver(ctx context.Context) { message.Deliver(ctx, s.core) }

// Follow watches, until ctx ends, for devices that are logged out, and tells those that have an event stream here.
func (s *Server) Follow(ctx context.Context) { s.devices.Follow(ctx) }

// EndEvents closes every event stream, because the server stops.
func (s *Server) EndEvents() { s.devices.EndEvents() }

// Radius returns the front for RADIUS. It uses the same methods as the calls by HTTP.
func (s *Server) Radius() *radius.Server { return s.radius }

// WatchGuessing checks, until ctx ends, whether there are unusually many refused credentials over all users.
func (s *Server) WatchGuessing(ctx context.Context) { s.auth.Guessing.Watch(ctx) }

// LookForSpraying is one check of WatchGuessing.
func (s *Server) LookForSpraying(ctx context.Context) error { return s.auth.Guessing.Look(ctx) }

// Warnings returns, for the log at start, which existing settings do not meet the profile, in one sentence each.
func (s *Server) Warnings(ctx context.Context) ([]string, error) { return people.Warnings(ctx, s.core) }

// PruneAudit deletes the rows of the audit log from before a time.
func (s *Server) PruneAudit(ctx context.Context, before time.Time) (removed int64, err error) {
	return admin.PruneAudit(ctx, s.core, before)
}

// Maintain records the head of the audit log until ctx ends.
func (s *Server) Maintain(ctx context.Context) { admin.Maintain(ctx, s.core) }

// NameFaults calls see for every text, in all objects, that the rule for it would now refuse. It returns their number.
func (s *Server) NameFaults(ctx context.Context, see func(object.NameFault)) (n int, err error) {
	return admin.NameFaults(ctx, s.core, see)
}

// CountNames logs how many texts the rules would now refuse.
func (s *Server) CountNames(ctx context.Context) error { return admin.CountNames(ctx, s.core) }
