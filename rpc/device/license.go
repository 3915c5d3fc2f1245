package device

import (
	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/object"
	"tokensmith/store"
)

// License is the receiver of the methods for licenses.
type License struct{ object.CRUD }

// LicenseType declares the object license.
var LicenseType = object.Declare(&object.Type{
	Name: "license", NotFound: model.LicenseNoun, Limited: object.Reads, Row: func() any { return new(model.License) },
	ShownWhenAmbiguous: []string{"id", "name", "seats", "expires"},
	UsedBy:             []object.Use{{Rows: store.LicenseDevices, Noun: "devices"}, {Rows: store.LicenseCodes, Noun: "installation codes"}},
	Check:              checkLicense,
	Attrs: []object.Attr{
		{Name: "name", Kind: object.Text, Rule: model.CodeName, When: object.Always, Required: true, Fold: true, Indexed: true,
			About: "compared without case"},
		{Name: "description", Kind: object.Text, Rule: model.AnyText, When: object.Always, Max: 1024},
		{Name: "seats", Kind: object.Integer, When: object.Always, Required: true, Max: 1_000_000_000, About: "devices that may have it"},
		{Name: "seatsUsed", Kind: object.Integer, About: "devices that have it"},
		{Name: "expires", Kind: object.Date, Ends: true, When: object.Always,
			About: "valid until the end of this second; a date alone means the end of that day; an expired license gives no seat, but devices keep theirs"},
	},
	Collections: []object.Collection{
		{Name: "devices", Alias: "device", Object: "device", Steps: []store.Step{store.LicenseDevices}},
	},
})

func checkLicense(_ *dispatch.Call, _ store.Tx, d *object.Decoded, _, row any) error {
	l := row.(*model.License)
	if l.Seats < l.SeatsUsed {
		return model.AttrErrorf(model.InUse, d.Place+".seats", "cannot be fewer than the %d that are in use", l.SeatsUsed)
	}
	return nil
}

// takeSeat takes a seat of a license, or returns why there is none.
func takeSeat(c *dispatch.Call, tx store.Tx, licenseID string) error {
	taken, err := tx.TakeSeats(licenseID, 1, c.Now)
	if taken || err != nil {
		return err
	}
	var l model.License
	if err := tx.Load(&l, licenseID); err != nil {
		return err
	}
	return l.NoSeat(c.Now)
}
