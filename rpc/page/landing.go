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

// Landing serves the page that shows an installation code and how to go on. The code is in the fragment, which stays in
// the browser; its script sends it by POST, to learn when it ends.
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
