package store

import (
	"slices"

	"tokensmith/model"
)

// AgentByCertificate gives the agent that has a public key's hash; nil when there is none.
func (tx *ReadTx) AgentByCertificate(hash string) (*model.Agent, error) {
	rows, err := loadAll[model.Agent](tx, "certificates LIKE ? ESCAPE '!' ORDER BY id", "%"+likeText(hash)+"%")
	for i := range rows {
		if slices.Contains(rows[i].Certificates.Items(), hash) {
			return &rows[i], err
		}
	}
	return nil, err
}

// AgentUsed notes when an agent last called.
func (tx *Tx) AgentUsed(id string, now model.Time) error {
	_, err := tx.exec("UPDATE agents SET last_used = ? WHERE id = ? AND last_used < ?", now, id, now)
	return err
}
