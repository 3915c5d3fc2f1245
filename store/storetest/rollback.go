package storetest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"tokensmith/model"
	"tokensmith/store"
)

var rollbackCases = []contractCase{
	{"rollback/on an error", rollbackError},
	{"rollback/on a panic", rollbackPanic},
	{"rollback/when the goroutine ends", rollbackGoexit},
}

func rollbackError(t *testing.T, d *Database) {
	s := d.Open(t)
	w := newWorld(t, s)
	mine := errors.New("mine")
	err := s.Update(context.Background(), func(tx store.Tx) error {
		w.token.Serial = "changed"
		err := errors.Join(tx.Insert(newRepository()), tx.Save(w.token), tx.Delete(&model.TokenState{TokenID: w.token.ID}))
		if err != nil {
			return err
		}
		return mine
	})
	if err != mine {
		t.Errorf("Update gave %v, not what its function gave", err)
	}
	if got := repositories(t, s); len(got) != 1 {
		t.Errorf("kept: %q", got)
	}
	view(t, s, func(tx store.ReadTx) error {
		var tok model.Token
		err := errors.Join(tx.Load(&tok, w.token.ID), tx.Load(new(model.TokenState), w.token.ID))
		if tok.Serial == "changed" {
			t.Error("a change was kept")
		}
		return err
	})
}

func rollbackPanic(t *testing.T, d *Database) {
	s := d.Open(t)
	func() {
		defer func() {
			if p := recover(); p != "mine" {
				t.Errorf("recovered %v", p)
			}
		}()
		s.Update(context.Background(), func(tx store.Tx) error {
			if err := tx.Insert(newRepository()); err != nil {
				t.Error(err)
			}
			panic("mine")
		})
		t.Error("Update returned after a panic")
	}()
	if got := repositories(t, s); got != nil {
		t.Errorf("kept: %q", got)
	}
	func() {
		defer func() { recover() }()
		s.View(context.Background(), func(store.ReadTx) error { panic("mine") })
	}()
	insert(t, s, newRepository())
}

// rollbackGoexit: t.FailNow inside a transaction ends the goroutine. It must not end the store.
func rollbackGoexit(t *testing.T, d *Database) {
	s := d.Open(t)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Update(context.Background(), func(tx store.Tx) error {
			if err := tx.Insert(newRepository()); err != nil {
				t.Error(err)
			}
			runtime.Goexit()
			return nil
		})
	}()
	awaits(t, ended, "an Update whose goroutine ends")
	if got := repositories(t, s); got != nil {
		t.Errorf("kept: %q", got)
	}
	insert(t, s, newRepository())
}

var groupCases = []contractCase{
	{"group/neighbours are undisturbed", neighbours},
	{"group/the record of neighbours is whole", neighboursRecord},
	{"group/one that was sure and fails", sureFails},
	{"group/each reads its own", togetherReads},
	{"group/close waits", closeWaits},
	{"group/closed is Unavailable", closedUnavailable},
}

// neighbours: many Updates wait together. Some of them fail, panic, or are refused. Each is all or nothing.
func neighbours(t *testing.T, d *Database) {
	s := d.Open(t)
	insert(t, s, repository("taken"))
	release := occupy(t, d.Updates, func(inside func()) error {
		return s.Update(context.Background(), func(tx store.Tx) error { inside(); return nil })
	})
	const many = 60
	var group, started sync.WaitGroup
	want := []string{"taken"}
	for i := range many {
		name := fmt.Sprintf("n%02d", i)
		if i%4 == 0 {
			want = append(want, name, name+"b")
		}
		started.Add(1)
		group.Go(func() {
			defer func() {
				if p := recover(); (p != nil) != (i%4 == 1) {
					t.Errorf("%d recovered %v", i, p)
				}
			}()
			started.Done()
			err := s.Update(context.Background(), func(tx store.Tx) error {
				if err := insertAll(tx, repository(name), repository(name+"b")); err != nil {
					return err
				}
				switch i % 4 {
				case 1:
					panic("in the middle")
				case 2:
					return errors.New("in the middle")
				case 3:
					return tx.Insert(repository("taken"))
				}
				return nil
			})
			if (err == nil) != (i%4 == 0) {
				t.Errorf("%d gave %v", i, err)
			}
			if i%4 == 3 {
				var e *model.Error
				if !errors.As(err, &e) || e.Kind != model.Exists {
					t.Errorf("%d gave %v", i, err)
				}
			}
		})
	}
	started.Wait()
	release()
	group.Wait()
	slices.Sort(want)
	if got := repositories(t, s); !slices.Equal(got, want) {
		t.Errorf("kept %q\nnot  %q", got, want)
	}
}

// Together runs Updates that wait together until all have ended, each by its number.
func Together(t *testing.T, d *Database, s store.Store, many int, run func(i int)) {
	t.Helper()
	release := occupy(t, d.Updates, func(inside func()) error {
		s.Update(context.Background(), func(tx store.Tx) error { inside(); return nil }) // what becomes of it is no matter
		return nil
	})
	var group, started sync.WaitGroup
	for i := range many {
		started.Add(1)
		group.Go(func() {
			started.Done()
			run(i)
		})
	}
	started.Wait()
	release()
	group.Wait()
}

