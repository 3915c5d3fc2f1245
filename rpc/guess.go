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
	address recent[*rate.Limiter]
	all     *rate.Limiter
}

func newGuesses() guesses { return guesses{all: rate.NewLimiter(guessRate, guessAllBurst)} }

// guesser gives an address's limiter; l.mu is held.
func (l *limits) guesser(remote string) *rate.Limiter {
	return l.guesses.address.get(network(remote), func() *rate.Limiter { return rate.NewLimiter(rate.Every(guessEvery), guessBurst) })
}

// guessing refuses an address that has sent too many unknown codes, and waits where all addresses together have. It is
// called before a code is looked up, so that known and unknown ones are treated alike.
func (l *limits) guessing(ctx context.Context, remote string, now model.Time) error {
	l.mu.Lock()
	tokens := l.guesser(remote).TokensAt(now.Std())
	slow := -l.guesses.all.TokensAt(now.Std()) / guessRate
	l.mu.Unlock()
	if tokens < 1 {
		return tryAgain(time.Duration((1 - tokens) * float64(guessEvery)))
	}
	if slow <= 0 {
		return nil
	}
	select {
	case <-time.After(min(guessSlow, time.Duration(slow*float64(time.Second)))):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// guessed counts an unknown code.
func (l *limits) guessed(remote string, now model.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.guesser(remote).AllowN(now.Std(), 1)
	if l.guesses.all.TokensAt(now.Std()) > -guessSlow.Seconds()*guessRate {
		l.guesses.all.ReserveN(now.Std(), 1)
	}
}
