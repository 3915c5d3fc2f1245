package page

import (
	_ "embed"
	"net/http"

	"tokensmith/rpc/dispatch"
)

//go:embed methods.html
var methodsHTML string

//go:embed methods.css
var methodsCSS string

var methodsListing = newPage(methodsHTML, methodsCSS, "")

// methods serves the list of all methods with their parameters and examples. It is the same for all callers.
func (p *Pages) methods(w http.ResponseWriter, _ *http.Request, c *dispatch.Call) {
	if err := methodsListing.write(w, http.StatusOK, p.Docs.Methods()); err != nil {
		c.Fail(w, err, false)
	}
}
