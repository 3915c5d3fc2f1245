package device

import (
	"net/http"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/object"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// metaLoggedOut is a meta row whose value changes whenever a device may have been logged out. Event streams watch it.
const metaLoggedOut = "logged out"

// NewToken is a new client token that is not stored yet.
type NewToken struct {
	Text model.Secret
	Row  model.ClientToken
}

// MakeToken returns a new client token.
func MakeToken(s *dispatch.Server) (*NewToken, error) {
	text, row, err := model.NewClientToken(s.Config.Rand)
	if err != nil {
		return nil, err
	}
	row.Sealed = s.Keys.Seal(store.ClientTokenPlace(row.ID), text)
	return &NewToken{text, row}, nil
}

// of returns the row for the client token of a device.
func (m *NewToken) of(deviceID string, now model.Time) model.ClientToken {
	row := m.Row
	row.DeviceID, row.DateCreated = deviceID, now
	return row
}

func (m *NewToken) insert(tx store.Tx, deviceID string, now model.Time) error {
	row := m.of(deviceID, now)
	return tx.Insert(&row)
}

// tokenShown is a reply with a client token.
type tokenShown struct {
	ClientToken string `json:"clientToken"`
}

// LoadDevice returns a device with its client token.
func LoadDevice(c *dispatch.Call, tx store.Tx, id string) (*model.Device, *model.ClientToken, error) {
	var dev model.Device
	if err := tx.Load(&dev, id); err != nil {
		return nil, nil, err
	}
	var tok model.ClientToken
	err := tx.Load(&tok, dev.TokenID)
	c.SetObject(DeviceType.Noun, id)
	return &dev, &tok, err
}

// Renew gives a device a new client token and ends the old one.
func Renew(c *dispatch.Call, tx store.Tx, dev *model.Device, old *model.ClientToken, token *NewToken) error {
	if err := end(c, tx, old, model.Superseded); err != nil {
		return err
	}
	if err := token.insert(tx, dev.ID, c.Now); err != nil {
		return err
	}
	dev.TokenID, dev.LastUpdated = token.Row.ID, c.Now
	return tx.Save(dev)
}

// end ends a client token. The device that uses it is logged out.
func end(c *dispatch.Call, tx store.Tx, tok *model.ClientToken, reason string) error {
	tok.End(reason)
	if err := tx.Save(tok); err != nil {
		return err
	}
	return loggedOut(c, tx)
}

// loggedOut makes every process check whether its connected devices may still be connected.
func loggedOut(c *dispatch.Call, tx store.Tx) error {
	return tx.PutMeta(metaLoggedOut, []byte(c.NewID()))
}

// RevealToken returns a device's client token again.
func (m *Device) RevealToken(r *http.Request, args *object.DeleteArgs, plan *dispatch.Plan) error {
	return m.UpdateSelected(r, &args.Selection, plan, func(c *dispatch.Call, tx store.Tx, id string) (any, error) {
		_, tok, err := LoadDevice(c, tx, id)
		if err != nil {
			return nil, err
		}
		if tok.State == model.Revoked {
			return nil, model.TokenEndedError(tok.Reason)
		}
		text, err := m.Server.Keys.Unseal(store.ClientTokenPlace(tok.ID), tok.Sealed)
		return tokenShown{string(text)}, err
	})
}

// GenerateArgs are the parameters of device/generateToken.
type GenerateArgs struct {
	object.Selection
	Expect *wire.Text `json:"expect"` // hint of the token that is to be replaced
}

// GenerateToken gives a device a new client token and ends the old one. If two callers replace the same token, given by its hint,
// only one of them succeeds.
func (m *Device) GenerateToken(r *http.Request, args *GenerateArgs, plan *dispatch.Plan) error {
	token, err := MakeToken(m.Server)
	if err != nil {
		return err
	}
	return m.UpdateSelected(r, &args.Selection, plan, func(c *dispatch.Call, tx store.Tx, id string) (any, error) {
		dev, old, err := LoadDevice(c, tx, id)
		if err != nil {
			return nil, err
		}
		if args.Expect != nil && string(*args.Expect) != old.Hint {
			return nil, model.AttrErrorf(model.Stale, "expect", "the device has been given another client token in the meantime")
		}
		return tokenShown{string(token.Text)}, Renew(c, tx, dev, old, token)
	})
}

// RevokeToken ends a device's client token without a new one.
func (m *Device) RevokeToken(r *http.Request, args *object.DeleteArgs, plan *dispatch.Plan) error {
	return m.UpdateSelected(r, &args.Selection, plan, func(c *dispatch.Call, tx store.Tx, id string) (any, error) {
		dev, tok, err := LoadDevice(c, tx, id)
		if err != nil {
			return nil, err
		}
		if err := end(c, tx, tok, model.RevokedByUs); err != nil {
			return nil, err
		}
		dev.LastUpdated = c.Now
		return nil, tx.Save(dev)
	})
}
