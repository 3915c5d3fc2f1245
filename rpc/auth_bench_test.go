package rpc_test

import (
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"tokensmith/store/storetest"
)

// BenchmarkRefusal measures the answers that must not be told apart by their time: their medians lie within a fifth.
func BenchmarkRefusal(b *testing.B) {
	s := newService(b, storetest.SQLite(b))
	s.do(b, "domain/create", `{"attrs":{"name":"d","lockoutThreshold":0}}`)
	s.do(b, "user/create", `{"attrs":{"domain.name":"d","loginName":"u","password":"right"}}`)
	s.do(b, "token/create", fmt.Sprintf(`{"attrs":{"product.productCode":"GT","serial":"1","seed":"%x","user.loginName":"u","pin":"1234"}}`, seedOf("1")))
	for name, body := range map[string]string{
		"unknown user":         `{"user":{"domain.name":"d","loginName":"x"},"credential":{"otp":"1234000000"}}`,
		"unknown token":        `{"user":{"domain.name":"d","loginName":"u"},"token":{"serial":"2"},"credential":{"otp":"1234000000"}}`,
		"password of nobody":   `{"user":{"domain.name":"d","loginName":"x"},"credential":{"method":"SPASS","password":"x"}}`,
		"wrong password":       `{"user":{"domain.name":"d","loginName":"u"},"credential":{"method":"SPASS","password":"x"}}`,
		"wrong OTP of a token": `{"user":{"domain.name":"d","loginName":"u"},"token":{"serial":"1"},"credential":{"otp":"1234000000"}}`,
		"wrong PIN":            `{"user":{"domain.name":"d","loginName":"u"},"credential":{"otp":"4321000000"}}`,
		"wrong OTP":            `{"user":{"domain.name":"d","loginName":"u"},"credential":{"otp":"1234000000"}}`,
	} {
		b.Run(name, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				s.clock.advance(4 * time.Second)
				start := time.Now()
				_, reply := s.post("/auth/verify", body)
				took = append(took, time.Since(start))
				if codeIn(reply) != 201 {
					b.Fatal(reply)
				}
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Nanoseconds()), "p50-ns")
		})
	}
}

// BenchmarkVerify measures accepted OTPs, one after the other and side by side.
func BenchmarkVerify(b *testing.B) {
	for _, product := range []string{"GT", "ST"} {
		for _, callers := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/%d", product, callers), func(b *testing.B) {
				const users = 2000
				s := newService(b, storetest.SQLite(b))
				s.do(b, "domain/create", `{"attrs":{"name":"d"}}`)
				g := &guarded{service: s}
				for i := range users {
					s.do(b, "user/create", fmt.Sprintf(`{"attrs":{"domain.name":"d","loginName":"u%d"}}`, i))
					s.do(b, "token/create", fmt.Sprintf(`{"attrs":{"product.productCode":%q,"serial":"%d","seed":"%x","user.loginName":"u%d"}}`, product, i, seedOf(fmt.Sprint(i)), i))
				}
				p := totp
				if product == "ST" {
					p = slow
				}
				b.ReportAllocs()
				b.ResetTimer()
				var used time.Duration
				for done := 0; done < b.N; {
					// A round lies in one time step: each user once.
					n := min(users, b.N-done)
					b.StopTimer()
					s.clock.advance(time.Duration(p.Period) * time.Second)
					bodies := make(chan string, n)
					for i := range n {
						bodies <- fmt.Sprintf(`{"user":{"domain.name":"d","loginName":"u%d"},"credential":{"otp":%q}}`, i, g.at(p, fmt.Sprint(i), 0))
					}
					close(bodies)
					before := cpuTime(b)
					b.StartTimer()
					ended := make(chan error, callers)
					for range callers {
						go func() {
							var err error
							for body := range bodies {
								if _, reply := s.post("/auth/verify", body); codeIn(reply) != 0 {
									err = fmt.Errorf("%s", reply)
								}
							}
							ended <- err
						}()
					}
					for range callers {
						if err := <-ended; err != nil {
							b.Fatal(err)
						}
					}
					used += cpuTime(b) - before
					done += n
				}
				b.ReportMetric(float64(used.Microseconds())/float64(b.N), "µs-CPU/verify")
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "verifies/s")
			})
		}
	}
}

// cpuTime gives the time that the process has used.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
