// Package page serves what a browser opens: the console, the pages that links and QR codes lead to, and the pages that are read
// with GET and are not methods.
package page

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"tokensmith/model"
	"tokensmith/rpc/apidoc"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/login"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

const maxAlive = 5 * time.Second // time limit for the database to reply

// Pages serves the pages.
type Pages struct {
	Server *dispatch.Server
	Auth   *login.Auth
	Docs   *apidoc.Docs
}

// plainPages are the pages that are read with GET and are not methods.
var plainPages = map[string]func(*Pages, http.ResponseWriter, *http.Request, *dispatch.Call){
	"/healthz": (*Pages).healthy, "/readyz": (*Pages).ready, "/metrics": (*Pages).metrics, "/methods": (*Pages).methods,
	"/openapi.json": (*Pages).openAPI,
}

// Serve replies if the path is one of plainPages. It returns whether it is.
func (p *Pages) Serve(w http.ResponseWriter, r *http.Request, c *dispatch.Call) bool {
	path := strings.TrimPrefix(r.URL.Path, p.Server.Config.Prefix)
	show := plainPages[path]
	if show == nil || c.AuthOnly && path != "/healthz" && path != "/readyz" {
		return false
	}
	c.Page = strings.TrimPrefix(path, "/")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		c.NotAllowed(w, http.MethodGet, "this is read by GET")
		return true
	}
	show(p, w, r, c)
	return true
}

// healthy says that the process is running. It needs no agent and reveals nothing else.
func (p *Pages) healthy(w http.ResponseWriter, _ *http.Request, _ *dispatch.Call) {
	plain(w, http.StatusOK, "ok\n")
}

// ready says whether calls can be served: whether the database replies and accepts changes.
func (p *Pages) ready(w http.ResponseWriter, r *http.Request, c *dispatch.Call) {
	ctx, stop := context.WithTimeout(r.Context(), maxAlive)
	defer stop()
	err, what := p.Server.Config.Store.Alive(ctx), "the database does not answer\n"
	if err == nil {
		err, what = p.Server.Config.Store.Writable(ctx), "the database takes no changes\n"
		if why := store.Why(err); why != "" {
			what = "the database takes no changes: " + why + "\n"
		}
	}
	if err != nil {
		c.Cause, c.Code = err, wire.Codes[model.Unavailable].Number
		plain(w, http.StatusServiceUnavailable, what)
		return
	}
	plain(w, http.StatusOK, "ready\n")
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	io.WriteString(w, text)
}

// metrics replies to a scrape, if the caller has the permission.
func (p *Pages) metrics(w http.ResponseWriter, r *http.Request, c *dispatch.Call) {
	c.Method = &dispatch.Method{Path: dispatch.MetricsPermission}
	err := p.Server.Authenticate(w, r, c)
	if err == nil {
		err = c.Need(dispatch.MetricsPermission)
	}
	if err != nil {
		c.Fail(w, err, false)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	p.Server.Metrics.Handler.ServeHTTP(w, r)
}

// openAPI serves the OpenAPI document of all methods.
func (p *Pages) openAPI(w http.ResponseWriter, _ *http.Request, c *dispatch.Call) {
	server := p.Server.Config.Prefix
	if server == "" {
		server = "/"
	}
	text, err := p.Docs.OpenAPI(server, p.Server.Config.Version)
	if err != nil {
		c.Fail(w, err, false)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Write(text)
}
