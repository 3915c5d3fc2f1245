package faulty

import (
	"context"
	"errors"

	"tokensmith/store"
)

// Twice is a Store that runs a function again where again says so: once in a part of the transaction that is undone, and then for
// good, as a conflict or a lost connection would have it. What a function does outside its transaction it has done twice then.
func Twice(s store.Store, again func() bool) store.Store { return &twice{s, again} }

type twice struct {
	store.Store
	again func() bool
}

var errAgain = errors.New("faulty: once more")

func (s *twice) update(fn func(store.Tx) error) func(store.Tx) error {
	return func(tx store.Tx) error {
		if s.again() {
			err := tx.Try(func(tx store.Tx) error {
				fn(tx) // whatever it says: it ran in vain
				return errAgain
			})
			if !errors.Is(err, errAgain) {
				return err // the whole transaction's fault
			}
		}
		return fn(tx)
	}
}

func (s *twice) Update(ctx context.Context, fn func(store.Tx) error) error {
	return s.Store.Update(ctx, s.update(fn))
}

func (s *twice) UpdateShared(ctx context.Context, fn func(store.Tx) error) error {
	return s.Store.UpdateShared(ctx, s.update(fn))
}

func (s *twice) UpdateAlone(ctx context.Context, fn func(store.Tx) error) error {
	return s.Store.UpdateAlone(ctx, s.update(fn))
}

func (s *twice) UpdateLong(ctx context.Context, fn func(store.Tx) error) error {
	return s.Store.UpdateLong(ctx, s.update(fn))
}

func (s *twice) view(fn func(store.ReadTx) error) func(store.ReadTx) error {
	return func(tx store.ReadTx) error {
		if s.again() {
			fn(tx)
			if err := tx.Failed(); err != nil {
				return err
			}
			tx.SetScope(nil)
		}
		return fn(tx)
	}
}

func (s *twice) View(ctx context.Context, fn func(store.ReadTx) error) error {
	return s.Store.View(ctx, s.view(fn))
}

func (s *twice) ViewOne(ctx context.Context, fn func(store.ReadTx) error) error {
	return s.Store.ViewOne(ctx, s.view(fn))
}
