package model_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"tokensmith/model"
)

const (
	minute = model.Time(60_000)
	hour   = 60 * minute
	day    = 24 * hour
	began  = 1_700_000_000_000 // some time
)

// newLogin returns a user in a domain with the default settings.
func newLogin() *model.Login {
	return &model.Login{Status: model.Active, LockoutThreshold: 10, LockoutMinutes: 15, MaxFailures: 100}
}

// inUse is the probability of a guess on a six-digit token in daily use.
const inUse = model.PasswordChance

// guess refuses a wrong credential, as package login does. It returns whether the credential was checked at all.
func guess(u *model.Login, now model.Time, chance model.Chance) (looked bool) {
	if u.Flooded(now) {
		return false
	}
	if u.Status == model.LockedBy {
		if !u.LockEnded(now) {
			u.RecordRefusal(now, false, 0)
			return false
		}
		u.Status, u.LockedUntil = model.Active, 0
	}
	if u.RecordRefusal(now, true, chance) {
		u.Status = model.LockedBy
	}
	return true
}

// logsIn lets the user log in, unless locked.
func logsIn(u *model.Login, now model.Time) {
	if u.Status == model.Active || u.LockEnded(now) {
		u.Status = model.Active
		u.ClearFailures()
	}
}

// tokens returns a user's tokens of a product: some in daily use and some never used.
func tokens(product string, used, unused int) []model.Credential {
	var all []model.Credential
	for _, p := range model.Builtin() {
		if p.Codes() != product {
			continue
		}
		for i := range used + unused {
			c := model.Credential{Algorithm: p.Algorithm, Digits: p.Digits, Period: p.Period, AutoWindow: p.AutoWindow, CheckWindow: p.CheckWindow, NarrowWindow: p.NarrowWindow}
			if i < used {
				c.SyncedAt = began
			}
			all = append(all, c)
		}
	}
	return all
}

// hits returns the probability of a guess on all tokens of a user, with windows as in package login.
func hits(u *model.Login, all []model.Credential, now model.Time) (chance model.Chance) {
	for i := range all {
		if all[i].SyncedAt != 0 {
			all[i].SyncedAt = now - hour
		}
		all[i].Narrow = u.UnderAttack(now)
	}
	model.Share(all, now, u.MaxGuess(now))
	for i := range all {
		chance += all[i].Chance(now)
	}
	return chance
}

// TestMistypingLocksNobody: a person who mistypes five times a day is never locked, with one token or with several, on all of
// which each entry is tried.
func TestMistypingLocksNobody(t *testing.T) {
	t.Parallel()
	for what, hours := range map[string][]model.Time{
		"five at once":                {8, 8, 8, 8, 8},
		"one at each login":           {8, 10, 12, 14, 16},
		"in the morning and at night": {0, 0, 23, 23, 23},
	} {
		for _, product := range model.Builtin() {
			for n := range 15 {
				used, unused := n%5+1, 0
				if n >= 5 {
					used, unused = n%5, 1
				}
				if n >= 10 {
					unused = 5 - used
				}
				u, all := newLogin(), tokens(product.Codes(), used, unused)
				for now := model.Time(began); now < began+5*365*day && u.Status == model.Active; now += day {
					for i, h := range hours {
						at := now + h*hour + model.Time(i)*minute
						if !guess(u, at, hits(u, all, at)) || u.Status != model.Active {
							t.Errorf("%s, %d tokens of %s, %d of them used: locked after %d days", what, len(all), product.Codes(), used, (now-began)/day)
							break
						}
						if i == len(hours)-1 || hours[i+1] != h {
							logsIn(u, at+minute/2)
						}
					}
				}
			}
		}
	}
}

