package rpc

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
	"tokensmith/store"
)

// call is one request on its way: what came, who calls, what its run did, and how it ended.
type call struct {
	s *core
	request
	caller
	effects
	method *method
	once   *once // of a call that carries an idempotency key

	outer    *call // of a call in a batch: the batch
	large    bool  // of a batch: one of its calls needs much memory
	planOnly bool  // the plan is wanted and not its run, as for a call of a batch
	plan     *Plan // then: what the method's prepare step left
	refusal  error // then: why it left none

	turn  bool     // it has the place of what needs much memory
	heavy bool     // it has one of those of replies that do
	shows bool     // it shows a secret, in an attribute
	atEnd []func() // run when it has been answered

	page  string // of a page instead of a method: its name, for the log
	code  int    // of the reply
	cause error  // of a fault, for the log
	place string // of a panic in a transaction
}

// request is what came, and when and whence.
type request struct {
	id       string      // for the log
	remote   string      // the caller's address, without port
	conn     *connection // on which it came; nil = it is not counted
	http2    bool        // it has its connection with others
	authOnly bool        // it came to the listener of auth/* alone
	now      model.Time  // when the call began
	began    time.Time   // the same, for how long it takes

	params jsontext.Value
	size   int64          // bytes of a JSON-RPC request
	rpcID  jsontext.Value // its id; none = nobody wants a response
}

// caller is who calls, with what it may do and what it sees.
type caller struct {
	agent      *model.Agent // nil until authenticated
	scope      store.Scope  // what it sees; nil = everything
	generation int64        // of the secret by which it proved itself
}

// effects are what one run of a plan did, for its row of the record. Each run begins with none, for a transaction may run again.
type effects struct {
	object string       // what it was done to
	shown  []string     // ids of the objects of which a secret was shown
	told   []string     // of a batch: what its calls told a secret of
	quiet  bool         // it changes nothing that belongs into the record, but when something was last used
	person *model.Agent // who signed in by it
}

type callKey struct{}

func callOf(ctx context.Context) *call { return ctx.Value(callKey{}).(*call) }

// proven says whether the caller is known: an agent or a person, or a device that was not refused.
func (c *call) proven() bool { return c.agent != nil && (c.agent.ID != "" || c.code == 0) }

func (c *call) newID() string { return c.s.cfg.NewID() }

// name returns the name of whom the call is of: who signed in by it, or the caller.
func (c *call) name() string {
	switch {
	case c.person != nil:
		return c.person.Name
	case c.agent != nil:
		return c.agent.Name
	}
	return ""
}

// touched names what the call changed.
func (c *call) touched(noun, id string) { c.object = noun + " " + id }

// permits says whether the caller may use a method.
func (c *call) permits(path string) bool {
	return c.open(path) && model.Permits(c.agent.Permissions.Items(), path, c.s.reveals(path))
}

// showing says whether the call may show secrets among its object's attributes, and notes that it does.
func (c *call) showing() bool {
	c.shows = c.shows || model.Permits(c.agent.Permissions.Items(), c.method.path, true)
	return c.shows
}

// need refuses a caller who may not use a method.
func (c *call) need(path string) error {
	if !c.permits(path) {
		return model.Errorf(model.NotPermitted, "not permitted: %s", path)
	}
	return nil
}

// run runs a plan in its transaction, which this function alone opens. A change, its audit row and the answer kept for
// a repeat commit together.
func (c *call) run(ctx context.Context, plan *Plan) (result any, err error) {
	if plan.heavy || plan.long && plan.view != nil {
		release, err := c.takePlaces(ctx, plan)
		if err != nil {
			return nil, err
		}
		defer release()
	}
	if plan.view != nil {
		if result, err = c.read(ctx, plan); err != nil || !c.records() {
			return result, err
		}
		// What was read is shown when its row is there.
		return result, c.s.cfg.Store.Update(ctx, func(tx store.Tx) error { return c.audit(tx, result) })
	}
	if strings.HasPrefix(c.method.path, "auth/") {
		ctx = context.WithoutCancel(ctx) // a refused credential counts, whoever hangs up
	}
	update := c.s.cfg.Store.Update
	if plan.long {
		update = c.s.cfg.Store.UpdateLong
	}
	change := func(tx store.Tx) error {
		defer c.placed()
		once := c.once != nil && plan.update != nil
		if once {
			if err := c.repeated(tx); err != nil {
				return err
			}
		}
		result, err = c.apply(tx, plan)
		if err == nil && once {
			err = c.keep(tx, result)
		}
		return err
	}
	if plan.parts != nil {
		result, err = plan.parts(ctx)
	} else {
		err = update(ctx, change)
	}
	if c.once != nil && err != nil {
		if asAnswered(err) == nil {
			// The same call may have been carried out at the same moment, and refused this one's change.
			if found := c.before(ctx); asAnswered(found) != nil {
				return nil, found
			}
			return nil, err
		}
		return nil, c.again(ctx, err)
	}
	if o, ok := result.(outcome); ok && err == nil {
		return nil, o.err
	}
	return result, err
}

// read runs a plan that only reads.
func (c *call) read(ctx context.Context, plan *Plan) (result any, err error) {
	view := c.s.cfg.Store.View
	switch plan.reads {
	case nothing:
		return plan.view(nil)
	case statement:
		view = c.s.cfg.Store.ViewOne
	}
	err = view(ctx, func(tx store.ReadTx) error {
		c.effects = effects{}
		tx.Limit(c.scope)
		result, err = plan.view(tx)
		return err
	})
	return result, err
}

// records says whether a call that changes nothing has its row in the record all the same: one that reveals a secret.
func (c *call) records() bool { return c.method.reveals || c.shows }

// apply runs a plan inside a transaction and writes its row of the record.
func (c *call) apply(tx store.Tx, plan *Plan) (result any, err error) {
	c.effects = effects{}
	tx = c.guarded(tx)
	tx.Limit(c.scope)
	if plan.view != nil {
		result, err = plan.view(tx)
	} else {
		result, err = plan.update(tx)
	}
	if err != nil || c.quiet || plan.view != nil && !c.records() {
		return result, err
	}
	return result, c.audit(tx, result)
}

// audit writes the call's row of the record.
func (c *call) audit(tx store.Tx, result any) error {
	row := model.Audit{Time: c.now, Agent: c.name(), Method: c.method.path, Object: c.object, Remote: c.remote}
	if o, ok := result.(outcome); ok {
		row.Outcome = int64(codeOf(o.err).number)
	}
	if len(c.shown) == 0 {
		return tx.Audit(&row)
	}
	// A row for each secret that was shown.
	for _, id := range c.shown {
		each := row
		each.Object = id
		if err := tx.Audit(&each); err != nil {
			return err
		}
	}
	return nil
}

// fail answers with an error's envelope. What a method answered is 200; what was decided before has its own status.
func (c *call) fail(w http.ResponseWriter, err error, byMethod bool) {
	if a := asAnswered(err); a != nil {
		a.again(w, c)
		return
	}
	e := wireError(err)
	if e.Kind == model.Internal || e.Kind == model.Unavailable {
		c.cause = err
	}
	if e.Kind == model.TooMany {
		retryAfter(w, e)
		byMethod = byMethod && !c.method.device // no client of old calls these
	}
	code := codeOf(e)
	c.code = code.number
	status := code.status
	if byMethod || status == 0 {
		status = http.StatusOK
	}
	body := failure(e)
	c.answering(w, int64(len(body)))
	writeEnvelope(w, status, body)
}
