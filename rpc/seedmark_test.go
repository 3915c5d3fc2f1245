package rpc_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tokensmith/model"
	"tokensmith/model/otp"
	"tokensmith/store"
	"tokensmith/store/keyring"
	"tokensmith/store/storetest"
)

// seeded makes a token with a seed that the serial of another token names, and assigns it to a user.
func (g *guarded) seeded(product, serial, like, login string) {
	g.t.Helper()
	g.do(g.t, "token/create", fmt.Sprintf(`{"attrs":{"product.productCode":%q,"serial":%q,"seed":"%x","user.loginName":%q}}`, product, serial, seedOf(like), login))
}

func (g *guarded) deleteToken(serial string) {
	g.t.Helper()
	g.do(g.t, "token/delete", fmt.Sprintf(`{"token":{"serial":%q}}`, serial))
}

// An OTP is accepted once, whatever happens to its token and however many tokens have its seed.
func TestSeedMarks(t *testing.T) {
	t.Parallel()
	rules := map[string]func(g *guarded){
		"a time-based token made again": func(g *guarded) {
			g.user("u", "MT 1")
			g.want(0, g.verify("u", g.at(totp, "1", 0)), "its OTP")
			for _, product := range []string{"MT", "GT", "STE"} { // products that make the same OTPs
				g.deleteToken("1")
				g.seeded(product, "1", "1", "u")
				g.want(206, g.verify("u", g.at(totp, "1", 0)), "the same OTP, of "+product)
			}
			g.want(0, g.verify("u", g.at(totp, "1", 1)), "the next one")
			g.deleteToken("1")
			g.seeded("ST", "1", "1", "u") // time steps of 60 seconds, so other positions
			g.want(0, g.verify("u", g.at(slow, "1", 0)), "of other OTPs")
		},
		"an event-based token made again": func(g *guarded) {
			g.user("u", "SE 1")
			g.want(0, g.verify("u", g.at(hotp, "1", 7)), "its OTP")
			g.deleteToken("1")
			g.clock.advance(10 * 365 * 24 * time.Hour)
			g.user("v")
			g.seeded("SE", "2", "1", "v")
			if n := g.get("token", `[["serial","=","2"]]`, "counter"); n != "8" {
				g.t.Errorf("it starts at %s, not at 8", n)
			}
			g.want(206, g.verify("v", g.at(hotp, "1", 7)), "the same OTP")
			g.want(0, g.verify("v", g.at(hotp, "1", 8)), "the next one")
			g.do(g.t, "token/reset", `{"token":{"serial":"2"},"attrs":{"counter":2}}`)
			g.deleteToken("2")
			g.seeded("SE", "1", "1", "v")
			if n := g.get("token", `[["serial","=","1"]]`, "counter"); n != "2" {
				g.t.Errorf("a reset moved the counter to 2, and it starts at %s", n)
			}
		},
		"imported again, from a file of before": func(g *guarded) {
			g.user("u", "SE 1")
			g.user("v", "MT 2")
			file := func(product string) string {
				return g.do(g.t, "token/export", fmt.Sprintf(`{"match":[["product.productCode","=",%q]],"attrs":{"password":"correct horse"}}`, product)).(map[string]any)["data"].(string)
			}
			events, times := file("SE"), file("MT")
			g.want(0, g.verify("u", g.at(hotp, "1", 7)), "its OTP")
			g.want(0, g.verify("v", g.at(totp, "2", 0)), "its OTP")
			g.deleteToken("1")
			g.deleteToken("2")
			for _, data := range []string{events, times} {
				g.do(g.t, "token/import", fmt.Sprintf(`{"attrs":{"data":%q,"password":"correct horse"}}`, data))
			}
			g.do(g.t, "tokenAssignment/create", `{"attrs":{"token.serial":"1","user.loginName":"u"}}`)
			g.do(g.t, "tokenAssignment/create", `{"attrs":{"token.serial":"2","user.loginName":"v"}}`)
			g.want(206, g.verify("u", g.at(hotp, "1", 7)), "the same OTP")
			g.want(206, g.verify("v", g.at(totp, "2", 0)), "the same OTP")
			g.want(0, g.verify("u", g.at(hotp, "1", 8)), "the next one")
			g.want(0, g.verify("v", g.at(totp, "2", 1)), "the next one")
		},
		"one seed in two tokens": func(g *guarded) {
			g.user("u", "MT 1", "SE 2")
			g.user("v")
			g.want(0, g.verify("u", g.at(totp, "1", 0)), "before there are two")
			g.seeded("GT", "3", "1", "u")
			g.seeded("GT", "4", "1", "v")
			g.want(206, g.verify("u", g.at(totp, "1", 0), `,"token":{"serial":"3"}`), "by the second")
			g.want(206, g.verify("v", g.at(totp, "1", 0)), "by another user's")
			g.want(0, g.verify("v", g.at(totp, "1", 1)), "the next one")
			g.want(206, g.verify("u", g.at(totp, "1", 1)), "by either of the others")
			g.deleteToken("4")
			g.want(206, g.verify("u", g.at(totp, "1", 1)), "when it is deleted")
			g.clock.advance(time.Minute)
			g.do(g.t, "token/syncToken", fmt.Sprintf(`{"token":{"serial":"3"},"credential":"%s,%s"}`, g.at(totp, "1", 0), g.at(totp, "1", 1)))
			g.want(206, g.verify("u", g.at(totp, "1", 1), `,"token":{"serial":"1"}`), "used to synchronise the second")
			g.do(g.t, "token/import", fmt.Sprintf(`{"attrs":{"product.productCode":"SE","data":"serial,seed\n5,%x\n6,%x\n"}}`, seedOf("2"), seedOf("2")))
			g.do(g.t, "tokenAssignment/create", `{"attrs":{"token.serial":"6","user.loginName":"v"}}`)
			g.want(0, g.verify("v", g.at(hotp, "2", 3)), "of three imported ones")
			g.want(206, g.verify("u", g.at(hotp, "2", 3)), "by the first")
		},
		"of six and of eight digits": func(g *guarded) {
			g.user("u", "SE 1")
			g.do(g.t, "product/create", `{"attrs":{"name":"p","manufacturerCode":"M","productCode":"8","algorithm":"HOTP","digits":8}}`)
			g.seeded("8", "2", "1", "u")
			eight := hotp
			eight.Digits = 8
			g.want(0, g.verify("u", g.at(eight, "1", 3)), "eight digits")
			g.want(206, g.verify("u", g.at(hotp, "1", 3)), "their last six")
			g.want(0, g.verify("u", g.at(hotp, "1", 4)), "the next six")
		},
		"an unused one leaves nothing": func(g *guarded) {
			g.user("u", "MT 1")
			g.deleteToken("1")
			g.seeded("MT", "1", "1", "u")
			g.want(0, g.verify("u", g.at(totp, "1", 0)), "its first OTP")
		},
		"marks of time-based tokens are pruned": func(g *guarded) {
			g.user("u", "MT 1", "SE 2")
			g.want(0, g.verify("u", g.at(totp, "1", 0)), "its OTP")
			g.want(0, g.verify("u", g.at(hotp, "2", 0)), "its OTP")
			g.deleteToken("1")
			g.deleteToken("2")
			g.wantMarks(2)
			g.clock.advance(2 * (otp.MaxWindow + 10) * 30 * time.Second)
			g.seeded("MT", "3", "3", "u")
			g.want(0, g.verify("u", g.at(totp, "3", 0)), "its OTP")
			g.deleteToken("3")
			g.wantMarks(2) // the mark of 1 was removed, that of 3 was added
		},
	}
	for name, rule := range rules {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, url string) { rule(newGuarded(t, url)) })
		})
	}
}

