package device

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"tokensmith/model"
	"tokensmith/rpc/caller"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/limit"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

const (
	streamsDevice = 8 // limit for one client token; a further stream ends the oldest one
	streamPing    = 30 * time.Second
	streamWrite   = 20 * time.Second       // time limit for writing one event
	streamLook    = 250 * time.Millisecond // how often the database is checked for devices that were logged out
	streamSeen    = 10 * time.Second       // how often devices are searched whose last use must be saved
)

// streams are the event streams that are open in this process. A stream is added before its client token is checked. So a device
// that is logged out after the check is told, and one that was logged out before is refused.
type streams struct {
	most  int // limit for open streams
	mu    sync.Mutex
	open  map[*stream]struct{}
	of    map[string][]*stream // by public id of the client token, oldest first
	ended chan struct{}        // closed when the server stops
	stop  sync.Once
}

// stream is the event stream of one device.
type stream struct {
	token string
	seen  model.Time    // when its use was last saved; 0 before its client token is checked
	out   chan []byte   // receives the envelope to send before the stream is closed
	over  chan struct{} // closed when newer streams of the device have replaced it
}

func newStreams(most int) *streams {
	return &streams{most: most, open: map[*stream]struct{}{}, of: map[string][]*stream{}, ended: make(chan struct{})}
}

func (l *streams) add(st *stream) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.open) >= l.most {
		return model.UnavailableError(errors.New("too many streams are open"))
	}
	l.open[st] = struct{}{}
	l.of[st.token] = append(l.of[st.token], st)
	if n := len(l.of[st.token]); n > streamsDevice {
		// A device that lost power leaves streams behind that nobody reads.
		close(l.of[st.token][n-1-streamsDevice].over)
	}
	return nil
}

func (l *streams) remove(st *stream) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, st)
	l.of[st.token] = slices.DeleteFunc(l.of[st.token], func(o *stream) bool { return o == st })
	if len(l.of[st.token]) == 0 {
		delete(l.of, st.token)
	}
}

func (l *streams) none() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.open) == 0
}

// list returns the streams for which fits returns true, and the public ids of their client tokens.
func (l *streams) list(fits func(*stream) bool) (all []*stream, ids []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for st := range l.open {
		if fits(st) {
			all, ids = append(all, st), append(ids, st.token)
		}
	}
	return all, slices.Compact(slices.Sorted(slices.Values(ids)))
}

// EndEvents closes every event stream, because the server stops.
func (m *Device) EndEvents() { m.streams.stop.Do(func() { close(m.streams.ended) }) }

// Follow checks, until ctx ends, whether devices with an event stream here were logged out, by this process or another, and tells
// them. It also saves when they were last seen.
func (m *Device) Follow(ctx context.Context) {
	var last string
	seen := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(streamLook):
		}
		err := m.follow(ctx, &last)
		if err == nil && time.Since(seen) >= streamSeen {
			seen = time.Now()
			err = m.stillThere(ctx)
		}
		if err != nil && ctx.Err() == nil {
			m.Server.Config.Log.Error().Err(err).Msg("event streams")
		}
	}
}

// follow tells the streams whose devices were logged out since last.
func (m *Device) follow(ctx context.Context, last *string) error {
	if m.streams.none() {
		return nil
	}
	return m.Server.Config.Store.View(ctx, func(tx store.ReadTx) error {
		now, err := tx.Meta(metaLoggedOut)
		if err != nil || string(now) == *last {
			return err
		}
		// List the streams only now, after the snapshot began. A stream that is added later checks its client token later too.
		all, ids := m.streams.list(func(*stream) bool { return true })
		found, err := tx.Presented(ids)
		if err != nil {
			return err
		}
		for _, st := range all {
			refused := error(model.ErrClientToken)
			if p, ok := found[st.token]; ok {
				refused = p.Refusal()
			}
			if refused != nil {
				select {
				case st.out <- wire.Failure(wire.ClientError(refused)):
				default: // it has been told already
				}
			}
		}
		*last = string(now)
		return nil
	})
}

// stillThere saves that devices with a stream were seen, once in each check-in interval.
func (m *Device) stillThere(ctx context.Context) error {
	now := model.At(m.Server.Config.Now())
	due, ids := m.streams.list(func(st *stream) bool { return st.seen != 0 && now-st.seen >= max(checkIn(m.Server), model.SeenEvery) })
	if len(due) == 0 {
		return nil
	}
	err := m.Server.Config.Store.Update(ctx, func(tx store.Tx) error { return tx.Seen(ids, now) })
	if err == nil {
		m.streams.mu.Lock()
		for _, st := range due {
			st.seen = now
		}
		m.streams.mu.Unlock()
	}
	return err
}

// Events serves the event stream of a device (server-sent events of the WHATWG).
func (m *Device) Events(w http.ResponseWriter, r *http.Request, c *dispatch.Call) {
	scheme, text := caller.Authorization(r)
	id, hash, ok := model.ParseClientToken(text)
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		c.Fail(w, model.ErrMalformedToken, false)
		return
	}
	st := &stream{token: id, out: make(chan []byte, 1), over: make(chan struct{})}
	if err := m.streams.add(st); err != nil {
		c.Fail(w, err, false)
		return
	}
	defer m.streams.remove(st)
	plan, err := connecting(r.Context(), m.Server, c, id, hash)
	if err == nil {
		_, err = c.Run(r.Context(), &plan)
	}
	if err != nil {
		c.Fail(w, c.Refused(r.Context(), err), false)
		return
	}
	m.streams.mu.Lock()
	st.seen = c.Now
	m.streams.mu.Unlock()
	// Read the rest of the request, so that net/http notices when the device disconnects. A device that has not sent all of it
	// has time to do so.
	if _, err := io.CopyN(io.Discard, r.Body, dispatch.DeviceBody); err != io.EOF {
		c.Fail(w, limit.Unfinished(err), false)
		return
	}
	c.Conn.Stream(1)
	defer c.Conn.Stream(-1)
	m.stream(w, r, st)
}

// stream writes pings until the device disconnects or is logged out, or the server stops.
func (m *Device) stream(w http.ResponseWriter, r *http.Request, st *stream) {
	conn := http.NewResponseController(w)
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // a proxy must forward each event at once
	if r.ProtoMajor == 1 {
		h.Set("Connection", "close") // close the connection with the stream
	}
	event := func(name string, data []byte) error {
		conn.SetWriteDeadline(time.Now().Add(streamWrite))
		_, err := w.Write([]byte("event: " + name + "\ndata: " + string(data) + "\n\n"))
		if err == nil {
			err = conn.Flush()
		}
		return err
	}
	ping := time.NewTicker(streamPing)
	defer ping.Stop()
	for {
		if err := event("ping", []byte("{}")); err != nil {
			return
		}
		select {
		case <-ping.C:
		case told := <-st.out:
			event("loggedOut", told)
			return
		case <-st.over:
			return
		case <-m.streams.ended:
			return
		case <-r.Context().Done():
			return
		}
	}
}
