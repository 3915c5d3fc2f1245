package model

import (
	"math"
)

// SignIns is how an administrator's sign-ins to the console went, from one address from which he signed in lately or, together, from
// all others. Failures lock the console alone, for him, and for where they came from: a stranger cannot shut him out where he is known,
// nor lock his other logins.
type SignIns struct {
	ID          string `db:"id"`
	UserID      string `db:"user_id"`
	Address     string `db:"address"`      // or network; "" = all from which he did not sign in lately
	FailCount   int64  `db:"fail_count"`   // since the last success or lock
	Locks       int64  `db:"locks"`        // that have not faded away yet
	LockedUntil Time   `db:"locked_until"` // 0 = never was
	LastFailure Time   `db:"last_failure"`
	LastSuccess Time   `db:"last_success"`
}

// What an administrator's failures at the console lead to. The domain's lockoutThreshold and lockoutMinutes make the first lock; each
// further one is twice as long, up to MaxSignInLock, and comes after SignInTries failures, until the locks have faded: one for each
// SignInFade without a failure or lock. A success ends the count of failures alone.
const (
	SignInThreshold = 10                 // where the domain never locks: this lock keeps nobody from his tokens
	SignInTries     = 3                  // between two locks
	MaxSignInLock   = 24 * 3600_000      // milliseconds
	SignInFade      = 24 * 3600_000      // milliseconds
	SignInKnown     = 90 * 24 * 3600_000 // milliseconds for which an address is known after a success
	MaxSignInKnown  = 16                 // addresses known of an administrator
)

const never Time = math.MaxInt64

// Held says whether sign-ins are not looked at now.
func (s *SignIns) Held(now Time) bool { return now < s.LockedUntil }

// Knows says whether this is an address from which he signed in lately.
func (s *SignIns) Knows(now Time) bool { return s.Address != "" && now-s.LastSuccess < SignInKnown }

// Failed counts a failure; threshold and minutes are the domain's.
func (s *SignIns) Failed(now Time, threshold, minutes int64) {
	s.fade(now)
	if threshold == 0 {
		threshold = SignInThreshold
	}
	if s.Locks > 0 {
		threshold = min(threshold, SignInTries)
	}
	s.FailCount++
	s.LastFailure = now
	if s.FailCount < threshold {
		return
	}
	s.FailCount = 0
	s.Locks++
	s.LockedUntil = never
	if minutes > 0 {
		s.LockedUntil = now + Time(min(MaxSignInLock, float64(minutes)*60_000*math.Pow(2, float64(s.Locks-1))))
	}
}

// fade takes away the locks that time has.
func (s *SignIns) fade(now Time) {
	if quiet := now - max(s.LastFailure, s.LockedUntil); quiet > 0 {
		s.Locks = max(0, s.Locks-int64(quiet/SignInFade))
	}
}

// Succeeded ends the count of failures; locks fade with time alone.
func (s *SignIns) Succeeded(now Time) { s.FailCount, s.LastSuccess = 0, now }