func (g *guarded) wantMarks(want int64) {
	g.t.Helper()
	if have := count(g.t, g.service, "seed_marks"); have != want {
		g.t.Errorf("%d marks, not %d", have, want)
	}
}

// Every token of an event-based seed, and the seed's mark, know which OTPs were used. This also holds if a token stands at a
// later position, because it was set there or because no OTP of it was used.
func TestHigherCountersKeepMarks(t *testing.T) {
	t.Parallel()
	imported := func(g *guarded, serial string, counter int) {
		g.do(g.t, "token/import", fmt.Sprintf(`{"attrs":{"data":%q}}`, fmt.Sprintf("serial,seed,type,counter\n%s,%x,hotp,%d\n", serial, seedOf("1"), counter)))
	}
	for name, rule := range map[string]func(g *guarded){
		"imported over the mark": func(g *guarded) {
			g.want(0, g.verify("u", g.at(hotp, "1", 7)), "its OTP")
			g.deleteToken("1")
			imported(g, "1", 50)
			g.deleteToken("1")
		},
		"imported beside it, before": func(g *guarded) {
			imported(g, "9", 50)
			g.want(0, g.verify("u", g.at(hotp, "1", 7)), "its OTP")
			g.deleteToken("1")
			g.deleteToken("9")
		},
		"imported beside it, afterwards": func(g *guarded) {
			g.want(0, g.verify("u", g.at(hotp, "1", 7)), "its OTP")
			imported(g, "9", 50)
			g.deleteToken("1")
			g.deleteToken("9")
		},
		"reset to where it stands": func(g *guarded) {
			g.seeded("SE", "2", "1", "v")
			g.want(0, g.verify("u", g.at(hotp, "1", 7)), "its OTP")
			g.deleteToken("1")
			g.do(g.t, "token/reset", `{"token":{"serial":"2"},"attrs":{"counter":8}}`)
			g.deleteToken("2")
		},
		"set back, and used up to where it was": func(g *guarded) {
			g.seeded("SE", "2", "1", "v")
			g.want(0, g.verify("u", g.at(hotp, "1", 7)), "its OTP")
			g.do(g.t, "token/reset", `{"token":{"serial":"2"},"attrs":{"counter":2}}`)
			g.want(0, g.verify("v", g.at(hotp, "1", 7)), "the same, which was made good")
			g.deleteToken("1")
			g.deleteToken("2")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, url string) {
				g := newGuarded(t, url)
				g.user("u", "SE 1")
				g.user("v")
				rule(g)
				g.seeded("SE", "3", "1", "u")
				g.want(206, g.verify("u", g.at(hotp, "1", 7)), "the same OTP again")
			})
		})
	}
}

