package promise

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"tokensmith/model/otp"
)

// Codes of replies to a credential.
const (
	accepted   = 0
	tooMany    = 7
	wrong      = 201
	locked     = 202
	disabled   = 203
	notNow     = 204
	outOfSync  = 205
	replayed   = 206
	mustChange = 207
	usedUp     = 208
)

// Attempt is a credential, [PIN][OTP], that was sent for a user, and of which is known what it is.
type Attempt struct {
	User string
	Now  int64 // milliseconds
	At   []At  // what it is tried at

	Passcode   bool     // it is the passcode that was sent to the user, with the PIN if there is one
	Codes      []string // ids of the emergency codes that it is, with the PIN where it must be there; the newest first
	UserHidden bool     // whoever called does not see the user: he is told what he is told of nobody
}

// At is what a credential is at one token of the user.
type At struct {
	Assignment, Token string
	Factors           []int64 // counters or time steps whose OTP it is; none where the PIN is wrong
	Expected          int64   // the factor that the token shows now, if its clock is right and its button was not pressed for nothing
}

// Seeds knows the seed of a token by its row; nil where it is not known.
type Seeds func(token Row) []byte

// Passcodes knows the passcode that was sent to a user, by the user's row in user_states, and the id of the token that it was asked for.
type Passcodes func(user string, state Row) (code, token string)

// Codes knows the text of an emergency code.
type Codes func(id string, code Row) string

// look is how far around what is expected an OTP is looked for: farther than any window of a product that tests make.
const look = 130

// Try says what a credential is: for all of a user's tokens or, where one is named, that one. Where a seed or a PIN is not known, it says
// false.
func Try(rows Rows, seeds Seeds, passcodes Passcodes, codes Codes, user, token, text string, now int64) (*Attempt, bool) {
	u := rows["user_states"][user]
	if u == nil {
		return nil, false
	}
	a := &Attempt{User: user, Now: now, Passcode: isPasscode(rows, u, passcodes, user, token, text, now), Codes: isCode(rows, codes, user, text)}
	for _, key := range rows.Sorted("token_assignments") {
		as := rows["token_assignments"][key]
		t := rows["tokens"][as.Text("token_id")]
		if as.Text("user_id") != user || t == nil || token != "" && as.Text("token_id") != token {
			continue
		}
		if token == "" && (as.Text("status") != "ACTIVE" || t.Text("status") != "ACTIVE") {
			continue
		}
		seed := seeds(t)
		if seed == nil {
			return nil, false
		}
		p := Params(rows, t)
		digits := p.Digits
		at := At{Assignment: key, Token: as.Text("token_id"), Expected: expected(rows, t, p, now)}
		pin := ""
		if as.Has("pin") {
			pin = PIN
		}
		if len(text) == len(pin)+digits && text[:len(pin)] == pin {
			at.Factors = Find(seed, p, at.Expected, text[len(pin):])
		}
		a.At = append(a.At, at)
	}
	return a, token == "" || len(a.At) == 1
}

// isPasscode says whether a credential is the passcode that was sent to a user. Who has a PIN, with any token, types that in front. Where a
// token is named, it is one for that token.
func isPasscode(rows Rows, u Row, passcodes Passcodes, user, token, text string, now int64) bool {
	if !u.Has("passcode") || now >= u.Int("passcode_until") {
		return false
	}
	code, of := passcodes(user, u)
	return text == pinOf(rows, user)+code && (token == "" || token == of)
}

// pinOf is the PIN of a user who has one, with any token.
func pinOf(rows Rows, user string) string {
	for _, as := range rows["token_assignments"] {
		if as.Text("user_id") == user && as.Has("pin") {
			return PIN
		}
	}
	return ""
}

