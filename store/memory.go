package store

import (
	"bytes"
	"container/list"
	"slices"
	"unsafe"

	"tokensmith/model"
)

// memory keeps what Logins and Credentials found on SQLite, so that the next login of the same user need not read it again. Only
// the writer uses it, inside its transaction, and only for an UpdateShared. It is never wrong, for these reasons:
//
//   - This process writes on one connection, and each statement there goes through sqlTx.exec, Insert, Save, Delete or change.
//     They forget what the statement may change, before it runs: the rows that they know, else everything (see forgetsAfter).
//   - Before a transaction uses the memory for the first time, it asks SQLite whether another connection has committed anything
//     since (PRAGMA data_version). If one has, everything is forgotten. From then on nobody else can write.
//   - If a transaction or a part of it is undone in which something was learned, everything is forgotten.
//
// Nevertheless most of what is decided by it is confirmed. Anything that a function writes, and its end without a write, comes only
// after the same rows were read from the database and found equal. Otherwise everything is forgotten, and the function runs again
// without the memory (errForgotten). So a refusal also takes the same time whether or not the user is remembered.
//
// The statement that accepts an OTP confirms less, because it is what most logins do: it has an effect only if the token's counter
// is the one that was remembered, so that no OTP is accepted twice. All else that an accepted login read (the user's status and
// failures, the assignment's PIN, status, period and uses, which steps of a time-based token were used) rests on the reasons above.
//
// A token whose seed other tokens have is not remembered, because their logins change its state too.
type memory struct {
	most, size int // bytes

	byName       map[string]*remembered // by what Logins looked for
	byUser       map[string]*remembered // by the ids of users, assignments and tokens
	byAssignment map[string]*remembered
	byToken      map[string]*remembered
	recent       *list.List // of *remembered; the last used comes first

	check func(wrong string) // set in tests: see WithMemoryChecked

	version int64 // of the database, when a transaction used the memory last
	current bool  // whether that is the open transaction
	learned int64 // counts what was learned
}

// remembered is what is known of one user.
type remembered struct {
	login model.Login
	creds []model.Credential
	whole bool     // creds is known
	names []string // keys in byName
	size  int
	at    *list.Element
}

// maxNames is how many different look-ups that lead to a user are remembered.
const maxNames = 4

// DefaultMemory is how many bytes SQLite's memory of logins may have without WithMemory. A user with one token takes about 1.6 kB.
const DefaultMemory = 64 << 20

func newMemory(o *options) *memory {
	if o.memory == 0 {
		return nil
	}
	m := &memory{most: o.memory, check: o.memoryCheck}
	m.clear()
	return m
}

func (m *memory) clear() {
	if m == nil || m.recent != nil && m.recent.Len() == 0 {
		return
	}
	*m = memory{most: m.most, check: m.check, version: m.version, current: m.current, learned: m.learned, recent: list.New(), byName: map[string]*remembered{},
		byUser: map[string]*remembered{}, byAssignment: map[string]*remembered{}, byToken: map[string]*remembered{}}
}

// begins says that a transaction begins, or has ended.
func (m *memory) begins() {
	if m != nil {
		m.current = false
	}
}

// point returns the state for back.
func (m *memory) point() int64 {
	if m == nil {
		return 0
	}
	return m.learned
}

// back forgets everything if something was learned since a point, because the transaction was rolled back to it.
func (m *memory) back(to int64) {
	if m != nil && m.learned != to {
		m.clear()
	}
}

// learn remembers the user that a look-up found. key is "" for a look-up that is not remembered.
func (m *memory) learn(key string, login *model.Login) {
	e := m.byUser[login.ID]
	if e == nil {
		e = &remembered{login: copyOfLogin(login)}
		e.at = m.recent.PushFront(e)
		m.byUser[login.ID] = e
	}
	if key != "" && m.byName[key] == nil && len(e.names) < maxNames {
		e.names = append(e.names, key)
		m.byName[key] = e
	}
	m.resize(e)
}

// learnCredentials remembers the assignments of a user who is remembered already.
func (m *memory) learnCredentials(userID string, creds []model.Credential) {
	e := m.byUser[userID]
	if e == nil {
		return
	}
	if slices.ContainsFunc(creds, func(c model.Credential) bool { return c.SeedGroup != nil }) {
		m.forget(e)
		return
	}
	e.creds, e.whole = copyOfCredentials(creds), true
	for i := range creds {
		c := &creds[i]
		if other := m.byToken[c.TokenID]; other != nil && other != e {
			m.forget(other) // two users have the token, and only one of them may know its state
		}
		m.byToken[c.TokenID], m.byAssignment[c.AssignmentID] = e, e
	}
	m.resize(e)
}

