package dispatch

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"tokensmith/model"
	"tokensmith/rpc/limit"
	"tokensmith/rpc/wire"
)

// OAuth 2.0 client credentials (RFC 6749, section 4.4). An access token is not stored. It consists of the agent's id, the
// generation of the secret it was requested with, and its expiry, with a keyed hash. Each call checks it against the agent's row.
// So disabling an agent or rotating its secret also ends its access tokens.
const (
	TokenPath  = "oauth/token"
	TokenLife  = time.Hour
	tokenBytes = 64 << 10 // limit of a token request in bytes
)

func (s *Server) makeToken(id string, generation int64, ends model.Time) string {
	said := id + "." + strconv.FormatInt(generation, 10) + "." + strconv.FormatInt(int64(ends), 10)
	return said + "." + base64.RawURLEncoding.EncodeToString(s.tokens.Sign([]byte(said)))
}

// readToken returns the contents of a token if this server made it and it has not expired.
func (s *Server) readToken(token string, now model.Time) (id string, generation int64, ok bool) {
	said, coded, found := cutLast(token)
	mac, err := base64.RawURLEncoding.DecodeString(coded)
	if !found || err != nil || !s.tokens.Verify([]byte(said), mac) {
		return "", 0, false
	}
	parts := strings.Split(said, ".")
	if len(parts) != 3 {
		return "", 0, false
	}
	generation, err1 := strconv.ParseInt(parts[1], 10, 64)
	ends, err2 := strconv.ParseInt(parts[2], 10, 64)
	return parts[0], generation, err1 == nil && err2 == nil && now < model.Time(ends)
}

func cutLast(s string) (before, after string, found bool) {
	i := strings.LastIndexByte(s, '.')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

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
		refuse(http.StatusMethodNotAllowed, "invalid_request", "tokens are asked for by POST")
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
	given, ok := clientOf(r)
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
		ends := c.Now + model.Time(TokenLife.Milliseconds())
		answer(http.StatusOK, tokenReply{s.makeToken(c.Agent.ID, c.generation, ends), "Bearer", int(TokenLife.Seconds())})
	case "":
		refuse(http.StatusBadRequest, "invalid_request", "grant_type is required")
	default:
		refuse(http.StatusBadRequest, "unsupported_grant_type", "only client_credentials is supported")
	}
}

// clientOf returns the client's id and secret: from HTTP Basic (client_secret_basic, both form-encoded) or from the form
// (client_secret_post). It returns false if both are used.
func clientOf(r *http.Request) (claim, bool) {
	posted := r.PostForm.Get("client_secret")
	if r.Header.Get("Authorization") == "" {
		id := r.PostForm.Get("client_id")
		return claim{given: id != "", id: id, secret: model.Secret(posted)}, true
	}
	id, secret := basic(r)
	if plain, err := url.QueryUnescape(id); err == nil {
		id = plain
	}
	if plain, err := url.QueryUnescape(secret); err == nil {
		secret = plain
	}
	return claim{given: true, id: id, secret: model.Secret(secret)}, posted == ""
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
