// Package model is the domain of tokensmith: types, states and rules as pure functions. It does no I/O, holds no SQL
// and knows nothing of the wire. One noun a file; the store keeps these types (db tags name the columns), rpc
// declares how a client sees them.
//
// Conventions: an empty string is "no value"; a Time of 0 is "never"; an optional relation is a nil *string.
package model

import (
	"strings"
	"time"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Time is a moment in milliseconds since 1970-01-01 UTC; 0 is none. Both stores keep it as an integer, so that it
// has one precision and one order everywhere.
type Time int64

// At makes a Time of t, cut to milliseconds.
func At(t time.Time) Time { return Time(t.UnixMilli()) }

// Std returns t as the standard library's time, in UTC.
func (t Time) Std() time.Time { return time.UnixMilli(int64(t)).UTC() }

// String returns t as ISO 8601 in UTC; a fraction is shown only where there is one. The zero Time is "".
func (t Time) String() string {
	if t == 0 {
		return ""
	}
	return t.Std().Format("2006-01-02T15:04:05.999Z07:00")
}

// Moment is a date as it is written: a time or a day alone, which is a time only once its zone is known.
type Moment struct {
	at   Time
	day  time.Time // of a day alone: its midnight in UTC
	ends bool      // a day alone is its end
}

// latest is the last time that ISO 8601 writes with a year of four digits. One behind it, such as the end of 9999 west of UTC, is it.
var latest = At(time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)) - 1

// ParseMoment reads an ISO 8601 date and time with zone ("2026-01-31T10:00:00Z", "+01:00"), also as RFC 3339 and programs write it
// ("2026-01-31 10:00:00+01"), or a day alone ("2026-01-31"), which is its beginning or, with ends, its last millisecond.
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

// In returns the time that a moment is in a zone; nil is UTC. The end of a day is a millisecond before the next day begins, whatever
// the clocks do in between.
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

// Statuses that objects share.
const (
	Active     = "ACTIVE"
	Inactive   = "INACTIVE"
	LockedBy   = "LOCKED"
	DisabledBy = "DISABLED"
	Deceased   = "DECEASED"
)
