package model

import (
	"encoding/binary"
	"time"

	"tokensmith/model/otp"
)

// The limits for guessing. The most important limit is a budget of probability. However an attacker distributes the guesses, and
// whenever the user logs in between, the probabilities of all guesses within a year add up to at most MaxGuessed plus 365 times
// GuessedDaily, which is 1 %. Locks stop a fast attacker earlier.
const (
	MaxRefused    = 20        // refused checks of one user within RefusedWithin; further ones are refused without a check
	RefusedWithin = 60 * 1000 // milliseconds

	MaxGuessed   = 600 * sixDigits      // the budget that can be used at once: ten guesses on a hardware token never used
	GuessedDaily = 252 * sixDigits / 10 // how much of it recovers in a day: a little more than five guesses of MinGuess

	MinGuess = 5 * sixDigits // what one guess may always cost, even without budget: the window of a token in daily use

	lockGrowth     = 4   // factor between the lengths of consecutive locks
	lockDecay      = day // time after which the next lock is one step shorter
	maxLock        = day // longest lock
	triesAfterLock = 3   // attempts after a lock, until its growth has decayed

	day = Time(24 * time.Hour / time.Millisecond)
)

// guessedSpan is the time in which MaxGuessed recovers.
const guessedSpan = Time(MaxGuessed) * day / Time(GuessedDaily)

// Chance is a probability, in units of 10^-9.
type Chance int64

const (
	certain   Chance = 1_000_000_000
	sixDigits        = certain / 1_000_000 // probability of one code of six digits

	// PasswordChance is the cost of a wrong password, the same as that of an OTP for a token in daily use.
	PasswordChance = 5 * sixDigits
)

// CodeChance returns the probability of guessing one code of that many digits.
func CodeChance(digits int64) Chance {
	chance := certain
	for range digits {
		chance /= 10
	}
	return chance
}

// PairChance returns the probability that two guessed OTPs synchronize a token: the OTPs must be any two consecutive ones within
// the manual window.
func PairChance(algorithm string, digits, manualWindow int64) Chance {
	one := CodeChance(digits)
	pairs := Chance(OTPCodes(algorithm, min(manualWindow, otp.MaxWindow)) - 1)
	return max(1, (pairs*one*one+certain-1)/certain)
}

// Flooded returns whether the user was refused so often within the last minute that no further check is made.
func (s *UserState) Flooded(now Time) bool { return len(s.recent(now)) >= MaxRefused }

// recent returns the times of the refusals within the last minute.
func (s *UserState) recent(now Time) []Time {
	var times []Time
	for b := s.RefusedAt; len(b) >= 8; b = b[8:] {
		if t := Time(binary.BigEndian.Uint64(b)); t > now-RefusedWithin {
			times = append(times, min(t, now)) // the clock may have been set back
		}
	}
	return times
}

// RecordRefusal records a refused check. If failed is set, it was a guess with the given probability of being right. RecordRefusal returns
// whether this locks the user. While the user is locked nothing is counted: failures would move or shorten the lock, and make an
// administrator's look like one by failures.
func (s *Login) RecordRefusal(now Time, failed bool, chance Chance) (locks bool) {
	s.addRefusal(now)
	if !failed || s.Status == LockedBy && !s.LockEnded(now) {
		return false
	}
	s.FailCount++
	s.Tries++
	s.ChargeGuess(now, chance)
	switch {
	case s.MaxFailures > 0 && s.FailCount >= s.MaxFailures:
		s.Tries, s.LockedUntil, s.LockedAt = 0, 0, now
		return true
	case s.LockoutThreshold == 0 || s.Tries < s.maxTries(now) && !s.Overspent(now):
		return false
	}
	s.lock(now)
	return true
}

// addRefusal adds a refusal to those of the last minute.
func (s *UserState) addRefusal(now Time) {
	times := append(s.recent(now), now)
	times = times[max(0, len(times)-MaxRefused):]
	s.RefusedAt = make([]byte, 0, 8*len(times))
	for _, t := range times {
		s.RefusedAt = binary.BigEndian.AppendUint64(s.RefusedAt, uint64(t))
	}
}

