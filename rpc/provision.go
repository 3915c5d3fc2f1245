package rpc

import (
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"strings"

	"tokensmith/model"
	"tokensmith/store"
)

//go:embed provision.html
var provisionHTML string

//go:embed page.css
var pageCSS string

var provisionPage = newPage(provisionHTML, pageCSS, "")

// provisionView is what the page shows: the button, what was asked for, or why not.
type provisionView struct {
	Serial  string
	URI     string
	Link    template.URL // the URI, as a link that opens the app
	Image   template.URL
	Problem string
}

// provision serves a provisioning link. Its GET shows a button and nothing secret, for mail scanners follow links; its
// POST shows the soft token, once.
func (p *pages) provision(w http.ResponseWriter, r *http.Request, c *call, link string) {
	c.page = "provision"
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		p.provisionAnswer(w, r, c, nil, p.lookAt(r, c, link))
	case http.MethodPost:
		found, err := p.takeOut(r, c, link)
		p.provisionAnswer(w, r, c, found, err)
	default:
		w.Header().Set("Allow", "GET, POST")
		writeEnvelope(w, http.StatusMethodNotAllowed, failure(model.Errorf(model.NoMethod, "a link is opened by GET and POST")))
	}
}

// usable finds the token of a link that can still be used.
func (p *pages) usable(tx store.ReadTx, c *call, link string) (tokenID string, err error) {
	l, err := tx.LinkByHash(linkHash(link))
	if unknown(err) || err == nil && c.now >= l.Expires {
		return "", model.Errorf(model.BadLink, "the link is not valid, was used already, or has expired: ask for a new one")
	}
	return l.TokenID, err
}

func (p *pages) lookAt(r *http.Request, c *call, link string) error {
	return p.s.cfg.Store.View(r.Context(), func(tx store.ReadTx) error {
		_, err := p.usable(tx, c, link)
		return err
	})
}

// takeOut uses a link up and gives its token.
func (p *pages) takeOut(r *http.Request, c *call, link string) (found *retrieved, err error) {
	c.agent = &model.Agent{Name: "link"}
	c.method = &method{path: "provision", device: true} // nobody known calls
	plan := &Plan{update: func(tx store.Tx) (any, error) {
		id, err := p.usable(tx, c, link)
		if err != nil {
			return nil, err
		}
		t, p, st, err := loadToken(tx, id)
		if err != nil {
			return nil, err
		}
		if found, err = c.reveal(tx, t, p, st); err != nil {
			return nil, err
		}
		return nil, tx.DropLink(id)
	}}
	_, err = c.run(r.Context(), plan)
	return found, err
}

// provisionAnswer answers with the page, or with the envelope where JSON is asked for.
func (p *pages) provisionAnswer(w http.ResponseWriter, r *http.Request, c *call, found *retrieved, err error) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Robots-Tag", "noindex")
	if strings.Contains(r.Header.Get("Accept"), "application/json") {
		if err != nil {
			c.fail(w, err, true)
			return
		}
		var result any
		if found != nil {
			result = found
		}
		body, err := success(result)
		if err != nil {
			c.fail(w, err, true)
			return
		}
		writeEnvelope(w, http.StatusOK, body)
		return
	}
	view := provisionView{}
	status := http.StatusOK
	if err != nil {
		e := wireError(err)
		c.code, status, view.Problem = codeOf(e).number, http.StatusNotFound, e.Msg
		if e.Kind == model.Internal {
			c.cause, status = err, http.StatusInternalServerError
		}
	}
	if found != nil {
		view.Serial, view.URI, view.Link = found.serial, found.URI, template.URL(found.URI)
		// What is too long for a QR code is still shown as text.
		if image, err := qrPNG(found.URI); err == nil {
			view.Image = template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(image))
		}
	}
	if err := provisionPage.write(w, status, view); err != nil {
		c.fail(w, err, false)
	}
}
