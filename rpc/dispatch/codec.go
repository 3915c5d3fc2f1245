package dispatch

import (
	"context"
	"net/http"

	gorilla "github.com/gorilla/rpc/v2"

	"tokensmith/model"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// Plan is what a method's prepare step returns: the part of the method that runs inside the transaction. Exactly one of View,
// Update and Parts is set. The dispatcher opens the transaction and calls the function, which may run more than once.
type Plan struct {
	View   func(tx store.ReadTx) (any, error)
	Reads  Reads // how many statements View runs
	Update func(tx store.Tx) (any, error)
	Parts  func(ctx context.Context) (any, error) // for a batch, which opens its own transactions, one after another
	Shared bool                                   // Update runs with Store.UpdateShared: it returns no error after it has written
	Long   bool                                   // Update runs with Store.UpdateLong; View waits for a slot of Server.reading
	Heavy  bool                                   // it needs much memory while it runs
}

// Reads says how many statements a View runs.
type Reads uint8

const (
	severalStatements Reads = iota // several statements, which need one snapshot
	OneStatement                   // one statement, which needs no snapshot
	NoStatement
)

// CommittedRefusal is an error whose transaction commits anyway, because a refused credential must be counted.
type CommittedRefusal struct{ Err *model.Error }

// codec connects gorilla's server to the envelope. The middleware has already found the method and read its parameters. gorilla
// calls the method's prepare step, and WriteResponse runs the Plan that the method returned.
type codec struct{}

func (codec) NewRequest(r *http.Request) gorilla.CodecRequest {
	return &codecRequest{ctx: r.Context(), call: CallFrom(r.Context())}
}

type codecRequest struct {
	ctx  context.Context
	call *Call
}

func (c *codecRequest) Method() (string, error) { return c.call.Method.Target, nil }

// ReadRequest decodes the parameters, unless the call has a stored reply.
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

// EnvelopeOf returns the envelope of a method's result, which may be a CommittedRefusal.
func EnvelopeOf(result any) ([]byte, error) {
	if o, ok := result.(CommittedRefusal); ok {
		return wire.Failure(o.Err), nil
	}
	return wire.Success(result)
}
