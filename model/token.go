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
}

// OTP gives the state the OTP engine works on.
func (s *TokenState) OTP() otp.State { return otp.State{Next: s.Counter, Drift: s.Drift} }

// Synced puts the state after a synchronisation in place; a pending one is forgotten.
func (s *TokenState) Synced(o otp.State, now Time) {
	s.Counter, s.Drift, s.SyncedAt = o.Next, o.Drift, now
	s.ResyncStep, s.ResyncUntil = 0, 0
	s.Asked = keepAsked(s.Asked, func(step int64) bool { return step >= o.Next })
}

// Reset clears drift and a pending resync. The counter moves only when given: an administrator's decision. A TOTP
// token's replay mark never moves back.
func (s *TokenState) Reset(alg string, counter *int64) error {
	if counter != nil {
		if alg != string(otp.HOTP) && *counter < s.Counter {
			return AttrErrorf(Invalid, "attrs.counter", "a time-based token's used steps stay used: give nothing or at least %d", s.Counter)
		}
		s.Counter = *counter
	}
	s.Drift, s.ResyncStep, s.ResyncUntil, s.SyncedAt = 0, 0, 0, 0
	return nil
}

// CheckTokenStatus says whether a token may go from one status to another: DECEASED is final.
func CheckTokenStatus(from, to string) error {
	if from == Deceased && to != Deceased {
		return AttrErrorf(Invalid, "attrs.status", "a deceased token stays deceased")
	}
	return nil
}
