package logon

import (
	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// RealmCheck returns what each transaction of a call must begin with so that it sees only users of the realm of an application: the one
// that the call names, or else the caller's only one. A caller with several must name one, so that no realm is left by silence. A
// caller without any who names none is held to no application: then there is nothing to do. then, if it is not nil, is called with
// the id of the application, "" if there is none.
func RealmCheck(c *dispatch.Call, named wire.Named, then func(tx store.ReadTx, application string) error) (func(tx store.ReadTx) error, error) {
	mine := c.Agent.Applications.Items()
	if named == (wire.Named{}) {
		switch {
		case len(mine) > 1:
			return nil, model.AttrErrorf(model.Missing, "application", "is required: the caller has several")
		case len(mine) == 0 && then == nil:
			return nil, nil
		case len(mine) == 0:
			return nil, then(nil, "")
		}
	}
	return func(tx store.ReadTx) error {
		id, err := Find(tx, named, mine)
		if err == nil && then != nil {
			err = then(tx, id)
		}
		return err
	}, nil
}

// PlanWithRealm makes a plan one for an application; see RealmCheck.
func PlanWithRealm(c *dispatch.Call, named wire.Named, plan *dispatch.Plan, then func(tx store.ReadTx, application string) error) error {
	enter, err := RealmCheck(c, named, then)
	if err == nil {
		Begin(plan, enter)
	}
	return err
}

// Begin makes a plan begin with what RealmCheck returned.
func Begin(plan *dispatch.Plan, enter func(tx store.ReadTx) error) {
	if enter == nil {
		return
	}
	if update := plan.Update; update != nil {
		plan.Update = func(tx store.Tx) (any, error) {
			if err := enter(tx); err != nil {
				return nil, err
			}
			return update(tx)
		}
	}
	if view := plan.View; view != nil {
		plan.Reads = 0
		plan.View = func(tx store.ReadTx) (any, error) {
			if err := enter(tx); err != nil {
				return nil, err
			}
			return view(tx)
		}
	}
}
