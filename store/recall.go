package store

import (
	"cmp"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/jmoiron/sqlx"

	"tokensmith/model"
)

// A selection that logins read is remembered, so its tables are watched.
var watchedTables = sync.OnceValue(func() map[string]bool {
	watched := map[string]bool{}
	for _, text := range []string{selectLogins.text, selectCredentials.text} {
		for _, found := range regexp.MustCompile(`(?:FROM|JOIN) (\w+)`).FindAllStringSubmatch(text, -1) {
			watched[found[1]] = true
		}
	}
	return watched
})

// targetOf returns the table that a statement changes; "" if it changes none, and "?" if that is not known.
func targetOf(query string) string {
	query = strings.TrimLeft(query, " \t\n")
	for _, verb := range []string{"INSERT INTO ", "UPDATE ", "DELETE FROM "} {
		if rest, ok := strings.CutPrefix(query, verb); ok {
			end := strings.IndexFunc(rest, func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') && (r < '0' || r > '9') })
			if end < 0 {
				end = len(rest)
			}
			return cmp.Or(rest[:end], "?")
		}
	}
	for _, word := range []string{"SAVEPOINT ", "RELEASE SAVEPOINT ", "ROLLBACK TO SAVEPOINT "} { // Try forgets by itself
		if strings.HasPrefix(query, word) {
			return ""
		}
	}
	return "?"
}

// forgets forgets everything if a statement may change what is remembered.
func (tx *sqlReadTx) forgets(query string) {
	if m := tx.memory; m != nil && m.recent.Len() > 0 {
		if target := targetOf(query); target == "?" || watchedTables()[target] {
			m.clear()
		}
	}
}

// forgetsRow is forgets for a statement that changes one row, given by its key, and rows that are deleted with it.
func (tx *sqlReadTx) forgetsRow(query, id string) {
	if m := tx.memory; m != nil && m.recent.Len() > 0 {
		if target := targetOf(query); target == "?" || watchedTables()[target] {
			m.forgetRow(target, id)
		}
	}
}

// writesNew is writes for the INSERT of a row.
func (tx *sqlTx) writesNew(row any) error {
	if err := tx.ready(); err != nil {
		return err
	}
	tx.forgetsInsert(row)
	return tx.confirm()
}

// keyText returns the key of a row as text; "" if it is none. Rows that are remembered have keys that are.
func keyText(key any) string {
	text, _ := key.(string)
	return text
}

// forgetsInsert is forgets for the INSERT of a row. A new row only changes what is remembered of the user that it belongs to.
func (tx *sqlReadTx) forgetsInsert(row any) {
	m := tx.memory
	if m == nil || m.recent.Len() == 0 {
		return
	}
	switch r := row.(type) {
	case *model.Assignment:
		m.forget(m.byUser[r.UserID])
	case *model.User:
		m.forgetNames()
	case *model.Domain:
		m.clear()
	}
}

// errForgotten is the error of a statement that found that what the function had read from the memory was wrong. If the function
// has written nothing yet, it runs again without the memory.
var errForgotten = unavailableError("what was remembered of a login was wrong")

// recalled is what a transaction has read from the memory, and how it is read from the database.
type recalled struct {
	login  *model.Login
	where  string // what follows the selection, and its parameters
	args   []any
	userID string // whose credentials
	creds  []model.Credential
}

// recalls returns whether the transaction may read from the memory now.
func (tx *sqlReadTx) recalls() (bool, error) {
	m := tx.memory
	if m == nil || !tx.recall {
		return false, nil
	}
	if m.current {
		return true, nil
	}
	var version int64
	err := tx.queryOften("PRAGMA data_version", nil, func(rows *sqlx.Rows) error { return scanOne(rows, &version) })
	if err != nil {
		m.clear()
		return false, err
	}
	if version != m.version {
		m.clear()
	}
	m.version, m.current = version, true
	return true, nil
}

// keyOf returns the key in byName of a look-up for users; "" if it is not remembered. Look-ups that read other tables than users
// and domains are not, because changes of these would not be noticed.
func (b *builder) keyOf(user []Cond, where string, args []any) string {
	for _, conds := range [][]Cond{user, b.scope.of("users"), b.scope.of("domains")} {
		for i := range conds {
			c := &conds[i]
			if slices.ContainsFunc(c.Path, func(s Step) bool { return s.Table != "users" && s.Table != "domains" || s.Only != nil }) {
				return ""
			}
			if n, ok := c.Value.(Naming); ok && n.Table != "users" && n.Table != "domains" {
				return ""
			}
		}
	}
	key := append(make([]byte, 0, len(where)+100), where...)
	for _, arg := range args {
		switch v := arg.(type) {
		case string:
			key = append(strconv.AppendInt(append(key, 't'), int64(len(v)), 10), ':')
			key = append(key, v...)
		case int64:
			key = strconv.AppendInt(append(key, 'i'), v, 10)
		case bool:
			key = strconv.AppendBool(append(key, 'b'), v)
		default:
			return ""
		}
	}
	return string(key)
}

// findLogins reads the users that a statement finds, from the memory if it is there.
func (tx *sqlReadTx) findLogins(b *builder, user []Cond, where string, args []any) ([]model.Login, error) {
	recalls, err := tx.recalls()
	if err != nil {
		return nil, err
	}
	if !recalls {
		return selectLogins.all(tx, where, args...)
	}
	m, key := tx.memory, b.keyOf(user, where, args)
	if e := m.byName[key]; e != nil {
		m.recent.MoveToFront(e.at)
		return []model.Login{copyOfLogin(&e.login)}, tx.recallAs(recalled{login: &e.login, where: where, args: args})
	}
	found, err := selectLogins.all(tx, where, args...)
	if err == nil && len(found) == 1 {
		m.learn(key, &found[0])
	}
	return found, err
}

const ofUser = " WHERE a.user_id = ? ORDER BY a.priority, a.id"

// findCredentials reads a user's assignments, from the memory if they are there.
func (tx *sqlReadTx) findCredentials(userID string) ([]model.Credential, error) {
	recalls, err := tx.recalls()
	if err != nil {
		return nil, err
	}
	if !recalls {
		return selectCredentials.all(tx, ofUser, userID)
	}
	if e := tx.memory.byUser[userID]; e != nil && e.whole {
		return copyOfCredentials(e.creds), tx.recallAs(recalled{userID: userID, creds: e.creds})
	}
	found, err := selectCredentials.all(tx, ofUser, userID)
	if err == nil {
		tx.memory.learnCredentials(userID, found)
	}
	return found, err
}

// recallAs notes that the transaction has read something from the memory.
func (tx *sqlReadTx) recallAs(r recalled) error {
	tx.recalled = append(tx.recalled, r)
	if tx.memory.check == nil {
		return nil
	}
	same, err := tx.still(&r)
	if err == nil && !same {
		tx.memory.check("a login was remembered wrongly: " + r.where + fmt.Sprint(r.args) + r.userID)
	}
	return err
}

// still returns whether what was read from the memory is what is in the database.
func (tx *sqlReadTx) still(r *recalled) (bool, error) {
	if r.login != nil {
		found, err := selectLogins.all(tx, r.where, r.args...)
		return len(found) == 1 && reflect.DeepEqual(found[0], *r.login), err
	}
	found, err := selectCredentials.all(tx, ofUser, r.userID)
	return slices.EqualFunc(found, r.creds, func(a, b model.Credential) bool { return reflect.DeepEqual(a, b) }), err
}

// confirm reads what the transaction has read from the memory from the database too, before it writes something.
func (tx *sqlReadTx) confirm() error {
	if len(tx.recalled) == 0 {
		return nil
	}
	read := tx.recalled
	tx.recalled = nil
	for i := range read {
		if same, err := tx.still(&read[i]); err != nil {
			return err
		} else if !same {
			return tx.wrongly()
		}
	}
	return nil
}

// recalledCounter returns the counter of a token as it was read from the memory; false if the token was not read there.
func (tx *sqlReadTx) recalledCounter(c *model.Credential) (int64, bool) {
	for _, r := range tx.recalled {
		for i := range r.creds {
			if r.creds[i].AssignmentID == c.AssignmentID {
				return r.creds[i].Counter, true
			}
		}
	}
	return 0, false
}

// wrongly forgets everything and makes the function run again without the memory.
func (tx *sqlReadTx) wrongly() error {
	tx.memory.clear()
	if tx.failed == nil {
		tx.failed = errForgotten
	}
	return tx.failed
}

// acceptRecalled saves the state of a token whose OTP was accepted. If that was decided by the memory, the statement has an effect
// only if the token's counter is the remembered one.
func (tx *sqlTx) acceptRecalled(c *model.Credential, values []any) error {
	if err := tx.ready(); err != nil {
		return err
	}
	counter, ok := tx.recalledCounter(c)
	if !ok {
		return tx.keeps(saveAccepted(), func() { tx.memory.accepted(c) }, values...)
	}
	wrote := tx.wrote
	n, err := tx.execOftenKnown(saveAccepted().one+" AND counter = ?", append(values, counter)...)
	switch {
	case err != nil:
		return err
	case n == 0:
		tx.wrote = wrote
		return tx.wrongly()
	}
	tx.recalled = nil
	tx.memory.accepted(c)
	return nil
}

// keeps is changeRow for a statement after which the memory is changed, and not what it remembers forgotten.
func (tx *sqlTx) keeps(u *rowUpdate, keep func(), values ...any) error {
	err := tx.ready()
	if err == nil {
		err = tx.confirm()
	}
	if err == nil {
		err = tx.laterKnown(u.one, values...)
	}
	if err == nil {
		keep()
	}
	return err
}
