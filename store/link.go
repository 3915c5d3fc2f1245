package store

import (
	"tokensmith/model"
)

// account is the login name of a user and the name of the user's domain.
type account struct {
	Login  string `db:"login_name"`
	Domain string `db:"name"`
}

var selectAccounts = selects[account](`
	SELECT u.login_name, d.name FROM token_assignments a JOIN users u ON u.id = a.user_id JOIN domains d ON d.id = u.domain_id`)

func (tx *sqlTx) PutLink(l *model.DownloadLink) error {
	_, err := tx.exec(`INSERT INTO download_links (token_id, hash, expires) VALUES (?, ?, ?)
		ON CONFLICT (token_id) DO UPDATE SET hash = excluded.hash, expires = excluded.expires`, l.TokenID, l.Hash, l.Expires)
	return err
}

func (tx *sqlReadTx) LinkByHash(hash []byte) (model.DownloadLink, error) {
	var l model.DownloadLink
	err := tx.loadWhere(&l, "hash = ?", hash)
	return l, err
}

func (tx *sqlTx) DropLink(tokenID string) error {
	return tx.later("DELETE FROM download_links WHERE token_id = ?", tokenID)
}

// dropLinks deletes the links of tokens that are being assigned.
func (tx *sqlTx) dropLinks(assignments []model.Assignment) error {
	links, err := value[int64](&tx.sqlReadTx, "SELECT COUNT(*) FROM (SELECT 1 AS one FROM download_links LIMIT 1) AS found")
	if err != nil || links == 0 {
		return err
	}
	tokens := make([]string, len(assignments))
	for i := range assignments {
		tokens[i] = assignments[i].TokenID
	}
	return chunks(tokens, func(part []string) error {
		return tx.execIn("DELETE FROM download_links WHERE token_id IN (?)", part)
	})
}

func (tx *sqlReadTx) AccountOf(tokenID string) (login, domain string, err error) {
	rows, err := selectAccounts.all(tx, " WHERE a.token_id = ? ORDER BY a.is_owner DESC, a.id LIMIT 1", tokenID)
	if err != nil || len(rows) == 0 {
		return "", "", err
	}
	return rows[0].Login, rows[0].Domain, nil
}
