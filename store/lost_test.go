package store_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tokensmith/model"
	"tokensmith/model/modeltest"
	"tokensmith/store"
	"tokensmith/store/storetest"
)

// proxy is between a store and its server. It can cut connections at once, or just before or just after the next data from a
// client.
type proxy struct {
	shut  func() // refuses new connections
	mu    sync.Mutex
	conns []net.Conn

	swallow atomic.Bool // cut when a client sends data, and do not forward it
	answer  atomic.Bool // cut when the server sends data, and do not forward it
	silent  atomic.Bool // lose all data, and cut nothing
	late    atomic.Int64

	hold    atomic.Bool   // cut when a client sends data, and forward it when release is closed
	release chan struct{} // may be nil
}

func newProxy(t *testing.T, d *storetest.Database) *proxy {
	t.Helper()
	p := &proxy{}
	d.URL, p.shut = storetest.Proxy(t, d.URL, func(client, server net.Conn) {
		p.mu.Lock()
		p.conns = append(p.conns, client, server)
		p.mu.Unlock()
		go p.carry(server, client, &p.answer)
		p.carry(client, server, &p.swallow)
	})
	t.Cleanup(p.cut)
	return p
}

// carry copies data until either side closes, or until data arrives while stop is set.
func (p *proxy) carry(from, to net.Conn, stop *atomic.Bool) {
	defer from.Close()
	defer to.Close()
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if n > 0 && stop.CompareAndSwap(true, false) {
			p.cut()
			return
		}
		if n > 0 && stop == &p.swallow && p.hold.CompareAndSwap(true, false) {
			from.(*net.TCPConn).SetLinger(0)
			from.Close()
			<-p.release
		}
		if p.silent.Load() && err == nil {
			continue
		}
		if n == 16 && string(b[4:8]) == "\x04\xd2\x16\x2e" {
			return // the driver asks the server to cancel the lost statement; a broken network would not forward that
		}
		if _, failed := to.Write(b[:n]); err != nil || failed != nil {
			return
		}
		if n > 0 && stop == &p.swallow && p.late.Load() > 0 {
			time.Sleep(time.Duration(p.late.Swap(0)))
			p.cut()
		}
	}
}

func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.(*net.TCPConn).SetLinger(0) // a reset
		c.Close()
	}
	p.conns = nil
}

func noted(what string) func(tx store.Tx) error {
	return func(tx store.Tx) error {
		if err := insertOne(tx); err != nil {
			return err
		}
		return tx.Audit(&model.Audit{Time: 1, Method: what})
	}
}

// wantRows checks the number of rows, each with one audit row, and the number of audit rows of lost transactions.
func wantRows(t *testing.T, s store.Store, want, lost int64) {
	t.Helper()
	view(t, s, func(tx store.ReadTx) error {
		n, err := tx.Count(&store.Query{Table: "repositories"})
		if n != want {
			t.Errorf("%d rows, not %d", n, want)
		}
		return err
	})
	wantRecord(t, s, want, lost)
}

// wantRecord checks that the record is intact and has that many rows for changes, and at least that many for lost transactions.
func wantRecord(t *testing.T, s store.Store, changes, lost int64) {
	t.Helper()
	v, err := s.VerifyAudit(context.Background(), "")
	if err != nil {
		t.Error(err)
	}
	view(t, s, func(tx store.ReadTx) error {
		n, err := tx.Count(&store.Query{Table: "audit", Where: []store.Cond{{Column: "method", Op: store.Eq, Value: "commit"}}})
		if v.Rows-n != changes || n < lost {
			t.Errorf("the record has %d rows, %d of lost transactions, not %d and %d", v.Rows, n, changes+lost, lost)
		}
		return err
	})
}

// TestPostgresCommitLost: the network fails at a COMMIT: before it arrives, before its reply arrives, or while the server
// executes it. A transaction that committed does not run again, and one that did not does. COMMIT is sent with the statements
// before it, or alone if the reply to the last one was awaited.
func TestPostgresCommitLost(t *testing.T) {
	t.Parallel()
	t.Run("with others", func(t *testing.T) { testCommitLost(t, noted) })
	t.Run("alone", func(t *testing.T) { testCommitLost(t, notedAndRead) })
}

