package token

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"

	"rsc.io/qr"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/store"
)

const (
	LinkPath  = "/p/" // the path before the secret of a provisioning link
	LinkBytes = 24    // 192 random bits
)

// downloadURL is the reply to token/getDownloadUrl.
type downloadURL struct {
	URL     string `json:"url"`
	Expires string `json:"expires"`
	QRCode  string `json:"qrCode,omitzero"` // QR code of the link, a PNG image in base64
	expires model.Time
}

// DownloadArgs are the parameters of token/getDownloadUrl.
type DownloadArgs struct {
	TokenArgs
	QRCode bool `json:"qrCode"` // also return the QR code of the link
}

// GetDownloadURL makes a one-time provisioning link for a soft token.
func (m *Token) GetDownloadURL(r *http.Request, args *DownloadArgs, plan *dispatch.Plan) error {
	link, err := newLink(m.Server)
	if err != nil {
		return err
	}
	return m.UpdateSelected(r, &args.Selection, plan, func(c *dispatch.Call, tx store.Tx, id string) (any, error) {
		t, p, _, err := LoadToken(tx, id)
		if err != nil {
			return nil, err
		}
		c.SetObject(m.Type.Noun, t.ID)
		made, err := putLink(c, tx, t, p, link)
		if err != nil || !args.QRCode {
			return made, err
		}
		image, err := QRPNG(made.URL)
		made.QRCode = base64.StdEncoding.EncodeToString(image)
		return made, err
	})
}

// newLink returns a new secret of a provisioning link.
func newLink(s *dispatch.Server) (string, error) { return s.RandomText(LinkBytes) }

// putLink gives a soft token a new provisioning link, which replaces an older one.
func putLink(c *dispatch.Call, tx store.Tx, t *model.Token, p *model.Product, link string) (downloadURL, error) {
	expires := c.Now + model.LinkHours*3600_000
	made := downloadURL{URL: strings.TrimRight(c.Server.Config.PublicURL, "/") + LinkPath + link, Expires: expires.String(), expires: expires}
	if err := model.Downloadable(p, t); err != nil {
		return made, err
	}
	return made, tx.PutLink(&model.DownloadLink{TokenID: t.ID, Hash: LinkHash(link), Expires: expires})
}

// LinkHash returns the hash by which a provisioning link is found.
func LinkHash(link string) []byte {
	sum := sha256.Sum256([]byte(link))
	return sum[:]
}

// Retrieved is a soft token in the form that an authenticator app imports.
type Retrieved struct {
	URI    string `json:"uri"`
	Seed   string `json:"seed"`
	Serial string `json:"-"`
}

// Reveal returns a soft token with its seed, and counts the download.
func Reveal(c *dispatch.Call, tx store.Tx, t *model.Token, p *model.Product, st *model.TokenState) (*Retrieved, error) {
	if err := model.Downloadable(p, t); err != nil {
		return nil, err
	}
	seed, err := OpenSeed(c, tx, t.ID, t.Seed)
	if err != nil {
		return nil, err
	}
	account := t.Serial
	login, domain, err := tx.AccountOf(t.ID)
	if err != nil {
		return nil, err
	}
	if login != "" {
		account = login + "@" + domain
	}
	t.Downloads++
	t.LastDownload = c.Now
	c.SetObject(TokenType.Noun, t.ID)
	return &Retrieved{model.KeyURI(p, account, seed, st.Counter), model.Base32(seed), t.Serial}, tx.Save(t)
}

// RetrieveCredential returns a soft token's otpauth:// URI and seed.
func (m *Token) RetrieveCredential(r *http.Request, args *TokenArgs, plan *dispatch.Plan) error {
	return m.UpdateSelected(r, &args.Selection, plan, func(c *dispatch.Call, tx store.Tx, id string) (any, error) {
		t, p, st, err := LoadToken(tx, id)
		if err != nil {
			return nil, err
		}
		return Reveal(c, tx, t, p, st)
	})
}

// GetTokenQRCode returns the QR code of an assignment's soft token, as a PNG image in base64.
func (m *TokenAssignment) GetTokenQRCode(r *http.Request, args *TokenArgs, plan *dispatch.Plan) error {
	return m.UpdateSelected(r, &args.Selection, plan, func(c *dispatch.Call, tx store.Tx, id string) (any, error) {
		var a model.Assignment
		if err := tx.Load(&a, id); err != nil {
			return nil, err
		}
		// All users of the token have the same seed.
		if err := mayShare(c, tx, a.TokenID); err != nil {
			return nil, err
		}
		t, p, st, err := LoadToken(tx, a.TokenID)
		if err != nil {
			return nil, err
		}
		found, err := Reveal(c, tx, t, p, st)
		if err != nil {
			return nil, err
		}
		image, err := QRPNG(found.URI)
		if err != nil {
			err = model.Errorf(model.Invalid, "the token's key URI is too long for a QR code")
		}
		return base64.StdEncoding.EncodeToString(image), err
	})
}

// QRPNG returns a QR code as a PNG image.
func QRPNG(text string) ([]byte, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return nil, err
	}
	return code.PNG(), nil
}
