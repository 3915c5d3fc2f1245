package rpc_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"tokensmith/model"
	"tokensmith/rpc"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/sender"
	"tokensmith/store/storetest"
)

// factorless lists the methods that change no factor of a user and nothing that the user is sent, with the reason. All other methods are tried against users who
// may do something that the caller may not.
var factorless = map[string][]string{
	"reads, and shows no secret": {"domain/get", "domain/search", "user/get", "user/search", "product/get", "product/search", "repository/get",
		"repository/search", "token/get", "token/search", "tempPass/get", "tempPass/search", "tokenAssignment/get", "tokenAssignment/search", "device/get", "device/search",
		"license/get", "license/search", "deviceGroup/get", "deviceGroup/search", "template/get", "template/search", "delivery/get", "delivery/search",
		"domain/estimateGuessing", "agent/listTypes", "attribute/get", "attribute/search", "agent/get", "agent/search", "audit/get", "audit/search", "audit/history", "audit/histogram", "audit/overview", "audit/verify", "installationCode/listUses"},
	"makes or ends what nobody is in yet, or any more": {"domain/create", "domain/delete", "product/create", "product/delete"},
	"is a place to keep tokens in":                     {"repository/create", "repository/set", "repository/delete"},
	"groups users, or names where they come from, by which they prove nothing": {"group/create", "group/get", "group/set", "group/delete", "group/search", "group/addUsers", "group/removeUsers",
		"identitySource/create", "identitySource/get", "identitySource/set", "identitySource/delete", "identitySource/search",
		"unit/create", "unit/get", "unit/set", "unit/delete", "unit/search"},
	"says who logs on where by which kinds of credential, and shows none": {"application/create", "application/get", "application/set", "application/delete", "application/search",
		"application/selfTest", "realm/create", "realm/get", "realm/set", "realm/delete", "realm/search", "logonProcedure/create", "logonProcedure/get", "logonProcedure/set",
		"logonProcedure/delete", "logonProcedure/search", "logonStep/create", "logonStep/get", "logonStep/set", "logonStep/delete", "logonStep/search", "agent/listApplications"},
	"makes a user, who has no factor yet; what permissions he is given is mayGrant's": {"user/create"},
	"goes by the credential, or sends one to its user alone": {"auth/verify", "auth/logon", "auth/sendOTP", "auth/syncToken",
		"auth/activateTokenAssignment"},
	"tells who logs in, and shows no secret": {"auth/listTokens", "auth/listTokenAssignments", "auth/listDomains", "auth/listApplications",
		"auth/listAuthenticators", "auth/getLogonSteps", "auth/logout", "auth/resetLogon"},
	"is of devices: what they prove themselves with proves no user": {"device/create", "device/set", "device/delete", "device/createMany",
		"device/revealToken", "device/generateToken", "device/revokeToken", "device/connect", "device/events", "license/create",
		"license/set", "license/delete", "deviceGroup/create", "deviceGroup/set", "deviceGroup/delete", "installationCode/create", "installationCode/get",
		"installationCode/set", "installationCode/delete", "installationCode/search", "installationCode/generateCode",
		"installationCode/getQRCode", "installationCode/redeem", "installationCode/check"},
	"is of agents, which mayManage guards":                           {"agent/create", "agent/set", "agent/delete", "agent/rotateSecret", "agent/addApplication", "agent/removeApplication"},
	"is of clients of RADIUS, which only who may check logins makes": {"radiusClient/create", "radiusClient/get", "radiusClient/set", "radiusClient/delete", "radiusClient/search", "radiusClient/rotateSecret"},
	"asks for each of its calls: they are tried":                     {"batch/execute"},
}

// againstStronger contains the parameters for methods that are tried differently against a stronger user.
var againstStronger = map[string]string{
	"domain/set":  `{"id":"{Domain}","attrs":{"passcodeChannels":"SMS"}}`,
	"product/set": `{"match":[["productCode","=","SE"]],"attrs":{"name":"call 0900"}}`,
	"user/import": `{"attrs":{"csv":"domain,loginName,email\n{Name},other,x@mail.example\n{Name},{Name}batch,mine@mail.example\n"}}`,
	"token/import": `{"attrs":{"product.productCode":"STE","assign":true,"data":"upn,serial number,secret key,time interval,manufacturer,model\n` +
		`{Name}batch,mine,GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ,30,Contoso,Key\n"}}`,
}

