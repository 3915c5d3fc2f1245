package rpc_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/crypto/argon2"

	"tokensmith/model"
	"tokensmith/rpc"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/sender"
	"tokensmith/store"
	"tokensmith/store/keyring"
	"tokensmith/store/storetest"
)

// A new password must have at least 8 characters and must not be one of the most common ones, however it is set and written. A
// refusal changes nothing.
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
		"a":         "must have at least 8 characters",
		"seven77":   "must have at least 8 characters",
		"         ": "must not consist of blanks only",
		" \u3000\u00a0 \u2003 \u00a0   \u2002   ": "must not consist of blanks only",
		"äöüäöüä":  "must have at least 8 characters", // 14 bytes
		"password": "is one of the most common passwords: choose another",
		"PassWord": "is one of the most common passwords: choose another",
		"12345678": "is one of the most common passwords: choose another",
		"１２３４５６７８": "is one of the most common passwords: choose another", // in full-width digits
	} {
		for way, set := range ways {
			if strings.Contains(why, "blanks") && way == "user/import" {
				continue // without a blank there is no variant
			}
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

// A password is the same in every Unicode form in which it can be typed. A password that was set before these rules works until
// it is changed.
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
			return tx.SetPassword(id, s.store.Keys().Seal(keyring.Place{Table: "users", Column: "password", Row: id}, []byte(hash)), false, model.At(s.clock.now()))
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

// The profile nist requires more of secrets that are set from now on, and leaves existing ones unchanged.
func TestProfile(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		post := make(letterbox, 10)
		senders := map[string]sender.Sender{model.SMTP: post, model.SMS: post}
		g := &guarded{newService(t, url, func(c *dispatch.Config) { c.Senders = senders }), t}
		g.do(t, "domain/create", `{"attrs":{"name":"d"}}`)
		g.user("u", "MT 1 1234")
		g.do(t, "user/create", `{"attrs":{"domain.name":"d","loginName":"v","password":"nine char","email":"v@mail.example","mobile":"1"}}`)
		g.do(t, "product/create", `{"attrs":{"name":"slow","manufacturerCode":"M","productCode":"SLOW","algorithm":"TOTP","period":180}}`)
		plain := g.service
		strict := &service{url: url, clock: g.clock, log: g.log, keyFile: g.keyFile, id: g.id, key: g.key}
		strict.open(t, 3, func(c *dispatch.Config) { c.Profile, c.Senders = "nist", senders })
		g = &guarded{strict, t}
		says := func(method, params, why string) {
			t.Helper()
			if _, reply := g.post("/"+method, params); codeIn(reply) != 11 && codeIn(reply) != 404 && codeIn(reply) != 403 || !strings.Contains(reply, why) {
				t.Errorf("%s %s: %s", method, params, reply)
			}
		}
		if list, err := g.Warnings(t.Context()); err != nil || len(list) != 1 || !strings.Contains(list[0], "M/SLOW") {
			t.Error(list, err)
		}
		if list, err := plain.Warnings(t.Context()); err != nil || len(list) != 0 {
			t.Error(list, err)
		}

		// Passwords:
		if _, reply := g.post("/auth/verify", `{"user":{"loginName":"v"},"credential":{"method":"SPASS","password":"nine char"}}`); codeIn(reply) != 0 {
			t.Errorf("one that was set before: %s", reply)
		}
		alone := "must have at least 15 characters for a user without an active token"
		says("user/create", `{"attrs":{"domain.name":"d","loginName":"w","password":"fourteen chars"}}`, alone)
		says("user/set", `{"user":{"loginName":"v"},"attrs":{"password":"fourteen chars"}}`, alone)
		says("user/import", `{"attrs":{"csv":"domain,loginName,password\nd,w,fourteen chars\n"}}`, alone)
		says("user/resetPassword", `{"user":{"loginName":"v"},"password":"fourteen chars"}`, alone)
		says("auth/verify", `{"user":{"loginName":"v"},"credential":{"method":"SPASS","password":"nine char","newPassword":"fourteen chars"}}`, alone)
		says("user/set", `{"user":{"loginName":"u"},"attrs":{"password":"seven77"}}`, "must have at least 8 characters")
		g.do(t, "user/set", `{"user":{"loginName":"u"},"attrs":{"password":"nine char"}}`) // u has a token
		g.do(t, "user/resetPassword", `{"user":{"loginName":"u"}}`)
		g.do(t, "user/resetPassword", `{"user":{"loginName":"v"}}`)
		g.do(t, "user/set", `{"user":{"loginName":"v"},"attrs":{"password":"this is fifteen"}}`)
		// A password that is short because an OTP was required beside it does not log its user in alone. Nor does a password that
		// was short before.
		alone15 := func(code int, login, password, more string) {
			t.Helper()
			_, reply := g.post("/auth/verify", fmt.Sprintf(`{"user":{"loginName":%q},"credential":{"method":"SPASS","password":%q%s}}`, login, password, more))
			g.want(code, codeIn(reply), login+"'s "+password+" alone, "+more)
		}
		knock := func(login, more string) int {
			return codeIn(g.knock("192.0.2.1", login, "nine char", more))
		}
		g.do(t, "user/create", `{"attrs":{"domain.name":"d","loginName":"x","password":"this is fifteen","permissions":"token/get"}}`)
		g.do(t, "token/create", fmt.Sprintf(`{"attrs":{"product.productCode":"SE","serial":"5","seed":"%x","user.loginName":"x"}}`, seedOf("5")))
		alone15(0, "x", "this is fifteen", "")
		g.do(t, "user/set", `{"user":{"loginName":"x"},"attrs":{"password":"nine char"}}`)
		alone15(207, "x", "nine char", "")
		alone15(201, "x", "another one", "")
		alone15(11, "x", "nine char", `,"newPassword":"short one"`)
		g.want(0, knock("x", `,"otp":"`+g.at(hotp, "5", 0)+`"`), "beside its OTP")
		g.do(t, "token/set", `{"token":{"serial":"5"},"attrs":{"status":"DISABLED"}}`)
		g.want(207, knock("x", ""), "at the console without a token")
		g.want(11, knock("x", `,"newPassword":"short one"`), "changed into a short one there")
		alone15(0, "x", "nine char", `,"newPassword":"this is fifteen"`)
		alone15(0, "x", "this is fifteen", "")
		if _, reply := g.post("/auth/verify", `{"user":{"loginName":"v"},"credential":{"method":"SPASS","password":"wrong","newPassword":"fourteen chars"}}`); codeIn(reply) != 201 {
			t.Errorf("who does not know the old password: %s", reply)
		}

		// PINs:
		says("tokenAssignment/set", `{"match":[["token.serial","=","1"]],"attrs":{"pin":"1234567"}}`, "must have at least 8 characters")
		says("tokenAssignment/set", `{"match":[["token.serial","=","1"]],"attrs":{"pin":"12345678"}}`, "most common")
		says("token/create", `{"attrs":{"product.productCode":"SE","user.loginName":"u","pin":"1234"}}`, "must have at least 8 characters")
		says("token/batchAssignTokens", `{"attrs":{"csv":"domain,loginName,manufacturerCode,productCode,serial,pin\nd,u,DN,MT,1,1234\n"}}`, "must have at least 8 characters")
		g.want(201, g.verify("u", "1234"+g.at(totp, "1", 0)+"4321"+"4321"), "changed into a short one")
		g.want(0, g.verify("u", "1234"+g.at(totp, "1", 0)+"43218765"+"43218765"), "changed into a long one")
		g.want(0, g.verify("u", "43218765"+g.at(totp, "1", 1)), "by the long one")

		// Time steps:
		says("product/create", `{"attrs":{"name":"p","manufacturerCode":"M","productCode":"P","algorithm":"TOTP","period":121}}`, "longer than the 120 s")
		says("product/set", `{"match":[["productCode","=","SLOW"]],"attrs":{"period":150}}`, "longer than the 120 s")
		g.do(t, "product/set", `{"match":[["productCode","=","SLOW"]],"attrs":{"name":"slower"}}`)
		g.do(t, "product/create", `{"attrs":{"name":"p","manufacturerCode":"M","productCode":"P","algorithm":"TOTP","period":120}}`)
		g.do(t, "product/create", `{"attrs":{"name":"p","manufacturerCode":"M","productCode":"E","algorithm":"HOTP"}}`)
		says("token/import", fmt.Sprintf(`{"attrs":{"createProducts":true,"data":"serial,seed,type,digits,period\n9,%x,totp,6,150\n"}}`, seedOf("9")), "longer than 120 s")

		// Passcodes:
		says("auth/sendOTP", `{"user":{"loginName":"v"},"channel":"SMTP"}`, "does not allow passcodes by e-mail")
		says("auth/sendOTP", `{"user":{"loginName":"nobody"},"channel":"SMTP"}`, "does not allow passcodes by e-mail")
		g.do(t, "auth/sendOTP", `{"user":{"loginName":"v"}}`)
		for _, row := range g.do(t, "delivery/search", `{"return":["channel"]}`).(map[string]any)["rows"].([]any) {
			if channel := row.(map[string]any)["channel"]; channel != model.SMS {
				t.Errorf("a passcode went by %s", channel)
			}
		}
	})
	if _, err := rpc.New(t.Context(), dispatch.Config{Store: storetest.NewSQLite(t).Open(t), Profile: "no such"}); err == nil || !strings.Contains(err.Error(), `no profile "no such"`) {
		t.Error(err)
	}
}
