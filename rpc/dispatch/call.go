package dispatch

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
	"tokensmith/rpc/caller"
	"tokensmith/rpc/conn"
	"tokensmith/rpc/limit"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// Call is one request while it is processed: what was sent, who calls, what its run did, and how it ended.
type Call struct {
	Server *Server
	Request
	caller.Caller
	Effects
	Method     *Method
	Idempotent *IdempotentCall // set if the call has an idempotency key

	Outer    *Call // the batch that this call belongs to, if any
	large    bool  // in a batch: one of its calls is large
	planOnly bool  // only make the plan and do not run it, as for a call of a batch
	plan     *Plan // with planOnly: the plan that the method made
	refusal  error // with planOnly: why it made none

	presearched map[string][]presearched // results of searches outside the change's transaction, by key
	Searches    *Searches                // set in an atomic batch, which searches inside its transaction

	HasLarge bool     // it holds the place for calls that need much memory
	heavy    bool     // it holds a place for replies that need much memory
	shows    bool     // its reply contains a secret attribute
	AtEnd    []func() // functions to run after the reply

	Page  string // name of a page, for the log, if the request is not for a method
	Code  int    // error code of the reply
	Cause error  // cause of an internal error, for the log
	place string // where a transaction panicked
}

// Request is what the client sent, when, and from where.
type Request struct {
	id       string           // request id, for the log
	Remote   string           // the caller's address, without port
	Conn     *conn.Connection // the connection of the request; nil if connections are not counted
	http2    bool             // the connection is shared with other requests
	AuthOnly bool             // it came to the listener that serves only auth/*
	Now      model.Time       // when the call began
	began    time.Time        // the same time, on the monotonic clock

	Params jsontext.Value
	size   int64          // size of a JSON-RPC request in bytes
	rpcID  jsontext.Value // id of a JSON-RPC request; empty for a notification
}

// Effects are what one run of a plan did, for the audit log. Each run begins with empty Effects, because a transaction may run
// again.
type Effects struct {
	Object      string       // the object of the audit row
	Changed     string       // what a change gave; see model.Audit
	Shown       []string     // ids of the objects whose secrets were returned
	SecretsTold []string     // in a batch: the objects whose secrets its calls returned
	Unrecorded  bool         // it changes nothing that the audit log records, except times of last use
	DryRun      bool         // it changes nothing at all: it is not recorded, and its reply is not stored for a repeat
	Person      *model.Agent // the person who signed in with this call
}

type callKey struct{}

// CallFrom returns the call in the context of a request.
func CallFrom(ctx context.Context) *Call { return ctx.Value(callKey{}).(*Call) }

// proven returns whether the caller is authenticated: an agent, a person, or a device that was not refused.
func (c *Call) proven() bool { return c.Agent != nil && (c.Agent.ID != "" || c.Code == 0) }

// NewID returns an id for a new object.
func (c *Call) NewID() string { return c.Server.Config.NewID() }

// name returns the name for the audit log: of the person who signed in with the call, or else of the caller.
func (c *Call) name() string {
	switch {
	case c.Person != nil:
		return c.Person.Name
	case c.Agent != nil:
		return c.Agent.Name
	}
	return ""
}

// SetObject sets the object that the call's audit row names.
func (c *Call) SetObject(noun, id string) { c.Object = noun + " " + id }

// AlsoTouched adds an audit row for another object that the call changed.
func (c *Call) AlsoTouched(tx store.Tx, noun, id string) error {
	return tx.Audit(&model.Audit{Time: c.Now, Agent: c.name(), Method: c.Method.Path, Object: noun + " " + id, Remote: c.Remote})
}

// RevealSecrets returns whether the call may return secret attributes. If it may, the call is recorded in the audit log.
func (c *Call) RevealSecrets() bool {
	c.shows = c.shows || c.MayReveal(c.Method.Path)
	return c.shows
}

// Run runs a plan in its transaction. A change, its audit row and the reply that is stored for a replay are committed together.
func (c *Call) Run(ctx context.Context, plan *Plan) (result any, err error) {
	if plan.Heavy || plan.Long && plan.View != nil {
		release, err := c.Acquire(ctx, plan)
		if err != nil {
			return nil, err
		}
		defer release()
	}
	if plan.View != nil {
		if result, err = c.read(ctx, plan); err != nil || !c.Records() {
			return result, err
		}
		// The reply is sent only after its audit row is committed.
		return result, c.Server.Config.Store.Update(ctx, func(tx store.Tx) error { return c.Audit(tx, result) })
	}
	if c.isLogin() {
		ctx = context.WithoutCancel(ctx) // a refused credential must be counted even if the client disconnects
	}
	update := c.Server.Config.Store.Update
	if plan.Shared && c.Idempotent == nil { // what is kept for a repeat may be refused
		update = c.Server.Config.Store.UpdateShared
	}
	if plan.Long {
		update = c.Server.Config.Store.UpdateLong
	}
	change := func(tx store.Tx) error {
		defer c.RecordPanic()
		once := c.Idempotent != nil && plan.Update != nil
		if once {
			if err := c.findReply(tx); err != nil {
				return err
			}
		}
		result, err = c.Apply(tx, plan)
		if err == nil && once && !c.DryRun {
			err = c.keep(tx, result)
		}
		return err
	}
	if plan.Parts != nil {
		result, err = plan.Parts(ctx)
	} else {
		err = c.withPresearches(ctx, func() error { return update(ctx, change) })
	}
	if c.Idempotent != nil && err != nil {
		if asStoredReply(err) == nil {
			// The same call may have run at the same time, and its change may be why this one was refused.
			if found := c.replayIfStored(ctx); asStoredReply(found) != nil {
				return nil, found
			}
			return nil, err
		}
		return nil, c.replay(ctx, err)
	}
	if o, ok := result.(CommittedRefusal); ok && err == nil {
		return nil, o.Err
	}
	return result, err
}

