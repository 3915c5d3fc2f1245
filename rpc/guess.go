package rpc

import (
	"context"
	"time"

	"golang.org/x/time/rate"

	"tokensmith/model"
)

// What guessing installation codes may cost. An address that sent guessBurst unknown codes, and then one each guessEvery,
// is told to wait, whatever it sends; known codes do not count. All addresses together slow the answers down beyond
// guessRate a second, by guessSlow at most, but are never refused: nobody can stop other people's installations.
const (
	guessBurst    = 10
	guessEvery    = 10 * time.Second
	guessRate     = 20 // a second
	guessAllBurst = 200
	guessSlow     = 2 * time.Second
)

// guesses is what is remembered of unknown codes.
type guesses struct {
	address recent[*guesser]
	all     *rate.Limiter
}

// guesser is an address that sends codes. Of those that are not looked up yet it may have no more under way than it may
// still get wrong; the rest wait, so that many sent at once get no further than one after the other.
type guesser struct {
	limiter   *rate.Limiter
	undecided int
	decided   chan struct{} // closed, and made anew, when one is
}

func newGuesses() guesses { return guesses{all: rate.NewLimiter(guessRate, guessAllBurst)} }

// guess takes one of the caller's tries at a code, which the reply then decides on. It refuses an address that has sent
// too many unknown codes, and waits where all addresses together have. It comes before the look-up, so that known and
// unknown codes are treated alike.
func (c *call) guess(ctx context.Context) error {
	l := c.s.limits
	l.mu.Lock()
	defer l.mu.Unlock()
	if slow := -l.guesses.all.TokensAt(c.now.Std()) / guessRate; slow > 0 {
		if err := waits(ctx, l, time.After(min(guessSlow, time.Duration(slow*float64(time.Second))))); err != nil {
			return err
		}
	}
	g := l.guesses.address.get(network(c.remote), func() *guesser {
		return &guesser{limiter: rate.NewLimiter(rate.Every(guessEvery), guessBurst), decided: make(chan struct{})}
	})
	for {
		tokens := g.limiter.TokensAt(c.now.Std())
		if tokens < 1 {
			return tryAgain(time.Duration((1 - tokens) * float64(guessEvery)))
		}
		if g.undecided < int(tokens) {
			break
		}
		if err := waits(ctx, l, g.decided); err != nil {
			return err
		}
	}
	g.undecided++
	c.atEnd = append(c.atEnd, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		g.undecided--
		close(g.decided)
		g.decided = make(chan struct{})
		if c.code != codes[model.CodeUnknown].number {
			return
		}
		g.limiter.AllowN(c.now.Std(), 1)
		if l.guesses.all.TokensAt(c.now.Std()) > -guessSlow.Seconds()*guessRate {
			l.guesses.all.ReserveN(c.now.Std(), 1)
		}
	})
	return nil
}

// waits waits without holding l.mu.
func waits[T any](ctx context.Context, l *limits, until <-chan T) error {
	l.mu.Unlock()
	defer l.mu.Lock()
	select {
	case <-until:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}
