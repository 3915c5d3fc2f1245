package rpc_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tokensmith/model"
	"tokensmith/model/modeltest"
	"tokensmith/rpc"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/sender"
	"tokensmith/store"
	"tokensmith/store/storetest"
)

// world contains the objects that the methods are tried on, in a domain of their own, and a ghost: names of objects that do not
// exist.
type world struct {
	Name, Domain, User, Loner, Token, Held, Assignment, Product, Repository, Agent, Row, Serial string
	Soft, SoftHeld, Sleeping, Code, Delivery                                                    string
	Device, License, Group, Installation                                                        string
	Emergency                                                                                   string // an emergency code of the user
	Staff, Unit, Source                                                                         string // a group of users, a unit, and an identity source
	Application, Realm, Procedure, Step, Unused, Radius                                         string // Unused is an application that no agent has
}

var ghost = world{"ghost", "ghost", "ghost", "ghost", "ghost", "ghost", "ghost", "ghost", "ghost", "ghost", "ghost", "ghost0000",
	"ghost", "ghost", "ghost", "ghost", "ghost", "ghost", "ghost", "ghost", "ghost", "ghost", "ghost", "ghost",
	"ghost", "ghost", "ghost", "ghost", "ghost", "ghost", "ghost"}

const worldSeed = "3132333435363738393031323334353637383930" // of RFC 4226

func newWorld(t *testing.T, s *service, n int) world { return newWorlds(t, s, n, 1)[0] }

// newWorlds makes worlds of successive numbers in one change, because each change of what decides who may call waits for
// store.MaxCallerAge.
func newWorlds(t *testing.T, s *service, first, count int) []world {
	worlds := make([]world, count)
	var calls []string
	var ids []*string // of what each call makes
	for i := range worlds {
		n, w := first+i, &worlds[i]
		*w = world{Name: fmt.Sprint("w", n), Serial: fmt.Sprintf("serial%03d", n)}
		for _, call := range []struct {
			made         *string
			path, params string
		}{
			{&w.Domain, "domain/create", `{"attrs":{"name":"w%d"}}`},
			{&w.Agent, "agent/create", `{"attrs":{"name":"agent%d","permissions":"token/search"}}`},
			{&w.Realm, "realm/create", `{"attrs":{"name":"realm%d"}}`},
			{&w.Procedure, "logonProcedure/create", `{"attrs":{"name":"procedure%d"}}`},
			{&w.Step, "logonStep/create", `{"attrs":{"name":"step%d","logonProcedure.name":"procedure%[1]d","authenticators":["OTP"]}}`},
			{&w.Application, "application/create", `{"attrs":{"name":"application%d"}}`},
			{&w.Unused, "application/create", `{"attrs":{"name":"unused%d"}}`},
			{&w.Radius, "radiusClient/create", `{"attrs":{"name":"client%d","address":"2001:db8::%[1]x","application.name":"application%[1]d"}}`},
			{nil, "agent/set", `{"agent":{"name":"agent%d"},"attrs":{"applications":[{"name":"application%[1]d"}]}}`},
			{&w.User, "user/create", `{"attrs":{"domain.name":"w%d","loginName":"user%[1]d"}}`},
			{&w.Loner, "user/create", `{"attrs":{"domain.name":"w%d","loginName":"loner%[1]d"}}`},
			{nil, "user/create", `{"attrs":{"domain.name":"w%d","loginName":"sleeper%[1]d","email":"sleeper@mail.example"}}`},
			{&w.Token, "token/create", `{"attrs":{"product.productCode":"SE","serial":"serial%03d","seed":"` + worldSeed + `","user.loginName":"user%[1]d"}}`},
			{nil, "token/reset", `{"token":{"serial":"serial%03d"},"attrs":{"counter":0}}`}, // whatever of the seed was used in another world
			{&w.Held, "token/create", `{"attrs":{"product.productCode":"SE","serial":"held%d"}}`},
			{&w.Assignment, "tokenAssignment/create", `{"attrs":{"token.serial":"held%d","user.loginName":"user%[1]d"}}`},
			{&w.Product, "product/create", `{"attrs":{"name":"p","manufacturerCode":"M","productCode":"w%d","algorithm":"HOTP"}}`},
			{&w.Repository, "repository/create", `{"attrs":{"name":"w%d"}}`},
			{&w.Soft, "token/create", `{"attrs":{"product.productCode":"GT","serial":"soft%d"}}`},
			{&w.SoftHeld, "tokenAssignment/create", `{"attrs":{"token.serial":"soft%d","user.loginName":"user%[1]d"}}`},
			{nil, "token/create", `{"attrs":{"product.productCode":"GT","serial":"sleeping%d"}}`},
			{&w.Sleeping, "tokenAssignment/create", `{"attrs":{"token.serial":"sleeping%d","user.loginName":"sleeper%[1]d","status":"INACTIVE"}}`},
			{&w.License, "license/create", `{"attrs":{"name":"license%d","seats":1}}`},
			{&w.Group, "deviceGroup/create", `{"attrs":{"name":"group%d"}}`},
			{&w.Device, "device/create", `{"attrs":{"name":"device%d","user.loginName":"user%[1]d"}}`},
			{&w.Installation, "installationCode/create", `{"attrs":{"action":"USE_EXISTING_DEVICE","device.name":"device%d"}}`},
			{&w.Staff, "group/create", `{"attrs":{"name":"staff%d","domain.name":"w%[1]d","users":[{"loginName":"user%[1]d"}]}}`},
			{&w.Unit, "unit/create", `{"attrs":{"name":"unit%d","domain.name":"w%[1]d"}}`},
			{&w.Source, "identitySource/create", `{"attrs":{"name":"source%d"}}`},
			{nil, "user/set", `{"user":{"loginName":"user%d"},"attrs":{"email":"user@mail.example"}}`},
			{&w.Emergency, "tempPass/create", `{"attrs":{"user.loginName":"loner%d","password":"emergency%[1]d"}}`},
		} {
			calls = append(calls, fmt.Sprintf(`{"method":"`+call.path+`","params":`+call.params+`}`, n))
			ids = append(ids, call.made)
		}
	}
	_, text := s.post("/batch/execute", `{"atomic":true,"calls":[`+strings.Join(calls, ",")+`]}`)
	if codeIn(text) == 6 { // too many for one transaction of a machine as busy as this one
		_, text = s.post("/batch/execute", `{"calls":[`+strings.Join(calls, ",")+`]}`)
	}
	var batch struct{ Result []map[string]any }
	if err := json.Unmarshal([]byte(text), &batch); err != nil || len(batch.Result) != len(calls) {
		t.Fatalf("%s: %v", text, err)
	}
	for i, reply := range batch.Result {
		made, ok := reply["result"].(map[string]any)
		switch id := ids[i]; {
		case reply["error"] != 0.0:
			t.Fatalf("%s: %v", calls[i], reply)
		case ok && id != nil:
			*id = made["id"].(string)
		}
	}
	rows := s.do(t, "audit/search", fmt.Sprintf(`{"max":%d}`, count)).(map[string]any)["rows"].([]any)
	for i := range worlds {
		worlds[i].Row = rows[i].(map[string]any)["id"].(string)
	}
	return worlds
}

