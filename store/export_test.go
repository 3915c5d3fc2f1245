package store

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"time"

	"tokensmith/model"
)

// Exec runs a statement of a test's own.
func (tx *Tx) Exec(query string, args ...any) (int64, error) { return tx.exec(query, args...) }

// Ask reads one value by a statement of a test's own.
func (tx *ReadTx) Ask(dst any, query string) error { return tx.get(dst, query) }

// SetWriter runs a statement on SQLite's writing connection, outside any transaction. No Update may be under way.
func (s *Store) SetWriter(query string) error {
	_, err := s.write.(*groupWriter).conn.ExecContext(context.Background(), query)
	return err
}

// PostgresClass says whether an error counts as unavailable.
func PostgresUnavailable(err error) bool {
	return postgresClass(err) == unavailable || postgresClass(err) == lost
}

// Watch calls see with each statement that is run from now on in a View or Update.
func (tx *ReadTx) Watch(see func(query string, args []any)) { tx.q = watcher{tx.q, see} }

type watcher struct {
	queryer
	see func(query string, args []any)
}

func (w watcher) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	w.see(query, slices.Clone(args))
	return w.queryer.QueryContext(ctx, query, args...)
}

func (w watcher) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	w.see(query, slices.Clone(args))
	return w.queryer.ExecContext(ctx, query, args...)
}

// SpoilCommit makes the transaction fail at its commit, and not before.
func (tx *Tx) SpoilCommit() error {
	statements := []string{"PRAGMA defer_foreign_keys = ON", "INSERT INTO user_states (user_id, fail_count, last_login) VALUES ('nobody', 0, 0)"}
	if tx.store.dialect.name == "postgres" {
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
func (tx *Tx) LoseGroup() error {
	_, err := tx.exec("ROLLBACK")
	return errors.Join(err, errors.New("the disk is full"))
}

// Kept gives every declared table: its name, its columns and those of its primary key.
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

// AddKey adds a key to the key file, as the beginning of a rotation does.
func (k *Keyring) AddKey() error { return k.addKey() }

// UpdatePatient is Update for what an operator runs.
func (s *Store) UpdatePatient(ctx context.Context, fn func(*Tx) error) error {
	return s.update(ctx, patient, fn)
}

// SetUpdateMost bounds an Update on PostgreSQL.
func (s *Store) SetUpdateMost(most time.Duration) { s.write.(*retryWriter).most = most }

// TriedAgain is how long after a refusal a change is tried.
const TriedAgain = triedAgain

// PruneAuditPart is one part of PruneAudit.
func (s *Store) PruneAuditPart(ctx context.Context, at string, most int64, before, now time.Time) (removed int64, next string, err error) {
	err = s.Update(ctx, func(tx *Tx) (err error) {
		removed, next, err = tx.pruneAudit(at, most, model.At(before), model.At(now))
		return err
	})
	return removed, next, err
}

// Resolve looks a transaction up in the place of the record's last row, by the mac of its own; "" = by the last row's.
func (s *Store) Resolve(mac string) (committed bool, err error) {
	w := s.write.(*retryWriter)
	var last model.Audit
	if err := s.View(context.Background(), func(tx *ReadTx) error { return tx.loadWhere(&last, "TRUE ORDER BY id DESC LIMIT 1") }); err != nil {
		return false, err
	}
	own := []byte(mac)
	if mac == "" {
		own = last.MAC
	}
	void := last
	void.MAC = []byte("void")
	return w.resolve(context.Background(), &attempt{patience: &patience{losses: s.losses}}, &void, own)
}

// LostCallers bounds how many look for a server that is gone.
const LostCallers = lostCallers

// Waits gives how many do.
func (s *Store) Waits() int64 { return s.losses.waiting.Load() }

// PostgresURL says whether a URL would be used.
func PostgresURL(url string) error {
	_, err := postgresConfig(url)
	return err
}

// Down has the store believe that the server does not answer; IsDown says whether it does.
func (s *Store) Down()        { s.losses.down.Store(true) }
func (s *Store) IsDown() bool { return s.losses.down.Load() }

// InUse gives how many connections for Views, and on PostgreSQL for Updates as well, are taken.
func (s *Store) InUse() int { return s.read.Stats().InUse }

// Unique gives the columns, "table.column", of which the builder takes each value to be one row's.
func Unique() []string { return slices.Collect(maps.Keys(unique)) }
