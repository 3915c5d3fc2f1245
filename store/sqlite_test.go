package store_test

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tokensmith/model"
	"tokensmith/model/modeltest"
	"tokensmith/store"
	"tokensmith/store/storetest"
)

func wantUnavailable(t *testing.T, err error) {
	t.Helper()
	var e *model.Error
	if !errors.As(err, &e) || e.Kind != model.Unavailable {
		t.Fatalf("not Unavailable: %T %v", err, err)
	}
}

func update(t *testing.T, s store.Store, fn func(tx store.Tx) error) {
	t.Helper()
	if err := s.Update(context.Background(), fn); err != nil {
		t.Fatal("Update: ", err)
	}
}

func view(t *testing.T, s store.Store, fn func(tx store.ReadTx) error) {
	t.Helper()
	if err := s.View(context.Background(), fn); err != nil {
		t.Fatal("View: ", err)
	}
}

var repositoryNumber atomic.Int64

func newRepository(size int) *model.Repository {
	id := fmt.Sprintf("r%08d", repositoryNumber.Add(1))
	return &model.Repository{ID: id, Name: id, Description: strings.Repeat("x", size)}
}

// commits counts the transactions in the write-ahead log of an SQLite database. Each ends with a frame that contains the size of
// the database (sqlite.org/fileformat2.html, section 4.1). The log must not have restarted.
func commits(t *testing.T, path string) (n int) {
	t.Helper()
	wal, err := os.ReadFile(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	if len(wal) == 0 {
		return 0
	}
	frame := 24 + int(binary.BigEndian.Uint32(wal[8:]))
	for at := 32; at+frame <= len(wal); at += frame {
		if binary.BigEndian.Uint32(wal[at+4:]) != 0 {
			n++
		}
	}
	return n
}

// TestGroupCommit: Updates that wait together share transactions, and thus fsyncs.
func TestGroupCommit(t *testing.T) {
	t.Parallel()
	d := storetest.NewSQLite(t)
	s := d.Open(t)
	before := commits(t, d.URL)
	const many = 100
	inside, gate := make(chan struct{}), make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		s.Update(context.Background(), func(tx store.Tx) error { close(inside); <-gate; return tx.Insert(newRepository(1)) })
	})
	<-inside
	for i := range many {
		group.Go(func() {
			err := s.Update(context.Background(), func(tx store.Tx) error {
				err := tx.Insert(newRepository(1))
				if i%10 == 0 {
					return errors.New("in the middle")
				}
				return err
			})
			if (err != nil) != (i%10 == 0) {
				t.Error(err)
			}
		})
	}
	modeltest.Until(t, "all wait", func() bool { return s.Waiting() == many+1 })
	close(gate)
	group.Wait()
	if n := commits(t, d.URL) - before; n < 1 || n > many/4 {
		t.Errorf("%d Updates took %d transactions", many, n)
	}
	view(t, s, func(tx store.ReadTx) error {
		n, err := tx.Count(&store.Query{Table: "repositories"})
		if n != many*9/10+1 {
			t.Errorf("%d rows", n)
		}
		return err
	})
}

// TestSQLiteFiles: only the owner can read the files, and after closing there is one file with everything.
func TestSQLiteFiles(t *testing.T) {
	t.Parallel()
	d := storetest.NewSQLite(t)
	s := d.Open(t)
	r := newRepository(1)
	update(t, s, func(tx store.Tx) error { return tx.Insert(r) })
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(d.URL + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("mode of %s is %v", info.Name(), info.Mode())
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if names, _ := filepath.Glob(d.URL + "*"); len(names) != 1 {
		t.Errorf("closed, it leaves %q", names)
	}
	view(t, d.Open(t), func(tx store.ReadTx) error { return tx.Load(new(model.Repository), r.ID) })
}

func TestSQLiteSettings(t *testing.T) {
	t.Parallel()
	s := storetest.NewSQLite(t).Open(t)
	ask := func(who string, tx store.ReadTx, want map[string]string) error {
		for pragma, want := range want {
			var got string
			if err := store.Ask(tx, &got, "PRAGMA "+pragma); err != nil {
				return err
			}
			if got != want {
				t.Errorf("%s of the %s is %s, not %s", pragma, who, got, want)
			}
		}
		return nil
	}
	settings := map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "10000", "cache_size": "-65536"}
	update(t, s, func(tx store.Tx) error { return ask("writer", tx, settings) })
	settings["query_only"] = "1"
	settings["cache_size"] = strconv.Itoa(-24 << 10 / (2*runtime.GOMAXPROCS(0) + 2))
	view(t, s, func(tx store.ReadTx) error { return ask("readers", tx, settings) })
}