// The tokens of an event-based seed may be changed in any order: no OTP is accepted twice, unless an administrator sets a counter
// back.
func TestEventsAreUsedOnce(t *testing.T) {
	t.Parallel()
	for run := range uint64(6) {
		t.Run(fmt.Sprint(run), func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, url string) {
				g, dice := newGuarded(t, url), rand.New(rand.NewPCG(run, 1))
				g.user("u")
				var log, living []string
				var used []int64
				for i := range 40 {
					serial, what := fmt.Sprint(100+i), dice.IntN(6)
					if len(living) > 0 && what > 1 {
						serial = living[dice.IntN(len(living))]
					}
					named := fmt.Sprintf(`{"token":{"serial":%q}`, serial)
					switch {
					case what == 0 || len(living) == 0:
						g.seeded("SE", serial, "1", "u")
						living = append(living, serial)
					case what == 1:
						counter := dice.IntN(40)
						g.do(t, "token/import", fmt.Sprintf(`{"attrs":{"data":%q}}`, fmt.Sprintf("serial,seed,type,counter\n%s,%x,hotp,%d\n", serial, seedOf("1"), counter)))
						g.do(t, "tokenAssignment/create", fmt.Sprintf(`{"attrs":{"token.serial":%q,"user.loginName":"u"}}`, serial))
						living = append(living, serial)
						serial += fmt.Sprint(" at ", counter)
					case what == 2 || what == 3 && len(living) > 2:
						g.do(t, "token/delete", named+"}")
						living = slices.DeleteFunc(living, func(s string) bool { return s == serial })
					default:
						at, err := strconv.ParseInt(g.get("token", fmt.Sprintf(`[["serial","=",%q]]`, serial), "counter"), 10, 64)
						if err != nil {
							t.Fatal(err)
						}
						if what == 3 {
							g.do(t, "token/reset", named+fmt.Sprintf(`,"attrs":{"counter":%d}}`, at))
							break
						}
						at += dice.Int64N(4)
						g.want(0, g.verify("u", g.at(hotp, "1", at), `,"token":{"serial":"`+serial+`"}`), fmt.Sprint("OTP ", at, " by ", serial))
						used = append(used, at)
						serial += fmt.Sprint(" OTP ", at)
					}
					log = append(log, []string{"create", "import", "delete", "reset or delete", "use", "use"}[what]+" "+serial)
					for _, serial := range living {
						for _, at := range used[max(0, len(used)-4):] {
							if g.verify("u", g.at(hotp, "1", at), `,"token":{"serial":"`+serial+`"}`) == 0 {
								t.Fatalf("OTP %d is good again at %s, after %s", at, serial, strings.Join(log, ", "))
							}
						}
					}
					g.do(t, "user/unlock", `{"user":{"loginName":"u"}}`)
				}
			})
		})
	}
}

