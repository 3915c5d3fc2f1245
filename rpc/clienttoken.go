package rpc

import (
	"net/http"

	"tokensmith/model"
	"tokensmith/store"
)

// metaLoggedOut is a text that changes whenever a device may have been logged out: what streams go by.
const metaLoggedOut = "logged out"

// minted is a new client token that is not stored yet.
type minted struct {
	text model.Secret
	row  model.ClientToken
}

// mint makes a client token.
func (s *core) mint() (*minted, error) {
	text, row, err := model.NewClientToken(s.cfg.Rand)
	if err != nil {
		return nil, err
	}
	row.Sealed = s.keys.Seal(store.ClientTokenPlace(row.ID), text)
	return &minted{text, row}, nil
}

// of gives the row of a device's client token.
func (m *minted) of(deviceID string, now model.Time) model.ClientToken {
	row := m.row
	row.DeviceID, row.DateCreated = deviceID, now
	return row
}

func (m *minted) insert(tx store.Tx, deviceID string, now model.Time) error {
	row := m.of(deviceID, now)
	return tx.Insert(&row)
}

// tokenShown is the reply that carries a client token.
type tokenShown struct {
	ClientToken string `json:"clientToken"`
}

// loadDevice reads a device with its client token.
func (c *call) loadDevice(tx store.Tx, id string) (*model.Device, *model.ClientToken, error) {
	var dev model.Device
	if err := tx.Load(&dev, id); err != nil {
		return nil, nil, err
	}
	var tok model.ClientToken
	err := tx.Load(&tok, dev.TokenID)
	c.touched(deviceObject.noun, id)
	return &dev, &tok, err
}

// renew gives a device a new client token and ends the old one.
func (c *call) renew(tx store.Tx, dev *model.Device, old *model.ClientToken, token *minted) error {
	if err := c.end(tx, old, model.Superseded); err != nil {
		return err
	}
	if err := token.insert(tx, dev.ID, c.now); err != nil {
		return err
	}
	dev.TokenID, dev.LastUpdated = token.row.ID, c.now
	return tx.Save(dev)
}

// end ends a client token; whoever uses it is logged out.
func (c *call) end(tx store.Tx, tok *model.ClientToken, reason string) error {
	tok.End(reason)
	if err := tx.Save(tok); err != nil {
		return err
	}
	return c.loggedOut(tx)
}

// loggedOut has every process look whether devices that are connected to it may still be.
func (c *call) loggedOut(tx store.Tx) error { return tx.PutMeta(metaLoggedOut, []byte(c.newID())) }

// RevealToken answers a device's client token again.
func (m *Device) RevealToken(r *http.Request, args *DeleteArgs, plan *Plan) error {
	return m.upon(r, &args.Selection, plan, func(c *call, tx store.Tx, id string) (any, error) {
		_, tok, err := c.loadDevice(tx, id)
		if err != nil {
			return nil, err
		}
		if tok.State == model.Revoked {
			return nil, model.Ended(tok.Reason)
		}
		text, err := m.s.keys.Unseal(store.ClientTokenPlace(tok.ID), tok.Sealed)
		return tokenShown{string(text)}, err
	})
}

// GenerateArgs are the parameters of device/generateToken.
type GenerateArgs struct {
	Selection
	Expect *Text `json:"expect"` // the hint of the token that it shall replace
}

// GenerateToken gives a device a new client token; the old one is logged out. Of two who replace the same token, by its
// hint, one wins.
func (m *Device) GenerateToken(r *http.Request, args *GenerateArgs, plan *Plan) error {
	token, err := m.s.mint()
	if err != nil {
		return err
	}
	return m.upon(r, &args.Selection, plan, func(c *call, tx store.Tx, id string) (any, error) {
		dev, old, err := c.loadDevice(tx, id)
		if err != nil {
			return nil, err
		}
		if args.Expect != nil && string(*args.Expect) != old.Hint {
			return nil, model.AttrErrorf(model.Stale, "expect", "the device has got another client token meanwhile")
		}
		return tokenShown{string(token.text)}, c.renew(tx, dev, old, token)
	})
}

// RevokeToken ends a device's client token without a new one.
func (m *Device) RevokeToken(r *http.Request, args *DeleteArgs, plan *Plan) error {
	return m.upon(r, &args.Selection, plan, func(c *call, tx store.Tx, id string) (any, error) {
		dev, tok, err := c.loadDevice(tx, id)
		if err != nil {
			return nil, err
		}
		if err := c.end(tx, tok, model.RevokedByUs); err != nil {
			return nil, err
		}
		dev.LastUpdated = c.now
		return nil, tx.Save(dev)
	})
}
