package dispatch

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

// What refused claims may cost. Beyond refusedBurst, and then one each refusedEvery, an address is told to wait, and
// its refusals are counted and not recorded. recordRate bounds what all addresses together may write.
const (
	RefusedBurst = 30
	RefusedEvery = 3 * time.Second
	recordRate   = 20 // a second
	recordBurst  = 1000
)

// limits is what the server remembers of callers to hold them back. Its size is bounded, whoever calls.
type limits struct {
	mu      sync.Mutex
	address conn.RecentMap[*refusedBy]
	agents  conn.RecentMap[*agentUse]
	callers conn.RecentMap[*knownCaller]

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

func newLimits() *limits {
	return &limits{record: rate.NewLimiter(recordRate, recordBurst)}
}

// refused counts a refused claim of an address. Past the rate it gives the error that says when to try again; else
// what the record shall say of those before that it does not hold.
func (l *limits) refused(remote string, now model.Time) (before string, err error) {
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

// mayRecord says whether one more refusal may be written.
func (l *limits) mayRecord(now model.Time) bool {
	if l.record.AllowN(now.Std(), 1) {
		return true
	}
	l.Unsaid.Add(1)
	return false
}

// agent holds an agent to its rate; its own or, where it has none, the server's default. 0 = none.
func (l *limits) agent(a *model.Agent, most int, now model.Time) error {
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

// lastUseDue says whether an agent's last use is to be written now.
func (l *limits) lastUseDue(id string, now model.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.agents.Get(id, func() *agentUse { return &agentUse{} })
	if u.written != 0 && now-u.written < model.Time(usedInterval.Milliseconds()) {
		return false
	}
	u.written = now
	return true
}

// knownCaller is an agent as it was read a moment ago.
type knownCaller struct {
	agent   *model.Agent
	scope   store.Scope
	version int64      // of the store's callers, before it was read
	read    model.Time // when
}

// known returns the agent by which a caller was known, by its id or its certificate, when it was read a moment ago and this
// process has changed none since.
func (l *limits) known(key string, version int64, now model.Time) *knownCaller {
	l.mu.Lock()
	defer l.mu.Unlock()
	k, ok := l.callers.Peek(key)
	if !ok || k.version != version || now < k.read || now-k.read >= model.Time(store.CallersKept.Milliseconds()) {
		return nil
	}
	return k
}

// know keeps an agent that has proven who it is.
func (l *limits) know(key string, k *knownCaller) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.callers.Put(key, k)
}

// RetryDetail is the detail of a refusal for want of patience; it becomes the header Retry-After.
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
