package caller

import (
	"sync/atomic"

	"tokensmith/model"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// A call may run long after the server read its caller: its body may arrive slowly, it may wait for a place or for other changes,
// or it may be one of many in a batch. But when a right is taken away, the server promises that nobody uses it later than
// store.MaxCallerAge after the change. So if the caller was read longer ago than that, the transaction of the call reads the
// caller again.

// proof is what the server knows about the caller of a call. All calls of a batch share one proof.
type proof struct {
	read  atomic.Int64 // when the caller was last read, as a model.Time
	again func(tx store.ReadTx) error
}

// ProvenBy stores when the caller was read. again reads the caller again, and returns an error if the caller may do less now.
func (c *Caller) ProvenBy(read model.Time, again func(tx store.ReadTx) error) {
	c.proof = &proof{again: again}
	c.proof.read.Store(int64(read))
}

// NeedsRecheck returns whether the caller was read so long ago that it must be read again. It also does if the clock was set back
// since, so that nobody knows how long ago that was.
func (c *Caller) NeedsRecheck() bool {
	if c.proof == nil {
		return false
	}
	ago := c.clock() - model.Time(c.proof.read.Load())
	return ago < 0 || ago >= model.Time(store.MaxCallerAge.Milliseconds())
}

// clock returns the current time, whereas Now of a call is the time when it began.
func (c *Caller) clock() model.Time { return model.At(c.callers.Now()) }

// Recheck reads the caller again if NeedsRecheck. It returns an error if the caller may do less now than when the call began.
func (c *Caller) Recheck(tx store.ReadTx) error {
	if !c.NeedsRecheck() {
		return nil
	}
	now := c.clock()
	err := c.proof.again(tx)
	if _, writes := tx.(store.Tx); writes && err == nil { // only then: a snapshot may be older than now
		c.proof.read.Store(int64(now))
	}
	return err
}

var (
	errNoCaller = model.Errorf(model.NotAuthentic, "the caller is not authenticated any more")
	errLess     = model.Errorf(model.NotPermitted, "not permitted: the caller lost rights since the call began; call again")
)

// agentAgain returns a function that reads the calling agent again and checks it against the claim that it made from an address.
func (c *Caller) agentAgain(given Claim, remote string) func(tx store.ReadTx) error {
	return func(tx store.ReadTx) error {
		var a model.Agent
		err := tx.Load(&a, c.Agent.ID)
		switch proven := given.certificate != "" && a.Certificates.Has(given.certificate) || given.certificate == "" && a.Honours(c.generation, c.clock()); {
		case wire.NoSingleMatch(err):
			return errNoCaller
		case err != nil:
			return err
		case !proven || a.Status != model.Active || !addressed(a.Addresses, remote):
			return errNoCaller
		}
		return c.CheckRights(&a)
	}
}

// CheckRights returns an error if the caller, as just read, may do less or has more restrictions than when the call began.
func (c *Caller) CheckRights(now *model.Agent) error {
	then := c.Agent
	switch {
	case !model.Covers(now.Permissions.Items(), then.Permissions.Items(), c.callers.Reveals),
		now.Domains != then.Domains && now.Domains != "", now.Addresses != then.Addresses && now.Addresses != "",
		now.RateLimit != then.RateLimit && now.RateLimit != 0,
		now.Applications != then.Applications && now.Applications != "":
		return errLess
	}
	return nil
}
