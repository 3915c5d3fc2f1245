package admin

import (
	"net/http"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/object"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// How long the previous secret stays valid after a rotation, in seconds.
const (
	overlapDefault = 24 * 60 * 60
	maxOverlap     = 90 * 24 * 60 * 60
)

// RotateArgs are the parameters of agent/rotateSecret.
type RotateArgs struct {
	object.Selection
	Overlap wire.Int `json:"overlap"`
}

// agentRotated is the reply with the new secret, which is not shown again.
type agentRotated struct {
	ClientID     string `json:"clientId"`
	ClientSecret string `json:"clientSecret"`
	OldUntil     string `json:"oldSecretUntil"`
}

// RotateSecret gives an agent a new client secret. The old secret, and access tokens that were requested with it, stay valid
// until the overlap ends. A still older secret ends now.
func (m *Agent) RotateSecret(r *http.Request, args *RotateArgs, plan *dispatch.Plan) error {
	c := dispatch.CallFrom(r.Context())
	one, err := args.Lookup(m.Type)
	if err != nil {
		return err
	}
	overlap := int64(overlapDefault)
	if args.Overlap.Given {
		overlap = args.Overlap.Value
	}
	if overlap < 0 || overlap > maxOverlap {
		return model.AttrErrorf(model.Invalid, "overlap", "must be a number of seconds from 0 to %d", maxOverlap)
	}
	clientSecret, err := NewClientSecret(m.Server)
	if err != nil {
		return err
	}
	hash := model.HashSecret(model.Secret(clientSecret))
	plan.Update = func(tx store.Tx) (any, error) {
		id, err := m.Type.FindSelected(c, tx, one)
		if err != nil {
			return nil, err
		}
		var a model.Agent
		if err := tx.Load(&a, id); err != nil {
			return nil, err
		}
		if err := mayManage(c, &a); err != nil {
			return nil, err
		}
		until := c.Now + model.Time(overlap*1000)
		a.Rotate(hash, until)
		c.SetObject(m.Type.Noun, id)
		return agentRotated{ClientID: id, ClientSecret: clientSecret, OldUntil: until.String()}, tx.Save(&a)
	}
	return nil
}
