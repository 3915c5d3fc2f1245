package store

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"tokensmith/model"
)

// Exec runs any statement.
func Exec(tx Tx, query string, args ...any) (int64, error) { return tx.(*sqlTx).exec(query, args...) }

// ExecInView runs a statement in a View.
func ExecInView(tx ReadTx, query string) error {
	_, err := tx.(*sqlReadTx).q.ExecContext(context.Background(), query)
	return err
}

// Ask reads one value with any statement.
func Ask(tx ReadTx, dst any, query string) error {
	read := reading(tx)
	return read.query(read.short, query, nil, func(rows *sqlx.Rows) error { return scanOne(rows, dst) })
}

func reading(tx ReadTx) *sqlReadTx {
	if update, ok := tx.(*sqlTx); ok {
		return &update.sqlReadTx
	}
	return tx.(*sqlReadTx)
}

// SetWriter runs a statement on SQLite's writing connection, outside any transaction. No Update may be running.
func SetWriter(s Store, query string) error {
	_, err := s.(opened).database().write.(*groupWriter).conn.ExecContext(context.Background(), query)
	return err
}

// PostgresUnavailable returns whether an error counts as unavailable.
func PostgresUnavailable(err error) bool {
	return postgresClass(err) == unavailable || postgresClass(err) == lost
}

// Watch calls see with each statement that is run in a View or Update from now on. No statement is prepared.
func Watch(watched ReadTx, see func(query string, args []any)) {
	tx := reading(watched)
	tx.q, tx.prepared = watcher{tx.q, see}, nil
}

type watcher struct {
	queryer
	see func(query string, args []any)
}

func (w watcher) QueryxContext(ctx context.Context, query string, args ...any) (*sqlx.Rows, error) {
	w.see(query, slices.Clone(args))
	return w.queryer.QueryxContext(ctx, query, args...)
}

func (w watcher) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	w.see(query, slices.Clone(args))
	return w.queryer.ExecContext(ctx, query, args...)
}

// SpoilCommit makes the transaction fail at its commit, and not before.
func SpoilCommit(spoiled Tx) error {
	tx := spoiled.(*sqlTx)
	statements := []string{"PRAGMA defer_foreign_keys = ON", "INSERT INTO user_states (user_id, fail_count, last_login) VALUES ('nobody', 0, 0)"}
	if tx.store.dialect.pages == "" {
		statements = []string{"CREATE TABLE spoiled (id TEXT REFERENCES users (id) DEFERRABLE INITIALLY DEFERRED)", "INSERT INTO spoiled VALUES ('nobody')"}
	}
	for _, s := range statements {
		if _, err := tx.exec(s); err != nil {
			return err
		}
	}
	return nil
}

// LoseGroup rolls back the whole transaction on SQLite, as a full disk does, including all Updates that share it.
func LoseGroup(tx Tx) error {
	_, err := tx.(*sqlTx).exec("ROLLBACK")
	return errors.Join(err, errors.New("the disk is full"))
}

// Kept calls see with every declared table: its name, its columns and those of its primary key.
func Kept(see func(name string, columns []string, primary string)) {
	for _, t := range kept {
		see(t.name, t.columns, t.order)
	}
}

// IndexTokens registers the hashes of client tokens as an index of keyed hashes. normal returns what is hashed for a token.
func IndexTokens(purpose string, normal func([]byte) []byte) (remove func()) {
	macIndexes = append(macIndexes, macIndex{table: "client_tokens", column: "hash", key: "id", sealed: "sealed", purpose: purpose, normal: normal})
	return func() { macIndexes = macIndexes[:len(macIndexes)-1] }
}

// UpdateUnbounded is Update for operators' commands.
func UpdateUnbounded(s Store, ctx context.Context, fn func(Tx) error) error {
	return s.(opened).database().update(ctx, updateUnbounded, func(tx *sqlTx) error { return fn(tx) })
}

// SetUpdateMost sets the time limit of an Update on PostgreSQL.
func SetUpdateMost(s Store, most time.Duration) {
	s.(opened).database().write.(*sharedWriter).most = most
}

// TriedAgain is how long after a refused change no trial is made.
const TriedAgain = triedAgain

