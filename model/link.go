package model

// LinkHours is how long a provisioning link can be used.
const LinkHours = 48

// DownloadLink is the one unused provisioning link of a soft token. The link itself is not kept, only its SHA-256.
type DownloadLink struct {
	TokenID string `db:"token_id"`
	Hash    []byte `db:"hash"`
	Expires Time   `db:"expires"`
}

// Downloadable says why a token cannot be handed to an app, or nil.
func Downloadable(p *Product, t *Token) error {
	switch {
	case p.Kind != Soft:
		return Errorf(NotDownloadable, "token %s is no soft token: it cannot be downloaded", t.Serial)
	case t.Confined:
		return Errorf(TokenConfined, "token %s is confined: it cannot be downloaded", t.Serial)
	case t.Status != Active:
		return Errorf(TokenUnusable, "token %s is disabled or deceased", t.Serial)
	}
	return nil
}
