package rpc_test

import (
	"fmt"
	"testing"

	"tokensmith/store/storetest"
)

// BenchmarkCall measures single calls through the whole server except HTTP itself: one that does nothing, a look-up, one with
// relations and collections, a search, and creating a token.
func BenchmarkCall(b *testing.B) {
	s := newService(b, storetest.SQLite(b))
	s.do(b, "domain/create", `{"attrs":{"name":"d"}}`)
	s.do(b, "user/create", `{"attrs":{"domain.name":"d","loginName":"u"}}`)
	for i := range 100 {
		s.do(b, "token/create", fmt.Sprintf(`{"attrs":{"product.productCode":"SE","serial":"%03d","seed":"%x","user.loginName":"u"}}`, i, seedOf("1")))
	}
	made := 0
	for _, c := range []struct {
		name, method string
		body         func() string
	}{
		{"empty", "auth/logout", func() string { return "{}" }},
		{"get", "token/get", func() string {
			return `{"match":[["serial","=","050"]],"return":["id","serial","status","product.name"]}`
		}},
		{"get with collections", "token/get", func() string {
			return `{"match":[["serial","=","050"]],"return":["*",{"product":["id","name"]},{"users":["id","loginName"]},{"tokenAssignments":["*"]}]}`
		}},
		{"search of 20", "token/search", func() string { return `{"match":[["status","=","ACTIVE"]],"return":["id","serial","status"],"max":20}` }},
		{"projection of 100 with collections", "token/search", func() string {
			return `{"match":[["status","=","ACTIVE"],["serial","~=","%"]],"return":["*",{"product":["id","name"]},{"tokenAssignments":["id","status"]}],"max":100}`
		}},
		{"create", "token/create", func() string {
			made++
			return fmt.Sprintf(`{"attrs":{"product.productCode":"SE","serial":"n%dx","seed":"%x","user.loginName":"u"}}`, made, seedOf("1"))
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, reply := s.post("/"+c.method, c.body()); codeIn(reply) != 0 {
					b.Fatal(reply)
				}
			}
		})
	}
}