// isCode says which emergency codes of a user a credential is, whatever token is named. The PIN stands in front where the user's domain
// wants it.
func isCode(rows Rows, codes Codes, user, text string) (ids []string) {
	pin := ""
	if rows["domains"][rows["users"][user].Text("domain_id")].Int("emergency_code_needs_pin") == 1 {
		pin = pinOf(rows, user)
	}
	for _, id := range slices.Backward(rows.Sorted("temp_passes")) {
		if c := rows["temp_passes"][id]; c.Text("user_id") == user && text == pin+codes(id, c) {
			ids = append(ids, id)
		}
	}
	return ids
}

// PIN is the only one that tests give to an assignment, so that all of them are known.
const PIN = "4711"

// Params are those of a token's OTPs.
func Params(rows Rows, token Row) otp.Params {
	p := rows["products"][token.Text("product_id")]
	return otp.Params{Algorithm: otp.Algorithm(p.Text("algorithm")), Digits: int(p.Int("digits")), Period: p.Int("period"), Hash: otp.Hash(p.Text("crypto"))}
}

func expected(rows Rows, token Row, p otp.Params, now int64) int64 {
	state := rows["token_states"][token.Text("id")]
	if p.Algorithm == otp.TOTP {
		return now/1000/p.Period + state.Int("drift")
	}
	return state.Int("counter")
}

// Expected is the factor of the OTP that a token shows.
func Expected(rows Rows, token Row, now int64) int64 {
	return expected(rows, token, Params(rows, token), now)
}

// Find returns the factors around one whose OTP is a code.
func Find(seed []byte, p otp.Params, around int64, code string) (factors []int64) {
	for n := max(0, around-look); n <= around+look; n++ {
		if otp.Generate(seed, uint64(n), p) == code {
			factors = append(factors, n)
		}
	}
	return factors
}

// person is a user as logins see and change him.
type person struct {
	status                               string
	passcode                             bool  // one was sent, and not used
	threshold, minutes, maxFailures      int64 // his domain's
	failures, tries, lockedUntil, calmAt int64
	guessedUntil, lastLogin              int64
	refused                              []int64 // when, within the last minute
	lockedAt                             int64   // when failures in a row locked him until unlocked, which an emergency code opens
	tokens                               map[string]credential
	codes                                map[string]Row   // his emergency codes
	uses                                 map[string]int64 // of assignments and of emergency codes
	least, greatest                      int64            // what guessedUntil must be by what was guessed wrong, and may be
	budget                               int64            // guessedUntil at the end
}

type credential struct {
	next     int64   // the first factor that may still be accepted
	used     []int64 // beyond it
	asked    []int64 // whose OTPs were answered out of sync
	resync   int64   // the first of two, 0 = none
	window   int64   // the widest in which one OTP is accepted
	moved    int64   // by how much more is expected, by what was accepted meanwhile
	hotp     bool
	disabled bool
}

func personOf(rows Rows, user string) *person {
	u, s := rows["users"][user], rows["user_states"][user]
	d := rows["domains"][u.Text("domain_id")]
	p := &person{status: u.Text("status"), passcode: s.Has("passcode"), threshold: d.Int("lockout_threshold"), minutes: d.Int("lockout_minutes"), maxFailures: d.Int("max_failures"),
		failures: s.Int("fail_count"), tries: s.Int("tries"), lockedUntil: s.Int("locked_until"), calmAt: s.Int("calm_at"), guessedUntil: s.Int("guessed_until"),
		lastLogin: s.Int("last_login"), refused: steps(s.Bytes("refused_at")), tokens: map[string]credential{}, uses: map[string]int64{},
		lockedAt: s.Int("locked_at"), codes: map[string]Row{}}
	for id, c := range rows["temp_passes"] {
		if c.Text("user_id") == user {
			p.codes[id], p.uses[id] = c, c.Int("used_times")
		}
	}
	for id, as := range rows["token_assignments"] {
		if as.Text("user_id") != user {
			continue
		}
		p.uses[id] = as.Int("usage_count")
		id := as.Text("token_id")
		state, product := rows["token_states"][id], rows["products"][rows["tokens"][id].Text("product_id")]
		p.tokens[id] = credential{next: state.Int("counter"), used: steps(state.Bytes("used")), asked: steps(state.Bytes("asked")), resync: state.Int("resync_step"),
			window: product.Int("auto_window"), hotp: product.Text("algorithm") == "HOTP", disabled: rows["tokens"][id].Text("status") != "ACTIVE"}
	}
	return p
}

