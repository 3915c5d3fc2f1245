package dispatch

import (
	"context"
	"errors"

	"tokensmith/store"
)

// A change may name an object by an attribute that has no index, such as a telephone number. A search through a whole table
// inside the change's transaction would make all logins wait. So the server searches on a snapshot, outside the transaction, and
// then runs the change again. The second run reads only the rows that the search found.

// besideError ends a change that first needs a search outside its transaction.
type besideError struct {
	key  string
	find func(tx store.ReadTx) (ids []any, err error)
}

func (*besideError) Error() string { return "is looked for beside the change" }

// FoundBeside returns the ids that a search outside the change's transaction tx found. key names the search within the call. If
// the search has not been done yet, FoundBeside returns an error that ends the change, and the caller must return that error. If
// known is false without an error, the caller must search in tx itself. That is the case if tx is not the transaction of a
// change, or if it is that of an atomic batch, where a call may name an object that an earlier call of the batch made.
func (c *Call) FoundBeside(tx store.ReadTx, key string, find func(tx store.ReadTx) ([]any, error)) (ids []any, known bool, err error) {
	if _, changes := tx.(store.Tx); !changes || c.LooksInside {
		return nil, false, nil
	}
	if ids, known = c.beside[key]; !known {
		return nil, false, &besideError{key, find}
	}
	return ids, true, nil
}

// besides runs a change, and runs it again after each search outside its transaction.
func (c *Call) besides(ctx context.Context, change func() error) error {
	for {
		err := change()
		if !EndsForBeside(err) {
			return err
		}
		if err := c.LookBeside(ctx, err); err != nil {
			return err
		}
	}
}

// EndsForBeside returns whether an error ended a change because a search outside its transaction is needed.
func EndsForBeside(err error) bool {
	var b *besideError
	return errors.As(err, &b)
}

// LookBeside does the search that an ended change needs, so that the change can run again.
func (c *Call) LookBeside(ctx context.Context, ended error) error {
	var b *besideError
	if !errors.As(ended, &b) {
		return ended
	}
	release, err := c.Acquire(ctx, &Plan{View: func(store.ReadTx) (any, error) { return nil, nil }, Long: true}) // takes the place of a long read
	if err != nil {
		return err
	}
	defer release()
	return c.Server.Config.Store.View(ctx, func(tx store.ReadTx) error {
		tx.Limit(c.Scope)
		ids, err := b.find(tx)
		if c.beside == nil {
			c.beside = map[string][]any{}
		}
		c.beside[b.key] = ids
		return err
	})
}
