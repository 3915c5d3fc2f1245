package device

import (
	"context"
	"crypto/subtle"
	"net/http"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

func checkIn(s *dispatch.Server) model.Time { return model.Time(s.Config.CheckIn.Milliseconds()) }

// ConnectArgs are the parameters of device/connect.
type ConnectArgs struct {
	Token wire.Text `json:"token"`
}

// connected is the reply to device/connect.
type connected struct {
	ID      string   `json:"device.id"`
	Name    string   `json:"name"`
	Groups  []string `json:"groups"`
	CheckIn int64    `json:"checkInSeconds"`
}

// Connect tells a device who it is.
func (m *Device) Connect(r *http.Request, args *ConnectArgs, plan *dispatch.Plan) error {
	id, hash, ok := model.ParseClientToken(string(args.Token))
	if !ok {
		return model.ErrMalformedToken
	}
	found, err := connecting(r.Context(), m.Server, dispatch.CallFrom(r.Context()), id, hash)
	*plan = found
	return err
}

// connecting checks a client token, given by its public id and the hash of its secret, and returns the plan for the reply. The
// plan saves the first use of the token, which is recorded in the audit log, and further uses once a minute.
func connecting(ctx context.Context, s *dispatch.Server, c *dispatch.Call, id string, hash []byte) (plan dispatch.Plan, err error) {
	var p *model.Presented
	err = s.Config.Store.View(ctx, func(tx store.ReadTx) error {
		p, err = CheckToken(tx, id, hash)
		return err
	})
	if p != nil {
		c.SetObject(DeviceType.Noun, p.DeviceID)
	}
	if err != nil {
		return plan, err
	}
	answer := func(tx store.ReadTx) (*model.Presented, any, error) {
		p, err := CheckToken(tx, id, hash)
		if err != nil {
			return nil, nil, err
		}
		c.SetObject(DeviceType.Noun, p.DeviceID)
		groups, err := tx.DeviceGroupNames(p.DeviceID)
		return p, connected{p.DeviceID, p.Device, groups, int64(checkIn(s) / 1000)}, err
	}
	if !p.Due(c.Now) {
		plan.View = func(tx store.ReadTx) (any, error) {
			_, found, err := answer(tx)
			return found, err
		}
		return plan, nil
	}
	plan.Update = func(tx store.Tx) (any, error) {
		p, found, err := answer(tx)
		if err != nil {
			return nil, err
		}
		// Another call may have saved it meanwhile.
		c.Unrecorded = p.State != model.Issued
		if !p.Due(c.Now) {
			return found, nil
		}
		return found, tx.Seen([]string{id}, c.Now)
	}
	return plan, nil
}

// CheckToken returns a client token, or why it is not accepted. For a token that has ended it returns both.
func CheckToken(tx store.ReadTx, id string, hash []byte) (*model.Presented, error) {
	found, err := tx.Presented([]string{id})
	if err != nil {
		return nil, err
	}
	p, ok := found[id]
	if !ok || subtle.ConstantTimeCompare(p.Hash, hash) != 1 {
		return nil, model.ErrClientToken
	}
	return &p, p.Refusal()
}
