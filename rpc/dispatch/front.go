package dispatch

import (
	"context"
	"fmt"
	"time"

	"tokensmith/model"
	"tokensmith/rpc/wire"
)

// FrontCall returns a call of a method, from an address, by a caller that another front than HTTP has authenticated. RunFront runs it.
func (s *Server) FrontCall(path string, by *model.Agent, remote string) *Call {
	c := &Call{Server: s, Method: s.Method(path), Caller: s.callers.Unknown(),
		Request: Request{id: s.Config.NewID(), Now: model.At(s.Config.Now()), Remote: remote, began: time.Now()}}
	c.Agent = by
	return c
}

// RunFront prepares the call and runs its plan. The call is counted and logged like one that came by HTTP. A panic is an error.
func (c *Call) RunFront(ctx context.Context, prepare func(ctx context.Context) (*Plan, error)) (err error) {
	defer func() {
		if p := recover(); p != nil {
			if c.place == "" {
				c.place = panicPlace()
			}
			err = fmt.Errorf("panic of type %T at %s", p, c.place) // without its text, which may contain data
		}
		c.RunAtEnd()
		if err != nil {
			e := wire.ClientError(err)
			c.Code = wire.CodeOf(e).Number
			if e.Kind == model.Internal || e.Kind == model.Unavailable {
				c.Cause = err
			}
		}
		c.log(0, 0, time.Since(c.began))
	}()
	plan, err := prepare(context.WithValue(ctx, callKey{}, c))
	if err == nil {
		_, err = c.Run(ctx, plan)
	}
	return err
}
