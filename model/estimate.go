package model

import (
	"math"
	"slices"

	"tokensmith/model/otp"
)

// Estimate is the most that somebody can achieve who guesses a user's OTPs for a year, with the rules of Login.Refused. It
// assumes that the user logs in once a day, which forgives failures, and that no administrator unlocks the user.
type Estimate struct {
	Codes   int64   // how many codes a guess may hit on tokens in use, after many guesses: those of their shared window, and a passcode
	First   int64   // how many codes the first guesses on tokens never used may hit
	InUse   Chance  // probability of one guess on tokens in use
	Unused  Chance  // the same on tokens never used
	Guesses float64 // guesses within the year on tokens in use
	Typos   int64   // typing errors that a person may make every day, for typosFor days, without being locked

	unused    float64   // guesses on tokens never used, whose user does not log in
	wide      Chance    // probability of one guess from an address without earlier failures
	passcodes bool      // passcodes may be sent
	codes     Chance    // probability that one guess is one of the emergency codes
	noPIN     bool      // these need no PIN
	with      *Estimate // the same for a user who has as many open emergency codes as the domain allows
}

const (
	year     = 365 // days
	typosFor = 2 * year

	// RandomPIN is the probability of guessing a random PIN of six digits. ChosenPIN is the probability of guessing a PIN that a
	// person chose: "1234" was 10.7 % of 3,400,000 passwords of four digits (N. Berry, PIN analysis, DataGenetics 2012). Each
	// guess of an OTP may try that PIN again.
	RandomPIN = 1e-6
	ChosenPIN = 0.107
)

// EstimateGuessing estimates what guessing achieves in a domain whose users have that many tokens of a product. Figures that depend
// on whether a user has emergency codes are the worse ones of both cases. They assume codes that the server made.
func EstimateGuessing(d *Domain, p *Product, tokens int64) Estimate {
	most := d.EmergencyCodesMost
	if most == 0 {
		most = MaxUserTempPasses
	}
	e := estimate(d, p, tokens, 0)
	with := estimate(d, p, tokens, Chance(most)*max(1, CodeChance(max(MinTempPass, d.EmergencyCodeLength))))
	e.with, e.Typos = &with, min(e.Typos, with.Typos)
	return e
}

// estimate is EstimateGuessing for a user of whom one guess is an emergency code with the given probability.
func estimate(d *Domain, p *Product, tokens int64, codes Chance) Estimate {
	// Include the one further code that a pending resynchronization accepts while few guesses were made.
	inUse := Credential{Algorithm: p.Algorithm, Digits: p.Digits, Period: p.Period, AutoWindow: p.AutoWindow, NarrowWindow: p.NarrowWindow,
		SyncedAt: 1, ResyncStep: 1, ResyncUntil: 1}
	unused := inUse
	unused.SyncedAt = 0
	within := func(c Credential, most Chance) (sum Chance) {
		all := slices.Repeat([]Credential{c}, int(tokens))
		Share(all, 1, most)
		for i := range all {
			sum += all[i].Chance(1)
		}
		return sum
	}
	code, passcode := CodeChance(p.Digits), CodeChance(PasscodeDigits)
	other := passcode + codes
	shared := within(inUse, MinGuess-other)
	e := Estimate{InUse: shared + other, Unused: within(unused, MaxGuessed/2-other) + other, wide: within(unused, AddressGuess-other) + other,
		Codes: int64(shared/code) + 1, Typos: int64((GuessedDaily + MaxGuessed/2/typosFor) / (within(inUse, MinGuess-codes) + codes)), passcodes: d.PasscodeChannels != "",
		codes: codes, noPIN: !d.EmergencyCodeNeedsPIN}
	e.First = int64((e.Unused-other)/code) + 1
	// A guess that is answered with OutOfSync costs no budget.
	free := min(certain/2, Chance(tokens*OTPCodes(p.Algorithm, max(p.AutoWindow, p.CheckWindow)))*code)
	budget := (float64(MaxGuessed) + float64(e.InUse) + year*float64(GuessedDaily)) / float64(certain-free) * float64(certain)
	e.Guesses, e.unused = d.guesses(budget/float64(e.InUse), true), d.guesses(budget/float64(e.Unused), false)
	return e
}

