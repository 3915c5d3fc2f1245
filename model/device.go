package model

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Device is a machine that proves itself by a client token.
type Device struct {
	ID          string  `db:"id"`
	Name        string  `db:"name"`
	NameFolded  string  `db:"name_folded"`
	Description string  `db:"description"`
	Platform    string  `db:"platform"`
	Status      string  `db:"status"`
	UserID      *string `db:"user_id"`    // owner
	LicenseID   *string `db:"license_id"` // whose seat it takes
	HardwareID  string  `db:"hardware_id"`
	TokenID     string  `db:"token_id"` // its client token, also one that ended
	DateCreated Time    `db:"date_created"`
	LastUpdated Time    `db:"last_updated"`
	LastSeen    Time    `db:"last_seen"` // written at most once a SeenEvery
}

// SeenEvery is how often a device's last use is written at most, in milliseconds.
const SeenEvery = 60_000

// onlineIntervals is how many check-in intervals a device may let pass and is still online.
const onlineIntervals = 3

// Online says whether a device last seen at a time counts as online; the check-in interval is in milliseconds.
func Online(lastSeen, now, checkIn Time) bool {
	return lastSeen != 0 && now-lastSeen <= onlineIntervals*checkIn
}

// maxName is how long a device's name is at most, in bytes.
const maxName = 255

// NumberedName returns the nth name of devices that would have the same: the name itself, name-2, name-3, ...; a long one is
// cut so that the number has room.
func NumberedName(name string, n int) string {
	if n < 2 {
		return name
	}
	number := "-" + strconv.Itoa(n)
	for len(name)+len(number) > maxName {
		_, size := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-size]
	}
	return name + number
}

// NumberedNames returns n names "label-001", "label-002", ... that are not taken, padded to at least three digits and to as
// many as n has. taken is told a name in folded form.
func NumberedNames(label string, n int, taken func(folded string) bool) []string {
	width := max(3, len(strconv.Itoa(n)))
	names := make([]string, 0, n)
	for i := 1; len(names) < n; i++ {
		number := strconv.Itoa(i)
		name := label + "-" + strings.Repeat("0", max(0, width-len(number))) + number
		if !taken(Fold(name)) {
			names = append(names, name)
		}
	}
	return names
}

// DeviceGroup is a set of devices, in a tree of groups.
type DeviceGroup struct {
	ID          string  `db:"id"`
	Name        string  `db:"name"`
	NameFolded  string  `db:"name_folded"`
	Description string  `db:"description"`
	ParentID    *string `db:"parent_id"`
}

// DeviceGroupMember says that a device is in a group.
type DeviceGroupMember struct {
	DeviceID string `db:"device_id"`
	GroupID  string `db:"group_id"`
}
