package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tokensmith/model"
	"tokensmith/store"
	"tokensmith/store/storetest"
)

// headFile returns the file in which a database's head is kept.
func headFile(t *testing.T, keyFile string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(filepath.Dir(keyFile), "*.head"))
	if err != nil || len(names) != 1 {
		t.Fatalf("heads are kept in %q, %v", names, err)
	}
	return names[0]
}

// emptied empties the record by hand, including the marks.
func emptied(t *testing.T, url string) {
	t.Helper()
	db := byHand(t, url)
	for _, table := range []string{"audit", "audit_marks"} {
		if _, err := db.Exec("DELETE FROM " + table); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestEmptiedRecordIsFound: a process that ends leaves the head of its record beside the key file. If somebody empties the record
// later, this is found, even if rows are added afterwards.
func TestEmptiedRecordIsFound(t *testing.T) {
	t.Parallel()
	storetest.Databases(t, func(t *testing.T, d *storetest.Database) {
		s := d.Open(t)
		write(t, s, start, 5)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		file := headFile(t, d.KeyFile)
		kept, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		keyInfo, err1 := os.Stat(d.KeyFile)
		info, err2 := os.Stat(file)
		if err1 != nil || err2 != nil || info.Mode() != keyInfo.Mode() {
			t.Errorf("%v and %v: mode %v, the key file's %v", err1, err2, info.Mode(), keyInfo.Mode())
		}
		s = d.Open(t)
		whole(t, s, "", 5)
		emptied(t, d.URL)
		if _, err := verify(t, s, ""); err == nil || !strings.Contains(err.Error(), filepath.Base(file)) {
			t.Errorf("an emptied record: %v", err)
		}
		whole(t, s, "0", 0)
		if _, err := s.Check(t.Context(), 1, false); err == nil {
			t.Error("check takes an emptied record for whole")
		}
		if _, err := s.PruneAudit(t.Context(), start, start, nil); err == nil {
			t.Error("an emptied record is pruned")
		}
		// More marks than before.
		for i := range 6 {
			next := d.Open(t)
			write(t, next, start.Add(time.Duration(i)*time.Hour), 1)
			auditMark(t, next, start)
			if err := next.HeadNotKept(); err == nil || !strings.Contains(err.Error(), "the audit record is broken") {
				t.Errorf("it is not said that the record lacks what is kept: %v", err)
			}
			if err := next.Close(); err != nil {
				t.Fatal(err)
			}
		}
		whole(t, s, "0", 6)
		if _, err := verify(t, s, ""); err == nil {
			t.Error("what was written behind an emptied record makes up for it")
		}
		if now, err := os.ReadFile(file); err != nil || string(now) != string(kept) {
			t.Error("what is kept was replaced: ", err)
		}
		// A text of somebody else in that file is not a head.
		if err := os.WriteFile(file, []byte("tokensmith-head-1 MA==\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := verify(t, s, ""); err == nil {
			t.Error("what is kept may be forged")
		}
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		whole(t, s, "", 6)
	})
}

// TestKeptByMany: several processes on one database, with a common folder or separate ones, keep their heads in any order, while
// the record is pruned and verified. No head that was ever kept is reported missing, not even an old one that comes back.
func TestKeptByMany(t *testing.T) {
	t.Parallel()
	storetest.Databases(t, func(t *testing.T, d *storetest.Database) {
		first := d.Open(t)
		write(t, first, start, 1)
		machine := filepath.Join(t.TempDir(), "key")
		text, err := os.ReadFile(d.KeyFile)
		if err == nil {
			err = os.WriteFile(machine, text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		auditMark(t, first, start)
		old, err := os.ReadFile(headFile(t, d.KeyFile))
		if err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		for i := range 4 {
			keyFile := []string{d.KeyFile, machine}[i%2]
			group.Go(func() {
				for n := range 5 {
					s, err := store.Open(context.Background(), d.URL, keyFile)
					if err != nil {
						t.Error(err)
						return
					}
					err = s.Update(context.Background(), func(tx store.Tx) error {
						return tx.Audit(&model.Audit{Time: model.At(start.Add(time.Duration(n) * time.Minute)), Agent: "a", Method: "token/create"})
					})
					_, marked := s.MarkAudit(context.Background(), start)
					_, verified := s.VerifyAudit(context.Background(), "")
					if err := errors.Join(err, marked, verified, s.HeadNotKept(), s.Close()); err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		if _, err := first.PruneAudit(t.Context(), start.Add(2*time.Minute), start, nil); err != nil {
			t.Fatal(err)
		}
		for _, keyFile := range []string{d.KeyFile, machine} {
			file := headFile(t, keyFile)
			for _, put := range [][]byte{nil, old} {
				if put != nil && keyFile == d.KeyFile {
					if err := os.WriteFile(file, old, 0o600); err != nil {
						t.Fatal(err)
					}
				}
				s, err := store.Open(t.Context(), d.URL, keyFile)
				if err != nil {
					t.Fatal(err)
				}
				_, err = s.VerifyAudit(t.Context(), "")
				write(t, s, start.Add(time.Hour), 1)
				if err := errors.Join(err, s.Close(), s.HeadNotKept()); err != nil {
					t.Error(err)
				}
			}
			if now, err := os.ReadFile(file); err != nil || string(now) == string(old) {
				t.Error("an old head stays: ", err)
			}
		}
	})
}

// TestKeptOnceAMinute: the head is written at most once a minute. If it cannot be written, the record continues.
func TestKeptOnceAMinute(t *testing.T) {
	t.Parallel()
	storetest.Databases(t, func(t *testing.T, d *storetest.Database) {
		began := time.Now()
		s := d.Open(t)
		write(t, s, start, 1)
		first := auditMark(t, s, start)
		file := headFile(t, d.KeyFile)
		for range 3 {
			write(t, s, start, 1)
			if auditMark(t, s, start) == first {
				t.Fatal("no new head")
			}
		}
		if head, err := s.KeptHead(); err != nil || head != first && time.Since(began) < time.Minute {
			t.Errorf("within a minute %s was put in place of %s, %v", head, first, err)
		}
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(file, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Error("closing fails where the head cannot be kept: ", err)
		}
		if err := s.HeadNotKept(); err == nil || !strings.Contains(err.Error(), file) || strings.Contains(err.Error(), ".new-") {
			t.Errorf("it is not said which file cannot be written: %v", err)
		}
	})
}

// TestKeptThroughRotation: after keys are retired, the kept head can still be read. A head that is sealed with a missing key
// counts as none.
func TestKeptThroughRotation(t *testing.T) {
	t.Parallel()
	storetest.Databases(t, func(t *testing.T, d *storetest.Database) {
		s := d.Open(t)
		write(t, s, start, 3)
		auditMark(t, s, start)
		file := headFile(t, d.KeyFile)
		old, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Rotate(t.Context(), start); err != nil {
			t.Fatal(err)
		}
		if _, err := s.RetireKeys(t.Context(), start, true); err != nil {
			t.Fatal(err)
		}
		whole(t, s, "", 3)
		if head, err := s.KeptHead(); err != nil || head == "" {
			t.Errorf("what is kept is %q, %v", head, err)
		}
		if err := os.WriteFile(file, old, 0o600); err != nil { // from a machine that was not running meanwhile
			t.Fatal(err)
		}
		if head, err := s.KeptHead(); err != nil || head != "" {
			t.Errorf("under a retired key %q is kept, %v", head, err)
		}
		whole(t, s, "", 3)
	})
}

// TestKeptOfDropped: a new database on a PostgreSQL server, with the name of a dropped one, is not compared with the record of
// that one.
func TestKeptOfDropped(t *testing.T) {
	t.Parallel()
	d := storetest.NewPostgres(t)
	s := d.Open(t)
	write(t, s, start, 2)
	auditMark(t, s, start)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	headFile(t, d.KeyFile)
	if _, err := byHand(t, d.URL).Exec("DROP SCHEMA public CASCADE; CREATE SCHEMA public"); err != nil {
		t.Fatal(err)
	}
	s = d.Open(t)
	whole(t, s, "", 0)
	write(t, s, start, 1)
	auditMark(t, s, start)
	whole(t, s, "", 1)
	if err := s.HeadNotKept(); err != nil {
		t.Error(err)
	}
}

// TestKeptOfRestored: a restored backup has its own head from then on, and a new database has none.
func TestKeptOfRestored(t *testing.T) {
	t.Parallel()
	d := storetest.NewSQLite(t)
	s := d.Open(t)
	write(t, s, start, 2)
	auditMark(t, s, start)
	backup := filepath.Join(t.TempDir(), "backup.db")
	if _, err := s.Backup(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	write(t, s, start, 2)
	if err := errors.Join(s.Close(), os.Remove(d.URL)); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Restore(t.Context(), backup, d.URL, d.KeyFile); err != nil {
		t.Fatal(err)
	}
	s = d.Open(t)
	whole(t, s, "", 2)
	if head, err := s.KeptHead(); err != nil || head == "" {
		t.Errorf("nothing is kept of what was restored: %q, %v", head, err)
	}
	write(t, s, start, 1)
	if err := errors.Join(s.Close(), s.HeadNotKept(), os.Remove(d.URL)); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), d.URL, d.KeyFile, store.MakeAnyway())
	if err != nil {
		t.Fatal(err)
	}
	whole(t, s, "", 0)
	if head, err := s.KeptHead(); err != nil || head != "" {
		t.Errorf("of a new database %q is kept, %v", head, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