// TestSQLitePath: characters with a meaning in a URL have none in a path.
func TestSQLitePath(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a b", "a?mode=memory", "a%20b", "a#b", "ä", "a&_foreign_keys=off"} {
		d := storetest.NewSQLite(t)
		d.URL = filepath.Join(filepath.Dir(d.URL), name)
		d.Open(t)
		if _, err := os.Stat(d.URL); err != nil {
			t.Error(err)
		}
	}
}

// TestSQLiteBusy: another process holds the write lock for longer than busy_timeout.
func TestSQLiteBusy(t *testing.T) {
	t.Parallel()
	d := storetest.NewSQLite(t)
	s := d.Open(t)
	if err := store.SetWriter(s, "PRAGMA busy_timeout = 50"); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite3", "file:"+d.URL+"?_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	other, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer other.Rollback()
	insert := func(tx store.Tx) error { return tx.Insert(newRepository(1)) }
	wantUnavailable(t, s.Update(context.Background(), insert))
	view(t, s, func(tx store.ReadTx) error { _, err := tx.Count(&store.Query{Table: "repositories"}); return err })
	if err := other.Rollback(); err != nil {
		t.Fatal(err)
	}
	update(t, s, insert)
}

// TestSQLiteFull: what is acknowledged while the disk is full is kept, and what is not acknowledged is not. Reading continues,
// and so does writing after there is room again.
func TestSQLiteFull(t *testing.T) {
	t.Parallel()
	t.Run("pages", func(t *testing.T) {
		t.Parallel()
		d := storetest.NewSQLite(t)
		s := d.Open(t)
		if err := store.SetWriter(s, "PRAGMA max_page_count = 250"); err != nil {
			t.Fatal(err)
		}
		fill(t, d, s, func() {
			if err := store.SetWriter(s, "PRAGMA max_page_count = 100000"); err != nil {
				t.Fatal(err)
			}
		})
	})
	t.Run("disk", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		room := modeltest.SmallDisk(t, dir, "6m", 3<<20)
		d := storetest.NewSQLite(t)
		d.URL = filepath.Join(dir, "tokensmith.db")
		fill(t, d, d.Open(t), room)
	})
}

