// Package device contains devices, their client tokens and event streams, device groups, and licenses.
package device

import (
	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/object"
	"tokensmith/store"
)

// Device is the receiver of the methods for devices and their client tokens.
type Device struct {
	object.CRUD
	streams *streams
}

// New returns the receiver of the methods for devices.
func New(s *dispatch.Server) *Device {
	return &Device{object.CRUD{Server: s, Type: DeviceType}, newStreams(s.Config.Connections.Streams())}
}

// Receivers returns the receivers of this package's methods, except Device, to which package installation adds a method.
func Receivers(s *dispatch.Server) map[string]any {
	return map[string]any{"License": &License{object.CRUD{Server: s, Type: LicenseType}}, "DeviceGroup": &DeviceGroup{object.CRUD{Server: s, Type: DeviceGroupType}}}
}

// DeviceType declares the object device.
var DeviceType = object.Declare(&object.Type{
	Name: "device", NotFound: model.DeviceNoun, Limited: object.Changes, Row: func() any { return new(model.Device) },
	Keys: [][]string{{"name"}}, ShownWhenAmbiguous: []string{"id", "name"},
	Check: checkDevice, AfterWrite: afterWriteDevice, BeforeDelete: beforeDeleteDevice,
	Attrs: []object.Attr{
		{Name: "name", Kind: object.Text, Rule: model.CodeName, When: object.Always, Required: true, Fold: true, Indexed: true,
			About: "unique, compared without case"},
		{Name: "description", Kind: object.Text, Rule: model.AnyText, When: object.Always, Max: 1024},
		{Name: "platform", Kind: object.Text, Rule: model.Name, When: object.Always},
		{Name: "status", Kind: object.Enum, When: object.Always, Initial: model.Active, Values: []string{model.Active, model.Inactive},
			About: "an INACTIVE one does not connect"},
		{Name: "user", Kind: object.Ref, When: object.Always, Object: "user", Indexed: true, About: "its owner"},
		{Name: "license", Kind: object.Ref, When: object.Always, Object: "license", Indexed: true, About: "whose seat it takes"},
		{Name: "hardwareId", Kind: object.Text, Rule: model.Name, When: object.Always},
		{Name: "installationCode", Kind: object.Boolean, When: object.OnCreate, Initial: true, Column: "-",
			About: "whether its owner is sent an installation code, if messages can reach the owner"},
		{Name: "dateCreated", Kind: object.Date},
		{Name: "lastUpdated", Kind: object.Date},
		{Name: "lastSeen", Kind: object.Date, About: "to the minute"},
		{Name: "online", Kind: object.Boolean, From: []string{"id", "lastSeen"}, About: "seen within three check-in intervals",
			Derive: func(c *dispatch.Call, from store.Row) (any, error) {
				return model.Online(model.Time(from[1].(int64)), c.Now, checkIn(c.Server)), nil
			}},
		{Name: "tokenState", Kind: object.Enum, Values: []string{model.Issued, model.Active, model.Revoked}, Path: store.ClientToken, Column: "state",
			About: "of its client token: not used yet, used, ended"},
		{Name: "tokenCreated", Kind: object.Date, Path: store.ClientToken, Column: "dateCreated"},
		{Name: "tokenFirstUsed", Kind: object.Date, Path: store.ClientToken, Column: "firstUsed"},
		{Name: "tokenLastUsed", Kind: object.Date, Path: store.ClientToken, Column: "lastUsed"},
		{Name: "tokenHint", Kind: object.Text, Path: store.ClientToken, Column: "hint", About: "its last four characters"},
	},
	Collections: []object.Collection{
		{Name: "groups", Alias: "group", When: object.Always, Object: "deviceGroup", Order: "groupId", Steps: store.DeviceGroups},
	},
})

// checkDevice checks a device, and takes and frees seats of its license.
func checkDevice(c *dispatch.Call, tx store.Tx, d *object.Decoded, old, row any) error {
	dev := row.(*model.Device)
	if c.Scope != nil && dev.UserID == nil {
		return model.AttrErrorf(model.Missing, d.Place+".user", "is required: the caller sees only devices of users in its domains")
	}
	var had *string
	if old == nil {
		dev.TokenID = d.Extra.(*NewToken).Row.ID
	} else {
		had = old.(*model.Device).LicenseID
	}
	if SameID(had, dev.LicenseID) {
		return nil
	}
	if had != nil {
		if err := tx.FreeSeat(*had); err != nil {
			return err
		}
	}
	if dev.LicenseID != nil {
		return takeSeat(c, tx, *dev.LicenseID)
	}
	return nil
}

// afterWriteDevice inserts a new device's client token, and logs out a device that is no longer active.
func afterWriteDevice(c *dispatch.Call, tx store.Tx, d *object.Decoded, old, row any) error {
	dev := row.(*model.Device)
	if old == nil {
		return d.Extra.(*NewToken).insert(tx, dev.ID, c.Now)
	}
	if old.(*model.Device).Status == dev.Status {
		return nil
	}
	return loggedOut(c, tx)
}

func beforeDeleteDevice(c *dispatch.Call, tx store.Tx, row any) error {
	if license := row.(*model.Device).LicenseID; license != nil {
		if err := tx.FreeSeat(*license); err != nil {
			return err
		}
	}
	return loggedOut(c, tx)
}

// SameID returns whether two optional ids are equal.
func SameID(a, b *string) bool { return a == b || a != nil && b != nil && *a == *b }
