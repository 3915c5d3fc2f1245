package model

import (
	"cmp"
	"iter"
	"slices"
	"sort"
	"strings"

	"tokensmith/model/otp"
)

// ResyncWithin is how long a first OTP outside the window is remembered, in milliseconds.
const ResyncWithin = 10 * 60 * 1000

// Credential is an assignment with all that is needed to check an OTP.
type Credential struct {
	AssignmentID string `db:"assignment_id"`
	TokenID      string `db:"token_id"`
	Status       string `db:"status"` // of the assignment
	TokenStatus  string `db:"token_status"`
	Starts       Time   `db:"starts"`
	Expires      Time   `db:"expires"`
	UsageLimit   int64  `db:"usage_limit"`
	UsageCount   int64  `db:"usage_count"`
	MustChange   bool   `db:"must_change_pin"`
	PIN          []byte `db:"pin"`  // sealed
	Seed         []byte `db:"seed"` // sealed
	Algorithm    string `db:"algorithm"`
	Digits       int64  `db:"digits"`
	Period       int64  `db:"period"`
	Crypto       string `db:"crypto"`
	AutoWindow   int64  `db:"auto_window"`
	CheckWindow  int64  `db:"check_window"`
	ManualWindow int64  `db:"manual_window"`
	NarrowWindow int64  `db:"narrow_window"`
	Counter      int64  `db:"counter"`
	Drift        int64  `db:"drift"`
	ResyncStep   int64  `db:"resync_step"`
	ResyncUntil  Time   `db:"resync_until"`
	SyncedAt     Time   `db:"synced_at"`
	Asked        []byte `db:"asked"` // see TokenState

	Previous  int64   `db:"previous"`
	Used      []byte  `db:"used"`
	SeedGroup *string `db:"seed_group"`

	// Restored is when the database was last restored (AfterRestore in package store); 0 if it never was.
	Restored Time

	// Narrow is set if many guesses were made. The window is then the narrow one, whatever the state of the token, so that each
	// guess is worth less. The owner may then have to enter two OTPs.
	Narrow bool
	// Fewer is how many codes, those farthest from the expected one, the window lacks; see Share.
	Fewer int64
	// Search limits the cost of looking for an OTP (see Bound) and counts it.
	Search otp.Search
}

// OTP returns the parameters of the algorithm.
func (c *Credential) OTP() otp.Params {
	return otp.Params{Algorithm: otp.Algorithm(c.Algorithm), Digits: int(c.Digits), Period: c.Period, Hash: otp.Hash(c.Crypto)}
}

// How far a token strays while it is not used. According to data sheets of 32,768 Hz tuning-fork crystals, the frequency of a
// clock is within 20 parts per million (ppm) at 25 °C. Another 19 ppm are possible at 0 and 50 °C (0.03 ppm per square degree),
// and 3 ppm from ageing in the first year. RFC 6238, section 6, describes how a server follows the drift. The button of an
// event-based token is sometimes pressed without a login.
const (
	strayParts = 50      // parts per million of a clock
	strayPress = 7 * day // time in which one press without a login is expected
)

// Window returns the size of the window in which an OTP is accepted at once, in steps, for otp.Verify. For a token whose counter
// or drift was not learned yet, it is the product's auto window. For others it is the narrow window, widened by how far the token
// may have strayed since. It is never wider than the auto window.
func (c *Credential) Window(now Time) int64 {
	silent := max(0, now-c.SyncedAt)
	if c.Narrow {
		silent = 0
	}
	switch {
	case c.SyncedAt == 0 && !c.Narrow:
		return c.AutoWindow
	case c.Algorithm == string(otp.HOTP):
		return min(c.AutoWindow, 2*c.NarrowWindow+1+int64(silent/strayPress))
	}
	return min(c.AutoWindow, c.NarrowWindow+int64(silent)/1_000_000*strayParts/(max(1, c.Period)*1000))
}

// codes returns how many codes are accepted at now: those of the window, and the one that completes a pending resynchronization.
func (c *Credential) codes(now Time) int64 {
	codes := OTPCodes(c.Algorithm, c.Window(now)) - c.Fewer
	if c.pending(now) {
		codes++
	}
	return codes
}

// Chance returns the probability that one guess at now is accepted.
func (c *Credential) Chance(now Time) Chance { return Chance(c.codes(now)) * CodeChance(c.Digits) }

// PairChance returns the probability that two guessed OTPs synchronize the token.
func (c *Credential) PairChance() Chance { return PairChance(c.Algorithm, c.Digits, c.ManualWindow) }