func fill(t *testing.T, d *storetest.Database, s store.Store, room func()) {
	var mu sync.Mutex
	kept, refused := map[string]bool{}, 0
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 60 {
				r := newRepository(20_000)
				err := s.Update(context.Background(), func(tx store.Tx) error { return tx.Insert(r) })
				mu.Lock()
				if err == nil {
					kept[r.ID] = true
				} else {
					refused++
					var e *model.Error
					if !errors.As(err, &e) || e.Kind != model.Unavailable {
						t.Errorf("not Unavailable: %v", err)
					}
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	if len(kept) == 0 || refused == 0 {
		t.Fatalf("%d kept, %d refused", len(kept), refused)
	}
	same := func(s store.Store) {
		t.Helper()
		view(t, s, func(tx store.ReadTx) error {
			rows, err := tx.Find(&store.Query{Table: "repositories", Columns: []store.Column{{Name: "id"}}, Limit: 10_000})
			for _, r := range rows {
				if !kept[r[0].(string)] {
					t.Errorf("%v is there though it was refused", r[0])
				}
			}
			if len(rows) != len(kept) {
				t.Errorf("%d rows are there, %d were acknowledged", len(rows), len(kept))
			}
			return err
		})
	}
	same(s)
	room()
	r := newRepository(20_000)
	update(t, s, func(tx store.Tx) error { return tx.Insert(r) })
	kept[r.ID] = true
	same(s)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	same(d.Open(t))
}

// TestGroupBeforeLong: Updates that are done when a long Update begins do not wait for it.
func TestGroupBeforeLong(t *testing.T) {
	t.Parallel()
	s := storetest.NewSQLite(t).Open(t)
	inside, gate := make(chan struct{}), make(chan struct{})
	started, end := make(chan struct{}), make(chan struct{})
	short := make(chan error, 2)
	go func() {
		short <- s.Update(context.Background(), func(tx store.Tx) error { close(inside); <-gate; return tx.Insert(newRepository(1)) })
	}()
	<-inside
	go func() {
		short <- s.Update(context.Background(), func(tx store.Tx) error { return tx.Insert(newRepository(2)) })
	}()
	modeltest.Until(t, "it waits", func() bool { return s.Waiting() == 2 })
	long := make(chan error, 1)
	go func() {
		long <- s.UpdateLong(context.Background(), func(tx store.Tx) error { close(started); <-end; return tx.Insert(newRepository(3)) })
	}()
	modeltest.Until(t, "the long one waits", func() bool { return s.Waiting() == 3 })
	close(gate)
	<-started
	for range 2 {
		select {
		case err := <-short:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(modeltest.Patience):
			t.Fatal("an Update that has run waits for a long one")
		}
	}
	close(end)
	if err := <-long; err != nil {
		t.Error(err)
	}
}

// behind runs Updates that share a transaction after a running one, in their order.
func behind(t *testing.T, s store.Store, fns ...func(store.Tx) error) []error {
	t.Helper()
	inside, hold := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		s.Update(context.Background(), func(store.Tx) error { close(inside); <-hold; return nil })
	})
	<-inside
	errs := make([]error, len(fns))
	for i, fn := range fns {
		before := s.Waiting()
		all.Go(func() { errs[i] = s.Update(context.Background(), fn) })
		for s.Waiting() == before {
			time.Sleep(time.Millisecond)
		}
	}
	// The time in which others may join the first one is over, so they form a group of their own.
	time.Sleep(5 * time.Millisecond)
	close(hold)
	all.Wait()
	return errs
}

// TestRefusedWithItsGroup: the commit of the group may fail, and then what a refusal is based on is rolled back. Therefore the
// refusal waits for the commit.
func TestRefusedWithItsGroup(t *testing.T) {
	t.Parallel()
	s := storetest.NewSQLite(t).Open(t)
	own := errors.New("its own")
	for shared := 0; shared == 0; { // until both run in one group
		errs := behind(t, s,
			func(tx store.Tx) error { return store.SpoilCommit(tx) },
			func(tx store.Tx) error {
				return errors.Join(store.Ask(tx, &shared, "SELECT COUNT(*) FROM user_states"), own)
			})
		if shared > 0 && (errs[0] == nil || errs[1] == nil || errors.Is(errs[1], own)) {
			t.Errorf("the group's commit failed, and its Updates gave %v", errs)
		}
	}
	errs := behind(t, s,
		func(tx store.Tx) error { return tx.Insert(&model.Repository{ID: "r", Name: "r"}) },
		func(tx store.Tx) error { return own })
	if errs[0] != nil || errs[1] != own {
		t.Errorf("the group was committed, and its Updates gave %v", errs)
	}
}

