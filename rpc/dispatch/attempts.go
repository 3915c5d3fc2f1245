package dispatch

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"tokensmith/model"
	"tokensmith/rpc/conn"
	"tokensmith/rpc/wire"
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

// TakeAttempt takes one of the caller's tries, which its reply decides on: a code of wrong counts. It refuses an address that has
// none left, and waits while all that are left are under way.
func (c *Call) TakeAttempt(ctx context.Context, of *Attempts, wrong ...model.Kind) error {
	of.mu.Lock()
	defer of.mu.Unlock()
	a := of.address.Get(conn.Network(c.Remote), func() *addressAttempts {
		return &addressAttempts{limiter: rate.NewLimiter(rate.Every(of.every), of.burst), decided: make(chan struct{})}
	})
	for {
		tokens := a.limiter.TokensAt(c.Now.Std())
		if tokens < 1 {
			return RetryAfter(time.Duration((1 - tokens) * float64(of.every)))
		}
		if a.undecided < int(tokens) {
			break
		}
		if err := waits(ctx, &of.mu, a.decided); err != nil {
			return err
		}
	}
	a.undecided++
	c.AtEnd = append(c.AtEnd, func() {
		of.mu.Lock()
		defer of.mu.Unlock()
		a.undecided--
		close(a.decided)
		a.decided = make(chan struct{})
		if slices.ContainsFunc(wrong, func(k model.Kind) bool { return wire.Codes[k].Number == c.Code }) {
			a.limiter.AllowN(c.Now.Std(), 1)
		}
	})
	return nil
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
