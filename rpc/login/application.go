package login

import (
	"slices"

	"tokensmith/model"
	"tokensmith/rpc/logon"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

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
	step, codes, err := logon.StepOf(steps, number)
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
