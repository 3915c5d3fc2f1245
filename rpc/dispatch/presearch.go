package dispatch

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"tokensmith/store"
)

// A change may name an object by an attribute that has no index, such as a telephone number. A search through a whole table
// inside the change's transaction would make all logins wait. So the server searches on a snapshot, outside the transaction, and
// then runs the change again. The second run reads only the rows that the search found. Such a search is called a presearch.

// searchNeeded ends a change that first needs a search outside its transaction.
type searchNeeded struct {
	key   string
	scope store.Scope // of the change
	find  func(tx store.ReadTx) (ids []any, err error)
}

// presearched is the result of a search in a scope.
type presearched struct {
	scope store.Scope
	ids   []any
}

func (*searchNeeded) Error() string {
	return "an object must first be searched for outside the transaction"
}

// PresearchedIDs returns the ids that a search outside the change's transaction tx found, in the scope that tx has now. key names
// the search within the call. If the search has not been done in this scope yet, PresearchedIDs returns an error that ends the
// change, and the caller must return that error. If tx is that of an atomic batch, it searches in tx, because an earlier call of
// the batch may have made the object. If tx is not the transaction of a change, known is false, and the caller must search itself.
func (c *Call) PresearchedIDs(tx store.ReadTx, key string, find func(tx store.ReadTx) ([]any, error)) (ids []any, known bool, err error) {
	change, changes := tx.(store.Tx)
	if !changes {
		return nil, false, nil
	}
	if c.Searches != nil {
		err = c.Searches.Run(change, func() (err error) { ids, err = find(tx); return err })
		return ids, true, err
	}
	scope := tx.Scope()
	for _, done := range c.presearched[key] {
		if reflect.DeepEqual(done.scope, scope) {
			return done.ids, true, nil
		}
	}
	return nil, false, &searchNeeded{key, scope, find}
}

// Searches are the searches that an atomic batch does inside its transaction. Together they get little time, because all logins
// wait for them on SQLite.
type Searches struct{ left time.Duration }

// MaxSearches is the time that all Searches of a batch may take together.
const MaxSearches = 200 * time.Millisecond

// NewSearches returns the Searches of one run of a batch.
func NewSearches() *Searches { return &Searches{MaxSearches} }

// Run runs a search in the transaction of the batch. If the time of the Searches ends, the transaction is refused.
func (s *Searches) Run(tx store.Tx, search func() error) error {
	end := tx.TimeLimit(s.left, fmt.Sprintf("the searches of an atomic batch take longer than %s, which all logins would wait for: nothing is "+
		"changed; search before the batch and name objects by id, or leave out \"atomic\"", MaxSearches))
	began, left := time.Now(), s.left
	err := search()
	end()
	s.left = left - time.Since(began) // what a search within this one took is counted once
	return err
}

// withPresearches runs a change, and runs it again after each search outside its transaction.
func (c *Call) withPresearches(ctx context.Context, change func() error) error {
	for {
		err := change()
		if !NeedsPresearch(err) {
			return err
		}
		if err := c.Presearch(ctx, err); err != nil {
			return err
		}
	}
}

// NeedsPresearch returns whether an error ended a change because a search outside its transaction is needed.
func NeedsPresearch(err error) bool {
	var needed *searchNeeded
	return errors.As(err, &needed)
}

// Presearch does the search that an ended change needs, so that the change can run again.
func (c *Call) Presearch(ctx context.Context, ended error) error {
	var needed *searchNeeded
	if !errors.As(ended, &needed) {
		return ended
	}
	// It takes the place of a long read.
	release, err := c.Acquire(ctx, &Plan{View: func(store.ReadTx) (any, error) { return nil, nil }, Long: true})
	if err != nil {
		return err
	}
	defer release()
	return c.Server.Config.Store.View(ctx, func(tx store.ReadTx) error {
		tx.SetScope(needed.scope)
		ids, err := needed.find(tx)
		if err != nil {
			return err
		}
		if c.presearched == nil {
			c.presearched = map[string][]presearched{}
		}
		c.presearched[needed.key] = append(c.presearched[needed.key], presearched{needed.scope, ids})
		return nil
	})
}