// read runs a plan that only reads.
func (c *Call) read(ctx context.Context, plan *Plan) (result any, err error) {
	view := c.Server.Config.Store.View
	switch {
	case plan.Reads == NoStatement:
		return plan.View(nil)
	case plan.Reads == OneStatement && !c.NeedsRecheck():
		view = c.Server.Config.Store.ViewOne
	}
	err = view(ctx, func(tx store.ReadTx) error {
		if err := c.Recheck(tx); err != nil {
			return err
		}
		c.Effects = Effects{}
		tx.SetScope(c.Scope)
		result, err = plan.View(tx)
		return err
	})
	return result, err
}

// Records returns whether a call that changes nothing is recorded in the audit log anyway, because it reveals a secret.
func (c *Call) Records() bool { return c.Method.Reveals || c.shows }

// Apply runs a plan inside a transaction and adds its audit row.
func (c *Call) Apply(tx store.Tx, plan *Plan) (result any, err error) {
	if err := c.Recheck(tx); err != nil {
		return nil, err
	}
	c.Effects = Effects{}
	tx = c.guarded(tx)
	tx.SetScope(c.Scope)
	if plan.View != nil {
		result, err = plan.View(tx)
	} else {
		result, err = plan.Update(tx)
	}
	if err != nil || c.Unrecorded || c.DryRun || plan.View != nil && !c.Records() {
		return result, err
	}
	return result, c.Audit(tx, result)
}

// isLogin returns whether the call checks credentials.
func (c *Call) isLogin() bool { return strings.HasPrefix(c.Method.Path, "auth/") }

// guarded returns the transaction for the call's plan. Methods whose callers prove their identity within the call (logins,
// devices) are not checked.
func (c *Call) guarded(tx store.Tx) store.Tx {
	if c.Method.Device || c.isLogin() {
		return caller.Unguarded(tx)
	}
	return c.Guarded(tx)
}

// NeedsRecheck is NeedsRecheck of the caller. The caller of a login is not read again: a login changes only what its credential
// permits, and logins are the most frequent calls.
func (c *Call) NeedsRecheck() bool { return !c.isLogin() && c.Caller.NeedsRecheck() }

// Recheck reads the caller again if NeedsRecheck, and returns an error if the caller may do less now than when the call began.
func (c *Call) Recheck(tx store.ReadTx) error {
	if !c.NeedsRecheck() {
		return nil
	}
	return c.Caller.Recheck(tx)
}

// Audit adds the call's audit row.
func (c *Call) Audit(tx store.Tx, result any) error {
	row := model.Audit{Time: c.Now, Agent: c.name(), Method: c.Method.Path, Object: c.Object, Remote: c.Remote, Changed: c.Changed}
	if o, ok := result.(CommittedRefusal); ok {
		row.Outcome = int64(wire.CodeOf(o.Err).Number)
	}
	if len(c.Shown) == 0 {
		return tx.Audit(&row)
	}
	// If secrets were returned, add one row for each.
	for _, id := range c.Shown {
		each := row
		each.Object = id
		if err := tx.Audit(&each); err != nil {
			return err
		}
	}
	return nil
}

// Fail replies with the envelope of an error. The HTTP status is 200 if a method returned the error; errors from before the
// method have a status of their own.
func (c *Call) Fail(w http.ResponseWriter, err error, byMethod bool) {
	if a := asStoredReply(err); a != nil {
		a.replay(w, c)
		return
	}
	e := wire.ClientError(err)
	if e.Kind == model.Internal || e.Kind == model.Unavailable {
		c.Cause = err
	}
	if e.Kind == model.TooMany {
		setRetryAfter(w, e)
		byMethod = byMethod && !c.Method.Device // clients of the older API do not call device methods
	}
	code := wire.CodeOf(e)
	c.Code = code.Number
	status := code.Status
	if byMethod || status == 0 {
		status = http.StatusOK
	}
	body := wire.Failure(e)
	c.answering(w, int64(len(body)))
	wire.WriteEnvelope(w, status, body)
}

// TakeAttempt takes one of the attempts of the caller's address. After the reply, the attempt counts as failed if the reply has
// the code of one of the kinds in wrong.
func (c *Call) TakeAttempt(ctx context.Context, of *limit.Attempts, wrong ...model.Kind) error {
	settle, err := of.Take(ctx, c.Remote, c.Now)
	if err != nil {
		return err
	}
	c.AtEnd = append(c.AtEnd, func() {
		settle(slices.ContainsFunc(wrong, func(k model.Kind) bool { return wire.Codes[k].Number == c.Code }))
	})
	return nil
}
