package store

import (
	"context"
	"database/sql"
	"errors"
	"sync/atomic"
	"time"

	"github.com/jmoiron/sqlx"
)

// Group commit: Updates that wait while the writer is busy share its next transaction, and with it one fsync. The
// first of a group needs no savepoint, for when it fails nothing else is in the transaction yet; each later one has
// its own. An Update returns only after the commit that holds it.
//
// One goroutine, the writer, takes the waiting Updates in turn. Each runs its function on its own goroutine while the
// writer waits for it: so a panic keeps its stack, and a goroutine that ends (t.FailNow) ends nobody else's.
const (
	groupMost = 256                  // Updates in one transaction
	groupTime = 5 * time.Millisecond // after which no more join
)

const (
	begin     = "BEGIN IMMEDIATE"
	commit    = "COMMIT"
	rollback  = "ROLLBACK"
	savepoint = "SAVEPOINT one"
	undo      = "ROLLBACK TO one"
	release   = "RELEASE one"
)

type groupWriter struct {
	store *Store
	db    *sqlx.DB
	conn  *sqlx.Conn
	words map[string]*sql.Stmt // what begins and ends transactions, parsed once
	head  chain                // of the audit rows, where the open transaction has brought it
	jobs  chan *job            // closed by close
	ended chan struct{}        // closed when the last job has ended
}

// job is one Update on its way.
type job struct {
	taken atomic.Bool   // by the writer, or by its caller who leaves
	turn  chan struct{} // closed by the writer: the function may run
	ran   chan struct{} // closed by the caller: it has run, and ok and err tell how
	done  chan struct{} // closed by the writer: committed, or undone, and err tells why
	ok    bool
	err   error
	head  chain // of the audit rows, where its function has brought it
}

func newGroupWriter(ctx context.Context, s *Store, db *sqlx.DB, conn *sqlx.Conn) (*groupWriter, error) {
	w := &groupWriter{store: s, db: db, conn: conn, words: map[string]*sql.Stmt{}, jobs: make(chan *job), ended: make(chan struct{})}
	for _, word := range []string{begin, commit, rollback, savepoint, undo, release} {
		stmt, err := conn.PrepareContext(ctx, word)
		if err != nil {
			return nil, err
		}
		w.words[word] = stmt
	}
	go w.run()
	return w, nil
}

func (w *groupWriter) update(ctx context.Context, fn func(*Tx) error) error {
	j := &job{turn: make(chan struct{}), ran: make(chan struct{}), done: make(chan struct{})}
	select {
	case w.jobs <- j:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-j.turn:
	case <-j.done:
		return j.err
	case <-ctx.Done():
		if j.taken.CompareAndSwap(false, true) {
			return ctx.Err()
		}
		select {
		case <-j.turn:
		case <-j.done:
			return j.err
		}
	}
	return w.call(ctx, j, fn)
}

// call runs a job's function and waits for its commit, or, however the function ends, until it is undone.
func (w *groupWriter) call(ctx context.Context, j *job, fn func(*Tx) error) (err error) {
	defer func() {
		close(j.ran)
		<-j.done
		err = j.err
	}()
	// It is carried through now, whoever hangs up.
	tx := &Tx{ReadTx: ReadTx{store: w.store, ctx: context.WithoutCancel(ctx), q: w.conn}, chain: w.head}
	j.err = tx.run(fn)
	j.ok, j.head = j.err == nil, tx.chain
	return nil
}

func (w *groupWriter) heads() []chain {
	if w.head.writer == "" {
		return nil
	}
	return []chain{w.head}
}

// close ends the writer; no Update is under way then.
func (w *groupWriter) close() error {
	close(w.jobs)
	<-w.ended
	var errs []error
	for _, stmt := range w.words {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(append(errs, w.conn.Close(), w.db.Close())...)
}

func (w *groupWriter) run() {
	defer close(w.ended)
	for j := range w.jobs {
		w.group(j)
	}
}

// group runs first, and what else is waiting, in one transaction.
func (w *groupWriter) group(first *job) {
	start, durable := time.Now(), w.head
	var held []*job // ran without error, wait for the commit
	for j, n := first, 0; j != nil; j = w.next(start, n) {
		n++
		if !j.taken.CompareAndSwap(false, true) {
			continue
		}
		keep, lost := w.step(j, len(held) > 0)
		if keep {
			w.head = j.head
			held = append(held, j)
			continue
		}
		if lost {
			w.head = durable
			w.finish(held, errLost)
			held = nil
		}
		close(j.done)
	}
	if len(held) == 0 {
		return
	}
	err := w.exec(commit)
	if err != nil {
		w.exec(rollback) // unless SQLite did it already
		w.head = chain{} // what is on the disk is in doubt
	}
	w.finish(held, w.store.kind(err))
}

// next gives a further job that already waits, while the group may grow.
func (w *groupWriter) next(start time.Time, n int) *job {
	if n >= groupMost || time.Since(start) > groupTime {
		return nil
	}
	select {
	case j := <-w.jobs:
		return j
	default:
		return nil
	}
}

func (w *groupWriter) finish(jobs []*job, err error) {
	for _, j := range jobs {
		j.err = err
		close(j.done)
	}
}

var errLost = unavailableError("the transaction was lost with another Update's fault")

// step runs one job inside the group's transaction and says whether it is to be committed. If not, its error is set
// and nothing of it is left; lost says that nothing of the whole group is.
func (w *groupWriter) step(j *job, inGroup bool) (keep, lost bool) {
	first, fails := begin, rollback
	if inGroup {
		first, fails = savepoint, undo
	}
	if err := w.exec(first); err != nil {
		j.err = w.store.kind(err)
		return false, false
	}
	close(j.turn)
	<-j.ran
	if j.ok {
		if !inGroup {
			return true, false
		}
		err := w.exec(release)
		if err == nil {
			return true, false
		}
		j.err = w.store.kind(err)
	}
	err := w.exec(fails)
	if err == nil && inGroup {
		err = w.exec(release)
	}
	if err != nil {
		// SQLite ends a whole transaction by itself on some faults (disk full, I/O).
		w.exec(rollback)
	}
	return false, inGroup && err != nil
}

func (w *groupWriter) exec(word string) error {
	_, err := w.words[word].ExecContext(context.Background())
	return err
}
