package limit

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"tokensmith/model"
	"tokensmith/rpc/conn"
)

// Attempts hold addresses to a number of wrong tries. They are taken before a try is looked at, right or wrong, so that many
// sent at once get no further than one after the other.
type Attempts struct {
	mu      sync.Mutex
	burst   int           // wrong ones at once
	every   time.Duration // and then one each of these
	address conn.RecentMap[*addressAttempts]
}

// NewAttempts allows an address burst wrong tries at once, and then one each every.
func NewAttempts(burst int, every time.Duration) *Attempts {
	return &Attempts{burst: burst, every: every}
}

// addressAttempts is what is remembered of an address.
type addressAttempts struct {
	limiter   *rate.Limiter
	undecided int           // under way: no more than may still turn out wrong
	decided   chan struct{} // closed, and made anew, when one is
}

// Take takes one of an address's tries; settle says in the end whether it was wrong. It refuses an address that has none left, and
// waits while all that are left are under way.
func (of *Attempts) Take(ctx context.Context, remote string, now model.Time) (settle func(wrong bool), err error) {
	of.mu.Lock()
	defer of.mu.Unlock()
	a := of.address.Get(conn.Network(remote), func() *addressAttempts {
		return &addressAttempts{limiter: rate.NewLimiter(rate.Every(of.every), of.burst), decided: make(chan struct{})}
	})
	for {
		tokens := a.limiter.TokensAt(now.Std())
		if tokens < 1 {
			return nil, RetryAfter(time.Duration((1 - tokens) * float64(of.every)))
		}
		if a.undecided < int(tokens) {
			break
		}
		if err := waits(ctx, &of.mu, a.decided); err != nil {
			return nil, err
		}
	}
	a.undecided++
	return func(wrong bool) {
		of.mu.Lock()
		defer of.mu.Unlock()
		a.undecided--
		close(a.decided)
		a.decided = make(chan struct{})
		if wrong {
			a.limiter.AllowN(now.Std(), 1)
		}
	}, nil
}

// waits waits without holding mu.
func waits[T any](ctx context.Context, mu *sync.Mutex, until <-chan T) error {
	mu.Unlock()
	defer mu.Lock()
	select {
	case <-until:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}
