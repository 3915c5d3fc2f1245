package rpc_test

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"tokensmith/model"
	"tokensmith/rpc"
	"tokensmith/rpc/apidoc"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/sender"
	"tokensmith/rpc/wire"
	"tokensmith/store/storetest"
)

// Rows are deleted directly in the database, as no method does. The server never reports success for work that it did not do, and
// its errors for objects that a client named always use the normal error codes and texts.
func TestRowsDeletedByHand(t *testing.T) {
	t.Parallel()
	for _, table := range []string{"client_tokens", "user_states", "token_states", "users", "products", "token_assignments", "templates", "devices",
		"installation_codes", "download_links", "idempotency_keys", "audit_marks"} {
		t.Run(table, func(t *testing.T) {
			t.Parallel()
			url := storetest.SQLite(t)
			post := make(letterbox, 10)
			s := newService(t, url, func(c *dispatch.Config) { c.Senders = map[string]sender.Sender{model.SMTP: post} })
			w := newWorld(t, s, 1)
			token := s.do(t, "device/revealToken", `{"id":"`+w.Device+`"}`).(map[string]any)["clientToken"].(string)
			code := s.do(t, "installationCode/get", `{"id":"`+w.Installation+`","return":["code"]}`).(map[string]any)["code"].(string)
			s.do(t, "device/set", `{"id":"`+w.Device+`","attrs":{"groups":[{"id":"`+w.Group+`"}],"license.id":"`+w.License+`"}}`)
			s.do(t, "token/getDownloadUrl", `{"id":"`+w.Soft+`"}`)
			storetest.Exec(t, url, "PRAGMA foreign_keys = OFF; DELETE FROM "+table)

			methods := rpc.Methods()
			slices.SortStableFunc(methods, func(a, b apidoc.MethodInfo) int { // read objects before methods remove them
				return cmp.Compare(strings.Count(a.Path, "delete"), strings.Count(b.Path, "delete"))
			})
			for _, m := range methods {
				params := w.fill(tried[m.Path])
				switch m.Path {
				case "device/events", "audit/verify": // the first does not end, and the second reports what is broken
					continue
				case "device/connect":
					params = `{"token":"` + token + `"}`
				case "installationCode/redeem":
					params = `{"code":"` + code + `","nonce":"0123456789abcdef"}`
				case "installationCode/check":
					params = `{"code":"` + code + `"}`
				}
				_, reply := s.post("/"+m.Path, params)
				var e struct {
					Error   *int
					Message *string
				}
				if err := json.Unmarshal([]byte(reply), &e); err != nil || e.Error == nil || (*e.Error == 0) != (e.Message == nil) {
					t.Errorf("%s: %s", m.Path, reply)
				} else if *e.Error == wire.Code(model.Internal) && *e.Message != "internal error" {
					t.Errorf("%s tells the cause: %s", m.Path, reply)
				}
				if want := `{"error":511,"message":"client token not found"}`; table == "client_tokens" && reply != want &&
					slices.Contains([]string{"device/revealToken", "device/generateToken", "device/revokeToken"}, m.Path) {
					t.Errorf("%s: %s", m.Path, reply)
				}
			}
		})
	}
}
