package rpc

import (
	"tokensmith/model"
	"tokensmith/store"
)

// License has the methods of licenses.
type License struct{ crud }

var licenseObject = declare(&object{
	name: "license", missing: model.LicenseNoun, row: func() any { return new(model.License) },
	naming: []string{"id", "name", "seats", "expires"},
	usedBy: []use{{store.LicenseDevices, "devices"}, {store.LicenseCodes, "installation codes"}},
	check:  checkLicense,
	attrs: []attr{
		{name: "name", kind: text, rule: model.CodeName, when: always, required: true, fold: true, indexed: true, about: "compared without case"},
		{name: "description", kind: text, rule: model.AnyText, when: always, max: 1024},
		{name: "seats", kind: integer, when: always, required: true, max: 1_000_000_000, about: "devices that may have it"},
		{name: "seatsUsed", kind: integer, about: "devices that have it"},
		{name: "expires", kind: date, ends: true, when: always, about: "its second is still good; a day alone is its end; an expired license gives no seat, and devices that have one keep it"},
	},
	colls: []collection{
		{name: "devices", alias: "device", object: "device", steps: []store.Step{store.LicenseDevices}},
	},
})

func checkLicense(_ *call, _ store.Tx, d *decoded, _, row any) error {
	l := row.(*model.License)
	if l.Seats < l.SeatsUsed {
		return model.AttrErrorf(model.InUse, d.place+".seats", "cannot be fewer than the %d that are taken", l.SeatsUsed)
	}
	return nil
}

// takeSeat takes a seat of a license, or says why there is none.
func (c *call) takeSeat(tx store.Tx, licenseID string) error {
	taken, err := tx.TakeSeats(licenseID, 1, c.now)
	if taken || err != nil {
		return err
	}
	var l model.License
	if err := tx.Load(&l, licenseID); err != nil {
		return err
	}
	return l.NoSeat(c.now)
}
