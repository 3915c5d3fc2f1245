package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"sync"
	"time"
)

// Group commit: Updates that wait while the connection is taken share its next transaction, and with it one fsync. The
// first of a group needs no savepoint, for when it fails nothing else is in the transaction yet; each later one has
// its own. An Update returns only after the commit that holds it.
//
// The connection goes from one Update to the next that waits; the last of a group commits. Each runs its function on its
// own goroutine: so a panic keeps its stack, and a goroutine that ends (t.FailNow) ends nobody else's.
const (
	groupMost = 256                  // Updates in one transaction
	groupTime = 2 * time.Millisecond // after which no more join, so that some are answered while others run
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
	db    *sql.DB
	conn  *sql.Conn
	words map[string]*sql.Stmt // what begins and ends transactions, parsed once
	check *checkpointer

	mu      sync.Mutex
	taken   bool   // an Update has the connection
	waiting []*job // for it, the first one first

	// Of the open transaction; whoever has the connection has these.
	held    []*job // ran without error, wait for the commit
	tried   int    // Updates
	began   time.Time
	head    chain // of the audit rows, where the transaction has brought it
	durable chain // where it stood before
}

// job is one Update on its way.
type job struct {
	turn chan struct{} // closed when the connection is given to it
	done chan struct{} // closed when it is committed, or undone and err tells why
	err  error
}

func newGroupWriter(ctx context.Context, s *Store, db *sql.DB, conn, second *sql.Conn) (*groupWriter, error) {
	w := &groupWriter{store: s, db: db, conn: conn, words: map[string]*sql.Stmt{}}
	for _, word := range []string{begin, commit, rollback, savepoint, undo, release} {
		stmt, err := conn.PrepareContext(ctx, word)
		if err != nil {
			return nil, err
		}
		w.words[word] = stmt
	}
	w.check = newCheckpointer(second)
	return w, nil
}

func (w *groupWriter) update(ctx context.Context, how manner, fn func(*Tx) error) (err error) {
	j := &job{turn: make(chan struct{}), done: make(chan struct{})}
	if err := w.enter(ctx, j); err != nil {
		return err
	}
	if how != short {
		w.settle() // nobody shall wait for it whose work is done
	}
	first := len(w.held) == 0
	if first {
		w.tried, w.began, w.durable = 0, time.Now(), w.head
		err = w.exec(begin)
	} else {
		err = w.exec(savepoint)
	}
	if err != nil {
		w.pass()
		return w.store.kind(err)
	}
	w.tried++
	// It is carried through now, whoever hangs up.
	tx := &Tx{ReadTx: ReadTx{store: w.store, ctx: context.WithoutCancel(ctx), q: w.conn}, chain: w.head}
	ok := false
	defer func() { // however the function ends
		w.ended(j, first, ok, tx.chain)
		w.pass()
		<-j.done
		err = j.err
	}()
	j.err = tx.run(fn)
	ok = j.err == nil
	return nil
}

// enter waits for the connection.
func (w *groupWriter) enter(ctx context.Context, j *job) error {
	w.mu.Lock()
	if !w.taken {
		w.taken = true
		w.mu.Unlock()
		return nil
	}
	w.waiting = append(w.waiting, j)
	w.mu.Unlock()
	select {
	case <-j.turn:
		return nil
	case <-ctx.Done():
	}
	w.mu.Lock()
	at := slices.Index(w.waiting, j)
	if at >= 0 {
		w.waiting = slices.Delete(w.waiting, at, at+1)
	}
	w.mu.Unlock()
	if at >= 0 {
		return ctx.Err()
	}
	<-j.turn // it has come at this moment
	return nil
}

// ended keeps what a job has done in the open transaction, or takes it out again.
func (w *groupWriter) ended(j *job, first, ok bool, head chain) {
	if ok && !first {
		if err := w.exec(release); err != nil {
			ok, j.err = false, w.store.kind(err)
		}
	}
	if ok {
		w.head = head
		w.held = append(w.held, j)
		return
	}
	var err error
	if first {
		err = w.exec(rollback)
	} else if err = w.exec(undo); err == nil {
		err = w.exec(release)
	}
	if err != nil {
		// SQLite ends a whole transaction by itself on some faults (disk full, I/O).
		w.exec(rollback)
		w.head = w.durable
		w.finish(errLost)
	}
	close(j.done)
}

var errLost = unavailableError("the transaction was lost with another Update's fault")

// pass gives the connection to who waits. When nobody does, or the group is full, it commits first.
func (w *groupWriter) pass() {
	if len(w.held) > 0 && w.tried < groupMost && time.Since(w.began) < groupTime && w.give(false) {
		return
	}
	w.settle()
	w.give(true)
}

// settle commits what is held.
func (w *groupWriter) settle() {
	if len(w.held) == 0 {
		return
	}
	err := w.exec(commit)
	if err != nil {
		w.exec(rollback) // unless SQLite did it already
		w.head = chain{} // what is on the disk is in doubt
	}
	w.check.commit()
	w.finish(w.store.kind(err))
}

// give gives the connection to the first who waits and says whether anybody did; if not, it can be let go.
func (w *groupWriter) give(letGo bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.waiting) == 0 {
		w.taken = !letGo
		return false
	}
	next := w.waiting[0]
	w.waiting = w.waiting[1:]
	close(next.turn)
	return true
}

// finish tells those whose transaction has ended.
func (w *groupWriter) finish(err error) {
	for _, j := range w.held {
		j.err = err
		close(j.done)
	}
	w.held = nil
}

func (w *groupWriter) exec(word string) error {
	_, err := w.words[word].ExecContext(context.Background())
	return err
}

func (w *groupWriter) heads() []chain {
	if w.head.writer == "" {
		return nil
	}
	return []chain{w.head}
}

// close ends the writer; no Update is under way then.
func (w *groupWriter) close() error {
	errs := []error{w.check.close()}
	for _, stmt := range w.words {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(append(errs, w.conn.Close(), w.db.Close())...)
}
