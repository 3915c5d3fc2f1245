package store

import (
	"strings"

	"github.com/jmoiron/sqlx"

	"tokensmith/model"
)

func (tx *sqlReadTx) TokensBySerial(productID string, serials []string) (map[string]model.Token, error) {
	found := make(map[string]model.Token, len(serials))
	err := chunks(serials, func(part []string) error {
		where, args, err := tx.limited("tokens", "product_id = ? AND serial IN (?)", productID, part)
		if err != nil {
			return err
		}
		rows, err := loadAll[model.Token](tx, where, args...)
		for _, t := range rows {
			found[t.Serial] = t
		}
		return err
	})
	return found, err
}

func (tx *sqlReadTx) ProductByCodes(manufacturer, code string) (model.Product, error) {
	var p model.Product
	err := tx.loadWhere(&p, "manufacturer_code = ? AND product_code = ?", manufacturer, code)
	return p, err
}

func (tx *sqlReadTx) Products() ([]model.Product, error) {
	return loadAll[model.Product](tx, "TRUE ORDER BY id")
}

func (tx *sqlReadTx) RepositoryByName(name string) (model.Repository, error) {
	var r model.Repository
	err := tx.loadWhere(&r, "name = ?", name)
	return r, err
}

func (tx *sqlReadTx) AssignmentsOfTokens(tokenIDs []string) (map[string][]model.Assignment, error) {
	found := make(map[string][]model.Assignment, len(tokenIDs))
	err := chunks(tokenIDs, func(part []string) error {
		where, args, err := sqlx.In("token_id IN (?) ORDER BY id", part)
		if err != nil {
			return err
		}
		rows, err := loadAll[model.Assignment](tx, where, args...)
		for _, a := range rows {
			found[a.TokenID] = append(found[a.TokenID], a)
		}
		return err
	})
	return found, err
}

func (tx *sqlReadTx) AssignedTo(userIDs []string) (map[string]int64, error) {
	counts := make(map[string]int64, len(userIDs))
	err := chunks(userIDs, func(part []string) error {
		query, args, err := sqlx.In("SELECT user_id FROM token_assignments WHERE user_id IN (?)", part)
		if err != nil {
			return err
		}
		each, err := values[string](tx, query, args...)
		for _, id := range each {
			counts[id]++
		}
		return err
	})
	return counts, err
}

func (tx *sqlReadTx) AssignedOfProduct(userID, productID string) (int64, error) {
	return value[int64](tx, "SELECT COUNT(*) FROM token_assignments a JOIN tokens t ON t.id = a.token_id WHERE a.user_id = ? AND t.product_id = ?", userID, productID)
}

func (tx *sqlTx) DisownToken(tokenID string, now model.Time) error {
	_, err := tx.exec("UPDATE token_assignments SET is_owner = ?, last_updated = ? WHERE token_id = ? AND is_owner", false, now, tokenID)
	return err
}

func (tx *sqlTx) Touch(tokenID string, now model.Time) error {
	_, err := tx.exec("UPDATE tokens SET last_updated = ? WHERE id = ?", now, tokenID)
	return err
}

func (tx *sqlTx) ClearFailures(tokenID string) error {
	_, err := tx.exec(strings.TrimSpace(`
		UPDATE user_states SET fail_count = 0, tries = 0
		WHERE fail_count > 0 AND user_id IN (SELECT user_id FROM token_assignments WHERE token_id = ?)
			AND (locked_at = 0 OR user_id IN (SELECT id FROM users WHERE id = user_states.user_id AND status <> ?))`), tokenID, model.LockedBy)
	return err
}
