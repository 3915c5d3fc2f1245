package dispatch

import (
	"context"
	"strings"

	"tokensmith/model"
	"tokensmith/rpc/caller"
	"tokensmith/rpc/limit"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// authenticate authenticates the caller. The error is the same whatever is wrong with the claim. Refused claims are recorded in
// the audit log, up to a rate.
func (s *Server) authenticate(ctx context.Context, c *Call, given caller.Claim) error {
	name, proven, err := s.callers.Authenticate(ctx, &c.Caller, given, c.Remote, c.Now)
	if err != nil {
		return err
	}
	if !proven {
		return s.refuse(ctx, c, given, name)
	}
	s.used(c.Agent, c.Now)
	return s.Limits.Agent(c.Agent, s.Config.AgentRate, c.Now)
}

// refuse returns the error for a claim that is not valid. The audit row names an agent only if the claim named one.
func (s *Server) refuse(ctx context.Context, c *Call, given caller.Claim, name string) error {
	refused := model.Errorf(model.NotAuthentic, "the caller is not authenticated")
	before, err := s.Limits.CountRefusal(c.Remote, c.Now)
	if err != nil {
		return err
	}
	if !given.Given {
		return refused
	}
	return s.record(ctx, c, name, before, refused)
}

// record adds a refusal to the audit log, up to a rate, and returns the refusal.
func (s *Server) record(ctx context.Context, c *Call, name, object string, refused *model.Error) error {
	if !s.Limits.MayRecord(c.Now) {
		return refused
	}
	row := model.Audit{Time: c.Now, Agent: name, Method: c.Method.Path, Outcome: int64(wire.CodeOf(refused).Number), Remote: c.Remote, Object: object}
	if err := s.Config.Store.Update(ctx, func(tx store.Tx) error { return tx.Audit(&row) }); err != nil {
		return err
	}
	return refused
}

// used saves the time of an agent's last use, in the background and at most once a minute.
func (s *Server) used(a *model.Agent, now model.Time) {
	if now-a.LastUsed < model.Time(limit.UsedInterval.Milliseconds()) || !s.Limits.LastUseDue(a.ID, now) {
		return
	}
	id := a.ID
	go func() {
		err := s.Config.Store.Update(context.Background(), func(tx store.Tx) error { return tx.AgentUsed(id, now) })
		if err != nil && wire.ClientError(err).Kind != model.Unavailable { // Unavailable is normal while the server shuts down
			s.Config.Log.Error().Err(err).Msg("last use of an agent")
		}
	}()
}

// Refused handles the refusal of a call from a device: it is recorded in the audit log, up to a rate. An address that keeps
// sending unknown tokens is told to wait. For all other refusals the device always gets the same error.
func (c *Call) Refused(ctx context.Context, err error) error {
	e := wire.ClientError(err)
	object := c.Object
	switch e.Kind {
	case model.TokenInvalid:
		if e == model.ErrMalformedToken {
			return err
		}
		before, held := c.Server.Limits.CountRefusal(c.Remote, c.Now)
		if held != nil {
			return held
		}
		return c.Server.record(ctx, c, c.Agent.Name, before, e)
	case model.CodeUnknown,
		model.TokenEnded, model.DeviceInactive, model.CodeExpired, model.CodeUsedUp, model.CodeDisabled, model.TargetGone, model.Installed:
		// One address must not fill the audit log. Its further refusals are only counted, and the next row has their number.
		before, held := c.Server.Limits.CountRefusal(c.Remote, c.Now)
		if held != nil {
			return err
		}
		if before != "" {
			object = strings.TrimSpace(object + " " + before)
		}
		return c.Server.record(ctx, c, c.Agent.Name, object, e)
	}
	return err
}
