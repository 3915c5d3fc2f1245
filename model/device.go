package model

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Device is a machine that authenticates with a client token.
type Device struct {
	ID          string  `db:"id"`
	Name        string  `db:"name"`
	NameFolded  string  `db:"name_folded"`
	Description string  `db:"description"`
	Platform    string  `db:"platform"`
	Status      string  `db:"status"`
	UserID      *string `db:"user_id"`    // owner
	LicenseID   *string `db:"license_id"` // the license of which it uses a seat
	HardwareID  string  `db:"hardware_id"`
	TokenID     string  `db:"token_id"` // its client token, even if that has ended
	DateCreated Time    `db:"date_created"`
	LastUpdated Time    `db:"last_updated"`
	LastSeen    Time    `db:"last_seen"` // saved at most once in SeenEvery
}

// SeenEvery is the shortest time between two updates of a device's last use, in milliseconds.
const SeenEvery = 60_000

// onlineIntervals is how many check-in intervals a device may miss and still count as online.
const onlineIntervals = 3

// Online returns whether a device that was last seen at a time counts as online. The check-in interval is in milliseconds.
func Online(lastSeen, now, checkIn Time) bool {
	return lastSeen != 0 && now-lastSeen <= onlineIntervals*checkIn
}

// maxName is the longest name of a device, in bytes.
const maxName = 255

// NumberedName returns the nth of the names name, name-2, name-3 and so on. A long name is cut to make room for the number.
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

// NumberedNames returns n names "label-001", "label-002" and so on that are not taken. The numbers have at least three digits,
// and at least as many as n has. taken gets the folded name.
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

// DeviceGroup is a set of devices. The groups form a tree.
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
