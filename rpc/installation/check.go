package installation

import (
	"net/http"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// CodeArgs are the parameters of installationCode/check.
type CodeArgs struct {
	Code wire.Text `json:"code"`
}

// codeChecked is the reply to installationCode/check.
type codeChecked struct {
	Action  string `json:"action"`
	State   string `json:"state"`
	Expires any    `json:"expires"` // null if it never expires
}

// Check tells a caller who has a code whether it can be used, and until when.
func (m *InstallationCode) Check(r *http.Request, args *CodeArgs, plan *dispatch.Plan) error {
	c := dispatch.CallFrom(r.Context())
	if args.Code == "" {
		return model.AttrErrorf(model.Missing, "code", "is required")
	}
	indexes := codeIndexes(m.Server, string(args.Code))
	if err := m.guesses.take(r.Context(), c); err != nil {
		return err
	}
	plan.View = func(tx store.ReadTx) (any, error) {
		code, err := findCode(c, tx, indexes)
		if err == nil {
			err = code.Refusal(c.Now)
		}
		if err == nil {
			err = available(tx, &code)
		}
		if err != nil {
			return nil, err
		}
		reply := codeChecked{Action: code.Action, State: code.State(c.Now)}
		if ends := code.Ends(c.Now); ends != 0 {
			reply.Expires = ends.String()
		}
		return reply, nil
	}
	return nil
}

// available returns an error if the device or account that a code is for does not exist or is not in use.
func available(tx store.ReadTx, code *model.InstallationCode) error {
	gone := func(what string) error {
		return model.Errorf(model.TargetGone, "the installation code's %s is not available", what)
	}
	switch code.Action {
	case model.UseExistingDevice:
		var dev model.Device
		if code.DeviceID == nil {
			return gone("device")
		}
		if err := tx.Load(&dev, *code.DeviceID); err != nil || dev.Status == model.Active {
			return err
		}
		return gone("device")
	case model.CreateDevice:
		var user model.User
		if code.UserID == nil {
			return gone("account")
		}
		if err := tx.Load(&user, *code.UserID); err != nil || user.Status != model.Inactive && user.Status != model.DisabledBy {
			return err
		}
		return gone("account")
	}
	return nil
}
