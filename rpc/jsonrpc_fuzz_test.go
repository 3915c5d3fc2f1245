package rpc_test

import (
	"encoding/json"
	"testing"

	"tokensmith/store/storetest"
)

// Every body gets one JSON-RPC response, or none if it is a notification, and never an internal error.
func FuzzJSONRPC(f *testing.F) {
	s := newService(f, storetest.SQLite(f))
	for _, seed := range []string{`{"jsonrpc":"2.0","method":"domain.search","params":{"max":1},"id":1}`, `{"jsonrpc":"2.0","method":"batch.execute","params":[{"calls":[{"method":"domain/get","params":{}}]}],"id":"x"}`,
		`{"jsonrpc":"2.0","method":"domain.search"}`, `[]`, `{"jsonrpc":2.0,"id":[]}`, `{"JSONRPC":"2.0","Method":"domain.get","id":null}`, "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		status, reply := s.post("/jsonrpc", body)
		if status == 204 && reply == "" {
			return
		}
		var r struct {
			JSONRPC string
			Result  json.RawMessage
			Error   *struct{ Code int }
		}
		if err := json.Unmarshal([]byte(reply), &r); err != nil || status != 200 || r.JSONRPC != "2.0" || (r.Error == nil) == (r.Result == nil) || r.Error != nil && (r.Error.Code == 0 || r.Error.Code == 1) {
			t.Errorf("%q: %d %q", body, status, reply)
		}
	})
}
