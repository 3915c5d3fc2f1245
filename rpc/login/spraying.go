package login

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tokensmith/model"
	"tokensmith/rpc/conn"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/limit"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// addressSlots is the number of slots in which failures of addresses are counted. It limits the stored data, however many
// addresses there are.
const addressSlots = 1 << 16

// comesFrom sets the address that a credential comes from.
func (v *verification) comesFrom(remote string) {
	v.address = conn.Network(remote)
	mac := v.auth.addresses.Sign([]byte(v.address))
	v.slot = int64(binary.BigEndian.Uint16(mac[len(mac)-2:])) % addressSlots
}

// isHeld returns whether a credential is refused without a check because of earlier failures of its address. An unknown user is
// treated like one without a success from there.
func (v *verification) isHeld(tx store.Tx, login *model.Login) (bool, error) {
	if v.address == "" {
		return false, nil
	}
	id := ""
	if login != nil {
		id = login.ID
	}
	var err error
	v.from, err = tx.Address(v.slot, id, v.address)
	return v.from.Blocked(v.c.Now), err
}

// counted runs check and counts a failure for the address.
func (v *verification) counted(tx store.Tx, check func(store.Tx) (any, error)) (any, error) {
	result, err := check(tx)
	o, refused := result.(dispatch.CommittedRefusal)
	if !refused || err != nil || v.void || v.address == "" || v.from.Knows(v.c.Now) || !failed(o.Err.Kind) {
		return result, err
	}
	v.from.CountFailure(v.c.Now)
	return result, tx.AddressFailed(v.slot, &v.from)
}

// failed returns whether a refusal was a wrong guess.
func failed(k model.Kind) bool { return k == model.WrongCredential || k == model.OutOfSync }

// arrived saves that a user logged in from the address.
func (v *verification) arrived(tx store.Tx, userID string) error {
	if v.address == "" || !v.from.Due(v.c.Now) {
		return nil
	}
	return tx.AddressKnown(userID, v.address, v.c.Now)
}

func tooManyFrom(now model.Time) error {
	e := wire.ClientError(limit.RetryAfter(time.Duration(model.Tomorrow(now)) * time.Millisecond))
	e.Msg = "too many refused credentials from this address today"
	return e
}

// Refusals are unusually many (they "stand out") if there are at least MinSpray within SprayWithin, and SprayTimes as many as
// usual on the day before.
const (
	SprayWithin = 10 * time.Minute
	MinSpray    = 100
	SprayTimes  = 5
	sprayLook   = 15 * time.Second // how often they are counted
	sprayCount  = 1_000_000        // counting stops at this number
)

// spraying says whether there are unusually many refusals over all users, because somebody tries a few guesses on each of them.
type spraying struct {
	on   atomic.Bool
	last atomic.Int64 // refusals within SprayWithin, at the last check
}

var standsOut = prometheus.NewDesc("tokensmith_refusals_stand_out", "1 while refused credentials stand out over all users, "+
	"and windows are narrow.", nil, nil)

// Describe implements prometheus.Collector.
func (p *spraying) Describe(to chan<- *prometheus.Desc) { to <- standsOut }

// Collect implements prometheus.Collector.
func (p *spraying) Collect(to chan<- prometheus.Metric) {
	on := 0.0
	if p.on.Load() {
		on = 1
	}
	to <- prometheus.MustNewConstMetric(standsOut, prometheus.GaugeValue, on)
}

const metaSpraying = "spraying" // meta row: since when; "" if refusals are not unusual

// WatchGuessing checks, until ctx ends, whether there are unusually many refused credentials over all users, and records when
// that begins and ends. While it lasts, the windows of tokens are narrow.
func (m *Auth) WatchGuessing(ctx context.Context) {
	tick := time.NewTicker(sprayLook)
	defer tick.Stop()
	for {
		if err := m.LookForSpraying(ctx); err != nil && ctx.Err() == nil {
			m.Server.Config.Log.Error().Err(err).Msg("looking for refusals that stand out")
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// LookForSpraying is one check of WatchGuessing.
func (m *Auth) LookForSpraying(ctx context.Context) error {
	now := model.At(m.Server.Config.Now())
	var count, before int64
	err := m.Server.Config.Store.View(ctx, func(tx store.ReadTx) error {
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
	m.spraying.last.Store(count)
	on := count >= MinSpray && count >= SprayTimes*before
	if m.spraying.on.Load() {
		on = count >= MinSpray/2 && count >= SprayTimes/2*before
	}
	if m.spraying.on.Swap(on) == on {
		return nil
	}
	return m.Server.Config.Store.Update(ctx, func(tx store.Tx) error {
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
		m.Server.Config.Log.Warn().Int64("refused", count).Int64("usual", before).Msg("credentials of many users are refused: " + event)
		return tx.Audit(&model.Audit{Time: now, Agent: "serve", Method: "auth/guessing", Remote: "local",
			Object: fmt.Sprintf("%s: %d refused in %s", event, count, SprayWithin)})
	})
}

const day = model.Time(24 * time.Hour / time.Millisecond)
