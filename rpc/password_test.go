package rpc_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/crypto/argon2"

	"tokensmith/model"
	"tokensmith/store"
	"tokensmith/store/storetest"
)

// A new password has at least 8 characters and is none of the most common ones, in whatever way it is set and written; what is
// refused changes nothing.
func TestNewPasswords(t *testing.T) {
	t.Parallel()
	s := newService(t, storetest.SQLite(t))
	s.do(t, "domain/create", `{"attrs":{"name":"d"}}`)
	s.do(t, "user/create", `{"attrs":{"domain.name":"d","loginName":"u","password":"correct horse","permissions":"token/search"}}`)
	browser := []string{"Sec-Fetch-Site", "same-origin"}
	ways := map[string]func(password string) string{
		"user/create": func(p string) string {
			_, reply := s.post("/user/create", fmt.Sprintf(`{"attrs":{"domain.name":"d","loginName":"v","password":%q}}`, p))
			return reply
		},
		"user/set": func(p string) string {
			_, reply := s.post("/user/set", fmt.Sprintf(`{"user":{"loginName":"u"},"attrs":{"password":%q}}`, p))
			return reply
		},
		"user/import": func(p string) string {
			_, reply := s.post("/user/import", fmt.Sprintf(`{"attrs":{"csv":%q}}`, "domain,loginName,password\nd,w,"+p+"\n"))
			return reply
		},
		"user/resetPassword": func(p string) string {
			_, reply := s.post("/user/resetPassword", fmt.Sprintf(`{"user":{"loginName":"u"},"password":%q}`, p))
			return reply
		},
		"auth/verify": func(p string) string {
			_, reply := s.post("/auth/verify", fmt.Sprintf(`{"user":{"loginName":"u"},"credential":{"method":"SPASS","password":"correct horse","newPassword":%q}}`, p))
			return reply
		},
		"console/signIn": func(p string) string {
			_, reply := s.post("/console/signIn", fmt.Sprintf(`{"loginName":"u","password":"correct horse","newPassword":%q}`, p), browser...)
			return reply
		},
	}
	for password, why := range map[string]string{
		"a":        "has fewer than 8 characters",
		"seven77":  "has fewer than 8 characters",
		"äöüäöüä":  "has fewer than 8 characters", // 14 bytes
		"password": "is one of the most common passwords",
		"PassWord": "is one of the most common passwords",
		"12345678": "is one of the most common passwords",
		"１２３４５６７８": "is one of the most common passwords", // of full width
	} {
		for way, set := range ways {
			if reply := set(password); !strings.Contains(reply, why) || codeIn(reply) != 11 && codeIn(reply) != 404 {
				t.Errorf("%s %q: %s", way, password, reply)
			}
		}
	}
	if _, reply := s.post("/auth/verify", `{"user":{"loginName":"u"},"credential":{"method":"SPASS","password":"correct horse"}}`); reply != `{"error":0}` {
		t.Error(reply)
	}
	if n := fmt.Sprint(s.do(t, "user/search", `{"max":1}`).(map[string]any)["total"]); n != "1" {
		t.Errorf("%s users", n)
	}
	for _, password := range []string{"eight ch", "日本語日本語日本", "password is long"} {
		for way, set := range ways {
			s.do(t, "user/set", `{"user":{"loginName":"u"},"attrs":{"password":"correct horse","mustChangePassword":false}}`)
			for _, gone := range []string{"v", "w"} {
				s.post("/user/delete", fmt.Sprintf(`{"user":{"loginName":%q}}`, gone))
			}
			if reply := set(password); codeIn(reply) != 0 {
				t.Errorf("%s %q: %s", way, password, reply)
			}
		}
	}
}

// A password is the same in whatever form its characters were typed, and one that was set before these rules works until it is
// changed.
func TestOldPasswords(t *testing.T) {
	t.Parallel()
	s := newService(t, storetest.SQLite(t))
	s.do(t, "domain/create", `{"attrs":{"name":"d"}}`)
	id := s.do(t, "user/create", `{"attrs":{"domain.name":"d","loginName":"u","password":"cafe\u0301 noir"}}`).(map[string]any)["id"].(string)
	verify := func(password, more string) int {
		_, reply := s.post("/auth/verify", fmt.Sprintf(`{"user":{"loginName":"u"},"credential":{"method":"SPASS","password":"%s"%s}}`, password, more))
		return codeIn(reply)
	}
	want := func(code, got int, what string) {
		t.Helper()
		if code != got {
			t.Errorf("%s: code %d, not %d", what, got, code)
		}
	}
	want(0, verify(`cafe\u0301 noir`, ""), "as it was set")
	want(0, verify(`caf\u00e9 noir`, ""), "composed")
	want(201, verify(`caf\u00e9 noir`, `,"newPassword":"cafe\u0301 noir"`), "changed into itself")
	want(201, verify(`cafe noir`, ""), "another one")
	old := func(password string) {
		salt := []byte("0123456789abcdef")
		key := argon2.IDKey([]byte(password), salt, 2, 19<<10, 1, 32)
		hash := fmt.Sprintf("$argon2id$v=%d$m=%d,t=2,p=1$%s$%s", argon2.Version, 19<<10, base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key))
		err := s.store.Update(t.Context(), func(tx store.Tx) error {
			return tx.SetPassword(id, s.store.Keys().Seal(store.Place{Table: "users", Column: "password", Row: id}, []byte(hash)), false, model.At(s.clock.now()))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	old("a")
	want(0, verify("a", ""), "an old short one")
	want(11, verify("a", `,"newPassword":"b"`), "changed into another short one")
	want(0, verify("a", ""), "still the old one")
	old("e\u0301")
	want(0, verify(`e\u0301`, ""), "an old one of another form")
	want(201, verify(`\u00e9`, ""), "that one in this form")
	want(0, verify(`e\u0301`, `,"newPassword":"cafe\u0301 noir"`), "changed")
	want(0, verify(`caf\u00e9 noir`, ""), "the new one")
	want(201, verify(`e\u0301`, ""), "the old one")
}