// tried contains, for each method, parameters with which it succeeds on a world. A method that is missing here fails the test.
var tried = map[string]string{
	"domain/create":                      `{"attrs":{"name":"new{Name}"}}`,
	"domain/get":                         `{"id":"{Domain}"}`,
	"domain/set":                         `{"id":"{Domain}","attrs":{"description":"x"}}`,
	"domain/delete":                      `{"domain":{"name":"empty{Name}"}}`,
	"domain/search":                      `{"match":[["id","=","{Domain}"]]}`,
	"user/create":                        `{"attrs":{"domain.id":"{Domain}","loginName":"new"}}`,
	"user/get":                           `{"id":"{User}"}`,
	"user/set":                           `{"id":"{User}","attrs":{"firstName":"x"}}`,
	"user/delete":                        `{"id":"{Loner}"}`,
	"user/search":                        `{"match":[["id","=","{User}"]]}`,
	"user/import":                        `{"attrs":{"csv":"domain,loginName\n{Name},imported\n"}}`,
	"group/create":                       `{"attrs":{"name":"new{Name}","domain.id":"{Domain}"}}`,
	"group/get":                          `{"id":"{Staff}"}`,
	"group/set":                          `{"id":"{Staff}","attrs":{"description":"x"}}`,
	"group/delete":                       `{"id":"{Staff}"}`,
	"group/search":                       `{"match":[["id","=","{Staff}"]]}`,
	"group/addUsers":                     `{"id":"{Staff}","users":[{"id":"{Loner}"},{"id":"{User}"}]}`,
	"group/removeUsers":                  `{"id":"{Staff}","users":[{"id":"{User}"},{"id":"{Loner}"}]}`,
	"unit/create":                        `{"attrs":{"name":"new{Name}","parent.id":"{Unit}"}}`,
	"unit/get":                           `{"id":"{Unit}"}`,
	"unit/set":                           `{"id":"{Unit}","attrs":{"description":"x"}}`,
	"unit/delete":                        `{"id":"{Unit}"}`,
	"unit/search":                        `{"match":[["id","=","{Unit}"]]}`,
	"identitySource/create":              `{"attrs":{"name":"new{Name}"}}`,
	"identitySource/get":                 `{"id":"{Source}"}`,
	"identitySource/set":                 `{"id":"{Source}","attrs":{"description":"x"}}`,
	"identitySource/delete":              `{"id":"{Source}"}`,
	"identitySource/search":              `{"match":[["id","=","{Source}"]]}`,
	"product/create":                     `{"attrs":{"name":"p","manufacturerCode":"N","productCode":"{Name}","algorithm":"HOTP"}}`,
	"product/get":                        `{"id":"{Product}"}`,
	"product/set":                        `{"id":"{Product}","attrs":{"name":"x"}}`,
	"product/delete":                     `{"id":"{Product}"}`,
	"product/search":                     `{"match":[["id","=","{Product}"]]}`,
	"repository/create":                  `{"attrs":{"name":"new{Name}"}}`,
	"repository/get":                     `{"id":"{Repository}"}`,
	"repository/set":                     `{"id":"{Repository}","attrs":{"description":"x"}}`,
	"repository/delete":                  `{"id":"{Repository}"}`,
	"repository/search":                  `{"match":[["id","=","{Repository}"]]}`,
	"token/create":                       `{"attrs":{"product.productCode":"SE","user.id":"{User}"}}`,
	"token/get":                          `{"id":"{Token}"}`,
	"token/set":                          `{"id":"{Token}","attrs":{"description":"x"}}`,
	"token/delete":                       `{"id":"{Token}"}`,
	"token/search":                       `{"match":[["id","=","{Token}"]]}`,
	"token/reset":                        `{"token":{"serial":"{Serial}"}}`,
	"token/confine":                      `{"id":"{Token}"}`,
	"token/release":                      `{"id":"{Token}"}`,
	"token/import":                       `{"attrs":{"product.productCode":"SE","data":"serial,seed\n{Serial},` + worldSeed + `\n"}}`,
	"token/syncToken":                    `{"id":"{Token}","credential":"755224,287082"}`,
	"token/batchAssignTokens":            `{"attrs":{"csv":"domain,loginName,manufacturerCode,productCode,serial,status\n{Name},{Name}batch,DN,SE,{Serial},ACTIVE\n"}}`,
	"tokenAssignment/create":             `{"attrs":{"token.id":"{Token}","user.id":"{Loner}"}}`,
	"tokenAssignment/get":                `{"id":"{Assignment}"}`,
	"tokenAssignment/set":                `{"id":"{Assignment}","attrs":{"priority":7}}`,
	"tokenAssignment/delete":             `{"id":"{Assignment}"}`,
	"tokenAssignment/search":             `{"match":[["id","=","{Assignment}"]]}`,
	"user/unlock":                        `{"id":"{User}"}`,
	"user/resetPassword":                 `{"id":"{User}"}`,
	"token/getDownloadUrl":               `{"id":"{Soft}"}`,
	"token/retrieveCredential":           `{"id":"{Soft}"}`,
	"token/export":                       `{"match":[["id","=","{Token}"]],"attrs":{"password":"correct horse"}}`,
	"tokenAssignment/activate":           `{"id":"{Sleeping}","code":"{Code}"}`,
	"tokenAssignment/sendActivationCode": `{"id":"{Sleeping}","channel":"SMTP"}`,
	"tokenAssignment/sendDownloadUrl":    `{"id":"{SoftHeld}","channel":"SMTP"}`,
	"tokenAssignment/getTokenQRCode":     `{"id":"{SoftHeld}"}`,
	"tokenAssignment/sort":               `{"ids":["{Assignment}"]}`,
	"tempPass/create":                    `{"attrs":{"user.id":"{Loner}"},"count":2,"return":["id","password"]}`,
	"tempPass/get":                       `{"id":"{Emergency}"}`,
	"tempPass/set":                       `{"id":"{Emergency}","attrs":{"usageLimit":2}}`,
	"tempPass/delete":                    `{"id":"{Emergency}"}`,
	"tempPass/search":                    `{"match":[["id","=","{Emergency}"]]}`,
	"tempPass/send":                      `{"ids":["{Emergency}"],"message":{"to":"ops@mail.example","type":"EMAIL"}}`,
	"auth/verify":                        `{"user":{"id":"{User}"},"credential":{"otp":"755224"}}`,
	"auth/logon":                         `{"user":{"id":"{User}"},"credential":{"otp":"755224"}}`,
	"auth/sendOTP":                       `{"user":{"id":"{User}"}}`,
	"auth/syncToken":                     `{"user":{"id":"{User}"},"token":{"id":"{Token}"},"credential":"755224,287082"}`,
	"auth/listTokens":                    `{"user":{"id":"{User}"}}`,
	"auth/listTokenAssignments":          `{"user":{"id":"{User}"}}`,
	"auth/listDomains":                   `{}`,
	"auth/listApplications":              `{}`,
	"auth/listAuthenticators":            `{}`,
	"auth/getLogonSteps":                 `{"user":{"id":"{User}"}}`,
	"auth/activateTokenAssignment":       `{"tokenAssignment":{"id":"{Sleeping}"},"code":"{Code}"}`,
	"auth/logout":                        `{}`,
	"auth/resetLogon":                    `{}`,
	"device/create":                      `{"attrs":{"name":"new{Name}","user.id":"{User}","license.id":"{License}","groups":[{"id":"{Group}"}]}}`,
	"device/get":                         `{"id":"{Device}"}`,
	"device/set":                         `{"id":"{Device}","attrs":{"description":"x"}}`,
	"device/delete":                      `{"id":"{Device}"}`,
	"device/search":                      `{"match":[["id","=","{Device}"]]}`,
	"device/createMany":                  `{"attrs":{"label":"many{Name}","quantity":2,"allowUnlicensed":true}}`,
	"device/revealToken":                 `{"id":"{Device}"}`,
	"device/generateToken":               `{"id":"{Device}"}`,
	"device/revokeToken":                 `{"id":"{Device}"}`,
	"license/create":                     `{"attrs":{"name":"new{Name}","seats":1}}`,
	"license/get":                        `{"id":"{License}"}`,
	"license/set":                        `{"id":"{License}","attrs":{"description":"x"}}`,
	"license/delete":                     `{"id":"{License}"}`,
	"license/search":                     `{"match":[["id","=","{License}"]]}`,
	"deviceGroup/create":                 `{"attrs":{"name":"new{Name}"}}`,
	"deviceGroup/get":                    `{"id":"{Group}"}`,
	"deviceGroup/set":                    `{"id":"{Group}","attrs":{"description":"x"}}`,
	"deviceGroup/delete":                 `{"id":"{Group}"}`,
	"deviceGroup/search":                 `{"match":[["id","=","{Group}"]]}`,
	"batch/execute":                      `{"atomic":true,"calls":[{"method":"/domain/create","params":{"attrs":{"name":"new{Name}"}}}]}`,
	"installationCode/create":            `{"attrs":{"action":"CREATE_DEVICE","user.id":"{User}"}}`,
	"installationCode/get":               `{"id":"{Installation}"}`,
	"installationCode/set":               `{"id":"{Installation}","attrs":{"description":"x"}}`,
	"installationCode/delete":            `{"id":"{Installation}"}`,
	"installationCode/search":            `{"match":[["id","=","{Installation}"]]}`,
	"installationCode/generateCode":      `{}`,
	"installationCode/getQRCode":         `{"id":"{Installation}"}`,
	"installationCode/send":              `{"id":"{Installation}","channel":"SMTP"}`,
	"installationCode/listUses":          `{"id":"{Installation}"}`,
	"template/get":                       `{"template":{"name":"passcode"}}`,
	"template/set":                       `{"template":{"name":"passcode"},"attrs":{"text":"{code}"}}`,
	"template/search":                    `{"match":[["name","=","passcode"]]}`,
	"delivery/get":                       `{"id":"{Delivery}"}`,
	"delivery/search":                    `{"match":[["status","=","SENT"]]}`,
	"agent/create":                       `{"attrs":{"name":"new{Name}","permissions":"agent/create"}}`,
	"agent/get":                          `{"id":"{Agent}"}`,
	"agent/set":                          `{"id":"{Agent}","attrs":{"addresses":["192.0.2.0/24"]}}`,
	"agent/delete":                       `{"id":"{Agent}"}`,
	"agent/search":                       `{"match":[["id","=","{Agent}"]]}`,
	"agent/listTypes":                    `{}`,
	"agent/listApplications":             `{}`,
	"agent/addApplication":               `{"agent":{"id":"{Agent}"},"application":{"id":"{Unused}"}}`,
	"agent/removeApplication":            `{"agent":{"id":"{Agent}"},"application":{"id":"{Application}"}}`,
	"application/create":                 `{"attrs":{"name":"new{Name}","realm.id":"{Realm}"}}`,
	"application/get":                    `{"id":"{Application}"}`,
	"application/set":                    `{"id":"{Application}","attrs":{"description":"x"}}`,
	"application/delete":                 `{"id":"{Unused}"}`,
	"application/search":                 `{"match":[["id","=","{Application}"]]}`,
	"application/selfTest":               `{"id":"{Application}"}`,
	"realm/create":                       `{"attrs":{"name":"new{Name}","domains":[{"id":"{Domain}"}]}}`,
	"realm/get":                          `{"id":"{Realm}"}`,
	"realm/set":                          `{"id":"{Realm}","attrs":{"description":"x"}}`,
	"realm/delete":                       `{"id":"{Realm}"}`,
	"realm/search":                       `{"match":[["id","=","{Realm}"]]}`,
	"logonProcedure/create":              `{"attrs":{"name":"new{Name}"}}`,
	"logonProcedure/get":                 `{"id":"{Procedure}"}`,
	"logonProcedure/set":                 `{"id":"{Procedure}","attrs":{"description":"x"}}`,
	"logonProcedure/delete":              `{"id":"{Procedure}"}`,
	"logonProcedure/search":              `{"match":[["id","=","{Procedure}"]]}`,
	"logonStep/create":                   `{"attrs":{"logonProcedure.id":"{Procedure}","authenticators":["OTP","SPASS"]}}`,
	"logonStep/get":                      `{"id":"{Step}"}`,
	"logonStep/set":                      `{"id":"{Step}","attrs":{"description":"x"}}`,
	"logonStep/delete":                   `{"id":"{Step}"}`,
	"logonStep/search":                   `{"match":[["id","=","{Step}"]]}`,
	"attribute/get":                      `{"match":[["objectName","=","user"],["name","=","loginName"]]}`,
	"attribute/search":                   `{"match":[["objectName","=","user"]]}`,
	"agent/rotateSecret":                 `{"id":"{Agent}"}`,
	"radiusClient/create":                `{"attrs":{"name":"new{Name}","address":"2001:db8:1::{Number}","application.id":"{Application}"}}`,
	"radiusClient/get":                   `{"id":"{Radius}"}`,
	"radiusClient/set":                   `{"id":"{Radius}","attrs":{"attributes":"Class={login}"}}`,
	"radiusClient/delete":                `{"id":"{Radius}"}`,
	"radiusClient/search":                `{"match":[["id","=","{Radius}"]]}`,
	"radiusClient/rotateSecret":          `{"id":"{Radius}"}`,
	"audit/get":                          `{"id":"{Row}"}`,
	"audit/search":                       `{"match":[["id","=","{Row}"]]}`,
	"audit/history":                      `{"objects":["user {User}"]}`,
	"audit/histogram":                    `{"from":"2026-01-01","until":"2027-01-01"}`,
	"audit/overview":                     `{}`,
	"audit/verify":                       `{}`,
	"domain/deployTokens":                `{"attrs":{"domain.id":"{Domain}","product.productCode":"GT"}}`,
	"domain/estimateGuessing":            `{}`,
}

