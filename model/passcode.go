package model

import (
	"encoding/binary"
)

// A user is sent so many passcodes within so many milliseconds: each is a code to guess, and a message to somebody who may not have
// asked for it.
const (
	PasscodeDigits  = 6
	MaxPasscodes    = 3
	PasscodesWithin = 3600_000
)

// MaySendPasscode says whether one more passcode may be sent to the user.
func (s *UserState) MaySendPasscode(now Time) bool { return len(s.passcodes(now)) < MaxPasscodes }

// SentPasscode notes that one is sent.
func (s *UserState) SentPasscode(now Time) {
	times := append(s.passcodes(now), now)
	s.PasscodesAt = make([]byte, 0, 8*len(times))
	for _, t := range times {
		s.PasscodesAt = binary.BigEndian.AppendUint64(s.PasscodesAt, uint64(t))
	}
}

// passcodes returns the times of those that were sent lately.
func (s *UserState) passcodes(now Time) []Time {
	var times []Time
	for b := s.PasscodesAt; len(b) >= 8; b = b[8:] {
		if t := Time(binary.BigEndian.Uint64(b)); t > now-PasscodesWithin {
			times = append(times, min(t, now)) // the clock may have been set back
		}
	}
	return times
}
