package store_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"tokensmith/model"
	"tokensmith/store"
	"tokensmith/store/storetest"
)

// TestPrunedRecordVerifies: after pruning, the remaining record can be verified, also with earlier heads.
func TestPrunedRecordVerifies(t *testing.T) {
	t.Parallel()
	storetest.Databases(t, func(t *testing.T, d *storetest.Database) {
		day := 24 * time.Hour
		s := d.Open(t)
		gone, err := store.Open(t.Context(), d.URL, d.KeyFile)
		if err != nil {
			t.Fatal(err)
		}
		write(t, gone, start, 4)
		if err := gone.Close(); err != nil {
			t.Fatal(err)
		}
		write(t, s, start, 3)
		write(t, s, start.Add(time.Hour), 3)
		old := auditMark(t, s, start.Add(time.Hour))
		prune := func(before time.Time, want int64) {
			t.Helper()
			n, err := s.PruneAudit(t.Context(), before, start.Add(2*time.Hour), nil)
			if err != nil || n != want {
				t.Fatalf("pruned %d, %v; want %d", n, err, want)
			}
		}
		prune(start, 0)
		whole(t, s, old, 10)
		prune(start.Add(time.Minute), 7)
		whole(t, s, old, 3)
		prune(start.Add(time.Minute), 0)
		// The chain continues.
		write(t, s, start.Add(2*time.Hour), 2)
		head := auditMark(t, s, start.Add(2*time.Hour))
		whole(t, s, head, 5)
		prune(start.Add(90*time.Minute), 3)
		whole(t, s, head, 2)
		prune(start.Add(day), 2)
		whole(t, s, head, 0)
		write(t, s, start.Add(2*time.Hour), 2)
		head = whole(t, s, auditMark(t, s, start.Add(2*time.Hour)), 2).Head

		db := byHand(t, d.URL)
		for _, bend := range []string{"DELETE FROM audit WHERE id = (SELECT MIN(id) FROM audit)", "DELETE FROM audit"} {
			if _, err := db.Exec(bend); err != nil {
				t.Fatal(err)
			}
			if _, err := verify(t, s, head); err == nil {
				t.Error("not found behind the checkpoint: ", bend)
			}
		}
		if _, err := s.PruneAudit(t.Context(), start.Add(day), start.Add(day), nil); err == nil {
			t.Error("a broken record was pruned")
		}
	})
}

// TestPrunedByParts: the record can be verified between any two parts, while its chains continue. What was interrupted is done
// the next time.
func TestPrunedByParts(t *testing.T) {
	t.Parallel()
	storetest.Databases(t, func(t *testing.T, d *storetest.Database) {
		s := d.Open(t)
		now := start.Add(2 * time.Hour)
		for _, most := range []int64{1, 2, 3, 5, 100} {
			var have int64
			for _, rows := range []int{4, 1, 7} {
				other, err := store.Open(t.Context(), d.URL, d.KeyFile)
				if err != nil {
					t.Fatal(err)
				}
				write(t, other, start, rows)
				write(t, other, start.Add(time.Hour), rows%3) // one chain has only old rows left, and is ended
				if err := other.Close(); err != nil {
					t.Fatal(err)
				}
				have += int64(rows + rows%3)
			}
			write(t, s, start, 5)
			write(t, s, start.Add(time.Hour), 1)
			have += 6
			old := auditMark(t, s, now)
			whole(t, s, old, have)
			part := func(at string) (next string) {
				t.Helper()
				n, next, err := store.PruneAuditPart(s, t.Context(), at, most, start.Add(time.Minute), now)
				if err != nil || n > most || n < most && next != "" {
					t.Fatalf("parts of %d: %d rows, next %q, %v", most, n, next, err)
				}
				have -= n
				whole(t, s, old, have)
				return next
			}
			// Interrupted once, with a new row meanwhile.
			if at := part(""); at != "" {
				part(at)
			}
			write(t, s, start.Add(time.Hour), 1)
			have++
			for at := part(""); at != ""; {
				at = part(at)
			}
			// Younger rows are left: 1 after 4, 1 after 1, 1 after 7, 2 of the open chain.
			if have != 5 {
				t.Errorf("parts of %d leave %d rows", most, have)
			}
			n, err := s.PruneAudit(t.Context(), start.Add(90*time.Minute), now, nil)
			if err != nil || n != have {
				t.Errorf("%d rows, %v; want %d", n, err, have)
			}
			whole(t, s, old, 0)
		}
	})
}

