package rpc

import (
	"context"
	"net/http"

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
