package installation

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/wire"
)

// What guessing installation codes may cost. An address that sent guessBurst unknown codes, and then one each guessEvery,
// is told to wait, whatever it sends; known codes do not count. All addresses together slow the answers down beyond
// guessRate a second, by guessSlow at most, but are never refused: nobody can stop other people's installations.
const (
	GuessBurst    = 10
	GuessEvery    = 10 * time.Second
	guessRate     = 20 // a second
	guessAllBurst = 200
	guessSlow     = 2 * time.Second
)

// attempts is what is known of tries at codes: those of each address, wrong ones being unknown, and those of all together.
type attempts struct {
	tries   *dispatch.Attempts
	mu      sync.Mutex
	unknown *rate.Limiter // codes, of all addresses
}

func newGuesses() *attempts {
	return &attempts{tries: dispatch.NewAttempts(GuessBurst, GuessEvery), unknown: rate.NewLimiter(guessRate, guessAllBurst)}
}

// take takes one of the caller's tries at a code. It comes before the look-up, so that known and unknown codes are
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
