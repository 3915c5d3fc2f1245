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

// Group commit: Updates that wait while the connection is in use share its next transaction, and with it one fsync. The first
// Update of a group needs no savepoint, because if it fails nothing else is in the transaction yet. Each later Update has a
// savepoint of its own. An Update returns only after the commit that contains it.
//
// An Update that finds the connection free leads the group. Its goroutine runs its own function, then the functions of the
// Updates that arrived meanwhile, and commits. Then it passes the connection to the first waiting Update. So no time is lost on
// waking goroutines between the functions of a group.
const (
	maxGroup  = 256                  // Updates in one transaction
	groupTime = 2 * time.Millisecond // after this time no further Update joins, so that these get their replies while others run
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
	words map[string]*sql.Stmt // prepared statements that begin and end transactions
	stmts *statements
	check *checkpointer
	// What is known of logins; nil if nothing is remembered. Only the leader uses it.
	memory *memory

	mu        sync.Mutex
	taken     bool   // an Update leads a group
	waiting   []*job // in the order of arrival
	afterLong bool   // the last leader was a long Update: short ones go first now, so that none waits for two long ones

	// State of the open transaction. Only the leader uses it.
	held    []*job    // jobs that wait for the commit; failed ones too, because what they read may be rolled back
	head    chain     // of the audit chain, including the open transaction
	durable chain     // of the audit chain, before the open transaction
	known   int64     // the memory's point before the open transaction
	record  unwritten // audit rows of the open transaction
	looked  time.Time // when inPlace last examined all files
}

// placedInterval is how long one examination of the files beside the database file is valid for further commits. Where system
// calls are slow, as in some sandboxes, examining all three files at each commit would cost 3 % of a login.
const placedInterval = 20 * time.Millisecond

// inPlace is the store's inPlace, for a commit. Within placedInterval it examines only the database file itself.
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

// job is an Update that waits or runs.
type job struct {
	ctx  context.Context
	mode updateMode
	fn   func(*sqlTx) error

	leads    chan bool // set while the job waits: receives true if the job must lead, false if another leader has completed it
	err      error
	panicked any // the value of fn's panic on the leader's goroutine
}

func newGroupWriter(ctx context.Context, s *sqlStore, db *sqlx.DB, conn, second *sqlx.Conn, memory *memory) (*groupWriter, error) {
	w := &groupWriter{store: s, db: db, conn: conn, words: map[string]*sql.Stmt{}, stmts: &statements{conn, map[string]*sqlx.Stmt{}}, memory: memory}
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

// enter waits until the job must lead, or until another leader has completed it.
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
	return <-j.leads, nil // a leader took it just now: it is running, or must lead
}

// lead runs this goroutine's own job and the jobs that may join it, and commits.
func (w *groupWriter) lead(j *job) {
	defer w.give() // runs also if a function panics or ends its goroutine
	defer w.settle()
	runtime.Gosched() // lets others come, so that they share the commit
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

// next removes a job from the queue and returns it; nil if there is none. A long job is returned only to lead a group.
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

// give passes the connection to the first waiting job, or marks it as free.
func (w *groupWriter) give() {
	if next := w.next(true); next != nil {
		next.leads <- true
		runtime.Gosched() // let the new leader run at once, because everyone waits for it
	}
}

// errEnded is the error of an Update whose function ended the goroutine (runtime.Goexit).
var errEnded = errors.New("store: an Update's function ended its goroutine")

// run runs a job in the open transaction, or begins one. If the job belongs to another goroutine, its panic is kept for that
// goroutine.
func (w *groupWriter) run(j *job, own bool) {
	first, word, before := len(w.held) == 0, savepoint, w.record.point()
	if first {
		w.durable, w.known, word = w.head, w.memory.point(), begin
		w.memory.begins()
	} else if j.mode == updateShared {
		word = ""
	}
	if err := w.exec(word); err != nil {
		// Whether it took effect all the same, or SQLite has ended the transaction by itself, is not known.
		w.lose()
		j.end(w.store.kind(err))
		return
	}
	// The job is completed from here on, even if its ctx ends.
	ctx := context.WithoutCancel(j.ctx)
	tx := &sqlTx{sqlReadTx: *w.transaction(ctx), chain: w.head}
	tx.memory, tx.recall, tx.known = w.memory, w.memory != nil && j.mode == updateShared, w.memory.point()
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
	if tx.ready() == nil {
		err = cmp.Or(tx.confirm(), err)
	}
	if tx.failed == errForgotten && !tx.wrote {
		w.record.back(before)
		*tx = sqlTx{sqlReadTx: *w.transaction(ctx), chain: w.head}
		tx.memory, tx.known = w.memory, w.memory.point()
		err = tx.run(j.fn)
	}
}

// transaction returns what runs statements in the open transaction.
func (w *groupWriter) transaction(ctx context.Context) *sqlReadTx {
	return &sqlReadTx{store: w.store, ctx: ctx, short: ctx, q: w.conn, prepared: w.stmts, record: &w.record}
}

// ended keeps the changes of a job in the open transaction or, if the job failed, undoes them. word is the statement that began
// the job; before are the audit rows at that time.
func (w *groupWriter) ended(j *job, tx *sqlTx, word string, before point, err error) {
	if err == nil && word == savepoint {
		err = w.store.kind(w.exec(release))
	}
	if err == nil {
		w.head = tx.chain
		w.held = append(w.held, j)
		return
	}
	if tx.wrote {
		w.memory.back(tx.known)
	}
	w.record.back(before)
	if !w.takeOut(word, tx) {
		// On some errors (disk full, I/O) SQLite rolls back the whole transaction by itself.
		w.lose()
		if word != begin {
			err = errLost // err may come from what it saw of the others, which is lost
		}
	}
	if len(w.held) > 0 {
		j.err = err
		w.held = append(w.held, j)
		return
	}
	j.end(err)
}

// takeOut undoes the changes of a job and keeps those of the jobs before it. It returns false if it could not. A job without a
// savepoint can only be taken out if it has written nothing and none of its statements failed.
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

// lose rolls the open transaction back, if there is one, and tells those whose changes were in it.
func (w *groupWriter) lose() {
	w.exec(rollback) // has no effect if SQLite did it already
	w.record.back(point{})
	w.memory.back(w.known)
	w.head = w.durable
	w.finish(errLost)
}

// settle commits the open transaction.
func (w *groupWriter) settle() {
	if len(w.held) == 0 {
		return
	}
	err := w.inPlace()
	if err == nil {
		err = w.record.flush(w.transaction(context.Background()))
	}
	if err != nil {
		w.exec(rollback)
		w.record.back(point{})
		w.memory.back(w.known)
		w.head = w.durable
		w.finish(err)
		return
	}
	if err = w.exec(commit); err != nil {
		w.exec(rollback) // has no effect if SQLite did it already
		w.head = chain{} // whether the rows are on the disk is in doubt
		w.memory.clear()
	}
	w.record.back(point{})
	w.check.commit()
	w.finish(w.store.kind(err))
}

// finish ends all held jobs, with err or, if err is nil, with their own errors.
func (w *groupWriter) finish(err error) {
	for _, j := range w.held {
		j.end(cmp.Or(err, j.err))
	}
	w.held = nil
}

// end sets the error of a job and wakes its goroutine if it waits.
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

// close closes the writer. No Update may be running.
func (w *groupWriter) close() error {
	errs := []error{w.check.close()}
	w.stmts.close()
	for _, stmt := range w.words {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(append(errs, w.conn.Close(), w.db.Close())...)
}
