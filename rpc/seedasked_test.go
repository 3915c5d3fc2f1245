package rpc_test

import (
	"bytes"
	"crypto/sha1"
	"fmt"
	"strings"
	"testing"
	"time"

	"tokensmith/model"
	"tokensmith/model/otp"
	"tokensmith/store/storetest"
)

// After an OTP was answered with 205, which reveals that it is right, it can only be used as the first of two, with every token
// of the same seed and whatever happens to these tokens.
func TestAskedBelongsToTheSeed(t *testing.T) {
	t.Parallel()
	rules := map[string]func(g *guarded){
		"one seed in two tokens": func(g *guarded) {
			g.user("u", "ST 1")
			g.user("v")
			g.seeded("ST", "2", "1", "v") // never used, so its window is wide
			g.want(0, g.verify("u", g.at(slow, "1", 0)), "its OTP")
			g.want(205, g.verify("u", g.at(slow, "1", 10)), "far ahead")
			g.want(205, g.verify("v", g.at(slow, "1", 10)), "the same, by the other token")
			g.want(205, g.verify("u", g.at(slow, "1", 10)), "the same again")
			g.want(0, g.verify("v", g.at(slow, "1", 11)), "the second of the pair")
			g.want(206, g.verify("u", g.at(slow, "1", 11)), "by the first token")
		},
		"both a user's, of which neither is named": func(g *guarded) {
			g.user("u", "ST 1")
			g.want(0, g.verify("u", g.at(slow, "1", 0)), "its OTP")
			g.seeded("ST", "2", "1", "u")
			g.want(205, g.verify("u", g.at(slow, "1", 10)), "far ahead of the first, in the other's window")
			g.want(205, g.verify("u", g.at(slow, "1", 10)), "the same again")
			g.want(0, g.verify("u", g.at(slow, "1", 11)), "the second of the pair")
		},
		"made again": func(g *guarded) {
			g.user("u", "ST 1")
			g.want(0, g.verify("u", g.at(slow, "1", 0)), "its OTP")
			g.want(205, g.verify("u", g.at(slow, "1", 10)), "far ahead")
			g.deleteToken("1")
			g.seeded("ST", "1", "1", "u")
			g.want(205, g.verify("u", g.at(slow, "1", 10)), "the same, in the wide window of a new token")
			g.want(0, g.verify("u", g.at(slow, "1", 11)), "the second of the pair")
		},
		"made again, of which none was used": func(g *guarded) {
			g.user("u", "ST 1", "SE 2")
			ahead := g.at(slow, "1", 40)
			g.want(205, g.verify("u", ahead, `,"token":{"serial":"1"}`), "beyond the wide window")
			g.want(205, g.verify("u", g.at(hotp, "2", 20), `,"token":{"serial":"2"}`), "beyond the wide window")
			g.deleteToken("1")
			g.deleteToken("2")
			g.do(g.t, "product/set", `{"product":{"productCode":"SE","manufacturerCode":"DN"},"attrs":{"autoWindow":50}}`)
			g.seeded("ST", "1", "1", "u")
			g.do(g.t, "token/import", fmt.Sprintf(`{"attrs":{"product.productCode":"SE","data":"serial,seed\n3,%x\n"}}`, seedOf("2")))
			g.do(g.t, "tokenAssignment/create", `{"attrs":{"token.serial":"3","user.loginName":"u"}}`)
			g.clock.advance(30 * time.Minute)
			g.want(205, g.verify("u", ahead, `,"token":{"serial":"1"}`), "within it now")
			g.want(205, g.verify("u", g.at(hotp, "2", 20), `,"token":{"serial":"3"}`), "within it now, imported again")
			g.want(0, g.verify("u", g.at(hotp, "2", 21), `,"token":{"serial":"3"}`), "the second of the pair")
		},
		"as the second of a pair": func(g *guarded) {
			g.user("u", "ST 1")
			g.want(0, g.verify("u", g.at(slow, "1", 0)), "its OTP")
			g.want(205, g.verify("u", g.at(slow, "1", 10)), "far ahead")
			g.want(205, g.verify("u", g.at(slow, "1", 9)), "the one before")
			g.want(205, g.verify("u", g.at(slow, "1", 10)), "the first again, behind it")
			for _, pair := range []string{"auth/syncToken", "token/syncToken"} {
				_, reply := g.post("/"+pair, fmt.Sprintf(`{"user":{"loginName":"u"},"token":{"serial":"1"},"credential":"%s,%s"}`, g.at(slow, "1", 9), g.at(slow, "1", 10)))
				g.want(205, codeIn(reply), pair+" by two that answered 205")
			}
			g.want(205, g.verify("u", g.at(slow, "1", 10)), "the first again")
			g.want(0, g.verify("u", g.at(slow, "1", 11)), "the one behind it")
			g.want(205, g.verify("u", g.at(slow, "1", 30)), "far ahead")
			g.do(g.t, "auth/syncToken", fmt.Sprintf(`{"user":{"loginName":"u"},"token":{"serial":"1"},"credential":"%s,%s"}`, g.at(slow, "1", 30), g.at(slow, "1", 31)))
		},
		"passed over, and a mark that is taken back": func(g *guarded) {
			g.user("u", "ST 1")
			g.want(0, g.verify("u", g.at(slow, "1", 0)), "its OTP")
			passed := g.at(slow, "1", 10)
			g.want(205, g.verify("u", passed), "far ahead")
			g.want(205, g.verify("u", g.at(slow, "1", 20)), "further ahead")
			g.want(0, g.verify("u", g.at(slow, "1", 21)), "the second of the pair")
			g.do(g.t, "token/reset", `{"token":{"serial":"1"}}`)
			g.clock.advance(10 * time.Minute)
			g.want(206, g.verify("u", passed), "when its time has come")
			g.want(0, g.verify("u", g.at(slow, "1", 1)), "the next one")
		},
	}
	for name, rule := range rules {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, url string) { rule(newGuarded(t, url)) })
		})
	}
}

