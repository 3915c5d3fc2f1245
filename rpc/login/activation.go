package login

import (
	"net/http"

	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/token"
)

// ActivateTokenAssignment is Activate for a login: it does not tell whether the assignment exists.
func (m *Auth) ActivateTokenAssignment(r *http.Request, args *token.ActivateArgs, plan *dispatch.Plan) error {
	return token.Activate(m.Server, r, args, plan, &m.lastActivated)
}
