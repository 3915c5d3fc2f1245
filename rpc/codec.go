package rpc

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	gorilla "github.com/gorilla/rpc/v2"

	"tokensmith/model"
	"tokensmith/store"
)

// Plan is what a method's prepare step leaves behind: the part that runs inside the transaction. Exactly one of its
// functions is set; the dispatcher opens the transaction and runs it, perhaps more than once.
type Plan struct {
	view   func(tx store.ReadTx) (any, error)
	reads  reads // by view
	update func(tx store.Tx) (any, error)
	parts  func(ctx context.Context) (any, error) // a batch, which opens one transaction after the other by itself
	long   bool                                   // update is of many rows, and has the time of those: see store.Store.UpdateLong; view may take long as well
	heavy  bool                                   // it takes much memory while it runs
}

// reads is how much a view reads.
type reads uint8

const (
	snapshot  reads = iota // several statements of one
	statement              // one, which needs no snapshot
	nothing
)

// outcome is a reply that is an error and yet commits: a refused credential counts.
type outcome struct{ err *model.Error }

// codec ties gorilla's server to the envelope: the middleware has found the method and read its parameters, gorilla
// calls the method's prepare step, and WriteResponse runs the plan it left.
type codec struct{}

func (codec) NewRequest(r *http.Request) gorilla.CodecRequest {
	return &codecRequest{ctx: r.Context(), call: callOf(r.Context())}
}

type codecRequest struct {
	ctx  context.Context
	call *call
}

func (c *codecRequest) Method() (string, error) { return c.call.method.target, nil }

// ReadRequest reads the parameters, unless the call was answered before.
func (c *codecRequest) ReadRequest(args any) error {
	if err := c.call.before(c.ctx); err != nil {
		return err
	}
	return readArgs(c.call.params, args)
}

func (c *codecRequest) WriteResponse(w http.ResponseWriter, reply any) {
	if c.call.planOnly {
		c.call.plan = reply.(*Plan)
		return
	}
	result, err := c.call.run(c.ctx, reply.(*Plan))
	if err != nil {
		c.WriteError(w, 0, err)
		return
	}
	if b, ok := result.(*bulky); ok {
		c.call.writeParts(w, successBegins, b.file, "}")
		return
	}
	body, err := success(result)
	if err != nil {
		c.call.fail(w, err, true)
		return
	}
	c.call.answer(w, body)
}

func (c *codecRequest) WriteError(w http.ResponseWriter, _ int, err error) {
	if c.call.planOnly {
		c.call.refusal = err
		return
	}
	if c.call.method.device {
		err = c.call.refused(c.ctx, err)
	}
	c.call.fail(w, err, true)
}

// readArgs decodes a parameter object into a method's arguments; a refusal names the place.
func readArgs(params jsontext.Value, args any) error {
	err := json.Unmarshal(params, args)
	if err == nil {
		return nil
	}
	var known *model.Error
	if errors.As(err, &known) {
		return known
	}
	var semantic *json.SemanticError
	if errors.As(err, &semantic) {
		place := strings.ReplaceAll(strings.TrimPrefix(string(semantic.JSONPointer), "/"), "/", ".")
		if place == "" {
			return model.Errorf(model.Unreadable, "the parameters must be an object")
		}
		return model.AttrErrorf(model.Invalid, place, "a value of this kind does not fit here")
	}
	return &model.Error{Kind: model.Unreadable, Msg: "the request cannot be read", Err: err}
}

const successBegins = `{"error":0,"result":`

// success gives the envelope of a reply; nil has no result.
func success(result any) ([]byte, error) {
	if result == nil {
		return []byte(`{"error":0}`), nil
	}
	body := append(make([]byte, 0, 256), successBegins...)
	if raw, ok := result.(jsontext.Value); ok {
		body = append(body, raw...)
	} else {
		value, err := json.Marshal(result)
		if err != nil {
			return nil, err
		}
		body = append(body, value...)
	}
	return append(body, '}'), nil
}

// failure gives the envelope of an error.
func failure(e *model.Error) []byte {
	body := append(make([]byte, 0, 128), `{"error":`...)
	body = strconv.AppendInt(body, int64(codeOf(e).number), 10)
	body = append(body, `,"message":`...)
	body, _ = jsontext.AppendQuote(body, e.Msg)
	if e.Detail != nil {
		if detail, err := json.Marshal(e.Detail); err == nil {
			body = append(append(body, `,"result":`...), detail...)
		}
	}
	return append(body, '}')
}

// envelopeHeader is what every envelope has; nobody changes its values.
var envelopeHeader = http.Header{
	"Content-Type":           {"application/json; charset=utf-8"},
	"Cache-Control":          {"no-store"},
	"X-Content-Type-Options": {"nosniff"},
}

func writeEnvelope(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	maps.Copy(h, envelopeHeader)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body)
}
