package caller

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"tokensmith/model"
)

// OAuth 2.0 client credentials (RFC 6749, section 4.4). An access token is not stored. It consists of the agent's id, the
// generation of the secret it was requested with, and its expiry, with a keyed hash. Each call checks it against the agent's row.
// So disabling an agent or rotating its secret also ends its access tokens.

// TokenLife is how long an access token is valid.
const TokenLife = time.Hour

// AccessToken returns a new access token for the caller.
func (c *Caller) AccessToken(now model.Time) string {
	ends := now + model.Time(TokenLife.Milliseconds())
	said := c.Agent.ID + "." + strconv.FormatInt(c.generation, 10) + "." + strconv.FormatInt(int64(ends), 10)
	return said + "." + base64.RawURLEncoding.EncodeToString(c.callers.tokens.Sign([]byte(said)))
}

// readToken returns the contents of a token if this server made it and it has not expired.
func (s *Callers) readToken(token string, now model.Time) (id string, generation int64, ok bool) {
	end := strings.LastIndexByte(token, '.')
	if end < 0 {
		return "", 0, false
	}
	said := token[:end]
	mac, err := base64.RawURLEncoding.DecodeString(token[end+1:])
	if err != nil || !s.tokens.Verify([]byte(said), mac) {
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

// ClientOf returns the claim of a request for an access token, whose form is parsed: from HTTP Basic (client_secret_basic, both
// parts form-encoded) or from the form (client_secret_post). It returns false if both are used.
func ClientOf(r *http.Request) (Claim, bool) {
	posted := r.PostForm.Get("client_secret")
	if r.Header.Get("Authorization") == "" {
		id := r.PostForm.Get("client_id")
		return Claim{Given: id != "", id: id, secret: model.Secret(posted)}, true
	}
	id, secret := basic(r)
	if plain, err := url.QueryUnescape(id); err == nil {
		id = plain
	}
	if plain, err := url.QueryUnescape(secret); err == nil {
		secret = plain
	}
	return Claim{Given: true, id: id, secret: model.Secret(secret)}, posted == ""
}
