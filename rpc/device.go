package rpc

import (
	"net/http"

	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
	"tokensmith/store"
)

// Device has the methods of devices and their client tokens.
type Device struct{ crud }

var (
	theDevice   = store.Step{From: "device_id", Table: "devices", To: "id"}
	clientToken = []store.Step{{From: "token_id", Table: "client_tokens", To: "id"}}
)

var deviceObject = declare(&object{
	name: "device", missing: model.DeviceNoun, table: "devices", row: func() any { return new(model.Device) },
	keys: [][]string{{"name"}}, naming: []string{"id", "name"},
	check: checkDevice, wrote: wroteDevice, removes: removesDevice,
	attrs: []attr{
		{name: "name", kind: text, rule: model.CodeName, when: always, required: true, fold: true, indexed: true, about: "unique, compared without case"},
		{name: "description", kind: text, rule: model.AnyText, when: always, max: 1024},
		{name: "platform", kind: text, rule: model.Name, when: always},
		{name: "status", kind: enum, when: always, initial: model.Active, values: []string{model.Active, model.Inactive}, about: "an INACTIVE one does not connect"},
		{name: "user", kind: ref, when: always, object: "user", indexed: true, about: "its owner"},
		{name: "license", kind: ref, when: always, object: "license", indexed: true, about: "whose seat it takes"},
		{name: "hardwareId", kind: text, rule: model.Name, when: always},
		{name: "installationCode", kind: boolean, when: onCreate, initial: true, column: "-",
			about: "whether its owner, if a message reaches him, is sent an installation code"},
		{name: "dateCreated", kind: date},
		{name: "lastUpdated", kind: date},
		{name: "lastSeen", kind: date, about: "to the minute"},
		{name: "online", kind: boolean, from: []string{"id", "last_seen"}, about: "seen within three check-in intervals",
			derive: func(c *call, from store.Row) (any, error) {
				return model.Online(model.Time(from[1].(int64)), c.now, c.s.checkIn()), nil
			}},
		{name: "tokenState", kind: enum, values: []string{model.Issued, model.Active, model.Revoked}, path: clientToken, column: "state",
			about: "of its client token: not used yet, used, ended"},
		{name: "tokenCreated", kind: date, path: clientToken, column: "date_created"},
		{name: "tokenFirstUsed", kind: date, path: clientToken, column: "first_used"},
		{name: "tokenLastUsed", kind: date, path: clientToken, column: "last_used"},
		{name: "tokenHint", kind: text, path: clientToken, column: "hint", about: "its last four characters"},
	},
	colls: []collection{
		{name: "groups", alias: "group", when: always, object: "group", order: "group_id", steps: []store.Step{
			{From: "id", Table: "group_members", To: "device_id"}, {From: "group_id", Table: "device_groups", To: "id"}}},
	},
})

// checkDevice takes and frees seats as the device's license says.
func checkDevice(c *call, tx store.Tx, d *decoded, old, row any) error {
	dev := row.(*model.Device)
	if c.scope != nil && dev.UserID == nil {
		return model.AttrErrorf(model.Missing, d.place+".user", "is required: the caller sees the devices of his domains' users alone")
	}
	var had *string
	if old == nil {
		dev.TokenID = d.extra.(*minted).row.ID
	} else {
		had = old.(*model.Device).LicenseID
	}
	if equal(had, dev.LicenseID) {
		return nil
	}
	if had != nil {
		if err := tx.FreeSeat(*had); err != nil {
			return err
		}
	}
	if dev.LicenseID != nil {
		return c.takeSeat(tx, *dev.LicenseID)
	}
	return nil
}

// wroteDevice gives a new device its client token, and logs out one that is active no longer.
func wroteDevice(c *call, tx store.Tx, d *decoded, old, row any) error {
	dev := row.(*model.Device)
	if old == nil {
		return d.extra.(*minted).insert(tx, dev.ID, c.now)
	}
	if old.(*model.Device).Status == dev.Status {
		return nil
	}
	return c.loggedOut(tx)
}

func removesDevice(c *call, tx store.Tx, row any) error {
	if license := row.(*model.Device).LicenseID; license != nil {
		if err := tx.FreeSeat(*license); err != nil {
			return err
		}
	}
	return c.loggedOut(tx)
}

// Create makes a device and its client token, which the reply carries.
func (m *Device) Create(r *http.Request, args *CreateArgs, plan *Plan) error {
	token, err := m.s.mint()
	if err != nil {
		return err
	}
	code, err := m.s.randomCode()
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

// withMember adds a member to a JSON object.
func withMember(object jsontext.Value, name, value string) jsontext.Value {
	b := append([]byte(nil), object[:len(object)-1]...)
	if len(b) > 1 {
		b = append(b, ',')
	}
	b, _ = jsontext.AppendQuote(b, name)
	b, _ = jsontext.AppendQuote(append(b, ':'), value)
	return append(b, '}')
}