// In a large file, the import finds the seeds that other tokens have, or that have a mark, among many new seeds.
func TestSeedsOfALargeFile(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		g := newGuarded(t, url)
		g.user("u", "SE 1", "SE 2", "SE 3")
		g.do(t, "token/create", fmt.Sprintf(`{"attrs":{"product.productCode":"SE","serial":"4","seed":"%x00","user.loginName":"u"}}`, seedOf("4")))
		for _, serial := range []string{"1", "2", "3", "4"} {
			g.want(0, g.verify("u", g.at(hotp, serial, 3)), "the OTP of "+serial)
		}
		g.deleteToken("2")
		g.deleteToken("4")
		var file strings.Builder
		for i := range 1200 {
			fmt.Fprintf(&file, `\n%d,%x`, 1000+i, seedOf(fmt.Sprint(1000+i)))
		}
		for serial, seed := range map[string]string{"101": "1", "102": "2", "104": "4", "105": "1105"} {
			fmt.Fprintf(&file, `\n%s,%x`, serial, seedOf(seed))
		}
		g.do(t, "token/import", fmt.Sprintf(`{"attrs":{"product.productCode":"SE","data":"serial,seed%s"}}`, file.String()))
		for serial, want := range map[string]string{"101": "4", "102": "4", "104": "4", "105": "0", "1105": "0", "1106": "0"} {
			if n := g.get("token", fmt.Sprintf(`[["serial","=",%q]]`, serial), "counter"); n != want {
				t.Errorf("%s starts at %s, not at %s", serial, n, want)
			}
		}
		g.do(t, "tokenAssignment/create", `{"attrs":{"token.serial":"105","user.loginName":"u"}}`)
		g.want(0, g.verify("u", g.at(hotp, "1105", 3), `,"token":{"serial":"105"}`), "of one of two in the file")
		if n := g.get("token", `[["serial","=","1105"]]`, "counter"); n != "4" {
			t.Errorf("the other one stands at %s", n)
		}
	})
}

