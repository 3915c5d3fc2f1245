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
	maxUpdate    = time.Minute      // time limit of a short Update with all its runs
	bulkSlack    = 30 * time.Second // how long the server lets an UpdateLong run beyond its limit
	maxRetry     = 60               // runs of one Update before it gives up
	retryWait    = time.Millisecond // wait before the second run, doubling up to retryWaitMax, with jitter
	retryWaitMax = 64 * time.Millisecond
)

// retryWriter runs an Update on any connection of the pool. It runs the Update again after a serialization conflict and after a
// lost connection. Updates that had a conflict take turns, because most of them would conflict again if they ran side by side.
//
// If the reply to a COMMIT was lost, the transaction may be committed, or may be committed later. The transaction's first row in
// the record tells (see resolve). A transaction without a row in the record is not run again; it is Unavailable. Such
// transactions record the time of a last use, claim messages, add marks, or store the schema number. Their callers repeat all of
// these when needed, and doing them twice is harmless.
type retryWriter struct {
	store    *sqlStore
	turn     chan struct{} // held by a short Update that runs again
	longTurn chan struct{} // held by a longer Update that runs again, which would hold turn for too long
	most     time.Duration // maxUpdate

	mu        sync.Mutex
	free      []chain    // audit chains that no transaction holds; the last one is taken first
	beginning sync.Mutex // held while a chain begins
}

func (w *retryWriter) close() error { return nil }

func (w *retryWriter) heads() []chain { return w.free }

// take returns an audit chain for a transaction. The chain is empty if none is free, because more transactions run at once than
// ever before.
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

// attempt is the state of a running Update.
type attempt struct {
	*retryBudget
	isolation sql.IsolationLevel
	fn        func(*sqlTx) error
	head      chain // the audit chain, taken for the first audit row
}

// runResult says how to continue after a run.
type runResult uint8

const (
	done     runResult = iota // finished: the run's error, or nil, is the Update's
	conflict                  // serialization conflict: run it again
	connLost                  // the connection was lost before COMMIT: run it again on another connection
	inDoubt                   // the connection was lost at COMMIT: it may have committed, and no audit row tells
)

