package dispatch

import (
	"context"
	"net/http"

	gorilla "github.com/gorilla/rpc/v2"

	"tokensmith/model"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// Plan is what a method's prepare step leaves behind: the part that runs inside the transaction. Exactly one of its
// functions is set; the dispatcher opens the transaction and runs it, perhaps more than once.
type Plan struct {
	View   func(tx store.ReadTx) (any, error)
	Reads  Reads // how much View reads
	Update func(tx store.Tx) (any, error)
	Parts  func(ctx context.Context) (any, error) // a batch, which opens one transaction after the other by itself
	Sure   bool                                   // Update returns no error once it has written something, see store.Store.UpdateSure
	Long   bool                                   // Update runs by Store.UpdateLong, and View takes one of the places for long reads
	Heavy  bool                                   // it takes much memory while it runs
}

// Reads is how much a view reads.
type Reads uint8

const (
	severalStatements Reads = iota // several statements of one
	OneStatement                   // one, which needs no snapshot
	NoStatement
)

// CommittedRefusal is an error whose transaction commits all the same, because a refused credential must be counted.
type CommittedRefusal struct{ Err *model.Error }

// codec ties gorilla's server to the envelope: the middleware has found the method and read its parameters, gorilla
// calls the method's prepare step, and WriteResponse runs the plan it left.
type codec struct{}

func (codec) NewRequest(r *http.Request) gorilla.CodecRequest {
	return &codecRequest{ctx: r.Context(), call: CallFrom(r.Context())}
}

type codecRequest struct {
	ctx  context.Context
	call *Call
}

func (c *codecRequest) Method() (string, error) { return c.call.Method.Target, nil }

// ReadRequest reads the parameters, unless the call was answered before.
func (c *codecRequest) ReadRequest(args any) error {
	if err := c.call.replayIfStored(c.ctx); err != nil {
		return err
	}
	return wire.ReadArgs(c.call.Params, args)
}

func (c *codecRequest) WriteResponse(w http.ResponseWriter, reply any) {
	if c.call.planOnly {
		c.call.plan = reply.(*Plan)
		return
	}
	result, err := c.call.Run(c.ctx, reply.(*Plan))
	if err != nil {
		c.WriteError(w, 0, err)
		return
	}
	if b, ok := result.(*FileResult); ok {
		c.call.writeParts(w, wire.SuccessStart, b.File, "}")
		return
	}
	body, err := wire.Success(result)
	if err != nil {
		c.call.Fail(w, err, true)
		return
	}
	c.call.answer(w, body)
}

func (c *codecRequest) WriteError(w http.ResponseWriter, _ int, err error) {
	if c.call.planOnly {
		c.call.refusal = err
		return
	}
	if c.call.Method.Device {
		err = c.call.Refused(c.ctx, err)
	}
	c.call.Fail(w, err, true)
}

// EnvelopeOf returns the envelope of what a method answered, a refused credential included.
func EnvelopeOf(result any) ([]byte, error) {
	if o, ok := result.(CommittedRefusal); ok {
		return wire.Failure(o.Err), nil
	}
	return wire.Success(result)
}
