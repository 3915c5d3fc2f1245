package rpc

import (
	"net/http"

	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
	"tokensmith/store"
)

// Create makes a device and its client token, which the reply carries.
func (m *installed) Create(r *http.Request, args *CreateArgs, plan *Plan) error {
	token, err := m.s.mint()
	if err != nil {
		return err
	}
	code, err := randomCode(m.s)
	if err != nil {
		return err
	}
	return m.create(r, args, plan, func(d *decoded) error {
		d.extra = token
		return nil
	}, func(c *call, tx store.Tx, d *decoded, id string, reply jsontext.Value) (any, error) {
		if wanted, _ := given[bool](d, "installationCode"); wanted {
			if err := c.automaticCode(tx, id, code); err != nil {
				return nil, err
			}
		}
		return withMember(reply, "clientToken", string(token.text)), nil
	})
}

// automaticCode gives a new device of an owner whom messages reach an installation code, and sends it.
func (c *call) automaticCode(tx store.Tx, deviceID, text string) error {
	var dev model.Device
	if err := tx.Load(&dev, deviceID); err != nil || dev.UserID == nil {
		return err
	}
	var owner model.User
	if err := tx.Load(&owner, *dev.UserID); err != nil {
		return err
	}
	channel := ""
	for _, ch := range []string{model.SMTP, model.SMS} {
		if channel == "" && c.s.cfg.Couriers[ch] != nil && owner.Address(ch) != "" {
			channel = ch
		}
	}
	if channel == "" {
		return nil
	}
	code := model.InstallationCode{ID: c.newID(), Description: "of device " + dev.Name, Action: model.UseExistingDevice, DeviceID: &dev.ID,
		UsageLimit: 1, Expires: c.now + model.Time(c.s.cfg.CodeExpiry.Milliseconds()), Enabled: true, DateCreated: c.now, LastUpdated: c.now}
	c.s.setCode(&code, text)
	if err := tx.Insert(&code); err != nil {
		return err
	}
	return c.sendCode(tx, &code, text, &owner, channel)
}
