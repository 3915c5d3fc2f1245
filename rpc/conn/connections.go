// Package conn contains what lies outside a request: the connections, which are counted in total and for each address, with room
// reserved for known callers; the address that a call comes from; and the files for large bodies and replies.
package conn

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"tokensmith/model"
	"tokensmith/rpc/wire"
)

// Defaults of ConnectionLimits.
const (
	DefaultConnections        = 4096
	DefaultAddressConnections = 256
	DefaultStreams            = 50_000

	knownFactor = 4               // an address with known callers may have this many times as many connections
	knownFor    = time.Hour       // how long an address is known after the last authenticated call from it
	knownEvery  = time.Minute     // how often a connection records that its caller is known
	newPatience = 3 * time.Second // how long a new connection is kept without a request when others need its place

	maxTurnedAway   = 128                    // how many connections are told at the same time to try again; further ones are closed
	turnedAwayTime  = 2 * time.Second        // time limit for turning a connection away, including the TLS handshake
	turnedAwayWait  = 500 * time.Millisecond // of this, how long to wait for the request
	turnedAwayQuick = 10 * time.Millisecond  // time limit for the reply if maxTurnedAway is reached: only what the system accepts at once
)

// ConnectionLimits limits the open connections of a process.
type ConnectionLimits struct {
	All     int            // all connections; a quarter is reserved for known callers
	Address int            // for an IPv4 address or an IPv6 /64 network; four times as many if it has known callers
	Streams int            // event streams of devices, which do not count as connections
	Proxies []netip.Prefix // trusted proxies, which the limit for addresses does not apply to
}

// Connections counts the connections of all listeners of a process, so that no client can use all of them. If there is no room
// for a new connection, one that waits for its next request is closed. If there is none, the new client is told to try again. A
// nil *Connections counts nothing.
type Connections struct {
	limits  ConnectionLimits
	away    chan struct{} // slots for connections that are being turned away
	refused atomic.Int64

	mu      sync.Mutex
	open    int
	streams int
	of      map[string]map[*Connection]struct{} // by network, without event streams
	known   RecentMap[time.Time]                // time of the last authenticated call, by network
}

// NewConnections returns the counter of a process. A limit of 0 means the default.
func NewConnections(l ConnectionLimits) *Connections {
	if l.All == 0 {
		l.All = DefaultConnections
	}
	if l.Address == 0 {
		l.Address = DefaultAddressConnections
	}
	if l.Streams == 0 {
		l.Streams = DefaultStreams
	}
	return &Connections{limits: l, away: make(chan struct{}, maxTurnedAway), of: map[string]map[*Connection]struct{}{}}
}

// Streams returns how many event streams may be open.
func (n *Connections) Streams() int {
	if n == nil {
		return DefaultStreams
	}
	return n.limits.Streams
}

// Count returns how many connections and streams are open, and how many connections were refused.
func (n *Connections) Count() (open, streams int, refused int64) {
	if n == nil {
		return 0, 0, 0
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.open, n.streams, n.refused.Load()
}

// Connection is a counted connection.
type Connection struct {
	net.Conn
	all     *Connections
	network string
	proxy   bool

	waits    atomic.Int64 // since when it waits for a request, in Unix nanoseconds; 0 while it has one
	knownAt  atomic.Int64 // when it last recorded that its caller is known
	streams  int          // number of event streams on it; if not 0, it does not count as a connection
	isClosed bool
}

// Listen returns a listener that counts its connections. A client for which there is no room is told so, over TLS if tlsConfig is
// not nil.
func (n *Connections) Listen(at net.Listener, tlsConfig *tls.Config) net.Listener {
	if tlsConfig != nil {
		tlsConfig = tlsConfig.Clone()
		tlsConfig.NextProtos = []string{"http/1.1"} // the protocol that turnAway uses
	}
	return &countingListener{at, n, tlsConfig}
}

type countingListener struct {
	net.Listener
	all *Connections
	tls *tls.Config
}

// Accept returns the next connection for which there is room.
func (l *countingListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if k := l.all.admit(c); k != nil {
			return k, nil
		}
		l.all.refused.Add(1)
		select {
		case l.all.away <- struct{}{}:
			go func() {
				defer func() { <-l.all.away }()
				turnAway(c, l.tls)
			}()
		default:
			if l.tls == nil {
				c.SetWriteDeadline(time.Now().Add(turnedAwayQuick))
				io.WriteString(c, noRoom)
			}
			c.Close()
		}
	}
}

// admit counts a new connection; it returns nil if there is no room.
func (n *Connections) admit(c net.Conn) *Connection {
	host := hostOf(c.RemoteAddr().String())
	k := &Connection{Conn: c, all: n, network: Network(host)}
	if at, err := netip.ParseAddr(host); err == nil {
		k.proxy = slices.ContainsFunc(n.limits.Proxies, func(p netip.Prefix) bool { return p.Contains(at.Unmap()) })
	}
	k.waits.Store(time.Now().Add(newPatience).UnixNano())
	n.mu.Lock()
	each, known := n.limits.Address, n.isKnown(k)
	if known {
		each *= knownFactor
	}
	var victims []*Connection
	room := true
	if !k.proxy && len(n.of[k.network]) >= each {
		victims, room = n.evict(victims, k.network, known)
	}
	if room && (n.open >= n.limits.All || !known && n.strangers() >= n.limits.All-n.limits.All/4) {
		victims, room = n.evict(victims, "", known)
	}
	if room {
		n.add(k)
	}
	n.mu.Unlock()
	for _, v := range victims {
		v.Conn.Close()
	}
	if !room {
		return nil
	}
	return k
}

