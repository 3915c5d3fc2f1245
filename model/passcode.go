package model

import (
	"encoding/binary"
)

// A user is sent at most MaxPasscodes passcodes within PasscodesWithin milliseconds. Each is a code that can be guessed, and a
// message that the user may not have asked for.
const (
	PasscodeDigits  = 6
	MaxPasscodes    = 3
	PasscodesWithin = 3600_000
)

// MaySendPasscode returns whether one more passcode may be sent to the user.
func (s *UserState) MaySendPasscode(now Time) bool { return len(s.passcodes(now)) < MaxPasscodes }

// SentPasscode records that one is sent.
func (s *UserState) SentPasscode(now Time) {
	times := append(s.passcodes(now), now)
	s.PasscodesAt = make([]byte, 0, 8*len(times))
	for _, t := range times {
		s.PasscodesAt = binary.BigEndian.AppendUint64(s.PasscodesAt, uint64(t))
	}
}

// passcodes returns the times of the passcodes that were sent within PasscodesWithin.
func (s *UserState) passcodes(now Time) []Time {
	var times []Time
	for b := s.PasscodesAt; len(b) >= 8; b = b[8:] {
		if t := Time(binary.BigEndian.Uint64(b)); t > now-PasscodesWithin {
			times = append(times, min(t, now)) // the clock may have been set back
		}
	}
	return times
}
