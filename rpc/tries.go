package rpc

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"tokensmith/model"
)

// tries hold addresses to a number of wrong tries. They are taken before a try is looked at, right or wrong, so that many
// sent at once get no further than one after the other.
type tries struct {
	mu      sync.Mutex
	burst   int           // wrong ones at once
	every   time.Duration // and then one each of these
	address recent[*trier]
}

// newTries allows an address burst wrong tries at once, and then one each every.
func newTries(burst int, every time.Duration) *tries { return &tries{burst: burst, every: every} }

// trier is what is remembered of an address.
type trier struct {
	limiter   *rate.Limiter
	undecided int           // under way: no more than may still turn out wrong
	decided   chan struct{} // closed, and made anew, when one is
}

// try takes one of the caller's tries, which its reply decides on: a code of wrong counts. It refuses an address that has
// none left, and waits while all that are left are under way.
func (c *call) try(ctx context.Context, of *tries, wrong ...model.Kind) error {
	of.mu.Lock()
	defer of.mu.Unlock()
	a := of.address.get(network(c.remote), func() *trier {
		return &trier{limiter: rate.NewLimiter(rate.Every(of.every), of.burst), decided: make(chan struct{})}
	})
	for {
		tokens := a.limiter.TokensAt(c.now.Std())
		if tokens < 1 {
			return tryAgain(time.Duration((1 - tokens) * float64(of.every)))
		}
		if a.undecided < int(tokens) {
			break
		}
		if err := waits(ctx, &of.mu, a.decided); err != nil {
			return err
		}
	}
	a.undecided++
	c.atEnd = append(c.atEnd, func() {
		of.mu.Lock()
		defer of.mu.Unlock()
		a.undecided--
		close(a.decided)
		a.decided = make(chan struct{})
		if slices.ContainsFunc(wrong, func(k model.Kind) bool { return codes[k].number == c.code }) {
			a.limiter.AllowN(c.now.Std(), 1)
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