// Several clients send one OTP to two servers at once while its token is deleted and made again. It is accepted exactly once.
func TestRemadeTokenRace(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		const rounds, callers = 40, 12
		g := newGuarded(t, url)
		g.user("u", "MT 1")
		many := g.together(t)
		for round := range rounds {
			g.clock.advance(30 * time.Second)
			code := g.at(totp, "1", 0)
			var accepted atomic.Int64
			var race sync.WaitGroup
			for k := range callers {
				race.Go(func() {
					if _, reply := many[k%len(many)].post("/auth/verify", fmt.Sprintf(`{"user":{"loginName":"u"},"credential":{"otp":%q}}`, code)); codeIn(reply) == 0 {
						accepted.Add(1)
					}
				})
			}
			race.Go(func() {
				g.deleteToken("1")
				g.seeded("MT", "1", "1", "u")
			})
			race.Wait()
			g.do(t, "user/unlock", `{"user":{"loginName":"u"}}`)
			if g.verify("u", code) == 0 { // none is accepted if all were sent while the token did not exist
				accepted.Add(1)
			}
			if n := accepted.Load(); n != 1 {
				t.Errorf("round %d: accepted %d times", round, n)
			}
		}
	})
}

// Several clients send one OTP to two servers at once, for tokens of two users with one seed, while one of the tokens is deleted and made
// again. It is accepted exactly once.
func TestSeedMarksRace(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		const rounds, callers = 40, 12
		g := newGuarded(t, url)
		g.user("u")
		g.user("v")
		g.seeded("MT", "1", "1", "u")
		g.seeded("GT", "2", "1", "v")
		many := g.together(t)
		for round := range rounds {
			g.clock.advance(30 * time.Second)
			code := g.at(totp, "1", 0)
			var accepted atomic.Int64
			var race sync.WaitGroup
			for k := range callers {
				race.Go(func() {
					_, reply := many[k%len(many)].post("/auth/verify", fmt.Sprintf(`{"user":{"loginName":%q},"credential":{"otp":%q}}`, []string{"u", "v"}[k/2%2], code))
					switch c := codeIn(reply); c {
					case 0:
						accepted.Add(1)
					case 206, 201: // 201 while the user has no token, and 7 after twenty of these
					default:
						t.Errorf("round %d: %s", round, reply)
					}
				})
			}
			race.Go(func() {
				g.deleteToken("1")
				g.seeded("MT", "1", "1", "u")
			})
			race.Wait()
			if n := accepted.Load(); n != 1 {
				t.Errorf("round %d: accepted %d times", round, n)
			}
			g.do(t, "user/unlock", `{"user":{"loginName":"u"}}`)
		}
	})
}

