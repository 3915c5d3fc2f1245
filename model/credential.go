package model

import (
	"cmp"
	"iter"
	"slices"
	"sort"
	"strings"

	"tokensmith/model/otp"
)

// ResyncWithin is how long a first OTP outside the auto window is remembered, in milliseconds.
const ResyncWithin = 10 * 60 * 1000

// Credential is one assignment with all that a check of an OTP needs.
type Credential struct {
	AssignmentID string `db:"assignment_id"`
	TokenID      string `db:"token_id"`
	Status       string `db:"status"` // the assignment's
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

	// Restored is when the database was last restored (store.Store's AfterRestore); 0 = never.
	Restored Time

	// Pressed is set where much is guessed: the window is the narrow one, whatever the token's past. Its owner then needs two
	// OTPs, and each guess is worth less.
	Pressed bool
	// Fewer is by how many codes, the outermost, the window is less than that: see Share.
	Fewer int64
	// Search bounds what looking for an OTP costs, see Bound, and counts it.
	Search otp.Search
}

// OTP returns the algorithm's parameters.
func (c *Credential) OTP() otp.Params {
	return otp.Params{Algorithm: otp.Algorithm(c.Algorithm), Digits: int(c.Digits), Period: c.Period, Hash: otp.Hash(c.Crypto)}
}

// How far a token strays while it is not used. A clock's crystal is right within 20 parts of a million at 25 °C, 19 more at
// 0 and 50 °C (0.03 for each square degree), and ages by 3 in its first year, as data sheets of tuning-fork crystals of
// 32,768 Hz say; how a server follows it says RFC 6238 section 6. The button of an event-based token is pressed for nothing now and then.
const (
	strayParts = 50      // of a million
	strayPress = 7 * day // for one press
)

// Window returns the steps of the window in which an OTP is accepted at once, as otp.Verify takes it: the product's auto window
// for a token whose counter or drift was not learned yet, its narrow window, widened by how far the token may have strayed
// since, for others. It never exceeds the auto window.
func (c *Credential) Window(now Time) int64 {
	silent := max(0, now-c.SyncedAt)
	if c.Pressed {
		silent = 0
	}
	switch {
	case c.SyncedAt == 0 && !c.Pressed:
		return c.AutoWindow
	case c.Algorithm == string(otp.HOTP):
		return min(c.AutoWindow, 2*c.NarrowWindow+1+int64(silent/strayPress))
	}
	return min(c.AutoWindow, c.NarrowWindow+int64(silent)/1_000_000*strayParts/(max(1, c.Period)*1000))
}

// codes is how many codes are accepted at now: those of the window, and the one that completes a resynchronisation.
func (c *Credential) codes(now Time) int64 {
	codes := OTPCodes(c.Algorithm, c.Window(now)) - c.Fewer
	if c.pending(now) {
		codes++
	}
	return codes
}

// Chance returns the chance that a guess at now is accepted: that of each code that would be.
func (c *Credential) Chance(now Time) Chance { return Chance(c.codes(now)) * CodeChance(c.Digits) }

// PairChance returns the chance that two guessed OTPs synchronise the token.
func (c *Credential) PairChance() Chance { return PairChance(c.Algorithm, c.Digits, c.ManualWindow) }

// Share makes the windows of all tokens that one credential is tried at so narrow that a guess is right with a chance of at most
// that. All give up what they have beyond an equal part; where that is less than three codes, those that were used last have three
// as long as there are some. One code is left to each, whatever the chance.
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
	reach := each + 1 // with what is left
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

// MaxCompared is with how many OTPs a credential is compared, over all tokens it is tried at: other logins wait for it meanwhile. It
// is the windows of 413 tokens of the products that come with the server, and twice the widest that one token may have.
const MaxCompared = 50_000

// Bound has a credential compared with no more than MaxCompared OTPs of all tokens it is tried at. Those that log in at once, which
// Share bounds, are among them whatever their number. Where the tokens have more, each gives up what it has beyond an equal part: OTPs
// far from the one expected, which do not log in and are told no more from wrong ones.
func Bound(creds []Credential, now Time) {
	sum, widest := int64(0), int64(0)
	for i := range creds {
		c := &creds[i]
		c.Search.Most = 0
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
		c.Search.Most = max(1, int64(each), OTPCodes(c.Algorithm, c.Window(now))-c.Fewer)
	}
}

// widest is the window in which an OTP is looked for, whatever becomes of it.
func (c *Credential) widest() int { return int(max(c.AutoWindow, c.CheckWindow)) }

// compared is with how many OTPs of the token a credential is compared where nothing bounds that.
func (c *Credential) compared() int64 { return c.OTP().Compared(c.widest()) }

