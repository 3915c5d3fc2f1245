package rpc_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"tokensmith/rpc/dispatch"
	"tokensmith/store"
	"tokensmith/store/storetest"
)

// Nothing but user/unlock, user/set and an emergency code that was made after failures in a row ends a lock without an end: what
// refuses a locked user, as token/syncToken does, leaves the lock as it was.
func TestFailuresLeaveALockAlone(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		g := newGuarded(t, url)
		helper := g.agent(t, `"name":"helper","permissions":"token/*"`)
		locked := func(login, serial string) {
			t.Helper()
			g.user(login, "SE "+serial)
			g.do(t, "user/set", `{"user":{"loginName":"`+login+`"},"attrs":{"status":"LOCKED"}}`)
		}
		fails := func(times int, login, serial string) {
			t.Helper()
			for range times {
				g.clock.advance(time.Minute)
				code, seen := g.answer(helper, "token/syncToken", fmt.Sprintf(`{"token":{"serial":%q},"user":{"loginName":%q},"credential":"000000,000000"}`, serial, login))
				if code != 205 {
					t.Errorf("token/syncToken of %s: %s", login, seen)
				}
			}
			g.clock.advance(time.Minute)
		}
		tries := func(times int, login string) {
			t.Helper()
			for range times {
				g.clock.advance(time.Minute)
				g.want(201, g.verify(login, "000000"), "a failure")
			}
			g.clock.advance(time.Minute)
		}
		maxFailures := func(n int) {
			g.do(t, "domain/set", fmt.Sprintf(`{"domain":{"name":"d"},"attrs":{"maxFailures":%d}}`, n))
		}

		// An administrator's lock becomes none for a while, and none that a code opens.
		locked("a", "1")
		fails(10, "a", "1")
		g.clock.advance(48 * time.Hour)
		g.want(202, g.verify("a", g.at(hotp, "1", 0)), "an administrator's lock, after ten failures")
		maxFailures(4)
		locked("b", "2")
		fails(4, "b", "2")
		g.emergencyCode("b", "22222222")
		g.want(202, g.verify("b", "22222222"), "a code, behind an administrator's lock")
		if failures := g.get("user", `[["loginName","=","b"]]`, "failCount"); failures != "0" {
			t.Errorf("%s failures of a locked user count", failures)
		}

		// Nor does it let him into the console.
		locked("c", "3")
		g.do(t, "user/set", `{"user":{"loginName":"c"},"attrs":{"password":"correct horse battery","permissions":"token/*"}}`)
		fails(1, "c", "3")
		v := &visitor{s: g.service}
		if _, reply := v.post("signIn", `{"loginName":"c","password":"correct horse battery","otp":"`+g.at(hotp, "3", 0)+`"}`); codeIn(reply) != 201 {
			t.Error("an administrator whom another has locked signs in: ", reply)
		}

		// A code that was made after the lock by failures in a row stays good.
		g.user("e", "SE 4")
		tries(4, "e")
		g.emergencyCode("e", "33333333")
		fails(1, "e", "4")
		g.want(0, g.verify("e", "33333333"), "a code made after the lock, and then a failure")

		// That lock does not become one for a while.
		g.user("f", "SE 5")
		tries(4, "f")
		maxFailures(100)
		if code, seen := g.answer(helper, "token/reset", `{"token":{"serial":"5"}}`); code != 0 {
			t.Error(seen)
		}
		fails(10, "f", "5")
		g.clock.advance(48 * time.Hour)
		g.want(202, g.verify("f", g.at(hotp, "5", 0)), "a lock by failures in a row, after token/reset and ten failures")

		// Failures count as before once a lock for a while has ended, and for who is not locked.
		g.user("g", "SE 6")
		tries(10, "g")
		g.want(202, g.verify("g", g.at(hotp, "6", 0)), "a lock for a while")
		g.clock.advance(16 * time.Minute)
		fails(3, "g", "6")
		g.want(202, g.verify("g", g.at(hotp, "6", 0)), "three failures after it")
		g.user("h", "SE 7")
		fails(10, "h", "7")
		g.want(202, g.verify("h", g.at(hotp, "7", 0)), "ten failures by token/syncToken")
	})
}

// token/reset gives no further tries at the emergency codes of a user whom failures in a row have locked.
func TestResetGivesNoTriesAtCodes(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		g := newGuarded(t, url)
		g.do(t, "domain/set", `{"domain":{"name":"d"},"attrs":{"maxFailures":4}}`)
		g.user("u", "SE 1")
		for range 4 {
			g.clock.advance(time.Minute)
			g.want(201, g.verify("u", "000000"), "a failure")
		}
		g.clock.advance(time.Minute)
		g.emergencyCode("u", "22222222")
		for range 2 {
			for range 5 {
				g.clock.advance(time.Minute)
				g.want(202, g.verify("u", "33333333"), "a wrong code")
			}
			g.do(t, "token/reset", `{"token":{"serial":"1"}}`)
		}
		g.want(202, g.verify("u", "22222222"), "the right one, after ten wrong ones")
		g.do(t, "user/unlock", `{"user":{"loginName":"u"}}`)
		g.want(0, g.verify("u", "22222222"), "after an unlock")

		// Of who is not locked it forgets the failures, as it always did.
		g.want(201, g.verify("u", "000000"), "a failure")
		g.do(t, "token/reset", `{"token":{"serial":"1"}}`)
		if failures := g.get("user", `[["loginName","=","u"]]`, "failCount"); failures != "0" {
			t.Errorf("%s failures are left", failures)
		}
	})
}

// A new password that is refused after a lock has ended costs nobody else's login anything: its transaction is its own.
func TestARefusedNewPasswordBesideLogins(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		g := &guarded{newService(t, url, func(c *dispatch.Config) { c.Profile = "nist" }), t}
		g.do(t, "domain/create", `{"attrs":{"name":"d"}}`)
		g.user("m")
		g.do(t, "user/set", `{"user":{"loginName":"m"},"attrs":{"password":"correct horse battery staple"}}`)
		for range 10 {
			g.clock.advance(time.Minute)
			g.want(201, g.verify("m", "000000"), "a failure")
		}
		g.clock.advance(16 * time.Minute)
		const others = 6
		for i := range others {
			g.user(fmt.Sprint("o", i), fmt.Sprint("SE ", i+1))
		}
		for round := range 2 {
			held, release := make(chan bool), make(chan bool)
			var all sync.WaitGroup
			all.Go(func() {
				if err := g.store.Update(t.Context(), func(store.Tx) error { close(held); <-release; return nil }); err != nil {
					t.Error(err)
				}
			})
			<-held
			logins := func(from, to int) {
				for i := from; i < to; i++ {
					all.Go(func() {
						g.want(0, g.verify(fmt.Sprint("o", i), g.at(hotp, fmt.Sprint(i+1), int64(round))), "another's login")
					})
				}
				time.Sleep(300 * time.Millisecond) // so that they wait for the one that is held
			}
			logins(0, others/2)
			all.Go(func() {
				_, reply := g.post("/auth/verify", `{"user":{"loginName":"m"},"credential":{"method":"SPASS","password":"correct horse battery staple","newPassword":"zqv8 uwk"}}`)
				g.want(11, codeIn(reply), "a new password that is too short")
			})
			time.Sleep(time.Second) // the password is compared first
			logins(others/2, others)
			close(release)
			all.Wait()
		}
	})
}
