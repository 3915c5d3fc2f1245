// Package batch carries out many calls in one request. An atomic batch is one transaction. A batch that only reads uses one
// snapshot. Any other batch runs in parts, so that other callers need not wait until all of it is done.
package batch

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// Batch is the receiver of batch/execute.
type Batch struct{ Server *dispatch.Server }

const (
	batchCalls = 10_000
	batchReply = 16 << 20 // limit for the replies of a batch that is not large, in bytes

	atomicTime   = 5 * time.Second        // time limit of an atomic batch
	atomicAlone  = 800 * time.Millisecond // the same if other Updates wait for it, as on SQLite; with the commit, about one second
	snapshotTime = 20 * time.Second       // time limit of a batch on one snapshot, because a snapshot makes SQLite's write-ahead log grow
	partTime     = 200 * time.Millisecond // a part ends after this time, so that other Updates can run
	partReply    = 1 << 20                // a part ends when its replies exceed this size, in bytes
)

// ExecuteArgs are the parameters of batch/execute.
type ExecuteArgs struct {
	Calls  []jsontext.Value `json:"calls"`
	Atomic jsontext.Value   `json:"atomic"`
}

// innerCall is one call of a batch as sent.
type innerCall struct {
	Method *wire.Text     `json:"method"`
	Params jsontext.Value `json:"params"`
}

// prepared is a call of a batch that is ready to run, or was refused before it could run.
type prepared struct {
	name string
	call *dispatch.Call
	plan *dispatch.Plan
	err  error
}

// batchStopped is the detail of the error for an atomic batch that was refused.
type batchStopped struct {
	Call  int            `json:"call"` // starting at 1
	Reply jsontext.Value `json:"reply"`
}

// Execute carries out the calls of a batch and returns their envelopes in order. Each call needs its own permission and gets its
// own audit row. All calls are prepared before the first one runs; the objects that they name are looked up when they run.
//
//   - If all calls only read, they run on one snapshot.
//   - An atomic batch runs in one transaction. If a call is refused, everything is undone.
//   - Any other batch runs in parts, so that nobody has to wait long for it. A call that changes many rows ends its part. If a
//     call is refused, only that call is undone.
func (m *Batch) Execute(r *http.Request, args *ExecuteArgs, plan *dispatch.Plan) error {
	outer := dispatch.CallFrom(r.Context())
	atomic := false
	if args.Atomic != nil && args.Atomic.Kind() != 'n' {
		var err error
		if atomic, err = wire.BoolOf("atomic", args.Atomic); err != nil {
			return err
		}
	}
	switch {
	case len(args.Calls) == 0:
		return model.AttrErrorf(model.Missing, "calls", "is required")
	case len(args.Calls) > batchCalls:
		return model.AttrErrorf(model.Invalid, "calls", "at most %d calls fit into a batch", batchCalls)
	}
	calls := make([]*prepared, len(args.Calls))
	for i, raw := range args.Calls {
		if err := r.Context().Err(); err != nil {
			return err
		}
		calls[i] = m.prepare(r.Context(), outer, raw, atomic)
	}
	switch {
	case !slices.ContainsFunc(calls, (*prepared).changes):
		plan.Long, plan.Heavy = true, heavy(calls)
		plan.View = func(tx store.ReadTx) (any, error) {
			return m.run(r.Context(), outer, calls, atomic, snapshotTime, func(p *prepared) ([]byte, error) { return m.look(tx, p) })
		}
	case atomic:
		plan.Long, plan.Heavy = true, heavy(calls)
		plan.Update = func(tx store.Tx) (any, error) {
			outer.Unrecorded = true
			tx.TimeLimit(atomicAlone, batchTooLong(atomicAlone))
			searches := dispatch.NewSearches()
			for _, p := range calls {
				if p.call != nil {
					p.call.Searches = searches
				}
			}
			return m.run(r.Context(), outer, calls, true, atomicTime, func(p *prepared) ([]byte, error) { return m.step(tx, p, true) })
		}
	default:
		plan.Parts = func(ctx context.Context) (any, error) { return m.parts(ctx, outer, calls) }
	}
	return nil
}

