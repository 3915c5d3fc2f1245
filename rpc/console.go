package rpc

import (
	"net/http"
	"strings"

	"tokensmith/model"
	"tokensmith/rpc/console"
)

const consolePath = "/console/"

// console serves the pages of the console and the calls they make. Its cookie is looked at here alone.
func (s *Server) console(w http.ResponseWriter, r *http.Request, c *call, rest string) {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		c.page = "console"
		if !console.Serve(w, r, rest) {
			http.NotFound(w, r)
		}
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "GET, POST")
		c.code = codes[model.NoMethod].number
		writeEnvelope(w, http.StatusMethodNotAllowed, failure(model.Errorf(model.NoMethod, "the console is opened by GET, methods are called by POST")))
		return
	}
	switch path, isMethod := strings.CutPrefix(rest, "api/"); {
	case rest == "signIn":
		s.signIn(w, r, c)
	case rest == "signOut":
		s.signOut(w, r, c)
	case rest == "whoami":
		s.whoami(w, r, c)
	case isMethod:
		c.method = methodOf(path)
		if c.method == nil || c.method.device {
			c.fail(w, model.Errorf(model.NoMethod, "no such method"), false)
			return
		}
		s.called(w, r, c, func() error { return s.authenticatePerson(r.Context(), c, s.sessionOf(r)) })
	default:
		c.fail(w, model.Errorf(model.NoMethod, "no such method"), false)
	}
}

// whoami tells the console who is signed in.
func (s *Server) whoami(w http.ResponseWriter, r *http.Request, c *call) {
	c.method = &method{path: "console/whoami"}
	if err := s.authenticatePerson(r.Context(), c, s.sessionOf(r)); err != nil {
		c.fail(w, err, true)
		return
	}
	s.answerPage(w, c, signedIn{c.agent.Name, c.permitted()})
}

// permitted lists the methods that the caller may use.
func (c *call) permitted() []string {
	paths := []string{}
	for i := range methods {
		if m := &methods[i]; !m.device && c.permits(m.path) {
			paths = append(paths, m.path)
		}
	}
	return paths
}
