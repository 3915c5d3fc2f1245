package rpc

import (
	"bytes"
	"context"
	"net/http"

	"tokensmith/model"
)

// Operator is the caller of in-process calls: whoever holds the database and the key file may do everything.
var Operator = &model.Agent{ID: "operator", Name: "operator", Permissions: "*", Status: model.Active}

// Call calls a method in-process, as the operator, and gives the reply's envelope.
func (s *core) Call(ctx context.Context, path string, params []byte) []byte {
	return s.CallOnce(ctx, path, "", params)
}

// CallOnce is Call with an idempotency key; "" is none.
func (s *core) CallOnce(ctx context.Context, path, key string, params []byte) []byte {
	w := &recorder{header: http.Header{}}
	c := &call{s: s, method: s.method(path), caller: caller{agent: Operator}, request: request{now: model.At(s.cfg.Now()), remote: "local"}}
	if c.method == nil || c.method.stream {
		return failure(model.Errorf(model.NoMethod, "no such method"))
	}
	r, err := http.NewRequestWithContext(context.WithValue(ctx, callKey{}, c), http.MethodPost, "/"+path, nil)
	if err != nil {
		return failure(wireError(err))
	}
	r.Header.Set(keyHeader, key)
	defer c.ended()
	s.recoverer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.dispatch(w, r, c, params, "") })).ServeHTTP(w, r)
	if c.cause != nil {
		s.cfg.Log.Error().Err(c.cause).Str("method", path).Msg("call")
	}
	return w.body.Bytes()
}

// recorder keeps an in-process call's reply.
type recorder struct {
	header http.Header
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(int)             {}
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }
