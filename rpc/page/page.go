package page

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"net/http"
)

// page is a self-contained HTML page. Its styles and script are inside it. Its Content-Security-Policy allows it to load nothing
// else, and to send data only to this server.
type page struct {
	html   *template.Template
	css    template.CSS
	js     template.JS
	policy string
}

func newPage(html, css, js string) *page {
	hash := func(s string) string {
		sum := sha256.Sum256([]byte(s))
		return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	p := &page{html: template.Must(template.New("page").Parse(html)), css: template.CSS(css), js: template.JS(js)}
	p.policy = "default-src 'none'; style-src " + hash(css) + "; img-src data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
	if js != "" {
		p.policy += "; script-src " + hash(js) + "; connect-src 'self'"
	}
	return p
}

// write replies with the page. Its template gets View, CSS and JS.
func (p *page) write(w http.ResponseWriter, status int, view any) error {
	var body bytes.Buffer
	if err := p.html.Execute(&body, map[string]any{"View": view, "CSS": p.css, "JS": p.js}); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Robots-Tag", "noindex")
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", p.policy)
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	w.Write(body.Bytes())
	return nil
}
