package dispatch

import (
	"context"
	"errors"

	"tokensmith/store"
)

// A change may name an object by what no index serves, such as a telephone number. All logins would wait while its transaction looks
// through a table. So it is looked for beside, on a snapshot, and the change runs anew and looks at nothing but what was found.

// besideError ends a change that has to look for something beside.
type besideError struct {
	key  string
	find func(tx store.ReadTx) (ids []any, err error)
}

func (*besideError) Error() string { return "is looked for beside the change" }

// FoundBeside returns the ids of what was looked for beside the change whose transaction tx is, by a key of the call. Where that
// was not done yet, the error ends the change, and whoever gets it returns it. Not known says that it is looked for in tx: that is no change's, or
// that of an atomic batch, of which a call names what one before it made.
func (c *Call) FoundBeside(tx store.ReadTx, key string, find func(tx store.ReadTx) ([]any, error)) (ids []any, known bool, err error) {
	if _, changes := tx.(store.Tx); !changes || c.LooksInside {
		return nil, false, nil
	}
	if ids, known = c.beside[key]; !known {
		return nil, false, &besideError{key, find}
	}
	return ids, true, nil
}

// besides runs a change, and anew for each thing that is looked for beside it.
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

// EndsForBeside says whether an error ends a change because something is to be looked for beside it.
func EndsForBeside(err error) bool {
	var b *besideError
	return errors.As(err, &b)
}

// LookBeside looks for what a change ended for, so that it can run anew.
func (c *Call) LookBeside(ctx context.Context, ended error) error {
	var b *besideError
	if !errors.As(ended, &b) {
		return ended
	}
	release, err := c.Acquire(ctx, &Plan{View: func(store.ReadTx) (any, error) { return nil, nil }, Long: true}) // for its place
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
