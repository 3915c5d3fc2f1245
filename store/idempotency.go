package store

import (
	"errors"

	"tokensmith/model"
)

func (tx *sqlReadTx) FindReply(id string, now model.Time) (*model.StoredReply, error) {
	var a model.StoredReply
	err := tx.loadWhere(&a, "id = ? AND expires > ?", id, now)
	var missed *model.Error
	if errors.As(err, &missed) && missed.Kind == model.NotFound {
		return nil, nil
	}
	return &a, err
}

func (tx *sqlTx) StoreReply(a *model.StoredReply) error {
	_, err := tx.exec(`INSERT INTO idempotency_keys (id, request, reply, expires) VALUES (?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET request = excluded.request, reply = excluded.reply, expires = excluded.expires`,
		a.ID, a.Request, a.Reply, a.Expires)
	return err
}

func (tx *sqlTx) DropReplies(now model.Time, most int) (int64, error) {
	return tx.exec(`DELETE FROM idempotency_keys WHERE id IN
		(SELECT id FROM idempotency_keys WHERE expires <= ? ORDER BY expires, id LIMIT ?)`, now, most)
}
