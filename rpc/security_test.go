package rpc

import (
	"fmt"
	"math"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"tokensmith/model"
	"tokensmith/rpc/admin"
	"tokensmith/rpc/caller"
	"tokensmith/rpc/guessing"
	"tokensmith/rpc/installation"
	"tokensmith/rpc/limit"
	"tokensmith/rpc/login"
	"tokensmith/rpc/people"
	"tokensmith/rpc/session"
	"tokensmith/rpc/token"
)

// SECURITY.md describes the default settings, and the README of the program gives all figures: their numbers are those of the code.
// The checklist contains every requirement. testdata/script/security.txtar compares what check --guessing prints there.
func TestSecurityFigures(t *testing.T) {
	t.Parallel()
	read := func(file string) (raw, oneLine string) {
		text, err := os.ReadFile("../cmd/tokensmith/" + file)
		if err != nil {
			t.Fatal(err)
		}
		return string(text), strings.Join(strings.Fields(string(text)), " ")
	}
	security, promises := read("SECURITY.md")
	_, details := read("README.md")
	if lines := strings.Count(security, "\n"); lines > 125 {
		t.Errorf("SECURITY.md has %d lines: detail belongs beside what it speaks of", lines)
	}
	passwordList, err := os.ReadFile("../model/commonpasswords.txt")
	if err != nil {
		t.Fatal(err)
	}
	common := len(regexp.MustCompile(`(?m)^([^#]|#[^ ]).*$`).FindAll(passwordList, -1))
	short := func(d time.Duration) string {
		return regexp.MustCompile(`([hm])0[ms]`).ReplaceAllString(strings.Replace(d.String(), "h0m0s", "h", 1), "$1")
	}
	ms := func(n int64) string { return short(time.Duration(n) * time.Millisecond) }
	const day = 24 * 3600_000

	// Domains have the defaults that package rpc declares.
	initial := func(name string) int64 {
		for _, a := range people.DomainType.Attrs {
			if a.Name == name {
				return a.Initial.(int64)
			}
		}
		t.Fatalf("a domain has no %s", name)
		return 0
	}
	// Two locks of a new user show how the time of a lock grows.
	now := model.Time(1_700_000_000_000)
	u := model.Login{Status: model.Active, LockoutThreshold: initial("lockoutThreshold"), LockoutMinutes: initial("lockoutMinutes"), MaxFailures: initial("maxFailures")}
	lock := func() (tries int, length model.Time) {
		for locks := false; !locks; tries++ {
			now += 10_000
			locks = u.RecordRefusal(now, true, model.PasswordChance)
		}
		length = u.LockedUntil - now
		now = u.LockedUntil
		return tries, length
	}
	first, firstLength := lock()
	second, secondLength := lock()
	longest := secondLength
	for range 5 {
		_, length := lock()
		longest = max(longest, length)
	}
	chance := func(c model.Chance) float64 { return float64(c) / 1e9 }
	passwords := float64(model.MaxGuessed+model.PasswordChance+365*model.GuessedDaily) / float64(model.PasswordChance)
	codeTries := installation.GuessBurst + 365*24*float64(time.Hour/installation.GuessEvery)
	codeBits := 2 * installation.CodeGroup * 5
	thousands := func(n int) string { return fmt.Sprintf("%d,%03d", n/1000, n%1000) }
	soft, hard := model.Builtin()[0], model.Builtin()[1]
	p := people.Profiles["nist"]
	// The chances for one token, as check --guessing prints them, with two digits.
	d := model.Domain{LockoutThreshold: u.LockoutThreshold, LockoutMinutes: u.LockoutMinutes, MaxFailures: u.MaxFailures,
		EmergencyCodeLength: initial("emergencyCodeLength"), EmergencyCodesMost: initial("emergencyCodesMost"), EmergencyCodeNeedsPIN: true}
	estimate := model.EstimateGuessing(&d, &soft, 1)
	withoutPIN := estimate.Chance(1)

	for file, wants := range map[string][]string{"SECURITY.md": {
		fmt.Sprintf("after %d failures, %d minutes; after %d each, %d times as long, up to %s; by %d in a row until an administrator unlocks", first, firstLength/60_000, second,
			secondLength/firstLength, ms(int64(longest)), u.MaxFailures),
		fmt.Sprintf("%.1e at once and %.2e a day: %.1e a year", chance(model.MaxGuessed), chance(model.GuessedDaily), chance(model.MaxGuessed+365*model.GuessedDaily)),
		fmt.Sprintf("An address has %d failures a day with users it had no success with in %d days", model.MaxAddress, model.AddressKnown/day),
		fmt.Sprintf("%d digits and are good for %d minutes, %d an hour to a user", model.PasscodeDigits, model.PasscodeWithin/60_000, model.MaxPasscodes),
		fmt.Sprintf("at least %d characters and are none of %s common ones; %s wrong ones a year", model.MinPassword, thousands(common), thousands(int(passwords))),
		fmt.Sprintf("secret of %d random bits", admin.ClientSecretBytes*8),
		fmt.Sprintf("console: %s, idle %s", ms(model.MaxSession), short(session.Idle)),
		fmt.Sprintf("%d bits, made at sign-in", session.Bytes*8),
		fmt.Sprintf("(%d, or %d with an active token; without the profile %d)", p.PasswordAlone, p.Password, model.MinPassword),
		fmt.Sprintf("profile: %d s, older products", p.Period),
		fmt.Sprintf("%d bytes; %d where each takes 4", people.MaxPassword, people.MaxPassword/4),
		fmt.Sprintf("made ones have %d; imported ones from %d bits", token.GeneratedSeedBytes*8, model.MinSeedBytes*8),
		fmt.Sprintf("TOTP %d or %d s with two steps either way, so %d or %d s; hardware tokens at the first use %d steps", soft.Period, hard.Period,
			model.OTPCodes(soft.Algorithm, soft.NarrowWindow)*soft.Period, model.OTPCodes(hard.Algorithm, hard.NarrowWindow)*hard.Period, model.OTPCodes(hard.Algorithm, hard.AutoWindow)),
		fmt.Sprintf("10,000 × %.1e = %.0f of those", withoutPIN, 10_000*withoutPIN),
	}, "README.md": {
		fmt.Sprintf("after %d failures, %d minutes; after %d each, %d times as long, up to %s", first, firstLength/60_000, second, secondLength/firstLength, ms(int64(longest))),
		fmt.Sprintf("until an administrator unlocks | %d |", u.MaxFailures),
		fmt.Sprintf("%.1e at once and %.2e a day: %.1e a year", chance(model.MaxGuessed), chance(model.GuessedDaily), chance(model.MaxGuessed+365*model.GuessedDaily)),
		fmt.Sprintf("%s at most, each counted as %.1e", thousands(int(passwords)), chance(model.PasswordChance)),
		fmt.Sprintf("%d a %s |", model.MaxRefused, map[int]string{60_000: "minute"}[model.RefusedWithin]),
		fmt.Sprintf("had no success with in %d days | %d a day, at %d codes of a user's tokens; from %d on windows are narrow", model.AddressKnown/day, model.MaxAddress,
			model.AddressGuess/model.CodeChance(6), model.AddressNarrow),
		fmt.Sprintf("from %d within %d minutes, and %d times the usual", guessing.MinSpray, guessing.SprayWithin/time.Minute, guessing.SprayTimes),
		fmt.Sprintf("%d digits, good for %d minutes, %d an hour to a user, one each %s", model.PasscodeDigits, model.PasscodeWithin/60_000, model.MaxPasscodes, ms(login.PasscodeInterval)),
		fmt.Sprintf("emergency code | %d digits, good for %d hours, %d at most, once; %d open ones a user; a user whom %d failures in a row locked is let in by one made later, of %d tries",
			initial("emergencyCodeLength"), initial("emergencyCodeHours"), initial("emergencyCodeHoursMost"), initial("emergencyCodesMost"), u.MaxFailures, model.MaxLockedTries),
		fmt.Sprintf("after %d, then %d failures each, twice as long, up to %s; %d addresses known for %d days", model.SignInThreshold, model.SignInTries, ms(model.MaxSignInLock), model.MaxSignInKnown, model.SignInKnown/day),
		fmt.Sprintf("end after %s without a call and after %s", short(session.Idle), ms(model.MaxSession)),
		fmt.Sprintf("%.1f million of 2^%d: %.1e for each good code", codeTries/1e6, codeBits, codeTries/math.Pow(2, float64(codeBits))),
		fmt.Sprintf("an installation code, %d random bits if not given | %d unknown ones an address, then one each %s", codeBits, installation.GuessBurst, short(installation.GuessEvery)),
		fmt.Sprintf("an activation code, %d random bits as shipped, %d hours | %d wrong ones end the code", soft.ActivationCodeLength*5, soft.ActivationCodeHours, model.MaxActivationTries),
		fmt.Sprintf("%d wrong sign-ins an address, then one each %s", login.SignInBurst, short(login.SignInEvery)),
		fmt.Sprintf("its secret (%d random bits), an access token of `oauth/token` (%s)", admin.ClientSecretBytes*8, short(caller.TokenLife)),
		fmt.Sprintf("%d refusals an address, then one each %s", limit.RefusedBurst, short(limit.RefusedEvery)),
		fmt.Sprintf("%d random bits, once, %d hours", token.LinkBytes*8, model.LinkHours),
		fmt.Sprintf("at least %d characters, none of %s common ones", model.MinPassword, thousands(common)),
		fmt.Sprintf("%d bytes are the most, which is %d characters", people.MaxPassword, people.MaxPassword/4),
	}} {
		text := map[string]string{"SECURITY.md": promises, "README.md": details}[file]
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("%s lacks %q", file, want)
			}
		}
	}

	_, checklist, _ := strings.Cut(security, "\n## OWASP ASVS")
	answers := regexp.MustCompile(`(?m)^- \*\*(Yes|Partly|No|Not applicable)\*\*: `).FindAllString(checklist, -1)
	if len(answers) != 4 {
		t.Errorf("the checklist has the answers %q", answers)
	}
	for section, most := range map[int]int{1: 3, 2: 12, 3: 8, 4: 6, 5: 8, 6: 4, 7: 2, 8: 4} {
		for n := range most {
			number := fmt.Sprintf("6.%d.%d", section, n+1)
			if len(regexp.MustCompile(`\b`+regexp.QuoteMeta(number)+`\b`).FindAllString(checklist, -1)) != 1 {
				t.Errorf("SECURITY.md has no answer, or several, to %s", number)
			}
		}
	}
}
