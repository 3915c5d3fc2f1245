package people

import (
	"slices"

	"tokensmith/model"
	"tokensmith/store"
)

// The last administrator who may do everything, and the last agent that may, cannot be deleted, disabled or restricted. Otherwise
// only somebody with access to the database could restore that right.

// keepAdministrator returns an error if was is the last full administrator, and now would not be one; a nil now means that was is
// to be deleted.
func keepAdministrator(tx store.ReadTx, was, now *model.User) error {
	if !was.Full() || now != nil && now.Full() && (now.Status == model.Active || now.Status == was.Status) {
		return nil
	}
	all, err := tx.Administrators()
	if err != nil {
		return err
	}
	if slices.ContainsFunc(all, func(u model.User) bool { return u.ID != was.ID && u.Full() && u.Status == model.Active }) {
		return nil
	}
	return model.Errorf(model.NotPermitted, "not permitted: this is the last administrator who may do everything; make another one first")
}
