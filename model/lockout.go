package model

import (
	"encoding/binary"
	"time"
)

// The limits of guessing. What decides is the budget: however an attacker spreads his tries, and whenever the user logs in
// between, the chances of all his guesses within a year add up to MaxGuessed and 365 times GuessedDaily, a hundredth. The
// locks come earlier for who guesses fast.
const (
	MaxRefused    = 20        // refused checks of one user within RefusedWithin; the next are not looked at
	RefusedWithin = 60 * 1000 // milliseconds

	MaxGuessed   = 600 * sixDigits      // that may be guessed away at once: ten tries at a hardware token never used
	GuessedDaily = 252 * sixDigits / 10 // that comes back within a day: five tries of MinGuess, and a little

	MinGuess = 5 * sixDigits // that one guess may hit, whatever is left: the window of a token in daily use

	lockGrowth     = 4   // by which a lock is longer than the one before
	lockDecay      = day // after which the next lock is one step shorter
	maxLock        = day // that locks grow to
	triesAfterLock = 3   // until the growth has decayed

	day = Time(24 * time.Hour / time.Millisecond)
)

// guessedSpan is the time in which MaxGuessed comes back.
const guessedSpan = Time(MaxGuessed) * day / Time(GuessedDaily)

// Chance is the probability that a guess is right, in 10^-9.
type Chance int64

const (
	certain   Chance = 1_000_000_000
	sixDigits        = certain / 1_000_000 // of one code of six digits

	// PasswordChance is what a wrong password counts as: an OTP of a token in daily use. PairChance is that of two OTPs.
	PasswordChance = 5 * sixDigits
	PairChance     = certain / 1_000_000_000
)

// CodeChance is the chance of one code with so many digits.
func CodeChance(digits int64) Chance {
	chance := certain
	for range digits {
		chance /= 10
	}
	return chance
}

// Flooded says whether a user was refused so often within the last minute that no further check is made.
func (s *UserState) Flooded(now Time) bool { return len(s.recent(now)) >= MaxRefused }

// recent returns the refusals of the last minute.
func (s *UserState) recent(now Time) []Time {
	var times []Time
	for b := s.RefusedAt; len(b) >= 8; b = b[8:] {
		if t := Time(binary.BigEndian.Uint64(b)); t > now-RefusedWithin {
			times = append(times, min(t, now)) // the clock may have been set back
		}
	}
	return times
}

// Refused records a refused check. One that failed is a guess, which would have been right with that chance; Refused says
// whether it locks the user.
func (s *Login) Refused(now Time, failed bool, chance Chance) (locks bool) {
	times := append(s.recent(now), now)
	times = times[max(0, len(times)-MaxRefused):]
	s.RefusedAt = make([]byte, 0, 8*len(times))
	for _, t := range times {
		s.RefusedAt = binary.BigEndian.AppendUint64(s.RefusedAt, uint64(t))
	}
	if !failed {
		return false
	}
	s.FailCount++
	s.Tries++
	s.Spend(now, chance)
	switch {
	case s.MaxFailures > 0 && s.FailCount >= s.MaxFailures:
		s.Tries, s.LockedUntil = 0, 0
		return true
	case s.LockoutThreshold == 0 || s.Tries < s.triesMost(now) && !s.Overspent(now):
		return false
	}
	s.lock(now)
	return true
}

// triesMost is how many failures lock the user.
func (s *Login) triesMost(now Time) int64 {
	if s.growth(now) > 0 {
		return min(triesAfterLock, s.LockoutThreshold)
	}
	return s.LockoutThreshold
}

// lock sets the end of a lock that begins now, each longer than the one before until that has decayed. A user of whom more was
// guessed than may be at once stays locked until that has come back.
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

// growth is how many locks the next one is longer by.
func (s *UserState) growth(now Time) Time { return max(0, (s.CalmAt-now+lockDecay-1)/lockDecay) }

// Spend counts a wrong guess in the budget, and locks nobody.
func (s *UserState) Spend(now Time, chance Chance) {
	s.GuessedUntil = max(s.GuessedUntil, now) + Time(int64(min(chance, certain))*int64(day)/int64(GuessedDaily))
}

// Overspent says whether more was guessed than may be at once.
func (s *UserState) Overspent(now Time) bool { return s.Guessed(now) > MaxGuessed }

// Guessed is the chance that refused guesses have used up and that has not come back.
func (s *UserState) Guessed(now Time) Chance {
	return Chance(int64(max(0, s.GuessedUntil-now)) * int64(GuessedDaily) / int64(day))
}

// GuessMost is what one guess may hit, over all tokens it is tried at: what is left of half of the budget, and MinGuess at
// least. Five of these a day come back within it, so that nobody is locked who mistypes that often, however many tokens he has,
// up to the five codes it has.
func (s *UserState) GuessMost(now Time) Chance { return max(MinGuess, MaxGuessed/2-s.Guessed(now)) }

// Pressed says whether so much was guessed lately that windows are narrow.
func (s *UserState) Pressed(now Time) bool { return s.Guessed(now) >= MaxGuessed/2 }

// LockEnded says whether a locked user's lock has run out.
func (s *UserState) LockEnded(now Time) bool { return s.LockedUntil != 0 && now >= s.LockedUntil }

// LockedByFailures says whether it was failures that locked a locked user, and not an administrator, who leaves none.
func (s *UserState) LockedByFailures() bool { return s.FailCount > 0 || s.GuessedUntil > 0 }

// Cleared forgets failures and a lock after an accepted credential. It does not tell who failed before: what was guessed away,
// and how long the next lock is, stays.
func (s *UserState) Cleared() { s.FailCount, s.Tries, s.LockedUntil = 0, 0, 0 }

// Forgiven forgets all that holds back who guesses: an administrator's decision.
func (s *UserState) Forgiven() {
	s.Cleared()
	s.CalmAt, s.GuessedUntil, s.RefusedAt = 0, 0, nil
}
