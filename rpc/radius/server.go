package radius

import (
	"context"
	"encoding/hex"
	"net/netip"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"layeh.com/radius"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/login"
	"tokensmith/store"
	"tokensmith/store/keyring"
)

// Server answers requests. It is safe for concurrent use.
type Server struct {
	core    *dispatch.Server
	auth    *login.Auth
	clients clients
	unknown burst // lets lines about unknown clients into the log

	mu      sync.Mutex
	working map[string]*work // requests in work, by the id of the note for their reply
	uses    map[string]*model.RadiusClientState

	slow chan struct{} // places for requests whose password is compared, or waits for it

	answered, dropped, again *prometheus.CounterVec
}

// work is a request that is being decided on.
type work struct{ duplicates int }

// maxSlow is how many requests wait at the same time until their password is compared, which is slow on purpose: few of the workers, so
// that those who guess passwords at one client do not hold up the OTPs of all others. More are dropped.
const maxSlow = udpWorkers / 4

// maxDuplicates is how many duplicates of one request wait for its reply.
const maxDuplicates = 64

// New returns a server whose logins are decided by auth.
func New(core *dispatch.Server, auth *login.Auth) *Server {
	s := &Server{core: core, auth: auth, clients: clients{core: core}, working: map[string]*work{}, uses: map[string]*model.RadiusClientState{}, slow: make(chan struct{}, maxSlow),
		answered: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tokensmith_radius_answers_total", Help: "Replies to RADIUS requests by what they say."}, []string{"reply"}),
		dropped:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tokensmith_radius_dropped_total", Help: "RADIUS requests that were not answered, by reason."}, []string{"reason"}),
		again:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tokensmith_radius_duplicates_total", Help: "RADIUS requests that were sent again: while the first was decided on, or after."}, []string{"when"}),
	}
	for _, c := range []prometheus.Collector{s.answered, s.dropped, s.again} {
		core.Metrics.Add(c)
	}
	return s
}

// Reply is what is sent for a request.
type Reply struct {
	Packet []byte
	Times  int // once for the request and once for each duplicate that came meanwhile
}

// Handle decides on a datagram from an address. It returns nothing to send for one that is dropped, and for a duplicate of one that is
// being decided on.
func (s *Server) Handle(ctx context.Context, from netip.AddrPort, datagram []byte) Reply {
	from = netip.AddrPortFrom(from.Addr().Unmap().WithZone(""), from.Port())
	r, reason := read(datagram)
	if reason != "" {
		s.drop(nil, from, reason)
		return Reply{}
	}
	list, err := s.clients.current(ctx)
	if err != nil {
		s.core.Config.Log.Error().Err(err).Msg("reading the clients of RADIUS")
		s.drop(nil, from, dropUnavailable)
		return Reply{}
	}
	return s.handle(ctx, list.byAddress(from.Addr()), list, r, from)
}

// handle decides on a request of a client, which is nil if it is unknown.
func (s *Server) handle(ctx context.Context, c *knownClient, list *clientList, r *request, from netip.AddrPort) Reply {
	if c == nil {
		s.drop(nil, from, dropClient)
		return Reply{}
	}
	if c.Status != model.Active { // no client with a wider range takes its place
		s.drop(c, from, dropDisabled)
		return Reply{}
	}
	secret, reason := s.proven(c, r)
	if reason != "" {
		s.drop(c, from, reason)
		return Reply{}
	}
	switch r.code {
	case radius.CodeStatusServer:
		return s.plain(c, r, secret, radius.CodeAccessAccept, "status")
	case radius.CodeAccountingRequest:
		return s.plain(c, r, secret, radius.CodeAccountingResponse, "accounting")
	}
	a := &access{server: s, client: c, list: list, request: r, secret: secret, from: from, message: keyring.Message(from.String(), r.raw)}
	a.id = noteID(s.core.Keys.MAC(requestPurpose, a.message))
	if duplicate, full := s.begin(a.id); full {
		s.drop(c, from, dropDuplicates)
		return Reply{}
	} else if duplicate {
		s.again.WithLabelValues("during").Inc()
		return Reply{}
	}
	a.decide(ctx)
	return Reply{a.reply, 1 + s.end(a.id)}
}

