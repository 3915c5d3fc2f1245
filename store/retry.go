package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jmoiron/sqlx"

	"tokensmith/model"
)

const (
	maxUpdate    = time.Minute      // that a short Update takes with all its runs
	bulkSlack    = 30 * time.Second // that a server lets an UpdateLong go on after its time
	maxRetry     = 60               // runs of one Update before it gives up
	retryWait    = time.Millisecond // of the second run, doubling up to retryWaitMax, with jitter
	retryWaitMax = 64 * time.Millisecond
)

// retryWriter runs an Update on any connection, and again when it lost against another, or when its connection was lost.
// Those that lost against another take turns: were they to run side by side, most would only lose again.
//
// A COMMIT whose answer was lost may have been carried out, or may be yet. Its first row of the record tells (see resolve).
// A transaction that wrote none is not run again but Unavailable: those are notes of when something was last used, claims
// of messages, marks of the record and the schema, all of which are made again by whoever wants them, and may be made
// twice.
type retryWriter struct {
	store    *sqlStore
	turn     chan struct{} // of short Updates
	longTurn chan struct{} // of the others, which would keep it for too long
	most     time.Duration // maxUpdate

	mu        sync.Mutex
	free      []chain    // audit chains that no transaction holds; the last one is taken first
	beginning sync.Mutex // held while a chain begins
}

func (w *retryWriter) close() error { return nil }

func (w *retryWriter) heads() []chain { return w.free }

// take returns a chain to a transaction; none is at hand when more run at once than ever before.
func (w *retryWriter) take() (h chain) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if last := len(w.free) - 1; last >= 0 {
		h, w.free = w.free[last], w.free[:last]
	}
	return h
}

func (w *retryWriter) give(h chain) {
	if h.writer == "" {
		return
	}
	w.mu.Lock()
	w.free = append(w.free, h)
	w.mu.Unlock()
}

// attempt is an Update on its way.
type attempt struct {
	*retryBudget
	fn   func(*sqlTx) error
	head chain // of the audit rows, taken with the first of them
}

// runResult is what is to be done about a run.
type runResult uint8

const (
	done     runResult = iota // its error, or nil, is the Update's
	conflict                  // it lost against another: run it again
	connLost                  // its connection was lost before it could commit: run it again on another one
	inDoubt                   // its connection was lost at COMMIT: it may have committed, and no audit row tells
)

func (w *retryWriter) update(ctx context.Context, mode updateMode, fn func(*sqlTx) error) (err error) {
	p, ok := w.store.outage.newBudget()
	if !ok {
		return errDown
	}
	a := &attempt{retryBudget: p, fn: fn}
	defer a.end()
	conn, err := w.conn(ctx, a)
	if err != nil {
		return w.store.kind(err)
	}
	most, timeouts := w.most, ""
	switch mode {
	case updateLong:
		most = w.store.bulk
		// Behind the context's end, which says what was reached; a server's error does not. And not
		// idle_in_transaction_session_timeout: what a process that has vanished holds, others need.
		timeouts = fmt.Sprintf("SELECT set_config('statement_timeout', '%d', TRUE), set_config('lock_timeout', '%[1]d', TRUE)", (most + bulkSlack).Milliseconds())
	case updateUnbounded:
		timeouts = "SET LOCAL statement_timeout = 0"
	}
	if timeouts != "" {
		a.fn = func(tx *sqlTx) error {
			if err := tx.later(timeouts); err != nil {
				return err
			}
			return fn(tx)
		}
	}
	if mode != updateUnbounded {
		// Once it runs it is carried through, but not for ever: a server may stop answering.
		var stop func()
		ctx, stop = context.WithTimeout(context.WithoutCancel(ctx), most)
		defer stop()
	}
	// A panic gives the chain back as it was: nothing of its transaction is left.
	defer func() { w.give(a.head) }()
	next, err := w.run(ctx, conn, a)
	for run, wait := 1, retryWait; next == conflict && run < maxRetry || next == connLost && a.more(ctx); run++ {
		if next == conflict {
			time.Sleep(wait/2 + rand.N(wait))
			wait = min(2*wait, retryWaitMax)
		}
		turn := w.longTurn
		if mode.short() {
			turn = w.turn
		}
		if next != conflict {
			turn = nil
		}
		next, err = w.inTurn(ctx, a, turn)
	}
	return w.inTime(ctx, mode, err)
}