// TestMistypingWithEmergencyCodes: neither is a person locked within two years who always has as many open emergency codes as a domain
// allows as shipped, and five tokens beside them.
func TestMistypingWithEmergencyCodes(t *testing.T) {
	t.Parallel()
	codes := 10 * model.TempPassChance(model.Secret("12345678"))
	u, all := newLogin(), tokens("DN/MT", 5, 0)
	for now := model.Time(began); now < began+2*365*day; now += day {
		for i := range model.Time(5) {
			at := now + i*hour
			for j := range all {
				all[j].SyncedAt, all[j].Narrow = at-hour, u.UnderAttack(at)
			}
			model.Share(all, at, u.MaxGuess(at)-codes)
			chance := codes
			for j := range all {
				chance += all[j].Chance(at)
			}
			if guess(u, at, chance); u.Status != model.Active {
				t.Fatalf("locked after %d days", (now-began)/day)
			}
			logsIn(u, at+minute)
		}
	}
}

// TestCodesOpenALock: failures in a row lock a user until unlocked, but for emergency codes, ten wrong of which are looked at.
func TestCodesOpenALock(t *testing.T) {
	t.Parallel()
	u := newLogin()
	u.LockoutThreshold = 0
	for i := range model.Time(100) {
		if u.OpensByCode() {
			t.Fatalf("a code opens what %d failures have not locked", i)
		}
		guess(u, began+i*minute, inUse)
	}
	guessed := u.Guessed(began + 100*minute)
	if !u.OpensByCode() || u.LockedAt != began+99*minute {
		t.Errorf("locked at %d", u.LockedAt)
	}
	for i := range model.Time(model.MaxLockedTries) {
		if !u.OpensByCode() {
			t.Errorf("after %d wrong ones no code opens it", i)
		}
		u.RecordLockedRefusal(began+100*minute, 100)
	}
	if u.OpensByCode() || u.Guessed(began+100*minute) < guessed+900 || u.FailCount != 100 {
		t.Errorf("after ten wrong ones: opens %v, guessed %d before and %d now, %d failures", u.OpensByCode(), guessed, u.Guessed(began+100*minute), u.FailCount)
	}
	u.ForgiveAll()
	if u.LockedAt != 0 || u.OpensByCode() {
		t.Error("an unlock leaves the lock")
	}
	v := newLogin()
	for i := range model.Time(10) {
		guess(v, began+i*minute, inUse)
	}
	if v.Status != model.LockedBy || v.OpensByCode() {
		t.Error("a code opens a lock that ends by itself")
	}
}

// TestBudgetOfAYear: however somebody guesses for a year, the probabilities of all guesses add up to less than 1 %.
func TestBudgetOfAYear(t *testing.T) {
	t.Parallel()
	const budget = model.Chance(10_000_000) // 10^-2
	random := rand.New(rand.NewPCG(1, 2))
	waits := map[string]func() model.Time{
		"as fast as he may":       func() model.Time { return 3 * 1000 },
		"when a lock has decayed": func() model.Time { return 25 * hour },
		"evenly":                  func() model.Time { return 4*hour + 40*minute },
	}
	for i := range 30 {
		most := 1 << (10 + random.IntN(17))
		waits[fmt.Sprintf("at random, up to %s, %d", time.Duration(most)*time.Millisecond, i)] = func() model.Time { return model.Time(3000 + random.IntN(most)) }
	}
	for what, c := range map[string]struct {
		tokens []model.Credential
		login  model.Time // how often the user logs in between; 0 for never
	}{
		"a token in daily use":                    {tokens("DN/MT", 1, 0), day},
		"a token used ten times a day":            {tokens("DN/MT", 1, 0), day / 10},
		"a hardware token never used":             {tokens("DN/ST", 0, 1), 0},
		"two tokens in daily use":                 {tokens("DN/MT", 2, 0), day},
		"a token in daily use, another never":     {tokens("DN/ST", 1, 1), day},
		"a token in daily use, five others never": {tokens("DN/ST", 1, 5), day},
		"ten event-based tokens":                  {tokens("DN/SE", 5, 5), day},
	} {
		worst, by := model.Chance(0), ""
		for name, wait := range waits {
			u, sum, guesses := newLogin(), model.Chance(0), 0
			next := model.Time(began)
			for now := model.Time(began); now < began+365*day; now += wait() {
				if c.login > 0 && now >= next {
					logsIn(u, now)
					next = now + c.login
				}
				if u.Status == model.LockedBy && !u.LockEnded(now) {
					if u.LockedUntil == 0 {
						break // until an administrator unlocks
					}
					now = max(now, min(u.LockedUntil, max(next, now)))
					if !u.LockEnded(now) {
						continue
					}
				}
				chance := hits(u, c.tokens, now)
				if guess(u, now, chance) {
					sum += chance
					guesses++
				}
			}
			if sum > worst {
				worst, by = sum, fmt.Sprintf("%s: %d guesses", name, guesses)
			}
		}
		t.Logf("%s: %.2e (%s)", what, float64(worst)/1e9, by)
		if worst > budget {
			t.Errorf("%s: somebody who guesses %s gets in with a chance of %.2e", what, by, float64(worst)/1e9)
		}
	}
}

