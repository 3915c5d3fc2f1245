package model

import "strings"

// TempPass is an emergency code. For a while, it stands for the OTP of a token that its user has lost.
type TempPass struct {
	ID          string `db:"id"`
	UserID      string `db:"user_id"`
	Password    []byte `db:"password"` // sealed; what the user enters
	Starts      Time   `db:"starts"`   // 0 means at once
	Expires     Time   `db:"expires"`  // 0 means never
	UsageLimit  int64  `db:"usage_limit"`
	UsedTimes   int64  `db:"used_times"`
	SentTimes   int64  `db:"sent_times"`
	DateCreated Time   `db:"date_created"`
}

const (
	MinTempPass = 6 // characters of an emergency code
	MaxTempPass = 32

	// MaxUserTempPasses is the largest number of emergency codes of one user, whatever the domain allows. Spent ones count, because
	// each login of the user compares its credential with all of them, while other logins wait.
	MaxUserTempPasses = 500

	// MaxMadeTempPasses is how many emergency codes one call makes or sends.
	MaxMadeTempPasses = 100

	// TempPassKept is how long an emergency code is kept after it expired, so that the answer to it says why it does not log in.
	TempPassKept = 30 * day

	// MaxLockedTries is how many wrong credentials of a user whom failures in a row have locked are compared with emergency codes.
	MaxLockedTries = 10

	hour = Time(3600_000)
)

// CheckTempPass returns an error, naming place, unless an emergency code has 6 to 32 printable ASCII characters and no space or
// comma.
func CheckTempPass(place string, code Secret) error {
	ok := len(code) >= MinTempPass && len(code) <= MaxTempPass
	for _, c := range code {
		ok = ok && c > ' ' && c < 0x7f && c != ','
	}
	if !ok {
		return AttrErrorf(Invalid, place, "must be %d to %d printable ASCII characters without space and comma", MinTempPass, MaxTempPass)
	}
	return nil
}

// Open returns whether the code can log somebody in now, or will be able to.
func (c *TempPass) Open(now Time) bool { return (c.Expires == 0 || now < c.Expires) && !c.usedUp() }

func (c *TempPass) usedUp() bool { return c.UsageLimit > 0 && c.UsedTimes >= c.UsageLimit }

// Usable returns why the code, entered rightly, does not log in; 0 if it does.
func (c *TempPass) Usable(userStatus string, now Time) Kind {
	switch {
	case userStatus != Active:
		return Disabled
	case c.Starts != 0 && now < c.Starts, c.Expires != 0 && now >= c.Expires:
		return NotValidNow
	case c.usedUp():
		return UsageLimit
	}
	return 0
}

// TempPassChance returns the probability that a guess is an emergency code. Of one that is not digits alone, somebody thought, and
// people think of few texts: it counts as six digits.
func TempPassChance(code Secret) Chance {
	if strings.Trim(string(code), "0123456789") != "" {
		return CodeChance(MinTempPass)
	}
	return max(1, CodeChance(int64(len(code))))
}

// TempPassEnds returns when an emergency code that is made now ends, if nobody says when; 0 means never.
func (d *Domain) TempPassEnds(now Time) Time {
	hours := d.EmergencyCodeHours
	if most := d.EmergencyCodeHoursMost; most > 0 && (hours == 0 || hours > most) {
		hours = most
	}
	if hours == 0 {
		return 0
	}
	return now + Time(hours)*hour
}

// TempPassFits returns an error, naming place, if the domain does not allow an emergency code so long a life.
func (d *Domain) TempPassFits(place string, c *TempPass) error {
	most := d.EmergencyCodeHoursMost
	if most > 0 && (c.Expires == 0 || c.Expires > c.DateCreated+Time(most)*hour) {
		return AttrErrorf(Invalid, place, "must be within %d hours of when the code is made: the domain allows no more", most)
	}
	return nil
}
