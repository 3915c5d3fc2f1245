package rpc

import (
	"context"
	"crypto/subtle"
	"net/http"
	"time"

	"tokensmith/model"
	"tokensmith/store"
)

// checkInDefault is how often devices are asked to check in.
const checkInDefault = 5 * time.Minute

func (s *Server) checkIn() model.Time { return model.Time(s.cfg.CheckIn.Milliseconds()) }

// deviceCaller stands for whoever calls as a device: it is permitted nothing else.
var deviceCaller = &model.Agent{Name: "device"}

// ConnectArgs are the parameters of device/connect.
type ConnectArgs struct {
	Token Text `json:"token"`
}

// connected is the reply of device/connect.
type connected struct {
	ID      string   `json:"device.id"`
	Name    string   `json:"name"`
	Groups  []string `json:"groups"`
	CheckIn int64    `json:"checkInSeconds"`
}

// Connect tells a device who it is.
func (m *Device) Connect(r *http.Request, args *ConnectArgs, plan *Plan) error {
	id, hash, ok := model.ParseClientToken(string(args.Token))
	if !ok {
		return model.ErrClientToken
	}
	found, err := m.s.connecting(r.Context(), callOf(r.Context()), id, hash)
	*plan = found
	return err
}

// connecting checks a client token, given by its public id and its secret's hash, and gives the plan that answers it.
// The plan writes only the token's first use, which goes to the record, and the last one, a minute after the one before.
func (s *Server) connecting(ctx context.Context, c *call, id string, hash []byte) (plan Plan, err error) {
	var p *model.Presented
	err = s.cfg.Store.View(ctx, func(tx *store.ReadTx) error {
		p, err = presented(tx, id, hash)
		return err
	})
	if err != nil {
		return plan, s.refuseDevice(ctx, c, p, err)
	}
	c.touched(deviceObject.noun, p.DeviceID)
	answer := func(tx *store.ReadTx) (any, error) {
		p, err := presented(tx, id, hash)
		if err != nil {
			return nil, err
		}
		c.touched(deviceObject.noun, p.DeviceID)
		groups, err := tx.GroupNames(p.DeviceID)
		return connected{p.DeviceID, p.Device, groups, int64(s.checkIn() / 1000)}, err
	}
	if first := p.State == model.Issued; first || c.now-p.LastUsed >= model.SeenEvery {
		plan.unrecorded = !first
		plan.update = func(tx *store.Tx) (any, error) {
			found, err := answer(&tx.ReadTx)
			if err != nil {
				return nil, err
			}
			return found, tx.Seen([]string{id}, c.now)
		}
		return plan, nil
	}
	plan.view = answer
	return plan, nil
}

// presented finds a client token and says why it is not accepted. What it is of is told also where it has ended.
func presented(tx *store.ReadTx, id string, hash []byte) (*model.Presented, error) {
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

// refuseDevice records that a client token was refused, up to a rate. An address that sends wrong ones is told to wait;
// one whose token has ended is told so as often as it asks.
func (s *Server) refuseDevice(ctx context.Context, c *call, p *model.Presented, refused error) error {
	switch e := wireError(refused); e.Kind {
	case model.TokenInvalid:
		before, err := s.limits.refused(c.remote, c.now)
		if err != nil {
			return err
		}
		return s.record(ctx, c, deviceCaller.Name, before, e)
	case model.TokenEnded, model.DeviceInactive:
		return s.record(ctx, c, deviceCaller.Name, deviceObject.noun+" "+p.DeviceID, e)
	}
	return refused
}
