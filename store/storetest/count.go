package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"tokensmith/model"
	"tokensmith/store"
)

var countCases = []contractCase{
	{"counts/fit what there is", countsFit},
}

// countsFit: whatever is made, changed or deleted, alone or many at once, in a transaction that is undone or not, a total is that of the
// rows that there are.
func countsFit(t *testing.T, d *Database) {
	s := d.Open(t)
	w := newWorld(t, s)
	now := time.UnixMilli(100 * 24 * 3_600_000)
	if err := s.KeepCounts(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	fits := func(when string) {
		t.Helper()
		view(t, s, func(tx store.ReadTx) error {
			tables := []string{"tokens", "users", "devices"}
			for _, table := range tables {
				for _, c := range [][]store.Cond{nil,
					{{Column: "status", Op: store.Eq, Value: model.Active}}, {{Column: "status", Op: store.Ne, Value: model.Active}},
					{{Column: "status", Op: store.In, Value: []any{model.DisabledBy, model.LockedBy}}}} {
					same(t, tx, when, &store.Query{Table: table, Where: c})
				}
			}
			product, domain := store.Step{From: "product_id", Table: "products", To: "id"}, store.ToDomain
			same(t, tx, when, &store.Query{Table: "tokens", Where: []store.Cond{{Column: "product_id", Op: store.Eq, Value: w.product.ID}, {Column: "status", Op: store.Eq, Value: model.Active}}})
			same(t, tx, when, &store.Query{Table: "tokens", Where: []store.Cond{{Path: []store.Step{product}, Column: "name", Op: store.StartsOn, Value: w.product.Name[:1]}}})
			same(t, tx, when, &store.Query{Table: "tokens", Where: []store.Cond{{Column: "repository_id", Op: store.Ne, Value: "x"}}})
			same(t, tx, when, &store.Query{Table: "users", Where: []store.Cond{{Path: []store.Step{domain}, Column: "name_folded", Op: store.Eq, Value: w.domain.NameFolded}}})
			tx.SetScope(store.DomainScope([]any{w.domain.ID}))
			for _, table := range tables {
				same(t, tx, when+" within a domain", &store.Query{Table: table})
			}
			return nil
		})
	}
	fits("at first")
	var tokens []model.Token
	for range 30 {
		tokens = append(tokens, *newToken(w.product, w.repository))
	}
	update(t, s, func(tx store.Tx) error {
		if _, err := tx.InsertMany(tokens, true); err != nil {
			return err
		}
		n, err := tx.InsertMany(tokens, true) // none is new
		if n != 0 {
			t.Error(n, "are inserted twice")
		}
		return err
	})
	fits("after many are made")
	update(t, s, func(tx store.Tx) error {
		for i := range tokens[:20] {
			tokens[i].Status = []string{model.DisabledBy, model.Active, model.Deceased}[i%3]
			if err := tx.Save(&tokens[i]); err != nil {
				return err
			}
		}
		for i := range tokens[:3] {
			if err := tx.Delete(&tokens[i]); err != nil {
				return err
			}
		}
		undone := errors.New("undone")
		if err := tx.Try(func(tx store.Tx) error { return errors.Join(tx.Delete(&tokens[9]), undone) }); !errors.Is(err, undone) {
			return err
		}
		return tx.SetUserStatus(w.user.ID, model.LockedBy)
	})
	fits("after changes")
	undone := errors.New("undone")
	if err := s.Update(context.Background(), func(tx store.Tx) error { return errors.Join(tx.Delete(&tokens[10]), undone) }); !errors.Is(err, undone) {
		t.Error(err)
	}
	fits("after what was undone")
	view(t, s, func(tx store.ReadTx) error {
		o, err := tx.Overview(0, model.At(now.Add(8*24*time.Hour)), 0)
		if err != nil {
			return err
		}
		if c := o.Counts[0]; c.Name != "tokens" || c.Total-c.Before != 27 || c.Since != model.At(now) || len(c.ByStatus) != 3 || c.ByStatus[0] != (model.StatusCount{Status: model.Active, Total: 17}) {
			t.Errorf("the tokens are %+v", c)
		}
		return nil
	})

	// As many at once, on PostgreSQL in many connections.
	errs := make(chan error)
	for i := range 8 {
		go func() {
			errs <- s.Update(context.Background(), func(tx store.Tx) error {
				tokens[10+i].Status = model.Deceased
				return tx.Save(&tokens[10+i])
			})
		}()
	}
	for range 8 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	fits("after changes at the same time")

	if wrong, err := s.Recount(t.Context()); err != nil || wrong != 0 {
		t.Error(wrong, err)
	}
}

// same compares a count with the number of rows that are found.
func same(t *testing.T, tx store.ReadTx, when string, q *store.Query) {
	t.Helper()
	n, err := tx.Count(q)
	if err != nil {
		t.Fatal(err)
	}
	found := *q
	found.Columns, found.Limit = []store.Column{store.IDColumn}, 1000
	rows, err := tx.Find(&found)
	if err != nil {
		t.Fatal(err)
	}
	if n != int64(len(rows)) {
		t.Errorf("%s: %s %+v: counted %d, there are %d", when, q.Table, q.Where, n, len(rows))
	}
}