// resize counts the size of what was learned, and forgets what was not used for longest if there is too much.
func (m *memory) resize(e *remembered) {
	m.learned++
	m.size -= e.size
	e.size = e.bytes()
	m.size += e.size
	m.recent.MoveToFront(e.at)
	for m.size > m.most {
		m.forget(m.recent.Back().Value.(*remembered))
	}
}

// bytes estimates how much memory is used.
func (e *remembered) bytes() int {
	const entry = 100 // an entry of a map or list
	l := &e.login
	n := int(unsafe.Sizeof(*e)) + 2*entry + len(l.ID) + len(l.Status) + len(l.UserID) + len(l.Password) + len(l.RefusedAt) + len(l.Passcode) + len(l.PasscodesAt)
	for i := range e.creds {
		c := &e.creds[i]
		n += int(unsafe.Sizeof(*c)) + 2*entry + len(c.AssignmentID) + len(c.TokenID) + len(c.Status) + len(c.TokenStatus) + len(c.PIN) + len(c.Seed) +
			len(c.Algorithm) + len(c.Crypto) + len(c.Asked) + len(c.Used)
	}
	for _, name := range e.names {
		n += entry + len(name)
	}
	return n
}

// forget forgets one user.
func (m *memory) forget(e *remembered) {
	if e == nil {
		return
	}
	m.size -= e.size
	m.recent.Remove(e.at)
	delete(m.byUser, e.login.ID)
	for _, name := range e.names {
		delete(m.byName, name)
	}
	for i := range e.creds {
		c := &e.creds[i]
		if m.byToken[c.TokenID] == e {
			delete(m.byToken, c.TokenID)
		}
		if m.byAssignment[c.AssignmentID] == e {
			delete(m.byAssignment, c.AssignmentID)
		}
	}
}

// forgetNames forgets which look-ups lead to which user, because any change of a user may change that.
func (m *memory) forgetNames() {
	if len(m.byName) == 0 {
		return
	}
	m.byName = map[string]*remembered{}
	for _, e := range m.byUser {
		e.names = nil
	}
}

// forgetRow forgets what is known of a row of a watched table.
func (m *memory) forgetRow(table, id string) {
	switch table {
	case "users":
		m.forget(m.byUser[id])
		m.forgetNames()
	case "user_states":
		m.forget(m.byUser[id])
	case "tokens", "token_states":
		m.forget(m.byToken[id])
	case "token_assignments":
		m.forget(m.byAssignment[id])
	default:
		m.clear()
	}
}

// accepted keeps the state of a token after an OTP was accepted.
func (m *memory) accepted(c *model.Credential) {
	e := m.byAssignment[c.AssignmentID]
	if other := m.byToken[c.TokenID]; other != e {
		m.forget(other)
	}
	if e == nil {
		return
	}
	for i := range e.creds {
		if k := &e.creds[i]; k.AssignmentID == c.AssignmentID {
			k.Counter, k.Previous, k.Drift, k.SyncedAt = c.Counter, c.Previous, c.Drift, c.SyncedAt
			k.Used, k.Asked = bytes.Clone(c.Used), bytes.Clone(c.Asked)
			k.ResyncStep, k.ResyncUntil = 0, 0
		}
	}
	m.resize(e)
}

// used keeps that an assignment was used once more.
func (m *memory) used(assignmentID string) {
	if e := m.byAssignment[assignmentID]; e != nil {
		m.learned++
		for i := range e.creds {
			if e.creds[i].AssignmentID == assignmentID {
				e.creds[i].UsageCount++
			}
		}
	}
}

// loggedIn keeps when a user logged in.
func (m *memory) loggedIn(userID string, at model.Time) {
	if e := m.byUser[userID]; e != nil {
		m.learned++
		e.login.LastLogin = at
	}
}

func copyOfLogin(l *model.Login) model.Login {
	c := *l
	c.Password, c.RefusedAt, c.Passcode, c.PasscodesAt = bytes.Clone(l.Password), bytes.Clone(l.RefusedAt), bytes.Clone(l.Passcode), bytes.Clone(l.PasscodesAt)
	return c
}

func copyOfCredentials(creds []model.Credential) []model.Credential {
	copies := slices.Clone(creds)
	for i := range copies {
		c := &copies[i]
		c.PIN, c.Seed, c.Asked, c.Used = bytes.Clone(c.PIN), bytes.Clone(c.Seed), bytes.Clone(c.Asked), bytes.Clone(c.Used)
	}
	return copies
}
