package page

import (
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"strings"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/token"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

//go:embed provision.html
var provisionHTML string

//go:embed page.css
var pageCSS string

var provisionPage = newPage(provisionHTML, pageCSS, "")

// provisionView is the data of the page: the button, the result, or the reason why there is none.
type provisionView struct {
	Serial  string
	URI     string
	Link    template.URL // the URI as a link that opens the authenticator app
	Image   template.URL
	Problem string
}

// Provision serves a provisioning link. GET shows a button and nothing secret, because mail scanners open links. POST shows the
// soft token, once.
func (p *Pages) Provision(w http.ResponseWriter, r *http.Request, c *dispatch.Call, link string) {
	c.Page = "provision"
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		p.provisionAnswer(w, r, c, nil, p.lookAt(r, c, link))
	case http.MethodPost:
		found, err := p.reveal(r, c, link)
		p.provisionAnswer(w, r, c, found, err)
	default:
		c.NotAllowed(w, "GET, POST", "a link is opened by GET and POST")
	}
}

// usable returns the token of a link that can still be used.
func (p *Pages) usable(tx store.ReadTx, c *dispatch.Call, link string) (tokenID string, err error) {
	l, err := tx.LinkByHash(token.LinkHash(link))
	if wire.NoSingleMatch(err) || err == nil && c.Now >= l.Expires {
		return "", model.Errorf(model.BadLink, "the link is not valid, was used already, or has expired: ask for a new one")
	}
	return l.TokenID, err
}

func (p *Pages) lookAt(r *http.Request, c *dispatch.Call, link string) error {
	return p.Server.Config.Store.View(r.Context(), func(tx store.ReadTx) error {
		_, err := p.usable(tx, c, link)
		return err
	})
}

// reveal uses up a link and returns its token.
func (p *Pages) reveal(r *http.Request, c *dispatch.Call, link string) (found *token.Retrieved, err error) {
	c.Agent = &model.Agent{Name: "link"}
	c.Method = &dispatch.Method{Path: "provision", Device: true} // the caller has no agent
	plan := &dispatch.Plan{Update: func(tx store.Tx) (any, error) {
		id, err := p.usable(tx, c, link)
		if err != nil {
			return nil, err
		}
		t, p, st, err := token.LoadToken(tx, id)
		if err != nil {
			return nil, err
		}
		if found, err = token.Reveal(c, tx, t, p, st); err != nil {
			return nil, err
		}
		return nil, tx.DropLink(id)
	}}
	_, err = c.Run(r.Context(), plan)
	return found, err
}

// provisionAnswer replies with the page, or with an envelope if the client accepts JSON.
func (p *Pages) provisionAnswer(w http.ResponseWriter, r *http.Request, c *dispatch.Call, found *token.Retrieved, err error) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Robots-Tag", "noindex")
	if strings.Contains(r.Header.Get("Accept"), "application/json") {
		if err != nil {
			c.Fail(w, err, true)
			return
		}
		var result any
		if found != nil {
			result = found
		}
		body, err := wire.Success(result)
		if err != nil {
			c.Fail(w, err, true)
			return
		}
		wire.WriteEnvelope(w, http.StatusOK, body)
		return
	}
	view := provisionView{}
	status := http.StatusOK
	if err != nil {
		e := wire.ClientError(err)
		c.Code, status, view.Problem = wire.CodeOf(e).Number, http.StatusNotFound, e.Msg
		if e.Kind == model.Internal {
			c.Cause, status = err, http.StatusInternalServerError
		}
	}
	if found != nil {
		view.Serial, view.URI, view.Link = found.Serial, found.URI, template.URL(found.URI)
		// A URI that is too long for a QR code is still shown as text.
		if image, err := token.QRPNG(found.URI); err == nil {
			view.Image = template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(image))
		}
	}
	if err := provisionPage.write(w, status, view); err != nil {
		c.Fail(w, err, false)
	}
}
