package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"tokensmith/model"
	"tokensmith/store"
	"tokensmith/store/storetest"
)

// TestBulkTimeout: an UpdateLong has its own time limit, whatever fn does with the errors of its statements. When it is exceeded,
// everything is rolled back, and the error does not say to try again. The limit does not apply to a short Update.
func TestBulkTimeout(t *testing.T) {
	t.Parallel()
	storetest.Databases(t, func(t *testing.T, d *storetest.Database) {
		const limit = 300 * time.Millisecond
		s, err := store.Open(t.Context(), d.URL, d.KeyFile, store.WithBulkTimeout(limit))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		began := func(tx store.Tx) error { return tx.PutMeta("begun", []byte("x")) }
		ways := map[string]func(tx store.Tx) error{
			"many statements": func(tx store.Tx) error {
				for {
					if err := began(tx); err != nil {
						return err
					}
				}
			},
			"work between statements": func(tx store.Tx) error {
				time.Sleep(2 * limit)
				return began(tx)
			},
			"work behind the last statement": func(tx store.Tx) error {
				time.Sleep(2 * limit)
				return nil
			},
			"the same behind a row of the record": func(tx store.Tx) error {
				err := tx.Audit(&model.Audit{Time: 1, Agent: "a", Method: "m", Object: "o", Remote: "local"})
				time.Sleep(2 * limit)
				return err
			},
			"a refusal of its own, made of the statements'": func(tx store.Tx) error {
				time.Sleep(2 * limit)
				if err := began(tx); err != nil {
					return model.Errorf(model.BatchRefused, "line 1: %v", err)
				}
				return nil
			},
			"refusals that a batch takes for its calls'": func(tx store.Tx) error {
				for end := time.Now().Add(2 * limit); time.Now().Before(end); {
					tx.Try(began)
				}
				tx.Try(began)
				return nil
			},
		}
		if store.IsPostgres(d.URL) {
			ways["one statement"] = func(tx store.Tx) error { _, err := store.Exec(tx, "SELECT pg_sleep(60)"); return err }
		}
		for what, way := range ways {
			err := s.UpdateLong(t.Context(), func(tx store.Tx) error { return errors.Join(began(tx), way(tx)) })
			var known *model.Error
			if !errors.As(err, &known) || known.Kind != model.TooLarge || !strings.Contains(known.Msg, limit.String()) || strings.Contains(known.Msg, "try again") {
				t.Errorf("%s: %v", what, err)
			}
			view(t, s, func(tx store.ReadTx) error {
				text, err := tx.Meta("begun")
				if text != nil {
					t.Errorf("%s: something is left", what)
				}
				return err
			})
		}
		err = s.Update(context.Background(), func(tx store.Tx) error {
			time.Sleep(2 * limit)
			return began(tx)
		})
		if err != nil {
			t.Errorf("a short Update: %v", err)
		}
	})
}

