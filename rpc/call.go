package rpc

import (
	"context"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
	"tokensmith/store"
)

// call is one request on its way: who calls what, and how it ended.
type call struct {
	s      *Server
	method *method
	agent  *model.Agent // nil until authenticated
	scope  store.Scope  // what he sees; nil = everything
	remote string       // the caller's address, without port
	now    model.Time   // when the call began

	generation int64 // of the secret by which he proved himself
	authOnly   bool  // came to the listener of auth/* alone

	params jsontext.Value

	page   string   // of a page instead of a method: its name, for the log
	object string   // what it was done to, for the audit
	shows  bool     // a secret, in an attribute
	shown  []string // ids of the objects of which it showed one
	quiet  bool     // it changes nothing that belongs into the record, but when something was last used
	atEnd  []func() // run when it has been answered
	code   int      // of the reply
	cause  error    // of a fault, for the log
}

type callKey struct{}

func callOf(ctx context.Context) *call { return ctx.Value(callKey{}).(*call) }

func (c *call) newID() string { return c.s.cfg.NewID() }

// touched names what the call changed.
func (c *call) touched(noun, id string) { c.object = noun + " " + id }

// permits says whether the caller may use a method.
func (c *call) permits(path string) bool {
	return c.open(path) && model.Permits(c.agent.Permissions.Items(), path, reveals(path))
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

// run runs a plan in its transaction, which this function alone opens. A change and its audit row commit together.
func (c *call) run(ctx context.Context, plan *Plan) (result any, err error) {
	if view := plan.view; view != nil && (c.method.reveals || c.shows) {
		// That a secret was revealed is recorded with it, though nothing changes.
		plan = &Plan{update: func(tx *store.Tx) (any, error) { return view(&tx.ReadTx) }}
	}
	switch {
	case plan.view != nil:
		err = c.s.cfg.Store.View(ctx, func(tx *store.ReadTx) error {
			tx.Limit(c.scope)
			result, err = plan.view(tx)
			return err
		})
	case plan.update != nil:
		if strings.HasPrefix(c.method.path, "auth/") {
			ctx = context.WithoutCancel(ctx) // a refused credential counts, whoever hangs up
		}
		err = c.s.cfg.Store.Update(ctx, func(tx *store.Tx) error {
			c.object, c.quiet, c.shown = "", false, nil
			tx.Limit(c.scope)
			result, err = plan.update(tx)
			if err != nil {
				return err
			}
			if c.quiet {
				return nil
			}
			return c.audit(tx, result)
		})
	}
	if o, ok := result.(outcome); ok && err == nil {
		return nil, o.err
	}
	return result, err
}

// audit writes the call's row of the record.
func (c *call) audit(tx *store.Tx, result any) error {
	row := model.Audit{Time: c.now, Agent: c.agent.Name, Method: c.method.path, Object: c.object, Remote: c.remote}
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
	writeEnvelope(w, status, failure(e))
}
