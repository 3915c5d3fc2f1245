package model

// License is a number of seats. Each device with the license uses one seat.
type License struct {
	ID          string `db:"id"`
	Name        string `db:"name"`
	NameFolded  string `db:"name_folded"`
	Description string `db:"description"`
	Seats       int64  `db:"seats"`
	SeatsUsed   int64  `db:"seats_used"`
	Expires     Time   `db:"expires"` // 0 means never; the license is valid until the end of that second
}

// Second returns a time cut to its second. Whatever is valid until a time is valid until the end of that second.
func (t Time) Second() Time { return t - t%1000 }

// Past returns whether something that is valid until t has expired. A t of 0 means that it never expires.
func (t Time) Past(now Time) bool { return t != 0 && now.Second() > t.Second() }

// FreeSeats returns how many more devices can use the license now. An expired license has no seats.
func (l *License) FreeSeats(now Time) int64 {
	if l.Expires.Past(now) {
		return 0
	}
	return max(0, l.Seats-l.SeatsUsed)
}

// NoSeat returns the error for a license that has no free seat now.
func (l *License) NoSeat(now Time) *Error {
	if l.Expires.Past(now) {
		return Errorf(LicenseExpired, "the license %s has expired", l.Name)
	}
	return Errorf(NoSeat, "the license %s has no seat left: all %d are taken", l.Name, l.Seats)
}
