package rpc_test

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/sender"
	"tokensmith/store/storetest"
)

// BenchmarkRefusal measures the replies that must not be distinguishable by their time: their medians differ by less than a
// fifth.
func BenchmarkRefusal(b *testing.B) {
	s := newService(b, storetest.SQLite(b))
	s.do(b, "domain/create", `{"attrs":{"name":"d","lockoutThreshold":0}}`)
	s.do(b, "user/create", `{"attrs":{"domain.name":"d","loginName":"u","password":"a right one"}}`)
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

// durable lists the databases that are measured. Each has on the disk what it acknowledges.
var durable = []struct {
	name string
	url  func(testing.TB) string
}{{"sqlite", storetest.SQLite}, {"postgres", storetest.DurablePostgres}}

// sideBySide makes callers do the work from a channel, and fails if any of it fails.
func sideBySide[T any](b *testing.B, callers int, work <-chan T, do func(T) string) {
	ended := make(chan error, callers)
	for range callers {
		go func() {
			var err error
			for w := range work {
				if reply := do(w); codeIn(reply) != 0 {
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
}

// guarded creates the users u0, u1, ... with one token each.
func (s *service) guarded(b testing.TB, product string, many int) {
	s.do(b, "domain/create", `{"attrs":{"name":"d"}}`)
	var people, seeds, batch strings.Builder
	people.WriteString("domain,loginName\n")
	seeds.WriteString("serial,seed\n")
	batch.WriteString("domain,loginName,manufacturerCode,productCode,serial\n")
	for i := range many {
		fmt.Fprintf(&people, "d,u%d\n", i)
		fmt.Fprintf(&seeds, "%d,%x\n", i, seedOf(fmt.Sprint(i)))
		fmt.Fprintf(&batch, "d,u%d,%s,%d\n", i, map[string]string{"GT": "GG,GT", "ST": "DN,ST"}[product], i)
	}
	s.do(b, "user/import", fmt.Sprintf(`{"attrs":{"csv":%q}}`, people.String()))
	s.do(b, "token/import", fmt.Sprintf(`{"attrs":{"product.productCode":%q,"data":%q}}`, product, seeds.String()))
	s.do(b, "token/batchAssignTokens", fmt.Sprintf(`{"attrs":{"csv":%q}}`, batch.String()))
}

// BenchmarkCreate measures creating tokens with single calls, sequentially and in parallel.
func BenchmarkCreate(b *testing.B) {
	for _, db := range durable {
		for _, callers := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/%d", db.name, callers), func(b *testing.B) {
				s := newService(b, db.url(b))
				b.ReportAllocs()
				b.ResetTimer()
				work := make(chan int, b.N)
				for i := range b.N {
					work <- i
				}
				close(work)
				sideBySide(b, callers, work, func(int) string {
					_, reply := s.post("/token/create", `{"attrs":{"product.productCode":"SE"}}`)
					return reply
				})
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
			})
		}
	}
}

// BenchmarkVerify measures accepted OTPs, sequentially and in parallel.
func BenchmarkVerify(b *testing.B) {
	for _, db := range durable {
		benchmarkVerify(b, db.name, db.url)
	}
}

func benchmarkVerify(b *testing.B, name string, url func(testing.TB) string) {
	for _, product := range []string{"GT", "ST"} {
		for _, callers := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/%s/%d", name, product, callers), func(b *testing.B) {
				const users = 2000
				s := newService(b, url(b))
				s.guarded(b, product, users)
				g := &guarded{service: s}
				p := totp
				if product == "ST" {
					p = slow
				}
				b.ReportAllocs()
				b.ResetTimer()
				var used time.Duration
				for done := 0; done < b.N; {
					// A round is within one time step and uses each user once.
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
					sideBySide(b, callers, bodies, func(body string) string {
						_, reply := s.post("/auth/verify", body)
						return reply
					})
					used += cpuTime(b) - before
					done += n
				}
				b.ReportMetric(float64(used.Microseconds())/float64(b.N), "µs-CPU/verify")
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "verifies/s")
			})
		}
	}
}

// cpuTime returns the CPU time of the process.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkSendOTP measures the replies of auth/sendOTP, which must not reveal by their time who has an account and a phone:
// their medians differ by less than a fifth.
func BenchmarkSendOTP(b *testing.B) {
	s := newService(b, storetest.SQLite(b), func(c *dispatch.Config) {
		c.Senders = map[string]sender.Sender{model.SMS: make(letterbox, 1)}
	})
	s.do(b, "domain/create", `{"attrs":{"name":"d"}}`)
	s.do(b, "user/create", `{"attrs":{"domain.name":"d","loginName":"with","mobile":"+491700000000"}}`)
	s.do(b, "user/create", `{"attrs":{"domain.name":"d","loginName":"without"}}`)
	logins := []string{"with", "without", "nobody"}
	took := map[string][]time.Duration{}
	for b.Loop() {
		s.clock.advance(30 * time.Minute)
		s.post("/auth/sendOTP", `{"user":{"loginName":"another"}}`) // so that the caller is looked up again
		for _, login := range logins {                              // in turn, so that other load on the machine affects all equally
			start := time.Now()
			_, reply := s.post("/auth/sendOTP", `{"user":{"domain.name":"d","loginName":"`+login+`"}}`)
			took[login] = append(took[login], time.Since(start))
			if codeIn(reply) != 0 {
				b.Fatal(reply)
			}
		}
	}
	for _, login := range logins {
		slices.Sort(took[login])
		b.ReportMetric(float64(took[login][len(took[login])/2].Nanoseconds()), login+"-p50-ns")
	}
}