func heavy(calls []*prepared) bool {
	return slices.ContainsFunc(calls, func(p *prepared) bool { return p.plan != nil && p.plan.Heavy })
}

// changes returns whether a call writes anything, which may be only an audit row.
func (p *prepared) changes() bool { return p.plan != nil && (p.plan.View == nil || p.call.Records()) }

// long returns whether a call changes many rows, so that others have to wait for this call alone.
func (p *prepared) long() bool { return p.plan != nil && p.plan.Long && p.plan.View == nil }

// prepare has the method of a call prepare it.
func (m *Batch) prepare(ctx context.Context, outer *dispatch.Call, raw jsontext.Value, atomic bool) *prepared {
	var sent innerCall
	p := &prepared{}
	if raw.Kind() != '{' {
		p.err = model.Errorf(model.Unreadable, "a call must be an object")
		return p
	}
	if p.err = wire.ReadArgs(raw, &sent); p.err != nil {
		return p
	}
	if sent.Method == nil {
		p.err = model.AttrErrorf(model.Missing, "method", "is required")
		return p
	}
	p.name = strings.TrimPrefix(string(*sent.Method), "/")
	method := m.Server.Method(p.name)
	if method == nil {
		p.err = model.Errorf(model.NoMethod, "no such method")
		p.name = "" // the name is not known, so it must not get into the log
		return p
	}
	c := &dispatch.Call{Server: outer.Server, Method: method, Caller: outer.Caller, Outer: outer, Request: dispatch.Request{Remote: outer.Remote, Now: outer.Now, Params: sent.Params}}
	p.call = c
	limit := dispatch.SmallBody
	if method.Large {
		limit = int(m.Server.Config.LargeBody)
	}
	switch {
	case strings.HasPrefix(p.name, "auth/"), method.Device, method.Stream, method.Alone, p.name == dispatch.ExecutePath:
		p.err = model.Errorf(model.NotPermitted, "not permitted in a batch: %s", p.name)
	case atomic && method.NotAtomic:
		p.err = model.Errorf(model.NotPermitted, "not permitted in an atomic batch: %s, because its refusals are counted", p.name)
	case len(c.Params) == 0 || c.Params.Kind() == 'n':
		c.Params = jsontext.Value("{}")
	case c.Params.Kind() != '{':
		p.err = model.Errorf(model.Unreadable, "the parameters must be an object")
	case len(c.Params) > limit:
		p.err = model.Errorf(model.TooLarge, "the parameters are larger than %d bytes", limit)
	}
	if p.err == nil {
		p.err = c.Allowed()
	}
	if p.err == nil {
		p.plan, p.err = m.Server.Plan(ctx, c)
	}
	return p
}

// run runs the prepared calls of a batch in one transaction or snapshot.
func (m *Batch) run(ctx context.Context, outer *dispatch.Call, calls []*prepared, atomic bool, limit time.Duration, step func(*prepared) ([]byte, error)) (any, error) {
	began, most := time.Now(), m.maxReply(outer)
	reply := outer.Reply()
	reply.Add("[")
	for i, p := range calls {
		// Others wait for this batch. If it takes too long, or the client has disconnected, everything is undone.
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if time.Since(began) > limit {
			return nil, &model.Error{Kind: model.TooLarge, Msg: batchTooLong(limit)}
		}
		envelope, err := step(p)
		if err == nil && p.err != nil && atomic {
			err = p.stop(i, envelope)
		}
		if err != nil {
			return nil, err
		}
		outer.SecretsTold = append(outer.SecretsTold, p.tells()...)
		if i > 0 {
			reply.Add(",")
		}
		if err := reply.Write(envelope); err != nil {
			return nil, err
		}
		if reply.Size() > most {
			return nil, repliesTooLarge(most)
		}
	}
	reply.Add("]")
	return reply.End()
}

// batchTooLong returns the message for an atomic batch that takes too long.
func batchTooLong(limit time.Duration) string {
	return fmt.Sprintf("the batch takes longer than %s, the limit of one transaction: nothing is changed; "+
		"send fewer calls at once, or leave out \"atomic\", so that it is carried out in parts", limit)
}

