package storetest

import (
	"testing"

	"tokensmith/model"
	"tokensmith/store"
)

var deliveryCases = []contractCase{{"delivery/pretended ones leave nothing", pretendedDelivery}}

func pretendedDelivery(t *testing.T, d *Database) {
	s := d.Open(t)
	kept := &model.Delivery{ID: newID(), Channel: model.SMS, Status: model.Queued}
	pretended := &model.Delivery{ID: newID(), Channel: model.SMS, Status: model.Queued}
	insert(t, s, kept)
	update(t, s, func(tx store.Tx) error { return tx.PretendDelivery(pretended) })
	wantKind(t, refused(s, func(tx store.Tx) error { return tx.PretendDelivery(kept) }), model.Exists)
	update(t, s, func(tx store.Tx) error {
		due, err := tx.ClaimDeliveries(model.SMS, 1, 2, 10)
		if err != nil || len(due) != 1 || due[0].ID != kept.ID {
			t.Errorf("due: %+v, %v", due, err)
		}
		return nil
	})
}