func (p *person) clone() *person {
	c := *p
	c.refused, c.tokens, c.uses = slices.Clone(p.refused), map[string]credential{}, map[string]int64{}
	for id, t := range p.tokens {
		c.tokens[id] = t
	}
	for id, n := range p.uses {
		c.uses[id] = n
	}
	return &c
}

// Within a minute so many refusals are looked at, and a lock grows by so much until so long after the last one.
const (
	most   = 20
	minute = 60_000
	day    = 24 * 60 * minute
	grows  = 4
	fewer  = 3 // tries, while it grows
	// span is the time in which all that may be guessed away at once comes back: ten guesses at a token that was never used, 600 codes
	// of six digits in all, at a rate of 25.2 a day.
	span = 600 * 10 * day / 252
)

func (p *person) recent(now int64) (times []int64) {
	for _, t := range p.refused {
		if t > now-minute {
			times = append(times, min(t, now))
		}
	}
	return times
}

// usable says why a right credential does not log in; 0 = it does.
func (p *person) usable(as Row, t credential, now int64) int {
	switch {
	case t.disabled, p.status != "ACTIVE":
		return disabled
	case as.Text("status") == "LOCKED":
		return locked
	case as.Text("status") != "ACTIVE":
		return disabled
	case as.Int("starts") != 0 && now < as.Int("starts"), as.Int("expires") != 0 && now >= as.Int("expires"):
		return notNow
	case as.Int("usage_limit") > 0 && p.uses[as.Text("id")] >= as.Int("usage_limit"):
		return usedUp
	case as.Int("must_change_pin") != 0:
		return mustChange
	}
	return 0
}

// step is what an attempt with a code as its answer makes of the person; false where it must not have that answer. after decides
// where several factors, or tokens, may be meant.
func (p *person) step(before, after Rows, a *Attempt, code int) bool {
	if a.UserHidden {
		return code == wrong
	}
	if len(p.recent(a.Now)) >= most {
		return code == tooMany
	}
	if code == tooMany {
		return false
	}
	if p.status == "LOCKED" {
		if p.lockedUntil == 0 || a.Now < p.lockedUntil {
			return p.whileLocked(a, code)
		}
		p.status, p.lockedUntil = "ACTIVE", 0
	}
	if a.Passcode && p.passcode {
		if p.passcode = false; p.status != "ACTIVE" {
			return code == disabled && p.refuse(a.Now, false)
		}
		p.succeed(a.Now)
		return code == accepted
	}
	if len(a.Codes) > 0 {
		return p.useCode(a, code)
	}
	if code == accepted || code >= disabled && code != outOfSync && code != replayed || code == locked {
		return p.accept(before, after, a, code)
	}
	must, may, old, codes := false, false, false, int64(0)
	for _, at := range a.At {
		t := p.tokens[at.Token]
		alone := !t.hotp || t.window > 0 // else its product wants two OTPs each time
		if alone {
			codes++
		}
		for _, n := range at.Factors {
			spent := n < t.next || slices.Contains(t.used, n)
			old = old || spent
			may = may || !spent
			must = must || alone && !spent && n == at.Expected+t.moved && !slices.Contains(t.asked, n) && !p.aheadOfTwin(before, a, at.Token, n)
		}
	}
	switch code {
	case wrong:
		p.guess(a, codes, atOnce)
		return !must && p.refuse(a.Now, true)
	case outOfSync: // which was right, and so no guess
		p.guess(a, 0, 0)
		return may && !must && p.refuse(a.Now, true)
	case replayed:
		return old && !must && p.refuse(a.Now, false)
	}
	return false
}

