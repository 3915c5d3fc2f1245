package rpc_test

import (
	"crypto/sha256"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"tokensmith/rpc/dispatch"
	"tokensmith/store/storetest"
)

// TestAgentsWithCertificates: agent/create makes a certificate where its return asks for one, for who may see secrets, and the agent
// is known by its key. Neither the key nor the password is kept. A server that takes no certificates of its own makes none.
func TestAgentsWithCertificates(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		var issued []string // subject and password
		s := newService(t, url, func(c *dispatch.Config) {
			c.Certify = func(subject pkix.RDNSequence, password string, _ time.Time) (*dispatch.Certificate, error) {
				issued = append(issued, subject.String(), password)
				return &dispatch.Certificate{PEM: "a certificate of " + subject.String(), Authority: "its authority",
					KeyHash: fmt.Sprintf("%x", sha256.Sum256([]byte(password))), PFX: []byte("a file with a key")}, nil
			}
		})
		made := s.do(t, "agent/create", `{"attrs":{type:"WEB_AGENT",ipaddress:"192.0.2.9",name:"intranet",description:"the intranet",subjectDn:"CN=intranet,O=North,C=GB",
//data:"..."
,applications:[[name:tokensmith]]},"return":["id","certificatePfx","agentConfigurePack"]}`).(map[string]any)
		if pfx, _ := base64.StdEncoding.DecodeString(fmt.Sprint(made["certificatePfx"])); string(pfx) != "a file with a key" || made["agentConfigurePack"] != nil {
			t.Error(made)
		}
		if len(issued) != 2 || issued[0] != "CN=intranet,O=North,C=GB" || len(issued[1]) != 24 || made["certificatePassword"] != issued[1] {
			t.Fatal(issued, made)
		}
		for _, method := range []string{"agent/get", "agent/search"} {
			seen := fmt.Sprint(s.do(t, method, `{"match":[["name","=","intranet"]],"return":["*","certificatePfx","certificatePassword","certificateJks"]}`))
			for _, want := range []string{"certificate:a certificate of CN=intranet,O=North,C=GB", "caCertificate:its authority", "certificatePfx:<nil>", "certificatePassword:<nil>", "certificateJks:<nil>",
				fmt.Sprintf("certificates:[%x]", sha256.Sum256([]byte(issued[1])))} {
				if !strings.Contains(seen, want) {
					t.Errorf("%s: no %s in %s", method, want, seen)
				}
			}
		}
		plain := s.do(t, "agent/create", `{"attrs":{"name":"plain","certificates":["`+strings.Repeat("ab", 32)+`"]},"return":["certificatePassword","clientSecret"]}`).(map[string]any)
		if issued[2] != "CN=plain" || plain["certificatePassword"] != issued[3] || plain["certificatePfx"] == nil || plain["clientSecret"] == nil {
			t.Error(issued, plain)
		}
		if has := fmt.Sprint(s.do(t, "agent/get", `{"agent":{"name":"plain"},"return":["certificates"]}`)); strings.Count(has, " ") != 1 {
			t.Errorf("not the given and the made certificate: %s", has)
		}
		s.do(t, "agent/create", `{"attrs":{"name":"without"},"return":["id","certificate"]}`)
		if _, reply := s.post("/agent/create", `{"attrs":{"name":"odd","subjectDn":"the intranet"},"return":["certificatePfx"]}`); codeIn(reply) != 11 || !strings.Contains(reply, "attrs.subjectDn: ") {
			t.Error(reply)
		}
		// Who may not see secrets gets none, and no agent is made.
		clerk := s.agent(t, `"name":"clerk","permissions":"agent/*"`)
		exact := s.agent(t, `"name":"exact","permissions":"agent/create"`)
		if code, seen := s.answer(clerk, "agent/create", `{"attrs":{"name":"new"},"return":["certificatePfx"]}`); code != 5 || !strings.Contains(seen, "return.certificatePfx: ") {
			t.Error(seen)
		}
		if code, seen := s.answer(clerk, "agent/get", `{"agent":{"name":"new"}}`); code != 109 {
			t.Error(seen)
		}
		if code, seen := s.answer(exact, "agent/create", `{"attrs":{"name":"new"},"return":["certificatePfx"]}`); code != 0 {
			t.Error(seen)
		}
		if len(issued) != 6 {
			t.Errorf("%d certificates were issued", len(issued)/2)
		}
		if log := s.log.String(); strings.Contains(log, issued[1]) || strings.Contains(log, "a file with a key") {
			t.Error("a secret is in the log")
		}
		other := s.second(t)
		none := other.do(t, "agent/create", `{"attrs":{"name":"none"},"return":["name","certificatePfx","certificatePassword","certificate"]}`)
		if want := "map[certificate:<nil> certificatePassword:<nil> certificatePfx:<nil> name:none]"; fmt.Sprint(none) != want {
			t.Errorf("%v, not %s", none, want)
		}
	})
}