// TestBulkOutlastsTheSession: the time limits of a session, which are made for logins, do not apply to an UpdateLong. They apply
// again to what follows.
func TestBulkOutlastsTheSession(t *testing.T) {
	t.Parallel()
	d := storetest.NewPostgres(t)
	s := d.Open(t)
	err := s.UpdateLong(t.Context(), func(tx store.Tx) error {
		// A process that vanishes must not keep its locks as long as a bulk call may take.
		for name, want := range map[string]string{"statement_timeout": "930s", "lock_timeout": "930s", "idle_in_transaction_session_timeout": "10s"} {
			var is string
			if err := store.Ask(tx, &is, "SELECT current_setting('"+name+"')"); err != nil || is != want {
				t.Errorf("%s is %q, %v", name, is, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	view(t, s, func(tx store.ReadTx) error {
		var is string
		if err := store.Ask(tx, &is, "SELECT current_setting('statement_timeout')"); err != nil || is != "1min" {
			t.Errorf("behind it statement_timeout is %q, %v", is, err)
		}
		return nil
	})
}

// TestBulkCancelled: a statement that somebody cancels has not reached the time limit, and its error does not say so.
func TestBulkCancelled(t *testing.T) {
	t.Parallel()
	d := storetest.NewPostgres(t)
	s := d.Open(t)
	other := byHand(t, d.URL)
	err := s.UpdateLong(t.Context(), func(tx store.Tx) error {
		var pid string
		if err := store.Ask(tx, &pid, "SELECT pg_backend_pid()::text"); err != nil {
			return err
		}
		ended := make(chan struct{})
		defer close(ended)
		go func() { // repeatedly, because it may come too early
			for {
				select {
				case <-ended:
					return
				case <-time.After(50 * time.Millisecond):
					other.Exec("SELECT pg_cancel_backend(" + pid + ")")
				}
			}
		}()
		_, err := store.Exec(tx, "SELECT pg_sleep(600)")
		return err
	})
	var known *model.Error
	if !errors.As(err, &known) || known.Kind != model.Unavailable {
		t.Errorf("a cancelled statement gave %v", err)
	}
}

// TestTimeLimit: a transaction that limited its own time ends after that time if others wait for it, even in the middle of a search.
// If it runs beside others, the limit has no effect.
func TestTimeLimit(t *testing.T) {
	t.Parallel()
	storetest.Databases(t, func(t *testing.T, d *storetest.Database) {
		s := d.Open(t)
		const most = 50 * time.Millisecond
		alone := !store.IsPostgres(d.URL)
		rows := make([]model.Repository, 3000)
		for i := range rows {
			rows[i] = model.Repository{ID: fmt.Sprint("r", i), Name: fmt.Sprint(i), Description: strings.Repeat("a", 200) + "b"}
		}
		err := s.Update(t.Context(), func(tx store.Tx) error { _, err := tx.InsertMany(rows, false); return err })
		if err != nil {
			t.Fatal(err)
		}
		q := &store.Query{Table: "repositories", Columns: []store.Column{{Name: "id"}}, Limit: 1}
		for range 40 { // each with ten thousand steps per row
			q.Where = append(q.Where, store.Cond{Column: "description", Op: store.Like, Value: "%" + strings.Repeat("a", 100) + "b%"})
		}
		q.Where = append(q.Where, store.Cond{Column: "description", Op: store.Like, Value: "%c"})
		for what, way := range map[string]func(tx store.Tx) error{
			"a statement behind its time": func(tx store.Tx) error {
				time.Sleep(2 * most)
				return tx.PutMeta("more", []byte("x"))
			},
			"nothing behind its time": func(store.Tx) error {
				time.Sleep(2 * most)
				return nil
			},
			"a longer time of its own": func(tx store.Tx) error {
				tx.TimeLimit(time.Hour, "an hour")
				time.Sleep(2 * most)
				return nil
			},
			"refusals that a batch takes for its calls'": func(tx store.Tx) error {
				time.Sleep(2 * most)
				tx.Try(func(tx store.Tx) error { return tx.PutMeta("more", []byte("x")) })
				return nil
			},
			"a search": func(tx store.Tx) error {
				_, err := tx.Find(q) // this takes many times as long
				if err == nil && alone {
					t.Error("a search went on to its end")
				}
				return err
			},
		} {
			err := s.UpdateLong(t.Context(), func(tx store.Tx) error {
				tx.TimeLimit(most, "too long, said the caller")
				return errors.Join(tx.PutMeta(what, []byte("x")), way(tx))
			})
			var known *model.Error
			ended := errors.As(err, &known) && known.Kind == model.TooLarge && known.Msg == "too long, said the caller"
			if ended != alone || !alone && err != nil {
				t.Errorf("%s: %v", what, err)
			}
			view(t, s, func(tx store.ReadTx) error {
				text, err := tx.Meta(what)
				if (text == nil) != ended {
					t.Errorf("%s: %q is left", what, text)
				}
				return err
			})
		}
		if err := s.Update(t.Context(), func(tx store.Tx) error { return tx.PutMeta("behind", []byte("x")) }); err != nil {
			t.Errorf("behind them: %v", err)
		}
	})
}

// TestTimeLimitEnds: a limit for a part of a transaction ends with that part, and counts if the part took longer.
func TestTimeLimitEnds(t *testing.T) {
	t.Parallel()
	storetest.Databases(t, func(t *testing.T, d *storetest.Database) {
		s := d.Open(t)
		const most = 500 * time.Millisecond
		for part, exceeds := range map[time.Duration]bool{0: false, 2 * most: !store.IsPostgres(d.URL)} {
			err := s.UpdateLong(t.Context(), func(tx store.Tx) error {
				tx.TimeLimit(time.Hour, "an hour")
				end := tx.TimeLimit(most, "too long a part")
				time.Sleep(part)
				end()
				time.Sleep(2 * most)
				return tx.PutMeta("part", []byte("x"))
			})
			var known *model.Error
			if exceeded := errors.As(err, &known) && known.Msg == "too long a part"; exceeded != exceeds || !exceeds && err != nil {
				t.Errorf("a part of %v: %v", part, err)
			}
		}
	})
}

func TestBulkTimeoutBounds(t *testing.T) {
	t.Parallel()
	d := storetest.NewSQLite(t)
	for _, limit := range []time.Duration{-1, 0, time.Microsecond, 25 * time.Hour, 1 << 62} {
		if s, err := store.Open(t.Context(), d.URL, d.KeyFile, store.WithBulkTimeout(limit)); err == nil {
			s.Close()
			t.Errorf("a bulk timeout of %s was taken", limit)
		}
	}
}
