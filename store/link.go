package store

import "tokensmith/model"

// PutLink puts a token's provisioning link in place of an older one.
func (tx *Tx) PutLink(l *model.DownloadLink) error {
	_, err := tx.exec(`INSERT INTO download_links (token_id, hash, expires) VALUES (?, ?, ?)
		ON CONFLICT (token_id) DO UPDATE SET hash = excluded.hash, expires = excluded.expires`, l.TokenID, l.Hash, l.Expires)
	return err
}

// LinkByHash finds an unused provisioning link.
func (tx *ReadTx) LinkByHash(hash []byte) (model.DownloadLink, error) {
	var l model.DownloadLink
	err := tx.loadWhere(&l, "hash = ?", hash)
	return l, err
}

// DropLink makes a token's unused provisioning link worthless.
func (tx *Tx) DropLink(tokenID string) error {
	_, err := tx.exec("DELETE FROM download_links WHERE token_id = ?", tokenID)
	return err
}

// AccountOf gives the login name of a token's owner and the domain's name; "" when nobody owns it.
func (tx *ReadTx) AccountOf(tokenID string) (login, domain string, err error) {
	var rows []struct {
		Login  string `db:"login_name"`
		Domain string `db:"name"`
	}
	err = tx.all(&rows, `SELECT u.login_name, d.name FROM token_assignments a JOIN users u ON u.id = a.user_id
		JOIN domains d ON d.id = u.domain_id WHERE a.token_id = ? ORDER BY a.is_owner DESC, a.id LIMIT 1`, tokenID)
	if err != nil || len(rows) == 0 {
		return "", "", err
	}
	return rows[0].Login, rows[0].Domain, nil
}