// alsoNeeded are further permissions that a call needs to succeed, because nobody may change an agent that may do more.
var alsoNeeded = map[string]string{"batch/execute": "domain/create", "installationCode/create": "device/create", "agent/delete": "token/search", "agent/set": "token/search", "agent/rotateSecret": "token/search", "agent/addApplication": "token/search", "agent/removeApplication": "token/search",
	"radiusClient/create": "auth/logon", "radiusClient/set": "auth/logon", "radiusClient/delete": "auth/logon", "radiusClient/rotateSecret": "auth/logon"}

// shared are the methods with the same result for every caller, limited to a domain or not.
var shared = []string{"license/get", "license/search", "deviceGroup/get", "deviceGroup/search", "product/get", "product/search", "repository/get", "repository/search", "identitySource/get", "identitySource/search", "auth/sendOTP", "auth/listDomains",
	"auth/listApplications", "auth/listAuthenticators", "auth/getLogonSteps", "auth/logout", "auth/resetLogon", "agent/listTypes", "attribute/get", "attribute/search"}

func (w world) fill(params string) string {
	number, ok := strings.CutPrefix(w.Name, "w")
	if !ok {
		number = "0"
	}
	return strings.NewReplacer("{Name}batch", "user"+strings.TrimPrefix(w.Name, "w"), "{Number}", number, "{Name}", w.Name, "{Domain}", w.Domain, "{User}", w.User,
		"{Loner}", w.Loner, "{Device}", w.Device, "{License}", w.License, "{Group}", w.Group, "{Emergency}", w.Emergency, "{Staff}", w.Staff, "{Unit}", w.Unit, "{Source}", w.Source, "{Application}", w.Application, "{Realm}", w.Realm, "{Procedure}", w.Procedure, "{Step}", w.Step, "{Unused}", w.Unused, "{Radius}", w.Radius, "{Installation}", w.Installation, "{Token}", w.Token, "{Held}", w.Held, "{Assignment}", w.Assignment, "{Product}", w.Product,
		"{SoftHeld}", w.SoftHeld, "{Soft}", w.Soft, "{Sleeping}", w.Sleeping, "{Code}", w.Code, "{Delivery}", w.Delivery, "{Repository}", w.Repository, "{Agent}", w.Agent, "{Row}", w.Row, "{Serial}", w.Serial).Replace(params)
}

