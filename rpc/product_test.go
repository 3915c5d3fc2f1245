package rpc_test

import (
	"fmt"
	"strings"
	"testing"

	"tokensmith/store/storetest"
)

// A caller may not change how the tokens of a product are checked if one of their users may do more than the caller: the caller
// could remove the second factor or accept more OTPs. The caller may change the product's names and texts, and the rules of a
// product where no user may do more.
func TestNobodyChangesTheProductOfAStrongerOne(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		g := newGuarded(t, url)
		g.user("boss", "ST 1")
		g.do(t, "user/set", `{"user":{"loginName":"boss"},"attrs":{"permissions":"*"}}`)
		g.user("eve", "MT 2")
		g.do(t, "user/set", `{"user":{"loginName":"eve"},"attrs":{"permissions":"product/set"}}`)
		g.user("plain", "GT 3")
		weak := g.agent(t, `"name":"weak","permissions":"product/*"`)
		held := g.agent(t, `"name":"held","permissions":"*","addresses":"192.0.2.0/24"`)
		for n, attrs := range []string{`"autoWindow":0,"narrowWindow":0,"checkWindow":0`, `"checkWindow":10000`, `"autoWindow":5`, `"narrowWindow":3`, `"manualWindow":5000`,
			`"activation":"CODE"`, `"activationCodeLength":6`, `"activationCodeHours":0`, `"maxTokensPerUser":7`, `"manufacturerCode":"%s"`, `"name":"call 0900-%s"`} {
			for _, c := range []struct {
				who     caller
				product string
				want    int
			}{{weak, "ST", 5}, {held, "ST", 5}, {held, "MT", 5}, {weak, "MT", 0}, {held, "GT", 0}, {weak, "GT", 0}, {weak, "SE", 0}} {
				attrs := strings.ReplaceAll(attrs, "%s", fmt.Sprint("M", n))
				if code, seen := g.answer(c.who, "product/set", `{"product":{"productCode":"`+c.product+`"},"attrs":{`+attrs+`}}`); code != c.want {
					t.Errorf("%s of %s: %s", attrs, c.product, seen)
				}
			}
		}
		for _, attrs := range []string{`"functions":"none"`, `"autoWindow":30,"checkWindow":60`} {
			if code, seen := g.answer(weak, "product/set", `{"product":{"productCode":"ST"},"attrs":{`+attrs+`}}`); code != 0 {
				t.Errorf("%s: %s", attrs, seen)
			}
		}
		g.want(0, g.verify("boss", g.at(slow, "1", 0)), "his OTP")
		g.do(t, "product/set", `{"product":{"productCode":"ST"},"attrs":{"narrowWindow":3}}`)
	})
}