// What people are sent may be decided by a caller with few permissions where everybody whom it reaches may no more.
func TestMessagesToThoseWhoMayNoMore(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url, func(c *dispatch.Config) { c.Senders = map[string]sender.Sender{model.SMTP: make(letterbox, 10)} })
		w := newWorld(t, s, 1)
		weak := s.agent(t, `"name":"weak","permissions":"template/set,product/set,domain/set,installationCode/send,device/create,device/generateToken"`)
		try := func(what string, others int, product int) {
			t.Helper()
			for _, c := range []struct {
				method, params string
				want           int
			}{
				{"template/set", `{"template":{"name":"passcode"},"attrs":{"subject":"Hello","text":"{code}, says weak"}}`, others},
				{"product/set", `{"product":{"productCode":"SE"},"attrs":{"name":"named by weak"}}`, product},
				{"domain/set", w.fill(`{"id":"{Domain}","attrs":{"passcodeChannels":"SMTP"}}`), product},
				{"installationCode/send", w.fill(`{"id":"{Installation}","channel":"SMTP"}`), product},
				{"device/create", w.fill(`{"attrs":{"name":"` + what + `","user.id":"{User}","installationCode":true}}`), product},
			} {
				if code, seen := s.answer(weak, c.method, c.params); code != c.want {
					t.Errorf("%s, %s: %s", what, c.method, seen)
				}
			}
		}
		try("nobody is an administrator", 0, 0)
		s.do(t, "user/set", w.fill(`{"id":"{User}","attrs":{"permissions":"domain/set,template/set"}}`))
		s.do(t, "domain/set", w.fill(`{"id":"{Domain}","attrs":{"passcodeChannels":"SMS"}}`))
		try("one is who may no more", 0, 0)
		s.do(t, "domain/create", `{"attrs":{"name":"elsewhere"}}`)
		s.do(t, "user/create", `{"attrs":{"domain.name":"elsewhere","loginName":"boss","permissions":"audit/verify"}}`)
		s.do(t, "domain/set", w.fill(`{"id":"{Domain}","attrs":{"passcodeChannels":"SMS"}}`))
		try("one elsewhere may more", 5, 0)
		s.do(t, "user/set", w.fill(`{"id":"{User}","attrs":{"permissions":"audit/verify"}}`))
		s.do(t, "domain/set", w.fill(`{"id":"{Domain}","attrs":{"passcodeChannels":"SMS"}}`))
		s.do(t, "product/set", `{"product":{"productCode":"SE"},"attrs":{"name":"SafeID"}}`)
		try("he may more", 5, 5)
	})
}

