// Package limit limits what a caller may use: refused claims and calls of an agent per time, failed attempts of an address, the
// time for a body to arrive, and the memory of bodies. What it remembers about callers has a fixed size, however many there are.
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

// UsedInterval is the shortest time between two updates of an agent's last use.
const UsedInterval = time.Minute

// Limits for refused claims. After RefusedBurst of them, plus one for each RefusedEvery, an address is told to wait. Its further
// refusals are counted, and not recorded in the audit log. recordRate and recordBurst limit the audit rows for the refusals of
// all addresses together.
const (
	RefusedBurst = 30
	RefusedEvery = 3 * time.Second
	recordRate   = 20 // rows per second
	recordBurst  = 1000
)

// Limits is what the server remembers about callers in order to limit them. Its size is limited, however many callers there are.
type Limits struct {
	mu      sync.Mutex
	address conn.RecentMap[*refusedBy]
	agents  conn.RecentMap[*agentUse]
	callers conn.RecentMap[*KnownCaller]

	record     *rate.Limiter
	Unreported atomic.Int64 // refusals that were not recorded since the log last reported them
}

// refusedBy is what is known of one address.
type refusedBy struct {
	limiter    *rate.Limiter
	unreported int64 // refusals since the last one recorded
}

// agentUse is what is known of one agent.
type agentUse struct {
	limiter *rate.Limiter
	limit   rate.Limit
	written model.Time // when its last use was last saved
}

// New returns Limits without any callers.
func New() *Limits {
	return &Limits{record: rate.NewLimiter(recordRate, recordBurst)}
}

// CountRefusal counts a refused claim of an address. If the address has reached its limit, it returns an error that says when to try
// again. Otherwise it returns the text for the audit row about the earlier refusals that were not recorded; "" if there are none.
func (l *Limits) CountRefusal(remote string, now model.Time) (before string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.address.Get(conn.Network(remote), func() *refusedBy {
		return &refusedBy{limiter: rate.NewLimiter(rate.Every(RefusedEvery), RefusedBurst)}
	})
	if err := wait(a.limiter, now); err != nil {
		a.unreported++
		l.Unreported.Add(1)
		return "", err
	}
	if a.unreported > 0 {
		before = fmt.Sprintf("%d more refused before", a.unreported)
		a.unreported = 0
	}
	return before, nil
}

// MayRecord returns whether one more refusal may be recorded. If not, it counts it in Unreported.
func (l *Limits) MayRecord(now model.Time) bool {
	if l.record.AllowN(now.Std(), 1) {
		return true
	}
	l.Unreported.Add(1)
	return false
}

// Agent enforces an agent's rate limit: its own or, if it has none, most. A limit of 0 means no limit.
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

// LastUseDue returns whether an agent's last use should be saved now.
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

// KnownCaller is an agent that was read a moment ago.
type KnownCaller struct {
	Agent   *model.Agent
	Scope   store.Scope
	Version int64      // Store.Callers before the agent was read
	Read    model.Time // when the agent was read
}

// Known returns the cached agent for an id or a certificate, if it was read within store.MaxCallerAge and this process has changed
// no caller since.
func (l *Limits) Known(key string, version int64, now model.Time) *KnownCaller {
	l.mu.Lock()
	defer l.mu.Unlock()
	k, ok := l.callers.Peek(key)
	if !ok || k.Version != version || now < k.Read || now-k.Read >= model.Time(store.MaxCallerAge.Milliseconds()) {
		return nil
	}
	return k
}

// Know caches an agent that was authenticated.
func (l *Limits) Know(key string, k *KnownCaller) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.callers.Put(key, k)
}

// RetryDetail is the detail of a rate limit error. It also becomes the header Retry-After.
type RetryDetail struct {
	RetryAfter int `json:"retryAfter"` // seconds
}

// wait takes one event from a limiter, or returns an error that says how long to wait for it.
func wait(l *rate.Limiter, now model.Time) error {
	r := l.ReserveN(now.Std(), 1)
	delay := r.DelayFrom(now.Std())
	if delay == 0 {
		return nil
	}
	r.CancelAt(now.Std())
	return RetryAfter(delay)
}

// RetryAfter returns the error that says how long to wait.
func RetryAfter(delay time.Duration) error {
	seconds := int(math.Ceil(delay.Seconds()))
	e := model.Errorf(model.TooMany, "too many requests: try again in %d seconds", seconds)
	e.Detail = RetryDetail{seconds}
	return e
}
