package dispatch

// Method is a row of the table of methods.
type Method struct {
	Path         string // "token/create"; also the permission that opens it (see Call.Allowed and model.Permits)
	Target       string // gorilla's name of the Go method: "Token.Create"
	Large        bool   // takes a large body (a file, a batch)
	Reveals      bool   // returns a secret; only a permission with its exact name or "*" allows it
	IssuesSecret bool   // may return a secret that it has just made, so each replay of the reply is audited
	Device       bool   // called by devices, which authenticate with their parameters, and not by agents
	Stream       bool   // replies with a stream of events instead of an envelope; gorilla does not call it
	Alone        bool   // may take so long that a batch must not contain it
	NotAtomic    bool   // its refusals commit, because they count towards a lock; an atomic batch must not contain it
	Limited      bool   // agents that are limited to domains may call it, and see only what is in their scope
	// AlsoOpenedBy lists further permissions, each of which opens the method. The method itself decides which permission is
	// needed for what.
	AlsoOpenedBy []string
	// Selects lists the objects that a selector in the parameters may name; nil means the object in Path.
	Selects []string
	About   string // what it does, one line
}

// ExecutePath is the path of the method that carries out a batch of calls.
const ExecutePath = "batch/execute"

// tokenMethod is the method of a request for an access token, which RFC 6749 defines and which is not one of our methods.
var tokenMethod = Method{Path: TokenPath}

// Method returns the method with that path; nil if there is none.
func (s *Server) Method(path string) *Method { return s.byPath[path] }

// Reveals returns whether the method with that path returns a secret.
func (s *Server) Reveals(path string) bool {
	m := s.Method(path)
	return m != nil && m.Reveals
}

// Limited returns whether agents that are limited to domains may use the method with that path.
func (s *Server) Limited(path string) bool {
	m := s.Method(path)
	return m != nil && m.Limited
}