// Passcode returns how much of the probability without a PIN comes from passcodes, if the guesser has one sent for each guess.
func (e *Estimate) Passcode() float64 {
	if !e.passcodes {
		return 0
	}
	return atLeastOnce(CodeChance(PasscodeDigits), 1, e.Guesses)
}

// EmergencyCode returns how much of the probability without a PIN comes from emergency codes, if the user has as many as the domain
// allows, all year long.
func (e *Estimate) EmergencyCode() float64 {
	return max(atLeastOnce(e.with.codes, 1, e.with.Guesses), atLeastOnce(e.with.codes, 1, e.with.unused))
}

// Chance returns the probability of entering the account within the year. pin is the probability of guessing the PIN; 1 if there
// is none. The result is for tokens in use or for tokens never used, whichever is higher. The PIN is also required before a
// passcode and, unless the domain says otherwise, before an emergency code.
func (e *Estimate) Chance(pin float64) float64 {
	of := func(all Chance, guesses float64) float64 {
		if e.noPIN {
			return atLeastOnceOf(pin*share(all-e.codes)+share(e.codes), guesses)
		}
		return atLeastOnce(all, pin, guesses)
	}
	chance := max(of(e.InUse, e.Guesses), of(e.Unused, e.unused))
	if e.with != nil {
		chance = max(chance, e.with.Chance(pin))
	}
	return chance
}

// atLeastOnce returns the probability that at least one of the guesses is right, if each must be right about the OTP and the PIN.
func atLeastOnce(one Chance, pin, guesses float64) float64 {
	return atLeastOnceOf(pin*share(one), guesses)
}

// atLeastOnceOf returns the probability that at least one of the guesses is right, given that of one.
func atLeastOnceOf(one, guesses float64) float64 { return -math.Expm1(guesses * math.Log1p(-one)) }

// share returns a probability as a number below 1.
func share(c Chance) float64 { return float64(min(c, certain-1)) / float64(certain) }

// guesses returns the most guesses within a year on a user who logs in daily or never. budget is the number of guesses that the
// budget allows: those that are possible at once, one last guess, and those for which the budget recovers.
func (d *Domain) guesses(budget float64, daily bool) float64 {
	most := float64(year) * float64(day) / RefusedWithin * MaxRefused
	row := float64(d.MaxFailures) // the most failures between two logins
	if d.MaxFailures == 0 {
		row = math.Inf(1)
	}
	if d.LockoutThreshold > 0 {
		most = min(most, budget) // the number is no higher if the lock is permanent
		if d.LockoutMinutes == 0 {
			row = min(row, float64(d.LockoutThreshold))
		} else {
			// On a day with one login: up to the threshold before it and after it, then three after each of four locks.
			most = min(most, year*float64(2*d.LockoutThreshold+4*triesAfterLock))
		}
	}
	if daily {
		return min(most, (year+1)*row)
	}
	return min(most, row)
}

// OTPCodes returns how many codes of a product are in a window of n.
func OTPCodes(algorithm string, n int64) int64 {
	if algorithm == string(otp.TOTP) {
		return 2*n + 1
	}
	return n
}

// Sprayed returns how many accounts one address can enter within a year, with the rules of Address, if it guesses on many users.
// Each day, some of its guesses meet the windows of tokens never used, and the rest meet narrow windows.
func (e *Estimate) Sprayed() float64 {
	accounts := year * float64(AddressNarrow*e.wide+(MaxAddress-AddressNarrow)*e.InUse) / float64(certain)
	if e.with != nil {
		accounts = max(accounts, e.with.Sprayed())
	}
	return accounts
}
