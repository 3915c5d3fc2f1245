package radius

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"layeh.com/radius"
)

const (
	udpQueue   = 1024 // requests that wait for a worker
	udpWorkers = 128  // requests that are decided on at the same time; more of them share a commit
)

// datagram is a request on its way to a worker.
type datagram struct {
	from netip.AddrPort
	to   []byte // which of the server's addresses it was sent to, for the reply; see local
	b    *[]byte
	n    int
}

// ServeUDP answers requests that come to a socket, until ctx ends. Then it answers those that it has read, and closes the socket.
func (s *Server) ServeUDP(ctx context.Context, conn *net.UDPConn) error {
	asksLocal(conn)
	buffers := sync.Pool{New: func() any { b := make([]byte, radius.MaxPacketLength+1); return &b }}
	queue := make(chan datagram, udpQueue)
	var workers sync.WaitGroup
	decided := context.WithoutCancel(ctx)
	for range udpWorkers {
		workers.Go(func() {
			for d := range queue {
				s.answerUDP(decided, conn, d)
				buffers.Put(d.b)
			}
		})
	}
	stop := context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Now()) })
	defer stop()
	var failed error
	for {
		d := datagram{b: buffers.Get().(*[]byte)}
		var err error
		if d.n, d.to, d.from, err = readFrom(conn, *d.b); err != nil {
			if ctx.Err() != nil {
				break
			}
			if errors.Is(err, net.ErrClosed) {
				failed = err
				break
			}
			continue // such as an ICMP error for a reply
		}
		select {
		case queue <- d:
		default:
			s.drop(nil, d.from, dropOverload)
			buffers.Put(d.b)
		}
	}
	close(queue)
	workers.Wait()
	return errors.Join(failed, conn.Close())
}

// answerUDP answers one request.
func (s *Server) answerUDP(ctx context.Context, conn *net.UDPConn, d datagram) {
	defer func() {
		if p := recover(); p != nil {
			s.core.Config.Log.Error().Msg("a RADIUS request made the server panic")
		}
	}()
	reply := s.Handle(ctx, d.from, (*d.b)[:d.n])
	for range reply.Times {
		if reply.Packet != nil {
			conn.WriteMsgUDPAddrPort(reply.Packet, d.to, d.from)
		}
	}
}
