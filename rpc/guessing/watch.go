package guessing

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// Refusals are unusually many (they "stand out") if there are at least MinSpray within SprayWithin, and SprayTimes as many as
// usual on the day before.
const (
	SprayWithin = 10 * time.Minute
	MinSpray    = 100
	SprayTimes  = 5
	sprayLook   = 15 * time.Second // how often they are counted
	sprayCount  = 1_000_000        // counting stops at this number
)

// Guessing watches for guesses, and is the receiver of the method that estimates what they achieve. It is safe for concurrent use.
type Guessing struct {
	server    *dispatch.Server
	standsOut atomic.Bool
	last      atomic.Int64 // refusals within SprayWithin, at the last check
}

// New returns the watch of a server, and registers its metric.
func New(s *dispatch.Server) *Guessing {
	g := &Guessing{server: s}
	s.Metrics.Add(g)
	return g
}

// StandsOut returns whether there were unusually many refusals over all users at the last check, because somebody tries a few guesses
// on each of them.
func (g *Guessing) StandsOut() bool { return g.standsOut.Load() }

var metric = prometheus.NewDesc("tokensmith_refusals_stand_out", "1 while refused credentials stand out over all users, "+
	"and windows are narrow.", nil, nil)

// Describe implements prometheus.Collector.
func (g *Guessing) Describe(to chan<- *prometheus.Desc) { to <- metric }

// Collect implements prometheus.Collector.
func (g *Guessing) Collect(to chan<- prometheus.Metric) {
	on := 0.0
	if g.StandsOut() {
		on = 1
	}
	to <- prometheus.MustNewConstMetric(metric, prometheus.GaugeValue, on)
}

const metaSpraying = "spraying" // meta row: since when; "" if refusals are not unusual

// Watch checks, until ctx ends, whether there are unusually many refused credentials over all users, and records when
// that begins and ends. While it lasts, the windows of tokens are narrow.
func (g *Guessing) Watch(ctx context.Context) {
	tick := time.NewTicker(sprayLook)
	defer tick.Stop()
	for {
		if err := g.Look(ctx); err != nil && ctx.Err() == nil {
			g.server.Config.Log.Error().Err(err).Msg("looking for refusals that stand out")
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Look is one check of Watch.
func (g *Guessing) Look(ctx context.Context) error {
	now := model.At(g.server.Config.Now())
	var count, before int64
	err := g.server.Config.Store.View(ctx, func(tx store.ReadTx) error {
		refused := []int64{int64(wire.Codes[model.WrongCredential].Number), int64(wire.Codes[model.OutOfSync].Number)}
		within := model.Time(SprayWithin.Milliseconds())
		var err error
		if count, err = tx.CountOutcomes("auth/", now-within, refused, sprayCount); err != nil || count < MinSpray {
			return err
		}
		all, err := tx.CountOutcomes("auth/", now-day, refused, sprayCount)
		before = (all - count) / int64(day/within-1)
		return err
	})
	if err != nil {
		return err
	}
	g.last.Store(count)
	on := count >= MinSpray && count >= SprayTimes*before
	if g.standsOut.Load() {
		on = count >= MinSpray/2 && count >= SprayTimes/2*before
	}
	if g.standsOut.Swap(on) == on {
		return nil
	}
	return g.server.Config.Store.Update(ctx, func(tx store.Tx) error {
		// If several processes watch, only the first one records it.
		since, err := tx.Meta(metaSpraying)
		if err != nil || len(since) > 0 == on {
			return err
		}
		event, value := "ended", []byte(nil)
		if on {
			event, value = "began", []byte(now.String())
		}
		if err := tx.PutMeta(metaSpraying, append([]byte{}, value...)); err != nil {
			return err
		}
		g.server.Config.Log.Warn().Int64("refused", count).Int64("usual", before).Msg("credentials of many users are refused: " + event)
		return tx.Audit(&model.Audit{Time: now, Agent: "serve", Method: "auth/guessing", Remote: "local",
			Object: fmt.Sprintf("%s: %d refused in %s", event, count, SprayWithin)})
	})
}

const day = model.Time(24 * time.Hour / time.Millisecond)
