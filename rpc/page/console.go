package page

import (
	"net/http"
	"strings"

	"tokensmith/model"
	"tokensmith/rpc/console"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/session"
)

// Console serves the pages of the console and the calls that they make. Only this function reads the console's cookie.
func (p *Pages) Console(w http.ResponseWriter, r *http.Request, c *dispatch.Call, rest string) {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		c.Page = "console"
		if !console.Serve(w, r, rest) {
			http.NotFound(w, r)
		}
		return
	}
	if r.Method != http.MethodPost {
		c.NotAllowed(w, "GET, POST", "the console is opened by GET, methods are called by POST")
		return
	}
	switch path, isMethod := strings.CutPrefix(rest, "api/"); {
	case rest == "signIn":
		p.Auth.SignIn(w, r, c)
	case rest == "signOut":
		p.Auth.SignOut(w, r, c)
	case rest == "signOutEverywhere":
		p.Auth.SignOutEverywhere(w, r, c)
	case rest == "account":
		p.Auth.ShowAccount(w, r, c)
	case rest == "whoami":
		p.whoami(w, r, c)
	case isMethod:
		c.Method = p.Server.Method(path)
		if c.Method == nil || c.Method.Device {
			c.Fail(w, model.Errorf(model.NoMethod, "no such method"), false)
			return
		}
		p.Server.ServeCall(w, r, c, func() error { return p.Auth.AuthenticatePerson(r.Context(), c, p.Auth.SessionOf(r)) })
	default:
		c.Fail(w, model.Errorf(model.NoMethod, "no such method"), false)
	}
}

// whoami tells the console who is signed in.
func (p *Pages) whoami(w http.ResponseWriter, r *http.Request, c *dispatch.Call) {
	c.Method = &dispatch.Method{Path: "console/whoami"}
	if err := p.Auth.AuthenticatePerson(r.Context(), c, p.Auth.SessionOf(r)); err != nil {
		c.Fail(w, err, true)
		return
	}
	paths, reveals := permitted(c)
	c.AnswerPage(w, session.SignedIn{LoginName: c.Agent.Name, Methods: paths, Reveals: reveals, Roles: session.Roles()})
}

// permitted returns the paths of the methods that the caller may use, and those of them that show a secret.
func permitted(c *dispatch.Call) (paths, reveals []string) {
	paths, reveals = []string{}, []string{}
	for i := range c.Server.Methods {
		if m := &c.Server.Methods[i]; !m.Device && c.Permits(m.Path) {
			paths = append(paths, m.Path)
			if m.Reveals {
				reveals = append(reveals, m.Path)
			}
		}
	}
	return paths, reveals
}
