package model

import "tokensmith/model/otp"

// MinSeedBytes is the shortest seed taken, MaxSeedBytes the longest.
const (
	MinSeedBytes = 10
	MaxSeedBytes = 256
)

// Token is an OTP token: a device or app that makes one-time passwords of its seed.
type Token struct {
	ID           string `db:"id"`
	ProductID    string `db:"product_id"`
	RepositoryID string `db:"repository_id"`
	Serial       string `db:"serial"`
	Identifier   string `db:"identifier"`
	Status       string `db:"status"`
	Description  string `db:"description"`
	Seed         []byte `db:"seed"` // sealed
	Confined     bool   `db:"confined"`
	Downloads    int64  `db:"downloads"`
	LastDownload Time   `db:"last_download"`
	DateCreated  Time   `db:"date_created"`
	LastUpdated  Time   `db:"last_updated"`

	// SeedIndex is a keyed hash by which the tokens of a seed are found, SeedGroup what those have in common that make the
	// same OTPs; nil = no other one has its seed.
	SeedIndex []byte  `db:"seed_index"`
	SeedGroup *string `db:"seed_group"`
}

// TokenState is what changes with every accepted OTP, kept apart because it changes often.
type TokenState struct {
	TokenID string `db:"token_id"`
	// Counter is the first moving factor that may still be accepted: HOTP's next counter, or one after TOTP's last
	// used time step (0 when none was used).
	Counter  int64 `db:"counter"`
	Drift    int64 `db:"drift"` // time steps by which the token's clock is ahead of ours
	LastUsed Time  `db:"last_used"`
	// ResyncStep is the moving factor of a first OTP seen outside the window, ResyncUntil when it is forgotten.
	ResyncStep  int64  `db:"resync_step"`
	ResyncUntil Time   `db:"resync_until"`
	SyncedAt    Time   `db:"synced_at"` // when counter and drift were learned from an OTP; 0 = not since the token was made or reset
	Asked       []byte `db:"asked"`     // the steps whose OTPs were answered OutOfSync, 8 bytes each: these never log in alone

	// Previous is what Counter was before it was moved last; the same where it never was. Spent is a step above Counter that
	// was used (otp.State).
	Previous int64 `db:"previous"`
	Spent    int64 `db:"spent"`
}

// OTP gives the state the OTP engine works on.
func (s *TokenState) OTP() otp.State {
	return otp.State{Next: s.Counter, Drift: s.Drift, Spent: s.Spent}
}

// Synced puts the state after a synchronisation in place; a pending one is forgotten.
func (s *TokenState) Synced(o otp.State, now Time) {
	s.Previous, s.Counter, s.Drift, s.Spent, s.SyncedAt = s.Counter, o.Next, o.Drift, o.Spent, now
	s.ResyncStep, s.ResyncUntil = 0, 0
	s.Asked = keepAsked(s.Asked, func(step int64) bool { return step >= o.Next })
}

// Inherit has a new token's state go on from what was used of its seed before; 0 = nothing.
func (s *TokenState) Inherit(counter int64) {
	if counter > s.Counter {
		s.Previous, s.Counter = counter-1, counter
	}
}

// PassOver has a new time-based token's state, of steps of so many seconds, accept nothing of before a moment.
func (s *TokenState) PassOver(period int64, before Time) {
	next := before.Std().Unix()/period + 1
	if s.Drift > 0 || s.Drift < -otp.MaxWindow { // its clock is ahead, or counts from another beginning
		next += s.Drift
	}
	s.Inherit(next)
}

// Reset clears drift and a pending resync. The counter moves only when given: an administrator's decision. A time-based
// token's mark never moves back, but for one that lies in the future, which is taken back to now: rewound says that it was.
func (s *TokenState) Reset(p otp.Params, counter *int64, now Time) (rewound bool, err error) {
	if counter != nil {
		if p.Algorithm != otp.HOTP && *counter < s.Counter {
			return false, AttrErrorf(Invalid, "attrs.counter", "a time-based token's used steps stay used: give nothing or at least %d", s.Counter)
		}
		s.Previous, s.Counter = s.Counter, *counter
	} else {
		var o otp.State
		o, rewound = otp.Rewind(p, s.OTP(), s.Previous, now.Std().Unix())
		s.Counter, s.Spent = o.Next, o.Spent
	}
	s.Drift, s.ResyncStep, s.ResyncUntil, s.SyncedAt = 0, 0, 0, 0
	return rewound, nil
}

// CheckTokenStatus says whether a token may go from one status to another: DECEASED is final.
func CheckTokenStatus(from, to string) error {
	if from == Deceased && to != Deceased {
		return AttrErrorf(Invalid, "attrs.status", "a deceased token stays deceased")
	}
	return nil
}
