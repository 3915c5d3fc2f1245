package limit

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"tokensmith/model"
	"tokensmith/rpc/conn"
)

// Attempts limits the failed attempts of each address. An attempt is taken before it is known whether it will fail. So an
// attacker who sends many attempts at the same time gets no more than one who sends them one after the other.
type Attempts struct {
	mu      sync.Mutex
	burst   int           // how many failed attempts are allowed at once
	every   time.Duration // after that, one more each of these intervals
	address conn.RecentMap[*addressAttempts]
}

// NewAttempts returns Attempts that allow each address burst failed attempts at once, and after that one in each interval of
// every.
func NewAttempts(burst int, every time.Duration) *Attempts {
	return &Attempts{burst: burst, every: every}
}

// addressAttempts is what is known of one address.
type addressAttempts struct {
	limiter   *rate.Limiter
	undecided int           // attempts that have not ended; never more than may still fail
	decided   chan struct{} // closed, and replaced by a new one, when an attempt ends
}

// Take takes one of an address's attempts. At the end of the attempt the caller must call settle with whether it failed. Take
// refuses an address that has no attempts left. If all attempts that are left have not ended yet, it waits.
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

// waits waits for until or the end of ctx, without holding mu.
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
