package store

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"iter"
	"runtime"
	"slices"
	"sync"

	"github.com/jmoiron/sqlx"

	"tokensmith/model"
)

// On PostgreSQL, a login alone takes three round trips and a commit. sharedWriter runs many Updates of mode updateShared in one
// transaction instead. Their functions run in turns: each runs until it needs rows from the database; then the queries of all of
// them are sent at once. What they write is kept until they end, and sent with COMMIT.
//
// The transaction has the isolation level REPEATABLE READ, so PostgreSQL refuses it if another transaction changed a row that it
// writes. A function that decides by a row must therefore write that row, or a row that every change of it writes as well (see
// UpdateShared in store.go).
//
// PostgreSQL does not keep the functions of one transaction apart. So they declare what they read and write (see sqlReadTx.sees and
// sqlTx.change). One that has read what another one wrote meanwhile writes nothing and runs again in the next transaction.
//
// If the transaction is refused, because of a conflict, a statement, or a row that another transaction has locked, all of them run
// again, each in a transaction of its own. So a fault of one does not touch the others.
type sharedWriter struct {
	*retryWriter
	mu      sync.Mutex
	waiting []*sharedJob
	taken   bool // somebody runs a transaction, and takes those who wait into the next one
}

// sharedJob is one Update.
type sharedJob struct {
	ctx      context.Context
	fn       func(*sqlTx) error
	leads    chan bool // true: run the next transaction; false: the job has ended
	err      error
	again    bool // it must run again
	alone    bool // it must run again, in a transaction of its own
	panicked any
}

const (
	maxShared     = 64 // Updates in one transaction
	maxSharedRuns = 4  // runs of a transaction before its Updates run alone
	maxOvertaken  = 64 // runs of an Update in shared transactions before it runs alone, where it would conflict with all of them

	// sharedLocks limits how long a shared transaction waits for a lock, in milliseconds. An Update of many rows may hold it for long.
	sharedLocks = "SET LOCAL lock_timeout = 100"
)

func (w *sharedWriter) update(ctx context.Context, mode updateMode, fn func(*sqlTx) error) error {
	if mode != updateShared {
		return w.retryWriter.update(ctx, mode, fn)
	}
	waits, stop := context.WithTimeout(ctx, w.most)
	defer stop()
	for run := range maxOvertaken {
		j := &sharedJob{ctx: context.WithoutCancel(ctx), fn: fn, leads: make(chan bool, 1)}
		leads, err := w.enter(waits, j, run > 0)
		if err != nil {
			return cmp.Or(ctx.Err(), unavailableError("the transaction of others did not end in time"))
		}
		if leads {
			w.lead(j)
		}
		switch {
		case j.panicked != nil:
			panic(j.panicked)
		case j.alone:
			return w.retryWriter.update(ctx, updateShort, fn)
		case !j.again:
			return j.err
		}
	}
	return w.retryWriter.update(ctx, updateShort, fn)
}

// enter waits until the job must lead or has ended. While it waits, it can end with ctx. One that ran before goes before the others.
func (w *sharedWriter) enter(ctx context.Context, j *sharedJob, ran bool) (leads bool, err error) {
	w.mu.Lock()
	if !w.taken {
		w.taken = true
		w.mu.Unlock()
		return true, nil
	}
	at := len(w.waiting)
	if ran {
		at = 0
	}
	w.waiting = slices.Insert(w.waiting, at, j)
	w.mu.Unlock()
	select {
	case leads = <-j.leads:
		return leads, nil
	case <-ctx.Done():
	}
	w.mu.Lock()
	at = slices.Index(w.waiting, j)
	if at >= 0 {
		w.waiting = slices.Delete(w.waiting, at, at+1)
	}
	w.mu.Unlock()
	if at >= 0 {
		return false, ctx.Err()
	}
	return <-j.leads, nil // it was taken just now
}

// lead runs a job and those who wait in one transaction, and lets the next one of those who came meanwhile lead.
func (w *sharedWriter) lead(j *sharedJob) {
	runtime.Gosched() // lets others come
	w.mu.Lock()
	n := min(len(w.waiting), maxShared-1)
	jobs := append([]*sharedJob{j}, w.waiting[:n]...)
	w.waiting = slices.Delete(w.waiting, 0, n)
	w.mu.Unlock()
	err := w.together(jobs)
	for _, j := range jobs {
		switch {
		case errors.Is(err, errNotShared):
			j.alone, j.panicked = true, nil
		case err != nil && (j.err == nil || j.err == errEnded):
			j.err = err
		}
	}
	for _, j := range jobs[1:] {
		j.leads <- false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.waiting) == 0 {
		w.taken = false
		return
	}
	next := w.waiting[0]
	w.waiting = slices.Delete(w.waiting, 0, 1)
	next.leads <- true
}

