package rpc_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"tokensmith/store/storetest"
)

// TestGetRace: an object that is created and deleted all the time is found or not found, and no reply lacks it.
func TestGetRace(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		var stop atomic.Bool
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				for !stop.Load() {
					_, reply := s.post("/deviceGroup/get", `{"match":{"name":"race"},"return":["id","name"]}`)
					if !strings.HasPrefix(reply, `{"error":0,"result":{"id":"`) && codeIn(reply) != 106 {
						t.Errorf("it gives %s", reply)
						return
					}
				}
			})
		}
		for range 300 {
			s.do(t, "deviceGroup/create", `{"attrs":{"name":"race"}}`)
			s.do(t, "deviceGroup/delete", `{"match":{"name":"race"}}`)
		}
		stop.Store(true)
		all.Wait()
	})
}
