package store

import (
	"strings"

	"tokensmith/model"
)

// listMost bounds the values looked up by one statement.
const listMost = 500

// inLists runs fn for parts of values, each with "?, ?, ..." and the part as arguments behind lead.
func inLists(values []string, lead []any, fn func(marks string, args []any) error) error {
	for len(values) > 0 {
		part := values[:min(listMost, len(values))]
		values = values[len(part):]
		args := append(make([]any, 0, len(lead)+len(part)), lead...)
		for _, v := range part {
			args = append(args, v)
		}
		if err := fn(marks(len(part)), args); err != nil {
			return err
		}
	}
	return nil
}

// TokensBySerial gives a product's tokens that have one of the serials, by serial.
func (tx *ReadTx) TokensBySerial(productID string, serials []string) (map[string]model.Token, error) {
	found := make(map[string]model.Token, len(serials))
	err := inLists(serials, []any{productID}, func(marks string, args []any) error {
		limit, args := tx.limit("tokens", args)
		rows, err := loadAll[model.Token](tx, "product_id = ? AND serial IN ("+marks+")"+limit, args...)
		for _, t := range rows {
			found[t.Serial] = t
		}
		return err
	})
	return found, err
}

// ProductTokens says whether a product has tokens.
func (tx *ReadTx) ProductTokens(productID string) (bool, error) {
	return tx.Exists("tokens", "product_id", productID)
}

// ProductByCodes finds a product by manufacturer and product code.
func (tx *ReadTx) ProductByCodes(manufacturer, code string) (model.Product, error) {
	var p model.Product
	err := tx.loadWhere(&p, "manufacturer_code = ? AND product_code = ?", manufacturer, code)
	return p, err
}

// Products gives all products, oldest first.
func (tx *ReadTx) Products() ([]model.Product, error) {
	return loadAll[model.Product](tx, "TRUE ORDER BY id")
}

// RepositoryByName finds a repository by its name.
func (tx *ReadTx) RepositoryByName(name string) (model.Repository, error) {
	var r model.Repository
	err := tx.loadWhere(&r, "name = ?", name)
	return r, err
}

// AssignmentsOfTokens gives the assignments of tokens, by token, oldest first.
func (tx *ReadTx) AssignmentsOfTokens(tokenIDs []string) (map[string][]model.Assignment, error) {
	found := make(map[string][]model.Assignment, len(tokenIDs))
	err := inLists(tokenIDs, nil, func(marks string, args []any) error {
		rows, err := loadAll[model.Assignment](tx, "token_id IN ("+marks+") ORDER BY id", args...)
		for _, a := range rows {
			found[a.TokenID] = append(found[a.TokenID], a)
		}
		return err
	})
	return found, err
}

// AssignedOfProduct counts a user's assignments to tokens of a product.
func (tx *ReadTx) AssignedOfProduct(userID, productID string) (int64, error) {
	var n int64
	err := tx.get(&n, "SELECT COUNT(*) FROM token_assignments a JOIN tokens t ON t.id = a.token_id WHERE a.user_id = ? AND t.product_id = ?", userID, productID)
	return n, err
}

// DisownToken takes the owner's mark off a token's assignments.
func (tx *Tx) DisownToken(tokenID string, now model.Time) error {
	_, err := tx.exec("UPDATE token_assignments SET is_owner = ?, last_updated = ? WHERE token_id = ? AND is_owner", false, now, tokenID)
	return err
}

// Touch sets a token's last update.
func (tx *Tx) Touch(tokenID string, now model.Time) error {
	_, err := tx.exec("UPDATE tokens SET last_updated = ? WHERE id = ?", now, tokenID)
	return err
}

// ClearFailures forgets the failed credentials of everybody a token is assigned to.
func (tx *Tx) ClearFailures(tokenID string) error {
	_, err := tx.exec(strings.TrimSpace(`
		UPDATE user_states SET fail_count = 0
		WHERE fail_count > 0 AND user_id IN (SELECT user_id FROM token_assignments WHERE token_id = ?)`), tokenID)
	return err
}