// maxReply returns the size limit for all replies of a batch together.
func (m *Batch) maxReply(outer *dispatch.Call) int64 {
	if outer.HasLarge {
		return m.Server.Config.LargeBody
	}
	return min(m.Server.Config.LargeBody, batchReply)
}

func repliesTooLarge(most int64) error {
	return model.Errorf(model.TooLarge, "the answers of the batch are larger than %d bytes", most)
}

// tells returns the objects whose secrets a call returned; none if the call was refused.
func (p *prepared) tells() []string {
	if p.plan == nil || p.err != nil {
		return nil
	}
	return p.call.SecretsReturned()
}

// look runs a call that only reads, or takes the error of its preparation, and returns its envelope. An error ends the whole
// batch.
func (m *Batch) look(tx store.ReadTx, p *prepared) ([]byte, error) {
	if p.plan == nil {
		return m.refused(p), nil
	}
	p.err = nil // left by an earlier run
	tx.SetScope(p.call.Scope)
	var result any
	err := p.call.Recheck(tx)
	if err == nil {
		result, err = p.plan.View(tx)
	}
	if tx.Failed() != nil {
		return nil, tx.Failed()
	}
	var envelope []byte
	if err == nil {
		envelope, err = m.envelope(p, result)
	}
	if err != nil {
		p.err = err
		return m.refused(p), nil
	}
	return envelope, nil
}

// envelope returns the envelope of the result of a call.
func (m *Batch) envelope(p *prepared, result any) ([]byte, error) {
	b, ok := result.(*dispatch.FileResult)
	if !ok {
		return dispatch.EnvelopeOf(result)
	}
	defer b.File.Close() // the file is not needed after this
	if most := m.maxReply(p.call.Outer); b.File.Size > most {
		return nil, repliesTooLarge(most)
	}
	return wire.Success(b)
}

// step runs a call, or takes the error of its preparation, and returns its envelope. An error ends the whole batch.
func (m *Batch) step(tx store.Tx, p *prepared, atomic bool) ([]byte, error) {
	if p.plan == nil {
		return m.refused(p), nil
	}
	var envelope []byte
	p.err = nil // left by an earlier run
	err := tx.Try(func(tx store.Tx) error {
		result, err := m.apply(tx, p)
		if _, ok := result.(dispatch.CommittedRefusal); ok && atomic && err == nil {
			return fmt.Errorf("%s refuses what must count, and the table of methods does not say so", p.name)
		}
		if err == nil {
			envelope, err = m.envelope(p, result)
		}
		return err
	})
	if tx.Failed() != nil {
		return nil, tx.Failed()
	}
	if dispatch.NeedsPresearch(err) {
		return nil, err
	}
	if err != nil {
		p.err = err
		return m.refused(p), nil
	}
	return envelope, nil
}

// apply runs the plan of a call. In an atomic batch, the time of a call that reads is limited, because others wait for it.
func (m *Batch) apply(tx store.Tx, p *prepared) (result any, err error) {
	if p.plan.View == nil || p.call.Searches == nil {
		return p.call.Apply(tx, p.plan)
	}
	err = p.call.Searches.Run(tx, func() (err error) { result, err = p.call.Apply(tx, p.plan); return err })
	return result, err
}

// refused returns the envelope of a refused call, and logs the cause of an internal error.
func (m *Batch) refused(p *prepared) []byte {
	e := wire.ClientError(p.err)
	if e.Kind == model.Internal {
		m.Server.Config.Log.Error().Err(p.err).Str("method", p.name).Msg("call in a batch")
	}
	return wire.Failure(e)
}

// stop returns the error for an atomic batch in which a call was refused.
func (p *prepared) stop(i int, envelope []byte) error {
	name := ""
	if p.name != "" {
		name = " (" + p.name + ")"
	}
	e := model.Errorf(model.BatchRefused, "call %d%s is refused, nothing is changed: %s", i+1, name, wire.ClientError(p.err).Msg)
	e.Detail = batchStopped{i + 1, envelope}
	return e
}
