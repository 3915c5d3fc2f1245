package store

import (
	"github.com/jmoiron/sqlx"

	"tokensmith/model"
)

var selectPresented = selects[model.Presented](`
	SELECT t.id, t.hash, t.state, t.reason, t.last_used, t.device_id, d.name, d.status
	FROM client_tokens t JOIN devices d ON d.id = t.device_id`)

func (tx *sqlTx) TakeSeats(licenseID string, n int64, now model.Time) (bool, error) {
	changed, err := tx.exec(`UPDATE licenses SET seats_used = seats_used + ?
		WHERE id = ? AND seats_used + ? <= seats AND (expires = 0 OR expires >= ?)`, n, licenseID, n, now.Second())
	return changed == 1, err
}

func (tx *sqlTx) FreeSeat(licenseID string) error {
	_, err := tx.exec("UPDATE licenses SET seats_used = seats_used - 1 WHERE id = ?", licenseID)
	return err
}

func (tx *sqlReadTx) DeviceNames(start string) ([]string, error) {
	b := &builder{}
	where := b.cond("", Cond{Column: "name_folded", Op: StartsOn, Value: start})
	return values[string](tx, "SELECT name_folded FROM devices WHERE "+where, b.args...)
}

func (tx *sqlReadTx) DeviceGroupByName(folded string) (model.DeviceGroup, error) {
	var g model.DeviceGroup
	err := tx.loadWhere(&g, "name_folded = ?", folded)
	return g, err
}

func (tx *sqlReadTx) DeviceGroupNames(deviceID string) ([]string, error) {
	names, err := values[string](tx, `SELECT g.name FROM device_group_members m JOIN device_groups g ON g.id = m.group_id
		WHERE m.device_id = ? ORDER BY g.name_folded`, deviceID)
	if names == nil {
		names = []string{} // never nil
	}
	return names, err
}

func (tx *sqlReadTx) Presented(ids []string) (map[string]model.Presented, error) {
	found := make(map[string]model.Presented, len(ids))
	err := chunks(ids, func(part []string) error {
		where, args, err := sqlx.In(" WHERE t.id IN (?)", part)
		if err != nil {
			return err
		}
		rows, err := selectPresented.all(tx, where, args...)
		for _, p := range rows {
			found[p.ID] = p
		}
		return err
	})
	return found, err
}

func (tx *sqlTx) Seen(ids []string, now model.Time) error {
	return chunks(ids, func(part []string) error {
		if err := tx.execIn(`UPDATE client_tokens SET last_used = ?, first_used = CASE WHEN first_used = 0 THEN ? ELSE first_used END,
			state = CASE WHEN state = ? THEN state ELSE ? END WHERE id IN (?)`, now, now, model.Revoked, model.Active, part); err != nil {
			return err
		}
		return tx.execIn("UPDATE devices SET last_seen = ? WHERE id IN (SELECT device_id FROM client_tokens WHERE id IN (?))", now, part)
	})
}

func (tx *sqlReadTx) DeviceNamed(name string) (bool, error) {
	return tx.Exists(Step{Table: "devices", To: Folded("name")}, model.Fold(name))
}
