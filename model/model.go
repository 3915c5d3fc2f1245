// Package model is the domain of tokensmith: types, states and rules as pure functions. It does no I/O, holds no SQL
// and knows nothing of the wire. One noun a file; the store keeps these types (db tags name the columns), rpc
// declares how a client sees them.
//
// Conventions: an empty string is "no value"; a Time of 0 is "never"; an optional relation is a nil *string.
package model

import (
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

// String gives t as ISO 8601 in UTC; a fraction is shown only where there is one. The zero Time is "".
func (t Time) String() string {
	if t == 0 {
		return ""
	}
	return t.Std().Format("2006-01-02T15:04:05.999Z07:00")
}

// ParseTime reads an ISO 8601 date ("2026-01-31") or date and time with zone ("2026-01-31T10:00:00Z", "+01:00").
func ParseTime(s string) (Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil && t.UnixMilli() > 0 {
			return At(t), true
		}
	}
	return 0, false
}

// Fold gives the form in which names that people type are compared: composed (NFC) and without case.
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