// Share narrows the windows of all tokens that one credential is tried on, so that a guess is right with a probability of at most
// most. No token has more codes than an equal part. If that part is less than three codes, the tokens that were used last have
// three, as long as there are enough codes. Each token keeps one code, whatever the probability.
func Share(creds []Credential, now Time, most Chance) {
	order, sum, widest := make([]int, len(creds)), Chance(0), int64(0)
	for i := range creds {
		c := &creds[i]
		order[i], c.Fewer = i, 0
		sum += c.Chance(now)
		widest = max(widest, c.codes(now))
	}
	if sum <= most {
		return
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(creds[b].SyncedAt, creds[a].SyncedAt) })
	spent := func(each int64) (sum Chance) {
		for i := range creds {
			sum += Chance(min(each, creds[i].codes(now))) * CodeChance(creds[i].Digits)
		}
		return sum
	}
	each := int64(max(1, sort.Search(int(widest), func(n int) bool { return spent(int64(n)+1) > most })))
	reach := each + 1 // one more each, with the rest
	if each < 3 {
		each, reach = 1, 3
	}
	left := most - spent(each)
	for _, i := range order {
		c := &creds[i]
		all, one := c.codes(now), CodeChance(c.Digits)
		has := min(all, each)
		for ; has < min(all, reach) && left >= one; left -= one {
			has++
		}
		c.Fewer = all - has
	}
}

// MaxCompared is how many OTPs a credential is compared with, over all tokens that it is tried on, because other logins wait
// meanwhile. It is enough for the windows of 413 tokens of the built-in products, and twice the widest window of one token.
const MaxCompared = 50_000

// Bound limits the comparisons of a credential to MaxCompared OTPs over all tokens that it is tried on. The codes that log in at
// once, which Share limits, are always compared. If the tokens have more, no token gets more than an equal part. What is left out
// are OTPs far from the expected one. These do not log in, and are then treated as wrong OTPs.
func Bound(creds []Credential, now Time) {
	sum, widest := int64(0), int64(0)
	for i := range creds {
		c := &creds[i]
		c.Search.Limit = 0
		all := c.compared()
		sum, widest = sum+all, max(widest, all)
	}
	if sum <= MaxCompared {
		return
	}
	each := sort.Search(int(widest), func(n int) bool {
		sum := int64(0)
		for i := range creds {
			sum += min(creds[i].compared(), int64(n)+1)
		}
		return sum > MaxCompared
	})
	for i := range creds {
		c := &creds[i]
		c.Search.Limit = max(1, int64(each), OTPCodes(c.Algorithm, c.Window(now))-c.Fewer)
	}
}

// widest returns the window in which an OTP is searched, whatever is done with it.
func (c *Credential) widest() int { return int(max(c.AutoWindow, c.CheckWindow)) }

// compared returns how many OTPs of the token a credential is compared with, if there is no limit.
func (c *Credential) compared() int64 { return c.OTP().Compared(c.widest()) }

// pending returns whether a first OTP waits for the next one. The next one must not have been answered with OutOfSync itself.
func (c *Credential) pending(now Time) bool {
	return c.ResyncUntil != 0 && now <= c.ResyncUntil && c.ResyncStep >= c.Counter && c.ResyncStep < otp.LastStep &&
		!c.state().Used(c.ResyncStep+1) && !otp.Steps(c.Asked).Has(c.ResyncStep+1)
}

func (c *Credential) state() otp.State {
	return otpState(c.OTP(), c.Counter, c.Drift, c.Previous, c.Used)
}

// uncertain returns whether the OTP of a step may have been used between a backup and its restore, which the backup does not
// contain. Such an OTP may have come from a clock that was as far ahead as a single OTP is accepted. After an OTP was accepted
// since the restore, the clock is known and nothing is uncertain.
func (c *Credential) uncertain(step int64) bool {
	if c.Restored == 0 || c.Algorithm != string(otp.TOTP) || c.SyncedAt > c.Restored {
		return false
	}
	then := *c
	then.Narrow = false
	return step <= c.OTP().Step(c.Restored.Std().Unix())+c.Drift+then.Window(c.Restored)
}

// Check checks an OTP against the token's seed and state, and updates the state. accepted means that the OTP is right and is now
// used. Otherwise the Kind is WrongCredential or Replayed, or OutOfSync for a first OTP that is between the window and the check
// window; that OTP is remembered. changed says whether the state must be saved.
//
// The answer OutOfSync reveals that the OTP is right. So that OTP is then accepted only as the first of two, by every token with
// the same seed. The same holds for an OTP that may have been used before the database was restored.
func (c *Credential) Check(seed []byte, now Time, code string) (accepted, changed bool, k Kind) {
	p, st, unix := c.OTP(), c.state(), now.Std().Unix()
	if c.pending(now) && Secret(c.second(seed)).Equal([]byte(code)) {
		c.synced(otp.AcceptPair(p, st, unix, c.ResyncStep+1), now) // even if it is beyond the end of the window
		return true, true, 0
	}
	match, outcome := c.Search.Verify(seed, p, st, unix, c.widest(), code)
	switch {
	case outcome == otp.Replayed:
		return false, false, Replayed
	case outcome != otp.Match:
		return false, false, WrongCredential
	case otp.Among(p, st, unix, OTPCodes(c.Algorithm, c.Window(now))-c.Fewer, match) && !otp.Steps(c.Asked).Has(match) && !c.uncertain(match):
		c.synced(otp.Accept(p, st, unix, match), now)
		return true, true, 0
	}
	// If too many OTPs of this seed were answered with OutOfSync already, give no such answer. Otherwise a person could be asked
	// for them, one after the other.
	asked := otp.Steps(c.Asked)
	if !asked.Has(match) && asked.Keep(func(step int64) bool { return step >= c.Counter }).Len() >= maxAsked {
		return false, false, WrongCredential
	}
	c.Asked = stepBytes(asked.With(match))
	c.ResyncStep, c.ResyncUntil = match, now+ResyncWithin
	return false, true, OutOfSync
}