// A login waits for all tokens of a seed. So the number of tokens with one seed has a limit, however they are made.
func TestSeedsHaveSoManyTokens(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		g := newGuarded(t, url)
		g.user("u", "SE 1")
		file := func(product string, from, to int) int {
			var rows strings.Builder
			for i := from; i < to; i++ {
				fmt.Fprintf(&rows, `\n%d,%x`, i, seedOf("1"))
			}
			_, reply := g.post("/token/import", fmt.Sprintf(`{"attrs":{"product.productCode":%q,"data":"serial,seed%s"}}`, product, rows.String()))
			return codeIn(reply)
		}
		g.want(11, file("SE", 1000, 1000+model.MaxSeedTokens), "one too many")
		g.want(0, file("SE", 1000, 999+model.MaxSeedTokens), "as many as there may be")
		_, reply := g.post("/token/create", fmt.Sprintf(`{"attrs":{"product.productCode":"SE","serial":"2","seed":"%x"}}`, seedOf("1")))
		g.want(11, codeIn(reply), "one more")
		g.want(0, file("MT", 1000, 1002), "of a product that makes other OTPs")
		g.want(0, g.verify("u", g.at(hotp, "1", 0)), "an OTP")
		if n := g.get("token", `[["serial","=","1001"],["product.productCode","=","SE"]]`, "counter"); n != "1" {
			t.Errorf("another of the seed stands at %s", n)
		}
	})
}

// However many OTPs were used while a clock was ahead, none of them is valid again after a reset when its time comes. If there
// were fewer than otp.MaxSpent, the owner can log in until then.
func TestUsedAheadStaysUsed(t *testing.T) {
	t.Parallel()
	for _, used := range []int{5, otp.MaxSpent - 1, otp.MaxSpent + 4} {
		for _, also := range []string{"", "another token of the seed", "made again"} {
			t.Run(fmt.Sprint(used, also), func(t *testing.T) {
				t.Parallel()
				storetest.Each(t, func(t *testing.T, url string) {
					g := newGuarded(t, url)
					g.user("u", "ST 1")
					g.want(0, g.verify("u", g.at(slow, "1", 0)), "before")
					start := g.clock.now()
					g.clock.advance(24 * time.Hour)
					var ahead []string
					for range used {
						ahead = append(ahead, g.at(slow, "1", 0))
						g.want(0, g.verify("u", ahead[len(ahead)-1]), "ahead")
						g.clock.advance(10 * time.Minute)
					}
					g.clock.advance(start.Sub(g.clock.now()))
					switch also {
					case "another token of the seed":
						g.seeded("ST", "2", "1", "u")
						g.do(t, "token/reset", `{"token":{"serial":"2"}}`)
					case "made again":
						g.deleteToken("1")
						g.seeded("ST", "1", "1", "u")
					}
					g.do(t, "token/reset", `{"token":{"serial":"1"}}`)
					want := 206
					if used < otp.MaxSpent {
						want = 0
					}
					g.want(want, g.verify("u", g.at(slow, "1", 1)), "its owner, after a reset")
					g.do(t, "token/reset", `{"token":{"serial":"1"}}`)
					g.clock.advance(start.Add(24 * time.Hour).Sub(g.clock.now()))
					for i, code := range ahead {
						g.want(206, g.verify("u", code), fmt.Sprint("used ahead as number ", i, ", when its time has come"))
						g.do(t, "user/unlock", `{"user":{"loginName":"u"}}`)
						if want == 0 || i >= used-otp.MaxSpent {
							g.want(0, g.verify("u", g.at(slow, "1", 1)), fmt.Sprint("the next one of number ", i))
						}
						g.clock.advance(10 * time.Minute)
					}
				})
			})
		}
	}
}

