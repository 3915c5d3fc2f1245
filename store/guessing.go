package store

import (
	"github.com/jmoiron/sqlx"

	"tokensmith/model"
	"tokensmith/store/keyring"
)

func (tx *sqlReadTx) CountOutcomes(methods string, since model.Time, outcomes []int64, most int64) (int64, error) {
	if err := tx.reads("audit"); err != nil {
		return 0, err
	}
	query, args, err := sqlx.In("SELECT COUNT(*) FROM (SELECT 1 AS one FROM audit WHERE time >= ? AND outcome IN (?) AND method LIKE ? LIMIT ?) AS found",
		since, outcomes, methods+"%", most)
	if err != nil {
		return 0, err
	}
	return value[int64](tx, query, args...)
}

// TokenHoldings counts the users of a domain who have active assignments to active tokens of a product.
type TokenHoldings struct {
	DomainID   string `db:"domain_id"`
	ProductID  string `db:"product_id"`
	Users      int64  `db:"users"`
	MostTokens int64  `db:"most"` // largest number of tokens, of any product, that one of these users has
}

var selectHeld = selects[TokenHoldings](`
	SELECT domain_id, product_id, COUNT(*) AS users, MAX(tokens) AS most FROM (
		SELECT u.domain_id, t.product_id, a.user_id, MAX(n.tokens) AS tokens
		FROM token_assignments a JOIN tokens t ON t.id = a.token_id JOIN users u ON u.id = a.user_id JOIN (
			SELECT a.user_id, COUNT(*) AS tokens FROM token_assignments a JOIN tokens t ON t.id = a.token_id
			WHERE a.status = 'ACTIVE' AND t.status = 'ACTIVE' GROUP BY a.user_id) AS n ON n.user_id = a.user_id
		WHERE a.status = 'ACTIVE' AND t.status = 'ACTIVE'
		GROUP BY u.domain_id, t.product_id, a.user_id
	) AS held GROUP BY domain_id, product_id ORDER BY domain_id, product_id`)

func (tx *sqlReadTx) TokenHoldings() ([]TokenHoldings, error) { return selectHeld.all(tx, "") }

func (tx *sqlReadTx) ShortSeeds(bytes int64) (int64, error) {
	// Sealing adds the same number of bytes to every seed.
	return value[int64](tx, "SELECT COUNT(*) FROM tokens WHERE LENGTH(seed) < ?", bytes+keyring.SealBytes)
}

func (tx *sqlReadTx) Domains() ([]model.Domain, error) {
	return loadAll[model.Domain](tx, "TRUE ORDER BY name_folded")
}