// caller is a caller who tries a method.
type caller struct {
	id, secret  string
	token       string
	certificate *x509.Certificate // a client certificate that the TLS layer has checked
}

func (s *service) agent(t *testing.T, attrs string) caller {
	made := s.do(t, "agent/create", `{"attrs":{`+attrs+`}}`).(map[string]any)
	return caller{id: made["clientId"].(string), secret: made["clientSecret"].(string)}
}

// answer returns everything that a caller sees of a reply.
func (s *service) answer(c caller, method, params string) (code int, seen string) {
	s.clock.advance(3 * time.Second) // refusals are limited by a rate
	return s.answerNow(c, method, params)
}

func (s *service) answerNow(c caller, method, params string) (code int, seen string) {
	r := httptest.NewRequest(http.MethodPost, "/das5/rest/"+method, strings.NewReader(params))
	if c.id != "" {
		r.SetBasicAuth(c.id, c.secret)
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	if c.certificate != nil {
		r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{c.certificate}, VerifiedChains: [][]*x509.Certificate{{c.certificate}}}
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	w.Header().Del("X-Request-Id")
	var e struct{ Error *int }
	if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil || e.Error == nil {
		return -1, w.Body.String()
	}
	return *e.Error, fmt.Sprint(w.Code, w.Header(), w.Body)
}

// TestEveryMethodByEveryCaller: every method of the table is called by every kind of caller. Only the right caller succeeds. The
// others change nothing, and their replies reveal neither who they are nor whether the object exists.
func TestEveryMethodByEveryCaller(t *testing.T) {
	t.Parallel()
	storetest.EachIfLong(t, func(t *testing.T, url string) {
		post := make(letterbox, 100)
		s := newService(t, url, func(c *dispatch.Config) { c.Senders = map[string]sender.Sender{model.SMTP: post} })
		s.do(t, "domain/create", `{"attrs":{"name":"elsewhere"}}`)
		key := &x509.Certificate{RawSubjectPublicKeyInfo: []byte("a public key")}
		s.agent(t, fmt.Sprintf(`"name":"disabled too","permissions":"*","status":"DISABLED","certificates":"%x"`, sha256.Sum256(key.RawSubjectPublicKeyInfo)))
		disabled := s.agent(t, `"name":"disabled","permissions":"*","status":"DISABLED"`)
		away := s.agent(t, `"name":"away","permissions":"*","addresses":["198.51.100.0/24"]`)
		elsewhere := s.agent(t, `"name":"elsewhere","permissions":"*","domains":"elsewhere"`)
		for n, m := range rpc.Methods() {
			params, ok := tried[m.Path]
			if m.Device {
				continue // it has no agent; see TestDeviceCalls
			}
			if !ok {
				t.Errorf("%s: how is it tried? tried needs parameters for it", m.Path)
				continue
			}
			w := newWorld(t, s, n)
			if m.Path == "domain/delete" {
				s.do(t, "domain/create", `{"attrs":{"name":"empty`+w.Name+`"}}`)
			}
			if params := tried[m.Path]; strings.Contains(params, "{Code}") || strings.HasPrefix(m.Path, "delivery/") {
				s.do(t, "tokenAssignment/sendActivationCode", w.fill(tried["tokenAssignment/sendActivationCode"]))
				w.Code, w.Delivery = s.carry(t, post)
			}
			var others []string
			for _, o := range rpc.Methods() {
				if o.Path != m.Path && !(m.Path == "token/create" && o.Path == "token/import") {
					others = append(others, o.Path)
				}
			}
			// New callers, because a change of an agent takes a while.
			lacking := s.agent(t, fmt.Sprintf(`"name":"lacking %d","permissions":"%s"`, n, strings.Join(others, ",")))
			right := s.agent(t, fmt.Sprintf(`"name":"right %d","permissions":"%s"`, n, strings.Trim(m.Path+","+alsoNeeded[m.Path], ",")))
			before := contents(t, url)
			var first string
			for name, c := range map[string]caller{"no caller": {}, "wrong secret": {id: s.id, secret: s.key + "x"},
				"secret of another": {id: right.id, secret: s.key}, "unknown": {id: "nobody", secret: s.key}, "wrong token": {token: s.id + ".1.9.x"},
				"unknown certificate": {certificate: &x509.Certificate{}}, "certificate of a disabled agent": {certificate: key},
				"disabled agent": disabled, "wrong address": away} {
				code, seen := s.answer(c, m.Path, w.fill(params))
				if first == "" {
					first = seen
				}
				if code != 4 || seen != first {
					t.Errorf("%s by %s: %s\nothers see %s", m.Path, name, seen, first)
				}
				if _, of := s.answer(c, m.Path, ghost.fill(params)); of != seen {
					t.Errorf("%s by %s sees what there is: %s, else %s", m.Path, name, seen, of)
				}
			}
			code, seen := s.answer(lacking, m.Path, w.fill(params))
			if _, of := s.answer(lacking, m.Path, ghost.fill(params)); code != 5 || of != seen {
				t.Errorf("%s without permission: %s, else %s", m.Path, seen, of)
			}
			if !slices.Contains(shared, m.Path) {
				code, seen = s.answer(elsewhere, m.Path, w.fill(params))
				if strings.HasSuffix(m.Path, "/search") && code == 0 {
					if !strings.Contains(seen, `{"total":0,"rows":[]}`) {
						t.Errorf("%s from another domain: %s", m.Path, seen)
					}
				} else if code == 0 {
					t.Errorf("%s from another domain: %s", m.Path, seen)
				}
			}
			if after := contents(t, url); after != before {
				t.Errorf("%s: a refused call changed something", m.Path)
			}
			// An import cannot hide that a serial number is taken.
			if !slices.Contains(shared, m.Path) && m.Path != "token/import" {
				if _, of := s.answer(elsewhere, m.Path, ghost.fill(params)); of != strings.ReplaceAll(seen, w.Serial, ghost.Serial) {
					t.Errorf("%s from another domain sees what there is: %s, else %s", m.Path, seen, of)
				}
			}
			if code, seen := s.answer(right, m.Path, w.fill(params)); code != 0 {
				t.Errorf("%s by the right one: %s", m.Path, seen)
			}
		}
	})
}

// letterbox is a sender that keeps the messages.
type letterbox chan sender.Message

func (l letterbox) Send(_ context.Context, m sender.Message) error {
	l <- m
	return nil
}

// carry delivers the queued messages, and returns the code in the last message and the id of its delivery.
func (s *service) carry(t *testing.T, post letterbox, see ...func(sender.Message)) (code, id string) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		s.Deliver(ctx)
		close(done)
	}()
	modeltest.Until(t, "all is delivered", func() bool {
		waiting := s.do(t, "delivery/search", `{"match":[["status","=","QUEUED"]],"max":0}`).(map[string]any)["total"]
		return fmt.Sprint(waiting) == "0"
	})
	stop()
	<-done
	for len(post) > 0 {
		letter := <-post
		for _, f := range see {
			f(letter)
		}
		if m := regexp.MustCompile(`is ([0-9A-Z]{8})\n`).FindStringSubmatch(letter.Text); m != nil {
			code = m[1]
		}
	}
	rows := s.do(t, "delivery/search", `{"sort":"-id","max":1}`).(map[string]any)["rows"].([]any)
	return code, rows[0].(map[string]any)["id"].(string)
}