func (w *retryWriter) update(ctx context.Context, mode updateMode, fn func(*sqlTx) error) (err error) {
	p, ok := w.store.outage.newBudget()
	if !ok {
		return errDown
	}
	a := &attempt{retryBudget: p, isolation: sql.LevelSerializable, fn: fn}
	defer a.end()
	conn, err := w.conn(ctx, a)
	if err != nil {
		return w.store.kind(err)
	}
	most, runs, timeouts := w.most, maxRetry, ""
	switch mode {
	case updateGroup:
		a.isolation, runs = sql.LevelRepeatableRead, maxSharedRuns
	case updateLong:
		most = w.store.bulk
		// The server's timeout is later than the context's, because only the context's error tells which limit was reached.
		// idle_in_transaction_session_timeout is not changed, because others need the locks of a process that has vanished.
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
		// From here on the Update is completed even if its caller's ctx ends, but with a time limit, because the server may stop
		// replying.
		var stop func()
		ctx, stop = context.WithTimeout(context.WithoutCancel(ctx), most)
		defer stop()
	}
	// After a panic the chain is returned as it was before, because the transaction is rolled back.
	defer func() { w.give(a.head) }()
	next, err := w.run(ctx, conn, a)
	for run, wait := 1, retryWait; next == conflict && run < runs || next == connLost && a.more(ctx); run++ {
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
	if mode == updateGroup && (next == conflict || refusedStatement(err)) {
		return errNotShared
	}
	return w.inTime(ctx, mode, err)
}

// inTime returns an Update's error. If the Update exceeded the time limit of its mode, it returns a timeout error instead.
func (w *retryWriter) inTime(ctx context.Context, mode updateMode, err error) error {
	// When the time is over, database/sql rolls the transaction back, and Commit then returns ErrTxDone.
	if mode == updateUnbounded || ctx.Err() == nil || !errors.Is(err, ctx.Err()) && !errors.Is(err, sql.ErrTxDone) {
		return w.store.kind(err)
	}
	if !w.answers() {
		w.store.outage.down.Store(true) // so that other callers do not wait as long
	} else if mode == updateLong {
		return w.store.errOverlong()
	}
	return unavailableError("the database did not answer in time")
}

// answers returns whether the server replies. It is called after an Update has exceeded its time limit.
func (w *retryWriter) answers() bool {
	ctx, stop := context.WithTimeout(context.Background(), postgresConnect)
	defer stop()
	return w.store.pool.PingContext(ctx) == nil
}

var errDown = unavailableError("the database cannot be reached, and many wait for it already")

// conn returns a connection, even if some are lost first.
func (w *retryWriter) conn(ctx context.Context, a *attempt) (*sqlx.Conn, error) {
	for {
		conn, err := a.retryBudget.conn(ctx, w.store.pool)
		if err == nil || w.store.dialect.class(err) != lost || !a.more(ctx) {
			return conn, err
		}
	}
}

// inTurn runs an Update again. After a conflict it waits for its turn first. It takes a connection only after that, because
// waiting Updates must not hold connections that others need.
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

// run is runOnce, but first begins an audit chain if the Update needs one.
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

// begin begins an audit chain in a transaction of its own. The marks form one chain. Therefore only one goroutine of this process
// does so at a time.
func (w *retryWriter) begin(ctx context.Context, a *attempt) error {
	w.beginning.Lock()
	defer w.beginning.Unlock()
	for run := 1; ; run++ {
		conn, err := w.conn(ctx, a)
		if err != nil {
			return err
		}
		made := &attempt{retryBudget: a.retryBudget, isolation: sql.LevelSerializable, fn: func(tx *sqlTx) error { return tx.beginChain(a.head.time) }}
		next, err := w.runOnce(ctx, conn, made)
		if err == nil {
			a.head = made.head
			return nil
		}
		var known *model.Error
		switch {
		case run == maxRetry:
			return err
		case next == connLost || next == inDoubt: // if the chain was begun after all, an empty chain does no harm
			if !a.more(ctx) {
				return err
			}
		case next == conflict || errors.As(err, &known) && known.Kind == model.Exists: // another process made the mark with this number
			time.Sleep(retryWait/2 + rand.N(retryWaitMax))
		default:
			return err
		}
	}
}

// runOnce runs an Update in one transaction on conn, and releases conn. It advances the head of the audit chain when the
// transaction is durable, and gives the chain up if that is in doubt.
func (w *retryWriter) runOnce(ctx context.Context, conn *sqlx.Conn, a *attempt) (runResult, error) {
	defer conn.Close()
	begun, err := conn.BeginTxx(ctx, &sql.TxOptions{Isolation: a.isolation})
	if err != nil {
		return resultOf(err), err
	}
	defer begun.Rollback() // has no effect after a commit
	tx := &sqlTx{sqlReadTx: sqlReadTx{store: w.store, ctx: ctx, short: ctx, q: begun}, chain: a.head, taken: a.head, take: func() chain {
		a.head = w.take()
		return a.head
	}}
	if err := tx.run(a.fn); err != nil {
		if tx.failed == errNoChain {
			a.head = chain{time: tx.chainFrom}
			return done, errNoChain
		}
		// After a conflict or a timeout, the error that fn made of it does not matter.
		if ctx.Err() != nil && tx.failed != nil {
			err = tx.failed
		}
		return resultOf(tx.failed), err
	}
	if err := ctx.Err(); err != nil {
		return done, err // database/sql would not send COMMIT, or would return ErrTxDone
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
	conn.Close() // release it, because resolve needs another one and the pool is limited
	if tx.chain.seq == a.head.seq {
		a.head = chain{}
		return inDoubt, unavailableError("whether the transaction was committed is not known: " + err.Error())
	}
	void := &model.Audit{Time: tx.chain.time, Agent: "serve", Method: "commit", Object: "lost on its way", Remote: "local"}
	behind := w.store.behind(void, a.head)
	committed, failed := w.resolveCommit(ctx, a, void, tx.first)
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

// refusedStatement returns whether an Update ended because the server refused one of its statements. It then left nothing. If it is
// in doubt whether an Update left something, its error is none of the server's.
func refusedStatement(err error) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && postgresClass(err) != lost
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

// resultOfCommit is resultOf for a COMMIT. Only an error reply after which the server continues says that the transaction was not
// committed. pgconn.SafeToRetry does not help: for a COMMIT that was sent alone and whose reply was lost, it reports only that
// the connection is closed.
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

// resolveCommit finds out whether a transaction took effect whose COMMIT got no reply. mac is the MAC of its first audit row; void is a
// row with the same id.
//
// resolveCommit inserts void. The insert waits for the transaction if that is still running. If the insert then finds the transaction's
// row, the transaction was committed. resolveCommit commits too, after writing to that row, so that the transaction is as durable as
// resolveCommit's own COMMIT. (A primary that restarts may show rows that its synchronous standby does not have yet.) If the insert
// does not find that row, void stays. A COMMIT that still arrives later then fails, because its row's id is taken.
func (w *retryWriter) resolveCommit(ctx context.Context, a *attempt, void *model.Audit, mac []byte) (committed bool, err error) {
	// The Update's own time may be over, so use a new time limit.
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
	conn, err := w.store.pool.Connx(ctx)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	// With read committed, each statement has its own snapshot. Otherwise the insert could not see the row that it waited for.
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
