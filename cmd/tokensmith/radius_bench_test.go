package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"layeh.com/radius"

	"tokensmith/model/otp"
	"tokensmith/store/storetest"
)

// BenchmarkRadius measures logins by RADIUS beside those of auth/verify over HTTP: of the same server and users, in turns, with 64
// callers that do as little as possible themselves.
func BenchmarkRadius(b *testing.B) {
	for name, database := range map[string]func(testing.TB) string{"sqlite": storetest.SQLite, "postgres": storetest.DurablePostgres} {
		b.Run(name, func(b *testing.B) {
			const callers, perCaller = 64, 10
			all, c := processes(b, 1, "--db", database(b), "--radius-listen", "127.0.0.1:0")
			guard(b, c, all[0].url, callers*perCaller)
			radiusClient(b, c, all[0].url, "local", "127.0.0.0/8")
			verify, pap := verifiers(b, c, all[0].url, callers), askers(b, all[0].radiusAt(), callers)
			counters := make([]uint64, callers*perCaller)
			took := map[string][]time.Duration{}
			spent := map[string]time.Duration{}
			round := func(kind string, login []func(user int, otp string) error) {
				var group sync.WaitGroup
				var mu sync.Mutex
				began := time.Now()
				for k := range callers {
					group.Go(func() {
						mine := make([]time.Duration, 0, perCaller)
						for n := range perCaller {
							user := k*perCaller + n
							code := otp.Generate(seedOf(user), counters[user], hotp)
							counters[user]++
							start := time.Now()
							if err := login[k](user, code); err != nil {
								b.Error(err)
								return
							}
							mine = append(mine, time.Since(start))
						}
						mu.Lock()
						defer mu.Unlock()
						took[kind] = append(took[kind], mine...)
					})
				}
				group.Wait()
				spent[kind] += time.Since(began)
			}
			round("warm", verify)
			round("warm", pap)
			for b.Loop() {
				round("http", verify)
				round("radius", pap)
			}
			rate := map[string]float64{}
			for _, kind := range []string{"http", "radius"} {
				slices.Sort(took[kind])
				rate[kind] = float64(len(took[kind])) / spent[kind].Seconds()
				b.ReportMetric(rate[kind], kind+"-logins/s")
				b.ReportMetric(float64(took[kind][len(took[kind])*99/100].Microseconds())/1000, kind+"-p99-ms")
			}
			b.ReportMetric(rate["radius"]/rate["http"], "radius/http")
		})
	}
}

// askers returns callers by RADIUS, each with a socket of its own.
func askers(b *testing.B, at string, many int) (all []func(user int, otp string) error) {
	for range many {
		conn, err := net.Dial("udp4", at)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { conn.Close() })
		reply := make([]byte, radius.MaxPacketLength)
		all = append(all, func(user int, otp string) error {
			request := accessRequest(b, fmt.Sprint("u", user), otp)
			for range 10 {
				if _, err := conn.Write(request); err != nil {
					return err
				}
				conn.SetReadDeadline(time.Now().Add(5 * time.Second))
				n, err := conn.Read(reply)
				if err != nil || reply[1] != request[1] {
					continue
				}
				if n < 20 || radius.Code(reply[0]) != radius.CodeAccessAccept {
					return fmt.Errorf("u%d: %v", user, radius.Code(reply[0]))
				}
				return nil
			}
			return fmt.Errorf("u%d: no reply", user)
		})
	}
	return all
}

// verifiers returns callers of auth/verify, each with a connection of its own.
func verifiers(b *testing.B, c *agentCaller, url string, many int) (all []func(user int, otp string) error) {
	who := base64.StdEncoding.EncodeToString([]byte(c.id + ":" + c.secret))
	for range many {
		conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { conn.Close() })
		r := bufio.NewReader(conn)
		all = append(all, func(user int, otp string) error {
			body := fmt.Sprintf(`{"user":{"loginName":"u%d"},"credential":{"otp":"%s"}}`, user, otp)
			if _, err := fmt.Fprintf(conn, "POST /das5/rest/auth/verify HTTP/1.1\r\nHost: x\r\nAuthorization: Basic %s\r\nContent-Length: %d\r\n\r\n%s", who, len(body), body); err != nil {
				return err
			}
			resp, err := http.ReadResponse(r, nil)
			if err != nil {
				return err
			}
			reply, err := io.ReadAll(resp.Body)
			var e struct{ Error int }
			if err == nil {
				err = json.Unmarshal(reply, &e)
			}
			if err != nil || e.Error != 0 {
				return fmt.Errorf("u%d: %s %w", user, reply, err)
			}
			return nil
		})
	}
	return all
}
