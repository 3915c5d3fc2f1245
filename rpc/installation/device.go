package installation

import (
	"net/http"

	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
	"tokensmith/rpc/device"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/object"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// Create makes a device and its client token, and returns the token.
func (m *deviceWithCodes) Create(r *http.Request, args *object.CreateArgs, plan *dispatch.Plan) error {
	token, err := device.MakeToken(m.Server)
	if err != nil {
		return err
	}
	code, err := randomCode(m.Server)
	if err != nil {
		return err
	}
	return m.CreateWith(r, args, plan, func(d *object.Decoded) error {
		d.Extra = token
		return nil
	}, func(c *dispatch.Call, tx store.Tx, d *object.Decoded, id string, reply jsontext.Value) (any, error) {
		if wanted, _ := object.Given[bool](d, "installationCode"); wanted {
			if err := automaticCode(c, tx, id, code); err != nil {
				return nil, err
			}
		}
		return wire.WithMember(reply, "clientToken", string(token.Text)), nil
	})
}

// automaticCode makes an installation code for a new device and sends it to the owner, if the device has an owner whom messages
// can reach.
func automaticCode(c *dispatch.Call, tx store.Tx, deviceID, text string) error {
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
		if channel == "" && c.Server.Config.Senders[ch] != nil && owner.Address(ch) != "" {
			channel = ch
		}
	}
	if channel == "" {
		return nil
	}
	code := model.InstallationCode{ID: c.NewID(), Description: "of device " + dev.Name, Action: model.UseExistingDevice, DeviceID: &dev.ID,
		UsageLimit: 1, Expires: c.Now + model.Time(c.Server.Config.CodeExpiry.Milliseconds()), Enabled: true, DateCreated: c.Now, LastUpdated: c.Now}
	setCode(c.Server, &code, text)
	if err := tx.Insert(&code); err != nil {
		return err
	}
	return sendCode(c, tx, &code, text, &owner, channel)
}