// Marks, and the hashes that connect the tokens of one seed, survive a key rotation that retires the old key, and a dump that is
// loaded into the other kind of database.
func TestSeedMarksMove(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		g := newGuarded(t, url)
		g.user("u", "MT 1", "SE 2", "GT 3", "SE 4", "SE 5")
		used := func(serials ...string) {
			t.Helper()
			for _, serial := range serials {
				p, n := hotp, int64(3)
				if serial == "1" || serial == "3" {
					p, n = totp, 0
				}
				if code := g.verify("u", g.at(p, serial, n)); code != 206 && code != 0 {
					t.Errorf("%s: %d", serial, code)
				}
			}
		}
		used("1", "2", "3", "4", "5")
		for _, serial := range []string{"1", "2", "5"} {
			g.deleteToken(serial)
		}
		again := func(g *guarded, serial string) {
			t.Helper()
			p, product, n := hotp, "SE", int64(3)
			if serial == "1" || serial == "3" {
				p, product, n = totp, "MT", 0
			}
			g.seeded(product, "again"+serial, serial, "u")
			g.want(206, g.verify("u", g.at(p, serial, n), fmt.Sprintf(`,"token":{"serial":"again%s"}`, serial)), "the OTP of "+serial)
		}
		// This is the state right after a rotation began: there is a new key, which servers notice within a second, and nothing
		// is sealed with it yet.
		text, err := os.ReadFile(g.keyFile)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(g.keyFile, fmt.Appendf(text, "tokensmith-key-1 %064x\n", 1), 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(1100 * time.Millisecond)
		again(g, "5")
		again(g, "4")
		if _, err := g.store.Rotate(t.Context(), time.Now()); err != nil {
			t.Fatal(err)
		}
		if n, err := g.store.RetireKeys(t.Context(), time.Now(), true); err != nil || n != 1 {
			t.Fatal(n, err)
		}
		var dump bytes.Buffer
		if _, err := g.store.Dump(t.Context(), &dump); err != nil {
			t.Fatal(err)
		}
		again(g, "1")
		again(g, "3")
		again(g, "2")
		to := storetest.SQLite(t)
		if !store.IsPostgres(url) {
			to = storetest.Postgres(t)
		}
		st, err := store.Open(t.Context(), to, g.keyFile)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = st.Load(t.Context(), bytes.NewReader(dump.Bytes())); err != nil {
			t.Fatal(err)
		}
		if err := st.Close(); err != nil {
			t.Fatal(err)
		}
		other := &guarded{&service{url: to, clock: g.clock, log: g.log, keyFile: g.keyFile, id: g.id, key: g.key}, t}
		other.open(t, 7)
		again(other, "1")
		again(other, "3")
		again(other, "2")
	})
}

