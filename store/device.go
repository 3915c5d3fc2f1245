package store

import "tokensmith/model"

// TakeSeats takes n seats of a license, if it has as many left and has not expired. No number of takers at once gets
// more seats than there are.
func (tx *Tx) TakeSeats(licenseID string, n int64, now model.Time) (bool, error) {
	changed, err := tx.exec(`UPDATE licenses SET seats_used = seats_used + ?
		WHERE id = ? AND seats_used + ? <= seats AND (expires = 0 OR expires >= ?)`, n, licenseID, n, now.Second())
	return changed == 1, err
}

// FreeSeat gives a seat of a license back.
func (tx *Tx) FreeSeat(licenseID string) error {
	_, err := tx.exec("UPDATE licenses SET seats_used = seats_used - 1 WHERE id = ?", licenseID)
	return err
}

// DeviceNames gives the folded names of the devices whose folded names start with a text.
func (tx *ReadTx) DeviceNames(start string) ([]string, error) {
	b := &builder{}
	where := b.cond("", Cond{Column: "name_folded", Op: StartsOn, Value: start})
	var names []string
	err := tx.all(&names, "SELECT name_folded FROM devices WHERE "+where, b.args...)
	return names, err
}

// GroupByName finds a group by its folded name.
func (tx *ReadTx) GroupByName(folded string) (model.Group, error) {
	var g model.Group
	err := tx.loadWhere(&g, "name_folded = ?", folded)
	return g, err
}

// GroupNames gives the names of a device's groups, in their order.
func (tx *ReadTx) GroupNames(deviceID string) ([]string, error) {
	names := []string{}
	err := tx.all(&names, `SELECT g.name FROM group_members m JOIN device_groups g ON g.id = m.group_id
		WHERE m.device_id = ? ORDER BY g.name_folded`, deviceID)
	return names, err
}

// Presented gives the client tokens with these public ids, with what decides on them, by id.
func (tx *ReadTx) Presented(ids []string) (map[string]model.Presented, error) {
	found := make(map[string]model.Presented, len(ids))
	err := inLists(ids, nil, func(marks string, args []any) error {
		var rows []model.Presented
		err := tx.all(&rows, `SELECT t.id, t.hash, t.state, t.reason, t.last_used, t.device_id, d.name, d.status
			FROM client_tokens t JOIN devices d ON d.id = t.device_id WHERE t.id IN (`+marks+")", args...)
		for _, p := range rows {
			found[p.ID] = p
		}
		return err
	})
	return found, err
}

// Seen notes that devices used their client tokens, given by public id.
func (tx *Tx) Seen(ids []string, now model.Time) error {
	err := inLists(ids, []any{now, now, model.Revoked, model.Active}, func(marks string, args []any) error {
		_, err := tx.exec(`UPDATE client_tokens SET last_used = ?, first_used = CASE WHEN first_used = 0 THEN ? ELSE first_used END,
			state = CASE WHEN state = ? THEN state ELSE ? END WHERE id IN (`+marks+")", args...)
		return err
	})
	if err != nil {
		return err
	}
	return inLists(ids, []any{now}, func(marks string, args []any) error {
		_, err := tx.exec("UPDATE devices SET last_seen = ? WHERE id IN (SELECT device_id FROM client_tokens WHERE id IN ("+marks+"))", args...)
		return err
	})
}

// Relate makes these, and no others, what a relation leads to from a row: first leads to the relation's table, second
// from there.
func (tx *Tx) Relate(first, second Step, id string, others []string) error {
	if _, err := tx.exec("DELETE FROM "+first.Table+" WHERE "+first.To+" = ?", id); err != nil {
		return err
	}
	for _, other := range others {
		if _, err := tx.exec("INSERT INTO "+first.Table+" ("+first.To+", "+second.From+") VALUES (?, ?)", id, other); err != nil {
			return err
		}
	}
	return nil
}