// notedAndRead leaves no statement that would be sent with the COMMIT.
func notedAndRead(what string) func(tx store.Tx) error {
	return func(tx store.Tx) error {
		if err := noted(what)(tx); err != nil {
			return err
		}
		return readOne(tx)
	}
}

func testCommitLost(t *testing.T, noted func(what string) func(tx store.Tx) error) {
	t.Parallel()
	d := storetest.NewPostgres(t)
	p := newProxy(t, d)
	s := d.Open(t)
	rows, lost := int64(0), int64(0)
	for name, c := range map[string]struct {
		cut  func()
		runs int
	}{
		"before it arrives": {func() { p.swallow.Store(true) }, 2},
		"before its answer": {func() { p.answer.Store(true) }, 1},
		"while at it":       {func() { p.late.Store(int64(500 * time.Millisecond)) }, 1},
	} {
		// The next connection has prepared all statements, so only the COMMIT can be lost.
		for range 3 {
			rows++
			update(t, s, noted("warm"))
		}
		if name == "while at it" {
			update(t, s, func(tx store.Tx) error {
				for _, text := range []string{"CREATE FUNCTION slow() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(1); RETURN NULL; END $$",
					"CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON repositories DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow()"} {
					if _, err := store.Exec(tx, text); err != nil {
						return err
					}
				}
				return nil
			})
		}
		runs := 0
		cut := once(c.cut)
		began := time.Now()
		rows++
		update(t, s, func(tx store.Tx) error {
			runs++
			err := noted(name)(tx)
			cut()
			return err
		})
		if runs != c.runs {
			t.Errorf("%s: it ran %d times, not %d", name, runs, c.runs)
		}
		if name == "while at it" {
			if time.Since(began) < time.Second {
				t.Error("it did not wait for the COMMIT that was under way")
			}
			update(t, s, func(tx store.Tx) error { _, err := store.Exec(tx, "DROP FUNCTION slow CASCADE"); return err })
		}
		lost += int64(c.runs - 1)
		wantRows(t, s, rows, lost)
	}
}

// TestPostgresPlaceTaken: if the id of a lost transaction's audit row belongs to a row that is neither its own nor the void row,
// the transaction is not reported as committed.
func TestPostgresPlaceTaken(t *testing.T) {
	t.Parallel()
	s := storetest.NewPostgres(t).Open(t)
	update(t, s, noted("one"))
	for mac, want := range map[string]bool{"": true, "another": false} {
		committed, err := store.Resolve(s, mac)
		if want && (err != nil || !committed) || !want && err == nil {
			t.Errorf("%q: committed %v, %v", mac, committed, err)
		}
	}
}

