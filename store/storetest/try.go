package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"tokensmith/model"
	"tokensmith/store"
)

var tryCases = []contractCase{
	{"try/undoes what failed and nothing else", tryUndoes},
	{"try/the record stays whole", tryRecord},
	{"idempotency/answers are kept until their time is over", answersKept},
}

func tryUndoes(t *testing.T, d *Database) {
	s := d.Open(t)
	before := len(repositories(t, s))
	why := errors.New("in the middle")
	first := repository("first")
	update(t, s, func(tx store.Tx) error {
		if err := tx.Try(func(tx store.Tx) error { return tx.Insert(first) }); err != nil {
			return err
		}
		err := tx.Try(func(tx store.Tx) error {
			if err := tx.Insert(repository("second")); err != nil {
				return err
			}
			return why
		})
		if !errors.Is(err, why) {
			t.Errorf("Try gave %v", err)
		}
		// A change that the database refused is undone too, even if fn ignores the error.
		err = tx.Try(func(tx store.Tx) error {
			if err := tx.Insert(repository("third")); err != nil {
				return err
			}
			tx.Insert(first)
			return nil
		})
		wantKind(t, err, model.Exists)
		return tx.Try(func(tx store.Tx) error { return tx.Insert(repository("fourth")) })
	})
	if got := repositories(t, s); len(got) != before+2 || fmt.Sprint(got[before:]) != "[first fourth]" {
		t.Errorf("kept: %q", got)
	}
	err := s.Update(t.Context(), func(tx store.Tx) error {
		if err := tx.Try(func(tx store.Tx) error { return tx.Insert(repository("fifth")) }); err != nil {
			return err
		}
		return why
	})
	if !errors.Is(err, why) || len(repositories(t, s)) != before+2 {
		t.Errorf("an Update that fails keeps what it tried: %v", err)
	}
}

// tryRecord: audit rows that are undone leave no gap in the chain, even if many transactions run at the same time.
func tryRecord(t *testing.T, d *Database) {
	s := d.Open(t)
	const many, each = 8, 20
	var group sync.WaitGroup
	for n := range many {
		group.Go(func() {
			for i := range each {
				err := s.Update(t.Context(), func(tx store.Tx) error {
					for k := range 3 {
						err := tx.Try(func(tx store.Tx) error {
							if err := tx.Audit(&model.Audit{Time: 1, Agent: fmt.Sprint(n), Method: fmt.Sprint(i), Object: fmt.Sprint(k)}); err != nil {
								return err
							}
							if k == i%3 {
								return errTried
							}
							return nil
						})
						if err != nil && !errors.Is(err, errTried) {
							return err
						}
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	v, err := s.VerifyAudit(t.Context(), "")
	if err != nil || v.Rows != many*each*2 {
		t.Errorf("%d rows, %v", v.Rows, err)
	}
}

var errTried = errors.New("tried")

func answersKept(t *testing.T, d *Database) {
	s := d.Open(t)
	update(t, s, func(tx store.Tx) error {
		for i := range 10 {
			if err := tx.StoreReply(&model.StoredReply{ID: fmt.Sprint("a", i), Request: []byte("r"), Reply: []byte("first"), Expires: model.Time(100 + i)}); err != nil {
				return err
			}
		}
		return nil
	})
	update(t, s, func(tx store.Tx) error {
		if a, err := tx.FindReply("a5", 104); err != nil || a == nil || string(a.Reply) != "first" {
			t.Errorf("%v, %v", a, err)
		}
		if a, err := tx.FindReply("a5", 105); err != nil || a != nil {
			t.Errorf("its time is over: %v, %v", a, err)
		}
		if a, err := tx.FindReply("b", 0); err != nil || a != nil {
			t.Errorf("none is kept: %v, %v", a, err)
		}
		if err := tx.StoreReply(&model.StoredReply{ID: "a5", Request: []byte("r"), Reply: []byte("second"), Expires: 300}); err != nil {
			return err
		}
		if a, err := tx.FindReply("a5", 105); err != nil || a == nil || string(a.Reply) != "second" {
			t.Errorf("in its place: %v, %v", a, err)
		}
		for _, want := range []int64{4, 4, 1, 0} {
			if n, err := tx.DropReplies(200, 4); err != nil || n != want {
				t.Errorf("%d dropped, not %d: %v", n, want, err)
			}
		}
		return nil
	})
}
