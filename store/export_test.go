package store

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"

	"tokensmith/model"
)

// Exec runs a statement of a test's own.
func Exec(tx Tx, query string, args ...any) (int64, error) { return tx.(*sqlTx).exec(query, args...) }

// ExecInView runs a statement in a View.
func ExecInView(tx ReadTx, query string) error {
	_, err := tx.(*sqlReadTx).q.ExecContext(context.Background(), query)
	return err
}

// Ask reads one value by a statement of a test's own.
func Ask(tx ReadTx, dst any, query string) error { return reading(tx).get(dst, query) }

func reading(tx ReadTx) *sqlReadTx {
	if update, ok := tx.(*sqlTx); ok {
		return &update.sqlReadTx
	}
	return tx.(*sqlReadTx)
}

// SetWriter runs a statement on SQLite's writing connection, outside any transaction. No Update may be under way.
func SetWriter(s Store, query string) error {
	_, err := s.(opened).database().write.(*groupWriter).conn.ExecContext(context.Background(), query)
	return err
}

// PostgresClass says whether an error counts as unavailable.
func PostgresUnavailable(err error) bool {
	return postgresClass(err) == unavailable || postgresClass(err) == lost
}

// Watch calls see with each statement that is run from now on in a View or Update. None is prepared.
func Watch(watched ReadTx, see func(query string, args []any)) {
	tx := reading(watched)
	tx.q, tx.prepared = watcher{tx.q, see}, nil
}

type watcher struct {
	queryer
	see func(query string, args []any)
}

func (w watcher) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	w.see(query, slices.Clone(args))
	return w.queryer.QueryContext(ctx, query, args...)
}

func (w watcher) QueryxContext(ctx context.Context, query string, args ...any) (*sqlx.Rows, error) {
	w.see(query, slices.Clone(args))
	return w.queryer.QueryxContext(ctx, query, args...)
}

func (w watcher) QueryRowxContext(ctx context.Context, query string, args ...any) *sqlx.Row {
	w.see(query, slices.Clone(args))
	return w.queryer.QueryRowxContext(ctx, query, args...)
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

// LoseGroup ends the whole transaction on SQLite, as a full disk does, and with it everybody's who shares it.
func LoseGroup(tx Tx) error {
	_, err := tx.(*sqlTx).exec("ROLLBACK")
	return errors.Join(err, errors.New("the disk is full"))
}

// Kept returns every declared table: its name, its columns and those of its primary key.
func Kept(see func(name string, columns []string, primary string)) {
	for _, t := range kept {
		see(t.name, t.columns, t.order)
	}
}

// IndexTokens registers the client tokens' hashes as an index of keyed hashes, of what normal gives of a token.
func IndexTokens(purpose string, normal func([]byte) []byte) (remove func()) {
	macIndexes = append(macIndexes, macIndex{table: "client_tokens", column: "hash", key: "id", sealed: "sealed", purpose: purpose, normal: normal})
	return func() { macIndexes = macIndexes[:len(macIndexes)-1] }
}

// UpdateUnbounded is Update for what an operator runs.
func UpdateUnbounded(s Store, ctx context.Context, fn func(Tx) error) error {
	return s.(opened).database().update(ctx, updateUnbounded, func(tx *sqlTx) error { return fn(tx) })
}

// SetUpdateMost bounds an Update on PostgreSQL.
func SetUpdateMost(s Store, most time.Duration) {
	s.(opened).database().write.(*retryWriter).most = most
}

// TriedAgain is how long after a refusal a change is tried.
const TriedAgain = triedAgain

// PruneAuditPart is one part of PruneAudit.
func PruneAuditPart(s Store, ctx context.Context, at string, most int64, before, now time.Time) (removed int64, next string, err error) {
	err = s.Update(ctx, func(tx Tx) (err error) {
		removed, next, err = tx.(*sqlTx).pruneAudit(at, most, model.At(before), model.At(now))
		return err
	})
	return removed, next, err
}

// Resolve looks a transaction up in the place of the record's last row, by the mac of its own; "" = by the last row's.
func Resolve(resolved Store, mac string) (committed bool, err error) {
	s := resolved.(opened).database()
	w := s.write.(*retryWriter)
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
	return w.resolve(context.Background(), &attempt{retryBudget: &retryBudget{outage: s.outage}}, &void, own)
}

// LostCallers bounds how many look for a server that is gone.
const LostCallers = maxOutageWaiters

// Waits returns how many do.
func Waits(s Store) int64 { return s.(opened).database().outage.waiting.Load() }

// PostgresURL says whether a URL would be used.
func PostgresURL(url string) error {
	_, err := postgresConfig(url)
	return err
}

// Down has the store believe that the server does not answer; IsDown says whether it does.
func Down(s Store) { s.(opened).database().outage.down.Store(true) }

func IsDown(s Store) bool { return s.(opened).database().outage.down.Load() }

// InUse returns how many connections for Views, and on PostgreSQL for Updates as well, are taken.
func InUse(s Store) int { return s.(opened).database().read.Stats().InUse }

// Unique returns the columns, "table.column", of which the builder takes each value to be one row's.
func Unique() []string { return slices.Collect(maps.Keys(unique)) }

// Selections calls see with every statement that reads a struct: its text, which is a whole statement, and the columns of
// the struct, in whose order the statement's must stand, or need not.
func Selections(see func(text string, columns []string, ordered bool)) {
	for _, s := range selections {
		var columns []string
		for _, f := range Fields(s.typ) {
			columns = append(columns, f.Column)
		}
		see(s.text, columns, s.ordered)
	}
}

// BuildWarnings says what is wrong with an SQLite of these compile options.
func BuildWarnings(options []string) []string { return buildWarnings(options) }

// InPlace says whether an SQLite database's files are where they were.
func InPlace(s Store) error { return s.(opened).database().inPlace() }

// PlacedInterval is how long an SQLite database's files may be elsewhere before a commit notices.
const PlacedInterval = placedInterval
