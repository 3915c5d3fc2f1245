package store

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jmoiron/sqlx"
)

// Group commit: Updates that wait while the writer is busy share its next transaction, and with it one fsync. The
// first of a group needs no savepoint, for when it fails nothing else is in the transaction yet; each later one has
// its own. An Update returns only after the commit that holds it.
const (
	groupMost = 256                  // Updates in one transaction
	groupTime = 5 * time.Millisecond // after which no more join
)

var errClosed = errors.New("the store is closed")

type groupWriter struct {
	store *Store
	db    *sqlx.DB
	conn  *sqlx.Conn
	jobs  chan *job
	quit  chan struct{} // closed by close: no more jobs
	done  chan struct{} // closed when the last job has ended
	once  sync.Once
}

type job struct {
	ctx   context.Context
	fn    func(*Tx) error
	taken atomic.Bool // by the writer, or by its caller who leaves
	err   error
	panic any
	done  chan struct{}
}

func newGroupWriter(s *Store, db *sqlx.DB, conn *sqlx.Conn) *groupWriter {
	w := &groupWriter{store: s, db: db, conn: conn, jobs: make(chan *job), quit: make(chan struct{}), done: make(chan struct{})}
	go w.run()
	return w
}

func (w *groupWriter) update(ctx context.Context, fn func(*Tx) error) error {
	j := &job{ctx: ctx, fn: fn, done: make(chan struct{})}
	select {
	case w.jobs <- j:
	case <-ctx.Done():
		return ctx.Err()
	case <-w.quit:
		return w.store.kind(errClosed)
	}
	select {
	case <-j.done:
	case <-ctx.Done():
		if j.taken.CompareAndSwap(false, true) {
			return ctx.Err()
		}
		<-j.done
	}
	if j.panic != nil {
		panic(j.panic)
	}
	return j.err
}

func (w *groupWriter) close() error {
	w.once.Do(func() { close(w.quit) })
	<-w.done
	return errors.Join(w.conn.Close(), w.db.Close())
}

func (w *groupWriter) run() {
	defer close(w.done)
	for {
		select {
		case j := <-w.jobs:
			w.group(j)
		case <-w.quit:
			return
		}
	}
}

// group runs first, and what else is waiting, in one transaction.
func (w *groupWriter) group(first *job) {
	start := time.Now()
	var held []*job // ran without error, wait for the commit
	for j, n := first, 0; j != nil; j = w.next(start, n) {
		n++
		if !j.taken.CompareAndSwap(false, true) {
			continue
		}
		if w.step(j, len(held) > 0) {
			held = append(held, j)
			continue
		}
		if j.err == errTransaction {
			// The transaction itself is lost, and with it whatever was in it.
			for _, h := range held {
				h.err = j.err
			}
			w.finish(held)
			held = nil
		}
		close(j.done)
	}
	if len(held) > 0 {
		if err := w.exec("COMMIT"); err != nil {
			w.exec("ROLLBACK")
			for _, j := range held {
				j.err = w.store.kind(err)
			}
		}
		w.finish(held)
	}
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

func (w *groupWriter) finish(jobs []*job) {
	for _, j := range jobs {
		close(j.done)
	}
}

// step runs one job inside the group's transaction and says whether it is to be committed. On false its error is set
// and nothing of it is left.
func (w *groupWriter) step(j *job, inGroup bool) bool {
	begin, undo, keep := "BEGIN IMMEDIATE", "ROLLBACK", ""
	if inGroup {
		begin, undo, keep = "SAVEPOINT one", "ROLLBACK TO one", "RELEASE one"
	}
	if err := w.exec(begin); err != nil {
		j.err = w.store.kind(err)
		return false
	}
	if w.call(j) {
		if keep == "" {
			return true
		}
		if err := w.exec(keep); err == nil {
			return true
		} else {
			j.err = w.store.kind(err)
		}
	}
	err := w.exec(undo)
	if err == nil && keep != "" {
		err = w.exec(keep)
	}
	if err != nil {
		// SQLite ends a transaction by itself on some faults (disk full, I/O).
		w.exec("ROLLBACK")
		if inGroup {
			j.err = errTransaction
		}
	}
	return false
}

var errTransaction = unavailableError("the transaction was lost")

// call runs the job's function; a panic is kept for the caller.
func (w *groupWriter) call(j *job) (ok bool) {
	defer func() {
		if p := recover(); p != nil {
			j.panic, ok = p, false
		}
	}()
	j.err = j.fn(&Tx{ReadTx{store: w.store, ctx: j.ctx, q: w.conn}})
	return j.err == nil
}

func (w *groupWriter) exec(query string) error {
	_, err := w.conn.ExecContext(context.Background(), query)
	return err
}
