package people

import (
	"slices"

	"tokensmith/model"
	"tokensmith/store"
)

// The last administrator who may do everything, and the last agent that may, cannot be deleted, disabled, or left with less: nobody
// could give that right back, but for whoever holds the database.

// keepAdministrator refuses to make was, the last full administrator, into now; nil = to delete him.
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
