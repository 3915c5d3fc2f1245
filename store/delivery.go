package store

import (
	"tokensmith/model"
)

func (tx *sqlTx) ClaimDeliveries(channel string, now, lease model.Time, most int) ([]model.Delivery, error) {
	due, err := loadAll[model.Delivery](&tx.sqlReadTx, "status = ? AND channel = ? AND next_try <= ? ORDER BY next_try, id LIMIT ?", model.Queued, channel, now, most)
	if err != nil {
		return nil, err
	}
	for _, d := range due {
		if _, err := tx.exec("UPDATE deliveries SET next_try = ? WHERE id = ?", lease, d.ID); err != nil {
			return nil, err
		}
	}
	return due, nil
}

func (tx *sqlTx) PretendDelivery(d *model.Delivery) error {
	err := tx.Insert(d)
	if err == nil {
		err = tx.later("DELETE FROM deliveries WHERE id = ?", d.ID)
	}
	return err
}

func (tx *sqlReadTx) TemplateByName(name string) (model.Template, error) {
	var t model.Template
	err := tx.loadWhere(&t, "name = ?", name)
	return t, err
}
