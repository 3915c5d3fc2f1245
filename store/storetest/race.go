package storetest

import (
	"context"
	"sync"
	"testing"
	"time"

	"tokensmith/model"
	"tokensmith/store"
)

var raceCases = []contractCase{
	{"race/lost update", lostUpdate},
	{"race/many updates", manyUpdates},
	{"race/write skew", writeSkew},
	{"race/opposite order", oppositeOrder},
	{"race/one of many is first", oneOfMany},
	{"race/durable when returned", durable},
	{"race/a view is one snapshot", oneSnapshot},
}

// meeting lets two transactions both read before either writes, if the database allows that. If it has only one writer, the
// second transaction begins after the first has ended, and then continues alone.
type meeting struct {
	mu   sync.Mutex
	come int
	both chan struct{}
}

func newMeeting() *meeting { return &meeting{both: make(chan struct{})} }

func (m *meeting) wait() {
	m.mu.Lock()
	m.come++
	if m.come == 2 {
		close(m.both)
	}
	m.mu.Unlock()
	select {
	case <-m.both:
	case <-time.After(grace):
	}
}

func increment(tx store.Tx, tokenID string, between func()) error {
	var state model.TokenState
	if err := tx.Load(&state, tokenID); err != nil {
		return err
	}
	between()
	state.Counter++
	return tx.Save(&state)
}

func wantCounter(t *testing.T, s store.Store, tokenID string, want int64) {
	t.Helper()
	view(t, s, func(tx store.ReadTx) error {
		var state model.TokenState
		err := tx.Load(&state, tokenID)
		if state.Counter != want {
			t.Errorf("the counter is %d after %d increments", state.Counter, want)
		}
		return err
	})
}

func lostUpdate(t *testing.T, d *Database) {
	one, two := d.Open(t), d.Open(t)
	w := newWorld(t, one)
	for _, pair := range [][2]store.Store{{one, one}, {one, two}} {
		m := newMeeting()
		var group sync.WaitGroup
		for _, s := range pair {
			group.Go(func() {
				err := s.Update(context.Background(), func(tx store.Tx) error { return increment(tx, w.token.ID, m.wait) })
				if err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
	}
	wantCounter(t, two, w.token.ID, 4)
}

func manyUpdates(t *testing.T, d *Database) {
	stores := []store.Store{d.Open(t), d.Open(t)}
	w := newWorld(t, stores[0])
	const goroutines, rounds = 6, 10
	var group sync.WaitGroup
	for i := range goroutines {
		group.Go(func() {
			for range rounds {
				err := stores[i%2].Update(context.Background(), func(tx store.Tx) error { return increment(tx, w.token.ID, func() {}) })
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	wantCounter(t, stores[1], w.token.ID, goroutines*rounds)
}

// writeSkew: two transactions each read that a row does not exist, and each insert one elsewhere.
func writeSkew(t *testing.T, d *Database) {
	one, two := d.Open(t), d.Open(t)
	w := newWorld(t, one)
	tokens := []*model.Token{w.token, newToken(w.product, w.repository)}
	insert(t, one, tokens[1])
	m := newMeeting()
	var group sync.WaitGroup
	for i, s := range []store.Store{one, two} {
		group.Go(func() {
			err := s.Update(context.Background(), func(tx store.Tx) error {
				n, err := tx.AssignedOfProduct(w.user.ID, w.product.ID)
				m.wait()
				if err != nil || n > 0 {
					return err
				}
				return tx.Insert(newAssignment(tokens[i], w.user))
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	view(t, one, func(tx store.ReadTx) error {
		n, err := tx.AssignedOfProduct(w.user.ID, w.product.ID)
		if n != 1 {
			t.Errorf("%d assignments, each made because there was none", n)
		}
		return err
	})
}

// oppositeOrder: two transactions change the same two rows in opposite order. The resulting deadlock must not be the caller's
// problem.
func oppositeOrder(t *testing.T, d *Database) {
	stores := []store.Store{d.Open(t), d.Open(t)}
	w := newWorld(t, stores[0])
	other := newToken(w.product, w.repository)
	insert(t, stores[0], other, &model.TokenState{TokenID: other.ID})
	ids := []string{w.token.ID, other.ID}
	m := newMeeting()
	var group sync.WaitGroup
	for i, s := range stores {
		group.Go(func() {
			err := s.Update(context.Background(), func(tx store.Tx) error {
				if err := increment(tx, ids[i], func() {}); err != nil {
					return err
				}
				m.wait()
				return increment(tx, ids[1-i], func() {})
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	wantCounter(t, stores[0], ids[0], 2)
	wantCounter(t, stores[1], ids[1], 2)
}

func oneOfMany(t *testing.T, d *Database) {
	stores := []store.Store{d.Open(t), d.Open(t)}
	const racers = 12
	results := make(chan error, racers)
	for i := range racers {
		go func() {
			results <- stores[i%2].Update(context.Background(), func(tx store.Tx) error { return tx.Insert(repository("the one")) })
		}()
	}
	made := 0
	for range racers {
		err := awaits(t, results, "an Update")
		if err == nil {
			made++
			continue
		}
		wantKind(t, err, model.Exists)
	}
	if made != 1 {
		t.Errorf("%d made a unique name", made)
	}
}

// durable: every other process immediately sees what was acknowledged.
func durable(t *testing.T, d *Database) {
	one, two := d.Open(t), d.Open(t)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 10 {
				r := newRepository()
				err := one.Update(context.Background(), func(tx store.Tx) error { return tx.Insert(r) })
				if err == nil {
					err = two.View(context.Background(), func(tx store.ReadTx) error { return tx.Load(new(model.Repository), r.ID) })
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}

func oneSnapshot(t *testing.T, d *Database) {
	s := d.Open(t)
	view(t, s, func(tx store.ReadTx) error {
		q := &store.Query{Table: "repositories"}
		before, err := tx.Count(q)
		if err != nil {
			return err
		}
		insert(t, s, newRepository())
		after, err := tx.Count(q)
		if before != after {
			t.Errorf("a View saw %d rows, then %d", before, after)
		}
		return err
	})
	view(t, s, func(tx store.ReadTx) error {
		if _, writes := tx.(store.Tx); writes {
			t.Error("a View was given a transaction that writes")
		}
		return nil
	})
}
