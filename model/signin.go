package model

import (
	"math"
)

// SignIns counts an administrator's sign-ins to the console. There is one for each address from which the administrator signed in
// lately, and one for all other addresses together. Failures lock only the console, only for this administrator, and only for
// these addresses. So a stranger can neither lock an administrator out at a known address, nor lock the administrator's other
// logins.
type SignIns struct {
	ID          string `db:"id"`
	UserID      string `db:"user_id"`
	Address     string `db:"address"`      // address or network; "" for all addresses without a recent sign-in
	FailCount   int64  `db:"fail_count"`   // failures since the last success or lock
	Locks       int64  `db:"locks"`        // locks that have not faded yet
	LockedUntil Time   `db:"locked_until"` // 0 if there was no lock
	LastFailure Time   `db:"last_failure"`
	LastSuccess Time   `db:"last_success"`
}

// What an administrator's failures in the console cause. The first lock has the domain's lockoutThreshold and lockoutMinutes.
// Each further lock is twice as long, up to MaxSignInLock, and comes after SignInTries failures. One lock fades for each
// SignInFade without a failure or lock. A success resets only the count of failures.
const (
	SignInThreshold = 10                 // threshold if the domain has none; this lock does not affect logins with tokens
	SignInTries     = 3                  // failures between two locks
	MaxSignInLock   = 24 * 3600_000      // milliseconds
	SignInFade      = 24 * 3600_000      // milliseconds
	SignInKnown     = 90 * 24 * 3600_000 // how long an address is known after a success, in milliseconds
	MaxSignInKnown  = 16                 // how many addresses of an administrator are known
)

const never Time = math.MaxInt64

// Locked returns whether sign-ins are refused without a check now.
func (s *SignIns) Locked(now Time) bool { return now < s.LockedUntil }

// Knows returns whether this is an address from which the administrator signed in lately.
func (s *SignIns) Knows(now Time) bool { return s.Address != "" && now-s.LastSuccess < SignInKnown }

// CountFailure counts a failure. threshold and minutes are those of the domain.
func (s *SignIns) CountFailure(now Time, threshold, minutes int64) {
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

// fade removes the locks that have faded.
func (s *SignIns) fade(now Time) {
	if quiet := now - max(s.LastFailure, s.LockedUntil); quiet > 0 {
		s.Locks = max(0, s.Locks-int64(quiet/SignInFade))
	}
}

// CountSuccess resets the count of failures. Locks fade only with time.
func (s *SignIns) CountSuccess(now Time) { s.FailCount, s.LastSuccess = 0, now }
