package page

import (
	_ "embed"
	"net/http"

	"tokensmith/rpc/dispatch"
)

//go:embed landing.html
var landingHTML string

//go:embed landing.js
var landingJS string

var landingPage = newPage(landingHTML, pageCSS, landingJS)

// Landing serves the page that shows an installation code and what to do next. The code is in the fragment of the URL, which the
// browser does not send. The page's script sends the code in a POST request to learn when it expires.
func (*Pages) Landing(w http.ResponseWriter, r *http.Request, c *dispatch.Call) {
	c.Page = "landing"
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		c.NotAllowed(w, http.MethodGet, "the page is opened by GET")
		return
	}
	if err := landingPage.write(w, http.StatusOK, nil); err != nil {
		c.Fail(w, err, false)
	}
}
