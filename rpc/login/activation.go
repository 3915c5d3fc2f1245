package login

import (
	"net/http"

	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/logon"
	"tokensmith/rpc/token"
	"tokensmith/rpc/wire"
)

// ActivateArgs are the parameters of auth/activateTokenAssignment.
type ActivateArgs struct {
	token.ActivateArgs
	Application wire.Named `json:"application"`
}

// ActivateTokenAssignment is Activate for a login: it does not reveal whether the assignment exists.
func (m *Auth) ActivateTokenAssignment(r *http.Request, args *ActivateArgs, plan *dispatch.Plan) error {
	if err := token.Activate(m.Server, r, &args.ActivateArgs, plan, &m.lastActivated); err != nil {
		return err
	}
	return logon.PlanWithRealm(dispatch.CallFrom(r.Context()), args.Application, plan, nil)
}