// A database of an older version gets the hashes of its seeds when it is opened. From then on, the tokens of a seed share one
// mark, where each had its own before.
func TestSeedsAreIndexed(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		g := newGuarded(t, url)
		g.user("u", "SE 1", "MT 2")
		g.user("v")
		g.want(0, g.verify("u", g.at(hotp, "1", 5)), "its OTP")
		g.want(0, g.verify("u", g.at(totp, "2", 0)), "its OTP")
		var made strings.Builder
		for i := range 1200 { // more than one part of the migration
			fmt.Fprintf(&made, `\n%d,%x`, 100+i, seedOf(fmt.Sprint(100+i)))
		}
		g.do(t, "token/import", fmt.Sprintf(`{"attrs":{"product.productCode":"SE","data":"serial,seed%s"}}`, made.String()))
		g.seeded("SE", "3", "1", "v")
		err := g.store.Update(t.Context(), func(tx store.Tx) error {
			rows, err := tx.Find(&store.Query{Table: "tokens", Columns: []store.Column{{Name: "id"}}, Limit: 2000})
			for _, row := range rows {
				var tok model.Token
				if err := tx.Load(&tok, fmt.Sprint(row[0])); err != nil {
					return err
				}
				tok.SeedIndex, tok.SeedGroup = nil, nil
				if tok.Serial == "101" {
					tok.Seed = []byte("damaged")
				}
				if tok.Serial == "3" { // as the older version stored it
					if err := tx.Save(&model.TokenState{TokenID: tok.ID}); err != nil {
						return err
					}
				}
				if err := tx.Save(&tok); err != nil {
					return err
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		other := &guarded{g.second(t), t}
		g.want(206, other.verify("v", g.at(hotp, "1", 5)), "by the second token")
		g.want(0, other.verify("v", g.at(hotp, "1", 6)), "the next one")
		g.want(206, other.verify("u", g.at(hotp, "1", 6)), "by the first token")
		other.deleteToken("2")
		other.seeded("GT", "2", "2", "u")
		g.want(206, other.verify("u", g.at(totp, "2", 0)), "made again")
	})
}

// A reset clears a mark that lies in the future because an OTP was used while a clock was ahead. It makes no past OTP valid
// again, nor that OTP.
func TestResetClearsFutureMarks(t *testing.T) {
	t.Parallel()
	rules := map[string]func(g *guarded){
		"the server's clock was ahead": func(g *guarded) {
			g.user("u", "ST 1")
			g.want(0, g.verify("u", g.at(slow, "1", 0)), "before")
			past := g.at(slow, "1", 0)
			g.clock.advance(24 * time.Hour)
			ahead := g.at(slow, "1", 0)
			g.want(0, g.verify("u", ahead), "ahead")
			g.clock.advance(-24 * time.Hour)
			g.want(206, g.verify("u", g.at(slow, "1", 1)), "its owner, afterwards")
			g.do(g.t, "token/reset", `{"token":{"serial":"1"}}`)
			g.want(206, g.verify("u", past), "used before")
			g.want(206, g.verify("u", g.at(slow, "1", -1)), "of the past")
			g.want(0, g.verify("u", g.at(slow, "1", 1)), "its owner, after a reset")
			g.clock.advance(24 * time.Hour)
			g.want(206, g.verify("u", ahead), "what was used ahead, when its time has come")
			g.want(0, g.verify("u", g.at(slow, "1", 1)), "the next one")
			rows := g.do(g.t, "audit/search", `{"match":[["method","=","token/reset"]],"return":["object"]}`).(map[string]any)["rows"]
			if said := fmt.Sprint(rows); !strings.Contains(said, "mark in the future cleared") {
				g.t.Errorf("the record says %s", said)
			}
		},
		"the token's was": func(g *guarded) {
			g.user("u", "ST 1")
			ahead := g.at(slow, "1", 20)
			g.want(0, g.verify("u", ahead), "ahead")
			g.want(206, g.verify("u", g.at(slow, "1", 0)), "its owner, afterwards")
			g.do(g.t, "token/reset", `{"token":{"serial":"1"}}`)
			g.want(206, g.verify("u", ahead), "what was used")
			g.want(0, g.verify("u", g.at(slow, "1", 0)), "its owner, after a reset")
			g.do(g.t, "token/reset", `{"token":{"serial":"1"}}`)
			g.want(206, g.verify("u", g.at(slow, "1", 0)), "used, after another reset")
			g.want(206, g.verify("u", ahead), "what was used ahead")
			g.deleteToken("1")
			g.seeded("ST", "1", "1", "u")
			g.want(206, g.verify("u", ahead), "what was used ahead, made again")
		},
		"two were used": func(g *guarded) {
			g.user("u", "ST 1")
			g.want(0, g.verify("u", g.at(slow, "1", 0)), "now")
			g.want(0, g.verify("u", g.at(slow, "1", 1)), "the next one")
			g.want(0, g.verify("u", g.at(slow, "1", 3)), "two behind")
			g.do(g.t, "token/reset", `{"token":{"serial":"1"}}`)
			g.want(206, g.verify("u", g.at(slow, "1", 0)), "the first")
			g.want(206, g.verify("u", g.at(slow, "1", 3)), "the last")
		},
		"a pair that synchronised": func(g *guarded) {
			g.user("u", "ST 1")
			g.do(g.t, "token/syncToken", fmt.Sprintf(`{"token":{"serial":"1"},"credential":"%s,%s"}`, g.at(slow, "1", 20), g.at(slow, "1", 21)))
			g.do(g.t, "token/reset", `{"token":{"serial":"1"}}`)
			g.want(206, g.verify("u", g.at(slow, "1", 20)), "its first")
			g.want(206, g.verify("u", g.at(slow, "1", 21)), "its second")
			_, reply := g.post("/token/syncToken", fmt.Sprintf(`{"token":{"serial":"1"},"credential":"%s,%s"}`, g.at(slow, "1", 20), g.at(slow, "1", 21)))
			g.want(205, codeIn(reply), "the pair")
			g.want(0, g.verify("u", g.at(slow, "1", 0)), "its owner")
		},
		"of one of two tokens with its seed": func(g *guarded) {
			g.user("u", "ST 1")
			g.user("v")
			g.seeded("ST", "2", "1", "v")
			ahead := g.at(slow, "1", 20)
			g.want(0, g.verify("u", ahead), "ahead")
			g.do(g.t, "token/reset", `{"token":{"serial":"2"}}`)
			g.want(206, g.verify("v", ahead), "what was used of the other")
			g.want(0, g.verify("u", g.at(slow, "1", 0)), "its owner")
			g.do(g.t, "token/reset", `{"token":{"serial":"1"}}`)
			g.do(g.t, "token/reset", `{"token":{"serial":"2"}}`)
			g.want(206, g.verify("v", g.at(slow, "1", 0)), "what its owner has used")
			g.want(206, g.verify("u", g.at(slow, "1", 0)), "again")
			g.want(206, g.verify("u", ahead), "what was used ahead")
		},
		"a counter is moved by none": func(g *guarded) {
			g.user("u", "SE 1")
			g.want(0, g.verify("u", g.at(hotp, "1", 5)), "its OTP")
			g.do(g.t, "token/reset", `{"token":{"serial":"1"}}`)
			g.want(206, g.verify("u", g.at(hotp, "1", 5)), "after a reset")
		},
	}
	for name, rule := range rules {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, url string) { rule(newGuarded(t, url)) })
		})
	}
}

