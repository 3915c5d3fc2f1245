package rpc

import (
	_ "embed"
	"net/http"
	"sync"
)

//go:embed methods.html
var methodsHTML string

//go:embed methods.css
var methodsCSS string

var methodsListing = newPage(methodsHTML, methodsCSS, "")

var allMethods = sync.OnceValue(Methods)

// methodsPage serves the list of all methods, with their parameters and examples; it is the same for everybody.
func (s *Server) methodsPage(w http.ResponseWriter, _ *http.Request, c *call) {
	if err := methodsListing.write(w, http.StatusOK, allMethods()); err != nil {
		c.fail(w, err, false)
	}
}
