package installation

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/limit"
	"tokensmith/rpc/wire"
)

// Limits for guessing installation codes. After GuessBurst unknown codes, plus one for each GuessEvery, an address is told to
// wait, whether its next code is known or not. Known codes are not counted. If all addresses together send more than guessRate
// unknown codes per second, replies are delayed, by guessSlow at most. They are never refused, so that nobody can block other
// people's installations.
const (
	GuessBurst    = 10
	GuessEvery    = 10 * time.Second
	guessRate     = 20 // per second
	guessAllBurst = 200
	guessSlow     = 2 * time.Second
)

// attempts counts attempts with codes: for each address, where an unknown code counts as failed, and the unknown codes of all
// addresses.
type attempts struct {
	tries   *limit.Attempts
	mu      sync.Mutex
	unknown *rate.Limiter // unknown codes of all addresses
}

func newGuesses() *attempts {
	return &attempts{tries: limit.NewAttempts(GuessBurst, GuessEvery), unknown: rate.NewLimiter(guessRate, guessAllBurst)}
}

// take takes one of the caller's attempts. It must be called before the code is looked up, so that known and unknown codes are
// treated alike.
func (g *attempts) take(ctx context.Context, c *dispatch.Call) error {
	g.mu.Lock()
	slow := -g.unknown.TokensAt(c.Now.Std()) / guessRate
	g.mu.Unlock()
	if slow > 0 {
		select {
		case <-time.After(min(guessSlow, time.Duration(slow*float64(time.Second)))):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	c.AtEnd = append(c.AtEnd, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if c.Code == wire.Codes[model.CodeUnknown].Number && g.unknown.TokensAt(c.Now.Std()) > -guessSlow.Seconds()*guessRate {
			g.unknown.ReserveN(c.Now.Std(), 1)
		}
	})
	return c.TakeAttempt(ctx, g.tries, model.CodeUnknown)
}
