package model

// What one address may fail with users it has no success with. Trying few OTPs with each of many users locks none of them.
const (
	MaxAddress     = 200            // failures a day
	AddressPressed = 20             // beyond which windows are narrow
	AddressGuess   = 61 * sixDigits // that one guess may hit before, over all tokens: the first window of a hardware token
	AddressKnown   = 90 * day       // after the last success of a user from there
)

// Address is what is known of the address that a credential comes from, and of the user there.
type Address struct {
	Day         int64 // of UTC, since 1970
	Failures    int64 // in that day, with users that it has no success with
	LastSuccess Time  // of this user; 0 = none
}

// Knows says whether the user logged in from the address lately: then its failures with others are not held against the user.
func (a *Address) Knows(now Time) bool { return a.LastSuccess != 0 && now-a.LastSuccess < AddressKnown }

// Held says whether the address has failed so often today that this user's credential is not looked at.
func (a *Address) Held(now Time) bool { return !a.Knows(now) && a.today(now) >= MaxAddress }

// Pressed says whether it has failed so often today that this user's windows are narrow.
func (a *Address) Pressed(now Time) bool { return !a.Knows(now) && a.today(now) >= AddressPressed }

// GuessMost is what one guess from there may hit, over all tokens it is tried at.
func (a *Address) GuessMost(now Time) Chance {
	switch {
	case a.Knows(now):
		return certain
	case a.Pressed(now):
		return MinGuess
	}
	return AddressGuess
}

func (a *Address) today(now Time) int64 {
	if a.Day != int64(now/day) {
		return 0
	}
	return a.Failures
}

// Failed counts a failure.
func (a *Address) Failed(now Time) {
	a.Day, a.Failures = int64(now/day), a.today(now)+1
}

// Due says whether a success is to be written: once a day is enough.
func (a *Address) Due(now Time) bool { return a.LastSuccess == 0 || now-a.LastSuccess >= day }

// Tomorrow is how long, in milliseconds, until the day ends.
func Tomorrow(now Time) Time { return day - now%day }