// OpensByCode returns whether an emergency code that was made since the user was locked ends the lock. That holds for a lock by
// failures in a row, until MaxLockedTries wrong credentials were compared with such codes. Tries counts them then.
func (s *UserState) OpensByCode() bool {
	return s.LockedAt != 0 && s.LockedUntil == 0 && s.Tries < MaxLockedTries
}

// RecordLockedRefusal records a wrong credential of such a user, as a guess with the given probability of being right.
func (s *UserState) RecordLockedRefusal(now Time, chance Chance) {
	s.addRefusal(now)
	s.Tries++
	s.ChargeGuess(now, chance)
}

// maxTries returns how many failures lock the user.
func (s *Login) maxTries(now Time) int64 {
	if s.growth(now) > 0 {
		return min(triesAfterLock, s.LockoutThreshold)
	}
	return s.LockoutThreshold
}

// lock sets the end of a lock that begins now. Each lock is longer than the one before, until that growth has decayed. If the
// budget is overspent, the lock lasts at least until it no longer is.
func (s *Login) lock(now Time) {
	s.Tries, s.LockedUntil = 0, 0
	if s.LockoutMinutes == 0 {
		return
	}
	length := Time(s.LockoutMinutes * 60_000)
	most, growth := max(length, maxLock), s.growth(now)
	for range min(growth, 10) {
		length = min(length*lockGrowth, most)
	}
	s.LockedUntil = max(now+length, s.GuessedUntil-guessedSpan)
	s.CalmAt = s.LockedUntil + (growth+1)*lockDecay
}

// growth returns how many steps longer the next lock is.
func (s *UserState) growth(now Time) Time { return max(0, (s.CalmAt-now+lockDecay-1)/lockDecay) }

// ChargeGuess takes the probability of a wrong guess from the budget. It locks nobody.
func (s *UserState) ChargeGuess(now Time, chance Chance) {
	s.GuessedUntil = max(s.GuessedUntil, now) + Time(int64(min(chance, certain))*int64(day)/int64(GuessedDaily))
}

// Overspent returns whether more of the budget was used than there is.
func (s *UserState) Overspent(now Time) bool { return s.Guessed(now) > MaxGuessed }

// Guessed returns how much of the budget was used and has not recovered.
func (s *UserState) Guessed(now Time) Chance {
	return Chance(int64(max(0, s.GuessedUntil-now)) * int64(GuessedDaily) / int64(day))
}

// MaxGuess returns the probability that one guess may have, over all tokens that it is tried on: what is left of half of the
// budget, and at least MinGuess. The budget recovers five guesses of MinGuess a day. So a user who mistypes that often is never
// locked, however many tokens the user has, as long as they share no more than five codes.
func (s *UserState) MaxGuess(now Time) Chance { return max(MinGuess, MaxGuessed/2-s.Guessed(now)) }

// UnderAttack returns whether so many guesses were made lately that windows must be narrow.
func (s *UserState) UnderAttack(now Time) bool { return s.Guessed(now) >= MaxGuessed/2 }

// LockEnded returns whether a locked user's lock has expired.
func (s *UserState) LockEnded(now Time) bool { return s.LockedUntil != 0 && now >= s.LockedUntil }

// LockedByFailures returns whether failures locked a locked user. If an administrator did, there are none.
func (s *UserState) LockedByFailures() bool { return s.FailCount > 0 || s.GuessedUntil > 0 }

// ClearFailures forgets failures and a lock after an accepted credential. The used budget and the length of the next lock stay, because
// the failures may have been another person's.
func (s *UserState) ClearFailures() { s.FailCount, s.Tries, s.LockedUntil, s.LockedAt = 0, 0, 0, 0 }

// ForgiveAll forgets everything that limits guesses. Only an administrator may decide that.
func (s *UserState) ForgiveAll() {
	s.ClearFailures()
	s.CalmAt, s.GuessedUntil, s.RefusedAt = 0, 0, nil
}
