package rpc

import (
	"context"
	"sync"
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

// guesses is what is known of tries at codes: those of each address, wrong ones being unknown, and those of all together.
type guesses struct {
	tries   *tries
	mu      sync.Mutex
	unknown *rate.Limiter // codes, of all addresses
}

func newGuesses() *guesses {
	return &guesses{tries: newTries(guessBurst, guessEvery), unknown: rate.NewLimiter(guessRate, guessAllBurst)}
}

// take takes one of the caller's tries at a code. It comes before the look-up, so that known and unknown codes are
// treated alike.
func (g *guesses) take(ctx context.Context, c *call) error {
	g.mu.Lock()
	slow := -g.unknown.TokensAt(c.now.Std()) / guessRate
	g.mu.Unlock()
	if slow > 0 {
		select {
		case <-time.After(min(guessSlow, time.Duration(slow*float64(time.Second)))):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	c.atEnd = append(c.atEnd, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if c.code == codes[model.CodeUnknown].number && g.unknown.TokensAt(c.now.Std()) > -guessSlow.Seconds()*guessRate {
			g.unknown.ReserveN(c.now.Std(), 1)
		}
	})
	return c.try(ctx, g.tries, model.CodeUnknown)
}