// aheadOfTwin says whether an OTP is ahead of what another of the person's tokens with the same seed expects: that one, tried first, answers
// that it is out of sync, and then neither accepts the OTP alone.
func (p *person) aheadOfTwin(before Rows, a *Attempt, token string, n int64) bool {
	group := before["tokens"][token].Text("seed_group")
	return group != "" && slices.ContainsFunc(a.At, func(twin At) bool {
		t := p.tokens[twin.Token]
		return twin.Token != token && before["tokens"][twin.Token].Text("seed_group") == group && slices.Contains(twin.Factors, n) &&
			n >= t.next && n != twin.Expected+t.moved
	})
}

// codeUsable says why an emergency code that is right does not log in; 0 = it does.
func (p *person) codeUsable(id string, now int64) int {
	switch c := p.codes[id]; {
	case p.status != "ACTIVE":
		return disabled
	case c.Int("starts") != 0 && now < c.Int("starts"), c.Int("expires") != 0 && now >= c.Int("expires"):
		return notNow
	case c.Int("usage_limit") > 0 && p.uses[id] >= c.Int("usage_limit"):
		return usedUp
	}
	return 0
}

// useCode takes an emergency code that is right: of several with one text one that logs in.
func (p *person) useCode(a *Attempt, code int) bool {
	for _, id := range a.Codes {
		if p.codeUsable(id, a.Now) == 0 {
			p.uses[id]++
			p.succeed(a.Now)
			return code == accepted
		}
	}
	return code == p.codeUsable(a.Codes[0], a.Now) && p.refuse(a.Now, false)
}

// wrongOnes is how many wrong credentials of a locked user are compared with his emergency codes.
const wrongOnes = 10

// whileLocked is step for who is locked: whom failures in a row have locked, a code that was made later lets in.
func (p *person) whileLocked(a *Attempt, code int) bool {
	opens := func(id string) bool {
		c := *p
		c.status = "ACTIVE"
		return p.codes[id].Int("date_created") >= p.lockedAt && c.codeUsable(id, a.Now) == 0
	}
	some := false
	for id := range p.codes {
		some = some || opens(id)
	}
	if p.lockedAt == 0 || p.lockedUntil != 0 || p.tries >= wrongOnes || !some {
		return code == locked && p.refuse(a.Now, false)
	}
	for _, id := range a.Codes {
		if opens(id) {
			p.status = "ACTIVE"
			p.uses[id]++
			p.succeed(a.Now)
			return code == accepted
		}
	}
	p.tries++
	p.guess(a, 0, atOnce)
	return code == locked && p.refuse(a.Now, false)
}

// accept takes an OTP that is right: it is used up, also where it does not log in.
func (p *person) accept(before, after Rows, a *Attempt, code int) bool {
	// Of two tokens of one seed it is the one whose use was counted.
	counted := func(at At) int {
		return int(after["token_assignments"][at.Assignment].Int("usage_count") - p.uses[at.Assignment])
	}
	tried := slices.SortedStableFunc(slices.Values(a.At), func(a, b At) int { return counted(b) - counted(a) })
	for _, at := range tried {
		t := p.tokens[at.Token]
		for _, n := range at.Factors {
			off := n - at.Expected - t.moved
			within := t.hotp && off < t.window || !t.hotp && off <= t.window && off >= -t.window
			pair := t.resync > 0 && n == t.resync+1
			spent := n < t.next || slices.Contains(t.used, n)
			if spent || !within && !pair || slices.Contains(t.asked, n) || after["token_states"][at.Token].Int("counter") <= n {
				continue
			}
			why := p.usable(before["token_assignments"][at.Assignment], t, a.Now)
			if why != code {
				return false
			}
			t.next, t.resync, t.moved = n+1, 0, n-at.Expected
			if t.hotp {
				t.moved++
			}
			p.tokens[at.Token] = t
			if code != accepted {
				return p.refuse(a.Now, false)
			}
			p.succeed(a.Now)
			p.uses[at.Assignment]++
			return true
		}
	}
	return false
}

