package store_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
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

// updateAs counts a failure of a user with UpdateShared, and returns how many there are then. kind is how it does so; the kinds 3 to 6
// fail.
func updateAs(s store.Store, name string, kind int) (got int64, err error) {
	mine := errors.New("mine")
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	err = s.UpdateShared(context.Background(), func(tx store.Tx) (err error) {
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
	hasBegun := sync.OnceFunc(func() { close(began) }) // the transaction may run again
	go func() {
		ended <- s.UpdateLong(context.Background(), func(tx store.Tx) error {
			if err := tx.Insert(&model.User{ID: "new", DomainID: "d", LoginName: "new", LoginNameFolded: "new", Status: model.Active}); err != nil {
				return err
			}
			hasBegun()
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
				err := s.UpdateShared(context.Background(), func(tx store.Tx) error {
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

// sharing runs many Updates of users u1 and on, in a loop, until stop is closed, and returns how many were made. None may fail.
func sharing(t *testing.T, s store.Store, callers int, stop <-chan struct{}) (made int64) {
	t.Helper()
	var n atomic.Int64
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				err := s.UpdateShared(context.Background(), func(tx store.Tx) error {
					_, err := count(tx, fmt.Sprint("u", i+1))
					return err
				})
				if err != nil {
					t.Errorf("u%d: %v", i+1, err)
					return
				}
				n.Add(1)
			}
		})
	}
	all.Wait()
	return n.Load()
}

// TestSharedTransactionsKeepErrorsApart: a statement that the database refuses fails only the Update that sent it, also if that was
// its query, which goes out together with those of others, or one that is sent at the end. So does a panic while rows are read, and
// the end of the goroutine.
func TestSharedTransactionsKeepErrorsApart(t *testing.T) {
	t.Parallel()
	const callers = 12
	for name, fails := range map[string]func(tx store.Tx) error{
		"query": func(tx store.Tx) error {
			_, err := tx.Login("no\x00text")
			return err
		},
		"end": func(tx store.Tx) error { return tx.AddressKnown("nobody", "192.0.2.1", 1) },
		"panic": func(tx store.Tx) error {
			return tx.Each(&store.Query{Table: "users", Columns: []store.Column{{Name: "id"}}, Limit: 1}, func(store.Row) error { panic("mine") })
		},
		"goexit": func(store.Tx) error {
			runtime.Goexit()
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := storetest.NewPostgres(t).Open(t)
			for i := range callers + 1 {
				user(t, s, fmt.Sprint("u", i))
			}
			stop := make(chan struct{})
			go func() {
				defer close(stop)
				for range 10 {
					ended := make(chan bool)
					go func() {
						refused := false
						defer func() {
							recover()
							ended <- refused
						}()
						refused = s.UpdateShared(context.Background(), fails) == nil
					}()
					if <-ended {
						t.Error("it gave no error")
					}
				}
			}()
			if sharing(t, s, callers, stop) == 0 {
				t.Error("no Update was made")
			}
			if _, err := s.VerifyAudit(t.Context(), ""); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestLoginsBesideALockedUser: while a long transaction has changed a user, only logins of that user wait.
func TestLoginsBesideALockedUser(t *testing.T) {
	t.Parallel()
	s := storetest.NewPostgres(t).Open(t)
	const callers = 12
	for i := range callers + 1 {
		user(t, s, fmt.Sprint("u", i))
	}
	began, end, ended := make(chan struct{}), make(chan struct{}), make(chan error, 2)
	var once sync.Once
	go func() {
		ended <- s.UpdateLong(context.Background(), func(tx store.Tx) error {
			if _, err := count(tx, "u0"); err != nil {
				return err
			}
			for {
				if _, err := tx.Login("u0"); err != nil { // sends the change
					return err
				}
				once.Do(func() { close(began) })
				select {
				case <-end:
					return nil
				case <-time.After(100 * time.Millisecond):
				}
			}
		})
	}()
	<-began
	locked := make(chan struct{})
	go func() {
		close(locked)
		_, err := updateAs(s, "u0", 0)
		ended <- err
	}()
	<-locked
	stop := make(chan struct{})
	time.AfterFunc(3*time.Second, func() { close(stop) })
	began2 := time.Now()
	made := sharing(t, s, callers, stop)
	if took := time.Since(began2); took > 10*time.Second || made < callers {
		t.Errorf("%d logins beside it took %s", made, took)
	}
	close(end)
	for range 2 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	if n := failures(t, s, "u0"); n != 2 {
		t.Errorf("u0: %d", n)
	}
}

// TestSharedTransactionsDoNotWaitForEver: an Update that waits for the transaction of others, which the database does not finish, is
// Unavailable after the time limit.
func TestSharedTransactionsDoNotWaitForEver(t *testing.T) {
	t.Parallel()
	s := storetest.NewPostgres(t).Open(t)
	user(t, s, "u0")
	store.SetUpdateMost(s, time.Second)
	began, end := make(chan struct{}), make(chan struct{})
	var once sync.Once
	var all sync.WaitGroup
	defer all.Wait()
	defer close(end)
	all.Go(func() {
		s.UpdateShared(context.Background(), func(tx store.Tx) error {
			once.Do(func() { close(began) })
			<-end // like a statement without a reply
			return nil
		})
	})
	<-began
	waits := make(chan error, 1)
	go func() {
		_, err := updateAs(s, "u0", 0)
		waits <- err
	}()
	select {
	case err := <-waits:
		var e *model.Error
		if !errors.As(err, &e) || e.Kind != model.Unavailable {
			t.Errorf("it gave %v", err)
		}
	case <-time.After(modeltest.Patience):
		t.Error("it waits still")
	}
}

// TestAddressesOfAUserAreBounded: a shared transaction keeps the order in which one Update changes the same rows.
func TestAddressesOfAUserAreBounded(t *testing.T) {
	t.Parallel()
	storetest.Databases(t, func(t *testing.T, d *storetest.Database) {
		s := d.Open(t)
		user(t, s, "u0")
		for i := range 40 {
			err := s.UpdateShared(context.Background(), func(tx store.Tx) error {
				return tx.AddressKnown("u0", fmt.Sprint("192.0.2.", i), model.Time(model.AddressKnown)+model.Time(i))
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		view(t, s, func(tx store.ReadTx) error {
			var n int64
			err := store.Ask(tx, &n, "SELECT COUNT(*) FROM user_addresses")
			if n != 32 {
				t.Errorf("%d addresses are kept", n)
			}
			return err
		})
	})
}

// otpLogin is a login of u0 with the OTP of counter 5 of the user's first token. It returns whether that was accepted. seen is called
// when it has read everything.
func otpLogin(tx store.Tx, seen func()) (accepted bool, err error) {
	login, err := tx.Login("u0")
	if errors.Is(err, store.ErrNone) {
		seen()
		return false, nil
	}
	if err != nil {
		return false, err
	}
	all, err := tx.Credentials("u0")
	if err != nil {
		return false, err
	}
	seen()
	if len(all) == 0 || all[0].Counter > 5 {
		login.FailCount++
		return false, tx.SaveLogin(&login.UserState)
	}
	c := &all[0]
	c.Previous, c.Counter = c.Counter, 6
	return true, errors.Join(tx.SaveChecked(c, true, 1), tx.CountUse(c.AssignmentID), tx.SaveLastLogin("u0", 1),
		tx.Audit(&model.Audit{Time: 1, Method: "login"}))
}

// TestLoginsBesideAdministrators: what an administrator does between a login's reads and its writes is as if one of them had been
// first. In particular, an OTP that was accepted is used for all tokens of its seed that there are afterwards.
func TestLoginsBesideAdministrators(t *testing.T) {
	t.Parallel()
	sealed := func(s store.Store, id string) *model.Token {
		tok := &model.Token{ID: id, ProductID: "p", RepositoryID: "r", Serial: id, Identifier: id, Status: model.Active}
		seed := []byte("12345678901234567890")
		tok.Seed = s.Keys().Seal(store.SeedPlace(id), seed)
		store.IndexSeed(s.Keys(), tok, seed, "")
		return tok
	}
	create := func(s store.Store, id string) func(tx store.Tx) error {
		return func(tx store.Tx) error {
			tok := sealed(s, id)
			if err := tx.Insert(tok); err != nil {
				return err
			}
			states, err := tx.TakeMarks([]model.Token{*tok}, []model.TokenState{{TokenID: id}})
			if err != nil {
				return err
			}
			return tx.Insert(&states[0])
		}
	}
	remove := func(id string) func(tx store.Tx) error {
		return func(tx store.Tx) error {
			var tok model.Token
			err := tx.Load(&tok, id)
			if err == nil {
				err = tx.LeaveMark(&tok, "mark "+id, 1)
			}
			if err != nil {
				return err
			}
			return tx.Delete(&tok)
		}
	}
	for name, c := range map[string]struct {
		group bool // there is another token with the seed
		admin func(s store.Store) func(tx store.Tx) error
	}{
		"create":           {false, func(s store.Store) func(tx store.Tx) error { return create(s, "new") }},
		"create in group":  {true, func(s store.Store) func(tx store.Tx) error { return create(s, "new") }},
		"delete":           {false, func(store.Store) func(tx store.Tx) error { return remove("t") }},
		"delete in group":  {true, func(store.Store) func(tx store.Tx) error { return remove("t") }},
		"delete the other": {true, func(store.Store) func(tx store.Tx) error { return remove("other") }},
		"synchronize the other": {true, func(store.Store) func(tx store.Tx) error {
			return func(tx store.Tx) error {
				var tok model.Token
				var st model.TokenState
				if err := errors.Join(tx.Load(&tok, "other"), tx.Load(&st, "other")); err != nil {
					return err
				}
				st.Previous, st.Counter = 5, 6
				return errors.Join(tx.Save(&st), tx.RaiseMarks(tok.SeedGroup, st.Use("HOTP")))
			}
		}},
		"unassign": {false, func(store.Store) func(tx store.Tx) error {
			return func(tx store.Tx) error { return tx.Delete(&model.Assignment{ID: "a"}) }
		}},
		"delete user": {false, func(store.Store) func(tx store.Tx) error {
			return func(tx store.Tx) error {
				return errors.Join(tx.Delete(&model.Assignment{ID: "a"}), tx.Delete(&model.UserState{UserID: "u0"}), tx.Delete(&model.User{ID: "u0"}))
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			d := storetest.NewPostgres(t)
			s, admins := d.Open(t), d.Open(t)
			user(t, s, "u0")
			update := func(fn func(tx store.Tx) error) {
				t.Helper()
				if err := admins.Update(t.Context(), fn); err != nil {
					t.Fatal(err)
				}
			}
			update(func(tx store.Tx) error {
				err := errors.Join(tx.Insert(&model.Product{ID: "p", Algorithm: "HOTP", Digits: 6, Crypto: "HmacSHA1"}), tx.Insert(&model.Repository{ID: "r", Name: "r"}))
				if err == nil {
					err = create(s, "t")(tx)
				}
				if err == nil {
					err = tx.Insert(&model.Assignment{ID: "a", TokenID: "t", UserID: "u0", Status: model.Active})
				}
				return err
			})
			if c.group {
				update(create(s, "other"))
			}
			if err := s.UpdateShared(t.Context(), func(tx store.Tx) error { return tx.Audit(&model.Audit{Time: 1, Method: "begins a chain"}) }); err != nil {
				t.Fatal(err)
			}
			var once sync.Once
			runs, accepted := 0, false
			err := s.UpdateShared(t.Context(), func(tx store.Tx) (err error) {
				runs++
				accepted, err = otpLogin(tx, func() { once.Do(func() { update(c.admin(s)) }) })
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if runs == 1 {
				t.Error("the login did not run again")
			}
			view(t, s, func(tx store.ReadTx) error {
				var low, marks int64
				err := store.Ask(tx, &low, "SELECT COUNT(*) FROM token_states WHERE counter < 6")
				if err == nil {
					err = store.Ask(tx, &marks, "SELECT COUNT(*) FROM seed_marks WHERE counter >= 6")
				}
				if accepted && low > 0 {
					t.Errorf("the OTP is accepted again by %d tokens", low)
				}
				return err
			})
			again := false
			if err := s.UpdateShared(t.Context(), func(tx store.Tx) (err error) {
				again, err = otpLogin(tx, func() {})
				return err
			}); err != nil {
				t.Fatal(err)
			}
			if accepted && again {
				t.Error("the OTP was accepted twice")
			}
		})
	}
}

// TestUnknownUsersTakeAsLong: of several logins of one name at the same time, a transaction decides only one, whether there is a user
// with that name or not.
func TestUnknownUsersTakeAsLong(t *testing.T) {
	t.Parallel()
	d := storetest.NewPostgres(t)
	s := d.Open(t)
	user(t, s, "known")
	for _, name := range []string{"known", "unknown"} {
		var decided sync.Map
		storetest.Together(t, d, s, 12, func(int) {
			transaction := ""
			err := s.UpdateShared(context.Background(), func(tx store.Tx) error {
				if err := store.Ask(tx, &transaction, "SELECT CAST(txid_current() AS TEXT)"); err != nil {
					return err
				}
				found, err := tx.Logins([]store.Cond{{Column: "login_name_folded", Op: store.Eq, Value: name}})
				if err != nil {
					return err
				}
				if len(found) == 0 {
					return tx.RecordUnknownName(1)
				}
				return tx.SaveLogin(&found[0].UserState)
			})
			if err != nil {
				t.Error(err)
			}
			if _, twice := decided.LoadOrStore(transaction, true); twice {
				t.Errorf("%s: two logins were decided in transaction %s", name, transaction)
			}
		})
	}
}