// pending says whether a first OTP waits for the one behind it, which must not have answered that it is right either.
func (c *Credential) pending(now Time) bool {
	return c.ResyncUntil != 0 && now <= c.ResyncUntil && c.ResyncStep >= c.Counter && c.ResyncStep < otp.LastStep &&
		!c.state().Used(c.ResyncStep+1) && !otp.Steps(c.Asked).Has(c.ResyncStep+1)
}

func (c *Credential) state() otp.State {
	return otpState(c.OTP(), c.Counter, c.Drift, c.Previous, c.Used)
}

// uncertain says whether the OTP of a step may have been used between a backup and its restore, which the backup does not know: by
// a clock that was as far ahead as one OTP is accepted. None is, once one that was accepted since has told how the clock goes.
func (c *Credential) uncertain(step int64) bool {
	if c.Restored == 0 || c.Algorithm != string(otp.TOTP) || c.SyncedAt > c.Restored {
		return false
	}
	then := *c
	then.Pressed = false
	return step <= c.OTP().Step(c.Restored.Std().Unix())+c.Drift+then.Window(c.Restored)
}

// Check checks an OTP against the token's seed and state, and says what becomes of the state. accepted means that the
// OTP is right and now used. Otherwise the kind is WrongCredential, Replayed, or OutOfSync for a first OTP that lies
// between the window and the check window and is remembered; changed says whether the state must be written. An OTP that was
// answered OutOfSync, which tells that it is right, is accepted no more but as the first of two, by whichever token of its seed
// it did. So is one that may have been used before the database was restored.
func (c *Credential) Check(seed []byte, now Time, code string) (accepted, changed bool, k Kind) {
	p, st, unix := c.OTP(), c.state(), now.Std().Unix()
	if c.pending(now) && Secret(c.second(seed)).Equal([]byte(code)) {
		c.synced(otp.AcceptPair(p, st, unix, c.ResyncStep+1), now) // also where it lies behind the window's end
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
	// Nobody can be asked for it who may have been asked for so many, and answers nothing.
	asked := otp.Steps(c.Asked)
	if !asked.Has(match) && asked.Keep(func(step int64) bool { return step >= c.Counter }).Len() >= maxAsked {
		return false, false, WrongCredential
	}
	c.Asked = stepBytes(asked.With(match))
	c.ResyncStep, c.ResyncUntil = match, now+ResyncWithin
	return false, true, OutOfSync
}

// Miss computes what Check does for a wrong OTP, and changes nothing.
func (c *Credential) Miss(seed []byte, now Time) {
	if c.pending(now) {
		c.second(seed)
	}
	c.Search.Miss(seed, c.OTP(), c.state(), now.Std().Unix(), c.widest())
}

// second is the OTP that completes a resynchronisation.
func (c *Credential) second(seed []byte) string {
	c.Search.Made++
	return otp.Generate(seed, uint64(c.ResyncStep+1), c.OTP())
}

// synced puts the state after an accepted OTP, or a pair of them, in place.
func (c *Credential) synced(next otp.State, now Time) {
	c.Previous, c.Used, c.Asked = synced(c.OTP(), c.Counter, next, c.Asked)
	c.Counter, c.Drift, c.ResyncStep, c.ResyncUntil, c.SyncedAt = next.Next, next.Drift, 0, 0, now
}

// Resync synchronises the token by two consecutive OTPs, and says whether they do.
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

// maxAsked bounds the steps of one seed that were answered OutOfSync and are not used or passed. A person's are passed with
// the next OTP; who guesses finds one in thousands of tries.
const maxAsked = 8

// Usable says why an accepted credential does not log in, or 0.
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

// split takes a credential apart: the PIN in front, the OTP behind it, whose digits may stand in groups with dashes between.
func (c *Credential) split(text string) (pin Secret, code string, ok bool) {
	if bare := strings.TrimRightFunc(text, isDash); bare != text {
		// No OTP ends with a dash, so that it was pasted with it.
		if _, code, ok := splitOTP(bare, int(c.Digits)); ok && strings.Trim(code, "0123456789") == "" {
			text = bare
		}
	}
	head, code, ok := splitOTP(text, int(c.Digits))
	if !ok {
		return nil, "", false
	}
	if head != "" && strings.TrimLeftFunc(head, isDash) == "" && CheckPIN("", Secret(head)) != nil {
		head = "" // dashes of which no PIN is made
	}
	return Secret(head), code, true
}

// MaxCredential is the longest credential that is read: an old PIN, an OTP in groups with dashes between, and twice a new PIN.
const MaxCredential = 256

// Reading is one way in which a credential can be read: [PIN][OTP], or, where it changes the PIN, [PIN][OTP][new PIN][new PIN].
type Reading struct {
	PIN  Secret
	Code string // as many digits as the token shows; they may stand in groups with dashes between
	New  Secret // nil = the PIN stays
}

// Readings goes through every way in which a credential can be read. No two have the same PIN: between it and where the one OTP ends
// is all of the other and a digit more.
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
