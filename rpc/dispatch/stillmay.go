package dispatch

import (
	"strings"
	"sync/atomic"

	"tokensmith/model"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// A call may be long on its way behind the moment in which its caller was found: its body comes slowly, it waits for a place or for
// others' changes, or it is one of many in a batch. Whoever takes a right away is answered store.CallersKept later, and nothing goes
// by that right from then on. So a caller who was read longer ago is read anew, in the transaction that goes by it.

// proof is what a call goes by of its caller. The calls of a batch share one.
type proof struct {
	read  atomic.Int64 // when the caller was read last, a model.Time
	again func(tx store.ReadTx) error
}

// ProvenBy notes when the caller was read. again reads it anew, and refuses it where it may do less now.
func (c *Call) ProvenBy(read model.Time, again func(tx store.ReadTx) error) {
	c.proof = &proof{again: again}
	c.proof.read.Store(int64(read))
}

// late says whether the caller is to be read anew. That of a login is not: it changes nothing but what its credential says, and is
// called most.
func (c *Call) late() bool {
	if c.proof == nil || strings.HasPrefix(c.Method.Path, "auth/") {
		return false
	}
	return c.clock()-model.Time(c.proof.read.Load()) >= model.Time(store.CallersKept.Milliseconds())
}

// clock is what time it is, where Now is when the call began.
func (c *Call) clock() model.Time { return model.At(c.Server.Config.Now()) }

// StillMay refuses a call whose caller may do less now than when it called.
func (c *Call) StillMay(tx store.ReadTx) error {
	if !c.late() {
		return nil
	}
	now := c.clock()
	err := c.proof.again(tx)
	if _, writes := tx.(store.Tx); writes && err == nil { // a snapshot may be old
		c.proof.read.Store(int64(now))
	}
	return err
}

var (
	errNoCaller = model.Errorf(model.NotAuthentic, "the caller is not authenticated any more")
	errLess     = model.Errorf(model.NotPermitted, "not permitted: the caller may do less than when it called; call again")
)

// agentAgain reads an agent anew who called by a claim.
func (c *Call) agentAgain(given claim) func(tx store.ReadTx) error {
	return func(tx store.ReadTx) error {
		var a model.Agent
		err := tx.Load(&a, c.Agent.ID)
		switch proven := given.spki != "" && a.Certificates.Has(given.spki) || given.spki == "" && a.Honours(c.generation, c.clock()); {
		case wire.NoSingleMatch(err):
			return errNoCaller
		case err != nil:
			return err
		case !proven || a.Status != model.Active || !addressed(a.Addresses, c.Remote):
			return errNoCaller
		}
		return c.Lessened(&a)
	}
}

// Lessened refuses a call whose caller, as he is now, may do less, or is held to more, than when he called.
func (c *Call) Lessened(now *model.Agent) error {
	then := c.Agent
	switch {
	case !model.Covers(now.Permissions.Items(), then.Permissions.Items(), c.Server.Reveals),
		now.Domains != then.Domains && now.Domains != "", now.Addresses != then.Addresses && now.Addresses != "",
		now.RateLimit != then.RateLimit && now.RateLimit != 0:
		return errLess
	}
	return nil
}
