package store

import (
	"database/sql"
	"fmt"
	"reflect"
	"slices"
	"sync"

	"tokensmith/model"
)

// ErrNone says that a query for one row found none. It is not a failure.
var ErrNone = sql.ErrNoRows

var selectLogins = selectsInOrder[model.Login](`
	SELECT t0.id, t0.status, t0.password, t0.must_change_password, d.lockout_threshold, d.lockout_minutes, d.max_failures, d.emergency_code_needs_pin,
		s.user_id, s.fail_count, s.last_login, s.locked_until, s.refused_at, s.tries, s.calm_at, s.guessed_until, s.passcode, s.passcode_until, s.passcodes_at,
		s.temp_passes, s.locked_at
	FROM users t0 JOIN domains d ON d.id = t0.domain_id JOIN user_states s ON s.user_id = t0.id`)

var selectCredentials = selectsInOrder[model.Credential](`
	SELECT a.id AS assignment_id, a.token_id, a.status, t.status AS token_status, a.starts, a.expires, a.usage_limit,
		a.usage_count, a.must_change_pin, a.pin, t.seed, p.algorithm, p.digits, p.period, p.crypto, p.auto_window,
		p.check_window, p.manual_window, p.narrow_window, s.counter, s.drift, s.resync_step, s.resync_until, s.synced_at, s.asked, s.previous, s.used, t.seed_group
	FROM token_assignments a JOIN tokens t ON t.id = a.token_id JOIN token_states s ON s.token_id = t.id
		JOIN products p ON p.id = t.product_id`)

func (tx *sqlReadTx) Logins(user []Cond) ([]model.Login, error) { return tx.logins(tx.scope, user) }

func (tx *sqlReadTx) Login(userID string) (model.Login, error) {
	found, err := tx.logins(nil, []Cond{{Column: "id", Op: Eq, Value: userID}})
	if err != nil {
		return model.Login{}, err
	}
	if len(found) == 0 {
		return model.Login{}, ErrNone
	}
	return found[0], nil
}

func (tx *sqlReadTx) logins(scope Scope, user []Cond) ([]model.Login, error) {
	if err := (&Query{Where: user}).check(); err != nil {
		return nil, err
	}
	user, err := tx.resolve(user)
	if err != nil {
		return nil, err
	}
	b := &builder{scope: scope}
	where, args, err := b.statement(b.where("users", user))
	if err == nil {
		err = fit(args)
	}
	if err != nil {
		return nil, err
	}
	found, err := tx.findLogins(b, user, where+" LIMIT 2", args)
	for i := range found {
		tx.sees("users", found[i].ID)
	}
	if tx.member != nil && len(found) == 0 && err == nil {
		tx.member.unknown = fmt.Sprint(args...)
		tx.sees(unknownUsers, tx.member.unknown)
	}
	return found, err
}

func (tx *sqlReadTx) Credentials(userID string) ([]model.Credential, error) {
	found, err := tx.findCredentials(userID)
	for i := range found {
		c := &found[i]
		c.Restored = model.Time(tx.store.restoredAt.Load())
		tx.sees("token_assignments", c.AssignmentID)
		tx.sees("tokens", c.TokenID)
		if c.SeedGroup != nil {
			tx.sees(seedGroups, *c.SeedGroup)
		}
	}
	return found, err
}

// What every login changes.
var (
	saveAccepted = sync.OnceValue(func() *rowUpdate {
		return updatesRow[model.TokenState]("resync_step = 0, resync_until = 0", "counter", "previous", "used", "drift", "last_used", "synced_at", "asked")
	})
	saveUserState = sync.OnceValue(func() *rowUpdate {
		t := tables[reflect.TypeFor[model.UserState]()]
		return updatesRow[model.UserState]("", slices.DeleteFunc(slices.Clone(t.columns), func(c string) bool { return c == t.key })...)
	})
	saveLastLogin = sync.OnceValue(func() *rowUpdate { return updatesRow[model.UserState]("", "last_login") })
	countUse      = sync.OnceValue(func() *rowUpdate { return updatesRow[model.Assignment]("usage_count = usage_count + 1") })
	countCode     = sync.OnceValue(func() *rowUpdate { return updatesRow[model.TempPass]("used_times = used_times + 1") })
)

