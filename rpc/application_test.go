package rpc_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"tokensmith/model/otp"
	"tokensmith/store/storetest"
)

// TestRealmsOfLoginsTogether: logins at the same time, which may share a transaction, each see the users of their own realm, and
// their own groups.
func TestRealmsOfLoginsTogether(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		const n = 12
		for _, d := range []string{"d0", "d1"} {
			s.do(t, "domain/create", `{"attrs":{"name":"`+d+`"}}`)
			s.do(t, "realm/create", `{"attrs":{"name":"`+d+`","domains":["`+d+`"]}}`)
			s.do(t, "application/create", `{"attrs":{"name":"`+d+`","realm.name":"`+d+`"}}`)
		}
		for i := range n {
			s.do(t, "group/create", fmt.Sprintf(`{"attrs":{"name":"group%d","domain.name":"d%d"}}`, i, i%2))
			s.do(t, "user/create", fmt.Sprintf(`{"attrs":{"domain.name":"d%d","loginName":"user%d","groups":["group%d"]}}`, i%2, i, i))
			s.do(t, "token/create", fmt.Sprintf(`{"attrs":{"product.productCode":"SE","serial":"%d","seed":"%x","user.loginName":"user%d"}}`, i, seedOf(fmt.Sprint(i)), i))
		}
		for round := range 6 {
			var all sync.WaitGroup
			for i := range n {
				all.Go(func() {
					login := func(application, code string) string {
						_, reply := s.post("/auth/logon", fmt.Sprintf(`{%s"user":{"loginName":"user%d"},"credential":{"otp":%q},"return":["groups.name"]}`, application, i, code))
						return reply
					}
					code := otp.Generate(seedOf(fmt.Sprint(i)), uint64(round), hotp)
					if i%3 == 0 { // of the other realm, which has no such user
						if reply := login(fmt.Sprintf(`"application":"d%d",`, 1-i%2), code); codeIn(reply) != 201 {
							t.Errorf("user %d of another realm: %s", i, reply)
						}
					}
					application := fmt.Sprintf(`"application":{"name":"d%d"},`, i%2)
					if i%4 == 0 {
						application = ""
					}
					if reply := login(application, code); !strings.Contains(reply, fmt.Sprintf(`{"groups.name":["group%d"]}`, i)) {
						t.Errorf("user %d: %s", i, reply)
					}
				})
			}
			all.Wait()
		}
	})
}
