package rpc_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/rpc"
	"tokensmith/store/storetest"
)

const guessEvery = 10 * time.Second

var envelope = regexp.MustCompile(`^\{"error":\d+(,"message":"([^"\\]|\\.)+")?(,"result":.*)?\}$`)

// FuzzBody: any body for any method gives one valid envelope, never an internal error and never a panic.
func FuzzBody(f *testing.F) {
	files, err := filepath.Glob(conversations)
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, block := range strings.Split(string(text), ">>> POST ")[1:] {
			path, rest, _ := strings.Cut(block, "\n")
			body, _, _ := strings.Cut(rest, "<<<")
			f.Add(strings.TrimPrefix(path, "/das5/rest"), []byte(body))
		}
	}
	s := newService(f, storetest.SQLite(f))
	s.do(f, "domain/create", `{"attrs":{"name":"d"}}`)
	s.do(f, "user/create", `{"attrs":{"domain.name":"d","loginName":"u"}}`)
	s.do(f, "token/create", `{"attrs":{"product.productCode":"SE","serial":"1","user.loginName":"u"}}`)
	known := map[string]bool{}
	for _, m := range rpc.Methods() {
		known["/"+m.Path] = true
	}
	f.Fuzz(func(t *testing.T, path string, body []byte) {
		if !known[path] || strings.HasPrefix(path, "/agent/") || path == "/device/events" {
			return
		}
		s.clock.advance(guessEvery) // unknown installation codes are limited by a rate
		status, reply := s.post(path, string(body))
		if status != 200 || !envelope.MatchString(reply) || !jsontext.Value(reply).IsValid() || strings.HasPrefix(reply, `{"error":1,`) {
			t.Errorf("%s %q: %d %s\n%s", path, body, status, reply, s.log)
		}
	})
}