// After a restore, no OTP is accepted that may have been used since the backup.
func TestAfterRestore(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		g := newGuarded(t, url)
		g.user("u", "MT 1", "SE 2", "MT 3", "SE 4", "ST 6", "GT 7")
		restored := func(advance int64) store.Restored {
			t.Helper()
			r, err := g.store.AfterRestore(t.Context(), g.clock.now(), advance, &model.Audit{Time: model.At(g.clock.now()), Agent: "operator", Method: "restore"})
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		g.want(0, g.verify("u", g.at(totp, "1", 2)), "of a clock that is ahead")
		g.want(205, g.verify("u", g.at(hotp, "2", 20)), "the first of a pair")
		g.want(0, g.verify("u", g.at(hotp, "4", 3)), "its OTP")
		g.want(0, g.verify("u", g.at(totp, "3", -2)), "of a clock that is behind")
		g.deleteToken("4")
		g.deleteToken("3")
		user := g.get("user", `[["loginName","=","u"]]`, "id")
		g.do(t, "token/getDownloadUrl", `{"token":{"serial":"7"}}`)
		err := g.store.Update(t.Context(), func(tx store.Tx) error {
			login, err := tx.Login(user)
			if err != nil {
				return err
			}
			login.Passcode = g.store.Keys().Seal(keyring.Place{Table: "user_states", Column: "passcode", Row: user}, []byte("123456"))
			login.PasscodeUntil = model.At(g.clock.now()) + 1000*60
			return errors.Join(tx.Save(&login.UserState), tx.Insert(&model.Session{Hash: []byte("x"), UserID: user}))
		})
		if err != nil {
			t.Fatal(err)
		}
		g.clock.advance(30 * time.Second)
		if r := restored(5); r != (store.Restored{Times: 4, Events: 2, Passcodes: 1, Links: 1, Sessions: 1}) {
			t.Errorf("%+v", r)
		}
		g.want(201, g.verify("u", "123456"), "the passcode")
		for n := int64(-2); n <= 2; n++ {
			g.want(206, g.verify("u", g.at(totp, "1", n)), "what the clock that is ahead has shown")
		}
		g.want(205, g.verify("u", g.at(totp, "1", 3)), "what it shows next")
		g.want(0, g.verify("u", g.at(totp, "1", 4)), "the second of the pair")
		g.want(206, g.verify("u", g.at(slow, "6", 0)), "of one never used")
		g.want(205, g.verify("u", g.at(slow, "6", 1)), "the next one")
		g.want(0, g.verify("u", g.at(slow, "6", 2)), "the second of the pair")
		g.want(206, g.verify("u", g.at(hotp, "2", 4)), "one of those that are passed over")
		g.want(205, g.verify("u", g.at(hotp, "2", 21)), "the second of the pair, alone")
		g.want(0, g.verify("u", g.at(hotp, "2", 5)), "the first beyond")
		g.seeded("SE", "4", "4", "u")
		if n := g.get("token", `[["serial","=","4"]]`, "counter"); n != "9" {
			t.Errorf("a token that was deleted starts at %s, not at 9", n)
		}
		g.seeded("MT", "3", "3", "u")
		g.want(206, g.verify("u", g.at(totp, "3", 0)), "of one that was deleted")
		g.want(205, g.verify("u", g.at(totp, "3", 1)), "the next one")
		g.want(0, g.verify("u", g.at(totp, "3", 2)), "the second of the pair")
		g.seeded("MT", "5", "5", "u")
		g.want(206, g.verify("u", g.at(totp, "5", 0)), "of one that the backup does not know")
		g.want(205, g.verify("u", g.at(totp, "5", 1)), "the next one")
		g.want(0, g.verify("u", g.at(totp, "5", 2)), "the second of the pair")
		before := g.get("token", `[["serial","=","4"]]`, "counter")
		if r := restored(0); r.Events != 2 {
			t.Errorf("%+v", r)
		}
		if now := g.get("token", `[["serial","=","4"]]`, "counter"); now != before {
			t.Errorf("a counter was moved from %s to %s", before, now)
		}
		g.do(t, "audit/verify", `{}`)
	})
}