// proven returns the secret that a request was made with, or why the request is dropped.
func (s *Server) proven(c *knownClient, r *request) (model.Secret, string) {
	secrets := c.secrets(model.At(s.core.Config.Now()))
	if len(secrets) == 0 {
		return nil, dropNothingProven
	}
	proves := r.proves
	switch r.code {
	case radius.CodeAccessRequest, radius.CodeStatusServer:
		if required := c.RequireMA && c.Certificate == ""; r.ma == 0 && (required || r.code == radius.CodeStatusServer) { // TLS proves what it would
			return nil, dropMissing
		}
		if r.ma == 0 {
			return r.guessed(secrets), ""
		}
	case radius.CodeAccountingRequest:
		proves = r.accounts
	default:
		return nil, dropCode
	}
	for _, secret := range secrets {
		if proves(secret) {
			return secret, ""
		}
	}
	return nil, dropSecret
}

// plain answers a request about which nothing is decided.
func (s *Server) plain(c *knownClient, r *request, secret model.Secret, code radius.Code, what string) Reply {
	packet, err := r.answer(secret, code, nil)
	if err != nil {
		return Reply{} // cannot be: the Proxy-States fit
	}
	s.answered.WithLabelValues(what).Inc()
	s.use(c, func(*model.RadiusClientState) {})
	return Reply{packet, 1}
}

// requestPurpose is the purpose of the keyed hash that finds the reply to a request.
const requestPurpose = "radius request"

// noteBytes is how much of a hash is the id of a note: 128 bits.
const noteBytes = 16

// noteID returns the id of the note that a hash finds.
func noteID(hash []byte) string { return hex.EncodeToString(hash[:noteBytes]) }

// begin returns whether a request with that id is being decided on, and else that it is from now on. full is set if too many
// duplicates wait already.
func (s *Server) begin(id string) (duplicate, full bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.working[id]
	if w == nil {
		s.working[id] = &work{}
		return false, false
	}
	if w.duplicates == maxDuplicates {
		return true, true
	}
	w.duplicates++
	return true, false
}

// end ends the work on a request and returns how many duplicates came meanwhile.
func (s *Server) end(id string) (duplicates int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	duplicates = s.working[id].duplicates
	delete(s.working, id)
	return duplicates
}

// drop counts a request that is not answered, and tells the log so, at most once a second a client.
func (s *Server) drop(c *knownClient, from netip.AddrPort, reason string) {
	s.dropped.WithLabelValues(reason).Inc()
	of, name := &s.unknown, ""
	if c != nil {
		of, name = c.log, c.agent.Name
		s.use(c, func(u *model.RadiusClientState) { u.Dropped++; u.LastReason = reason; u.LastUsed = 0 })
	}
	if of.due() {
		s.core.Config.Log.Warn().Str("agent", name).Str("remote", from.Addr().String()).Str("reason", reason).Msg("a RADIUS request is dropped")
	}
}

// use notes for the database that a client asked.
func (s *Server) use(c *knownClient, add func(u *model.RadiusClientState)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.uses[c.ID]
	if u == nil {
		u = &model.RadiusClientState{ClientID: c.ID}
		s.uses[c.ID] = u
	}
	last := u.LastUsed
	u.LastUsed = model.At(s.core.Config.Now())
	if add(u); u.LastUsed == 0 {
		u.LastUsed = last
	}
}

// Flush writes what clients asked to the database.
func (s *Server) Flush(ctx context.Context) error {
	s.mu.Lock()
	uses := s.uses
	s.uses = map[string]*model.RadiusClientState{}
	s.mu.Unlock()
	if len(uses) == 0 {
		return nil
	}
	return s.core.Config.Store.Update(ctx, func(tx store.Tx) error {
		for _, u := range uses {
			if err := tx.RadiusAsked(u); err != nil {
				return err
			}
		}
		return nil
	})
}

const flushEvery = 10 * time.Second

// Watch writes what clients asked to the database, and deletes what is no longer kept, until ctx ends.
func (s *Server) Watch(ctx context.Context) {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done(): // once more
		case <-tick.C:
		}
		last := context.WithoutCancel(ctx)
		if err := s.Flush(last); err != nil {
			s.core.Config.Log.Error().Err(err).Msg("what clients of RADIUS asked")
		}
		if err := s.DropNotes(last); err != nil {
			s.core.Config.Log.Error().Err(err).Msg("deleting replies to RADIUS requests")
		}
	}
}

// DropNotes deletes what is no longer kept.
func (s *Server) DropNotes(ctx context.Context) error {
	return s.core.DropInParts(ctx, func(tx store.Tx, most int) (int64, error) {
		return tx.DropRadiusNotes(model.At(s.core.Config.Now()), most)
	})
}
