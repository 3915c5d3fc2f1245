package store

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/jmoiron/sqlx"
)

const (
	maxOutage        = 15 * time.Second      // how long a View or Update tries to get another connection, counted from its first loss
	maxOutageWaiters = 256                   // how many do so at the same time; others are Unavailable at once
	outageWait       = 20 * time.Millisecond // before the second try, doubling up to maxOutageWait, with jitter; the first try is immediate
	maxOutageWait    = 250 * time.Millisecond
)

// outage is what a process knows about lost connections. A server that fails over breaks all connections: after one was lost, the
// older ones are not used again.
type outage struct {
	down       atomic.Bool  // the last event was a loss, not a reply
	generation atomic.Int64 // generation of connections; losing one of the current generation begins the next
	waiting    atomic.Int64 // callers whose budget has begun
}

// connLost records that a connection of that generation was lost.
func (l *outage) connLost(generation int64) {
	l.down.Store(true)
	l.generation.CompareAndSwap(generation, generation+1)
}

// over records that the server replies.
func (l *outage) over() {
	if l != nil && l.down.Load() {
		l.down.Store(false)
	}
}

// retryBudget limits how long one caller retries while connections are lost. A zero until means that it has not begun.
type retryBudget struct {
	outage *outage
	until  time.Time
	wait   time.Duration
}

// newBudget returns a caller's budget. If the server is down, the budget begins at once. ok is false if too many callers wait
// already.
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

// restart begins the budget, or begins it again, however many callers wait. It is for work that must not be left unfinished.
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

// conn takes a connection from a pool. If the pool can lose connections, the wait has a limit, because those who hold connections
// may be waiting for a server that does not reply.
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

// more waits for a short time after a loss and returns whether to try again.
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
