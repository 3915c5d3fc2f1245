package store_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"tokensmith/model"
	"tokensmith/store"
	"tokensmith/store/storetest"
	"tokensmith/store/storetest/faulty"
)

// On a database that fails at random, before and behind what it does, whose functions run twice, and whose connections are cut where
// it has any: what was acknowledged is there once, what was refused as unavailable is there once or not at all, and the record is whole.
func TestFaultyCounts(t *testing.T) {
	t.Parallel()
	storetest.Databases(t, func(t *testing.T, d *storetest.Database) {
		f := faulty.NewFaults(1, store.IsPostgres(d.URL), 0)
		opened, err := store.Open(t.Context(), d.URL, d.KeyFile, store.WithConnector(faulty.Connector(f.Decide)))
		if err != nil {
			t.Fatal(err)
		}
		defer opened.Close()
		runs := atomic.Int64{}
		s := faulty.Twice(opened, func() bool { return runs.Add(1)%3 == 0 })
		const callers, each = 3, 60
		f.Set(40)
		var done, doubtful atomic.Int64
		var all sync.WaitGroup
		for range callers {
			all.Go(func() {
				for range each {
					err := s.Update(context.Background(), func(tx store.Tx) error {
						value, err := tx.Meta("counter")
						if err != nil {
							return err
						}
						n, _ := strconv.Atoi(string(value))
						return errors.Join(tx.PutMeta("counter", strconv.AppendInt(nil, int64(n+1), 10)), tx.Audit(&model.Audit{Time: 1, Method: "increment"}))
					})
					var known *model.Error
					switch {
					case err == nil:
						done.Add(1)
					case errors.As(err, &known) && known.Kind == model.Unavailable:
						doubtful.Add(1)
					default:
						t.Errorf("an Update gave %v", err)
					}
				}
			})
		}
		all.Wait()
		failed := f.Failed()
		f.Set(0)
		view(t, s, func(tx store.ReadTx) error {
			value, err := tx.Meta("counter")
			n, _ := strconv.ParseInt(string(value), 10, 64)
			if n < done.Load() || n > done.Load()+doubtful.Load() || done.Load() == 0 || failed == 0 {
				t.Errorf("the counter is %d after %d increments, %d of which nobody knows, and %d faults", n, done.Load(), doubtful.Load(), failed)
			}
			return err
		})
		if _, err := s.VerifyAudit(t.Context(), ""); err != nil {
			t.Error(err)
		}
		t.Logf("%d increments, %d of which nobody knows, %d faults", done.Load(), doubtful.Load(), failed)
	})
}

// TestFaultyLogins: the same holds for Updates that share transactions, and no two of them see the same count.
func TestFaultyLogins(t *testing.T) {
	t.Parallel()
	storetest.Databases(t, func(t *testing.T, d *storetest.Database) {
		const users, callers, each = 6, 12, 60
		healthy := d.Open(t)
		for i := range users {
			user(t, healthy, fmt.Sprint("u", i))
		}
		f := faulty.NewFaults(2, store.IsPostgres(d.URL), 0)
		if !store.IsPostgres(d.URL) { // SQLite has one writing process
			if err := healthy.Close(); err != nil {
				t.Fatal(err)
			}
		}
		s, err := store.Open(t.Context(), d.URL, d.KeyFile, store.WithConnector(faulty.Connector(f.Decide)))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		f.Set(15)
		var mu sync.Mutex
		done, doubtful, seen := [users]int64{}, [users]int64{}, map[string]bool{}
		var all sync.WaitGroup
		for i := range callers {
			all.Go(func() {
				for n := range each {
					at := (i + n) % users
					name := fmt.Sprint("u", at)
					got, err := updateAs(s, name, 0)
					var known *model.Error
					mu.Lock()
					switch {
					case err == nil && seen[fmt.Sprint(name, got)]:
						t.Errorf("%s: two made it %d", name, got)
					case err == nil:
						done[at]++
						seen[fmt.Sprint(name, got)] = true
					case errors.As(err, &known) && known.Kind == model.Unavailable:
						doubtful[at]++
					default:
						t.Errorf("an Update gave %v", err)
					}
					mu.Unlock()
				}
			})
		}
		all.Wait()
		failed := f.Failed()
		f.Set(0)
		acknowledged := int64(0)
		for i := range users {
			acknowledged += done[i]
			if n := failures(t, s, fmt.Sprint("u", i)); n < done[i] || n > done[i]+doubtful[i] {
				t.Errorf("u%d: %d after %d that were acknowledged and %d that nobody knows", i, n, done[i], doubtful[i])
			}
		}
		if acknowledged == 0 || failed == 0 {
			t.Errorf("%d were acknowledged, with %d faults", acknowledged, failed)
		}
		t.Logf("%d acknowledged of %d, %d faults", acknowledged, callers*each, failed)
		if _, err := s.VerifyAudit(t.Context(), ""); err != nil {
			t.Error(err)
		}
	})
}

// Whatever runs a function in a transaction runs it again where Twice says so.
func TestFaultyTwiceKnowsEveryTransaction(t *testing.T) {
	t.Parallel()
	storetest.Databases(t, func(t *testing.T, d *storetest.Database) {
		s := reflect.ValueOf(faulty.Twice(d.Open(t), func() bool { return true }))
		methods := reflect.TypeFor[store.Store]()
		seen := 0
		for i := range methods.NumMethod() {
			m := methods.Method(i)
			if m.Type.NumIn() != 2 || m.Type.In(1).Kind() != reflect.Func {
				continue
			}
			runs := 0
			fn := reflect.MakeFunc(m.Type.In(1), func([]reflect.Value) []reflect.Value {
				runs++
				return []reflect.Value{reflect.Zero(reflect.TypeFor[error]())}
			})
			result := s.MethodByName(m.Name).Call([]reflect.Value{reflect.ValueOf(t.Context()), fn})
			if runs != 2 || !result[0].IsNil() {
				t.Errorf("%s: %d runs, %v", m.Name, runs, result[0])
			}
			seen++
		}
		if seen < 5 {
			t.Errorf("only %d methods run functions", seen)
		}
	})
}
