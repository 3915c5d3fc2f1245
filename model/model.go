// Package model is the domain of tokensmith: types, states and rules, as pure functions. It does no I/O, and contains no SQL and
// nothing of the API. Each noun has a file. Package store stores these types (db tags are the names of columns), and the packages
// of rpc declare how a client sees them.
//
// Conventions: an empty string means "no value", a Time of 0 means "never", and an optional relation is a *string that is nil if
// there is none.
package model

import (
	"strings"
	"time"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Time is a moment in milliseconds since 1970-01-01 UTC; 0 means none. Both databases store it as an integer, so it has the same
// precision and order everywhere.
type Time int64

// At returns t as a Time, cut to milliseconds.
func At(t time.Time) Time { return Time(t.UnixMilli()) }

// Std returns t as a time.Time in UTC.
func (t Time) Std() time.Time { return time.UnixMilli(int64(t)).UTC() }

// String returns t as ISO 8601 in UTC, with a fraction of a second only if it is not 0. For the zero Time it returns "".
func (t Time) String() string {
	if t == 0 {
		return ""
	}
	return t.Std().Format("2006-01-02T15:04:05.999Z07:00")
}

// Moment is a date as it was written: a time, or a date without a time. The latter becomes a Time only when its zone is known.
type Moment struct {
	at   Time
	day  time.Time // for a date without a time: its midnight in UTC
	ends bool      // a date without a time means the end of the day
}

// latest is the last time that ISO 8601 can write with a four-digit year. A later time, such as the end of 9999 west of UTC,
// becomes this one.
var latest = At(time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)) - 1

// ParseMoment parses an ISO 8601 date and time with zone ("2026-01-31T10:00:00Z", "+01:00"), also in the forms of RFC 3339 and of
// other programs ("2026-01-31 10:00:00+01"). A date without a time ("2026-01-31") means the beginning of the day or, with ends,
// its last millisecond.
func ParseMoment(s string, ends bool) (Moment, bool) {
	if len(s) > len(time.DateOnly) && (s[len(time.DateOnly)] == ' ' || s[len(time.DateOnly)] == 't') {
		s = s[:len(time.DateOnly)] + "T" + s[len(time.DateOnly)+1:]
	}
	if bare, zulu := strings.CutSuffix(s, "z"); zulu {
		s = bare + "Z"
	}
	for _, layout := range momentLayouts {
		if t, err := time.Parse(layout, s); err == nil && t.UnixMilli() > 0 {
			return Moment{at: min(At(t), latest)}, true
		}
	}
	day, err := time.Parse(time.DateOnly, s)
	return Moment{day: day, ends: ends}, err == nil && day.Year() > 1970
}

var momentLayouts = [...]string{time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05.999999999Z0700", "2006-01-02T15:04:05.999999999Z07",
	"2006-01-02T15:04Z0700", "2006-01-02T15:04Z07"}

// In returns the Time of a moment in a zone; nil means UTC. The end of a day is one millisecond before the next day begins, even
// if the clocks change on that day.
func (m Moment) In(zone *time.Location) Time {
	if m.day.IsZero() {
		return m.at
	}
	if zone == nil {
		zone = time.UTC
	}
	y, month, d := m.day.Date()
	if !m.ends {
		return min(At(time.Date(y, month, d, 0, 0, 0, 0, zone)), latest)
	}
	return min(At(time.Date(y, month, d+1, 0, 0, 0, 0, zone))-1, latest)
}

// Fold returns the form in which names that people type are compared: composed (NFC) and without case.
func Fold(s string) string {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c >= 0x80 || 'A' <= c && c <= 'Z' {
			return norm.NFC.String(cases.Fold().String(norm.NFC.String(s)))
		}
	}
	return s
}

// Statuses that several kinds of object have.
const (
	Active     = "ACTIVE"
	Inactive   = "INACTIVE"
	LockedBy   = "LOCKED"
	DisabledBy = "DISABLED"
	Deceased   = "DECEASED"
)
