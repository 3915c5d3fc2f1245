package rpc

import (
	_ "embed"
	"net/http"
)

//go:embed methods.html
var methodsHTML string

//go:embed methods.css
var methodsCSS string

var methodsListing = newPage(methodsHTML, methodsCSS, "")

// methods serves the list of all methods, with their parameters and examples; it is the same for everybody.
func (p *pages) methods(w http.ResponseWriter, _ *http.Request, c *call) {
	if err := methodsListing.write(w, http.StatusOK, p.docs.Methods()); err != nil {
		c.fail(w, err, false)
	}
}