// TestPruneManyRows: more rows than one part has are pruned too.
func TestPruneManyRows(t *testing.T) {
	t.Parallel()
	storetest.Databases(t, func(t *testing.T, d *storetest.Database) {
		s := d.Open(t)
		update(t, s, func(tx store.Tx) error {
			for range 12_000 {
				if err := tx.Audit(&model.Audit{Time: model.At(start), Method: "token/create"}); err != nil {
					return err
				}
			}
			return nil
		})
		write(t, s, start.Add(time.Hour), 10)
		head := auditMark(t, s, start.Add(time.Hour))
		row := &model.Audit{Time: model.At(start.Add(time.Hour)), Method: "audit/prune"}
		n, err := s.PruneAudit(t.Context(), start.Add(time.Minute), start.Add(time.Hour), row)
		if err != nil || n != 12_000 {
			t.Fatalf("%d, %v", n, err)
		}
		whole(t, s, head, 11)
	})
}

// TestIdleChainEnds: a chain without new rows is not continued, and is ended after a longer time without rows.
func TestIdleChainEnds(t *testing.T) {
	t.Parallel()
	storetest.Databases(t, func(t *testing.T, d *storetest.Database) {
		s := d.Open(t)
		write(t, s, start, 2)
		write(t, s, start.Add(13*time.Hour), 2)
		auditMark(t, s, start.Add(25*time.Hour))
		whole(t, s, "", 4)
		var chains, heads string
		db := byHand(t, d.URL)
		if err := db.QueryRow("SELECT COUNT(DISTINCT writer), (SELECT heads FROM audit_marks ORDER BY number DESC LIMIT 1) FROM audit").Scan(&chains, &heads); err != nil {
			t.Fatal(err)
		}
		if chains != "2" || strings.Count(heads, " end\n") != 1 || strings.Count(heads, " at\n") != 1 {
			t.Errorf("%s chains:\n%s", chains, heads)
		}
	})
}

// TestRecordOverKeyRotation: a new key is used from then on, and rows that were signed with the old key can still be verified.
func TestRecordOverKeyRotation(t *testing.T) {
	t.Parallel()
	storetest.Databases(t, func(t *testing.T, d *storetest.Database) {
		s, err := store.Open(t.Context(), d.URL, d.KeyFile)
		if err != nil {
			t.Fatal(err)
		}
		write(t, s, start, 3)
		head := auditMark(t, s, start)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(d.KeyFile)
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, "tokensmith-key-1 "+strings.Repeat("ab", 32)+"\n"...)
		if err := os.WriteFile(d.KeyFile, text, 0o600); err != nil {
			t.Fatal(err)
		}
		again := d.Open(t)
		write(t, again, start, 3)
		whole(t, again, head, 6)
		if _, err := byHand(t, d.URL).Exec("UPDATE audit SET agent = 'b' WHERE sequence = 2"); err != nil {
			t.Fatal(err)
		}
		if _, err := verify(t, again, head); err == nil {
			t.Error("a change is not found")
		}
	})
}

func BenchmarkAudit(b *testing.B) {
	s, err := store.Open(b.Context(), storetest.SQLite(b), b.TempDir()+"/key")
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	const perUpdate = 1000
	for b.Loop() {
		err := s.Update(b.Context(), func(tx store.Tx) error {
			for range perUpdate {
				if err := tx.Audit(&model.Audit{Time: model.At(start), Agent: "a", Method: "token/create", Object: "token x"}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*perUpdate), "ns/row")
	began := time.Now()
	v, err := s.VerifyAudit(b.Context(), "")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(v.Rows)/time.Since(began).Seconds(), "verified-rows/s")
}
