// Package console holds the console: pages in the browser that call the server's methods and nothing else. They are
// served as they are; there is no build step.
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

// Policy lets the pages load their own scripts and styles, call their own server, and nothing else.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; manifest-src 'self'; " +
	"form-action 'none'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'"

// place is what index.html has in place of the folder of the scripts and styles.
const place = "{{assets}}"

type file struct {
	kind        string
	plain, gzip []byte
}

// assets are served under a folder that is named by the hash of all of them, and so may be kept for ever.
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

// Serve answers a GET of rest, the path behind "/console/". It says whether there is such a file.
func Serve(w http.ResponseWriter, r *http.Request, rest string) bool {
	h := w.Header()
	f := index
	if dir, name, ok := strings.Cut(rest, "/"); ok && dir == folder {
		if f = assets[name]; f == nil {
			return false
		}
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		// Every page is the same document; what it shows is in the fragment.
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
