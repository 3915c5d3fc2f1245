package rpc

import (
	"net/http"
	"strings"

	"tokensmith/model"
	"tokensmith/rpc/console"
)

// console serves the pages of the console and the calls they make. Its cookie is looked at here alone.
func (p *pages) console(w http.ResponseWriter, r *http.Request, c *call, rest string) {
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
		p.auth.signIn(w, r, c)
	case rest == "signOut":
		p.auth.signOut(w, r, c)
	case rest == "whoami":
		p.whoami(w, r, c)
	case isMethod:
		c.method = p.s.method(path)
		if c.method == nil || c.method.device {
			c.fail(w, model.Errorf(model.NoMethod, "no such method"), false)
			return
		}
		p.s.called(w, r, c, func() error { return p.auth.authenticatePerson(r.Context(), c, p.auth.sessionOf(r)) })
	default:
		c.fail(w, model.Errorf(model.NoMethod, "no such method"), false)
	}
}

// whoami tells the console who is signed in.
func (p *pages) whoami(w http.ResponseWriter, r *http.Request, c *call) {
	c.method = &method{path: "console/whoami"}
	if err := p.auth.authenticatePerson(r.Context(), c, p.auth.sessionOf(r)); err != nil {
		c.fail(w, err, true)
		return
	}
	c.answerPage(w, signedIn{c.agent.Name, c.permitted()})
}

// permitted lists the methods that the caller may use.
func (c *call) permitted() []string {
	paths := []string{}
	for i := range c.s.methods {
		if m := &c.s.methods[i]; !m.device && c.permits(m.path) {
			paths = append(paths, m.path)
		}
	}
	return paths
}