// Miss does the computations of Check for a wrong OTP, and changes nothing.
func (c *Credential) Miss(seed []byte, now Time) {
	if c.pending(now) {
		c.second(seed)
	}
	c.Search.Miss(seed, c.OTP(), c.state(), now.Std().Unix(), c.widest())
}

// second returns the OTP that completes a resynchronization.
func (c *Credential) second(seed []byte) string {
	c.Search.Made++
	return otp.Generate(seed, uint64(c.ResyncStep+1), c.OTP())
}

// synced stores the state after an accepted OTP or pair of OTPs.
func (c *Credential) synced(next otp.State, now Time) {
	c.Previous, c.Used, c.Asked = synced(c.OTP(), c.Counter, next, c.Asked)
	c.Counter, c.Drift, c.ResyncStep, c.ResyncUntil, c.SyncedAt = next.Next, next.Drift, 0, 0, now
}

// Resync synchronizes the token with two consecutive OTPs, and returns whether it succeeded.
func (c *Credential) Resync(seed []byte, now Time, first, second string) bool {
	next, ok := resync(seed, c.OTP(), c.state(), c.Asked, now, c.ManualWindow, first, second)
	if ok {
		c.synced(next, now)
	}
	return ok
}

// Use returns what was used of the token's seed.
func (c *Credential) Use() SeedUse {
	return use(c.Algorithm, c.Counter, c.Previous, c.Asked, c.Used)
}

// maxAsked is how many steps of one seed may have been answered with OutOfSync while they are neither used nor passed. The steps
// of the owner are passed with the next OTP. A guesser finds one in thousands of attempts.
const maxAsked = 8

// Usable returns why an accepted credential does not log in; 0 if it does.
func (c *Credential) Usable(userStatus string, now Time) Kind {
	switch {
	case c.TokenStatus != Active, userStatus != Active:
		return Disabled
	case c.Status == LockedBy:
		return Locked
	case c.Status != Active:
		return Disabled
	case c.Starts != 0 && now < c.Starts, c.Expires != 0 && now >= c.Expires:
		return NotValidNow
	case c.UsageLimit > 0 && c.UsageCount >= c.UsageLimit:
		return UsageLimit
	}
	return 0
}

// split splits a credential into the PIN and the OTP after it. The digits of the OTP may be in groups with dashes between them.
func (c *Credential) split(text string) (pin Secret, code string, ok bool) {
	if bare := strings.TrimRightFunc(text, isDash); bare != text {
		// No OTP ends with a dash, so the dash was pasted with it.
		if _, code, ok := splitOTP(bare, int(c.Digits)); ok && strings.Trim(code, "0123456789") == "" {
			text = bare
		}
	}
	head, code, ok := splitOTP(text, int(c.Digits))
	if !ok {
		return nil, "", false
	}
	if head != "" && strings.TrimLeftFunc(head, isDash) == "" && CheckPIN("", Secret(head)) != nil {
		head = "" // dashes alone are not a PIN
	}
	return Secret(head), code, true
}

// MaxCredential is the longest credential that is read, in bytes. It has room for an old PIN, an OTP in groups with dashes, and a
// new PIN twice.
const MaxCredential = 256

// Reading is one way to read a credential: [PIN][OTP] or, to change the PIN, [PIN][OTP][new PIN][new PIN].
type Reading struct {
	PIN  Secret
	Code string // the digits that the token shows; they may be in groups with dashes between them
	New  Secret // nil if the PIN does not change
}

// Readings returns every way to read a credential. No two of them have the same PIN, because the OTP of one ends before the OTP
// of the next ends.
func (c *Credential) Readings(text string) iter.Seq[Reading] {
	return func(yield func(Reading) bool) {
		if len(text) > MaxCredential {
			return
		}
		if pin, code, ok := c.split(text); ok && !yield(Reading{pin, code, nil}) {
			return
		}
		for n := MinPIN; n <= MaxPIN && len(text)-2*n-int(c.Digits) >= 0; n++ {
			fresh := text[len(text)-n:]
			if text[len(text)-2*n:len(text)-n] != fresh || CheckPIN("", Secret(fresh)) != nil {
				continue
			}
			pin, code, ok := splitOTP(text[:len(text)-2*n], int(c.Digits))
			if ok && pin != fresh && !yield(Reading{Secret(pin), code, Secret(fresh)}) {
				return
			}
		}
	}
}