// The same holds if one of two tokens was set to a later position: what is known about one token is known about the other.
func TestUsedAheadOfOneSetHigher(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		g := newGuarded(t, url)
		g.user("u", "MT 1")
		g.user("v")
		g.seeded("GT", "2", "1", "v")
		g.do(t, "token/reset", fmt.Sprintf(`{"token":{"serial":"1"},"attrs":{"counter":%d}}`, g.clock.now().Unix()/30+1000))
		g.clock.advance(time.Hour) // the server's clock is wrong from here
		var ahead []string
		for i := range otp.MaxSpent + 4 {
			ahead = append(ahead, g.at(totp, "1", 0))
			g.want(0, g.verify("v", ahead[i]), fmt.Sprint("ahead ", i))
			g.clock.advance(30 * time.Second)
		}
		g.clock.advance(-time.Hour - time.Duration(len(ahead))*30*time.Second)
		g.do(t, "token/reset", `{"token":{"serial":"1"}}`)
		g.clock.advance(time.Hour)
		for i, code := range ahead {
			g.want(206, g.verify("u", code), fmt.Sprint("used ahead as number ", i, ", when its time has come"))
			g.do(t, "user/unlock", `{"user":{"loginName":"u"}}`)
			g.clock.advance(30 * time.Second)
		}
	})
}

// Seeds that HMAC turns into the same key have one mark. The same seed with another hash function makes other OTPs.
func TestSeedsThatAreOneKey(t *testing.T) {
	t.Parallel()
	long := bytes.Repeat([]byte("1234567"), 14)
	hashed := sha1.Sum(long)
	for name, c := range map[string]struct {
		crypto string
		seeds  [2][]byte
		one    bool
	}{
		"a zero at the end":                    {"HmacSHA1", [2][]byte{seedOf("1"), append(seedOf("1"), 0)}, true},
		"many":                                 {"HmacSHA512", [2][]byte{append(seedOf("1"), 0, 0, 0), append(seedOf("1"), make([]byte, 100)...)}, true},
		"longer than the block, and its hash":  {"HmacSHA1", [2][]byte{long, hashed[:]}, true},
		"a zero behind it is none then":        {"HmacSHA256", [2][]byte{long, append(bytes.Clone(long), 0)}, false},
		"as long, in a longer block":           {"HmacSHA512", [2][]byte{long, append(bytes.Clone(long), 0)}, true},
		"its hash, in a longer block":          {"HmacSHA512", [2][]byte{long, hashed[:]}, false},
		"a leading zero":                       {"HmacSHA1", [2][]byte{seedOf("1"), append([]byte{0}, seedOf("1")...)}, false},
		"one that another hash makes other of": {"", [2][]byte{seedOf("1"), seedOf("1")}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, url string) {
				g := newGuarded(t, url)
				g.user("u")
				var codes []string
				for i, seed := range c.seeds {
					p := otp.Params{Algorithm: otp.HOTP, Digits: 8, Hash: otp.Hash(c.crypto)}
					if p.Hash == "" {
						p.Hash = []otp.Hash{otp.HmacSHA1, otp.HmacSHA256}[i]
					}
					g.do(t, "product/create", fmt.Sprintf(`{"attrs":{"name":"p","manufacturerCode":"M","productCode":"%d","algorithm":"HOTP","digits":8,"crypto":%q}}`, i, p.Hash))
					codes = append(codes, otp.Generate(seed, 3, p))
					if i == 0 {
						g.do(t, "token/create", fmt.Sprintf(`{"attrs":{"product.productCode":"0","serial":"0","seed":"%x","user.loginName":"u"}}`, seed))
					} else {
						g.do(t, "token/import", fmt.Sprintf(`{"attrs":{"product.productCode":"1","data":"serial,seed\n1,%x\n"}}`, seed))
						g.do(t, "tokenAssignment/create", `{"attrs":{"token.serial":"1","user.loginName":"u"}}`)
					}
				}
				if same := codes[0] == codes[1]; same != c.one {
					t.Fatalf("the OTPs are the same: %v", same)
				}
				g.want(0, g.verify("u", codes[0], `,"token":{"serial":"0"}`), "by the first")
				want := 0
				if c.one {
					want = 206
				}
				g.want(want, g.verify("u", codes[1], `,"token":{"serial":"1"}`), "by the second")
				g.deleteToken("0")
				g.deleteToken("1")
				g.do(t, "token/create", fmt.Sprintf(`{"attrs":{"product.productCode":"1","serial":"2","seed":"%x","user.loginName":"u"}}`, c.seeds[1]))
				g.want(206, g.verify("u", codes[1]), "of the second, made again")
				if _, err := g.store.Check(t.Context(), 100, true); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
