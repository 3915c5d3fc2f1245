package login

import (
	"net/http"

	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/token"
	"tokensmith/rpc/wire"
)

// ActivateArgs are the parameters of auth/activateTokenAssignment.
type ActivateArgs struct {
	token.ActivateArgs
	Application wire.Named `json:"application"` // read, and of no effect: this server is one
}

// ActivateTokenAssignment is Activate for a login: it does not tell whether the assignment exists.
func (m *Auth) ActivateTokenAssignment(r *http.Request, args *ActivateArgs, plan *dispatch.Plan) error {
	return token.Activate(m.Server, r, &args.ActivateArgs, plan, true)
}