// TestCallersChange: whoever sees a change of who may call also sees that Callers has changed.
func TestCallersChange(t *testing.T) {
	t.Parallel()
	s := storetest.NewSQLite(t).Open(t)
	agent := model.Agent{ID: "a", Name: "a", SecretHash: []byte("x"), Generation: 1, Permissions: "*", Status: model.Active}
	if err := s.Update(t.Context(), func(tx store.Tx) error { return tx.Insert(&agent) }); err != nil {
		t.Fatal(err)
	}
	before := s.CallerChanges()
	fns := []func(store.Tx) error{func(tx store.Tx) error {
		agent.Status = model.DisabledBy
		return tx.Save(&agent)
	}}
	late := make([]int64, 8)
	for range late {
		fns = append(fns, func(tx store.Tx) error {
			var seen model.Agent
			if err := tx.Load(&seen, "a"); err != nil || seen.Status != model.DisabledBy {
				return fmt.Errorf("%v, %w", seen.Status, err)
			}
			return nil
		})
	}
	began := time.Now()
	for i := range late {
		fn := fns[i+1]
		fns[i+1] = func(tx store.Tx) error { err := fn(tx); late[i] = s.CallerChanges(); return err }
	}
	for _, err := range behind(t, s, fns...) {
		if err != nil {
			t.Error(err)
		}
	}
	if slices.Contains(late, before) {
		t.Errorf("Callers gave %d before, and %v to those who had seen the change", before, late)
	}
	if took := time.Since(began); s.CallerChanges() == before || s.CallerChanges() < 0 || took < store.MaxCallerAge {
		t.Errorf("Callers gives %d, %d before; the change took %s", s.CallerChanges(), before, took)
	}
}

// TestBuildIsChecked: a build without the C flags of the Makefile causes a warning, based on the compile options that SQLite
// reports.
func TestBuildIsChecked(t *testing.T) {
	t.Parallel()
	d := storetest.NewSQLite(t)
	s := d.Open(t)
	rows, err := byHand(t, d.URL).Query("PRAGMA compile_options")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var options []string
	for rows.Next() {
		var option string
		if err := rows.Scan(&option); err != nil {
			t.Fatal(err)
		}
		options = append(options, option)
	}
	if got, want := s.Warnings(), store.BuildWarnings(options); !slices.Equal(got, want) {
		t.Errorf("the store warns %q, its SQLite says %q", got, want)
	}
	// SQLite must report all of them, or every build would cause warnings.
	if flags := os.Getenv("CGO_CFLAGS"); strings.Contains(flags, "QPSG") && len(s.Warnings()) > 0 {
		t.Errorf("built with %s, it warns %q", flags, s.Warnings())
	}
	bare := store.BuildWarnings([]string{"COMPILER=gcc-12.2.0", "THREADSAFE=1"})
	if len(bare) != 1 || !strings.Contains(bare[0], "ENABLE_QPSG, DEFAULT_MEMSTATUS=0, STMTJRNL_SPILL=-1") || !strings.Contains(bare[0], "make") {
		t.Errorf("of a bare build: %q", bare)
	}
}

// TestShortUpdatesGoBetweenLongOnes: a short Update waits for at most one long one, however many wait before it. The long ones
// get their turns.
func TestShortUpdatesGoBetweenLongOnes(t *testing.T) {
	t.Parallel()
	s := storetest.NewSQLite(t).Open(t)
	hold, begun := make(chan struct{}), make(chan struct{})
	var mu sync.Mutex
	var order []string
	var work sync.WaitGroup
	run := func(name string, update func(context.Context, func(store.Tx) error) error, inside func()) {
		before := s.Waiting()
		work.Add(1)
		go func() {
			defer work.Done()
			if err := update(context.Background(), func(store.Tx) error {
				mu.Lock()
				order = append(order, name)
				mu.Unlock()
				inside()
				return nil
			}); err != nil {
				t.Error(err)
			}
		}()
		modeltest.Until(t, name+" waits", func() bool { return s.Waiting() > before })
		time.Sleep(20 * time.Millisecond) // time between counting it and queueing it
	}
	nothing := func() {}
	run("long 1", s.UpdateLong, func() { close(begun); <-hold })
	<-begun
	run("long 2", s.UpdateLong, nothing)
	run("long 3", s.UpdateLong, nothing)
	run("short 1", s.Update, nothing)
	run("short 2", s.Update, nothing)
	close(hold)
	work.Wait()
	if got := strings.Join(order, ", "); got != "long 1, short 1, short 2, long 2, long 3" {
		t.Error(got)
	}
}
