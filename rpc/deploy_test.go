package rpc_test

import (
	"fmt"
	"strings"
	"testing"

	"tokensmith/model"
	"tokensmith/model/modeltest"
	"tokensmith/store"
	"tokensmith/store/storetest"
)

// TestDeployTokens: every active user of a domain who has no token of the product gets one, and nobody gets two.
func TestDeployTokens(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		s.do(t, "repository/create", `{"attrs":{"name":"shelf"}}`)
		domain := s.do(t, "domain/create", `{"attrs":{"name":"d","repository.name":"shelf"}}`).(map[string]any)["id"].(string)
		s.do(t, "user/create", `{"attrs":{"domain.name":"d","loginName":"has"}}`)
		s.do(t, "user/create", `{"attrs":{"domain.name":"d","loginName":"asleep","status":"INACTIVE"}}`)
		s.do(t, "domain/create", `{"attrs":{"name":"other"}}`)
		s.do(t, "user/create", `{"attrs":{"domain.name":"other","loginName":"elsewhere"}}`)
		s.do(t, "token/create", `{"attrs":{"product.productCode":"GT","serial":"1","user.loginName":"has"}}`)
		n := modeltest.Size(20_000, 1500)
		var users []model.User
		for i := range n {
			id := fmt.Sprintf("user%06d", i)
			users = append(users, model.User{ID: id, DomainID: domain, LoginName: id, LoginNameFolded: id, Status: model.Active})
		}
		if err := s.store.UpdateLong(t.Context(), func(tx store.Tx) error {
			_, err := tx.InsertMany(users, false)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time there is nothing to do
			s.do(t, "domain/deployTokens", `{"attrs":{"domain.id":"`+domain+`","product.productCode":"GT"}}`)
			for match, want := range map[string]int{`["token.product.productCode","=","GT"]`: n + 1, `["token.repository.name","=","shelf"],["isOwner","=",true],["status","=","ACTIVE"]`: n + 1,
				`["user.loginName","=","asleep"]`: 0, `["user.loginName","=","elsewhere"]`: 0, `["user.loginName","=","has"]`: 1, `["user.loginName","=","user000007"]`: 1} {
				if got := s.do(t, "tokenAssignment/search", `{"match":[`+match+`],"max":0}`).(map[string]any)["total"]; fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("%s: %v, not %d", match, got, want)
				}
			}
		}
		if reply := fmt.Sprint(s.do(t, "token/retrieveCredential", `{"match":[["user.loginName","=","user000007"]]}`)); !strings.Contains(reply, "otpauth://totp/") {
			t.Error(reply)
		}
		s.do(t, "product/create", `{"attrs":{"name":"code","manufacturerCode":"X","productCode":"CODE","algorithm":"TOTP","kind":"SOFT","activation":"CODE"}}`)
		s.do(t, "domain/deployTokens", `{"attrs":{"domain.name":"other","product":{"productCode":"CODE"}}}`)
		if got := s.do(t, "tokenAssignment/search", `{"match":[["user.loginName","=","elsewhere"]],"return":["status"]}`); !strings.Contains(fmt.Sprint(got), "INACTIVE") {
			t.Error(got)
		}
		for params, want := range map[string]int{`{"attrs":{"domain.id":"` + domain + `","product.productCode":"SE"}}`: 303, `{"attrs":{"domain.name":"nosuch","product.productCode":"GT"}}`: 242,
			`{"attrs":{"domain.name":"d","product.productCode":"none"}}`: 104, `{"attrs":{"domain.name":"d"}}`: 10, `{"attrs":{"domain.name":"d","product":null}}`: 11} {
			if _, reply := s.post("/domain/deployTokens", params); codeIn(reply) != want {
				t.Errorf("%s: %s", params, reply)
			}
		}
	})
}
