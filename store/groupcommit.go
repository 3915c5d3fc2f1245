package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"
)

// Group commit: Updates that wait while the connection is taken share its next transaction, and with it one fsync. The
// first of a group needs no savepoint, for when it fails nothing else is in the transaction yet; each later one has
// its own. An Update returns only after the commit that holds it.
//
// Who comes to a free connection leads: its goroutine runs its own function, then those that came meanwhile, commits, and
// gives the connection to the first that waits. From one function to the next goes no time for waking a goroutine.
const (
	maxGroup  = 256                  // Updates in one transaction
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
	store *sqlStore
	db    *sqlx.DB
	conn  *sqlx.Conn
	words map[string]*sql.Stmt // what begins and ends transactions, parsed once
	stmts *statements
	check *checkpointer

	mu        sync.Mutex
	taken     bool   // an Update leads
	waiting   []*job // the first one first
	afterLong bool   // the last to lead took long: those that do not come first now, so that none of them waits for two

	// Of the open transaction; who leads has these.
	held    []*job    // have run, the first one without error, and wait for the commit: what they saw may be undone
	head    chain     // of the audit rows, where the transaction has brought it
	durable chain     // where it stood before
	record  unwritten // its audit rows
	looked  time.Time // where the files are
}

// placedInterval is how long a look at where the files beside the database file are holds for further commits. Where system
// calls are slow, as in some sandboxes, to look for all three each time would cost a thirtieth of a login.
const placedInterval = 20 * time.Millisecond

// inPlace is the store's, for a commit.
func (w *groupWriter) inPlace() error {
	now := time.Now()
	if now.Sub(w.looked) < placedInterval {
		return w.store.placed.checkMain()
	}
	err := w.store.inPlace()
	if err == nil {
		w.looked = now
	}
	return err
}

// job is one Update on its way.
type job struct {
	ctx  context.Context
	mode updateMode
	fn   func(*sqlTx) error

	leads    chan bool // of one that waits: true when it is to lead, false when another has led and it has ended
	err      error
	panicked any // by fn, on another's goroutine
}

func newGroupWriter(ctx context.Context, s *sqlStore, db *sqlx.DB, conn, second *sqlx.Conn) (*groupWriter, error) {
	w := &groupWriter{store: s, db: db, conn: conn, words: map[string]*sql.Stmt{}, stmts: &statements{conn, map[string]*sqlx.Stmt{}}}
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

func (w *groupWriter) update(ctx context.Context, mode updateMode, fn func(*sqlTx) error) error {
	j := &job{ctx: ctx, mode: mode, fn: fn}
	leads, err := w.enter(j)
	if err != nil {
		return err
	}
	if leads {
		w.lead(j)
	}
	if j.panicked != nil {
		panic(j.panicked)
	}
	return j.err
}

// enter waits until the job is to lead, or has been run by who does.
func (w *groupWriter) enter(j *job) (leads bool, err error) {
	w.mu.Lock()
	if !w.taken {
		w.taken, w.afterLong = true, !j.mode.short()
		w.mu.Unlock()
		return true, nil
	}
	j.leads = make(chan bool, 1)
	w.waiting = append(w.waiting, j)
	w.mu.Unlock()
	select {
	case leads = <-j.leads:
		return leads, nil
	case <-j.ctx.Done():
	}
	w.mu.Lock()
	at := slices.Index(w.waiting, j)
	if at >= 0 {
		w.waiting = slices.Delete(w.waiting, at, at+1)
	}
	w.mu.Unlock()
	if at >= 0 {
		return false, j.ctx.Err()
	}
	return <-j.leads, nil // it runs, or is to lead, since a moment
}

// lead runs the job of this goroutine and those that may join it, and commits.
func (w *groupWriter) lead(j *job) {
	defer w.give() // however a function ends
	defer w.settle()
	runtime.Gosched() // others who are about to ask join the group
	began := time.Now()
	w.run(j, true)
	for ran := 1; ran < maxGroup && time.Since(began) < groupTime; ran++ {
		next := w.next(false)
		if next == nil {
			return
		}
		w.run(next, false)
	}
}

// next takes the first that waits out of the queue; nil when there is none. One that takes long leads or waits.
func (w *groupWriter) next(leads bool) *job {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.waiting) == 0 {
		w.taken = !leads
		return nil
	}
	at := 0
	if !leads || w.afterLong {
		at = slices.IndexFunc(w.waiting, func(j *job) bool { return j.mode.short() })
	}
	if at < 0 && !leads {
		return nil
	}
	first := w.waiting[max(at, 0)]
	w.waiting = slices.Delete(w.waiting, max(at, 0), max(at, 0)+1)
	if leads {
		w.afterLong = !first.mode.short()
	}
	return first
}

