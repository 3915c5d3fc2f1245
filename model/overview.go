package model

// Overview tells what an administrator should look at, and how many logins there were lately. None of its own numbers is larger than MaxCounted.
type Overview struct {
	LockedUsers      int64
	LicensesEnding   int64 // that end before a moment, or have ended while devices have them
	CodesEnding      int64 // installation codes that can be used and end before a moment
	FailedDeliveries int64
	Counts           []Counted      // tokens, users and devices
	Logins           []HourOfLogins // the oldest first; hours without a login are not in it
	LoginsSince      Time           // logins before this were not counted
}

// Counted is how many of something there are. It costs the same however many they are, so MaxCounted is not its limit.
type Counted struct {
	Name     string // tokens, users or devices
	Total    int64
	ByStatus []StatusCount // by the name of the status; those that there are
	Before   int64         // how many there were at Since
	Since    Time          // the beginning of a day; zero if nothing is known of before
}

// StatusCount is how many there are with a status.
type StatusCount struct {
	Status string `db:"status"`
	Total  int64  `db:"total"`
}

// HourOfLogins is how many logins there were in an hour, at auth/verify, auth/logon and the console.
type HourOfLogins struct {
	Hour     int64 // hours since 1970, UTC
	Accepted int64
	Refused  int64
}

// MaxCounted is the most that a number of an Overview counts to. More are not counted, so that an overview costs the same
// however many there are.
const MaxCounted = 1000