// together runs jobs in one transaction. It does so on a goroutine of its own, because a function may end its goroutine, or panic
// while rows are read. The caller of another Update must not be harmed by that.
func (w *sharedWriter) together(jobs []*sharedJob) error {
	result := make(chan error, 1)
	go func() {
		err := error(errNotShared)
		defer func() {
			recover() // the function panics again when it runs alone
			result <- err
		}()
		err = w.retryWriter.update(jobs[0].ctx, updateGroup, func(tx *sqlTx) error {
			return (&sharedTx{tx: tx, wrote: map[claim]*member{}}).run(jobs)
		})
	}()
	return <-result
}

// errNotShared is the error of a shared transaction that failed and left nothing. Its Updates run alone then.
var errNotShared = unavailableError("the transaction of several Updates was refused")

// sharedTx is one run of a shared transaction.
type sharedTx struct {
	tx    *sqlTx
	wrote map[claim]*member // who wrote it
}

// claim names something that a function reads and writes: a row, or several rows that are read and written together.
type claim struct{ table, id string }

// member is one run of an Update in a shared transaction. It runs in a coroutine of the goroutine that leads.
type member struct {
	shared *sharedTx
	job    *sharedJob
	tx     *sqlTx
	next   func() (*sharedQuery, bool) // runs it until it sends its next query; false: it has ended
	stop   func()
	yield  func(*sharedQuery) bool

	reads   []claim
	wrote   []change
	rows    []model.Audit // of the record
	unknown string        // what the last Logins that found nobody looked for
	sent    bool          // whether some of what it wrote was sent before it ended
	err     error
}

// statement is a statement with its parameters.
type statement struct {
	text string
	args []any
}

// change is a statement that changes what a claim names.
type change struct {
	claim
	statement
	after  int        // how many changes of the same member to the same claim come before it
	update *rowUpdate // if it is one, and may be sent with others
}

type sharedQuery struct {
	statement
	scan func(*sqlx.Rows) error
	err  error
}

// errAlone is the error of a statement that cannot run in a shared transaction.
var errAlone = errors.New("store: this statement needs a transaction of its own")

// run runs all jobs. An error means that the transaction must be rolled back.
func (s *sharedTx) run(jobs []*sharedJob) error {
	s.tx.record = &unwritten{}
	if err := s.tx.later(sharedLocks); err != nil {
		return err
	}
	running := make([]*member, len(jobs))
	for i, j := range jobs {
		j.err, j.again, j.alone, j.panicked = errEnded, false, false, nil
		running[i] = s.begin(j)
		defer running[i].stop()
	}
	ended := make([]*member, 0, len(jobs))
	for len(running) > 0 {
		var queries []*sharedQuery
		asking := running[:0]
		for _, m := range running {
			if m.overtaken() && !m.sent { // it would run in vain
				m.job.again = true
				m.tx.failed = errAlone
				m.stop()
			} else if q := m.step(); q != nil {
				queries, asking = append(queries, q), append(asking, m)
			} else if m.end() {
				ended = append(ended, m)
			} else if m.sent {
				return errNotShared // what it wrote must be taken back
			}
		}
		if running = asking; len(queries) > 0 {
			if err := s.ask(queries); err != nil {
				return err
			}
		}
	}
	return s.write(ended)
}

// write sends what members have written with the next statement, or with COMMIT. The order is the same in every process: of two
// that change the same rows, one waits for the other, and hardly ever each for the other. What one member does to the same claim
// stays in its order.
func (s *sharedTx) write(members []*member) error {
	var changes []change
	for _, m := range members {
		changes = append(changes, m.wrote...)
	}
	slices.SortStableFunc(changes, func(a, b change) int {
		return cmp.Or(cmp.Compare(a.table, b.table), cmp.Compare(a.after, b.after), cmp.Compare(a.text, b.text), cmp.Compare(a.id, b.id))
	})
	for len(changes) > 0 {
		n := sameUpdate(changes)
		send := changes[0].statement
		if n > 1 {
			rows := make([][]any, n)
			for i := range rows {
				rows[i] = changes[i].args
			}
			send = changes[0].update.together(rows)
		}
		if err := s.tx.later(send.text, send.args...); err != nil {
			return err
		}
		changes = changes[n:]
	}
	for _, m := range members {
		for i := range m.rows {
			if err := s.tx.Audit(&m.rows[i]); err != nil {
				return err
			}
		}
	}
	return s.tx.record.each(func(text string, args []any) error { return s.tx.later(text, slices.Clone(args)...) })
}

