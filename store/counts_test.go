package store_test

import (
	"testing"

	"tokensmith/store/storetest"
)

// TestMiscountsAreFound: a counter that somebody changed by hand, or that is gone, is found by a check and counted anew. What is there
// when the counters are introduced is counted (TestMigrates), and what a dump is loaded with (TestDumpAndLoad).
func TestMiscountsAreFound(t *testing.T) {
	t.Parallel()
	storetest.Databases(t, func(t *testing.T, d *storetest.Database) {
		s := d.Open(t)
		if _, err := s.Check(t.Context(), 1, false); err != nil {
			t.Fatal(err)
		}
		for _, change := range []string{"INSERT INTO token_counts VALUES ('ACTIVE', 'x', 'y', 0, 1)", "INSERT INTO user_counts VALUES ('ACTIVE', 'x', 3, -1)"} {
			db := byHand(t, d.URL)
			if _, err := db.Exec(change); err != nil {
				t.Fatal(err)
			}
			db.Close()
			if _, err := s.Check(t.Context(), 1, false); err == nil {
				t.Errorf("after %s nothing is found", change)
			}
			if wrong, err := s.Recount(t.Context()); err != nil || wrong != 1 {
				t.Errorf("after %s: %d, %v", change, wrong, err)
			}
			if _, err := s.Check(t.Context(), 1, false); err != nil {
				t.Error(err)
			}
		}
	})
}
