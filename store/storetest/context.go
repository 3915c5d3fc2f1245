package storetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tokensmith/model"
	"tokensmith/store"
)

var contextCases = []contractCase{
	{"context/ended before", endedBefore},
	{"context/an update that waits is not run", endedWaiting},
	{"context/an update that runs is carried through", carriedThrough},
	{"context/a view that waits ends", endedView},
	{"context/a long search ends", endedSearch},
	{"context/a refused credential commits", refusedCommits},
}

func endedBefore(t *testing.T, d *Database) {
	s := d.Open(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Update(ctx, func(store.Tx) error { t.Error("Update ran"); return nil }); !errors.Is(err, context.Canceled) {
		t.Error("Update: ", err)
	}
	if err := s.View(ctx, func(store.ReadTx) error { t.Error("View ran"); return nil }); !errors.Is(err, context.Canceled) {
		t.Error("View: ", err)
	}
}

// occupy starts n Views or Updates with run and waits until all have begun. release lets them continue and waits for them.
func occupy(t *testing.T, n int, run func(inside func()) error) (release func()) {
	inside, gate := make(chan struct{}, n), make(chan struct{})
	var group sync.WaitGroup
	for range n {
		group.Go(func() {
			if err := run(func() { inside <- struct{}{}; <-gate }); err != nil {
				t.Error(err)
			}
		})
	}
	release = sync.OnceFunc(func() { close(gate); group.Wait() })
	t.Cleanup(release)
	for range n {
		awaits(t, inside, "to get inside")
	}
	return release
}

func endedWaiting(t *testing.T, d *Database) {
	s := d.Open(t)
	release := occupy(t, d.Updates, func(inside func()) error {
		return s.Update(context.Background(), func(store.Tx) error { inside(); return nil })
	})
	const waiting = 5
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, waiting)
	for range waiting {
		go func() {
			ended <- s.Update(ctx, func(store.Tx) error { t.Error("an Update ran whose context had ended"); return nil })
		}()
	}
	select {
	case err := <-ended:
		t.Error("an Update did not wait: ", err)
	case <-time.After(grace):
	}
	cancel()
	for range waiting {
		if err := awaits(t, ended, "an Update whose context ended"); !errors.Is(err, context.Canceled) {
			t.Error("Update: ", err)
		}
	}
	release()
	insert(t, s, newRepository())
}

func carriedThrough(t *testing.T, d *Database) {
	s := d.Open(t)
	before := newRepository()
	insert(t, s, before)
	ctx, cancel := context.WithCancel(context.Background())
	rows := []*model.Repository{newRepository(), newRepository()}
	err := s.Update(ctx, func(tx store.Tx) error {
		if err := tx.Insert(rows[0]); err != nil {
			return err
		}
		cancel()
		time.Sleep(grace / 4) // time for anything that watches the context
		if _, err := tx.Find(&store.Query{Table: "repositories", Columns: []store.Column{{Name: "id"}}, Limit: 5}); err != nil {
			return err
		}
		if _, err := tx.Count(&store.Query{Table: "repositories"}); err != nil {
			return err
		}
		if err := tx.Load(new(model.Repository), before.ID); err != nil {
			return err
		}
		return tx.Insert(rows[1])
	})
	if err != nil {
		t.Error("Update: ", err)
	}
	if got := repositories(t, s); len(got) != 3 {
		t.Errorf("kept: %q", got)
	}
}

func endedView(t *testing.T, d *Database) {
	s := d.Open(t)
	occupy(t, d.Views, func(inside func()) error {
		return s.View(context.Background(), func(store.ReadTx) error { inside(); return nil })
	})
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- s.View(ctx, func(store.ReadTx) error { t.Error("View ran"); return nil }) }()
	if err := awaits(t, ended, "a View whose context ended"); !errors.Is(err, context.DeadlineExceeded) {
		t.Error("View: ", err)
	}
}

func endedSearch(t *testing.T, d *Database) {
	s := d.Open(t)
	// Every condition is true, so each one searches the long text of each row.
	const rows, length, conds = 400, 20_000, 400
	var list []model.Repository
	for range rows {
		r := newRepository()
		r.Description = strings.Repeat("a", length) + "b"
		list = append(list, *r)
	}
	update(t, s, func(tx store.Tx) error { _, err := tx.InsertMany(list, false); return err })
	q := &store.Query{Table: "repositories", Columns: []store.Column{{Name: "id"}}, Limit: rows,
		Where: slices.Repeat([]store.Cond{{Column: "description", Op: store.Like, Value: "%b"}}, conds)}
	for name, search := range map[string]func(tx store.ReadTx) error{
		"Find":  func(tx store.ReadTx) error { _, err := tx.Find(q); return err },
		"Count": func(tx store.ReadTx) error { _, err := tx.Count(q); return err },
	} {
		// The search takes about twenty times as long.
		ctx, cancel := context.WithTimeout(context.Background(), grace/4)
		err := s.View(ctx, search)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
	}
	view(t, s, func(tx store.ReadTx) error { return tx.Load(new(model.Repository), list[0].ID) })
}

// refusedCommits: a refused credential is a result, not an error. It is counted even if the caller has disconnected.
func refusedCommits(t *testing.T, d *Database) {
	one, two := d.Open(t), d.Open(t)
	w := newWorld(t, one)
	ctx, cancel := context.WithCancel(context.Background())
	var outcome error
	err := one.Update(ctx, func(tx store.Tx) error {
		var state model.UserState
		if err := tx.Load(&state, w.user.ID); err != nil {
			return err
		}
		state.FailCount++
		cancel()
		outcome = model.Errorf(model.WrongCredential, "wrong")
		return tx.Save(&state)
	})
	if err != nil {
		t.Error("Update: ", err)
	}
	wantKind(t, outcome, model.WrongCredential)
	view(t, two, func(tx store.ReadTx) error {
		var state model.UserState
		err := tx.Load(&state, w.user.ID)
		if state.FailCount != 1 {
			t.Errorf("%d failures counted", state.FailCount)
		}
		return err
	})
}
