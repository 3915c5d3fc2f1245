package model

// License is a number of seats, one of which each device with it takes.
type License struct {
	ID          string `db:"id"`
	Name        string `db:"name"`
	NameFolded  string `db:"name_folded"`
	Description string `db:"description"`
	Seats       int64  `db:"seats"`
	SeatsUsed   int64  `db:"seats_used"`
	Expires     Time   `db:"expires"` // 0 = never; its second is still good
}

// Second cuts a time to its second: what is good until a time is good through its second.
func (t Time) Second() Time { return t - t%1000 }

// Past says whether something that is good until a time, 0 being for ever, is so no longer.
func (t Time) Past(now Time) bool { return t != 0 && now.Second() > t.Second() }

// FreeSeats is how many more devices the license takes now; an expired one has no seats.
func (l *License) FreeSeats(now Time) int64 {
	if l.Expires.Past(now) {
		return 0
	}
	return max(0, l.Seats-l.SeatsUsed)
}

// NoSeat says why the license takes no device now.
func (l *License) NoSeat(now Time) *Error {
	if l.Expires.Past(now) {
		return Errorf(LicenseExpired, "the license %s has expired", l.Name)
	}
	return Errorf(NoSeat, "the license %s has no seat left: all %d are taken", l.Name, l.Seats)
}