// wantRecord wants a record of so many rows that have a method, whole.
func wantRecord(t *testing.T, s store.Store, method string, want int64) {
	t.Helper()
	if _, err := s.VerifyAudit(context.Background(), ""); err != nil {
		t.Error(err)
	}
	view(t, s, func(tx store.ReadTx) error {
		n, err := tx.Count(&store.Query{Table: "audit", Where: []store.Cond{{Column: "method", Op: store.Eq, Value: method}}})
		if n != want {
			t.Errorf("%d rows of the record, not %d", n, want)
		}
		return err
	})
}

// neighboursRecord: many Updates wait together, which write few rows of the record or many, read it, and fail in a part or as a
// whole. Each one's rows are there or not as it is.
func neighboursRecord(t *testing.T, d *Database) {
	s := d.Open(t)
	const many = 60
	rows := func(tx store.Tx, n int, method string) error {
		for range n {
			if err := tx.Audit(&model.Audit{Time: 1, Method: method}); err != nil {
				return err
			}
		}
		return nil
	}
	var want int64
	for i := range many {
		if i%4 != 1 {
			want += int64(1 + i%3*70)
		}
	}
	Together(t, d, s, many, func(i int) {
		n, mine := 1+i%3*70, fmt.Sprint("mine", i)
		err := s.Update(context.Background(), func(tx store.Tx) error {
			if err := rows(tx, n, "kept"); err != nil {
				return err
			}
			switch i % 4 {
			case 1:
				return errors.New("in the middle")
			case 2:
				failed := errors.New("in a part")
				if err := tx.Try(func(tx store.Tx) error { return errors.Join(rows(tx, n, "kept"), failed) }); !errors.Is(err, failed) {
					return fmt.Errorf("the part gave %w", err)
				}
			case 3:
				if err := rows(tx, n, mine); err != nil {
					return err
				}
				found, err := tx.Count(&store.Query{Table: "audit", Where: []store.Cond{{Column: "method", Op: store.Eq, Value: mine}}})
				if err != nil || found != int64(n) {
					return fmt.Errorf("%d of %d rows are seen: %w", found, n, err)
				}
			}
			return nil
		})
		if (err == nil) != (i%4 != 1) {
			t.Errorf("%d gave %v", i, err)
		}
	})
	wantRecord(t, s, "kept", want)
}

// sureFails: an UpdateShared that fails leaves nothing, and takes others along only where it had written.
func sureFails(t *testing.T, d *Database) {
	s := d.Open(t)
	for _, writes := range []bool{false, true} {
		var mu sync.Mutex
		var want []string
		kept := int64(0)
		Together(t, d, s, 40, func(i int) {
			name := fmt.Sprintf("%v%02d", writes, i)
			fails := i%8 == 5
			err := s.UpdateShared(context.Background(), func(tx store.Tx) error {
				if !fails || writes {
					if err := tx.Insert(repository(name)); err != nil {
						return err
					}
					if err := tx.Audit(&model.Audit{Time: 1, Method: fmt.Sprint("sure", writes)}); err != nil {
						return err
					}
				}
				if fails {
					return errors.New("all the same")
				}
				return nil
			})
			var e *model.Error
			switch {
			case err == nil && !fails:
				mu.Lock()
				defer mu.Unlock()
				want = append(want, name)
				kept++
			case fails && err != nil:
			case !fails && writes && errors.As(err, &e) && e.Kind == model.Unavailable:
			default:
				t.Errorf("%s gave %v", name, err)
			}
		})
		var got []string
		for _, name := range repositories(t, s) {
			if strings.HasPrefix(name, fmt.Sprint(writes)) {
				got = append(got, name)
			}
		}
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("kept %q\nnot  %q", got, want)
		}
		wantRecord(t, s, fmt.Sprint("sure", writes), kept)
	}
}

func closeWaits(t *testing.T, d *Database) {
	s := d.Open(t)
	ready, gate := make(chan struct{}), make(chan struct{})
	result, closed := make(chan error, 1), make(chan error, 1)
	go func() {
		result <- s.Update(context.Background(), func(tx store.Tx) error {
			close(ready)
			<-gate
			return tx.Insert(repository("under way"))
		})
	}()
	awaits(t, ready, "an Update")
	go func() { closed <- s.Close() }()
	// Updates are accepted until Close has begun. After that none is accepted, and the running one continues.
	for {
		ctx, cancel := context.WithTimeout(context.Background(), grace)
		err := s.Update(ctx, func(store.Tx) error { return nil })
		cancel()
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			wantKind(t, err, model.Unavailable)
			break
		}
	}
	select {
	case <-closed:
		t.Error("Close did not wait for an Update")
	default:
	}
	close(gate)
	if err := awaits(t, result, "the Update under way"); err != nil {
		t.Error("Update: ", err)
	}
	if err := awaits(t, closed, "Close"); err != nil {
		t.Error("Close: ", err)
	}
	if got := repositories(t, d.Open(t)); len(got) != 1 {
		t.Errorf("kept: %q", got)
	}
}

func closedUnavailable(t *testing.T, d *Database) {
	s := d.Open(t)
	for range 2 { // closing twice does no harm
		if err := s.Close(); err != nil {
			t.Error("Close: ", err)
		}
	}
	wantKind(t, s.Update(context.Background(), func(store.Tx) error { t.Error("ran"); return nil }), model.Unavailable)
	wantKind(t, s.View(context.Background(), func(store.ReadTx) error { t.Error("ran"); return nil }), model.Unavailable)
}