func (s *sharedTx) begin(j *sharedJob) *member {
	m := &member{shared: s, job: j}
	m.tx = &sqlTx{sqlReadTx: sqlReadTx{store: s.tx.store, ctx: j.ctx, short: j.ctx, q: refusing{}, member: m}}
	m.next, m.stop = iter.Pull(func(yield func(*sharedQuery) bool) {
		m.yield = yield
		m.err = m.tx.run(j.fn)
	})
	return m
}

// step runs a member until it sends a query, and returns the query; nil if the member has ended. A panic is kept for the
// goroutine whose Update it is.
func (m *member) step() (q *sharedQuery) {
	defer func() {
		if p := recover(); p != nil {
			m.job.panicked = p
		}
	}()
	q, _ = m.next()
	return q
}

// query waits until the database has replied to a query.
func (m *member) query(text string, args []any, scan func(*sqlx.Rows) error) error {
	if len(m.wrote) > 0 { // it may read what it has written
		if !m.claims() {
			m.job.again = true
			return errAlone
		}
		m.sent = true
		if err := m.shared.write([]*member{m}); err != nil {
			return err
		}
		m.wrote, m.rows = nil, nil
	}
	q := &sharedQuery{statement: statement{text, args}, scan: scan}
	if !m.yield(q) {
		return errAlone // the transaction has failed
	}
	return q.err
}

// end sets the result of a member that has ended, and returns whether what it wrote is to be sent.
func (m *member) end() bool {
	switch {
	case m.job.panicked != nil || m.job.again:
	case errors.Is(m.err, errAlone) || errors.Is(m.tx.failed, errAlone):
		m.job.alone = true
	case m.err != nil:
		m.job.err = m.err
	case !m.claims():
		m.job.again = true
	default:
		m.job.err = nil
		return true
	}
	return false
}

// claims claims what a member has written. It returns false if another member wrote what this one has read.
func (m *member) claims() bool {
	if m.overtaken() {
		return false
	}
	for _, c := range m.wrote {
		m.shared.wrote[c.claim] = m
	}
	return true
}

// overtaken returns whether another member wrote what this one has read.
func (m *member) overtaken() bool {
	return slices.ContainsFunc(m.reads, func(c claim) bool {
		by := m.shared.wrote[c]
		return by != nil && by != m
	})
}

// sameUpdate returns how many changes at the beginning of a list, at least one, can be sent as one statement.
func sameUpdate(changes []change) int {
	n := 1
	first := &changes[0]
	for ; first.update != nil && n < len(changes); n++ {
		if c := &changes[n]; c.update != first.update || c.after != first.after || c.id == changes[n-1].id {
			break
		}
	}
	return n
}

type furtherKey struct{}

// ask sends queries together and passes each its rows.
func (s *sharedTx) ask(queries []*sharedQuery) error {
	// Those with the same text are sent as one.
	slices.SortStableFunc(queries, func(a, b *sharedQuery) int { return cmp.Compare(a.text, b.text) })
	further := make([]statement, len(queries)-1)
	for i, q := range queries[1:] {
		further[i] = q.statement
	}
	tx := s.tx
	if err := tx.ready(); err != nil {
		return err
	}
	first := queries[0]
	rows, err := tx.q.QueryxContext(context.WithValue(tx.short, furtherKey{}, further), first.text, first.args...)
	if err != nil {
		return tx.did(err)
	}
	defer rows.Close()
	for i, q := range queries {
		if i > 0 && !rows.NextResultSet() {
			return tx.did(cmp.Or(rows.Err(), driver.ErrBadConn))
		}
		q.err = q.scan(rows)
		if err := rows.Err(); err != nil {
			return tx.did(err)
		}
	}
	return tx.did(rows.Close())
}

// refusing refuses all statements that run at once, except queries.
type refusing struct{}

func (refusing) ExecContext(context.Context, string, ...any) (sql.Result, error) {
	return nil, errAlone
}

func (refusing) QueryxContext(context.Context, string, ...any) (*sqlx.Rows, error) {
	return nil, errAlone
}

// sees declares that a function has read something that others write in transactions that they may share with it.
func (tx *sqlReadTx) sees(table, id string) {
	if tx.member != nil {
		tx.member.reads = append(tx.member.reads, claim{table, id})
	}
}

// change is later for a statement that changes something that others may have read with sees: the row with a key, or those of a
// group of tokens with one seed.
func (tx *sqlTx) change(table, id, query string, args ...any) error {
	if tx.member == nil {
		if table != seedGroups { // those are not remembered
			if err := tx.writesRow(query, id); err != nil {
				return err
			}
		}
		return tx.laterKnown(query, args...)
	}
	if err := tx.ready(); err != nil {
		return err
	}
	c := change{claim: claim{table, id}, statement: statement{query, args}}
	for _, before := range tx.member.wrote {
		if before.claim == c.claim {
			c.after++
		}
	}
	tx.member.wrote = append(tx.member.wrote, c)
	return nil
}
