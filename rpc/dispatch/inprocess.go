package dispatch

import (
	"bytes"
	"context"
	"net/http"

	"tokensmith/model"
	"tokensmith/rpc/wire"
)

// Call calls a method in-process, as the operator, and returns the envelope of the reply.
func (s *Server) Call(ctx context.Context, path string, params []byte) []byte {
	return s.CallIdempotent(ctx, path, "", params)
}

// CallIdempotent is Call with an idempotency key; "" means none.
func (s *Server) CallIdempotent(ctx context.Context, path, key string, params []byte) []byte {
	w := &recorder{header: http.Header{}}
	c := &Call{Server: s, Method: s.Method(path), Caller: s.callers.Operator(), Request: Request{Now: model.At(s.Config.Now()), Remote: "local"}}
	if c.Method == nil || c.Method.Stream {
		return wire.Failure(model.Errorf(model.NoMethod, "no such method"))
	}
	r, err := http.NewRequestWithContext(context.WithValue(ctx, callKey{}, c), http.MethodPost, "/"+path, nil)
	if err != nil {
		return wire.Failure(wire.ClientError(err))
	}
	r.Header.Set(keyHeader, key)
	defer c.RunAtEnd()
	s.recoverer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.dispatch(w, r, c, params, "") })).ServeHTTP(w, r)
	if c.Cause != nil {
		s.Config.Log.Error().Err(c.Cause).Str("method", path).Msg("call")
	}
	return w.body.Bytes()
}

// recorder is an http.ResponseWriter that keeps the reply of an in-process call.
type recorder struct {
	header http.Header
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(int) {}

func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }
