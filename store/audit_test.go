package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"tokensmith/model"
	"tokensmith/store"
	"tokensmith/store/keyring"
	"tokensmith/store/storetest"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func write(t *testing.T, s store.Store, at time.Time, n int) {
	t.Helper()
	for i := range n {
		err := s.Update(t.Context(), func(tx store.Tx) error {
			return tx.Audit(&model.Audit{Time: model.At(at), Agent: "a", Method: "token/create", Object: fmt.Sprint("token ", i), Remote: "192.0.2.1"})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func verify(t *testing.T, s store.Store, expect string) (store.Verified, error) {
	t.Helper()
	v, err := s.VerifyAudit(t.Context(), expect)
	var known *model.Error
	if err != nil && (!errors.As(err, &known) || known.Kind != model.RecordBroken) {
		t.Fatal(err)
	}
	return v, err
}

func whole(t *testing.T, s store.Store, expect string, rows int64) store.Verified {
	t.Helper()
	v, err := verify(t, s, expect)
	if err != nil || v.Rows != rows {
		t.Fatalf("%d rows, %v; want %d", v.Rows, err, rows)
	}
	return v
}

func auditMark(t *testing.T, s store.Store, at time.Time) string {
	t.Helper()
	head, err := s.MarkAudit(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	return head
}

// byHand opens the database like somebody who wants to change the record by hand.
func byHand(t *testing.T, url string) *sql.DB {
	t.Helper()
	driver := "sqlite3"
	if store.IsPostgres(url) {
		driver = "pgx"
	}
	db, err := sql.Open(driver, url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// A row that fits behind the one before it, and is not the one that was marked, is found: a record goes on twice from one point where a
// machine is copied while it runs, and then rows of one can be put in place of the other's.
func TestForkedRecordIsFound(t *testing.T) {
	t.Parallel()
	storetest.Databases(t, func(t *testing.T, d *storetest.Database) {
		s := d.Open(t)
		write(t, s, start, 6)
		auditMark(t, s, start)
		db := byHand(t, d.URL)
		var before []byte
		var r model.Audit
		err := db.QueryRow("SELECT mac FROM audit ORDER BY id DESC LIMIT 1 OFFSET 1").Scan(&before)
		if err == nil {
			err = db.QueryRow("SELECT id, writer, sequence, time, agent, method, outcome, remote FROM audit ORDER BY id DESC LIMIT 1").
				Scan(&r.ID, &r.Writer, &r.Sequence, &r.Time, &r.Agent, &r.Method, &r.Outcome, &r.Remote)
		}
		if err != nil {
			t.Fatal(err)
		}
		mac := s.Keys().Signer(keyring.AuditPurpose).Sign(keyring.Message("row", before, r.ID, r.Writer, r.Sequence, int64(r.Time), r.Agent, r.Method,
			"another", r.Outcome, r.Remote))
		if _, err := db.Exec("UPDATE audit SET object = 'another', mac = $1 WHERE id = $2", mac, r.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := verify(t, s, ""); err == nil || !strings.Contains(err.Error(), "is not the one that was marked") {
			t.Error(err)
		}
	})
}

// TestBentRecordIsFound: each way to change the record by hand is found, each on a new record with two writers, of which the
// first crashed.
func TestBentRecordIsFound(t *testing.T) {
	t.Parallel()
	bends := map[string]string{
		"time":           "UPDATE audit SET time = time + 1 WHERE sequence = 3",
		"agent":          "UPDATE audit SET agent = 'b' WHERE sequence = 3",
		"method":         "UPDATE audit SET method = 'token/get' WHERE sequence = 3",
		"object":         "UPDATE audit SET object = 'token 9' WHERE sequence = 5",
		"outcome":        "UPDATE audit SET outcome = 5 WHERE sequence = 1",
		"remote":         "UPDATE audit SET remote = '192.0.2.2' WHERE sequence = 3",
		"mac":            "UPDATE audit SET mac = (SELECT mac FROM audit ORDER BY id LIMIT 1)",
		"field boundary": "UPDATE audit SET agent = 'at', method = 'oken/create' WHERE sequence = 2",
		"deleted":        "DELETE FROM audit WHERE sequence = 3",
		"first deleted":  "DELETE FROM audit WHERE sequence = 1",
		"head cut":       "DELETE FROM audit WHERE sequence <= 2",
		"renumbered":     "DELETE FROM audit WHERE sequence = 2; UPDATE audit SET sequence = sequence - 1 WHERE sequence > 2",
		"inserted":       "INSERT INTO audit SELECT writer || '0000000000000063', writer, 99, time, agent, method, object, outcome, remote, mac, changed FROM audit WHERE sequence = 2",
		"other writer":   "INSERT INTO audit SELECT 'ffffffffffffffff0000000000000001', 'ffffffffffffffff', 1, time, agent, method, object, outcome, remote, mac, changed FROM audit WHERE sequence = 1 LIMIT 1",
		"swapped":        "UPDATE audit SET object = CASE sequence WHEN 2 THEN 'token 2' ELSE 'token 1' END WHERE sequence IN (2, 3)",
		"moved":          "UPDATE audit SET id = writer || '00000000000000aa', sequence = 170 WHERE sequence = 2",
		"chain deleted":  "DELETE FROM audit WHERE writer = (SELECT writer FROM audit_marks WHERE number = 1)",
		"chain and mark": "DELETE FROM audit WHERE writer = (SELECT writer FROM audit_marks WHERE number = 1); DELETE FROM audit_marks WHERE number = 1",
		"old tail cut":   "DELETE FROM audit WHERE sequence > 4 AND writer = (SELECT writer FROM audit_marks WHERE number = 1)",
		"all rows":       "DELETE FROM audit",
		"mark changed":   "UPDATE audit_marks SET heads = '' WHERE number = 2",
		"mark kind":      "UPDATE audit_marks SET kind = 'checkpoint' WHERE number = 2",
		"mark deleted":   "DELETE FROM audit_marks WHERE number = 2",
		"marks deleted":  "DELETE FROM audit_marks",
		"no mark before": "DELETE FROM audit_marks WHERE number < 3",
		"checkpoint":     "DELETE FROM audit_marks WHERE number < 3; UPDATE audit_marks SET kind = 'checkpoint' WHERE number = 3",
		// These changes can be found only with an earlier head.
		"expect: tail cut":       "DELETE FROM audit_marks WHERE number > 2; DELETE FROM audit WHERE sequence > 2 AND writer = (SELECT writer FROM audit_marks WHERE number = 2)",
		"expect: everything cut": "DELETE FROM audit; DELETE FROM audit_marks",
	}
	storetest.Databases(t, func(t *testing.T, d *storetest.Database) {
		crashed := d.Open(t)
		write(t, crashed, start, 6)
		s := d.Open(t)
		write(t, s, start, 6)
		head := auditMark(t, s, start)
		whole(t, s, "", 12)
		whole(t, s, head, 12)
		db := byHand(t, d.URL)
		restore := []string{"DELETE FROM audit", "DELETE FROM audit_marks",
			"INSERT INTO audit SELECT * FROM audit_kept", "INSERT INTO audit_marks SELECT * FROM marks_kept"}
		run := func(statements ...string) {
			t.Helper()
			for _, statement := range statements {
				if _, err := db.Exec(statement); err != nil {
					t.Fatalf("%s: %v", statement, err)
				}
			}
		}
		run("CREATE TABLE audit_kept AS SELECT * FROM audit", "CREATE TABLE marks_kept AS SELECT * FROM audit_marks")
		bends := maps.Clone(bends)
		if !store.IsPostgres(d.URL) {
			bends["type"] = "UPDATE audit SET time = 'soon' WHERE sequence = 3"
			bends["mark's type"] = "UPDATE audit_marks SET time = 'soon' WHERE number = 2"
		}
		for name, bend := range bends {
			run(strings.Split(bend, "; ")...)
			expect, onlyExpected := "", strings.HasPrefix(name, "expect: ")
			if onlyExpected {
				if _, err := verify(t, s, "0"); err != nil {
					t.Errorf("%s: found without a head: %v", name, err)
				}
				if _, err := verify(t, s, ""); err == nil {
					t.Errorf("%s: not found by the head that is kept", name)
				}
				expect = head
			}
			_, err := verify(t, s, expect)
			if err == nil {
				t.Errorf("%s: not found", name)
			}
			run(restore...)
			whole(t, s, head, 12)
		}
		// A rewritten end: the same number of rows, with other contents.
		run("DELETE FROM audit_marks WHERE number > 2", "DELETE FROM audit WHERE sequence > 2 AND writer = (SELECT writer FROM audit_marks WHERE number = 2)")
		again := d.Open(t)
		write(t, again, start, 4)
		auditMark(t, again, start)
		if _, err := verify(t, s, head); err == nil {
			t.Error("a rewritten end is not found")
		}
	})
}

// TestRecordOfFailures: Updates that fail alone, in the middle of a group, or at the commit leave neither a row nor a gap.
func TestRecordOfFailures(t *testing.T) {
	t.Parallel()
	storetest.Databases(t, func(t *testing.T, d *storetest.Database) {
		s := d.Open(t)
		refused := errors.New("refused")
		var written sync.Map
		var group sync.WaitGroup
		for i := range 400 {
			if i == 200 {
				group.Wait() // the first half loses no group
			}
			group.Go(func() {
				defer func() {
					if p := recover(); p != nil && p != any("panic") {
						t.Error(p)
					}
				}()
				err := s.Update(context.Background(), func(tx store.Tx) error {
					if i%7 == 3 {
						return refused // before it writes its row
					}
					if err := tx.Audit(&model.Audit{Time: model.At(start), Object: fmt.Sprint(i)}); err != nil {
						return err
					}
					switch {
					case i%5 == 1:
						return refused
					case i%11 == 2:
						panic("panic")
					case i > 200 && i%50 == 6 && !store.IsPostgres(d.URL):
						return store.LoseGroup(tx)
					case i%13 == 4:
						tx.Insert(&model.Audit{}) // the table refuses it, and fn ignores the error
					}
					return nil
				})
				if err == nil {
					written.Store(fmt.Sprint(i), true)
				}
			})
		}
		group.Wait()
		n := int64(0)
		written.Range(func(any, any) bool { n++; return true })
		if n < 100 {
			t.Errorf("only %d of 400 were written", n)
		}
		whole(t, s, "", n)

		// A commit that fails.
		err := s.Update(t.Context(), func(tx store.Tx) error {
			if err := tx.Audit(&model.Audit{Time: model.At(start), Object: "not"}); err != nil {
				return err
			}
			return store.SpoilCommit(tx)
		})
		if err == nil {
			t.Error("the commit did not fail")
		}
		write(t, s, start, 3)
		whole(t, s, auditMark(t, s, start), n+3)
		err = s.View(t.Context(), func(tx store.ReadTx) error {
			rows, err := tx.Find(&store.Query{Table: "audit", Columns: []store.Column{{Name: "object"}}, Limit: 1000})
			for _, r := range rows {
				if o := fmt.Sprint(r[0]); !strings.HasPrefix(o, "token") {
					if _, ok := written.LoadAndDelete(o); !ok {
						t.Errorf("row %s was not to be written", o)
					}
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		written.Range(func(k, _ any) bool { t.Errorf("row %v is missing", k); return true })
	})
}

// TestRecordOfManyProcesses: many processes write at the same time. A process that ends normally has its chain ended.
func TestRecordOfManyProcesses(t *testing.T) {
	t.Parallel()
	storetest.Databases(t, func(t *testing.T, d *storetest.Database) {
		first := d.Open(t)
		var group sync.WaitGroup
		for range 4 {
			s, err := store.Open(t.Context(), d.URL, d.KeyFile)
			if err != nil {
				t.Fatal(err)
			}
			group.Go(func() {
				var inner sync.WaitGroup
				for range 8 {
					inner.Go(func() { write(t, s, start, 5) })
				}
				inner.Wait()
				if _, err := s.MarkAudit(context.Background(), start); err != nil {
					t.Error(err)
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		done := make(chan struct{})
		go func() { group.Wait(); close(done) }()
		for checking := true; checking; {
			select {
			case <-done:
				checking = false
			default:
				// Each row was durable when its caller was told so. A snapshot never shows an incomplete chain.
				if _, err := verify(t, first, ""); err != nil {
					t.Error(err)
				}
			}
		}
		whole(t, first, auditMark(t, first, start), 160)
		db := byHand(t, d.URL)
		var heads string
		if err := db.QueryRow("SELECT heads FROM audit_marks ORDER BY number DESC LIMIT 1").Scan(&heads); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(heads, " at\n") {
			t.Errorf("chains of processes that ended are open:\n%s", heads)
		}
		// The end of an ended chain cannot be cut off, and no row can be appended to it.
		if _, err := db.Exec("DELETE FROM audit WHERE id = (SELECT MAX(id) FROM audit)"); err != nil {
			t.Fatal(err)
		}
		if _, err := verify(t, first, ""); err == nil {
			t.Error("the cut end of an ended chain is not found")
		}
	})
}