// PruneAuditPart is one part of PruneAudit.
func PruneAuditPart(s Store, ctx context.Context, at string, most int64, before, now time.Time) (removed int64, next string, err error) {
	err = s.Update(ctx, func(tx Tx) (err error) {
		removed, next, err = tx.(*sqlTx).pruneAudit(at, most, model.At(before), model.At(now))
		return err
	})
	return removed, next, err
}

// Resolve resolves a transaction with the id of the record's last row and the given mac; "" means the mac of that row.
func Resolve(resolved Store, mac string) (committed bool, err error) {
	s := resolved.(opened).database()
	w := s.write.(*sharedWriter)
	var last model.Audit
	if err := s.view(context.Background(), true, func(tx *sqlReadTx) error { return tx.loadWhere(&last, "TRUE ORDER BY id DESC LIMIT 1") }); err != nil {
		return false, err
	}
	own := []byte(mac)
	if mac == "" {
		own = last.MAC
	}
	void := last
	void.MAC = []byte("void")
	return w.resolveCommit(context.Background(), &attempt{retryBudget: &retryBudget{outage: s.outage}}, &void, own)
}

// LostCallers is how many callers may wait for a server that is gone.
const LostCallers = maxOutageWaiters

// Waits returns how many callers wait for it.
func Waits(s Store) int64 { return s.(opened).database().outage.waiting.Load() }

// PostgresURL returns whether a URL is accepted.
func PostgresURL(url string) error {
	_, err := postgresConfig(url)
	return err
}

// Down makes the store believe that the server does not reply. IsDown returns whether it believes so.
func Down(s Store) { s.(opened).database().outage.down.Store(true) }

func IsDown(s Store) bool { return s.(opened).database().outage.down.Load() }

// InUse returns how many connections for Views are in use; on PostgreSQL, also those for Updates.
func InUse(s Store) int { return s.(opened).database().pool.Stats().InUse }

// Unique returns the columns, "table.column", that the builder treats as unique.
func Unique() []string { return slices.Collect(maps.Keys(unique)) }

// Selections calls see with every statement that reads a struct: its SQL, which is complete, the columns of the struct, and
// whether the columns of the statement must be in the same order.
func Selections(see func(text string, columns []string, ordered bool)) {
	for _, s := range selections {
		var columns []string
		for _, f := range Fields(s.typ) {
			columns = append(columns, f.Column)
		}
		see(s.text, columns, s.ordered)
	}
}

// BuildWarnings returns the warnings for an SQLite with these compile options.
func BuildWarnings(options []string) []string { return buildWarnings(options) }

// InPlace returns an error if the files of an SQLite database are not where they were.
func InPlace(s Store) error { return s.(opened).database().inPlace() }

// PlacedInterval is the longest time until a commit notices that files of an SQLite database were moved.
const PlacedInterval = placedInterval

// LoginReads calls see with every column that Logins and Credentials read, and those by which a user may be found.
func LoginReads(see func(table, column string)) {
	for _, text := range []string{selectLogins.text, selectCredentials.text} {
		tables := map[string]string{}
		for _, m := range regexp.MustCompile(`(?:FROM|JOIN) (\w+) (\w+)`).FindAllStringSubmatch(text, -1) {
			tables[m[2]] = m[1]
		}
		columns, _, _ := strings.Cut(text, "FROM")
		for _, m := range regexp.MustCompile(`(\w+)\.(\w+)`).FindAllStringSubmatch(columns, -1) {
			see(tables[m[1]], m[2])
		}
	}
	for _, t := range kept {
		if t.name == "users" || t.name == "domains" {
			for _, column := range t.columns {
				see(t.name, column)
			}
		}
	}
}

// Remembered returns how many users an SQLite database remembers, and the bytes that this takes. No Update may be running.
func Remembered(s Store) (users, bytes int) {
	m := s.(opened).database().write.(*groupWriter).memory
	return m.recent.Len(), m.size
}

// SpoilMemory changes what is remembered of all users. No Update may be running.
func SpoilMemory(s Store, change func(*model.Login, []model.Credential)) {
	for _, e := range s.(opened).database().write.(*groupWriter).memory.byUser {
		change(&e.login, e.creds)
	}
}