// inTime returns an Update's error, replaced by a timeout error if the Update took longer than its mode allows.
func (w *retryWriter) inTime(ctx context.Context, mode updateMode, err error) error {
	// database/sql rolls a transaction back whose time is over, and COMMIT is then said to be done already.
	if mode == updateUnbounded || ctx.Err() == nil || !errors.Is(err, ctx.Err()) && !errors.Is(err, sql.ErrTxDone) {
		return w.store.kind(err)
	}
	if !w.answers() {
		w.store.outage.down.Store(true) // so that not everybody waits as long
	} else if mode == updateLong {
		return w.store.errOverlong()
	}
	return unavailableError("the database did not answer in time")
}

// answers says whether the server does, whatever became of an Update that took too long.
func (w *retryWriter) answers() bool {
	ctx, stop := context.WithTimeout(context.Background(), postgresConnect)
	defer stop()
	return w.store.read.PingContext(ctx) == nil
}

var errDown = unavailableError("the database cannot be reached, and many wait for it already")

// conn returns a connection, also where some are lost first.
func (w *retryWriter) conn(ctx context.Context, a *attempt) (*sqlx.Conn, error) {
	for {
		conn, err := a.retryBudget.conn(ctx, w.store.read)
		if err == nil || w.store.dialect.class(err) != lost || !a.more(ctx) {
			return conn, err
		}
	}
}

// inTurn is run for an Update that was run before; in turn if it lost against another. It takes a connection only when its turn
// has come, for those who wait must not hold what the others need.
func (w *retryWriter) inTurn(ctx context.Context, a *attempt, turn chan struct{}) (runResult, error) {
	if turn != nil {
		select {
		case turn <- struct{}{}:
		case <-ctx.Done():
			return done, ctx.Err()
		}
		defer func() { <-turn }()
	}
	conn, err := w.conn(ctx, a)
	if err != nil {
		return done, err
	}
	return w.run(ctx, conn, a)
}

// run is runOnce, and begins an audit chain first where the Update needs one.
func (w *retryWriter) run(ctx context.Context, conn *sqlx.Conn, a *attempt) (runResult, error) {
	next, err := w.runOnce(ctx, conn, a)
	if err != errNoChain {
		return next, err
	}
	if err = w.begin(ctx, a); err != nil {
		return done, err
	}
	if conn, err = w.conn(ctx, a); err != nil {
		return done, err
	}
	return w.runOnce(ctx, conn, a)
}

// begin begins an audit chain in a transaction of its own. Marks are one chain: in this process one at a time.
func (w *retryWriter) begin(ctx context.Context, a *attempt) error {
	w.beginning.Lock()
	defer w.beginning.Unlock()
	for run := 1; ; run++ {
		conn, err := w.conn(ctx, a)
		if err != nil {
			return err
		}
		made := &attempt{retryBudget: a.retryBudget, fn: func(tx *sqlTx) error { return tx.beginChain(a.head.time) }}
		next, err := w.runOnce(ctx, conn, made)
		if err == nil {
			a.head = made.head
			return nil
		}
		var known *model.Error
		switch {
		case run == maxRetry:
			return err
		case next == connLost || next == inDoubt: // one that may be there and has no rows does no harm
			if !a.more(ctx) {
				return err
			}
		case next == conflict || errors.As(err, &known) && known.Kind == model.Exists: // another process made that mark
			time.Sleep(retryWait/2 + rand.N(retryWaitMax))
		default:
			return err
		}
	}
}

