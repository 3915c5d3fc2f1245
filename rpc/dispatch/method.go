package dispatch

// Method is one row of the table of methods.
type Method struct {
	Path         string // "token/create"; also the permission that opens it (see Call.Allowed and model.Permits)
	Target       string // gorilla's name of the Go method: "Token.Create"
	Large        bool   // takes a large body (a file, a batch)
	Reveals      bool   // answers with a secret: only its exact name or a lone "*" permits it
	IssuesSecret bool   // may answer with a secret that it has just made, so each replay of the answer is audited
	Device       bool   // called by a device, which proves itself by what it sends, and not by an agent
	Stream       bool   // answers with events instead of an envelope; it has no Go method of gorilla's
	NotAtomic    bool   // its refusals commit, because they count towards a lock: an atomic batch may not hold it
	Limited      bool   // an agent that is limited to domains may call it, and sees what the scope of its calls leaves
	// AlsoOpenedBy names further permissions of which any one opens the method; the method itself then decides which of
	// its uses needs which.
	AlsoOpenedBy []string
	// Selects names the objects that a call may select by; nil = the object in Path.
	Selects []string
	About   string // what it does, one line
}

// ExecutePath is the method that carries out many.
const ExecutePath = "batch/execute"

// tokenMethod stands for the request for an access token, which is RFC 6749's and no method of ours.
var tokenMethod = Method{Path: TokenPath}

// Method finds a method by its path; nil when there is none.
func (s *Server) Method(path string) *Method { return s.byPath[path] }

// Reveals says whether a method, named by its path, reveals a secret.
func (s *Server) Reveals(path string) bool {
	m := s.Method(path)
	return m != nil && m.Reveals
}
