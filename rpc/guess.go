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

// guess takes one of the caller's tries at a code. It comes before the look-up, so that known and unknown codes are
// treated alike.
func (c *call) guess(ctx context.Context) error {
	l := c.s.limits
	l.mu.Lock()
	slow := -l.unknownCodes.TokensAt(c.now.Std()) / guessRate
	l.mu.Unlock()
	if slow > 0 {
		select {
		case <-time.After(min(guessSlow, time.Duration(slow*float64(time.Second)))):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	c.atEnd = append(c.atEnd, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if c.code == codes[model.CodeUnknown].number && l.unknownCodes.TokensAt(c.now.Std()) > -guessSlow.Seconds()*guessRate {
			l.unknownCodes.ReserveN(c.now.Std(), 1)
		}
	})
	return c.try(ctx, &l.codes, model.CodeUnknown)
}

func newUnknownCodes() *rate.Limiter { return rate.NewLimiter(guessRate, guessAllBurst) }
