package rpc_test

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkDisk measures how much disk space a token needs, with its user, its assignment and their states, and how much an
// accepted OTP adds: its audit row. Space that is reused after a change is not counted.
func BenchmarkDisk(b *testing.B) {
	const tokens, verified, rounds = 20_000, 5_000, 3
	for _, db := range durable {
		b.Run(db.name, func(b *testing.B) {
			for range b.N {
				s := newService(b, db.url(b))
				size := func() int64 {
					st, err := s.store.Stats(b.Context())
					if err != nil {
						b.Fatal(err)
					}
					return st.Size
				}
				before := size()
				s.guarded(b, "ST", tokens)
				b.ReportMetric(float64(size()-before)/tokens, "B/token")
				g := &guarded{service: s}
				for round := range rounds {
					if round == 1 { // the first round makes room for the next versions of the states
						before = size()
					}
					s.clock.advance(time.Duration(slow.Period) * time.Second)
					work := make(chan int, verified)
					for i := range verified {
						work <- i
					}
					close(work)
					sideBySide(b, 16, work, func(i int) string {
						_, reply := s.post("/auth/verify", fmt.Sprintf(`{"user":{"domain.name":"d","loginName":"u%d"},"credential":{"otp":%q}}`, i, g.at(slow, fmt.Sprint(i), 0)))
						return reply
					})
				}
				b.ReportMetric(float64(size()-before)/(verified*(rounds-1)), "B/verify")
			}
		})
	}
}
