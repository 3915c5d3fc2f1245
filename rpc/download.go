package rpc

import (
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"strings"

	"rsc.io/qr"

	"tokensmith/model"
	"tokensmith/store"
)

const (
	linkPath  = "/p/" // in front of a provisioning link's secret
	linkBytes = 24    // 192 random bits
)

// downloadURL is the reply of token/getDownloadUrl.
type downloadURL struct {
	URL     string `json:"url"`
	Expires string `json:"expires"`
	QRCode  string `json:"qrCode,omitzero"` // of the link, a PNG in base64
	expires model.Time
}

// DownloadArgs are the parameters of token/getDownloadUrl.
type DownloadArgs struct {
	TokenArgs
	QRCode bool `json:"qrCode"` // answer the link's QR code as well
}

// GetDownloadURL makes a one-time provisioning link of a soft token.
func (m *Token) GetDownloadURL(r *http.Request, args *DownloadArgs, plan *Plan) error {
	link, err := m.s.newLink()
	if err != nil {
		return err
	}
	return m.upon(r, &args.Selection, plan, func(c *call, tx store.Tx, id string) (any, error) {
		t, p, _, err := loadToken(tx, id)
		if err != nil {
			return nil, err
		}
		c.touched(m.obj.noun, t.ID)
		made, err := c.putLink(tx, t, p, link)
		if err != nil || !args.QRCode {
			return made, err
		}
		image, err := qrPNG(made.URL)
		made.QRCode = base64.StdEncoding.EncodeToString(image)
		return made, err
	})
}

// newLink makes the secret of a provisioning link.
func (s *core) newLink() (string, error) {
	b := make([]byte, linkBytes)
	_, err := io.ReadFull(s.cfg.Rand, b)
	return base64.RawURLEncoding.EncodeToString(b), err
}

// putLink gives a soft token a new provisioning link; an older one is worthless then.
func (c *call) putLink(tx store.Tx, t *model.Token, p *model.Product, link string) (downloadURL, error) {
	expires := c.now + model.LinkHours*3600_000
	made := downloadURL{URL: strings.TrimRight(c.s.cfg.PublicURL, "/") + linkPath + link, Expires: expires.String(), expires: expires}
	if err := model.Downloadable(p, t); err != nil {
		return made, err
	}
	return made, tx.PutLink(&model.DownloadLink{TokenID: t.ID, Hash: linkHash(link), Expires: expires})
}

func linkHash(link string) []byte {
	sum := sha256.Sum256([]byte(link))
	return sum[:]
}

// retrieved is a soft token as an authenticator app takes it in.
type retrieved struct {
	URI    string `json:"uri"`
	Seed   string `json:"seed"`
	serial string `json:"-"`
}

// reveal hands a soft token out, and counts that.
func (c *call) reveal(tx store.Tx, t *model.Token, p *model.Product, st *model.TokenState) (*retrieved, error) {
	if err := model.Downloadable(p, t); err != nil {
		return nil, err
	}
	seed, err := c.openSeed(tx, t.ID, t.Seed)
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
	t.LastDownload = c.now
	c.touched(tokenObject.noun, t.ID)
	return &retrieved{model.KeyURI(p, account, seed, st.Counter), model.Base32(seed), t.Serial}, tx.Save(t)
}

// RetrieveCredential answers a soft token's otpauth:// URI and seed.
func (m *Token) RetrieveCredential(r *http.Request, args *TokenArgs, plan *Plan) error {
	return m.upon(r, &args.Selection, plan, func(c *call, tx store.Tx, id string) (any, error) {
		t, p, st, err := loadToken(tx, id)
		if err != nil {
			return nil, err
		}
		return c.reveal(tx, t, p, st)
	})
}

// GetTokenQRCode answers the QR code of an assignment's soft token: a PNG in base64.
func (m *TokenAssignment) GetTokenQRCode(r *http.Request, args *TokenArgs, plan *Plan) error {
	return m.upon(r, &args.Selection, plan, func(c *call, tx store.Tx, id string) (any, error) {
		var a model.Assignment
		if err := tx.Load(&a, id); err != nil {
			return nil, err
		}
		// The seed is that of every user's of the token.
		if err := c.mayShare(tx, a.TokenID); err != nil {
			return nil, err
		}
		t, p, st, err := loadToken(tx, a.TokenID)
		if err != nil {
			return nil, err
		}
		found, err := c.reveal(tx, t, p, st)
		if err != nil {
			return nil, err
		}
		image, err := qrPNG(found.URI)
		if err != nil {
			err = model.Errorf(model.Invalid, "the token's key URI is too long for a QR code")
		}
		return base64.StdEncoding.EncodeToString(image), err
	})
}

// qrPNG draws a QR code.
func qrPNG(text string) ([]byte, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return nil, err
	}
	return code.PNG(), nil
}