func (tx *sqlTx) SaveChecked(c *model.Credential, used bool, now model.Time) error {
	if used {
		var err error
		values := []any{c.Counter, c.Previous, c.Used, c.Drift, now, c.SyncedAt, c.Asked, c.TokenID}
		if tx.recall {
			err = tx.acceptRecalled(c, values)
		} else {
			err = tx.changeRow("tokens", c.TokenID, saveAccepted(), values...)
		}
		if err == nil {
			err = tx.RaiseMarks(c.SeedGroup, c.Use())
		}
		return err
	}
	err := tx.change("tokens", c.TokenID, "UPDATE token_states SET resync_step = ?, resync_until = ?, asked = ? WHERE token_id = ?", c.ResyncStep, c.ResyncUntil, c.Asked, c.TokenID)
	if err == nil && c.SeedGroup != nil {
		err = tx.change(seedGroups, *c.SeedGroup, "UPDATE token_states SET asked = ? WHERE token_id IN (SELECT id FROM tokens WHERE seed_group = ?)", c.Asked, *c.SeedGroup)
	}
	return err
}

func (tx *sqlTx) SaveLogin(s *model.UserState) error {
	t, v := tableOf(s)
	return tx.changeRow("users", s.UserID, saveUserState(), t.saved(v)...)
}

func (tx *sqlTx) SaveLastLogin(userID string, at model.Time) error {
	if tx.recall {
		return tx.keeps(saveLastLogin(), func() { tx.memory.loggedIn(userID, at) }, at, userID)
	}
	return tx.changeRow("users", userID, saveLastLogin(), at, userID)
}

func (tx *sqlTx) CountUse(assignmentID string) error {
	if tx.recall {
		return tx.keeps(countUse(), func() { tx.memory.used(assignmentID) }, assignmentID)
	}
	return tx.changeRow("token_assignments", assignmentID, countUse(), assignmentID)
}

func (tx *sqlTx) SetPIN(assignmentID string, sealed []byte, now model.Time) error {
	return tx.change("token_assignments", assignmentID,
		"UPDATE token_assignments SET pin = ?, last_change_pin = ?, must_change_pin = ?, last_updated = ? WHERE id = ?",
		sealed, now, false, now, assignmentID)
}

func (tx *sqlTx) SetPassword(userID string, sealed []byte, mustChange bool, now model.Time) error {
	return tx.change("users", userID, "UPDATE users SET password = ?, last_change_password = ?, must_change_password = ? WHERE id = ?",
		sealed, now, mustChange, userID)
}

func (tx *sqlTx) SetUserStatus(userID, status string) error {
	return tx.change("users", userID, "UPDATE users SET status = ? WHERE id = ?", status, userID)
}

func (tx *sqlReadTx) AssignmentsOfUser(userID string) ([]model.Assignment, error) {
	return loadAll[model.Assignment](tx, "user_id = ? ORDER BY priority, id", userID)
}

// unknownUsers is not a table: it names the users that do not exist, for sees and change. Several logins of one of them take as many
// transactions as those of a user who exists, so that the time does not tell.
const unknownUsers = "unknown users"

func (tx *sqlTx) RecordUnknownName(now model.Time) error {
	slot := int64(now) % 64
	name := ""
	if tx.member != nil {
		name = tx.member.unknown
	}
	return tx.change(unknownUsers, name, `INSERT INTO strangers (slot, refused_at) VALUES (?, ?)
		ON CONFLICT (slot) DO UPDATE SET refused_at = excluded.refused_at`, slot, now)
}
