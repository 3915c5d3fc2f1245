package rpc_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tokensmith/store/storetest"
)

// An attacker who makes a few tries with each of many users locks no user. The server notices the attack, records it once, and
// narrows the windows in every process until it ends.
func TestSprayingStandsOut(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		g := newGuarded(t, url)
		all := g.together(t)
		look := func() {
			for _, s := range all {
				if err := s.LookForSpraying(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		g.user("u", "ST 1", "ST 2")
		for i := range 40 { // tries to sign in to the console do not narrow the windows
			s := fmt.Sprintf(`{"loginName":"nobody%d","password":"wrong horse"}`, i)
			g.post("/console/signIn", s, "Sec-Fetch-Site", "same-origin")
		}
		for i := range 99 {
			g.want(201, g.verify(fmt.Sprint("nobody", i), "000000"), "a try")
		}
		look()
		g.want(0, g.verify("u", g.at(slow, "1", 30)), "windows are wide as long as nothing stands out")
		g.want(201, g.verify("nobody", "000000"), "one more")
		look()
		look()
		g.want(205, g.verify("u", g.at(slow, "2", 30)), "windows are narrow")
		rows := func() string {
			found := g.do(t, "audit/search", `{"match":[["method","=","auth/guessing"]],"return":["object"]}`).(map[string]any)["rows"]
			return fmt.Sprint(found)
		}
		if got := rows(); strings.Count(got, "began") != 1 {
			t.Errorf("the record has %s", got)
		}
		reply := g.do(t, "domain/estimateGuessing", `{}`).(map[string]any)
		if reply["standsOut"] != true || reply["standsSince"] != "2026-01-01T00:00:00Z" || fmt.Sprint(reply["refused"]) != "100" {
			t.Errorf("estimateGuessing says %v", reply)
		}
		g.clock.advance(11 * time.Minute)
		look()
		look()
		g.want(0, g.verify("u", g.at(slow, "2", 30)), "wide again")
		if got := rows(); strings.Count(got, "ended") != 1 {
			t.Errorf("the record has %s", got)
		}
		// As many as on a usual day do not count as an attack.
		for range 6 * 24 {
			for i := range 30 {
				g.verify(fmt.Sprint("nobody", i), "000000")
			}
			g.clock.advance(10 * time.Minute)
		}
		for i := range 110 {
			g.verify(fmt.Sprint("nobody", i), "000000")
		}
		look()
		if got := rows(); strings.Count(got, "began") != 1 {
			t.Errorf("the record has %s", got)
		}
	})
}

// The default settings keep the documented probabilities for every product.
func TestEstimateOfTheDefaults(t *testing.T) {
	t.Parallel()
	g := newGuarded(t, storetest.NewSQLite(t).URL)
	rows := func() []any { return g.do(t, "domain/estimateGuessing", `{}`).(map[string]any)["rows"].([]any) }
	if n := len(rows()); n != 5 {
		t.Errorf("%d rows for five products", n)
	}
	for i, product := range []string{"ST", "SE", "MT", "STE", "GT"} {
		g.user(fmt.Sprint("u", i), fmt.Sprintf("%s %d", product, i), fmt.Sprintf("%s %d", []string{product, "GT"}[i%2], 10+i))
	}
	for _, row := range rows() {
		r := row.(map[string]any)
		number := func(name string) float64 {
			var f float64
			if _, err := fmt.Sscan(fmt.Sprint(r[name]), &f); err != nil {
				t.Fatal(err)
			}
			return f
		}
		t.Logf("%v", r)
		if number("users") < 1 || number("tokensPerUser") != 2 {
			t.Errorf("%v", r)
		}
		if p := number("withoutPin"); p <= 0 || p > 1e-2 {
			t.Errorf("%s without PIN: %g", r["product"], p)
		}
		if p := number("randomPin"); p <= 0 || p > 1e-7 {
			t.Errorf("%s with a random PIN: %g", r["product"], p)
		}
		if n := number("sprayedAYear"); n <= 0 || n >= 1 {
			t.Errorf("%s: one address enters %g accounts a year", r["product"], n)
		}
		if n := number("mistypedADay"); n < 5 {
			t.Errorf("%s: who mistypes more than %g times a day is locked", r["product"], n)
		}
		if p := number("emergencyCode"); p < 1e-4 || p > 5e-4 {
			t.Errorf("%s by an emergency code: %g", r["product"], p)
		}
		if p := number("passcode"); p < 5e-4 || p > number("withoutPin") {
			t.Errorf("%s by a passcode: %g", r["product"], p)
		}
	}
	var many []string
	for i := range 8 {
		many = append(many, fmt.Sprintf("ST %d", 100+i))
	}
	g.user("many", many...)
	if warnings := fmt.Sprint(g.do(t, "domain/estimateGuessing", `{}`).(map[string]any)["warnings"]); !strings.Contains(warnings, "guessing from one address gets into 1.0 accounts a year of users who have 8 tokens") ||
		!strings.Contains(warnings, "mistypes more than 3 times a day") {
		t.Errorf("warnings where a user has eight tokens: %s", warnings)
	}
	for i := range 8 {
		g.do(t, "token/delete", fmt.Sprintf(`{"token":{"serial":"%d"}}`, 100+i))
	}
	g.do(t, "domain/set", `{"domain":{"name":"d"},"attrs":{"passcodeChannels":[]}}`)
	for _, row := range rows() {
		if p := row.(map[string]any)["passcode"]; fmt.Sprint(p) != "0" {
			t.Errorf("by a passcode where none is sent: %v", p)
		}
	}
	g.do(t, "domain/set", `{"domain":{"name":"d"},"attrs":{"lockoutThreshold":0,"maxFailures":0}}`)
	if warnings := g.do(t, "domain/estimateGuessing", `{}`).(map[string]any)["warnings"].([]any); len(warnings) != 7 {
		t.Errorf("warnings of a domain that locks nobody: %v", warnings)
	}
}

// Pairs of OTPs that do not synchronize a token count against their address like wrong OTPs. An address that is blocked is
// blocked for both.
func TestAddressesAreHeldForPairsToo(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		g := newGuarded(t, url)
		g.user("u", "GT 1")
		sync := func(login, credential, from string) int {
			t.Helper()
			_, reply := g.post("/auth/syncToken", fmt.Sprintf(`{"user":{"loginName":%q},"token":{"serial":"1"},"credential":%q,"remoteIp":%q}`, login, credential, from))
			return codeIn(reply)
		}
		g.want(11, sync("u", "000000,111111", "nowhere"), "what is no address")
		for i := range 199 {
			g.want(205, sync(fmt.Sprint("nobody", i), "000000,111111", "203.0.113.9"), "a wrong pair")
		}
		g.want(201, g.verify("nobody", "000000", `,"remoteIp":"203.0.113.9"`), "a wrong OTP")
		pair := g.at(totp, "1", 0) + "," + g.at(totp, "1", 1)
		g.want(7, sync("u", pair, "203.0.113.9"), "a right pair from there")
		g.want(7, g.verify("u", g.at(totp, "1", 0), `,"remoteIp":"203.0.113.9"`), "a right OTP from there")
		g.want(0, sync("u", pair, "203.0.113.10"), "the same from elsewhere")
	})
}