// TestNobodyTouchesAStrongersFactors: no caller can change, reveal or add a factor of a user who may do something that the caller
// may not, nor what is sent to that user, or where: with no method, alone or in a batch, whether the caller lacks a permission or is
// limited to domains or addresses. This also holds if another user has the token too.
func TestNobodyTouchesAStrongersFactors(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		post := make(letterbox, 10)
		s := newService(t, url, func(c *dispatch.Config) { c.Senders = map[string]sender.Sender{model.SMTP: post} })
		w := newWorld(t, s, 1)
		s.do(t, "tokenAssignment/sendActivationCode", w.fill(tried["tokenAssignment/sendActivationCode"]))
		w.Code, _ = s.carry(t, post)
		s.do(t, "user/create", w.fill(`{"attrs":{"domain.id":"{Domain}","loginName":"plain","email":"plain@mail.example"}}`))
		share := s.do(t, "tokenAssignment/create", w.fill(`{"attrs":{"token.serial":"soft1","user.loginName":"plain"}}`)).(map[string]any)["id"].(string)
		for _, login := range []string{"user1", "loner1", "sleeper1"} {
			s.do(t, "user/set", `{"user":{"loginName":"`+login+`"},"attrs":{"permissions":"*"}}`)
		}

		reasons := map[string]string{}
		for reason, paths := range factorless {
			for _, path := range paths {
				reasons[path] = reason
			}
		}
		var all, touch []string
		for _, m := range rpc.Methods() {
			all = append(all, m.Path)
			if reasons[m.Path] == "" {
				touch = append(touch, m.Path)
			}
			delete(reasons, m.Path)
		}
		for path := range reasons {
			t.Errorf("factorless names %s, which is no method", path)
		}
		type attempt struct{ method, params string }
		var attempts []attempt
		for _, path := range touch {
			params := tried[path]
			if other, ok := againstStronger[path]; ok {
				params = other
			}
			if params == "" {
				t.Errorf("%s: how is it tried? tried or againstStronger needs parameters for it, or factorless a reason", path)
			}
			attempts = append(attempts, attempt{path, w.fill(params)})
		}
		attempts = append(attempts,
			attempt{"token/syncToken", w.fill(`{"id":"{Token}","credential":"000000,000000"}`)},
			attempt{"token/syncToken", w.fill(`{"id":"{Token}","user":{"id":"{User}"},"credential":"000000,000000"}`)},
			attempt{"token/delete", w.fill(`{"id":"{Token}","user":{"id":"{User}"}}`)},
			attempt{"token/export", `{"attrs":{"password":"correct horse"}}`},
			attempt{"token/create", strings.ReplaceAll(againstStronger["token/import"], "{Name}batch", "user1")},
			attempt{"tokenAssignment/activate", w.fill(`{"id":"{Sleeping}","code":"00000000"}`)},
			attempt{"tokenAssignment/getTokenQRCode", `{"id":"` + share + `"}`},
			attempt{"tokenAssignment/sendDownloadUrl", `{"id":"` + share + `","channel":"SMTP"}`},
			attempt{"device/create", w.fill(`{"attrs":{"name":"call 0900","user.id":"{User}","installationCode":true}}`)},
			attempt{"tokenAssignment/set", `{"id":"` + share + `","attrs":{"isOwner":true}}`},
			attempt{"tokenAssignment/create", w.fill(`{"attrs":{"token.id":"{Token}","user.loginName":"plain"}}`)},
			attempt{"token/batchAssignTokens", w.fill(`{"attrs":{"csv":"domain,loginName,manufacturerCode,productCode,serial\n{Name},plain,DN,SE,{Serial}\n"}}`)},
		)

		// Nor is anything told before the refusal: not whether a text is a code, an address the user's own, or a change allowed.
		code := s.do(t, "tempPass/create", w.fill(`{"attrs":{"user.id":"{User}","password":"11111111"}}`)).(map[string]any)["id"].(string)
		attempts = append(attempts,
			attempt{"tempPass/create", w.fill(`{"attrs":{"user.id":"{User}","password":"11111111"}}`)},
			attempt{"tempPass/create", w.fill(`{"attrs":{"user.id":"{User}","password":"22222222"}}`)},
			attempt{"tempPass/create", w.fill(`{"attrs":{"user.id":"{User}","expires":"2099-01-01"},"count":100}`)},
			attempt{"tempPass/set", `{"id":"` + code + `","attrs":{"expires":"2099-01-01"}}`},
			attempt{"tempPass/send", `{"ids":["` + code + `"],"message":{"type":"EMAIL","to":"somebody@mail.example"}}`},
			attempt{"token/set", w.fill(`{"id":"{Token}","attrs":{"serial":""}}`)},
			attempt{"tokenAssignment/set", `{"id":"` + share + `","attrs":{"starts":"2098-01-01","expires":"2097-01-01"}}`},
		)

		lacking := strings.Join(slices.DeleteFunc(slices.Clone(all), func(path string) bool { return path == "audit/verify" }), ",")
		for name, c := range map[string]caller{
			"lacks a permission":   s.agent(t, `"name":"lacking","permissions":"`+lacking+`"`),
			"held to domains":      s.agent(t, `"name":"limited","permissions":"*","domains":"`+w.Name+`"`),
			"limited to addresses": s.agent(t, `"name":"addressed","permissions":"*","addresses":"192.0.2.0/24"`),
		} {
			before := contents(t, url)
			for _, a := range attempts {
				code, seen := s.answer(c, a.method, a.params)
				if code != 5 {
					t.Errorf("%s by one who is %s: %s", a.method, name, seen)
				}
				if name != "held to domains" && !strings.Contains(seen, "may do what the caller may not") { // a caller limited to domains may see less
					t.Errorf("%s by one who is %s is refused for another reason: %s", a.method, name, seen)
				}
				call, err := json.Marshal(map[string]any{"calls": []any{map[string]any{"method": a.method, "params": json.RawMessage(a.params)}}})
				if err != nil {
					t.Fatal(err)
				}
				if code, seen := s.answer(c, "batch/execute", string(call)); code != 0 || !strings.Contains(seen, `"result":[{"error":5,`) {
					t.Errorf("%s in a batch by one who is %s: %s", a.method, name, seen)
				}
				rpcCall := `{"jsonrpc":"2.0","id":1,"method":"` + strings.ReplaceAll(a.method, "/", ".") + `","params":` + a.params + `}`
				if _, seen := s.answer(c, "jsonrpc", rpcCall); !strings.Contains(seen, `"code":5,`) {
					t.Errorf("%s by JSON-RPC by one who is %s: %s", a.method, name, seen)
				}
				if after := contents(t, url); after != before {
					t.Fatalf("%s by one who is %s changed something", a.method, name)
				}
			}
		}
		// A dry run says so too.
		dry := w.fill(strings.Replace(againstStronger["token/import"], `"assign":true`, `"assign":true,"dryRun":true`, 1))
		if code, seen := s.answer(s.agent(t, `"name":"dry","permissions":"token/import"`), "token/import", dry); code != 5 {
			t.Errorf("dry run: %s", seen)
		}
		// The user does it.
		s.do(t, "user/set", w.fill(`{"id":"{User}","attrs":{"password":"correct horse battery"}}`))
		v := &visitor{s: s}
		if _, reply := v.post("signIn", `{"loginName":"user1","password":"correct horse battery","otp":"755224"}`); codeIn(reply) != 0 {
			t.Fatal(reply)
		}
		for _, a := range []attempt{{"token/reset", w.fill(`{"id":"{Token}"}`)}, {"user/unlock", w.fill(`{"id":"{User}"}`)}} {
			if _, reply := v.post("api/"+a.method, a.params); codeIn(reply) != 0 {
				t.Errorf("%s by himself: %s", a.method, reply)
			}
		}
	})
}
