package rpc

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"tokensmith/model"
	"tokensmith/store"
)

const aliveMost = 5 * time.Second // that a database may take to answer

// pages are what a browser gets: the console, the pages that links and QR codes lead to, and what is read by GET and is no method.
type pages struct {
	s    *core
	auth *Auth
	docs *Docs
}

// plainPages are what is read by GET and is no method.
var plainPages = map[string]func(*pages, http.ResponseWriter, *http.Request, *call){
	"/healthz": (*pages).healthy, "/readyz": (*pages).ready, "/metrics": (*pages).metrics, "/methods": (*pages).methods,
	"/openapi.json": (*pages).openAPI,
}

// serve answers what is asked for by GET and is no method; it says whether it was that.
func (p *pages) serve(w http.ResponseWriter, r *http.Request, c *call) bool {
	path := strings.TrimPrefix(r.URL.Path, p.s.cfg.Prefix)
	show := plainPages[path]
	if show == nil || c.authOnly && path != "/healthz" && path != "/readyz" {
		return false
	}
	c.page = strings.TrimPrefix(path, "/")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", http.MethodGet)
		c.code = codes[model.NoMethod].number
		writeEnvelope(w, http.StatusMethodNotAllowed, failure(model.Errorf(model.NoMethod, "this is read by GET")))
		return true
	}
	show(p, w, r, c)
	return true
}

// healthy says that the process answers. Whoever asks needs no agent, and learns nothing else.
func (p *pages) healthy(w http.ResponseWriter, _ *http.Request, _ *call) {
	plain(w, http.StatusOK, "ok\n")
}

// ready says whether calls can be served: whether the database answers, and takes changes.
func (p *pages) ready(w http.ResponseWriter, r *http.Request, c *call) {
	ctx, stop := context.WithTimeout(r.Context(), aliveMost)
	defer stop()
	err, what := p.s.cfg.Store.Alive(ctx), "the database does not answer\n"
	if err == nil {
		err, what = p.s.cfg.Store.Writable(ctx), "the database takes no changes\n"
		if why := store.Why(err); why != "" {
			what = "the database takes no changes: " + why + "\n"
		}
	}
	if err != nil {
		c.cause, c.code = err, codes[model.Unavailable].number
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

// metrics answers a scrape of a caller who may.
func (p *pages) metrics(w http.ResponseWriter, r *http.Request, c *call) {
	c.method = &method{path: metricsPermission}
	err := p.s.proven(w, r, c)
	if err == nil {
		err = c.need(metricsPermission)
	}
	if err != nil {
		c.fail(w, err, false)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	p.s.metrics.handler.ServeHTTP(w, r)
}

// openAPI serves the OpenAPI document of all methods.
func (p *pages) openAPI(w http.ResponseWriter, _ *http.Request, c *call) {
	server := p.s.cfg.Prefix
	if server == "" {
		server = "/"
	}
	text, err := p.docs.OpenAPI(server, p.s.cfg.Version)
	if err != nil {
		c.fail(w, err, false)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Write(text)
}
