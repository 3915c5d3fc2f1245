package store_test

import (
	"context"
	"testing"
	"time"

	"tokensmith/store"
	"tokensmith/store/storetest"
)

// TestWritable: a database that refuses changes is not writable until it accepts them again, whatever other changes there are. A
// database that accepts changes is asked only once.
func TestWritable(t *testing.T) {
	t.Parallel()
	storetest.Databases(t, func(t *testing.T, d *storetest.Database) {
		s := d.Open(t)
		refuse := func(on bool) {
			t.Helper()
			var err error
			switch {
			case !store.IsPostgres(d.URL) && on:
				err = store.SetWriter(s, "PRAGMA query_only = on")
			case !store.IsPostgres(d.URL):
				err = store.SetWriter(s, "PRAGMA query_only = off")
			case on:
				_, err = byHand(t, d.URL).Exec(`CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION USING ERRCODE = '53100'; END $$;
					CREATE TRIGGER full_disk BEFORE INSERT ON meta EXECUTE FUNCTION full_disk(); CREATE TRIGGER full_disk BEFORE INSERT ON repositories EXECUTE FUNCTION full_disk()`)
			default:
				_, err = byHand(t, d.URL).Exec("DROP FUNCTION full_disk CASCADE")
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		writable := func(want bool) {
			t.Helper()
			if err := s.Writable(t.Context()); (err == nil) != want {
				t.Errorf("writable: %v", err)
			}
		}
		// still checks that no trial is made before its time. If that time is over already, it cannot check anything.
		still := func(refused time.Time) {
			t.Helper()
			if err := s.Writable(t.Context()); err == nil && time.Since(refused) < store.TriedAgain {
				t.Error("writable before it was tried again")
			}
		}
		// Nothing was written yet, so a trial must be made.
		refuse(true)
		refused := time.Now()
		writable(false)
		refuse(false)
		still(refused)
		time.Sleep(store.TriedAgain)
		writable(true)
		if err := s.Alive(t.Context()); err != nil {
			t.Error(err)
		}
		if !store.IsPostgres(d.URL) {
			before := commits(t, d.URL)
			for range 10 {
				writable(true)
			}
			if n := commits(t, d.URL); n != before {
				t.Errorf("%d were tried where none was refused", n-before)
			}
		}
		refuse(true)
		writable(true)
		wantUnavailable(t, s.Update(context.Background(), insertOne))
		writable(false)
		time.Sleep(store.TriedAgain)
		refused = time.Now()
		writable(false) // a trial was made
		refuse(false)
		update(t, s, insertOne)
		still(refused) // another change does not prove that there is room for more
		time.Sleep(store.TriedAgain)
		writable(true)
	})
}
