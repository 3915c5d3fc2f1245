package rpc

import (
	"tokensmith/model"
	"tokensmith/store"
)

// Device has the methods of devices and their client tokens.
type Device struct {
	crud
	streams *streams
}

// newDevice makes the receiver of the methods of devices.
func newDevice(s *core) *Device {
	return &Device{crud{s, deviceObject}, newStreams(s.cfg.Connections.Streams())}
}

// deviceReceivers are those of the methods of this room, but for what the installation of a device adds to them.
func deviceReceivers(s *core) map[string]any {
	return map[string]any{"License": &License{crud{s, licenseObject}}, "Group": &Group{crud{s, groupObject}}}
}

var deviceObject = declare(&object{
	name: "device", missing: model.DeviceNoun, row: func() any { return new(model.Device) },
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
		{name: "online", kind: boolean, from: []string{"id", "lastSeen"}, about: "seen within three check-in intervals",
			derive: func(c *call, from store.Row) (any, error) {
				return model.Online(model.Time(from[1].(int64)), c.now, checkIn(c.s)), nil
			}},
		{name: "tokenState", kind: enum, values: []string{model.Issued, model.Active, model.Revoked}, path: store.ClientToken, column: "state",
			about: "of its client token: not used yet, used, ended"},
		{name: "tokenCreated", kind: date, path: store.ClientToken, column: "dateCreated"},
		{name: "tokenFirstUsed", kind: date, path: store.ClientToken, column: "firstUsed"},
		{name: "tokenLastUsed", kind: date, path: store.ClientToken, column: "lastUsed"},
		{name: "tokenHint", kind: text, path: store.ClientToken, column: "hint", about: "its last four characters"},
	},
	colls: []collection{
		{name: "groups", alias: "group", when: always, object: "group", order: "groupId", steps: store.DeviceGroups},
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

// equal compares two optional ids.
func equal(a, b *string) bool { return a == b || a != nil && b != nil && *a == *b }
