package rpc_test

import (
	"encoding/base32"
	"fmt"
	"testing"

	"tokensmith/store/storetest"
)

// A provisioning link that was given out before a token is assigned does not show the seed to anybody afterwards, however the
// token is assigned and whoever else has it.
func TestAssigningEndsLinks(t *testing.T) {
	t.Parallel()
	for method, params := range map[string]string{
		"tokenAssignment/create":  `{"attrs":{"token.serial":"1","user.loginName":"u"}}`,
		"token/batchAssignTokens": `{"attrs":{"csv":"domain,loginName,manufacturerCode,productCode,serial\nd,u,GG,GT,1\n"}}`,
		"token/import": fmt.Sprintf(`{"attrs":{"product.productCode":"GT","assign":true,"data":"upn,serial number,secret key,time interval,manufacturer,model\n`+
			`u,1,%s,30,,\n"}}`, base32.StdEncoding.EncodeToString(seedOf("1"))),
		"batch/execute": `{"atomic":true,"calls":[{"method":"tokenAssignment/create","params":{"attrs":{"token.serial":"1","user.loginName":"u"}}}]}`,
	} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, url string) {
				g := newGuarded(t, url)
				g.user("u")
				g.user("first")
				for _, shared := range []bool{false, true} {
					g.do(t, "token/create", fmt.Sprintf(`{"attrs":{"product.productCode":"GT","serial":"1","seed":"%x"}}`, seedOf("1")))
					if shared {
						g.do(t, "tokenAssignment/create", `{"attrs":{"token.serial":"1","user.loginName":"first"}}`)
					}
					link := g.do(t, "token/getDownloadUrl", `{"token":{"serial":"1"}}`).(map[string]any)["url"].(string)
					g.do(t, method, params)
					if _, reply := g.post(link, "", "Accept", "application/json"); codeIn(reply) == 0 {
						t.Errorf("the link is good: %s", reply)
					}
					link = g.do(t, "token/getDownloadUrl", `{"token":{"serial":"1"}}`).(map[string]any)["url"].(string)
					if _, reply := g.post(link, "", "Accept", "application/json"); codeIn(reply) != 0 {
						t.Errorf("a link that was made behind it is not: %s", reply)
					}
					g.deleteToken("1")
				}
			})
		})
	}
}
