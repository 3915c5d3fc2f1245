package store

import "tokensmith/model"

func (tx *sqlReadTx) RadiusClients() ([]model.RadiusClient, error) {
	return loadAll[model.RadiusClient](tx, "TRUE ORDER BY id")
}

func (tx *sqlTx) RadiusAsked(s *model.RadiusClientState) error {
	_, err := tx.exec(`UPDATE radius_client_states SET last_used = CASE WHEN last_used < ? THEN ? ELSE last_used END, accepted = accepted + ?,
		refused = refused + ?, dropped = dropped + ?, last_reason = CASE WHEN ? > '' THEN ? ELSE last_reason END WHERE client_id = ?`,
		s.LastUsed, s.LastUsed, s.Accepted, s.Refused, s.Dropped, s.LastReason, s.LastReason, s.ClientID)
	return err
}

var selectNotes = selectsInOrder[model.RadiusNote]("SELECT id, content, expires FROM radius_notes")

func (tx *sqlReadTx) RadiusNote(id string, now model.Time) ([]byte, error) {
	tx.sees("radius_notes", id)
	found, err := selectNotes.all(tx, " WHERE id = ?", id)
	if err != nil || len(found) == 0 || found[0].Expires <= now {
		return nil, err
	}
	return found[0].Content, nil
}

// PutRadiusNote replaces a note that has expired. If another transaction wrote a note of that id at the same time, PostgreSQL refuses
// one of them (serialization failure), which then runs again and finds it.
func (tx *sqlTx) PutRadiusNote(n *model.RadiusNote) error {
	return tx.change("radius_notes", n.ID, `INSERT INTO radius_notes (id, content, expires) VALUES (?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET content = excluded.content, expires = excluded.expires`, n.ID, n.Content, n.Expires)
}

func (tx *sqlTx) TakeRadiusNote(id string, now model.Time) ([]byte, error) {
	content, err := tx.RadiusNote(id, now)
	if err != nil || content == nil {
		return nil, err
	}
	return content, tx.change("radius_notes", id, "DELETE FROM radius_notes WHERE id = ?", id)
}

func (tx *sqlTx) DropRadiusNotes(now model.Time, most int) (int64, error) {
	return tx.exec(`DELETE FROM radius_notes WHERE id IN
		(SELECT id FROM radius_notes WHERE expires <= ? ORDER BY expires, id LIMIT ?)`, now, most)
}
