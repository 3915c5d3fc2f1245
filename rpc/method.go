package rpc

// method is one row of the table of methods.
type method struct {
	path    string // "token/create"; also its permission
	target  string // gorilla's name of the Go method: "Token.Create"
	large   bool   // takes a large body (a file, a batch)
	reveals bool   // answers with a secret: only its exact name or a lone "*" permits it
	hands   bool   // may answer with a secret that it makes itself: each repeat of the answer is recorded
	device  bool   // called by a device, which proves itself by what it sends, and not by an agent
	stream  bool   // answers with events instead of an envelope; it has no Go method of gorilla's
	counts  bool   // refuses credentials, which counts: it cannot be undone
	// either names further permissions of which any one opens the method; the method itself then decides which of
	// its uses needs which.
	either []string
	// selects names the objects by which a call may say what it means, where it is not the method's own.
	selects []string
	about   string // what it does, one line
}

// executePath is the method that carries out many.
const executePath = "batch/execute"

// tokenMethod stands for the request for an access token, which is RFC 6749's and no method of ours.
var tokenMethod = method{path: tokenPath}

// method finds a method by its path; nil when there is none.
func (s *core) method(path string) *method { return s.byPath[path] }

// reveals says whether a method, named by its path, reveals a secret.
func (s *core) reveals(path string) bool {
	m := s.method(path)
	return m != nil && m.reveals
}
