package rpc

import (
	_ "embed"
	"net/http"

	"tokensmith/model"
)

//go:embed landing.html
var landingHTML string

//go:embed landing.js
var landingJS string

var landingPage = newPage(landingHTML, pageCSS, landingJS)

// landing serves the page that shows an installation code and how to go on. The code is in the fragment, which stays in
// the browser; its script sends it by POST, to learn when it ends.
func (*pages) landing(w http.ResponseWriter, r *http.Request, c *call) {
	c.page = "landing"
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", http.MethodGet)
		c.code = codes[model.NoMethod].number
		writeEnvelope(w, http.StatusMethodNotAllowed, failure(model.Errorf(model.NoMethod, "the page is opened by GET")))
		return
	}
	if err := landingPage.write(w, http.StatusOK, nil); err != nil {
		c.fail(w, err, false)
	}
}