// runOnce runs an Update in one transaction on conn, which it gives back. It moves the audit chain's head when the
// transaction is durable, and drops it where that is in doubt.
func (w *retryWriter) runOnce(ctx context.Context, conn *sqlx.Conn, a *attempt) (runResult, error) {
	defer conn.Close()
	begun, err := conn.BeginTxx(ctx, &sql.TxOptions{Isolation: sql.LevelSerializable})
	if err != nil {
		return resultOf(err), err
	}
	defer begun.Rollback() // does nothing after a commit
	tx := &sqlTx{sqlReadTx: sqlReadTx{store: w.store, ctx: ctx, short: ctx, q: begun}, chain: a.head, taken: a.head, take: func() chain {
		a.head = w.take()
		return a.head
	}}
	if err := tx.run(a.fn); err != nil {
		if tx.failed == errNoChain {
			a.head = chain{time: tx.chainFrom}
			return done, errNoChain
		}
		// What fn makes of a lost race, or of the end of its time, does not count.
		if ctx.Err() != nil && tx.failed != nil {
			err = tx.failed
		}
		return resultOf(tx.failed), err
	}
	if err := ctx.Err(); err != nil {
		return done, err // database/sql would send no COMMIT, or say that it was done already
	}
	err = begun.Commit()
	if next := resultOfCommit(err); next != inDoubt {
		if err == nil {
			w.store.outage.over()
			if tx.chain.writer != "" {
				a.head = tx.chain
			}
		}
		return next, err
	}
	conn.Close() // another one is needed, and those that are there are counted
	if tx.chain.seq == a.head.seq {
		a.head = chain{}
		return inDoubt, unavailableError("whether the transaction was committed is not known: " + err.Error())
	}
	void := &model.Audit{Time: tx.chain.time, Agent: "serve", Method: "commit", Object: "lost on its way", Remote: "local"}
	behind := w.store.behind(void, a.head)
	committed, failed := w.resolve(ctx, a, void, tx.first)
	switch {
	case failed != nil:
		a.head = chain{}
		return done, unavailableError("whether the transaction was committed is not known: " + errors.Join(err, failed).Error())
	case committed:
		a.head = tx.chain
		return done, nil
	}
	a.head = behind
	return connLost, err
}

func resultOf(err error) runResult {
	switch postgresClass(err) {
	case retryable:
		return conflict
	case lost:
		return connLost
	}
	return done
}

// resultOfCommit is resultOf for a COMMIT: only an error that the server gave and lived on says that nothing was
// committed. What pgx calls safe to retry may have been sent: of a COMMIT that goes alone and whose answer is lost it tells
// only that the connection is closed.
func resultOfCommit(err error) runResult {
	var refused *pgconn.PgError
	switch {
	case err == nil || errors.Is(err, sql.ErrTxDone):
		return done
	case errors.As(err, &refused) && refused.SeverityUnlocalized == "ERROR" && postgresClass(err) != lost:
		return resultOf(err)
	}
	return inDoubt
}

// resolve finds out whether a transaction whose COMMIT got no answer took effect. mac is that of its first audit row; void takes that row's place. It writes
// void, which waits for the transaction if it is still under way. Where it then finds that row there, the transaction
// committed; it commits as well, having written to the row, so that what it found is as durable as its own COMMIT (a
// primary that restarts shows what its synchronous standby may not have yet). Where it does not, void stays: the
// transaction, whose COMMIT may be on its way still, finds its place taken.
func (w *retryWriter) resolve(ctx context.Context, a *attempt, void *model.Audit, mac []byte) (committed bool, err error) {
	// What led here may have been that the Update's time was over.
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), maxOutage)
	defer stop()
	a.restart()
	err = errDown
	for a.more(ctx) {
		if committed, err = w.probe(ctx, void, mac); err == nil {
			return committed, nil
		}
		if c := postgresClass(err); c != lost && c != retryable && c != unavailable {
			break
		}
	}
	return false, err
}

func (w *retryWriter) probe(ctx context.Context, void *model.Audit, mac []byte) (committed bool, err error) {
	conn, err := w.store.read.Connx(ctx)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	// A snapshot of its own for each statement, or it could not see what it waited for.
	tx, err := conn.BeginTxx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return false, err
	}
	defer tx.Rollback()
	t, v := tableOf(void)
	var found []byte
	err = sqlx.GetContext(ctx, tx, &found, w.store.text(t.insertOne+" ON CONFLICT (id) DO UPDATE SET id = excluded.id RETURNING mac"), t.values(v, nil)...)
	if err != nil {
		return false, err
	}
	if committed = bytes.Equal(found, mac); !committed && !bytes.Equal(found, void.MAC) {
		return false, fmt.Errorf("row %s of the record is another's", void.ID)
	}
	return committed, tx.Commit()
}
