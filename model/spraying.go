package model

// Limits for the failures of one address with users for whom it has no success. An attacker who tries few OTPs on each of many
// users locks none of them.
const (
	MaxAddress    = 200            // failures per day
	AddressNarrow = 20             // failures per day after which windows are narrow
	AddressGuess  = 61 * sixDigits // before that, the probability that one guess may have, over all tokens: the first window of a hardware token
	AddressKnown  = 90 * day       // how long an address is known after a user's last success from it
)

// Address is what is known about the address of a caller of a login, and about the user at that address.
type Address struct {
	Day         int64 // day in UTC, counted from 1970-01-01
	Failures    int64 // failures on that day with users for whom it has no success
	LastSuccess Time  // last success of this user; 0 if there is none
}

// Knows returns whether the user logged in from the address lately. Its failures with other users are then not held against this
// user.
func (a *Address) Knows(now Time) bool { return a.LastSuccess != 0 && now-a.LastSuccess < AddressKnown }

// Blocked returns whether the address has failed so often today that this user's credential is refused without a check.
func (a *Address) Blocked(now Time) bool { return !a.Knows(now) && a.today(now) >= MaxAddress }

// UnderAttack returns whether the address has failed so often today that this user's windows are narrow.
func (a *Address) UnderAttack(now Time) bool { return !a.Knows(now) && a.today(now) >= AddressNarrow }

// MaxGuess returns the probability that one guess from the address may have, over all tokens that it is tried on.
func (a *Address) MaxGuess(now Time) Chance {
	switch {
	case a.Knows(now):
		return certain
	case a.UnderAttack(now):
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

// CountFailure counts a failure.
func (a *Address) CountFailure(now Time) {
	a.Day, a.Failures = int64(now/day), a.today(now)+1
}

// Due returns whether a success should be saved. Once a day is enough.
func (a *Address) Due(now Time) bool { return a.LastSuccess == 0 || now-a.LastSuccess >= day }

// Tomorrow returns how long the current day still lasts, in milliseconds.
func Tomorrow(now Time) Time { return day - now%day }