// contents returns everything in the database except the record and the times when agents last called.
func contents(t *testing.T, url string) string {
	t.Helper()
	rows := storetest.Rows(t, url, "audit", "audit_marks", "strangers")
	slices.Sort(rows)
	return lastUsed.ReplaceAllString(strings.Join(rows, "\n"), "")
}

var lastUsed = regexp.MustCompile(`\tlast_used=\d+`)

// TestKnownCallers: a caller from the cache is read again after each change of the caller's rights: at once by the server that
// made the change, and by another one after a time that the change has waited for.
func TestKnownCallers(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		other := s.second(t)
		s.do(t, "domain/create", `{"attrs":{"name":"elsewhere"}}`)
		for n, c := range []struct {
			name, of, method, change string
			is                       string          // in what the caller sees after it
			more                     func(c *caller) // further credentials of the caller
		}{
			{name: "disabled", method: "agent/set", change: `{"agent":{"name":"{}"},"attrs":{"status":"DISABLED"}}`, is: `"error":4`},
			{name: "deleted", method: "agent/delete", change: `{"agent":{"name":"{}"}}`, is: `"error":4`},
			{name: "permissions", method: "agent/set", change: `{"agent":{"name":"{}"},"attrs":{"permissions":"token/search"}}`, is: `"error":5`},
			{name: "addresses", method: "agent/set", change: `{"agent":{"name":"{}"},"attrs":{"addresses":"198.51.100.0/24"}}`, is: `"error":4`},
			{name: "limited", method: "agent/set", change: `{"agent":{"name":"{}"},"attrs":{"domains":"elsewhere"}}`, is: `"total":0`},
			{name: "secret", method: "agent/rotateSecret", change: `{"agent":{"name":"{}"},"overlap":0}`, is: `"error":4`},
			{name: "access token", method: "agent/rotateSecret", change: `{"agent":{"name":"{}"},"overlap":0}`, is: `"error":4`, more: func(c *caller) {
				_, reply := s.ask("/oauth/token", "grant_type=client_credentials", c.id, c.secret)
				*c = caller{token: reply["access_token"].(string)}
			}},
			{name: "certificate", of: `"certificates":"{key}"`, method: "agent/set", change: `{"agent":{"name":"{}"},"attrs":{"certificates":[]}}`, is: `"error":4`, more: func(c *caller) {
				*c = caller{certificate: &x509.Certificate{RawSubjectPublicKeyInfo: []byte(c.id)}}
			}},
			{name: "domain's name", of: `"domains":"{}"`, method: "domain/set", change: `{"domain":{"name":"{}"},"attrs":{"name":"{} renamed"}}`, is: `"total":1`}, // which is still its domain
		} {
			for k, by := range []*service{s, other} {
				name := fmt.Sprint("known", n, k)
				s.do(t, "domain/create", `{"attrs":{"name":"`+name+`"}}`)
				s.do(t, "user/create", `{"attrs":{"domain.name":"`+name+`","loginName":"`+name+`"}}`)
				who := s.agent(t, `"name":"`+name+`","permissions":"user/search"`)
				if c.of != "" {
					key := fmt.Sprintf("%x", sha256.Sum256([]byte(who.id)))
					s.do(t, "agent/set", `{"agent":{"name":"`+name+`"},"attrs":{`+strings.NewReplacer("{}", name, "{key}", key).Replace(c.of)+`}}`)
				}
				if c.more != nil {
					c.more(&who)
				}
				search := `{"match":[["loginName","=","` + name + `"]],"max":0}`
				for range 2 {
					if _, seen := s.answerNow(who, "user/search", search); !strings.Contains(seen, `"total":1`) {
						t.Fatalf("%s: %s", c.name, seen)
					}
				}
				by.do(t, c.method, strings.ReplaceAll(c.change, "{}", name))
				if by != s {
					s.clock.advance(store.MaxCallerAge)
				}
				if _, seen := s.answerNow(who, "user/search", search); !strings.Contains(seen, c.is) {
					t.Errorf("%s, changed by server %d: %s", c.name, k+1, seen)
				}
				s.clock.advance(3 * time.Second)
			}
		}
	})
}

// TestRevokedAgain: a stored reply confirms no more than the first reply did: that no process grants the old right any more.
func TestRevokedAgain(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		for n := range 5 {
			name := fmt.Sprint("again", n)
			who := s.agent(t, `"name":"`+name+`","permissions":"domain/search"`)
			if code, seen := s.answerNow(who, "domain/search", `{"max":0}`); code != 0 {
				t.Fatal(seen)
			}
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					began := time.Now()
					_, reply := s.post("/das5/rest/agent/set", `{"agent":{"name":"`+name+`"},"attrs":{"status":"DISABLED"}}`, "Idempotency-Key", name)
					if took := time.Since(began); took < store.MaxCallerAge {
						t.Errorf("answered after %s, when others may still honour him: %s", took, reply)
					}
					if code, seen := s.answerNow(who, "domain/search", `{"max":0}`); code != 4 && strings.Contains(reply, `"error":0`) {
						t.Errorf("he was disabled: %s", seen)
					}
				})
			}
			all.Wait()
			s.clock.advance(time.Minute) // refusals are limited by a rate
		}
	})
}
