package radius

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"layeh.com/radius"

	"tokensmith/model"
	"tokensmith/rpc/conn"
)

// RADIUS over TLS (RFC 6614): requests come one behind the other on a connection that stays open, and their client is known by the
// public key of its certificate, which one of the authorities of the server has signed.
const (
	radsecConns     = 512              // connections of clients
	radsecPerKey    = 32               // connections of one certificate
	radsecUnproven  = 32               // connections of one network (conn.Network) in their handshakes; the oldest gives way to another
	radsecStrangers = 128              // connections of all networks in their handshakes; the same
	radsecInFlight  = 64               // requests of one connection that are decided on at the same time; then it is not read
	radsecHandshake = 10 * time.Second // for the handshake, for the rest of a packet that has begun, and to send a reply
	radsecIdle      = time.Hour        // how long a connection may be silent
)

// radsec are the open connections.
type radsec struct {
	mu    sync.Mutex
	conns map[net.Conn]radsecConn
}

// radsecConn is what is known of an open connection.
type radsecConn struct {
	key     string // the hash of the public key of a client; "" before the handshake
	network string
	since   time.Time
}

// enter counts a connection. Those who have proven nothing take no room of the clients. Where there are too many of them, the one that has
// waited longest is returned, and must be closed: a client needs a fraction of a second for its handshake, and a stranger who keeps places
// must keep making connections.
func (r *radsec) enter(raw net.Conn) (closed net.Conn) {
	network := ""
	if from, ok := addressOf(raw); ok {
		network = conn.Network(from.Addr().String())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.count("", network) >= radsecUnproven:
		closed = r.oldest(network)
	case r.count("", "") >= radsecStrangers:
		closed = r.oldest("")
	}
	if closed != nil {
		delete(r.conns, closed)
	}
	r.conns[raw] = radsecConn{network: network, since: time.Now()}
	return closed
}

// oldest returns the oldest connection in its handshake, of a network if one is given.
func (r *radsec) oldest(network string) (found net.Conn) {
	for raw, c := range r.conns {
		if c.key == "" && (network == "" || c.network == network) && (found == nil || c.since.Before(r.conns[found].since)) {
			found = raw
		}
	}
	return found
}

// known counts a connection for the certificate of a client, and returns whether there is room for it.
func (r *radsec) known(raw net.Conn, key string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, open := r.conns[raw]
	if !open || r.count(key, "") >= radsecPerKey || len(r.conns)-r.count("", "") >= radsecConns {
		return false
	}
	c.key = key
	r.conns[raw] = c
	return true
}

// count returns how many connections have a key and, if network is not empty, come from it.
func (r *radsec) count(key, network string) (n int) {
	for _, c := range r.conns {
		if c.key == key && (network == "" || c.network == network) {
			n++
		}
	}
	return n
}

func (r *radsec) leave(conn net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, conn)
}

// closeReading ends the waiting for further requests.
func (r *radsec) closeReading() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for conn := range r.conns {
		conn.SetReadDeadline(time.Now())
	}
}

// ServeTLS answers requests that come over TLS to a listener, until ctx ends. Then it answers those that it has read.
func (s *Server) ServeTLS(ctx context.Context, listener net.Listener, config *tls.Config) error {
	config = config.Clone()
	config.ClientAuth, config.NextProtos = tls.RequireAndVerifyClientCert, nil
	open := &radsec{conns: map[net.Conn]radsecConn{}}
	var group sync.WaitGroup
	stop := context.AfterFunc(ctx, func() { listener.Close(); open.closeReading() })
	defer stop()
	for {
		conn, err := listener.Accept()
		if err != nil {
			if ctx.Err() == nil && !errors.Is(err, net.ErrClosed) {
				time.Sleep(100 * time.Millisecond) // such as no more files
				continue
			}
			open.closeReading()
			group.Wait()
			if ctx.Err() != nil {
				err = nil
			}
			return err
		}
		if oldest := open.enter(conn); oldest != nil {
			s.dropped.WithLabelValues(dropOverload).Inc()
			oldest.Close()
		}
		group.Go(func() {
			defer open.leave(conn)
			defer conn.Close()
			s.serveConn(ctx, open, conn, tls.Server(conn, config))
		})
	}
}

// serveConn answers the requests of one connection.
func (s *Server) serveConn(ctx context.Context, open *radsec, raw net.Conn, conn *tls.Conn) {
	from, ok := addressOf(raw)
	if !ok {
		return
	}
	raw.SetDeadline(time.Now().Add(radsecHandshake))
	if err := conn.HandshakeContext(ctx); err != nil {
		s.drop(nil, from, dropClient)
		return
	}
	raw.SetDeadline(time.Time{})
	sum := sha256.Sum256(conn.ConnectionState().PeerCertificates[0].RawSubjectPublicKeyInfo)
	key := hex.EncodeToString(sum[:])
	list, err := s.clients.current(ctx)
	if err != nil {
		s.core.Config.Log.Error().Err(err).Msg("reading the clients of RADIUS")
		s.drop(nil, from, dropUnavailable)
		return
	}
	c := list.byCertificate(key)
	if c == nil {
		s.drop(nil, from, dropClient)
		return
	}
	if c.Status != model.Active {
		s.drop(c, from, dropDisabled)
		return
	}
	if !open.known(raw, key) {
		s.drop(nil, from, dropOverload)
		return
	}
	var writing sync.Mutex
	var group sync.WaitGroup
	defer group.Wait()
	places := make(chan struct{}, radsecInFlight)
	decided := context.WithoutCancel(ctx)
	for ctx.Err() == nil {
		packet, err := readPacket(ctx, raw, conn)
		if err != nil {
			return
		}
		places <- struct{}{}
		group.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					s.core.Config.Log.Error().Msg("a RADIUS request made the server panic")
				}
				<-places
			}()
			reply := s.handleTLS(decided, key, from, packet)
			if reply.Packet == nil {
				return
			}
			writing.Lock()
			defer writing.Unlock()
			for range reply.Times {
				raw.SetWriteDeadline(time.Now().Add(radsecHandshake))
				if _, err := conn.Write(reply.Packet); err != nil {
					raw.Close()
					return
				}
			}
		})
	}
}

// handleTLS is Handle for a request of a connection whose client has proven a public key.
func (s *Server) handleTLS(ctx context.Context, key string, from netip.AddrPort, packet []byte) Reply {
	r, reason := read(packet)
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
	return s.handle(ctx, list.byCertificate(key), list, r, from)
}

// readPacket reads one packet. A connection with a packet of a wrong length cannot be read any further.
func readPacket(ctx context.Context, raw net.Conn, conn io.Reader) ([]byte, error) {
	raw.SetReadDeadline(time.Now().Add(radsecIdle))
	if ctx.Err() != nil {
		return nil, ctx.Err() // the deadline that closeReading has set may have been before this one
	}
	var head [4]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return nil, err
	}
	length := int(binary.BigEndian.Uint16(head[2:]))
	if length < headerBytes || length > radius.MaxPacketLength {
		return nil, errors.New("radius: the length of a packet is not valid")
	}
	raw.SetReadDeadline(time.Now().Add(radsecHandshake))
	packet := make([]byte, length)
	copy(packet, head[:])
	_, err := io.ReadFull(conn, packet[len(head):])
	return packet, err
}

// addressOf returns the address of the other side.
func addressOf(conn net.Conn) (netip.AddrPort, bool) {
	tcp, ok := conn.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}, false
	}
	at := tcp.AddrPort()
	return netip.AddrPortFrom(at.Addr().Unmap().WithZone(""), at.Port()), true
}