func (n *Connections) isKnown(k *Connection) bool {
	at, ok := n.known.Peek(k.network)
	return k.proxy || ok && time.Since(at) < knownFor
}

// strangers returns the number of connections from networks without known callers.
func (n *Connections) strangers() (all int) {
	for _, set := range n.of {
		for k := range set {
			if !n.isKnown(k) {
				all += len(set)
			}
			break // one is enough, because all are of the same network
		}
	}
	return all
}

// evict removes from the count the connection that has waited longest for its next request, and appends it to victims. It chooses
// among the connections of one network. If of is "", it chooses among all networks: an unknown caller's connection if possible,
// and only such a one unless known is set. It returns whether it found one.
func (n *Connections) evict(victims []*Connection, of string, known bool) ([]*Connection, bool) {
	longest := func(set map[*Connection]struct{}) (found *Connection) {
		since := time.Now().UnixNano()
		for k := range set {
			if w := k.waits.Load(); w != 0 && w <= since {
				found, since = k, w
			}
		}
		return found
	}
	found := longest(n.of[of])
	if of == "" {
		for _, set := range n.of {
			k := longest(set)
			if k != nil && (found == nil || n.isKnown(found)) {
				found = k
			}
			if found != nil && !n.isKnown(found) {
				break
			}
		}
	}
	if found == nil || !known && of == "" && n.isKnown(found) {
		return victims, false
	}
	n.drop(found)
	return append(victims, found), true
}

// add counts a connection. drop removes it from the count.
func (n *Connections) add(k *Connection) {
	if n.of[k.network] == nil {
		n.of[k.network] = map[*Connection]struct{}{}
	}
	n.of[k.network][k] = struct{}{}
	n.open++
}

func (n *Connections) drop(k *Connection) {
	set := n.of[k.network]
	if _, ok := set[k]; !ok {
		return // it was evicted already, or has event streams
	}
	delete(set, k)
	if len(set) == 0 {
		delete(n.of, k.network)
	}
	n.open--
}

// Close closes the connection and removes it from the count.
func (k *Connection) Close() error {
	k.all.mu.Lock()
	k.isClosed = true
	k.all.drop(k)
	k.all.mu.Unlock()
	return k.Conn.Close()
}

// CloseWrite closes the writing side. net/http calls it before it closes a connection on which data may still arrive.
func (k *Connection) CloseWrite() error {
	if c, ok := k.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return errors.ErrUnsupported
}

// State is a function for http.Server.ConnState. It records which connections wait for a request.
func (n *Connections) State(c net.Conn, state http.ConnState) {
	if k := counted(c); k != nil {
		switch state {
		case http.StateActive:
			k.waits.Store(0)
		case http.StateIdle:
			k.waits.Store(time.Now().UnixNano())
		}
	}
}

type connectionKey struct{}

// Context is a function for http.Server.ConnContext. It lets a call find its connection.
func (n *Connections) Context(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, counted(c))
}

func counted(c net.Conn) *Connection {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	k, _ := c.(*Connection)
	return k
}

// ConnectionOf returns the counted connection of a request; nil if it is not counted.
func ConnectionOf(ctx context.Context) *Connection {
	k, _ := ctx.Value(connectionKey{}).(*Connection)
	return k
}

// MarkKnown records that the caller on the connection is authenticated.
func (k *Connection) MarkKnown(now time.Time) {
	if k == nil {
		return
	}
	if now.UnixNano()-k.knownAt.Load() < int64(knownEvery) {
		return
	}
	k.knownAt.Store(now.UnixNano())
	k.all.mu.Lock()
	defer k.all.mu.Unlock()
	k.all.known.Put(k.network, now)
}

// Stream changes the number of event streams on the connection by more. A connection with streams counts only as streams.
func (k *Connection) Stream(more int) {
	if k == nil {
		return
	}
	n := k.all
	n.mu.Lock()
	defer n.mu.Unlock()
	before := k.streams
	k.streams += more
	n.streams += more
	switch {
	case before == 0:
		n.drop(k)
	case k.streams == 0 && !k.isClosed:
		n.add(k)
	}
}

// noRoom is the reply on a connection for which there is no room.
var noRoom = func() string {
	e := string(wire.Failure(&model.Error{Kind: model.Unavailable, Msg: "too many connections, try again"}))
	return "HTTP/1.1 503 Service Unavailable\r\nContent-Type: " + wire.EnvelopeHeader.Get("Content-Type") +
		"\r\nCache-Control: no-store\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: " + strconv.Itoa(len(e)) + "\r\n\r\n" + e
}()

// turnAway tells the client on a connection to try again. It waits for a moment for the beginning of a request, because clients
// treat a reply that arrives before their request as an error.
func turnAway(c net.Conn, tlsConfig *tls.Config) {
	defer c.Close()
	c.SetDeadline(time.Now().Add(turnedAwayTime))
	if tlsConfig != nil {
		secure := tls.Server(c, tlsConfig)
		if secure.Handshake() != nil {
			return
		}
		c = secure
	}
	c.SetReadDeadline(time.Now().Add(turnedAwayWait))
	bufio.NewReader(c).Peek(1)
	if _, err := io.WriteString(c, noRoom); err != nil {
		return
	}
	c.SetReadDeadline(time.Now().Add(turnedAwayWait))
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
	io.CopyN(io.Discard, c, 64<<10) // if unread data is left at the close, the client may lose the reply
}
