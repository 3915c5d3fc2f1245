package store

import (
	"slices"

	"github.com/jmoiron/sqlx"

	"tokensmith/model"
)

func (tx *sqlReadTx) AgentByCertificate(hash string) (*model.Agent, error) {
	rows, err := loadAll[model.Agent](tx, "id = (SELECT agent_id FROM agent_certificates WHERE hash = ?)", hash)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return &rows[0], nil
}

func (tx *sqlTx) SetCertificates(agentID string, hashes []string) error {
	tx.changesCallers()
	if _, err := tx.exec("DELETE FROM agent_certificates WHERE agent_id = ?", agentID); err != nil {
		return err
	}
	for _, hash := range hashes {
		if _, err := tx.exec("INSERT INTO agent_certificates (hash, agent_id) VALUES (?, ?)", hash, agentID); err != nil {
			return err
		}
	}
	return nil
}

func (tx *sqlTx) AgentUsed(id string, now model.Time) error {
	_, err := tx.exec("UPDATE agents SET last_used = ? WHERE id = ? AND last_used < ?", now, id, now)
	return err
}

func (tx *sqlReadTx) LimitedAgents() ([]model.Agent, error) {
	return loadAll[model.Agent](tx, "domains > '' ORDER BY id")
}

func (tx *sqlReadTx) FullAgents() ([]model.Agent, error) {
	all, err := loadAll[model.Agent](tx, "permissions LIKE '%*%' AND domains = '' AND status = ?", model.Active)
	return slices.DeleteFunc(all, func(a model.Agent) bool { return !a.Permissions.Has("*") }), err
}

func (tx *sqlReadTx) AgentsCalled(folded []string) (found []model.Agent, err error) {
	err = chunks(distinct(folded), func(part []string) error {
		where, args, err := sqlx.In("name_folded IN (?)", part)
		if err != nil {
			return err
		}
		rows, err := loadAll[model.Agent](tx, where, args...)
		found = append(found, rows...)
		return err
	})
	return found, err
}

// agentName is an agent's name, and its folded form as stored.
type agentName struct {
	ID     string `db:"id"`
	Name   string `db:"name"`
	Folded string `db:"name_folded"`
}

var selectAgentNames = selects[agentName]("SELECT id, name, name_folded FROM agents")

// foldAgentNames folds the names that SQL did not fold as model.Fold does, as foldPrincipalNames does for users.
func foldAgentNames(tx *sqlTx) error {
	all, err := selectAgentNames.all(&tx.sqlReadTx, "")
	if err != nil {
		return err
	}
	for _, a := range all {
		folded := model.Fold(a.Name)
		if folded == a.Folded {
			continue
		}
		if _, err := tx.exec("UPDATE agents SET name_folded = ? WHERE id = ?", folded, a.ID); err != nil {
			return err
		}
	}
	return nil
}
