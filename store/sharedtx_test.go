package store_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tokensmith/model"
	"tokensmith/model/modeltest"
	"tokensmith/store"
	"tokensmith/store/storetest"
)

// user makes an active user with a state in the domain d, which it makes with the first one.
func user(t *testing.T, s store.Store, name string) {
	t.Helper()
	err := s.Update(t.Context(), func(tx store.Tx) error {
		found, err := tx.DomainsCalled([]string{"d"})
		if err == nil && len(found) == 0 {
			err = tx.Insert(&model.Domain{ID: "d", Name: "d", NameFolded: "d"})
		}
		if err == nil {
			err = tx.Insert(&model.User{ID: name, DomainID: "d", LoginName: name, LoginNameFolded: name, Status: model.Active})
		}
		if err == nil {
			err = tx.Insert(&model.UserState{UserID: name})
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// count adds one to the failures of a user, and returns how many there are then.
func count(tx store.Tx, name string) (int64, error) {
	login, err := tx.Login(name)
	if err != nil {
		return 0, err
	}
	login.FailCount++
	return login.FailCount, tx.SaveLogin(&login.UserState)
}

// updateAs counts a failure of a user with UpdateSure, and returns how many there are then. kind is how it does so; the kinds 3 to 6
// fail.
func updateAs(s store.Store, name string, kind int) (got int64, err error) {
	mine := errors.New("mine")
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	err = s.UpdateSure(context.Background(), func(tx store.Tx) (err error) {
		switch kind {
		case 4:
			return mine
		case 5:
			panic("mine")
		case 6:
			_, err = tx.Login(name)
			return cmp.Or(err, mine)
		}
		if got, err = count(tx, name); err != nil {
			return err
		}
		if err := tx.Audit(&model.Audit{Time: 1, Method: "count"}); err != nil {
			return err
		}
		switch kind {
		case 3:
			return mine
		case 7:
			return tx.Insert(&model.Repository{ID: fmt.Sprint(name, " ", got), Name: fmt.Sprint(name, " ", got)})
		case 8:
			login, err := tx.Login(name)
			if err == nil && login.FailCount != got {
				err = fmt.Errorf("%d was read, not %d", login.FailCount, got)
			}
			return err
		}
		return nil
	})
	return got, err
}

func failures(t *testing.T, s store.Store, name string) (n int64) {
	t.Helper()
	err := s.View(t.Context(), func(tx store.ReadTx) error {
		login, err := tx.Login(name)
		n = login.FailCount
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestSharedTransactionsLoseNothing: of many Updates that share transactions, of the same users, each sees all that were before
// it, also if some of them fail, panic, end their goroutines, or need a transaction of their own. Two Stores do so at once.
func TestSharedTransactionsLoseNothing(t *testing.T) {
	t.Parallel()
	storetest.Databases(t, func(t *testing.T, d *storetest.Database) {
		stores := []store.Store{d.Open(t), d.Open(t)}
		const users, callers, each = 5, 24, 12
		for i := range users {
			user(t, stores[0], fmt.Sprint("u", i))
		}
		var all sync.WaitGroup
		var mu sync.Mutex
		seen := map[string]bool{}
		var wanted [users]atomic.Int64
		for i := range callers {
			all.Go(func() {
				for n := range each {
					at := (i + n) % users
					name, kind := fmt.Sprint("u", at), (i*each+n)%9
					got, err := updateAs(stores[i%2], name, kind)
					fails := kind >= 3 && kind <= 6
					var e *model.Error
					switch {
					case fails && err == nil:
						t.Errorf("kind %d gave no error", kind)
					case !fails && err == nil:
						wanted[at].Add(1)
						mu.Lock()
						if key := fmt.Sprint(name, " ", got); seen[key] {
							t.Errorf("%s was counted twice", key)
						} else {
							seen[key] = true
						}
						mu.Unlock()
					case !fails && (!errors.As(err, &e) || e.Kind != model.Unavailable): // others may have spoilt it
						t.Errorf("kind %d gave %v", kind, err)
					}
				}
			})
		}
		all.Wait()
		for i := range users {
			if got, want := failures(t, stores[0], fmt.Sprint("u", i)), wanted[i].Load(); got != want {
				t.Errorf("u%d: %d, not %d", i, got, want)
			}
		}
		if _, err := stores[1].VerifyAudit(t.Context(), ""); err != nil {
			t.Error(err)
		}
	})
}

// TestLoginsBesideALongTransaction: however many logins come while a long transaction runs, none is refused. PostgreSQL remembers a
// limited number of serializable transactions for as long as an older one runs, and takes what it has forgotten for a conflict.
func TestLoginsBesideALongTransaction(t *testing.T) {
	t.Parallel()
	d := storetest.NewPostgres(t)
	s := d.Open(t)
	const users, callers = 40, 40
	for i := range users {
		user(t, s, fmt.Sprint("u", i))
	}
	logins := modeltest.Size(400, 150)
	began, end, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- s.UpdateLong(context.Background(), func(tx store.Tx) error {
			if err := tx.Insert(&model.User{ID: "new", DomainID: "d", LoginName: "new", LoginNameFolded: "new", Status: model.Active}); err != nil {
				return err
			}
			if began != nil {
				close(began)
				began = nil
			}
			for {
				if _, err := tx.Login("u0"); err != nil { // PostgreSQL ends a transaction that is idle for too long
					return err
				}
				select {
				case <-end:
					return nil
				case <-time.After(100 * time.Millisecond):
				}
			}
		})
	}()
	<-began
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			for range logins {
				err := s.UpdateSure(context.Background(), func(tx store.Tx) error {
					_, err := count(tx, fmt.Sprint("u", i))
					return err
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	close(end)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for i := range users {
		if n := failures(t, s, fmt.Sprint("u", i)); n != int64(logins) {
			t.Errorf("u%d: %d", i, n)
		}
	}
}
