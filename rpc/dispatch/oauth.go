package dispatch

import (
	"net/http"
	"strconv"

	"github.com/go-json-experiment/json"

	"tokensmith/model"
	"tokensmith/rpc/caller"
	"tokensmith/rpc/limit"
	"tokensmith/rpc/wire"
)

// OAuth 2.0 client credentials (RFC 6749, section 4.4). Package caller makes the access tokens.
const (
	TokenPath  = "oauth/token"
	tokenBytes = 64 << 10 // limit of a token request in bytes
)

// tokenReply is the reply of RFC 6749, section 5.1. tokenError is that of section 5.2.
type tokenReply struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int    `json:"expires_in"`
}

type tokenError struct {
	Error       string `json:"error"`
	Description string `json:"error_description,omitzero"`
}

// serveToken processes a request for an access token.
func (s *Server) serveToken(w http.ResponseWriter, r *http.Request, c *Call) {
	answer := func(status int, v any) {
		body, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		w.Header().Set("Pragma", "no-cache")
		wire.WriteEnvelope(w, status, body)
	}
	refuse := func(status int, code, why string) {
		c.Code = wire.Codes[model.Unreadable].Number
		answer(status, tokenError{code, why})
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		refuse(http.StatusMethodNotAllowed, "invalid_request", "tokens are requested by POST")
		return
	}
	if err := wire.PlainBody(r); err != nil {
		w.Header().Set("Accept-Encoding", "identity")
		refuse(http.StatusUnsupportedMediaType, "invalid_request", err.Msg)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, tokenBytes)
	if err := r.ParseForm(); err != nil {
		refuse(http.StatusBadRequest, "invalid_request", "the form cannot be read")
		return
	}
	for name, values := range r.PostForm {
		if len(values) > 1 {
			refuse(http.StatusBadRequest, "invalid_request", name+" is given twice")
			return
		}
	}
	given, ok := caller.ClientOf(r)
	if !ok {
		refuse(http.StatusBadRequest, "invalid_request", "the client's secret is given twice")
		return
	}
	if err := s.authenticate(r.Context(), c, given); err != nil {
		s.tokenRefused(w, c, err, answer)
		return
	}
	switch r.PostForm.Get("grant_type") {
	case "client_credentials":
		answer(http.StatusOK, tokenReply{c.AccessToken(c.Now), "Bearer", int(caller.TokenLife.Seconds())})
	case "":
		refuse(http.StatusBadRequest, "invalid_request", "grant_type is required")
	default:
		refuse(http.StatusBadRequest, "unsupported_grant_type", "only client_credentials is supported")
	}
}

// tokenRefused replies to a client that is refused, with an error of RFC 6749.
func (s *Server) tokenRefused(w http.ResponseWriter, c *Call, err error, answer func(int, any)) {
	e := wire.ClientError(err)
	c.Code = wire.CodeOf(e).Number
	reply := tokenError{"temporarily_unavailable", e.Msg}
	switch e.Kind {
	case model.NotAuthentic:
		w.Header().Set("WWW-Authenticate", `Basic realm="tokensmith", charset="UTF-8"`)
		reply = tokenError{"invalid_client", ""}
	case model.TooMany:
		setRetryAfter(w, e)
	case model.Internal:
		c.Cause = err
		reply = tokenError{"server_error", ""}
	}
	answer(wire.CodeOf(e).Status, reply)
}

// setRetryAfter sets the header Retry-After.
func setRetryAfter(w http.ResponseWriter, e *model.Error) {
	var t limit.RetryDetail
	if d, ok := e.Detail.(limit.RetryDetail); ok {
		t = d
	}
	w.Header().Set("Retry-After", strconv.Itoa(max(1, t.RetryAfter)))
}
