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

// What is left behind a checkpoint verifies, also against heads of before.
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
		old := mark(t, s, start.Add(time.Hour))
		prune := func(before time.Time, want int64) {
			t.Helper()
			n, err := s.PruneAudit(t.Context(), before, start.Add(2*time.Hour))
			if err != nil || n != want {
				t.Fatalf("pruned %d, %v; want %d", n, err, want)
			}
		}
		prune(start, 0)
		whole(t, s, old, 10)
		prune(start.Add(time.Minute), 7)
		whole(t, s, old, 3)
		prune(start.Add(time.Minute), 0)
		// The chain goes on.
		write(t, s, start.Add(2*time.Hour), 2)
		head := mark(t, s, start.Add(2*time.Hour))
		whole(t, s, head, 5)
		prune(start.Add(90*time.Minute), 3)
		whole(t, s, head, 2)
		prune(start.Add(day), 2)
		whole(t, s, head, 0)
		write(t, s, start.Add(2*time.Hour), 2)
		head = whole(t, s, mark(t, s, start.Add(2*time.Hour)), 2).Head

		db := byHand(t, d.URL)
		for _, bend := range []string{"DELETE FROM audit WHERE id = (SELECT MIN(id) FROM audit)", "DELETE FROM audit"} {
			if _, err := db.Exec(bend); err != nil {
				t.Fatal(err)
			}
			if _, err := verify(t, s, head); err == nil {
				t.Error("not found behind the checkpoint: ", bend)
			}
		}
		if _, err := s.PruneAudit(t.Context(), start.Add(day), start.Add(day)); err == nil {
			t.Error("a broken record was pruned")
		}
	})
}

// A chain that stood still is not gone on with, and is ended when it stood still for longer.
func TestIdleChainEnds(t *testing.T) {
	t.Parallel()
	storetest.Databases(t, func(t *testing.T, d *storetest.Database) {
		s := d.Open(t)
		write(t, s, start, 2)
		write(t, s, start.Add(13*time.Hour), 2)
		mark(t, s, start.Add(25*time.Hour))
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

// A key that is added seals from then on, and what was written under the one before still verifies.
func TestRecordOverKeyRotation(t *testing.T) {
	t.Parallel()
	storetest.Databases(t, func(t *testing.T, d *storetest.Database) {
		s, err := store.Open(t.Context(), d.URL, d.KeyFile)
		if err != nil {
			t.Fatal(err)
		}
		write(t, s, start, 3)
		head := mark(t, s, start)
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
		err := s.Update(b.Context(), func(tx *store.Tx) error {
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
