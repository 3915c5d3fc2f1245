package model

import (
	"math"
	"slices"

	"tokensmith/model/otp"
)

// Estimate is what somebody who guesses a user's OTPs for a year may reach at most, by the rules of Login.Refused. The user is
// assumed to log in once a day, which forgives failures; no administrator unlocks.
type Estimate struct {
	Codes   int64   // that a guess at tokens in use may hit when many were made: of their shared window, and a passcode
	First   int64   // that the first guesses at tokens never used may hit
	InUse   Chance  // of one guess, at tokens in use
	Unused  Chance  // at ones never used
	Guesses float64 // within the year, at tokens in use
	Typos   int64   // of a person each day, for years, that lock nobody

	unused    float64 // guesses at ones never used, whose user does not log in
	wide      Chance  // of a guess from an address that did not fail before
	passcodes bool    // may be sent
}

const (
	year = 365 // days

	// RandomPIN is the chance of a guess at a random PIN of six digits. ChosenPIN is that of "1234", which was 10.7 % of
	// 3,400,000 passwords of four digits (N. Berry, PIN analysis, DataGenetics 2012): each guess at an OTP may try it again.
	RandomPIN = 1e-6
	ChosenPIN = 0.107
)

// EstimateGuessing computes what guessing achieves in a domain with users who have so many tokens of a product.
func EstimateGuessing(d *Domain, p *Product, tokens int64) Estimate {
	// A pending resynchronisation opens one code more, where few guesses were made.
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
	shared := within(inUse, MinGuess-passcode)
	e := Estimate{InUse: shared + passcode, Unused: within(unused, MaxGuessed/2-passcode) + passcode, wide: within(unused, AddressGuess-passcode) + passcode,
		Codes: int64(shared/code) + 1, Typos: int64(GuessedDaily / within(inUse, MinGuess)), passcodes: d.PasscodeChannels != ""}
	e.First = int64((e.Unused-passcode)/code) + 1
	// What answers "out of sync" costs no budget.
	free := min(certain/2, Chance(tokens*OTPCodes(p.Algorithm, max(p.AutoWindow, p.CheckWindow)))*code)
	budget := (float64(MaxGuessed) + float64(e.InUse) + year*float64(GuessedDaily)) / float64(certain-free) * float64(certain)
	e.Guesses, e.unused = d.guesses(budget/float64(e.InUse), true), d.guesses(budget/float64(e.Unused), false)
	return e
}

// Passcode is the part of the chance without a PIN that passcodes are, where somebody has one sent for each of his guesses.
func (e *Estimate) Passcode() float64 {
	if !e.passcodes {
		return 0
	}
	return atLeastOnce(CodeChance(PasscodeDigits), 1, e.Guesses)
}

// Chance is that of entering the account within the year, where a guess at the PIN is right with a chance, 1 where there is none. It
// is that of tokens in use or of ones never used, whichever is more. The PIN stands in front of passcodes as well.
func (e *Estimate) Chance(pin float64) float64 {
	return max(atLeastOnce(e.InUse, pin, e.Guesses), atLeastOnce(e.Unused, pin, e.unused))
}

// atLeastOnce is the chance that one of so many guesses is right, each with the chance of the OTP and that of the PIN.
func atLeastOnce(one Chance, pin, guesses float64) float64 {
	return -math.Expm1(guesses * math.Log1p(-pin*float64(min(one, certain-1))/float64(certain)))
}

// guesses bounds the guesses of a year at a user who logs in daily or never. Within the budget are so many: what was guessed away at
// once, a last guess, and what comes back.
func (d *Domain) guesses(budget float64, daily bool) float64 {
	most := float64(year) * float64(day) / RefusedWithin * MaxRefused
	row := float64(d.MaxFailures) // between two logins
	if d.MaxFailures == 0 {
		row = math.Inf(1)
	}
	if d.LockoutThreshold > 0 {
		most = min(most, budget) // where that locks for good, it is not more
		if d.LockoutMinutes == 0 {
			row = min(row, float64(d.LockoutThreshold))
		} else {
			// In the day of a login: up to the threshold before and after it, then three after each of four locks.
			most = min(most, year*float64(2*d.LockoutThreshold+4*triesAfterLock))
		}
	}
	if daily {
		return min(most, (year+1)*row)
	}
	return min(most, row)
}

// OTPCodes says how many codes of a product are in a window of n.
func OTPCodes(algorithm string, n int64) int64 {
	if algorithm == string(otp.TOTP) {
		return 2*n + 1
	}
	return n
}

// Sprayed is how many accounts one address that sends guesses at many users enters within a year at most, by the rules of
// Address: some of its guesses a day find the windows of tokens never used, the rest narrow ones.
func (e *Estimate) Sprayed() float64 {
	return year * float64(AddressPressed*e.wide+(MaxAddress-AddressPressed)*e.InUse) / float64(certain)
}