// succeed forgets failures.
func (p *person) succeed(now int64) {
	p.failures, p.tries, p.lockedUntil, p.lockedAt, p.lastLogin = 0, 0, 0, 0, now
}

// perCode is how long it takes until the chance of one code of six digits comes back, of which 25.2 do a day; atOnce is how many codes one
// guess hits at most, over all tokens.
const (
	perCode = day * 10 / 252
	atOnce  = 300
)

// guess takes out of the budget what a credential could have hit: for a wrong one a code of each token at least.
func (p *person) guess(a *Attempt, least, greatest int64) {
	p.least = max(p.least, a.Now) + least*perCode
	p.greatest = max(p.greatest, a.Now) + greatest*perCode
}

// refuse notes a refusal; one that failed counts.
func (p *person) refuse(now int64, failed bool) bool {
	p.refused = append(p.recent(now), now)
	p.refused = p.refused[max(0, len(p.refused)-most):]
	if !failed {
		return true
	}
	p.failures++
	p.tries++
	growth := max(0, (p.calmAt-now+day-1)/day)
	tries := p.threshold
	if growth > 0 {
		tries = min(fewer, tries)
	}
	overspent := p.budget-now > span
	switch {
	case p.maxFailures > 0 && p.failures >= p.maxFailures:
		p.tries, p.lockedUntil, p.lockedAt = 0, 0, now
	case p.threshold == 0 || p.tries < tries && !overspent:
		return true
	default:
		p.tries, p.lockedUntil = 0, 0
		if p.minutes > 0 {
			length := p.minutes * minute
			longest := max(length, day)
			for range min(growth, 10) {
				length = min(length*grows, longest)
			}
			p.lockedUntil = max(now+length, p.budget-span)
			p.calmAt = p.lockedUntil + (growth+1)*day
		}
	}
	if p.status == "ACTIVE" {
		p.status = "LOCKED"
	}
	return true
}

// is says whether a state is what was expected, and else what is not.
func (p *person) is(q *person) string {
	switch {
	case p.status != q.status:
		return "status"
	case p.passcode != q.passcode:
		return "passcode that was sent"
	case p.failures != q.failures:
		return "failures"
	case p.tries != q.tries:
		return "tries"
	case p.lockedUntil != q.lockedUntil:
		return "end of the lock"
	case p.lockedAt != q.lockedAt:
		return "when failures in a row locked"
	case p.calmAt != q.calmAt:
		return "when the next lock is no longer"
	case p.lastLogin != q.lastLogin:
		return "last login"
	case !slices.Equal(p.refused, q.refused):
		return "refusals of the last minute"
	}
	for id, n := range p.uses {
		if q.uses[id] != n {
			return "uses of assignment or emergency code " + id
		}
	}
	for id, t := range p.tokens {
		if q.tokens[id].next < t.next {
			return "used OTPs of token " + id
		}
	}
	return ""
}

// people are the users of whom credentials were tried.
type people map[string]*person

func (all people) clone() people {
	c := people{}
	for id, p := range all {
		c[id] = p.clone()
	}
	return c
}

// step is person's of the one whose credential it is. What is used up of a seed, the tokens of others know that have it.
func (all people) step(before, after Rows, a *Attempt, code int) bool {
	was := maps.Clone(all[a.User].tokens)
	if !all[a.User].step(before, after, a, code) {
		return false
	}
	for used, mine := range all[a.User].tokens {
		group := before["tokens"][used].Text("seed_group")
		if group == "" || mine.next == was[used].next {
			continue
		}
		for _, p := range all {
			for id, t := range p.tokens {
				if before["tokens"][id].Text("seed_group") == group && mine.next > t.next {
					t.next = mine.next
					p.tokens[id] = t
				}
			}
		}
	}
	return true
}

