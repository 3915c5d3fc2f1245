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

// pages are what is read by GET and is no method.
var pages = map[string]func(*Server, http.ResponseWriter, *http.Request, *call){
	"/healthz": (*Server).healthy, "/readyz": (*Server).ready, "/metrics": (*Server).serveMetrics, "/methods": (*Server).methodsPage,
	"/openapi.json": (*Server).openAPI,
}

// servePage answers what is asked for by GET and is no method; it says whether it was that.
func (s *Server) servePage(w http.ResponseWriter, r *http.Request, c *call) bool {
	path := strings.TrimPrefix(r.URL.Path, s.cfg.Prefix)
	serve := pages[path]
	if serve == nil || c.authOnly && path != "/healthz" && path != "/readyz" {
		return false
	}
	c.page = strings.TrimPrefix(path, "/")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", http.MethodGet)
		c.code = codes[model.NoMethod].number
		writeEnvelope(w, http.StatusMethodNotAllowed, failure(model.Errorf(model.NoMethod, "this is read by GET")))
		return true
	}
	serve(s, w, r, c)
	return true
}

// healthy says that the process answers. Whoever asks needs no agent, and learns nothing else.
func (s *Server) healthy(w http.ResponseWriter, _ *http.Request, _ *call) {
	plain(w, http.StatusOK, "ok\n")
}

// ready says whether calls can be served: whether the database answers, and takes changes.
func (s *Server) ready(w http.ResponseWriter, r *http.Request, c *call) {
	ctx, stop := context.WithTimeout(r.Context(), aliveMost)
	defer stop()
	err, what := s.cfg.Store.Alive(ctx), "the database does not answer\n"
	if err == nil {
		err, what = s.cfg.Store.Writable(ctx), "the database takes no changes\n"
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
