package model

// Overview tells what an administrator should look at, and how many logins there were lately. No number is larger than MaxCounted.
type Overview struct {
	LockedUsers      int64
	LicensesEnding   int64 // that end before a moment, or have ended while devices have them
	CodesEnding      int64 // installation codes that can be used and end before a moment
	FailedDeliveries int64
	Logins           []HourOfLogins // the oldest first; hours without a login are not in it
	LoginsSince      Time           // logins before this were not counted
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
