package dispatch

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
	"tokensmith/rpc/conn"
	"tokensmith/rpc/limit"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// Call is one request on its way: what came, who calls, what its run did, and how it ended.
type Call struct {
	Server *Server
	Request
	Caller
	Effects
	Method     *Method
	Idempotent *IdempotentCall // of a call that carries an idempotency key

	Outer    *Call // of a call in a batch: the batch
	large    bool  // of a batch: one of its calls needs much memory
	planOnly bool  // the plan is wanted and not its run, as for a call of a batch
	plan     *Plan // then: what the method's prepare step left
	refusal  error // then: why it left none

	HasLarge bool     // it has the place of what needs much memory
	heavy    bool     // it has one of those of replies that do
	shows    bool     // it shows a secret, in an attribute
	AtEnd    []func() // run when it has been answered

	Page  string // of a page instead of a method: its name, for the log
	Code  int    // of the reply
	Cause error  // of a fault, for the log
	place string // of a panic in a transaction
}

// Request is what came, and when and whence.
type Request struct {
	id       string           // for the log
	Remote   string           // the caller's address, without port
	Conn     *conn.Connection // on which it came; nil = it is not counted
	http2    bool             // it has its connection with others
	AuthOnly bool             // it came to the listener of auth/* alone
	Now      model.Time       // when the call began
	began    time.Time        // the same, for how long it takes

	Params jsontext.Value
	size   int64          // bytes of a JSON-RPC request
	rpcID  jsontext.Value // its id; none = nobody wants a response
}

// Caller is who calls, with what it may do and what it sees.
type Caller struct {
	Agent      *model.Agent // nil until authenticated
	Scope      store.Scope  // what it sees; nil = everything
	generation int64        // of the secret by which it proved itself
}

// Effects are what one run of a plan did, for its row of the record. Each run begins with none, for a transaction may run again.
type Effects struct {
	Object      string       // what it was done to
	Shown       []string     // ids of the objects of which a secret was shown
	SecretsTold []string     // of a batch: what its calls told a secret of
	Quiet       bool         // it changes nothing that belongs into the record, but when something was last used
	Person      *model.Agent // who signed in by it
}

type callKey struct{}

// CallFrom returns the call that a request's context carries.
func CallFrom(ctx context.Context) *Call { return ctx.Value(callKey{}).(*Call) }

// proven says whether the caller is known: an agent or a person, or a device that was not refused.
func (c *Call) proven() bool { return c.Agent != nil && (c.Agent.ID != "" || c.Code == 0) }

// NewID makes an id of a new object.
func (c *Call) NewID() string { return c.Server.Config.NewID() }

// name returns the name of whom the call is of: who signed in by it, or the caller.
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

// AlsoTouched records another object that the call changed, beside the one it was made for.
func (c *Call) AlsoTouched(tx store.Tx, noun, id string) error {
	return tx.Audit(&model.Audit{Time: c.Now, Agent: c.name(), Method: c.Method.Path, Object: noun + " " + id, Remote: c.Remote})
}

// Permits says whether the caller may use a method.
func (c *Call) Permits(path string) bool {
	return c.open(path) && model.Permits(c.Agent.Permissions.Items(), path, c.Server.Reveals(path))
}

// MayShowSecrets reports whether the call may show secret attributes; if so, the call is audited.
func (c *Call) MayShowSecrets() bool {
	c.shows = c.shows || model.Permits(c.Agent.Permissions.Items(), c.Method.Path, true)
	return c.shows
}

// Need refuses a caller who may not use a method.
func (c *Call) Need(path string) error {
	if !c.Permits(path) {
		return model.Errorf(model.NotPermitted, "not permitted: %s", path)
	}
	return nil
}

// Run runs a plan in its transaction, which this function alone opens. A change, its audit row and the answer kept for
// a repeat commit together.
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
		// What was read is shown when its row is there.
		return result, c.Server.Config.Store.Update(ctx, func(tx store.Tx) error { return c.Audit(tx, result) })
	}
	if strings.HasPrefix(c.Method.Path, "auth/") {
		ctx = context.WithoutCancel(ctx) // a refused credential counts, whoever hangs up
	}
	update := c.Server.Config.Store.Update
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
		if err == nil && once {
			err = c.keep(tx, result)
		}
		return err
	}
	if plan.Parts != nil {
		result, err = plan.Parts(ctx)
	} else {
		err = update(ctx, change)
	}
	if c.Idempotent != nil && err != nil {
		if asStoredReply(err) == nil {
			// The same call may have been carried out at the same moment, and refused this one's change.
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
	switch plan.Reads {
	case NoStatement:
		return plan.View(nil)
	case OneStatement:
		view = c.Server.Config.Store.ViewOne
	}
	err = view(ctx, func(tx store.ReadTx) error {
		c.Effects = Effects{}
		tx.Limit(c.Scope)
		result, err = plan.View(tx)
		return err
	})
	return result, err
}

// Records says whether a call that changes nothing has its row in the record all the same: one that reveals a secret.
func (c *Call) Records() bool { return c.Method.Reveals || c.shows }

// Apply runs a plan inside a transaction and writes its row of the record.
func (c *Call) Apply(tx store.Tx, plan *Plan) (result any, err error) {
	c.Effects = Effects{}
	tx = c.guarded(tx)
	tx.Limit(c.Scope)
	if plan.View != nil {
		result, err = plan.View(tx)
	} else {
		result, err = plan.Update(tx)
	}
	if err != nil || c.Quiet || plan.View != nil && !c.Records() {
		return result, err
	}
	return result, c.Audit(tx, result)
}

// Audit writes the call's row of the record.
func (c *Call) Audit(tx store.Tx, result any) error {
	row := model.Audit{Time: c.Now, Agent: c.name(), Method: c.Method.Path, Object: c.Object, Remote: c.Remote}
	if o, ok := result.(CommittedRefusal); ok {
		row.Outcome = int64(wire.CodeOf(o.Err).Number)
	}
	if len(c.Shown) == 0 {
		return tx.Audit(&row)
	}
	// A row for each secret that was shown.
	for _, id := range c.Shown {
		each := row
		each.Object = id
		if err := tx.Audit(&each); err != nil {
			return err
		}
	}
	return nil
}

// Fail answers with an error's envelope. What a method answered is 200; what was decided before has its own status.
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
		byMethod = byMethod && !c.Method.Device // no client of old calls these
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

// TakeAttempt takes one of the tries of the caller's address, which the reply decides on: a code of wrong counts.
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