// Nor is an OTP accepted alone that a clock that is ahead may have used since the backup, of which the backup knows nothing. The
// owner needs two OTPs once, and none of them is refused.
func TestAfterRestoreOfClocksAhead(t *testing.T) {
	t.Parallel()
	for name, rule := range map[string]func(g *guarded, restored func()){
		"never used": func(g *guarded, restored func()) {
			last := g.at(slow, "1", 30)
			restored()
			g.want(205, g.verify("u", last), "as far as a first OTP is accepted")
			g.want(205, g.verify("u", last), "the same again")
			g.want(205, g.verify("u", g.at(slow, "1", 1)), "of a right clock")
			g.want(0, g.verify("u", g.at(slow, "1", 2)), "the second of the pair")
			g.want(0, g.verify("u", g.at(slow, "1", 3)), "the next one, alone")
		},
		"used before the backup": func(g *guarded, restored func()) {
			g.want(0, g.verify("u", g.at(slow, "1", 0)), "before")
			since := g.at(slow, "1", 2)
			restored()
			g.want(205, g.verify("u", since), "as far as the next one is accepted")
			g.want(0, g.verify("u", g.at(slow, "1", 3)), "the second of the pair")
		},
		"set back since": func(g *guarded, restored func()) {
			g.want(0, g.verify("u", g.at(slow, "1", 0)), "before")
			restored()
			g.clock.advance(4 * time.Minute)
			g.do(g.t, "token/reset", `{"token":{"serial":"1"}}`)
			g.want(205, g.verify("u", g.at(slow, "1", 1)), "in the wide window of a reset token")
			g.want(0, g.verify("u", g.at(slow, "1", 2)), "the second of the pair")
		},
		"two at once": func(g *guarded, restored func()) {
			restored()
			g.do(g.t, "auth/syncToken", fmt.Sprintf(`{"user":{"loginName":"u"},"token":{"serial":"1"},"credential":"%s,%s"}`, g.at(slow, "1", 1), g.at(slow, "1", 2)))
			g.want(0, g.verify("u", g.at(slow, "1", 3)), "the next one")
		},
		"when that time has passed": func(g *guarded, restored func()) {
			restored()
			g.clock.advance(31 * time.Minute)
			g.want(0, g.verify("u", g.at(slow, "1", 0)), "alone")
		},
		"of events": func(g *guarded, restored func()) {
			restored()
			g.want(0, g.verify("u", g.at(hotp, "2", 0)), "alone")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, url string) {
				g := newGuarded(t, url)
				g.user("u", "ST 1", "SE 2")
				rule(g, func() {
					if _, err := g.store.AfterRestore(t.Context(), g.clock.now(), 0, nil); err != nil {
						t.Fatal(err)
					}
					g.clock.advance(time.Millisecond)
					if name == "used before the backup" { // a process that opens the database afterwards knows it as well
						g.service = g.second(t)
					}
				})
			})
		})
	}
}
