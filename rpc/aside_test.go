package rpc_test

import (
	"regexp"
	"testing"

	"tokensmith/store/storetest"
)

// TestLoginsGoBeforeKeyDerivations: however many keys of encrypted files are being derived, a login with a password waits for at
// most a few of them, and not for all.
func TestLoginsGoBeforeKeyDerivations(t *testing.T) {
	t.Parallel()
	s := newService(t, storetest.SQLite(t), realRandom)
	s.do(t, "domain/create", `{"attrs":{"name":"d"}}`)
	s.do(t, "user/create", `{"attrs":{"domain.name":"d","loginName":"u","password":"a right one"}}`)
	s.do(t, "token/import", params(t, map[string]any{"data": everyKind, "createProducts": true}))
	file := s.do(t, "token/export", `{"match":[],"attrs":{"password":"correct horse"}}`).(map[string]any)["data"].(string)
	count := regexp.MustCompile(`(IterationCount>)\d+<`)
	if !count.MatchString(file) {
		t.Fatal("the file has no count of iterations")
	}
	// The key of the file is changed, so that each import is refused after its derivation.
	attrs := params(t, map[string]any{"data": count.ReplaceAllString(file, "${1}200000<"), "password": "correct horse"})
	const imports = 24
	ended := make(chan int, imports)
	for range imports {
		go func() {
			_, reply := s.post("/token/import", attrs)
			ended <- codeIn(reply)
		}()
	}
	refused := func(code int) {
		if code != 402 {
			t.Errorf("an import answered %d", code)
		}
	}
	refused(<-ended)
	login := make(chan int)
	go func() {
		_, reply := s.post("/auth/verify", `{"user":{"domain.name":"d","loginName":"u"},"credential":{"method":"SPASS","password":"a right one"}}`)
		login <- codeIn(reply)
	}()
	before := 0
	for waits := true; waits; {
		select {
		case code := <-ended:
			refused(code)
			before++
		case code := <-login:
			if code != 0 {
				t.Errorf("the login answered %d", code)
			}
			waits = false
		}
	}
	t.Logf("%d of %d derivations went before a login", before, imports-1)
	if before > imports/2 {
		t.Errorf("%d of %d derivations went before a login", before, imports-1)
	}
	for range imports - 1 - before {
		refused(<-ended)
	}
}
