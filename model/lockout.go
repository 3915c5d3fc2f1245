package model

import "encoding/binary"

// The limits of guessing.
const (
	RefusedMost   = 20        // refused checks of one user within RefusedWithin; the next are not looked at
	RefusedWithin = 60 * 1000 // milliseconds
)

// Flooded says whether a user was refused so often within the last minute that no further check is made.
func (s *UserState) Flooded(now Time) bool { return len(s.recent(now)) >= RefusedMost }

// recent gives the refusals of the last minute.
func (s *UserState) recent(now Time) []Time {
	var times []Time
	for b := s.RefusedAt; len(b) >= 8; b = b[8:] {
		if t := Time(binary.BigEndian.Uint64(b)); t > now-RefusedWithin {
			times = append(times, min(t, now)) // the clock may have been set back
		}
	}
	return times
}

// Refused records a refused check. A failed one also counts towards the domain's lockout threshold; Refused says
// whether it locks the user.
func (s *Login) Refused(now Time, failed bool) (locks bool) {
	times := append(s.recent(now), now)
	times = times[max(0, len(times)-RefusedMost):]
	s.RefusedAt = make([]byte, 0, 8*len(times))
	for _, t := range times {
		s.RefusedAt = binary.BigEndian.AppendUint64(s.RefusedAt, uint64(t))
	}
	if !failed {
		return false
	}
	s.FailCount++
	if s.LockoutThreshold == 0 || s.FailCount < s.LockoutThreshold {
		return false
	}
	s.LockedUntil = 0
	if s.LockoutMinutes > 0 {
		s.LockedUntil = now + Time(s.LockoutMinutes*60_000)
	}
	return true
}

// LockEnded says whether a locked user's lock has run out.
func (s *UserState) LockEnded(now Time) bool { return s.LockedUntil != 0 && now >= s.LockedUntil }

// Cleared forgets failures and a lock: after an accepted credential, or by an administrator.
func (s *UserState) Cleared() { s.FailCount, s.LockedUntil = 0, 0 }