func TestLocksGrow(t *testing.T) {
	t.Parallel()
	u, now := newLogin(), model.Time(began)
	locked := func() (tries int, length model.Time) {
		for u.Status == model.Active || u.LockEnded(now) {
			now += 10_000
			guess(u, now, inUse)
			tries++
		}
		return tries, u.LockedUntil - now
	}
	for i, want := range []struct {
		tries  int
		length model.Time
	}{{10, 15 * minute}, {3, hour}, {3, 4 * hour}, {3, 16 * hour}, {3, day}, {3, day}} {
		tries, length := locked()
		if tries != want.tries || length != want.length {
			t.Errorf("lock %d: after %d tries for %s", i+1, tries, time.Duration(length)*time.Millisecond)
		}
		now = u.LockedUntil
	}
	logsIn(u, now)
	if tries, length := locked(); tries != 3 || length != day {
		t.Errorf("after a success: %d tries, %s", tries, time.Duration(length)*time.Millisecond)
	}
	now = u.LockedUntil + 7*day
	if tries, length := locked(); tries != 10 || length != 15*minute {
		t.Errorf("when the growth has decayed: %d tries, %s", tries, time.Duration(length)*time.Millisecond)
	}
	now = u.LockedUntil
	u.ForgiveAll()
	u.Status = model.Active
	if tries, length := locked(); tries != 10 || length != 15*minute {
		t.Errorf("after an administrator's unlock: %d tries, %s", tries, time.Duration(length)*time.Millisecond)
	}
}

func TestFailuresInARowEnd(t *testing.T) {
	t.Parallel()
	for _, threshold := range []int64{0, 10} {
		u, now, guesses := newLogin(), model.Time(began), 0
		u.LockoutThreshold = threshold
		for ; u.Status == model.Active || u.LockedUntil != 0; now += hour {
			if guess(u, now, inUse) {
				guesses++
			}
		}
		if guesses != 100 || u.FailCount != 100 {
			t.Errorf("threshold %d: locked until unlocked after %d guesses, %d failures", threshold, guesses, u.FailCount)
		}
		if guess(u, now+1000*day, inUse) {
			t.Errorf("threshold %d: the lock ended", threshold)
		}
	}
	u := newLogin()
	u.LockoutThreshold, u.MaxFailures = 0, 0
	for i := range model.Time(1000) {
		guess(u, began+i*minute, inUse)
	}
	if u.Status != model.Active {
		t.Error("locked although neither setting says so")
	}
}

// TestPairChance: two guessed OTPs have a higher probability if more pairs are searched.
func TestPairChance(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		algorithm      string
		digits, window int64
		want           model.Chance // in 10^-9
	}{{"HOTP", 6, 200, 1}, {"TOTP", 6, 120, 1}, {"TOTP", 6, 10_000, 20}, {"TOTP", 6, 1 << 40, 20}, {"HOTP", 6, 10_000, 10}, {"TOTP", 8, 10_000, 1}, {"HOTP", 6, 0, 1}} {
		if got := model.PairChance(c.algorithm, c.digits, c.window); got != c.want {
			t.Errorf("%s, %d digits, window %d: %d, not %d", c.algorithm, c.digits, c.window, got, c.want)
		}
	}
}
