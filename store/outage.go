package store

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/jmoiron/sqlx"
)

const (
	maxOutage        = 15 * time.Second      // that a View or Update looks for another connection, counted from its first loss
	maxOutageWaiters = 256                   // who do so at once; others are Unavailable without delay
	outageWait       = 20 * time.Millisecond // before the second try, doubling up to lostWaitMax, with jitter; the first is made at once
	maxOutageWait    = 250 * time.Millisecond
)

// outage is what a process knows of connections that broke or could not be made. A server that fails over breaks them
// all: once one was lost, those of before it are not used again.
type outage struct {
	down       atomic.Bool  // the last that was heard of the server was a loss
	generation atomic.Int64 // of connections; the next one begins with each loss of the last
	waiting    atomic.Int64 // callers with a budget that has begun
}

// connLost notes that a connection of a generation was lost.
func (l *outage) connLost(generation int64) {
	l.down.Store(true)
	l.generation.CompareAndSwap(generation, generation+1)
}

// over notes that the server answers.
func (l *outage) over() {
	if l != nil && l.down.Load() {
		l.down.Store(false)
	}
}

// retryBudget is one caller's while connections are lost. The zero time means that it has not begun.
type retryBudget struct {
	outage *outage
	until  time.Time
	wait   time.Duration
}

// newBudget returns a caller's. Where the server is down it begins at once: ok says whether there is room.
func (l *outage) newBudget() (p *retryBudget, ok bool) {
	p = &retryBudget{outage: l}
	return p, l == nil || !l.down.Load() || p.begin()
}

func (p *retryBudget) begin() bool {
	if p.outage.waiting.Add(1) > maxOutageWaiters {
		p.outage.waiting.Add(-1)
		return false
	}
	p.until = time.Now().Add(maxOutage)
	return true
}

// restart lets it begin, or begin again, however many wait, for what must not be left half done.
func (p *retryBudget) restart() {
	if p.until.IsZero() {
		p.outage.waiting.Add(1)
	}
	p.until, p.wait = time.Now().Add(maxOutage), 0
}

func (p *retryBudget) end() {
	if !p.until.IsZero() {
		p.outage.waiting.Add(-1)
	}
}

// conn takes a connection from a pool. Where that may lose some, nobody waits for one without end: those who have them
// may wait for a server that does not answer.
func (p *retryBudget) conn(ctx context.Context, db *sqlx.DB) (*sqlx.Conn, error) {
	if p.outage == nil {
		return db.Connx(ctx)
	}
	most := maxUpdate
	if !p.until.IsZero() {
		most = time.Until(p.until)
	}
	bounded, stop := context.WithTimeout(ctx, most)
	defer stop()
	conn, err := db.Connx(bounded)
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		p.outage.down.Store(true)
		err = unavailableError("no connection to the database was free in time")
	}
	return conn, err
}

// more waits a little after a loss and says whether to try again.
func (p *retryBudget) more(ctx context.Context) bool {
	if p.until.IsZero() && !p.begin() {
		return false
	}
	if p.wait > 0 {
		select {
		case <-time.After(p.wait/2 + rand.N(p.wait)):
		case <-ctx.Done():
			return false
		}
	}
	p.wait = min(max(2*p.wait, outageWait), maxOutageWait)
	return ctx.Err() == nil && time.Now().Before(p.until)
}
