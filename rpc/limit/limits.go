// Package limit bounds what a caller may take: refused claims and calls of an agent in a time, wrong tries of an address, the time in which
// a body must come, and the memory of bodies. What it remembers of callers is bounded, whoever calls.
package limit

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"tokensmith/model"
	"tokensmith/rpc/conn"
	"tokensmith/store"
)

// UsedInterval is how often an agent's last use is written at most.
const UsedInterval = time.Minute

// What refused claims may cost. Beyond RefusedBurst, and then one each RefusedEvery, an address is told to wait, and
// its refusals are counted and not recorded. recordRate bounds what all addresses together may write.
const (
	RefusedBurst = 30
	RefusedEvery = 3 * time.Second
	recordRate   = 20 // a second
	recordBurst  = 1000
)

// Limits is what the server remembers of callers to hold them back. Its size is bounded, whoever calls.
type Limits struct {
	mu      sync.Mutex
	address conn.RecentMap[*refusedBy]
	agents  conn.RecentMap[*agentUse]
	callers conn.RecentMap[*KnownCaller]

	record *rate.Limiter
	Unsaid atomic.Int64 // refusals that were not recorded, since the log last told
}

// refusedBy is what is remembered of an address.
type refusedBy struct {
	limiter *rate.Limiter
	unsaid  int64 // refusals since the last one recorded
}

// agentUse is what is remembered of an agent.
type agentUse struct {
	limiter *rate.Limiter
	limit   rate.Limit
	written model.Time // when its last use was last written
}

// New remembers nobody yet.
func New() *Limits {
	return &Limits{record: rate.NewLimiter(recordRate, recordBurst)}
}

// Refused counts a refused claim of an address. Past the rate it gives the error that says when to try again; else
// what the record shall say of those before that it does not hold.
func (l *Limits) Refused(remote string, now model.Time) (before string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.address.Get(conn.Network(remote), func() *refusedBy {
		return &refusedBy{limiter: rate.NewLimiter(rate.Every(RefusedEvery), RefusedBurst)}
	})
	if err := wait(a.limiter, now); err != nil {
		a.unsaid++
		l.Unsaid.Add(1)
		return "", err
	}
	if a.unsaid > 0 {
		before = fmt.Sprintf("%d more refused before", a.unsaid)
		a.unsaid = 0
	}
	return before, nil
}

// MayRecord says whether one more refusal may be written.
func (l *Limits) MayRecord(now model.Time) bool {
	if l.record.AllowN(now.Std(), 1) {
		return true
	}
	l.Unsaid.Add(1)
	return false
}

// Agent holds an agent to its rate; its own or, where it has none, the server's default. 0 = none.
func (l *Limits) Agent(a *model.Agent, most int, now model.Time) error {
	if a.RateLimit > 0 {
		most = int(a.RateLimit)
	}
	if most == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.agents.Get(a.ID, func() *agentUse { return &agentUse{} })
	if u.limiter == nil || u.limit != rate.Limit(most) {
		u.limit = rate.Limit(most)
		u.limiter = rate.NewLimiter(u.limit, most)
	}
	return wait(u.limiter, now)
}

// LastUseDue says whether an agent's last use is to be written now.
func (l *Limits) LastUseDue(id string, now model.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.agents.Get(id, func() *agentUse { return &agentUse{} })
	if u.written != 0 && now-u.written < model.Time(UsedInterval.Milliseconds()) {
		return false
	}
	u.written = now
	return true
}

// KnownCaller is an agent as it was read a moment ago.
type KnownCaller struct {
	Agent   *model.Agent
	Scope   store.Scope
	Version int64      // of the store's callers, before it was read
	Read    model.Time // when
}

// Known returns the agent by which a caller was known, by its id or its certificate, when it was read a moment ago and this
// process has changed none since.
func (l *Limits) Known(key string, version int64, now model.Time) *KnownCaller {
	l.mu.Lock()
	defer l.mu.Unlock()
	k, ok := l.callers.Peek(key)
	if !ok || k.Version != version || now < k.Read || now-k.Read >= model.Time(store.CallersKept.Milliseconds()) {
		return nil
	}
	return k
}

// Know keeps an agent that has proven who it is.
func (l *Limits) Know(key string, k *KnownCaller) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.callers.Put(key, k)
}

// RetryDetail is the detail of a rate-limit refusal; it becomes the header Retry-After.
type RetryDetail struct {
	RetryAfter int `json:"retryAfter"` // seconds
}

// wait takes one from a limiter, or says how long to wait for it.
func wait(l *rate.Limiter, now model.Time) error {
	r := l.ReserveN(now.Std(), 1)
	delay := r.DelayFrom(now.Std())
	if delay == 0 {
		return nil
	}
	r.CancelAt(now.Std())
	return RetryAfter(delay)
}

// RetryAfter says how long to wait.
func RetryAfter(delay time.Duration) error {
	seconds := int(math.Ceil(delay.Seconds()))
	e := model.Errorf(model.TooMany, "too many requests: try again in %d seconds", seconds)
	e.Detail = RetryDetail{seconds}
	return e
}