// is says what of the people is not as it was expected.
func (all people) is(want people) string {
	for id, p := range all {
		why := p.is(want[id])
		if b := want[id].guessedUntil; why == "" && (b > p.greatest || b < p.least) {
			why = "the budget of guesses"
		}
		if why != "" {
			return why + " of user " + id
		}
	}
	return ""
}

// Logins says what became of users that their credentials, in no order in which they can have been looked at, explain. It says nothing
// where something else was called that may change users or tokens, or credentials of which it is not known what they are.
func Logins(before, after Rows, calls []Call) (broken Broken) {
	var tries []Call
	start, end := people{}, people{}
	for _, c := range effective(calls) {
		switch {
		case c.Login != nil:
			id := c.Login.User
			if before["user_states"][id] == nil || after["user_states"][id] == nil {
				return nil
			}
			tries = append(tries, c)
			start[id], end[id] = personOf(before, id), personOf(after, id)
			start[id].budget, start[id].least, start[id].greatest = end[id].guessedUntil, start[id].guessedUntil, start[id].guessedUntil
		case fits([]string{"auth/*", "user/*", "token/*", "tempPass/*", "tokenAssignment/*", "domain/*", "product/*", "console/signIn"}, c.Method):
			if Changes(c.Method) || strings.HasPrefix(c.Method, "auth/") {
				return nil
			}
		}
	}
	reason := ""
	if len(tries) > 0 && !explained(start, end, before, after, tries, &reason) {
		broken.add("%s: no order explains %s", describe(tries), cmp.Or(reason, "the answers"))
	}
	return broken
}

func describe(calls []Call) string {
	var parts []string
	for _, c := range calls {
		parts = append(parts, fmt.Sprintf("%s of user %s, answered %d%s", c.Method, c.Login.User, c.Code, map[bool]string{true: " (in doubt)"}[c.Doubt]))
	}
	return strings.Join(parts, "; ")
}

// explained looks for an order, and for what was in doubt an outcome or none, that leads from one state to another.
func explained(from, to people, before, after Rows, left []Call, reason *string) bool {
	if len(left) == 0 {
		why := from.is(to)
		*reason = cmp.Or(why, *reason)
		return why == ""
	}
	for i, c := range left {
		rest := slices.Delete(slices.Clone(left), i, i+1)
		outcomes := []int{c.Code}
		if c.Doubt {
			if explained(from, to, before, after, rest, reason) {
				return true
			}
			outcomes = []int{accepted, wrong, locked, disabled, notNow, outOfSync, replayed, mustChange, usedUp}
		}
		for _, code := range outcomes {
			next := from.clone()
			if next.step(before, after, c.Login, code) && explained(next, to, before, after, rest, reason) {
				return true
			}
		}
	}
	return false
}

// Once remembers which OTPs were accepted, over a whole run.
type Once struct{ used map[use]string }

type use struct {
	seed   string
	p      otp.Params
	factor int64
}

// Accepted notes that an OTP was accepted, by whatever call, and says false where it was before.
func (o *Once) Accepted(seed []byte, p otp.Params, factor int64, by string) (before string, first bool) {
	if o.used == nil {
		o.used = map[use]string{}
	}
	u := use{string(seed), p, factor}
	if was, ok := o.used[u]; ok {
		return was, false
	}
	o.used[u] = by
	return "", true
}

// Reset forgets the OTPs of an event-based token from a counter on, to which an administrator has set it.
func (o *Once) Reset(seed []byte, p otp.Params, counter int64) {
	for u := range o.used {
		if u.seed == string(seed) && u.p == p && u.factor >= counter {
			delete(o.used, u)
		}
	}
}
