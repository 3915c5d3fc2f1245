package model

// LinkHours is how long a provisioning link can be used.
const LinkHours = 48

// DownloadLink is the unused provisioning link of a soft token. A token has at most one. Only the SHA-256 of the link is stored.
type DownloadLink struct {
	TokenID string `db:"token_id"`
	Hash    []byte `db:"hash"`
	Expires Time   `db:"expires"`
}

// Downloadable returns why a token cannot be downloaded to an app; nil if it can.
func Downloadable(p *Product, t *Token) error {
	switch {
	case p.Kind != Soft:
		return Errorf(NotDownloadable, "token %s is not a soft token: it cannot be downloaded", t.Serial)
	case t.Confined:
		return Errorf(TokenConfined, "token %s is confined: it cannot be downloaded", t.Serial)
	case t.Status != Active:
		return Errorf(TokenUnusable, "token %s is disabled or deceased", t.Serial)
	}
	return nil
}
