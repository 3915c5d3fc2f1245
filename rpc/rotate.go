package rpc

import (
	"net/http"

	"tokensmith/model"
	"tokensmith/store"
)

// How long the secret before stays good when it is rotated, in seconds.
const (
	overlapDefault = 24 * 60 * 60
	overlapMost    = 90 * 24 * 60 * 60
)

// RotateArgs are the parameters of agent/rotateSecret.
type RotateArgs struct {
	Selection
	Overlap Int `json:"overlap"`
}

// agentRotated carries the new secret, which is shown this once.
type agentRotated struct {
	ClientID     string `json:"clientId"`
	ClientSecret string `json:"clientSecret"`
	OldUntil     string `json:"oldSecretUntil"`
}

// RotateSecret gives an agent a new client secret. The old one, and tokens that were asked for with it, stay good
// until the overlap ends; one older still ends now.
func (m *Agent) RotateSecret(r *http.Request, args *RotateArgs, plan *Plan) error {
	c := callOf(r.Context())
	one, err := args.sought(m.obj)
	if err != nil {
		return err
	}
	overlap := int64(overlapDefault)
	if args.Overlap.given {
		overlap = args.Overlap.n
	}
	if overlap < 0 || overlap > overlapMost {
		return model.AttrErrorf(model.Invalid, "overlap", "must be a number of seconds from 0 to %d", overlapMost)
	}
	clientSecret, err := newClientSecret(m.s)
	if err != nil {
		return err
	}
	hash := model.HashSecret(model.Secret(clientSecret))
	plan.update = func(tx store.Tx) (any, error) {
		id, err := m.obj.pick(c, tx, one)
		if err != nil {
			return nil, err
		}
		var a model.Agent
		if err := tx.Load(&a, id); err != nil {
			return nil, err
		}
		if err := c.mayManage(&a); err != nil {
			return nil, err
		}
		until := c.now + model.Time(overlap*1000)
		a.Rotate(hash, until)
		c.touched(m.obj.noun, id)
		return agentRotated{ClientID: id, ClientSecret: clientSecret, OldUntil: until.String()}, tx.Save(&a)
	}
	return nil
}
