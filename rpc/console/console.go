// Package console contains the console: web pages that call the server's methods and nothing else. The files are served
// unchanged; there is no build step.
package console

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"slices"
	"strings"
)

//go:embed static
var static embed.FS

// Policy is the Content-Security-Policy of the pages. They may load their own scripts and styles and call their own server, and
// nothing else.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; manifest-src 'self'; " +
	"form-action 'none'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'"

// place is the placeholder in index.html for the folder of the scripts and styles.
const place = "{{assets}}"

type file struct {
	kind        string
	plain, gzip []byte
}

// assets are served under a folder whose name is the hash of all of them. So browsers may cache them forever.
var (
	assets = map[string]*file{}
	index  *file
	folder string
)

func init() {
	names, err := fs.Glob(static, "static/*")
	if err != nil {
		panic(err)
	}
	slices.Sort(names)
	sum := sha256.New()
	for _, name := range names {
		text, err := static.ReadFile(name)
		if err != nil {
			panic(err)
		}
		sum.Write([]byte(name))
		sum.Write(text)
		assets[path.Base(name)] = &file{kind: mime.TypeByExtension(path.Ext(name)), plain: text}
	}
	folder = hex.EncodeToString(sum.Sum(nil))[:16]
	index = assets["index.html"]
	delete(assets, "index.html")
	index.plain = bytes.ReplaceAll(index.plain, []byte(place), []byte(folder))
	for _, f := range append([]*file{index}, values(assets)...) {
		var b bytes.Buffer
		w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
		w.Write(f.plain)
		w.Close()
		f.gzip = b.Bytes()
	}
}

func values(m map[string]*file) (all []*file) {
	for _, f := range m {
		all = append(all, f)
	}
	return all
}

// Serve replies to a GET of rest, the path after "/console/". It returns whether there is such a file.
func Serve(w http.ResponseWriter, r *http.Request, rest string) bool {
	h := w.Header()
	f := index
	if dir, name, ok := strings.Cut(rest, "/"); ok && dir == folder {
		if f = assets[name]; f == nil {
			return false
		}
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		// All pages are the same document. The fragment of the URL decides what it shows.
		if rest != "" {
			return false
		}
		h.Set("Cache-Control", "no-cache")
		h.Set("Content-Security-Policy", Policy)
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
	}
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Type", f.kind)
	h.Set("Vary", "Accept-Encoding")
	body := f.plain
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		body = f.gzip
	}
	if r.Method == http.MethodHead {
		return true
	}
	w.Write(body)
	return true
}