// TestPostgresCommitLate: a COMMIT arrives after the store has looked for it without success and has run the transaction again.
// It commits nothing.
func TestPostgresCommitLate(t *testing.T) {
	t.Parallel()
	d := storetest.NewPostgres(t)
	p := newProxy(t, d)
	p.release = make(chan struct{})
	s := d.Open(t)
	for range 3 {
		update(t, s, noted("warm"))
	}
	open := func() (n int64) { // transactions that wait for their clients
		view(t, s, func(tx store.ReadTx) error {
			return store.Ask(tx, &n, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'")
		})
		return n
	}
	runs := 0
	update(t, s, func(tx store.Tx) error {
		runs++
		err := noted("late")(tx)
		if runs == 1 {
			p.hold.Store(true)
			return err
		}
		if n := open(); n != 2 {
			t.Errorf("%d transactions are open, not the first run's and the second's", n)
		}
		close(p.release)
		modeltest.Until(t, "the first run's ends", func() bool { return open() == 1 })
		return err
	})
	if runs != 2 {
		t.Errorf("it ran %d times", runs)
	}
	wantRows(t, s, 4, 1)
}

// TestPostgresCuts: connections are cut at random, many times. Everything that was acknowledged exists exactly once.
func TestPostgresCuts(t *testing.T) {
	t.Parallel()
	d := storetest.NewPostgres(t)
	p := newProxy(t, d)
	s := d.Open(t)
	update(t, s, func(tx store.Tx) error { return tx.PutMeta("counter", []byte("0")) })
	const callers = 4
	const least = 50 // increments
	var each [callers]int64
	var done atomic.Int64
	var stop atomic.Bool
	var all sync.WaitGroup
	for n := range callers {
		all.Go(func() {
			for !stop.Load() {
				err := s.Update(context.Background(), func(tx store.Tx) error {
					value, err := tx.Meta("counter")
					if err != nil {
						return err
					}
					var counter int64
					fmt.Sscan(string(value), &counter)
					if err := tx.PutMeta("counter", fmt.Append(nil, counter+1)); err != nil {
						return err
					}
					err = tx.Audit(&model.Audit{Time: 1, Method: "increment"})
					if err == nil && n%2 == 0 {
						err = readOne(tx) // then COMMIT is sent alone
					}
					return err
				})
				if err != nil {
					t.Error(err)
					return
				}
				each[n]++
				done.Add(1)
			}
		})
	}
	cuts := 0
	for began := time.Now(); time.Since(began) < 3*time.Second || done.Load() < least && !t.Failed(); cuts++ {
		if cuts%8 == 7 { // on a slow machine nothing is done between two cuts
			before := done.Load()
			modeltest.Until(t, "an increment", func() bool { return done.Load() > before || t.Failed() })
		}
		time.Sleep(time.Duration(1+rand.IntN(60)) * time.Millisecond)
		switch rand.IntN(3) {
		case 0:
			p.swallow.Store(true)
		case 1:
			p.answer.Store(true)
		default:
			p.cut()
		}
	}
	stop.Store(true)
	all.Wait()
	p.swallow.Store(false)
	p.answer.Store(false)
	want := int64(0)
	for _, n := range each {
		want += n
	}
	view(t, s, func(tx store.ReadTx) error {
		value, err := tx.Meta("counter")
		var counter int64
		fmt.Sscan(string(value), &counter)
		if counter != want || want < least {
			t.Errorf("the counter is %d after %d increments and %d cuts", counter, want, cuts)
		}
		return err
	})
	wantRecord(t, s, want, 0)
	t.Logf("%d increments, %d cuts", want, cuts)
}

// TestPostgresGone: if the server stays away, callers become Unavailable after a while. Callers who come while many wait already
// become Unavailable at once, and so does a caller whose ctx ends.
func TestPostgresGone(t *testing.T) {
	t.Parallel()
	d := storetest.NewPostgres(t)
	p := newProxy(t, d)
	s := d.Open(t)
	update(t, s, noted("here"))
	p.shut()
	p.cut()
	var all sync.WaitGroup
	all.Go(func() { wantUnavailable(t, s.Update(context.Background(), noted("gone"))) })
	all.Go(func() { wantUnavailable(t, s.View(context.Background(), readOne)) })
	ctx, leave := context.WithCancel(context.Background())
	for range store.LostCallers {
		all.Go(func() {
			if err := s.Update(ctx, noted("gone")); err == nil {
				t.Error("it succeeded")
			}
		})
	}
	modeltest.Until(t, "many wait", func() bool { return store.Waits(s) >= store.LostCallers })
	wantUnavailable(t, s.Update(context.Background(), noted("gone")))
	wantUnavailable(t, s.View(context.Background(), readOne))
	if store.Waits(s) == 0 {
		t.Error("who came last waited as long as those before")
	}
	leave()
	all.Wait()
	if n := store.Waits(s); n != 0 {
		t.Errorf("%d still wait", n)
	}
}

// TestPostgresNoneFree: a caller who waits for a free connection, while the server is known not to reply, waits no longer than
// for a server that cannot be reached.
func TestPostgresNoneFree(t *testing.T) {
	t.Parallel()
	d := storetest.NewPostgres(t)
	s, other := d.Open(t), d.Open(t)
	store.Down(s)
	hold := make(chan struct{})
	var all sync.WaitGroup
	var held sync.WaitGroup
	for _, s := range []store.Store{s, other} {
		for range d.Views {
			held.Add(1)
			all.Go(func() {
				if err := s.View(context.Background(), func(store.ReadTx) error { held.Done(); <-hold; return nil }); err != nil {
					t.Error(err)
				}
			})
		}
	}
	held.Wait()
	// A caller who began before this was known waits longer.
	ctx, leave := context.WithCancel(context.Background())
	defer leave()
	longer := make(chan error, 1)
	go func() { longer <- other.Update(ctx, insertOne) }()
	modeltest.Until(t, "it waits", func() bool { return other.Waiting() == 1 })
	wantUnavailable(t, s.Update(context.Background(), insertOne))
	select {
	case err := <-longer:
		t.Errorf("it took as long as where nothing is known: %v", err)
	default:
		leave()
		<-longer
	}
	close(hold)
	all.Wait()
	update(t, s, insertOne)
	if store.IsDown(s) {
		t.Error("it is held to be down")
	}
}

// TestPostgresSlow: an Update that takes too long is Unavailable. The server counts as down only if it does not reply.
func TestPostgresSlow(t *testing.T) {
	t.Parallel()
	d := storetest.NewPostgres(t)
	p := newProxy(t, d)
	s := d.Open(t)
	update(t, s, noted("here"))
	store.SetUpdateMost(s, 500*time.Millisecond)
	sleep := func(tx store.Tx) error {
		_, err := store.Exec(tx, "SELECT pg_sleep(30)")
		return err
	}
	wantUnavailable(t, s.Update(context.Background(), sleep))
	if store.IsDown(s) {
		t.Error("the server answers and is held to be down")
	}
	store.SetUpdateMost(s, modeltest.Patience)
	update(t, s, noted("there"))
	store.SetUpdateMost(s, 500*time.Millisecond)
	p.silent.Store(true)
	wantUnavailable(t, s.Update(context.Background(), sleep))
	if !store.IsDown(s) {
		t.Error("the server does not answer and is held to be there")
	}
	p.silent.Store(false)
	p.cut()
}

// TestPostgresPatient: operators' commands have no time limit except their context.
func TestPostgresPatient(t *testing.T) {
	t.Parallel()
	d := storetest.NewPostgres(t)
	d.Open(t) // creates the tables, however long that takes
	d.URL += "&statement_timeout=2000"
	s := d.Open(t)
	store.SetUpdateMost(s, 2*time.Second)
	sleep := func(seconds int) func(tx store.Tx) error {
		return func(tx store.Tx) error {
			_, err := store.Exec(tx, "SELECT pg_sleep($1)", seconds)
			return err
		}
	}
	wantUnavailable(t, s.Update(context.Background(), sleep(3)))
	if err := store.UpdateUnbounded(s, context.Background(), sleep(3)); err != nil {
		t.Error(err)
	}
	ctx, leave := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer leave()
	if err := store.UpdateUnbounded(s, ctx, sleep(30)); !errors.Is(err, context.DeadlineExceeded) || store.IsDown(s) {
		t.Errorf("%v, down %v", err, store.IsDown(s))
	}
	store.SetUpdateMost(s, modeltest.Patience)
	update(t, s, noted("after"))
}

// TestPostgresLeave: callers whose ctx ends at any moment leave no connection in use.
func TestPostgresLeave(t *testing.T) {
	t.Parallel()
	d := storetest.NewPostgres(t)
	s := d.Open(t)
	update(t, s, noted("here"))
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			for i := range 150 {
				ctx, leave := context.WithTimeout(context.Background(), time.Duration(rand.IntN(4000))*time.Microsecond)
				if (n+i)%2 == 0 {
					s.Update(ctx, noted("left"))
				} else {
					s.View(ctx, readOne)
				}
				leave()
			}
		})
	}
	all.Wait()
	modeltest.Until(t, "no connection is taken", func() bool { return store.InUse(s) == 0 })
	if store.Waits(s) != 0 {
		t.Errorf("%d still wait", store.Waits(s))
	}
	update(t, s, noted("after"))
}
