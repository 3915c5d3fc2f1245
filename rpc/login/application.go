package login

import (
	"slices"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/logon"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// realmCheck returns what each transaction of a call must begin with so that it sees only users of the realm of an application: the one
// that the call names, or else the caller's only one. A caller with several must name one, so that no realm is left by silence. A
// caller without any who names none is held to no application: then there is nothing to do. then, if it is not nil, is called with
// the id of the application, "" if there is none.
func realmCheck(c *dispatch.Call, named wire.Named, then func(tx store.ReadTx, application string) error) (func(tx store.ReadTx) error, error) {
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
		id, err := logon.Find(tx, named, mine)
		if err == nil && then != nil {
			err = then(tx, id)
		}
		return err
	}, nil
}

// planWithRealm makes a plan one for an application; see realmCheck.
func planWithRealm(c *dispatch.Call, named wire.Named, plan *dispatch.Plan, then func(tx store.ReadTx, application string) error) error {
	enter, err := realmCheck(c, named, then)
	if err == nil {
		begin(plan, enter)
	}
	return err
}

// begin makes a plan begin with what realmCheck returned.
func begin(plan *dispatch.Plan, enter func(tx store.ReadTx) error) {
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

// answers returns an error if a credential is of a kind that does not pass a step of the application's logon. A nil number means
// that steps do not count, as in auth/verify.
func (v *verification) answers(tx store.ReadTx, application string, number *wire.Int) error {
	if number == nil {
		return nil
	}
	steps, err := logon.Steps(tx, application)
	if err != nil {
		return err
	}
	step, codes, err := stepOf(steps, number)
	if err != nil {
		return err
	}
	if step.Challenge {
		return model.AttrErrorf(model.Invalid, "credential.cc", "only a response to a challenge passes this step, and there are no challenges on this server")
	}
	method := otpMethod
	switch {
	case v.static:
		method = staticMethod
	case v.sent:
		method = onDemandMethod
	}
	if !slices.Contains(codes, method) {
		return model.AttrErrorf(model.Invalid, "credential.method", "%s does not pass this step", method)
	}
	v.notSent = !slices.Contains(codes, onDemandMethod)
	return nil
}