// give gives the connection to the first that waits, or lets it go.
func (w *groupWriter) give() {
	if next := w.next(true); next != nil {
		next.leads <- true
		runtime.Gosched() // to it, for everybody waits for it
	}
}

// errEnded is what an Update gives whose function has ended the goroutine that led (runtime.Goexit).
var errEnded = errors.New("store: an Update's function ended its goroutine")

// run runs a job in the open transaction, or begins one. A panic of another's is kept for its own goroutine.
func (w *groupWriter) run(j *job, own bool) {
	first, word, before := len(w.held) == 0, savepoint, w.record.point()
	if first {
		w.durable, word = w.head, begin
	} else if j.mode == updateSure {
		word = ""
	}
	if err := w.exec(word); err != nil {
		// Whether it took effect all the same, or SQLite has ended the transaction by itself, is not known.
		w.lose()
		j.end(w.store.kind(err))
		return
	}
	// It is carried through now, whoever hangs up.
	ctx := context.WithoutCancel(j.ctx)
	tx := &sqlTx{sqlReadTx: sqlReadTx{store: w.store, ctx: ctx, short: ctx, q: w.conn, prepared: w.stmts, record: &w.record}, chain: w.head}
	if j.mode == updateLong {
		tx.limit(w.store.bulk, w.store.errOverlong())
	}
	err := errEnded
	defer func() {
		if !own {
			j.panicked = recover()
		}
		w.ended(j, tx, word, before, err)
	}()
	err = tx.run(j.fn)
}

// ended keeps what a job has done in the open transaction, or takes it out again. word is what began it.
func (w *groupWriter) ended(j *job, tx *sqlTx, word string, before point, err error) {
	if err == nil && word == savepoint {
		err = w.store.kind(w.exec(release))
	}
	if err == nil {
		w.head = tx.chain
		w.held = append(w.held, j)
		return
	}
	w.record.back(before)
	if !w.takeOut(word, tx) {
		// SQLite ends a whole transaction by itself on some faults (disk full, I/O).
		w.lose()
		if word != begin {
			err = errLost // it is of what it saw of the others, which is lost
		}
	}
	if len(w.held) > 0 {
		j.err = err
		w.held = append(w.held, j)
		return
	}
	j.end(err)
}

// takeOut undoes what a job has done, and leaves what those before it have. It says whether it could.
func (w *groupWriter) takeOut(word string, tx *sqlTx) bool {
	switch word {
	case begin:
		return w.exec(rollback) == nil
	case savepoint:
		return w.exec(undo) == nil && w.exec(release) == nil
	}
	return !tx.wrote && tx.failed == nil
}

var errLost = unavailableError("the transaction was lost with another Update's fault")

// lose gives up the open transaction, if there is one, and what is held.
func (w *groupWriter) lose() {
	w.exec(rollback) // unless SQLite did it already
	w.record.back(point{})
	w.head = w.durable
	w.finish(errLost)
}

// settle commits what is held.
func (w *groupWriter) settle() {
	if len(w.held) == 0 {
		return
	}
	err := w.inPlace()
	if err == nil {
		ctx := context.Background()
		err = w.record.flush(&sqlReadTx{store: w.store, ctx: ctx, short: ctx, q: w.conn, prepared: w.stmts})
	}
	if err != nil {
		w.exec(rollback)
		w.record.back(point{})
		w.head = w.durable
		w.finish(err)
		return
	}
	if err = w.exec(commit); err != nil {
		w.exec(rollback) // unless SQLite did it already
		w.head = chain{} // what is on the disk is in doubt
	}
	w.record.back(point{})
	w.check.commit()
	w.finish(w.store.kind(err))
}

// finish tells those whose transaction has ended.
func (w *groupWriter) finish(err error) {
	for _, j := range w.held {
		j.end(cmp.Or(err, j.err))
	}
	w.held = nil
}

// end tells a job how it has ended.
func (j *job) end(err error) {
	j.err = err
	if j.leads != nil {
		j.leads <- false
	}
}

func (w *groupWriter) exec(word string) error {
	if word == "" {
		return nil
	}
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
	w.stmts.close()
	for _, stmt := range w.words {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(append(errs, w.conn.Close(), w.db.Close())...)
}
